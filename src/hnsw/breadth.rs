//! The breadth that walks of an index need on its own data.
//!
//! It is measured on a sample of the rows. A row is looked for among the others: the walk passes over its node as if it had
//! never been inserted. The recall of such walks is that of queries that are not in the index, or a little less. (A walk
//! that may use the node finds two to four times as many of the nearest rows that others miss, since links lead from the node
//! to them.) Uniform noise has to be searched several times as broadly as embeddings of sentences.

use super::index::VectorIndex;
use super::layout::USUAL_BREADTH as USUAL;
use super::{Outcome, Rows, SearchStats, Wanted, parallel};
use crate::error::{Error, Result};
use crate::schema::VectorSpec;
use crate::vector::{aligned, metric};
use std::collections::BinaryHeap;

/// A walk costs as much as a scan of this many rows for each unit of its breadth. Fitted on 63,422 sentence embeddings of
/// 384 dimensions and 60,000 images of 784.
pub(crate) const SCANNED_ROWS: f64 = 22.8;

/// What is tried. Beyond the last one recall is given up.
const STEPS: [usize; 16] =
    [USUAL, 160, 192, 256, 320, 384, 512, 640, 768, 1024, 1280, 1536, 2048, 2560, 3072, 4096];
/// How much less is missed with each step, as a rule: it says which step is tried second.
const FEWER: f64 = 1.45;
/// Breadth helps no more where two steps leave a larger share than this of what was missed.
const STALLED: f64 = 0.9;

/// Rows asked at the start.
const FIRST: usize = 128;
/// Rows asked at most, and rows of the index for each of them: where scans find what is near them, and where walks do. What
/// walks of 400,000 mixtures of embeddings miss is known to .004 by 512 rows, which is a factor of two in breadth, and to .002 by 2,048.
const SCANNED: (usize, usize) = (512, 64);
const WALKED: (usize, usize) = (2_048, 128);
/// Breadth of a walk that finds what is near a row of the index, which it may use. By [`SCANNED_ROWS`] it costs as much as a scan of
/// 23,000 rows.
const BROAD: usize = 1_024;
/// Share of the nearest rows that is counted for what such walks do not find. With it the recall of other queries is .985 for 100,000,
/// 400,000 and 730,150 mixtures of embeddings, without it .982, .985 and .979.
const UNFOUND: f64 = 0.003;
const NEAREST: usize = 10;
/// Share of the nearest rows that walks may miss. Queries that are not in the index miss .002 fewer in a graph that was built by
/// insertions, and up to .004 more in one that was joined.
const MISSED: f64 = 0.02;

/// A row of the sample.
struct Asked {
    ord: u32,
    /// Distance of its tenth neighbour.
    limit: f64,
    /// How many of the ten the last walk missed.
    missed: usize,
}

/// What becomes of the node of the row that is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Own {
    PassedOver,
    Used,
}

/// The index and what its rows are.
struct Check<'a> {
    index: &'a VectorIndex,
    spec: &'a VectorSpec,
    rows: &'a Rows<'a>,
    threads: usize,
}

/// The smallest breadth with which a fiftieth of the nearest rows is missed, at the most. It depends on the index alone,
/// not on `threads`. `go_on` may return false to stop with [`Error::Interrupted`].
pub(super) fn measure(
    index: &VectorIndex,
    spec: &VectorSpec,
    rows: &Rows<'_>,
    threads: usize,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<usize> {
    let check = Check { index, spec, rows, threads };
    let mut go_on = || if go_on() { Ok(()) } else { Err(Error::Interrupted) };
    if !index.has_graph() || check.is_scanned(USUAL) {
        return Ok(USUAL);
    }
    let mut sample = check.sample();
    if sample.len() < FIRST {
        return Ok(USUAL);
    }
    go_on()?;
    let first = &mut sample[..FIRST];
    check.scan(first);
    let few = check.missed(first, USUAL, Own::PassedOver);
    if few.mean + 2.0 * few.error <= MISSED {
        return Ok(USUAL);
    }
    go_on()?;
    // What not even a broad walk from the row itself finds is no reason to walk more broadly: of embeddings that is much around a few
    // rows. Of noise it is one here and there, which such walks would find: then all rows are scanned, fewer of them.
    let mut unfound = 0.0;
    if !check.is_scanned(BROAD) && check.is_found_but_for_few(first) {
        check.walk(&mut sample);
        unfound = UNFOUND;
    } else {
        sample.truncate(SCANNED.0);
        check.scan(&mut sample[FIRST..]);
    }
    // Missed by a walk of each step, at most.
    let mut most = |step: usize| -> Result<f64> {
        go_on()?;
        if check.is_scanned(STEPS[step]) {
            return Ok(0.0);
        }
        let missed = check.missed(&mut sample, STEPS[step], Own::PassedOver);
        Ok(missed.mean + missed.error + unfound)
    };
    Ok(STEPS[choose(&mut most)?])
}

/// The first step that misses little enough, by what each is measured to miss.
fn choose(most: &mut dyn FnMut(usize) -> Result<f64>) -> Result<usize> {
    let (mut step, mut guess) = (0, most(0)?);
    let mut tried = vec![(step, guess)];
    while guess > MISSED && step < STEPS.len() - 1 {
        guess /= FEWER;
        step += 1;
    }
    if step == 0 {
        return Ok(step);
    }
    let mut missed = most(step)?;
    if missed <= MISSED {
        while step > 1 && most(step - 1)? <= MISSED {
            step -= 1;
        }
        return Ok(step);
    }
    while step < STEPS.len() - 1 {
        tried.push((step, missed));
        step += 1;
        missed = most(step)?;
        if missed <= MISSED {
            break;
        }
        // What no walk finds, as rows of another size by inner product, is no reason for broader ones.
        if tried.get(tried.len() - 2).is_some_and(|(_, before)| missed > before * STALLED) {
            let first = tried.iter().find(|(_, before)| missed > before * STALLED);
            return Ok(first.map_or(step, |(step, _)| *step));
        }
    }
    Ok(step)
}

/// Share of the nearest rows that walks missed, and its standard error.
struct Missed {
    mean: f64,
    error: f64,
}

impl Check<'_> {
    /// Whether the planner scans all rows rather than walk as broadly.
    fn is_scanned(&self, breadth: usize) -> bool {
        self.index.rows() as f64 <= SCANNED_ROWS * breadth as f64
    }

    /// Rows chosen by a checksum of their numbers, in its order, so a merge asks the rows again that were asked of its inputs, and
    /// the breadth changes when the graph does.
    fn sample(&self) -> Vec<Asked> {
        let index = self.index;
        // Rows that walks begin at, and rows that share a node, cannot be passed over.
        let mut fit = index.present.clone();
        let shared = [&index.layout.slots, &index.layout.heads, &index.layout.members];
        shared.iter().flat_map(|range| index.u32s(range)).for_each(|ord| fit.remove(*ord));
        fit.remove(index.header.entry);
        let of = |(most, apart): (usize, usize)| (fit.count() / apart).clamp(FIRST, most);
        let count = of(SCANNED).max(of(WALKED));
        let mut chosen = BinaryHeap::with_capacity(count + 1);
        for ord in fit.iter() {
            chosen.push((crc32fast::hash(aligned::as_bytes(self.vector(ord))), ord));
            if chosen.len() > count {
                chosen.pop();
            }
        }
        let chosen = chosen.into_sorted_vec();
        chosen.into_iter().map(|(_, ord)| Asked { ord, limit: 0.0, missed: 0 }).collect()
    }

    fn vector(&self, ord: u32) -> &[f32] {
        &self.rows.data[ord as usize * self.rows.dim..][..self.rows.dim]
    }

    fn distance(&self, a: u32, b: u32) -> f64 {
        metric::distance(self.spec.metric, self.vector(a), self.vector(b))
    }

    fn each(&self, sample: &mut [Asked], job: impl Fn(&mut Asked) + Sync) {
        parallel::each(&mut vec![(); self.threads.max(1)], sample, 4, |(), _, asked| job(asked));
    }

    /// Finds how far the ten nearest rows of each reach, by scans.
    fn scan(&self, sample: &mut [Asked]) {
        self.reach(sample, |query, wanted, stats| self.index.scan_near(query, wanted, None, stats));
    }

    /// The same by broad walks from the rows themselves.
    fn walk(&self, sample: &mut [Asked]) {
        self.reach(sample, |query, wanted, stats| {
            self.index.search(query, Wanted { ef: BROAD, ..wanted }, stats)
        });
    }

    /// The same by any search.
    fn reach(
        &self,
        sample: &mut [Asked],
        search: impl Fn(&[f32], Wanted<'_>, &mut SearchStats) -> Outcome + Sync,
    ) {
        let wanted = Wanted::nearest(self.index.rerank_width(NEAREST + 1), 0);
        self.each(sample, |asked| {
            let near = search(self.vector(asked.ord), wanted, &mut SearchStats::default());
            let others = near.candidates.iter().filter(|near| near.ord != asked.ord);
            let mut distances: Vec<f64> = others.map(|near| self.distance(asked.ord, near.ord)).collect();
            distances.sort_unstable_by(f64::total_cmp);
            asked.limit = distances.get(NEAREST - 1).copied().unwrap_or(f64::INFINITY);
        });
    }

    /// Whether broad walks from the rows themselves miss next to nothing but around one row in 16.
    fn is_found_but_for_few(&self, first: &mut [Asked]) -> bool {
        self.missed(first, BROAD, Own::Used);
        let mut missed: Vec<usize> = first.iter().map(|asked| asked.missed).collect();
        missed.sort_unstable();
        let all_but_few: usize = missed[..first.len() - first.len() / 16].iter().sum();
        all_but_few as f64 <= MISSED / 4.0 * (NEAREST * first.len()) as f64
    }

    /// What walks of this breadth miss.
    fn missed(&self, sample: &mut [Asked], breadth: usize, own: Own) -> Missed {
        let wanted =
            Wanted::nearest(self.index.rerank_width(NEAREST + usize::from(own == Own::Used)), breadth);
        self.each(sample, |asked| {
            let query = self.vector(asked.ord);
            let without = (own == Own::PassedOver).then_some(asked.ord);
            let near = self.index.search_around(query, wanted, without, &mut SearchStats::default());
            let others = near.candidates.iter().filter(|near| near.ord != asked.ord);
            let right = others.filter(|near| self.distance(asked.ord, near.ord) <= asked.limit).count();
            asked.missed = NEAREST.saturating_sub(right);
        });
        let count = sample.len() as f64;
        let sum: usize = sample.iter().map(|asked| asked.missed).sum();
        let squares: usize = sample.iter().map(|asked| asked.missed * asked.missed).sum();
        let mean = sum as f64 / count;
        let variance = (squares as f64 / count - mean * mean).max(0.0);
        Missed { mean: mean / NEAREST as f64, error: (variance / count).sqrt() / NEAREST as f64 }
    }
}

#[cfg(test)]
mod tests;
