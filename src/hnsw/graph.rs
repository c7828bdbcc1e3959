//! The shape of a graph and the plain beam search over one layer of it, used by builds and by queries.
//!
//! Layer 0 has a row of links for each ord. Upper layers number their nodes by *slot*: slots are in the order of
//! insertion, highest level first, so the nodes of layer `l` are the slots `0..count[l]` and slot 0 is the entry.
//!
//! Invariant: a row holds nodes of its own layer, without repetition, then `NONE` to its end.

use super::SearchStats;
use super::filtered_beam::FilteredBeam;
use super::frontier::{Beam, key_of, node_of, pack};
use super::stop::Breadth;
use super::visited::Visited;
use crate::vector::codes::{Query, View};
use crate::vector::{aligned, kernels};

/// Nodes expanded before the scores of the one before are waited for no more.
pub(super) const ONE_BY_ONE: usize = 4;
/// Steps that expand one node, then two, then four at a time: nearly all of the beam is expanded in the end, and nodes
/// of one step wait for memory together.
pub(super) const ONE_UNTIL: usize = 6;
pub(super) const TWO_UNTIL: usize = 16;

/// Standard deviations of an estimate that a walk allows for: one keeps the recall of a walk without estimates within
/// .001 at equal breadth; none loses .01 to .07 of it.
pub(super) const SLACK: f32 = 1.0;

/// End of a row of links.
pub(super) const NONE: u32 = u32::MAX;

/// Rows of links of one size.
#[derive(Clone, Copy)]
pub(super) struct Layer<'a> {
    pub links: &'a [u32],
    pub degree: usize,
    /// Ord of each node; empty when a node is its ord.
    pub ords: &'a [u32],
}

impl Layer<'_> {
    /// The neighbours of `node`.
    #[inline]
    pub fn row(&self, node: u32) -> &[u32] {
        &self.links[node as usize * self.degree..][..self.degree]
    }

    /// Number of nodes.
    pub fn nodes(&self) -> usize {
        self.links.len() / self.degree.max(1)
    }

    /// Asks the caches for the links of `node`.
    #[inline]
    pub fn prefetch(&self, node: u32) {
        kernels::prefetch(aligned::as_bytes(self.row(node)));
    }

    fn ord(&self, node: u32) -> u32 {
        self.ords.get(node as usize).copied().unwrap_or(node)
    }
}

/// Memory of a search, kept from one to the next.
#[derive(Default)]
pub(super) struct Scratch {
    /// The query of the last search; its memory serves the next one.
    pub query: Option<Query>,
    pub beam: Beam,
    /// The beam of a filtered search.
    pub pool: FilteredBeam,
    /// Entries that a scan has found, and those that it has only estimated.
    pub found: Vec<u64>,
    pub pile: Vec<u64>,
    /// What a scan of blocks looks up.
    pub tables: Vec<u8>,
    /// Links while they are sorted.
    pub links: Vec<u64>,
    pub visited: Visited,
    pub nodes: Vec<u32>,
    /// Nodes whose codes have been asked for.
    pub waiting: Vec<u32>,
    pub ords: Vec<u32>,
    pub dots: Vec<i32>,
    pub keys: Vec<f32>,
}

impl Scratch {
    /// Scores `self.nodes` of `layer` into `self.keys`.
    #[inline]
    pub fn score(&mut self, codes: View<'_>, layer: Layer<'_>, query: &Query, stats: &mut SearchStats) {
        stats.distances += self.nodes.len() as u64;
        if layer.ords.is_empty() {
            codes.score(query, &self.nodes, &mut self.dots, &mut self.keys);
        } else {
            self.ords.clear();
            self.ords.extend(self.nodes.iter().map(|node| layer.ord(*node)));
            codes.score(query, &self.ords, &mut self.dots, &mut self.keys);
        }
    }

    /// Drops those of `self.nodes` that are likely not nearer than `worst`: their estimates are farther by `slack`
    /// standard deviations.
    #[inline]
    pub fn screen(
        &mut self,
        codes: View<'_>,
        layer: Layer<'_>,
        query: &Query,
        (worst, slack): (u64, f32),
        stats: &mut SearchStats,
    ) {
        if worst == u64::MAX || !codes.screens() {
            return;
        }
        stats.estimates += self.nodes.len() as u64;
        if layer.ords.is_empty() {
            codes.prefetch_signs(&self.nodes);
            codes.estimate(query, slack, &self.nodes, &mut self.keys);
        } else {
            self.ords.clear();
            self.ords.extend(self.nodes.iter().map(|node| layer.ord(*node)));
            codes.prefetch_signs(&self.ords);
            codes.estimate(query, slack, &self.ords, &mut self.keys);
        }
        let (worst, mut kept) = (key_of(worst), 0);
        for at in 0..self.nodes.len() {
            self.nodes[kept] = self.nodes[at];
            kept += usize::from(self.keys[at] < worst);
        }
        self.nodes.truncate(kept);
    }

    /// Scores the nodes that wait and puts them into the beam.
    #[inline]
    fn settle(
        &mut self,
        codes: View<'_>,
        layer: Layer<'_>,
        query: &Query,
        bound: u64,
        stats: &mut SearchStats,
    ) {
        std::mem::swap(&mut self.nodes, &mut self.waiting);
        self.score(codes, layer, query, stats);
        let mut worst = self.beam.worst().min(bound);
        for (node, key) in self.nodes.iter().zip(&self.keys) {
            let entry = pack(*key, *node);
            if entry < worst {
                self.beam.insert(entry);
                worst = worst.min(self.beam.worst());
            }
        }
        self.nodes.clear();
        std::mem::swap(&mut self.nodes, &mut self.waiting);
    }

    /// Adds the neighbours of `node` not seen before to `self.nodes`.
    #[inline]
    pub fn gather(&mut self, layer: Layer<'_>, node: u32) {
        self.visited.insert_all(layer.row(node), NONE, &mut self.nodes);
    }
}

/// From `start` to the nearest node that no neighbour improves on.
pub(super) fn descend(
    codes: View<'_>,
    layer: Layer<'_>,
    query: &Query,
    start: u32,
    scratch: &mut Scratch,
    stats: &mut SearchStats,
) -> u32 {
    scratch.visited.reset(layer.nodes());
    scratch.visited.insert(start);
    scratch.nodes.clear();
    scratch.nodes.push(start);
    scratch.score(codes, layer, query, stats);
    let mut best = pack(scratch.keys[0], start);
    loop {
        stats.hops += 1;
        let before = best;
        scratch.nodes.clear();
        scratch.gather(layer, node_of(best));
        scratch.screen(codes, layer, query, (best, SLACK), stats);
        scratch.score(codes, layer, query, stats);
        for (node, key) in scratch.nodes.iter().zip(&scratch.keys) {
            best = best.min(pack(*key, *node));
        }
        if best == before {
            return node_of(best);
        }
    }
}

/// Beam search from `starts`; the result is left in `scratch.beam`.
pub(super) fn search_layer(
    codes: View<'_>,
    layer: Layer<'_>,
    query: &Query,
    starts: &[u32],
    breadth: Breadth,
    scratch: &mut Scratch,
    stats: &mut SearchStats,
) {
    scratch.visited.reset(layer.nodes());
    let Breadth { ef, stop, without } = breadth;
    if let Some(node) = without {
        scratch.visited.insert(node);
    }
    scratch.beam.reset(ef);
    scratch.nodes.clear();
    for start in starts {
        if scratch.visited.insert(*start) {
            scratch.nodes.push(*start);
        }
    }
    scratch.score(codes, layer, query, stats);
    for (node, key) in scratch.nodes.iter().zip(&scratch.keys) {
        scratch.beam.insert(pack(*key, *node));
    }
    scratch.nodes.clear();
    scratch.waiting.clear();
    // Two groups of nodes are under way: while the codes of the neighbours of one are on their way from memory, the
    // neighbours of the next are found and passed over by their 1-bit codes.
    let mut steps = 0;
    loop {
        steps += 1;
        std::mem::swap(&mut scratch.nodes, &mut scratch.waiting);
        let bound = |beam: &Beam| stop.map_or(beam.worst(), |stop| stop.bound(beam, query).min(beam.worst()));
        if steps <= ONE_BY_ONE {
            scratch.settle(codes, layer, query, u64::MAX, stats);
        }
        let mut limit = bound(&scratch.beam);
        let count = match steps {
            _ if steps <= ONE_UNTIL => 1,
            _ if steps <= TWO_UNTIL => 2,
            _ => 4,
        };
        let mut expanded = 0;
        while expanded < count
            && let Some(node) = scratch.beam.next_open(limit)
        {
            scratch.gather(layer, node);
            expanded += 1;
        }
        stats.hops += expanded as u64;
        if layer.ords.is_empty() && limit != u64::MAX {
            codes.prefetch_signs(&scratch.nodes);
        }
        scratch.settle(codes, layer, query, limit, stats);
        limit = bound(&scratch.beam);
        if expanded == 0 && scratch.beam.open(limit).next().is_none() {
            break;
        }
        scratch.beam.open(limit).take(count).for_each(|next| layer.prefetch(next));
        scratch.screen(codes, layer, query, (limit, SLACK), stats);
        if layer.ords.is_empty() {
            codes.prefetch(&scratch.nodes);
        }
    }
}
