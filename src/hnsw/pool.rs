//! The beam of a filtered search: a sorted array of the best nodes seen, each open or expanded.
//!
//! It keeps the nearest `breadth` nodes, and beyond them as many as it takes to hold `floor` that pass. So where every
//! near node passes, a filtered search is as broad as an unfiltered one, and where few do, it grows.
//!
//! Invariant: entries ascend and are those of [`super::frontier`].

use super::frontier::node_of;
use super::graph::Stop;
use crate::vector::codes::Query;

/// The best nodes seen so far.
#[derive(Default)]
pub(super) struct Pool {
    entries: Vec<u64>,
    breadth: usize,
    floor: usize,
    /// Entries that pass.
    passing: usize,
    cursor: usize,
}

impl Pool {
    pub fn reset(&mut self, breadth: usize, floor: usize) {
        self.entries.clear();
        (self.breadth, self.floor) = (breadth.max(1), floor.max(1));
        (self.passing, self.cursor) = (0, 0);
    }

    /// Asks for more nodes that pass.
    pub fn raise(&mut self, floor: usize) {
        self.floor = self.floor.max(floor);
    }

    /// Entries, nearest first.
    pub fn entries(&self) -> &[u64] {
        &self.entries
    }

    /// Whether only nodes nearer than the last are of use.
    #[inline]
    pub fn full(&self) -> bool {
        self.entries.len() >= self.breadth && self.passing >= self.floor
    }

    /// Entries that are not below this one are of no use.
    #[inline]
    pub fn worst(&self) -> u64 {
        if self.full() { self.entries.last().copied().unwrap_or(u64::MAX) } else { u64::MAX }
    }

    /// The first entry that is of no use: where the pool ends, or where `stop` says, counting nodes that pass.
    #[inline]
    pub fn limit(&self, stop: Option<Stop>, query: &Query, passes: impl Fn(u32) -> bool) -> u64 {
        let worst = self.worst();
        let Some(stop) = stop.filter(|stop| self.passing >= stop.wanted()) else { return worst };
        let mut passing = self.entries.iter().filter(|entry| passes(node_of(**entry)));
        passing.nth(stop.wanted() - 1).map_or(worst, |entry| stop.beyond(*entry, query).min(worst))
    }

    /// Takes in a new node below `limit`.
    #[inline]
    pub fn insert(&mut self, entry: u64, limit: u64, passes: impl Fn(u32) -> bool) {
        if entry >= limit || entry >= self.worst() {
            return;
        }
        let at = self.entries.partition_point(|other| *other < entry);
        self.entries.insert(at, entry);
        self.cursor = self.cursor.min(at);
        self.passing += usize::from(passes(node_of(entry)));
        while self.entries.len() > self.breadth
            && self.passing >= self.floor
            && let Some(last) = self.entries.last()
        {
            let needed = passes(node_of(*last));
            if needed && self.passing == self.floor {
                break;
            }
            self.passing -= usize::from(needed);
            self.entries.pop();
        }
    }

    /// The nearest open node below `limit`, now expanded.
    #[inline]
    pub fn next_open(&mut self, limit: u64) -> Option<u32> {
        while let Some(entry) = self.entries.get_mut(self.cursor).filter(|entry| **entry < limit) {
            self.cursor += 1;
            if *entry & 1 == 0 {
                *entry |= 1;
                return Some(node_of(*entry));
            }
        }
        None
    }

    /// The nodes below `limit` that would be expanded next, in order.
    #[inline]
    pub fn open(&self, limit: u64) -> impl Iterator<Item = u32> + '_ {
        let rest = &self.entries[self.cursor.min(self.entries.len())..];
        rest.iter()
            .take_while(move |entry| **entry < limit)
            .filter(|entry| **entry & 1 == 0)
            .map(|entry| node_of(*entry))
    }
}

#[cfg(test)]
mod tests {
    use super::super::frontier::pack;
    use super::*;

    #[test]
    fn the_pool_keeps_its_breadth_and_beyond_it_only_what_the_floor_needs() {
        let odd = |node: u32| node % 2 == 1;
        let mut pool = Pool::default();
        pool.reset(3, 2);
        for node in [0, 2, 4, 6, 8] {
            pool.insert(pack(node as f32, node), u64::MAX, odd);
        }
        assert!(!pool.full());
        assert_eq!(pool.entries().len(), 5);
        pool.insert(pack(7.0, 7), u64::MAX, odd);
        pool.insert(pack(9.0, 9), u64::MAX, odd);
        // 0 2 4 6 7 8 9: nothing can go, the two odd ones are needed.
        assert!(pool.full());
        assert_eq!(pool.entries().len(), 7);
        pool.insert(pack(10.0, 11), u64::MAX, odd);
        pool.insert(pack(5.0, 5), u64::MAX, odd);
        assert_eq!(pool.entries().iter().map(|e| node_of(*e)).collect::<Vec<_>>(), [0, 2, 4, 5, 6, 7]);
        pool.insert(pack(1.0, 1), u64::MAX, odd);
        pool.insert(pack(3.0, 3), u64::MAX, odd);
        assert_eq!(pool.entries().iter().map(|e| node_of(*e)).collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!(pool.next_open(u64::MAX), Some(0));
        assert_eq!(pool.open(u64::MAX).next(), Some(1));
    }
}
