//! The index over the vectors of one segment: a graph walked on codes. Pure: bytes and floats in, ords out.
//!
//! Departures from HNSW (Malkov & Yashunin 2016): nodes are inserted in doubling batches; reverse links are
//! diversified as forward links are; rows with equal codes share one node; every node is reachable from
//! the entry.
//!
//! Invariant: a [`VectorIndex`] never changes. All that a search writes is its scratch memory.

mod background;
mod breadth;
mod build;
mod codec;
mod fidelity;
mod filtered;
mod filtered_beam;
mod frontier;
mod graph;
mod index;
mod layout;
mod make;
mod merge;
mod neighbors;
mod parallel;
mod repair;
mod scan;
mod search;
mod stop;
mod sweep;
#[cfg(test)]
mod tests;
mod visited;
mod wanted;

use crate::bitmap::Bitmap;
pub(crate) use breadth::SCANNED_ROWS;
pub(crate) use filtered::Bounds;
pub(crate) use index::VectorIndex;
pub(crate) use merge::{Part, Stay};
pub(crate) use wanted::Wanted;

/// A row that a search found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Candidate {
    /// Row of the segment.
    pub ord: u32,
    /// Distance by codes, in the unit of the metric.
    pub distance: f64,
}

/// Work done.
#[derive(Default, Clone, Debug)]
pub(crate) struct SearchStats {
    /// Distances computed.
    pub distances: u64,
    /// Distances estimated from 1-bit codes.
    pub estimates: u64,
    /// Nodes expanded.
    pub hops: u64,
}

/// Answer of [`VectorIndex::search`] and its like.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    /// Best first.
    pub candidates: Vec<Candidate>,
    /// False when the walk gave up or rows are missing: the caller then scans.
    pub complete: bool,
    /// Whether the rows were scanned, instead of a walk or after it.
    pub scanned: bool,
    /// What `|candidate.distance - exact distance|` stays below in practice (five standard deviations). A rerank in
    /// the order of the candidates may stop when one is farther than the worst kept exact distance by more than this.
    pub likely_error: f64,
    /// What it stays below always.
    pub error_bound: f64,
}

/// Row-major vectors of a segment.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    /// Dimensions.
    pub dim: usize,
    /// All rows; what is not `present` may hold anything.
    pub data: &'a [f32],
    /// Rows that have a vector; all when `None`.
    pub present: Option<&'a Bitmap>,
}
