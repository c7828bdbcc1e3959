//! Search among allowed rows only: the whole graph is walked, results are gated.
//!
//! From an allowed node all neighbours are scored; from another one only allowed neighbours once the result is full
//! (Weaviate's PathSeer rule), and those skipped are not marked as seen. Seeds are taken from the bitmap by stride, so
//! that a filter that is far from the query's own region is still entered. Everything is deterministic.

use super::frontier::{Beam, node_of, pack};
use super::graph::NONE;
use super::index::VectorIndex;
use super::{Outcome, SearchStats};
use crate::bitmap::Bitmap;
use crate::vector::codes::Query;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Allowed rows that every filtered search starts from.
const SEEDS: usize = 16;

impl VectorIndex {
    /// Whether the node, or a row that shares it, is allowed.
    #[inline]
    pub(super) fn node_allowed(&self, node: u32, allowed: &Bitmap) -> bool {
        allowed.contains(node)
            || self.has_groups() && self.members_of(node).iter().any(|ord| allowed.contains(*ord))
    }

    pub(super) fn search_filtered(
        &self,
        query: &Query,
        want: usize,
        ef: usize,
        allowed: &Bitmap,
        budget: Option<u64>,
        stats: &mut SearchStats,
    ) -> Outcome {
        let words = self.present.words().iter().zip(allowed.words());
        let count = words.map(|(a, b)| (a & b).count_ones() as usize).sum::<usize>();
        if count == 0 || want == 0 {
            return self.finish(query, Vec::new(), true);
        }
        let want = want.min(count);
        let limit = stats.distances.saturating_add(budget.unwrap_or(u64::MAX));
        let (codes, layer) = (self.codes(), self.base_layer());
        let mut within = true;
        let candidates = self.with_scratch(|scratch| {
            let start = self.entry(query, scratch, stats);
            let mut open: BinaryHeap<Reverse<u64>> = BinaryHeap::with_capacity(ef * 2);
            let mut results = Beam::default();
            results.reset(ef.min(count));
            scratch.visited.reset(self.rows());
            scratch.nodes.clear();
            let step = count.div_ceil(SEEDS).max(1);
            let both = allowed.iter().filter(|ord| self.present.contains(*ord));
            for seed in std::iter::once(start).chain(both.step_by(step).map(|ord| self.head_of(ord))) {
                if scratch.visited.insert(seed) {
                    scratch.nodes.push(seed);
                }
            }
            scratch.score(codes, layer, query, stats);
            for (node, key) in scratch.nodes.iter().zip(&scratch.keys) {
                let entry = pack(*key, *node);
                open.push(Reverse(entry));
                if self.node_allowed(*node, allowed) {
                    results.insert(entry);
                }
            }
            while let Some(Reverse(entry)) = open.pop() {
                if entry > results.worst() {
                    break;
                }
                if stats.distances >= limit {
                    within = false;
                    break;
                }
                stats.hops += 1;
                let node = node_of(entry);
                let narrow = results.worst() != u64::MAX && !self.node_allowed(node, allowed);
                scratch.nodes.clear();
                for next in layer.row(node).iter().copied().take_while(|next| *next != NONE) {
                    if narrow && !self.node_allowed(next, allowed) {
                        continue;
                    }
                    if scratch.visited.insert(next) {
                        scratch.nodes.push(next);
                    }
                }
                codes.prefetch(&scratch.nodes);
                scratch.score(codes, layer, query, stats);
                for (node, key) in scratch.nodes.iter().zip(&scratch.keys) {
                    let entry = pack(*key, *node);
                    if entry < results.worst() {
                        open.push(Reverse(entry));
                        if self.node_allowed(*node, allowed) {
                            results.insert(entry);
                        }
                    }
                }
            }
            self.spread(query, results.entries(), want, Some(allowed))
        });
        let complete = within && candidates.len() >= want;
        self.finish(query, candidates, complete)
    }

    /// The node that stands for `ord` in the graph.
    pub(super) fn head_of(&self, ord: u32) -> u32 {
        if !self.has_groups() || self.base_layer().row(ord).first() != Some(&NONE) {
            return ord;
        }
        let starts = self.u32s(&self.layout.starts);
        let at = self.u32s(&self.layout.members).iter().position(|member| *member == ord);
        let Some(at) = at else { return ord };
        let group = starts.partition_point(|start| *start as usize <= at) - 1;
        self.u32s(&self.layout.heads).get(group).copied().unwrap_or(ord)
    }
}
