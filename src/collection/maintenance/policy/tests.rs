//! Years of commits, with the real policy and segments that are numbers.

use super::*;

mod under_way;

/// Log entries that make a segment.
const SEAL: usize = 1024;

struct Rng(u64);

impl Rng {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (((self.0 >> 33) as u128 * bound as u128) >> 31) as usize
    }
}

/// A table made of numbers.
struct World {
    parts: Vec<Part>,
    log: usize,
    fan: usize,
    /// Rows that became a segment.
    sealed: usize,
    /// Rows that merges wrote, and what they cost.
    merged: usize,
    cost: usize,
    most_parts: usize,
    worst_dead: f64,
    rng: Rng,
}

impl World {
    fn new(fan: usize, seed: u64) -> Self {
        let rng = Rng(seed);
        let parts = Vec::new();
        Self { parts, log: 0, fan, sealed: 0, merged: 0, cost: 0, most_parts: 0, worst_dead: 0.0, rng }
    }

    fn live(&self) -> usize {
        self.parts.iter().map(|part| part.live).sum()
    }

    /// Kills rows as a uniformly random choice would.
    fn kill(&mut self, rows: usize) {
        for _ in 0..rows {
            let live = self.live();
            if live == 0 {
                return;
            }
            let mut at = self.rng.below(live);
            for part in &mut self.parts {
                if at < part.live {
                    part.live -= 1;
                    break;
                }
                at -= part.live;
            }
        }
    }

    fn add(&mut self, rows: usize) {
        self.log += rows;
        if self.log >= SEAL {
            self.seal();
        }
    }

    fn seal(&mut self) {
        let rows = std::mem::take(&mut self.log);
        self.parts.push(Part { rows, live: rows });
        self.sealed += rows;
        self.maintain(Zeal::Steady);
        let rows: usize = self.parts.iter().map(|part| part.rows).sum();
        self.most_parts = self.most_parts.max(self.parts.len());
        if rows > 4 * SEAL {
            self.worst_dead = self.worst_dead.max(1.0 - self.live() as f64 / rows as f64);
        }
    }

    fn maintain(&mut self, zeal: Zeal) {
        let mut merges = 0;
        while let Some(merge) = next(&self.parts, Beside::segments(0), self.fan, zeal) {
            merges += 1;
            assert!(merges < 100, "the policy does not end: {:?}", self.parts);
            self.merged += merge.rows;
            self.cost += merge.cost();
            let mut at = 0;
            self.parts.retain(|_| {
                at += 1;
                !merge.inputs.contains(&(at - 1))
            });
            if merge.rows > 0 {
                self.parts.push(Part { rows: merge.rows, live: merge.rows });
            }
        }
    }
}

/// Sizes of commits, as somebody may make them.
fn sizes(kind: usize, at: usize, rng: &mut Rng) -> usize {
    match kind {
        0 => 1,
        1 => 1 + rng.below(200),
        2 => 5_462,
        3 => 10_000 + rng.below(10_000),
        4 => [1, 20_000][at % 2],
        // One in ten thousand times as often as the other.
        5 => 1 << rng.below(15),
        6 => 6_000,
        _ => 1_025,
    }
}

#[test]
fn years_of_commits_leave_few_segments_little_rewriting_and_few_dead_rows() {
    for fan in [2, 3, 4, 8] {
        for kind in 0..8 {
            for (updates, deletes) in [(0, 0), (20, 0), (10, 10), (60, 39)] {
                let seed = 7 + kind as u64;
                let what = format!(
                    "seed {seed}, fan {fan}, commits {kind}, {updates} % updates, {deletes} % deletes"
                );
                let mut world = World::new(fan, seed);
                let mut at = 0;
                // Commits of one row only in part: they are the many and the same.
                let goal = if kind == 0 { 300_000 } else { 1_200_000 };
                let mut written = 0;
                while written < goal {
                    let rows = sizes(kind, at, &mut world.rng);
                    at += 1;
                    written += rows;
                    let share = |percent: usize, rng: &mut Rng| (rows * percent + rng.below(100)) / 100;
                    let (updated, deleted) = (share(updates, &mut world.rng), share(deletes, &mut world.rng));
                    world.kill((updated + deleted).min(4_000));
                    world.add(rows - deleted.min(rows));
                }
                let classes = ((world.live().max(LEAST) / LEAST).ilog(fan) + 1) as usize;
                let bound = (fan.max(3) * MOST_FOR_FAN).min((fan - 1) * classes + 1);
                assert!(world.most_parts <= bound.max(2), "{what}: {} segments", world.most_parts);
                let amplification = world.merged as f64 / world.sealed.max(1) as f64;
                // Each merge lifts a row by a class; rewrites of what has died come on top.
                let bound = 1.5 * classes as f64 + if updates + deletes > 50 { 6.0 } else { 1.0 };
                assert!(
                    amplification <= bound,
                    "{what}: rows are written {amplification:.1} times, bound {bound:.1}"
                );
                assert!(world.worst_dead <= 0.34, "{what}: {:.2} of the rows are dead", world.worst_dead);
            }
        }
    }
}

#[test]
fn a_million_rows_by_commits_of_any_size_are_at_most_a_dozen_segments() {
    for kind in 1..8 {
        let mut world = World::new(3, 11);
        let (mut written, mut at) = (0, 0);
        while written < 1_000_000 {
            let rows = sizes(kind, at, &mut world.rng);
            at += 1;
            written += rows;
            world.add(rows);
        }
        assert!(world.most_parts <= 12, "commits {kind}: {} segments", world.most_parts);
        // In rows inserted into a graph: each row once at its seal, then at most so often.
        let cost = world.cost as f64 / world.sealed as f64;
        assert!(cost <= 7.0, "commits {kind}: merges cost {cost:.1} insertions a row");
        world.maintain(Zeal::Thorough);
        assert!(world.parts.len() <= 2, "commits {kind}: {:?} after a thorough merge", world.parts);
        let largest = world.parts.iter().map(|part| part.live).max().unwrap_or(0);
        assert!(largest * 33 >= world.live() * 32, "commits {kind}: {:?}", world.parts);
    }
}

#[test]
fn segments_of_a_few_rows_do_not_pile_up_nor_are_they_rewritten_for_ever() {
    let mut world = World::new(3, 3);
    for _ in 0..20_000 {
        world.log = 1 + world.rng.below(20);
        world.seal();
    }
    assert!(world.most_parts <= 12, "{} segments", world.most_parts);
    let amplification = world.merged as f64 / world.sealed as f64;
    assert!(amplification < 40.0, "rows are written {amplification:.1} times");
}

#[test]
fn a_table_that_shrinks_gives_its_segments_back() {
    let mut world = World::new(3, 5);
    for _ in 0..200 {
        world.add(5_000);
    }
    while world.live() > 0 {
        let rows = (world.live() / 20).max(50);
        world.kill(rows);
        world.maintain(Zeal::Steady);
        let rows: usize = world.parts.iter().map(|part| part.rows).sum();
        assert!(world.live() * 10 >= rows * 6, "{:?}", world.parts);
    }
    assert!(world.parts.is_empty());
}

#[test]
fn the_choice_names_the_smallest_class_and_what_is_below_it() {
    let part = |live| Part { rows: live, live };
    let sizes = [900_000, 1_100, 40_000, 500, 1_050, 1_024];
    let parts: Vec<Part> = sizes.into_iter().map(part).collect();
    let merge = next(&parts, Beside::segments(0), 3, Zeal::Steady).unwrap();
    assert_eq!(merge, Merge { inputs: vec![1, 3, 4, 5], rows: 3_674, inserted: 2_574 });
    assert_eq!(next(&[part(900_000), part(4_000), part(1_024)], Beside::segments(0), 3, Zeal::Steady), None);
    let dead = Part { rows: 1_000, live: 690 };
    assert_eq!(next(&[part(9_000), dead], Beside::segments(0), 3, Zeal::Steady).unwrap().inputs, [1]);
    assert_eq!(
        next(&[part(9_000), Part { rows: 7, live: 0 }], Beside::segments(0), 3, Zeal::Steady).unwrap().rows,
        0
    );
    assert_eq!(next(&[], Beside::segments(0), 3, Zeal::Thorough), None);
}

fn parts_of<const N: usize>(live: [usize; N]) -> Vec<Part> {
    live.map(|live| Part { rows: live, live }).to_vec()
}

#[test]
fn beside_other_merges_small_segments_are_kept_few() {
    let chosen = |parts: &[Part], busy: usize| {
        next(parts, Beside::segments(busy), 3, Zeal::Steady).map(|merge| merge.inputs)
    };
    let parts = parts_of([60_000, 20_000, 5_000, 5_100]);
    assert_eq!(chosen(&parts, 5), None);
    assert_eq!(chosen(&parts, 6), Some(vec![0, 1, 2, 3]));
    // A large segment is not written again for a few rows.
    assert_eq!(chosen(&parts_of([60_000, 5_000, 5_100]), 7), Some(vec![1, 2]));
    assert_eq!(chosen(&parts_of([60_000, 5_000]), 8), None);
    assert_eq!(chosen(&parts_of([5]), 40), None);
}

#[test]
fn beside_a_large_merge_others_are_as_large_as_they_may_be() {
    let chosen = |parts: &[Part], running: &[usize], zeal: Zeal| {
        next(parts, Beside::of(3, running.iter().copied(), 800_000), 3, zeal).map(|merge| merge.inputs)
    };
    let parts = parts_of([57_000, 28_000, 22_000, 22_100, 14_000, 5_500]);
    assert_eq!(chosen(&parts, &[100_000], Zeal::Steady), Some(vec![0, 1, 2, 3, 4, 5]));
    assert_eq!(chosen(&parts, &[40_000, 100_001], Zeal::Steady), Some(vec![1, 2, 3, 4, 5]));
    // Fewer than are merged otherwise are not worth it, nor is one much larger than the others.
    assert_eq!(chosen(&parts_of([60_000, 60_100, 60_200]), &[600_000], Zeal::Steady), None);
    assert_eq!(chosen(&parts_of([90_000, 90_100, 90_200, 2_000, 5_000]), &[600_000], Zeal::Steady), None);
    // Nobody begins a second large one at leisure, or for the sake of dead rows.
    assert_eq!(chosen(&parts_of([90_000, 20_000]), &[600_000], Zeal::Leisure), None);
    assert_eq!(chosen(&parts_of([50_000, 20_000]), &[600_000], Zeal::Leisure), Some(vec![0, 1]));
    let stale = Part { rows: 200_000, live: 120_000 };
    assert_eq!(chosen(&[stale], &[600_000], Zeal::Steady), None);
    assert_eq!(chosen(&[stale], &[60_000], Zeal::Steady), Some(vec![0]));
    // In a small table a merge of an eighth of the rows is over at once.
    let beside = Beside::of(3, [32_768].into_iter(), 90_000);
    assert!(next(&parts, beside, 3, Zeal::Steady).is_some_and(|merge| merge.inputs.len() == 6));
}
