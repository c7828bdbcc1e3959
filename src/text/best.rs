//! The best hits of a search, as they are found.

use crate::error::Result;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use tantivy::Score;

/// A document found by text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TextHit {
    /// Position of the segment in the slice given to [`super::TextSearcher::open`].
    pub segment: usize,
    /// Ord within the segment.
    pub ord: u32,
    /// BM25 with column weights; larger is better.
    pub score: f32,
    /// The number that [`Ties`] gives the document.
    pub tie: i64,
}

impl Eq for TextHit {}

impl PartialOrd for TextHit {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Smaller means better, so that a max-heap has the worst hit on top.
impl Ord for TextHit {
    fn cmp(&self, other: &Self) -> Ordering {
        other
            .score
            .total_cmp(&self.score)
            .then_with(|| (self.tie, self.segment, self.ord).cmp(&(other.tie, other.segment, other.ord)))
    }
}

/// The order of documents whose scores are equal.
pub trait Ties {
    /// A number of a document; the smaller one comes first.
    fn number(&self, segment: usize, ord: u32) -> Result<i64>;

    /// Whether the numbers of a segment ascend with its ords. `false` costs time only.
    fn ascends(&self, segment: usize) -> Result<bool>;
}

/// The best hits so far.
pub(super) struct Best<'a> {
    heap: BinaryHeap<TextHit>,
    limit: usize,
    ties: &'a dyn Ties,
    segment: usize,
    /// Whether the numbers of the segment ascend.
    ascends: bool,
    /// Whether none of the documents to come in the segment goes before the worst hit by its number.
    settled: bool,
    /// How far tantivy's score, or its bound for some documents, may fall below the exact one, as a factor.
    slack: Score,
    failed: Result<()>,
}

impl<'a> Best<'a> {
    pub(super) fn new(limit: usize, ties: &'a dyn Ties) -> Self {
        Self {
            heap: BinaryHeap::new(),
            limit,
            ties,
            segment: 0,
            ascends: false,
            settled: false,
            slack: 1.0,
            failed: Ok(()),
        }
    }

    /// The hits, best first.
    pub(super) fn into_sorted(self) -> Result<Vec<TextHit>> {
        self.failed.map(|()| self.heap.into_sorted_vec())
    }

    /// The documents to come are those of `segment`, with ascending ords.
    pub(super) fn enter(&mut self, segment: usize, slack: Score) -> Result<()> {
        (self.segment, self.slack) = (segment, slack);
        self.ascends = self.ties.ascends(segment)?;
        self.settled = match self.worst() {
            Some(worst) if self.ascends => worst.tie < self.ties.number(segment, 0)?,
            _ => false,
        };
        Ok(())
    }

    pub(super) fn push(&mut self, ord: u32, score: Score) {
        // With slack, tantivy offers equals of the worst hit though it is settled: they must not cost a lookup each.
        let misses = |worst: &TextHit| score < worst.score || self.settled && score == worst.score;
        if self.failed.is_err() || self.worst().is_some_and(misses) {
            return;
        }
        let tie = match self.ties.number(self.segment, ord) {
            Ok(tie) => tie,
            Err(error) => {
                self.failed = Err(error);
                return;
            }
        };
        let hit = TextHit { segment: self.segment, ord, score, tie };
        if self.heap.len() < self.limit {
            self.heap.push(hit);
        } else if let Some(mut worst) = self.heap.peek_mut()
            && hit < *worst
        {
            *worst = hit;
        }
        self.settled = self.ascends && self.worst().is_some_and(|worst| worst.tie <= tie);
    }

    /// The hit that a better one replaces.
    fn worst(&self) -> Option<&TextHit> {
        if self.heap.len() == self.limit { self.heap.peek() } else { None }
    }

    /// What tantivy's score must exceed for the exact score to be able to enter.
    pub(super) fn threshold(&self) -> Score {
        match self.worst() {
            _ if self.failed.is_err() => Score::MAX,
            None => Score::MIN,
            Some(worst) if self.settled => worst.score * self.slack,
            Some(worst) => (worst.score * self.slack).next_down(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Documents whose number is given by segment and ord; the second segment does not ascend.
    struct Numbers([Vec<i64>; 2]);

    impl Ties for Numbers {
        fn number(&self, segment: usize, ord: u32) -> Result<i64> {
            Ok(self.0[segment][ord as usize])
        }

        fn ascends(&self, segment: usize) -> Result<bool> {
            Ok(self.0[segment].is_sorted())
        }
    }

    #[test]
    fn of_equal_scores_the_smallest_numbers_are_kept_wherever_they_come_from() {
        let numbers = Numbers([vec![10, 20, 30, 40], vec![35, 5, 15]]);
        for limit in 1..8 {
            let mut best = Best::new(limit, &numbers);
            for segment in 0..2 {
                best.enter(segment, 1.0).unwrap();
                for ord in 0..numbers.0[segment].len() as u32 {
                    // As tantivy does: what does not exceed the threshold is not offered.
                    if 1.5 > best.threshold() {
                        best.push(ord, 1.5);
                    }
                }
            }
            let found: Vec<i64> = best.into_sorted().unwrap().iter().map(|hit| hit.tie).collect();
            assert_eq!(found, [5, 10, 15, 20, 30, 35, 40][..limit.min(7)], "{limit}");
        }
    }

    #[test]
    fn where_numbers_ascend_equals_of_the_worst_hit_are_skipped() {
        let numbers = Numbers([(0..100).collect(), vec![]]);
        let mut best = Best::new(10, &numbers);
        best.enter(0, 1.0).unwrap();
        let offered = (0..100).filter(|ord| {
            let enters = 1.5 > best.threshold();
            best.push(*ord, 1.5);
            enters
        });
        assert_eq!(offered.count(), 10);
    }
}
