//! Candidates by code, drawn nearest first. Only as much is sorted as is drawn.

use super::row_map::RowSet;
use std::cmp::Ordering;

/// Candidates sorted at once to begin with; later runs are as long as all before them together.
const RUN: usize = 128;

/// A row by code: not reranked yet.
#[derive(Debug, Clone, Copy)]
pub struct Coded {
    /// Distance by code; the exact one of a row in memory.
    pub distance: f64,
    /// Identity.
    pub rowid: i64,
    /// Part of the view.
    pub part: u32,
    /// Row of the part.
    pub ord: u32,
}

impl Coded {
    fn id(&self) -> (u32, u32) {
        (self.part, self.ord)
    }

    fn order(&self, other: &Self) -> Ordering {
        self.distance.total_cmp(&other.distance).then(self.rowid.cmp(&other.rowid))
    }
}

/// Candidates not drawn yet. Invariant: no row is drawn twice, however often the pool is filled.
#[derive(Default)]
pub struct CandidateHeap {
    rest: Vec<Coded>,
    /// The nearest candidates, sorted; those before `at` were drawn.
    run: Vec<Coded>,
    at: usize,
    drawn: RowSet,
}

impl CandidateHeap {
    /// Replaces the candidates; rows drawn before are left out.
    pub fn fill(&mut self, candidates: Vec<Coded>) {
        self.forget_run();
        self.rest = candidates;
    }

    /// Drops all candidates.
    pub fn clear(&mut self) {
        self.fill(Vec::new());
    }

    /// Candidates that are no farther than `bound`, by code.
    pub fn within(&self, bound: f64) -> usize {
        let near = |coded: &&Coded| coded.distance <= bound;
        self.rest.iter().filter(near).count() + self.run[self.at..].iter().filter(near).count()
    }

    /// The nearest candidate.
    pub fn nearest(&mut self) -> Option<Coded> {
        self.sort_some();
        self.run.get(self.at).copied()
    }

    /// Up to `count` of the nearest candidates, in order; at least one while there is any.
    pub fn draw(&mut self, count: usize) -> &[Coded] {
        self.sort_some();
        let from = self.at;
        self.at = (from + count).min(self.run.len());
        &self.run[from..self.at]
    }

    fn forget_run(&mut self) {
        self.drawn.extend(self.run[..self.at].iter().map(Coded::id));
        self.run.clear();
        self.at = 0;
    }

    /// Makes sure that there is a sorted candidate, if there is any candidate.
    fn sort_some(&mut self) {
        while self.at == self.run.len() && !self.rest.is_empty() {
            self.forget_run();
            let count = RUN.max(self.drawn.len()).min(self.rest.len());
            let from = self.rest.len() - count;
            if from > 0 {
                self.rest.select_nth_unstable_by(from, |a, b| b.order(a));
            }
            let drawn = &self.drawn;
            self.run.extend(self.rest.drain(from..).filter(|coded| !drawn.contains(&coded.id())));
            self.run.sort_unstable_by(Coded::order);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(count: u32) -> Vec<Coded> {
        let at = |i: u32| i * 7919 % count;
        let coded =
            |at: u32| Coded { distance: f64::from(at / 3), rowid: i64::from(at), part: at % 2, ord: at };
        (0..count).map(|i| coded(at(i))).collect()
    }

    #[test]
    fn everything_is_drawn_once_and_in_order() {
        for count in [0, 1, 100, 128, 129, 3_001] {
            let mut pool = CandidateHeap::default();
            pool.fill(candidates(count));
            assert_eq!(pool.within(4.0), 15.min(count as usize));
            let mut drawn: Vec<Coded> = Vec::new();
            while let Some(first) = pool.nearest() {
                let batch = pool.draw(50);
                assert_eq!(batch[0].id(), first.id());
                drawn.extend(batch);
            }
            assert!(drawn.is_sorted_by(|a, b| a.order(b).is_lt()));
            assert_eq!(drawn.len(), count as usize);
            assert!(pool.draw(5).is_empty());
        }
    }

    #[test]
    fn a_row_that_was_drawn_does_not_come_back_when_the_pool_is_filled_anew() {
        let mut pool = CandidateHeap::default();
        let mut seen = RowSet::default();
        for round in 0..4 {
            pool.fill(candidates(1_000));
            for _ in 0..round * 3 {
                assert!(pool.draw(40).iter().all(|coded| seen.insert(coded.id())));
            }
        }
        while pool.nearest().is_some() {
            assert!(pool.draw(1).iter().all(|coded| seen.insert(coded.id())));
        }
        assert_eq!(seen.len(), 1_000);
        pool.fill(candidates(1_000));
        assert!(pool.nearest().is_none());
    }
}
