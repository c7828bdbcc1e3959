//! The beam of a search: a sorted array of the best nodes seen, each open or expanded.
//!
//! Invariant: entries ascend; an entry is `key, node, expanded` in one `u64`, so ties break by node number and every
//! search is deterministic. Nodes are below 2^31.

/// Order-preserving bits of a key.
#[inline]
pub(super) fn pack(key: f32, node: u32) -> u64 {
    let bits = key.to_bits();
    let ordered = bits ^ (((bits as i32 >> 31) as u32) | 0x8000_0000);
    u64::from(ordered) << 32 | u64::from(node) << 1
}

/// The key of an entry.
#[inline]
pub(super) fn key_of(entry: u64) -> f32 {
    let ordered = (entry >> 32) as u32;
    f32::from_bits(if ordered & 0x8000_0000 != 0 { ordered ^ 0x8000_0000 } else { !ordered })
}

/// The node of an entry.
#[inline]
pub(super) fn node_of(entry: u64) -> u32 {
    entry as u32 >> 1
}

/// The best `limit` nodes seen so far.
#[derive(Default)]
pub(super) struct Beam {
    entries: Vec<u64>,
    limit: usize,
    cursor: usize,
}

impl Beam {
    pub fn reset(&mut self, limit: usize) {
        self.entries.clear();
        self.limit = limit.max(1);
        self.cursor = 0;
    }

    /// Entries, nearest first.
    pub fn entries(&self) -> &[u64] {
        &self.entries
    }

    /// Keys that are not below this one are of no use.
    #[inline]
    pub fn worst(&self) -> u64 {
        if self.entries.len() < self.limit { u64::MAX } else { self.entries[self.limit - 1] }
    }

    /// The entry at `rank`, from 0.
    #[inline]
    pub fn at(&self, rank: usize) -> Option<u64> {
        self.entries.get(rank).copied()
    }

    /// Takes in a new node; false when it is too far.
    #[inline]
    pub fn insert(&mut self, entry: u64) -> bool {
        if entry >= self.worst() {
            return false;
        }
        let at = self.entries.partition_point(|other| *other < entry);
        if self.entries.len() == self.limit {
            self.entries.pop();
        }
        self.entries.insert(at, entry);
        self.cursor = self.cursor.min(at);
        true
    }

    /// The nearest open node below `bound`, now expanded.
    #[inline]
    pub fn next_open(&mut self, bound: u64) -> Option<u32> {
        while let Some(entry) = self.entries.get_mut(self.cursor).filter(|entry| **entry < bound) {
            self.cursor += 1;
            if *entry & 1 == 0 {
                *entry |= 1;
                return Some(node_of(*entry));
            }
        }
        None
    }

    /// The nodes below `bound` that would be expanded next, in order.
    #[inline]
    pub fn open(&self, bound: u64) -> impl Iterator<Item = u32> + '_ {
        let rest = &self.entries[self.cursor.min(self.entries.len())..];
        rest.iter()
            .take_while(move |entry| **entry < bound)
            .filter(|entry| **entry & 1 == 0)
            .map(|entry| node_of(*entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_order_is_key_order_and_keys_survive() {
        let keys = [f32::MIN, -2.0, -1e-40, 0.0, 1e-40, 0.5, 3.0, f32::MAX];
        for pair in keys.windows(2) {
            assert!(pack(pair[0], u32::MAX >> 1) < pack(pair[1], 0));
        }
        for key in keys {
            assert_eq!(key_of(pack(key, 7)), key);
            assert_eq!(node_of(pack(key, 7) | 1), 7);
        }
    }

    #[test]
    fn the_beam_keeps_the_nearest_and_reopens_before_the_cursor() {
        let mut beam = Beam::default();
        beam.reset(3);
        for (key, node) in [(3.0, 1), (1.0, 2), (2.0, 3)] {
            assert!(beam.insert(pack(key, node)));
        }
        assert_eq!(beam.next_open(u64::MAX), Some(2));
        assert!(!beam.insert(pack(4.0, 4)));
        assert!(beam.insert(pack(0.5, 5)));
        assert_eq!(beam.next_open(u64::MAX), Some(5));
        assert_eq!(beam.next_open(u64::MAX), Some(3));
        assert_eq!(beam.next_open(u64::MAX), None);
    }
}
