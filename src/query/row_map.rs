//! Maps and sets of rows of a view, keyed by part and ord.
//!
//! A fused search puts some hundred rows into half a dozen of them; the hasher of the standard library, made to withstand
//! keys of an attacker, took 3 % of such a search. Part and ord are numbers that this library gave out.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

/// A row of a view: the part's number and the ord in it.
pub type RowId = (u32, u32);
/// A map by row.
pub type RowMap<V> = HashMap<RowId, V, BuildHasherDefault<RowHasher>>;
/// A set of rows.
pub type RowSet = HashSet<RowId, BuildHasherDefault<RowHasher>>;

/// Mixes in each number by a multiplication (Knuth, TAOCP 6.4), whose upper half depends on all bits.
#[derive(Debug, Clone, Copy, Default)]
pub struct RowHasher(u64);

impl Hasher for RowHasher {
    fn finish(&self) -> u64 {
        // The table takes its place from the lower bits.
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u32(u32::from(*byte)));
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = (self.0.rotate_left(5) ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_rows_of_several_parts_spread_over_the_table() {
        let hash = |row: RowId| {
            let mut hasher = RowHasher::default();
            hasher.write_u32(row.0);
            hasher.write_u32(row.1);
            hasher.finish()
        };
        let mut slots = vec![0_u32; 1024];
        (0..4).for_each(|part| (0..256).for_each(|ord| slots[hash((part, ord)) as usize % 1024] += 1));
        assert!(slots.iter().all(|rows| *rows <= 8), "{:?}", slots.iter().max());
        let set: RowSet = (0..4).flat_map(|part| (0..256).map(move |ord| (part, ord))).collect();
        assert_eq!(set.len(), 1024);
    }
}
