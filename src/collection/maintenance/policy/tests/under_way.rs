//! Commits that go on while merges are built: how many segments there are until these end.

use super::*;

/// Merges in progress at a time, and those that are built at a time.
const MERGES: usize = 3;
const BUILT: usize = 2;

/// A merge in progress.
struct Running {
    inputs: Vec<Part>,
    rows: usize,
    /// Rows that are left to build.
    left: f64,
}

/// A table whose merges take time.
#[derive(Default)]
struct Table {
    parts: Vec<Part>,
    running: Vec<Running>,
    merged: usize,
}

impl Table {
    fn rows(&self) -> usize {
        let running = self.running.iter().flat_map(|merge| &merge.inputs);
        self.parts.iter().chain(running).map(|part| part.rows).sum()
    }

    /// Segments that merges in progress are at work on.
    fn busy(&self) -> usize {
        self.running.iter().map(|merge| merge.inputs.len()).sum()
    }

    fn begin(&mut self) {
        while self.running.len() < MERGES {
            let running = self.running.iter().map(|merge| merge.inputs.iter().map(|part| part.rows).sum());
            let beside = Beside::of(self.busy(), running, self.rows());
            let Some(merge) = next(&self.parts, beside, 3, Zeal::Steady) else { return };
            let inputs = merge.inputs.iter().map(|at| self.parts[*at]).collect();
            let mut at = 0;
            self.parts.retain(|_| {
                at += 1;
                !merge.inputs.contains(&(at - 1))
            });
            self.running.push(Running { inputs, rows: merge.rows, left: merge.rows as f64 });
        }
    }

    /// Each of the builders builds `rows` rows.
    fn build(&mut self, mut rows: f64) {
        while rows > 0.0 && !self.running.is_empty() {
            let built = self.running.iter_mut().take(BUILT);
            let step = built.map(|merge| merge.left).fold(rows, f64::min);
            rows -= step;
            self.running.iter_mut().take(BUILT).for_each(|merge| merge.left -= step);
            for merge in self.running.extract_if(.., |merge| merge.left <= 0.0) {
                self.merged += merge.rows;
                self.parts.push(Part { rows: merge.rows, live: merge.rows });
            }
        }
    }
}

#[test]
fn while_large_merges_are_built_segments_do_not_pile_up() {
    // Rows that a builder writes while one row is committed; two keep up from three on.
    for (speed, most) in [(3.0, 16), (6.0, 13)] {
        for seed in 0..8 {
            let (mut table, mut rng) = (Table::default(), Rng(seed));
            let (mut written, mut log, mut found) = (0, 0, 0);
            while written < 1_000_000 {
                let rows = [1, 10, 100, 1_000, 1_000, 5_000, 20_000][rng.below(7)];
                (written, log) = (written + rows, log + rows);
                if log >= SEAL {
                    table.parts.push(Part { rows: log, live: log });
                    log = 0;
                }
                table.begin();
                table.build(rows as f64 * speed);
                found = found.max(table.parts.len() + table.busy());
            }
            let what = format!("seed {seed}, speed {speed}: {found} segments, {} rows merged", table.merged);
            assert!(found <= most && table.merged <= 4 * written, "{what}");
        }
    }
}
