//! Search of the graph without a filter, and what all searches of a graph share.

use super::frontier::{key_of, node_of};
use super::graph::{Scratch, descend, search_layer};
use super::index::VectorIndex;
use super::stop::{Breadth, Stop};
use super::{Candidate, Outcome, SearchStats, Wanted};
use crate::bitmap::Bitmap;
use crate::vector::Metric;
use crate::vector::codes::Query;
use std::collections::BinaryHeap;

impl VectorIndex {
    /// The best rows by codes, sorted.
    pub fn search(&self, query: &[f32], wanted: Wanted<'_>, stats: &mut SearchStats) -> Outcome {
        self.search_around(query, wanted, None, stats)
    }

    /// The same, as if the node `without` were not there. Walks must not begin at it.
    pub(super) fn search_around(
        &self,
        query: &[f32],
        wanted: Wanted<'_>,
        without: Option<u32>,
        stats: &mut SearchStats,
    ) -> Outcome {
        let wanted = wanted.of(self.len());
        let ef = wanted.ef;
        self.with_query(query, |query, scratch| {
            if !self.has_graph() {
                let mut best = self.scan(query, wanted, None, scratch, stats);
                best.truncate(wanted.rows);
                return self.finish(query, best, true);
            }
            let stop = self.stop(query, wanted);
            let start = self.entry(query, scratch, stats);
            let (codes, layer) = (self.codes(), self.base_layer());
            search_layer(codes, layer, query, &[start], Breadth { ef, stop, without }, scratch, stats);
            let mut candidates = self.spread(query, scratch.beam.entries(), wanted, None);
            if candidates.len() < wanted.to_hold() {
                // Links have a direction: from the entry every node can be reached, from another node not always.
                let starts = [start, self.header.entry];
                let breadth = Breadth { without, ..Breadth::full(ef) };
                search_layer(codes, layer, query, &starts, breadth, scratch, stats);
                candidates = self.spread(query, scratch.beam.entries(), wanted, None);
            }
            let complete = candidates.len() >= wanted.to_hold();
            self.finish(query, candidates, complete)
        })
    }

    /// Where a search may stop before its beam is used up.
    pub(super) fn stop(&self, query: &Query, wanted: Wanted<'_>) -> Option<Stop> {
        // The distances of ip have no zero to measure a factor from.
        let measurable = self.quantizer.metric != Metric::Ip;
        measurable.then(|| Stop::new(wanted, self.quantizer.deviation(query, f64::MAX), query)).flatten()
    }

    /// The node of layer 0 to start from.
    pub(super) fn entry(&self, query: &Query, scratch: &mut Scratch, stats: &mut SearchStats) -> u32 {
        let mut slot = 0;
        for level in (1..=self.header.counts.len()).rev() {
            slot = descend(self.codes(), self.upper_layer(level), query, slot, scratch, stats);
        }
        self.u32s(&self.layout.slots).get(slot as usize).copied().unwrap_or(self.header.entry)
    }

    /// The first rows of sorted nodes: rows with equal codes follow their node. A place that several equally far rows could
    /// have goes to the first of them, however many there are and whatever nodes they are of.
    pub(super) fn spread(
        &self,
        query: &Query,
        entries: &[u64],
        wanted: Wanted<'_>,
        allowed: Option<&Bitmap>,
    ) -> Vec<Candidate> {
        let mut out = Vec::with_capacity(wanted.rows);
        // The last of them on top, while more of the same distance are looked at.
        let mut first: BinaryHeap<(i64, u32)> = BinaryHeap::new();
        for equal in entries.chunk_by(|a, b| key_of(*a) == key_of(*b)) {
            let room = wanted.rows - out.len();
            if room == 0 {
                break;
            }
            let distance = query.distance(key_of(equal[0]));
            if let [only] = equal
                && !self.has_groups()
            {
                let ord = node_of(*only);
                out.extend(
                    allowed.is_none_or(|set| set.contains(ord)).then_some(Candidate { ord, distance }),
                );
                continue;
            }
            for entry in equal {
                let head = node_of(*entry);
                let others = if self.has_groups() { self.members_of(head) } else { &[] };
                let rows = std::iter::once(head).chain(others.iter().copied());
                let rows = rows.filter(|ord| allowed.is_none_or(|set| set.contains(*ord)));
                // The ords of a group ascend, so without another order the first are enough.
                for ord in rows.take(if wanted.order.is_some() { usize::MAX } else { room }) {
                    let row = (wanted.order.map_or(i64::from(ord), |order| order(ord)), ord);
                    if first.len() == room && first.peek().is_some_and(|last| row < *last) {
                        first.pop();
                    }
                    if first.len() < room {
                        first.push(row);
                    }
                }
            }
            out.extend(first.drain().map(|(_, ord)| Candidate { ord, distance }));
        }
        out
    }

    /// The result, with the largest error of its distances.
    pub(super) fn finish(&self, query: &Query, candidates: Vec<Candidate>, complete: bool) -> Outcome {
        let nearest = candidates.first().map_or(0.0, |c| c.distance);
        let (likely_error, error_bound) =
            (self.quantizer.likely_error(query, nearest), self.quantizer.error_bound(query));
        Outcome { candidates, complete, scanned: false, likely_error, error_bound }
    }
}
