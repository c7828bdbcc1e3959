//! The shape of a graph and the plain beam search over one layer of it, used by builds and by queries.
//!
//! Layer 0 has a row of links for each ord. Upper layers number their nodes by *slot*: slots are in the order of
//! insertion, highest level first, so the nodes of layer `l` are the slots `0..count[l]` and slot 0 is the entry.
//!
//! Invariant: a row holds nodes of its own layer, without repetition, then `NONE` to its end.

use super::SearchStats;
use super::frontier::{Beam, node_of, pack};
use super::visited::Visited;
use crate::vector::codes::{Query, View};
use crate::vector::{aligned, kernels};

/// After so many steps a search expands two nodes at a time: nearly all of the beam is expanded in the end, and the
/// two wait for memory together.
const TOGETHER_AFTER: usize = 6;

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
    pub beam: Beam,
    pub visited: Visited,
    pub nodes: Vec<u32>,
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

    /// Adds the neighbours of `node` not seen before to `self.nodes`.
    #[inline]
    pub fn gather(&mut self, layer: Layer<'_>, node: u32) {
        for next in layer.row(node) {
            if *next == NONE {
                break;
            }
            if self.visited.insert(*next) {
                self.nodes.push(*next);
            }
        }
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
    ef: usize,
    scratch: &mut Scratch,
    stats: &mut SearchStats,
) {
    scratch.visited.reset(layer.nodes());
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
    let mut steps = 0;
    while let Some(node) = scratch.beam.next_open() {
        stats.hops += 1;
        steps += 1;
        scratch.nodes.clear();
        scratch.gather(layer, node);
        if steps > TOGETHER_AFTER
            && let Some(second) = scratch.beam.next_open()
        {
            stats.hops += 1;
            scratch.gather(layer, second);
        }
        if layer.ords.is_empty() {
            codes.prefetch(&scratch.nodes);
        }
        if let Some(next) = scratch.beam.peek_open() {
            layer.prefetch(next);
        }
        scratch.score(codes, layer, query, stats);
        let mut worst = scratch.beam.worst();
        for (node, key) in scratch.nodes.iter().zip(&scratch.keys) {
            let entry = pack(*key, *node);
            if entry < worst {
                scratch.beam.insert(entry);
                worst = scratch.beam.worst();
            }
        }
        if let Some(next) = scratch.beam.peek_open() {
            layer.prefetch(next);
        }
    }
}
