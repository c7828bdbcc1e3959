//! Exhaustive scan over the codes.

use super::frontier::{Beam, key_of, node_of, pack};
use super::graph::Scratch;
use super::index::VectorIndex;
use super::{Candidate, Outcome, SearchStats};
use crate::bitmap::Bitmap;
use crate::vector::codes::Query;

/// Standard deviations of an estimate by 1-bit codes that a scan allows for: it passes over one in 30,000 of the rows
/// that it looks for.
const SLACK: f32 = 4.0;

/// Rows scored at once.
const BATCH: usize = 256;

/// Rows found to hold before those are dropped that better ones have ruled out.
const ROOM: usize = 1024;

/// So many rows are kept in order while a scan goes on.
const SORTED: usize = 256;

impl VectorIndex {
    /// The best `want` rows by codes, and all others that may be among them by exact distance: whose distance by
    /// codes is within the likely error of the last one's. Those are few where distances differ, and many where a
    /// filter leaves only rows that are about equally far.
    pub fn scan_near(
        &self,
        query: &[f32],
        want: usize,
        allowed: Option<&Bitmap>,
        stats: &mut SearchStats,
    ) -> Outcome {
        let narrowed = self.allowed_rows(allowed);
        let set = narrowed.as_ref().unwrap_or(&self.present);
        self.with_query(query, |query, scratch| {
            let mut found = std::mem::take(&mut scratch.found);
            found.clear();
            // Many rows are selected now and then: a sorted list of them would be moved for each row that is found.
            let sorted = want <= SORTED;
            scratch.beam.reset(if sorted { want } else { 1 });
            scratch.nodes.clear();
            // Nothing beyond the cut is of use; it falls as better rows are found.
            let (mut cut, mut worst, mut room) = (u64::MAX, u64::MAX, ROOM.max(want * 2));
            let mut rows = set.iter();
            loop {
                scratch.nodes.clear();
                scratch.nodes.extend(rows.by_ref().take(BATCH));
                if scratch.nodes.is_empty() {
                    break;
                }
                self.score_nodes(scratch, query, cut, stats);
                for (node, key) in scratch.nodes.iter().zip(&scratch.keys) {
                    let entry = pack(*key, *node);
                    if entry < cut {
                        found.push(entry);
                        if sorted {
                            scratch.beam.insert(entry);
                        }
                    }
                }
                if sorted && scratch.beam.worst() < worst {
                    worst = scratch.beam.worst();
                    cut = self.beyond(query, key_of(worst));
                }
                if found.len() > room {
                    if !sorted {
                        cut = cut.min(self.cut_of(query, &mut found, want));
                    }
                    found.retain(|entry| *entry < cut);
                    room = found.len() * 2 + ROOM;
                }
            }
            if !sorted {
                cut = cut.min(self.cut_of(query, &mut found, want));
            }
            found.retain(|entry| *entry < cut);
            found.sort_unstable();
            let of = |e: &u64| Candidate { ord: node_of(*e), distance: query.distance(key_of(*e)) };
            let candidates = found.iter().map(of).collect();
            scratch.found = found;
            self.finish(query, candidates, true)
        })
    }

    /// The first entry that is farther than the best `want` of `found` by more than the likely error.
    fn cut_of(&self, query: &Query, found: &mut [u64], want: usize) -> u64 {
        if want == 0 || found.len() < want {
            return u64::MAX;
        }
        self.beyond(query, key_of(*found.select_nth_unstable(want - 1).1))
    }

    /// The first entry that is farther than `key` by more than the likely error.
    fn beyond(&self, query: &Query, key: f32) -> u64 {
        let error = self.quantizer.likely_error(query, query.distance(key));
        pack(query.farther(key, f64::from(error)), u32::MAX >> 1)
    }

    /// The allowed rows that have a vector; `None` for all that have one.
    fn allowed_rows(&self, allowed: Option<&Bitmap>) -> Option<Bitmap> {
        allowed.map(|allowed| {
            let mut both = self.present.clone();
            both.and(allowed);
            both
        })
    }

    /// Scores those of the nodes that may be nearer than `worst`.
    fn score_nodes(&self, scratch: &mut Scratch, query: &Query, worst: u64, stats: &mut SearchStats) {
        let (codes, layer) = (self.codes(), self.base_layer());
        scratch.screen(codes, layer, query, (worst, SLACK), stats);
        scratch.score(codes, layer, query, stats);
    }

    /// The best `want` rows by codes, sorted.
    pub(super) fn scan_entries(
        &self,
        query: &Query,
        want: usize,
        scratch: &mut Scratch,
        stats: &mut SearchStats,
    ) -> Vec<u64> {
        let want = want.min(self.len());
        if want == 0 {
            return Vec::new();
        }
        let mut best = Best { beam: &mut Beam::default(), all: Vec::new(), want };
        best.beam.reset(want);
        scratch.nodes.clear();
        for ord in self.present.iter() {
            scratch.nodes.push(ord);
            if scratch.nodes.len() == BATCH {
                self.flush(scratch, query, &mut best, stats);
            }
        }
        self.flush(scratch, query, &mut best, stats);
        best.finish()
    }

    fn flush(&self, scratch: &mut Scratch, query: &Query, best: &mut Best<'_>, stats: &mut SearchStats) {
        self.score_nodes(scratch, query, best.worst(), stats);
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
        if self.want <= SORTED {
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
        if self.want <= SORTED { self.beam.worst() } else { u64::MAX }
    }

    fn finish(mut self) -> Vec<u64> {
        if self.want <= SORTED {
            return self.beam.entries().to_vec();
        }
        self.all.sort_unstable();
        self.all.truncate(self.want);
        self.all
    }
}
