//! Exhaustive scan over the codes.

use super::frontier::{Beam, key_of, node_of, pack};
use super::graph::Scratch;
use super::index::VectorIndex;
use super::{Candidate, SearchStats};
use crate::bitmap::Bitmap;
use crate::vector::codes::Query;

/// Standard deviations of an estimate by 1-bit codes that a scan allows for: it passes over one in 30,000 of the rows
/// that it looks for.
const SLACK: f32 = 4.0;

/// Rows scored at once.
const BATCH: usize = 256;

impl VectorIndex {
    /// The best `want` rows by codes, sorted; `allowed` restricts them.
    pub fn scan(
        &self,
        query: &[f32],
        want: usize,
        allowed: Option<&Bitmap>,
        stats: &mut SearchStats,
    ) -> Vec<Candidate> {
        let query = self.prepare(query);
        let best = self.scan_entries(&query, want, allowed, stats);
        best.into_iter().map(|e| Candidate { ord: node_of(e), distance: query.distance(key_of(e)) }).collect()
    }

    pub(super) fn scan_entries(
        &self,
        query: &Query,
        want: usize,
        allowed: Option<&Bitmap>,
        stats: &mut SearchStats,
    ) -> Vec<u64> {
        let want = want.min(self.len());
        if want == 0 {
            return Vec::new();
        }
        let narrowed;
        let set = match allowed {
            None => &self.present,
            Some(allowed) => {
                let mut both = self.present.clone();
                both.and(allowed);
                narrowed = both;
                &narrowed
            }
        };
        self.with_scratch(|scratch| {
            let mut best = Best { beam: &mut Beam::default(), all: Vec::new(), want };
            best.beam.reset(want);
            scratch.nodes.clear();
            for ord in set.iter() {
                scratch.nodes.push(ord);
                if scratch.nodes.len() == BATCH {
                    self.flush(scratch, query, &mut best, stats);
                }
            }
            self.flush(scratch, query, &mut best, stats);
            best.finish()
        })
    }

    fn flush(&self, scratch: &mut Scratch, query: &Query, best: &mut Best<'_>, stats: &mut SearchStats) {
        let codes = self.codes();
        scratch.screen(codes, self.base_layer(), query, (best.worst(), SLACK), stats);
        stats.distances += scratch.nodes.len() as u64;
        codes.score(query, &scratch.nodes, &mut scratch.dots, &mut scratch.keys);
        for (node, key) in scratch.nodes.iter().zip(&scratch.keys) {
            best.add(pack(*key, *node));
        }
        scratch.nodes.clear();
    }
}

/// The best `want` entries: a beam while that is small, else everything, selected in the end.
struct Best<'a> {
    beam: &'a mut Beam,
    all: Vec<u64>,
    want: usize,
}

impl Best<'_> {
    #[inline]
    fn add(&mut self, entry: u64) {
        if self.want <= 256 {
            self.beam.insert(entry);
            return;
        }
        self.all.push(entry);
        if self.all.len() >= self.want * 4 {
            self.all.select_nth_unstable(self.want);
            self.all.truncate(self.want);
        }
    }

    /// Entries that are not below this one are of no use.
    fn worst(&self) -> u64 {
        if self.want <= 256 { self.beam.worst() } else { u64::MAX }
    }

    fn finish(mut self) -> Vec<u64> {
        if self.want <= 256 {
            return self.beam.entries().to_vec();
        }
        self.all.sort_unstable();
        self.all.truncate(self.want);
        self.all
    }
}
