//! Keys of 64 rows of 1-bit codes at a time. The sums of a row are not counted but looked up: for four bits of it there is a table of the 16
//! sums that they can give, and an instruction looks up 16, 32 or 64 rows at once (fast scan: André, Kermarrec & Le Scouarnec, VLDB 2015).
//!
//! Invariant: the keys are those of the other versions, to the bit.

use super::Weights;

/// Rows of a block.
pub(crate) const ROWS: usize = 64;

/// Bytes of the tables for one byte of a row: for its low and its high half.
pub(crate) const TABLES: usize = 32;

/// Bytes of a row, at the most: a sum fits 16 bits.
pub(crate) const LONGEST: usize = u16::MAX as usize / (2 * 4 * 15);

/// Rows together.
#[derive(Clone, Copy)]
pub(crate) struct Block<'a> {
    /// The first byte of each row, then the second byte of each, and so on; an even number of bytes a row.
    pub bits: &'a [u8],
    /// The floats of the rows: `f` of each, the number of set bits of each, `|y|²` of each.
    pub floats: &'a [[f32; ROWS]; 3],
}

/// Keys of a block, by the tables of a query.
pub(crate) type Version = fn(Block<'_>, &[u8], &Weights, &mut [f32; ROWS]);

/// Panics unless the tables are those of such rows.
pub(super) fn check(block: Block<'_>, tables: &[u8]) {
    let bytes = block.bits.len() / ROWS;
    assert!(
        block.bits.len().is_multiple_of(ROWS)
            && bytes.is_multiple_of(2)
            && bytes <= LONGEST
            && tables.len() == bytes * TABLES
    );
}

/// Keys of sums.
#[inline(always)]
pub(super) fn keys_of(
    sums: &[u16; ROWS],
    floats: &[[f32; ROWS]; 3],
    weights: &Weights,
    keys: &mut [f32; ROWS],
) {
    let [factors, sets, squares] = floats;
    for at in 0..ROWS {
        keys[at] = weights.combine(f32::from(sums[at]), [factors[at], sets[at], squares[at]]);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{numbers, weights};
    use super::super::{PLANES, Table, all, of_blocks};
    use super::*;
    use crate::vector::aligned;

    fn plain(block: Block<'_>, tables: &[u8], weights: &Weights, keys: &mut [f32; ROWS]) {
        check(block, tables);
        let mut sums = [0_u16; ROWS];
        for (bits, tables) in block.bits.chunks_exact(ROWS).zip(tables.chunks_exact(TABLES)) {
            for (sum, bits) in sums.iter_mut().zip(bits) {
                let halves = [tables[usize::from(bits & 15)], tables[16 + usize::from(bits >> 4)]];
                *sum += halves.map(u16::from).iter().sum::<u16>();
            }
        }
        keys_of(&sums, block.floats, weights, keys);
    }

    #[test]
    fn every_version_gives_the_keys_of_single_rows() {
        let mut random = numbers(11);
        let mut next = || random() >> 16;
        for bytes in [8_usize, 48, 96, 544] {
            let stride = (bytes + 16).next_multiple_of(64);
            let weights = weights(bytes);
            for largest in [false, true] {
                let mut rows = aligned::Block::zeroed(stride * ROWS);
                let (mut bits, mut floats) = (vec![0; bytes * ROWS], [[0.0; ROWS]; 3]);
                for (at, row) in rows.bytes_mut().chunks_exact_mut(stride).enumerate() {
                    for byte in 0..bytes {
                        row[byte] = if largest { 255 } else { next() as u8 };
                        bits[byte * ROWS + at] = row[byte];
                    }
                    for (which, of) in floats.iter_mut().enumerate() {
                        of[at] = (next() % 1000) as f32 / 7.0;
                        row[bytes + which * 4..][..4].copy_from_slice(&of[at].to_le_bytes());
                    }
                }
                let words = stride / 8;
                let levels: Vec<u8> =
                    (0..bytes * 8).map(|_| if largest { 15 } else { next() as u8 & 15 }).collect();
                let mut planes = vec![0_u64; words * PLANES];
                for (at, level) in levels.iter().enumerate() {
                    (0..PLANES)
                        .for_each(|p| planes[p * words + at / 64] |= u64::from(level >> p & 1) << (at % 64));
                }
                let sum = |levels: &[u8], set: usize| {
                    (0..4).filter(|at| set >> at & 1 == 1).map(|at| levels[at]).sum::<u8>()
                };
                let tables: Vec<u8> =
                    levels.chunks_exact(4).flat_map(|four| (0..16).map(|set| sum(four, set))).collect();
                let ids: Vec<u32> = (0..ROWS as u32).collect();
                let mut expected = [0.0; ROWS];
                let table = Table { bytes: rows.bytes(), stride };
                all().pop().unwrap().1.keys(table, &planes, &weights, &ids, &mut expected);
                let block = Block { bits: &bits, floats: &floats };
                for (name, version) in of_blocks().into_iter().chain([("plain", plain as Version)]) {
                    let mut keys = [0.0; ROWS];
                    version(block, &tables, &weights, &mut keys);
                    assert_eq!(keys, expected, "{name}, {bytes} bytes");
                }
            }
        }
    }
}
