//! Places where a phrase that ends in a prefix goes on, if one of the continuations stands there.

use super::found::Times;
use super::occurrences::{Phrases, Tokens};
use crate::bitmap::Bitmap;
use crate::error::Result;
use std::collections::HashMap;
use std::ops::Range;
use tantivy::DocId;

/// Places in a range of documents where a phrase goes on if a continuation stands there.
pub(super) struct Waiting {
    pub range: Range<DocId>,
    /// Document and position, the position in the lower half.
    pub keys: Vec<u64>,
    /// The phrase of each place, and what was found there.
    marks: Vec<(usize, Times)>,
    /// Where the places of each document begin.
    firsts: Vec<u32>,
    sorted: bool,
}

impl Waiting {
    pub(super) fn new(range: Range<DocId>) -> Self {
        Self { range, keys: Vec::new(), marks: Vec::new(), firsts: Vec::new(), sorted: true }
    }

    /// Adds the places of one phrase.
    pub(super) fn add(
        &mut self,
        phrases: &mut Phrases<'_>,
        number: usize,
        fixed: &Tokens,
        last: u32,
        gate: Option<&Bitmap>,
    ) -> Result<()> {
        self.sorted &= self.keys.is_empty();
        let Self { range, keys, marks, .. } = self;
        phrases.each(fixed, 0, range.clone(), gate, &mut |doc, starts| {
            for start in starts {
                keys.push(u64::from(doc) << 32 | u64::from(start + last));
                marks.push((number, Times::default()));
            }
        })
    }

    pub(super) fn sort(&mut self) {
        self.firsts = vec![0; (self.range.end - self.range.start) as usize + 1];
        let place = |key: u64, start: DocId| ((key >> 32) as DocId - start) as usize;
        for key in &self.keys {
            self.firsts[place(*key, self.range.start) + 1] += 1;
        }
        let mut sum = 0;
        for first in &mut self.firsts {
            sum += *first;
            *first = sum;
        }
        if self.sorted {
            return;
        }
        // By counting, since documents are many, and then the few places of each by comparison.
        let mut next = self.firsts.clone();
        let mut spots = vec![(0_u64, 0_usize); self.keys.len()];
        for (key, (number, _)) in self.keys.iter().zip(&self.marks) {
            let at = &mut next[place(*key, self.range.start)];
            spots[*at as usize] = (*key, *number);
            *at += 1;
        }
        for ends in self.firsts.windows(2) {
            spots[ends[0] as usize..ends[1] as usize].sort_unstable();
        }
        self.keys = spots.iter().map(|(key, _)| *key).collect();
        self.marks = spots.iter().map(|(_, number)| (*number, Times::default())).collect();
        self.sorted = true;
    }

    fn of(&self, doc: DocId) -> Range<usize> {
        let at = (doc - self.range.start) as usize;
        self.firsts[at] as usize..self.firsts[at + 1] as usize
    }

    pub(super) fn has(&self, doc: DocId) -> bool {
        !self.of(doc).is_empty()
    }

    pub(super) fn mark(&mut self, doc: DocId, positions: &[u32], exact: bool) {
        let places = self.of(doc);
        let keys = &self.keys[places.clone()];
        let mut from = 0;
        for position in positions {
            let key = u64::from(doc) << 32 | u64::from(*position);
            from += keys[from..].partition_point(|other| *other < key);
            let mut at = from;
            while keys.get(at) == Some(&key) {
                self.marks[places.start + at].1.add(1, exact);
                at += 1;
            }
        }
    }

    /// Adds the documents of each phrase to `results`.
    pub(super) fn give(&self, results: &mut HashMap<usize, (Vec<DocId>, Vec<Times>)>) {
        for (key, (number, times)) in self.keys.iter().zip(&self.marks) {
            if times.all == 0 {
                continue;
            }
            let doc = (key >> 32) as DocId;
            let (docs, counts) = results.entry(*number).or_default();
            match counts.last_mut() {
                Some(last) if docs.last() == Some(&doc) => last.join(*times),
                _ => {
                    docs.push(doc);
                    counts.push(*times);
                }
            }
        }
    }
}
