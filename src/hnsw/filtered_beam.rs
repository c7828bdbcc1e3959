//! What a filtered search holds: the nodes to expand, the nearest nodes, and the nearest of those that pass.
//!
//! A filtered search goes as far as its breadth, and beyond that until enough nodes pass. So where every near node
//! passes, it is as broad as an unfiltered one, and where few do, it grows.
//!
//! Invariant: entries are those of [`super::frontier`]; no node is taken in twice.

use super::frontier::{Beam, node_of};
use super::stop::Stop;
use crate::vector::codes::Query;

/// The best nodes seen so far.
#[derive(Default)]
pub(super) struct FilteredBeam {
    /// Not expanded yet, farthest first. New nodes are mostly near the node that led to them, so little is moved.
    open: Vec<u64>,
    nearest: Beam,
    passing: Beam,
    breadth: usize,
}

impl FilteredBeam {
    /// Makes room for `breadth` nodes and `floor` nodes that pass; `sample` of the nearest nodes are kept to look at.
    pub fn reset(&mut self, breadth: usize, floor: usize, sample: usize) {
        self.open.clear();
        self.breadth = breadth.max(1);
        self.nearest.reset(self.breadth.max(sample));
        self.passing.reset(floor);
    }

    /// The nearest nodes that pass, in order.
    pub fn passing(&self) -> &[u64] {
        self.passing.entries()
    }

    /// The nearest nodes, in order.
    pub fn nearest(&self) -> &[u64] {
        self.nearest.entries()
    }

    /// Entries that are not below this one are of no use.
    #[inline]
    pub fn worst(&self) -> u64 {
        self.nearest.at(self.breadth - 1).map_or(u64::MAX, |last| last.max(self.passing.worst()))
    }

    /// The same where a search may stop earlier, counting nodes that pass.
    #[inline]
    pub fn limit(&self, stop: Option<Stop>, query: &Query) -> u64 {
        stop.map_or(u64::MAX, |stop| stop.bound(&self.passing, query)).min(self.worst())
    }

    /// Takes in a new node below `limit`.
    #[inline]
    pub fn insert(&mut self, entry: u64, limit: u64, passes: impl Fn(u32) -> bool) {
        if entry >= limit.min(self.worst()) {
            return;
        }
        let at = self.open.partition_point(|other| *other > entry);
        self.open.insert(at, entry);
        self.nearest.insert(entry);
        if passes(node_of(entry)) {
            self.passing.insert(entry);
        }
    }

    /// The nearest open node below `limit`, now expanded.
    #[inline]
    pub fn next_open(&mut self, limit: u64) -> Option<u32> {
        self.open.pop_if(|entry| *entry < limit).map(node_of)
    }

    /// The nodes below `limit` that would be expanded next, in order.
    #[inline]
    pub fn open(&self, limit: u64) -> impl Iterator<Item = u32> + '_ {
        self.open.iter().rev().take_while(move |entry| **entry < limit).map(|entry| node_of(*entry))
    }
}

#[cfg(test)]
mod tests {
    use super::super::frontier::pack;
    use super::*;

    #[test]
    fn the_pool_keeps_its_breadth_and_beyond_it_what_the_floor_needs() {
        let odd = |node: u32| node % 2 == 1;
        let at = |node: u32| pack(node as f32, node);
        let mut pool = FilteredBeam::default();
        pool.reset(3, 2, 0);
        for node in [0, 2, 4, 6, 8] {
            pool.insert(at(node), u64::MAX, odd);
        }
        assert_eq!((pool.worst(), pool.passing().len()), (u64::MAX, 0));
        pool.insert(at(7), u64::MAX, odd);
        pool.insert(at(9), u64::MAX, odd);
        assert_eq!(pool.worst(), at(9));
        pool.insert(at(10), u64::MAX, odd);
        pool.insert(at(5), u64::MAX, odd);
        assert_eq!((pool.worst(), pool.passing()), (at(7), &[at(5), at(7)][..]));
        pool.insert(at(3), at(3), odd);
        pool.insert(at(1), u64::MAX, odd);
        assert_eq!((pool.worst(), pool.passing()), (at(5), &[at(1), at(5)][..]));
        let expanded: Vec<u32> = std::iter::from_fn(|| pool.next_open(at(6))).collect();
        assert_eq!(expanded, [0, 1, 2, 4, 5]);
        assert_eq!(pool.open(u64::MAX).next(), Some(6));
    }
}
