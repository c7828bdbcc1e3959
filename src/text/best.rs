//! The best hits of a search, as they are found.

use super::searcher::TextHit;
use std::collections::BinaryHeap;
use tantivy::Score;

/// The best hits so far.
pub(super) struct Best {
    heap: BinaryHeap<TextHit>,
    limit: usize,
    /// How much tantivy's score may fall below the exact one.
    pub slack: Score,
}

impl Best {
    pub(super) fn new(limit: usize) -> Self {
        Self { heap: BinaryHeap::new(), limit, slack: 1.0 }
    }

    pub(super) fn into_sorted(self) -> Vec<TextHit> {
        self.heap.into_sorted_vec()
    }

    pub(super) fn push(&mut self, hit: TextHit) {
        if self.heap.len() < self.limit {
            self.heap.push(hit);
        } else if let Some(mut worst) = self.heap.peek_mut()
            && hit < *worst
        {
            *worst = hit;
        }
    }

    /// What tantivy's score must exceed for the exact score to be able to enter. Documents come in the order of
    /// ties: one that equals the worst kept hit belongs behind it.
    pub(super) fn threshold(&self) -> Score {
        match self.heap.peek() {
            Some(worst) if self.heap.len() == self.limit => worst.score * self.slack,
            _ => Score::MIN,
        }
    }
}
