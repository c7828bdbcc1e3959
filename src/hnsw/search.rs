//! Search of the graph without a filter, and the door for all searches.

use super::frontier::{key_of, node_of};
use super::graph::{Breadth, Scratch, Stop, descend, search_layer};
use super::index::VectorIndex;
use super::{Candidate, Outcome, SearchStats};
use crate::bitmap::Bitmap;
use crate::vector::Metric;
use crate::vector::codes::Query;

impl VectorIndex {
    /// Up to `want` of the best rows by codes, sorted. `ef` (at least `want`) is the breadth of the beam, `allowed`
    /// restricts the rows, `budget` the number of distances.
    pub fn search(
        &self,
        query: &[f32],
        want: usize,
        ef: usize,
        allowed: Option<&Bitmap>,
        budget: Option<u64>,
        stats: &mut SearchStats,
    ) -> Outcome {
        let want = want.min(self.len());
        let ef = ef.clamp(want, self.len().max(1));
        let prepared = self.prepare(query);
        if !self.has_graph() {
            let best = self.scan_entries(&prepared, want, allowed, stats);
            return self.outcome(&prepared, best.into_iter(), want, true);
        }
        match allowed {
            Some(allowed) => self.search_filtered(&prepared, want, ef, allowed, budget, stats),
            None => self.with_scratch(|scratch| {
                // The distances of ip have no zero to measure a factor from.
                let measurable = self.quantizer.metric != Metric::Ip;
                let error = self.quantizer.deviation(&prepared, f32::MAX);
                let stop = Stop::new(want, ef, error).filter(|_| measurable);
                let start = self.entry(&prepared, scratch, stats);
                search_layer(
                    self.codes(),
                    self.base_layer(),
                    &prepared,
                    &[start],
                    Breadth { ef, stop },
                    scratch,
                    stats,
                );
                let candidates = self.spread(&prepared, scratch.beam.entries(), want, None);
                let complete = candidates.len() >= want;
                self.finish(&prepared, candidates, complete)
            }),
        }
    }

    /// The node of layer 0 to start from.
    pub(super) fn entry(&self, query: &Query, scratch: &mut Scratch, stats: &mut SearchStats) -> u32 {
        let mut slot = 0;
        for level in (1..=self.header.counts.len()).rev() {
            slot = descend(self.codes(), self.upper_layer(level), query, slot, scratch, stats);
        }
        self.u32s(&self.layout.slots).get(slot as usize).copied().unwrap_or(self.header.entry)
    }

    /// The first `want` rows of sorted nodes: rows with equal codes follow their node.
    pub(super) fn spread(
        &self,
        query: &Query,
        entries: &[u64],
        want: usize,
        allowed: Option<&Bitmap>,
    ) -> Vec<Candidate> {
        let mut out = Vec::with_capacity(want);
        let allows = |ord: u32| allowed.is_none_or(|set| set.contains(ord));
        for entry in entries {
            if out.len() == want {
                break;
            }
            let head = node_of(*entry);
            let distance = query.distance(key_of(*entry));
            if allows(head) {
                out.push(Candidate { ord: head, distance });
            }
            if self.has_groups() {
                let others = self.members_of(head).iter().filter(|ord| allows(**ord));
                let room = want - out.len();
                out.extend(others.take(room).map(|ord| Candidate { ord: *ord, distance }));
            }
        }
        out
    }

    /// The answer, with the error that its distances may have.
    pub(super) fn finish(&self, query: &Query, candidates: Vec<Candidate>, complete: bool) -> Outcome {
        let nearest = candidates.first().map_or(0.0, |c| c.distance);
        Outcome { candidates, complete, likely_error: self.quantizer.likely_error(query, nearest) }
    }

    fn outcome(
        &self,
        query: &Query,
        entries: impl Iterator<Item = u64>,
        want: usize,
        complete: bool,
    ) -> Outcome {
        let candidates = entries
            .take(want)
            .map(|e| Candidate { ord: node_of(e), distance: query.distance(key_of(e)) })
            .collect();
        self.finish(query, candidates, complete)
    }
}
