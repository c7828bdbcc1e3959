//! SIMD kernels, chosen once by the features of the machine.
//!
//! Invariant: every function in the table is safe to call with any slices; bounds are checked here, before any
//! raw read. All versions give the same integers for 8-bit codes; floats differ by rounding only.

mod portable;
pub(crate) mod signs;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::sync::OnceLock;

/// Rows of one size in one block, read by row number.
#[derive(Clone, Copy)]
pub(crate) struct Table<'a> {
    /// The rows; starts at a cache line.
    pub bytes: &'a [u8],
    /// Bytes of a row, a multiple of 64.
    pub stride: usize,
}

impl Table<'_> {
    /// Panics unless every row of `ids` lies inside the block.
    #[inline]
    fn check(&self, ids: &[u32], query_bytes: usize, out: usize) {
        let top = ids.iter().copied().max().map_or(0, |id| id as usize + 1);
        assert!(
            self.stride.is_multiple_of(64)
                && query_bytes >= self.stride
                && out >= ids.len()
                && top.checked_mul(self.stride).is_some_and(|end| end <= self.bytes.len())
        );
    }
}

/// A number of two slices.
type Pair = fn(&[f32], &[f32]) -> f32;

/// Three numbers of two slices.
type Norms = fn(&[f32], &[f32]) -> (f32, f32, f32);

/// A number of a query and each of some rows.
type OfRows<Q, N> = fn(Table<'_>, &[Q], &[u32], &mut [N]);

/// The functions chosen for this machine.
pub(crate) struct Kernels {
    /// Name of the instruction set.
    pub name: &'static str,
    /// Dot product.
    pub dot_f32: Pair,
    /// Squared Euclidean distance.
    pub l2_f32: Pair,
    /// `(a · b, a · a, b · b)`.
    pub dot_norms: Norms,
    /// `Σ code[i] * query[i]` of unsigned codes and a signed query, for each row of `ids`.
    pub dot_i8_rows: OfRows<i8, i32>,
    /// Dot products of a float query with float rows.
    pub dot_f32_rows: OfRows<f32, f32>,
    /// Squared Euclidean distances of a float query to float rows.
    pub l2_f32_rows: OfRows<f32, f32>,
    /// Asks the caches for whole rows.
    pub prefetch_rows: fn(Table<'_>, &[u32]),
    /// Decodes little-endian halves.
    pub f16_to_f32: fn(&[u8], &mut [f32]),
}

/// The kernels of this machine.
#[inline]
pub(crate) fn get() -> &'static Kernels {
    static CHOSEN: OnceLock<&'static Kernels> = OnceLock::new();
    CHOSEN.get_or_init(|| all()[0])
}

/// Asks the caches for `bytes`.
#[inline]
pub(crate) fn prefetch(bytes: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    x86::prefetch(bytes);
    #[cfg(not(target_arch = "x86_64"))]
    let _ = bytes;
}

/// Every set of kernels that this machine can run, fastest first.
pub(crate) fn all() -> Vec<&'static Kernels> {
    let mut sets: Vec<&'static Kernels> = Vec::new();
    #[cfg(target_arch = "x86_64")]
    sets.extend(x86::available());
    sets.push(&portable::KERNELS);
    sets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::aligned::{self, Block};
    use simsimd::SpatialSimilarity;

    fn noise(seed: u64) -> impl FnMut() -> u32 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u32
        }
    }

    #[test]
    fn float_kernels_agree_with_simsimd_at_odd_lengths_and_offsets() {
        let mut next = noise(1);
        let data: Vec<f32> = (0..4000).map(|_| next() as f32 / u32::MAX as f32 - 0.5).collect();
        for set in all() {
            for len in (1..70).chain([127, 128, 129, 383, 384, 785, 1000]) {
                for shift in 0..4 {
                    let (a, b) = (&data[shift..shift + len], &data[2000 + shift..2000 + shift + len]);
                    let dot = f32::dot(a, b).unwrap() as f32;
                    let square = f32::l2sq(a, b).unwrap() as f32;
                    assert!(((set.dot_f32)(a, b) - dot).abs() < 1e-3, "{} {len}", set.name);
                    assert!(((set.l2_f32)(a, b) - square).abs() < 1e-3, "{} {len}", set.name);
                    let (ab, aa, bb) = (set.dot_norms)(a, b);
                    assert!((ab - dot).abs() < 1e-3 && (aa + bb - 2.0 * ab - square).abs() < 1e-3);
                }
            }
        }
    }

    #[test]
    fn row_kernels_give_the_same_integers_everywhere() {
        let mut next = noise(2);
        for stride in [64, 128, 192, 384, 832] {
            let mut block = Block::zeroed(stride * 50);
            block.bytes_mut().iter_mut().for_each(|b| *b = next() as u8);
            let query: Vec<i8> = (0..stride).map(|i| if i % 7 == 0 { -127 } else { next() as i8 }).collect();
            let table = Table { bytes: block.bytes(), stride };
            for count in [0_usize, 1, 2, 3, 4, 5, 8, 31] {
                let ids: Vec<u32> = (0..count).map(|_| next() % 50).collect();
                let expected: Vec<i32> = ids
                    .iter()
                    .map(|id| {
                        let row = &block.bytes()[*id as usize * stride..][..stride];
                        row.iter().zip(&query).map(|(c, q)| i32::from(*c) * i32::from(*q)).sum()
                    })
                    .collect();
                for set in all() {
                    let mut out = vec![0; count];
                    (set.dot_i8_rows)(table, &query, &ids, &mut out);
                    assert_eq!(out, expected, "{} {stride} {count}", set.name);
                    (set.prefetch_rows)(table, &ids);
                }
            }
        }
    }

    #[test]
    fn float_rows_agree_with_single_calls() {
        let mut next = noise(3);
        for dims in [16_usize, 32, 48, 400] {
            let mut block = Block::zeroed(dims * 4 * 20);
            aligned::as_f32_mut(block.bytes_mut()).iter_mut().for_each(|x| *x = next() as f32 / 4e9);
            let query: Vec<f32> = (0..dims).map(|_| next() as f32 / 4e9).collect();
            let table = Table { bytes: block.bytes(), stride: dims * 4 };
            let ids = [3_u32, 19, 0, 7, 7];
            for set in all() {
                let (mut dots, mut squares) = ([0.0; 5], [0.0; 5]);
                (set.dot_f32_rows)(table, &query, &ids, &mut dots);
                (set.l2_f32_rows)(table, &query, &ids, &mut squares);
                for (at, id) in ids.iter().enumerate() {
                    let row = &aligned::as_f32(block.bytes())[*id as usize * dims..][..dims];
                    assert!((dots[at] - f32::dot(row, &query).unwrap() as f32).abs() < 1e-3);
                    assert!((squares[at] - f32::l2sq(row, &query).unwrap() as f32).abs() < 1e-3);
                }
            }
        }
    }

    #[test]
    #[should_panic]
    fn a_row_beyond_the_block_is_refused_before_it_is_read() {
        let block = Block::zeroed(128);
        (get().dot_i8_rows)(Table { bytes: block.bytes(), stride: 64 }, &[0; 64], &[2], &mut [0]);
    }
}
