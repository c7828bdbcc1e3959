//! Inner products of 1-bit rows with a query of four bit planes: `Σ_j 2^j · popcount(row & plane_j)`.
//!
//! Invariant: all versions give the same integers.

use super::Table;
use std::sync::OnceLock;

/// Bit planes of a query.
pub(crate) const PLANES: usize = 4;

type Rows = fn(Table<'_>, &[u64], &[u32], &mut [i32]);

/// Sums of the rows `ids` of `table` under `planes`: [`PLANES`] runs of equal length, each at least a row long, zero
/// where a row holds something else than its bits.
#[inline]
pub(crate) fn score(table: Table<'_>, planes: &[u64], ids: &[u32], out: &mut [i32]) {
    static CHOSEN: OnceLock<Rows> = OnceLock::new();
    CHOSEN.get_or_init(|| all()[0].1)(table, planes, ids, out);
}

/// Every version that this machine can run, fastest first.
fn all() -> Vec<(&'static str, Rows)> {
    #[cfg(target_arch = "x86_64")]
    let fast = x86::available();
    #[cfg(not(target_arch = "x86_64"))]
    let fast = Vec::new();
    fast.into_iter().chain([("portable", portable as Rows)]).collect()
}

fn check(table: Table<'_>, planes: &[u64], ids: &[u32], out: &[i32]) {
    table.check(ids, planes.len() / PLANES * 8, out.len());
    assert!(planes.len().is_multiple_of(PLANES));
}

fn portable(table: Table<'_>, planes: &[u64], ids: &[u32], out: &mut [i32]) {
    check(table, planes, ids, out);
    plain(table, planes, ids, out);
}

#[inline(always)]
fn plain(table: Table<'_>, planes: &[u64], ids: &[u32], out: &mut [i32]) {
    let words = planes.len() / PLANES;
    for (id, out) in ids.iter().zip(out) {
        let row = &table.bytes[*id as usize * table.stride..][..table.stride];
        let mut sums = [0_u32; PLANES];
        for (at, word) in row.chunks_exact(8).enumerate() {
            let word =
                u64::from_le_bytes([word[0], word[1], word[2], word[3], word[4], word[5], word[6], word[7]]);
            for (plane, sum) in sums.iter_mut().enumerate() {
                *sum += (word & planes[plane * words + at]).count_ones();
            }
        }
        *out = sums.iter().enumerate().map(|(plane, sum)| (sum << plane) as i32).sum();
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    #![expect(unsafe_code)]

    use super::{PLANES, Rows, Table, check, plain};
    use crate::vector::kernels::prefetch::row_ahead;
    use std::arch::x86_64::*;

    pub(super) fn available() -> Vec<(&'static str, Rows)> {
        let mut all: Vec<(&'static str, Rows)> = Vec::new();
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vpopcntdq") {
            all.push(("vpopcntdq", |table, planes, ids, out| {
                check(table, planes, ids, out);
                // SAFETY: the features were detected; rows and planes were checked.
                unsafe { vectors(table, planes, ids, out) }
            }));
        }
        if is_x86_feature_detected!("popcnt") && is_x86_feature_detected!("avx2") {
            all.push(("popcnt", |table, planes, ids, out| {
                check(table, planes, ids, out);
                // SAFETY: the features were detected.
                unsafe { words(table, planes, ids, out) }
            }));
        }
        all
    }

    /// The plain loop with the instruction for it.
    #[target_feature(enable = "popcnt,avx2")]
    fn words(table: Table<'_>, planes: &[u64], ids: &[u32], out: &mut [i32]) {
        plain(table, planes, ids, out);
    }

    /// Rows whose sums are added up together.
    const GROUP: usize = 8;
    /// Rows asked for before they are read.
    const AHEAD: usize = 32;

    #[target_feature(enable = "avx512f,avx512vpopcntdq")]
    unsafe fn vectors(table: Table<'_>, planes: &[u64], ids: &[u32], out: &mut [i32]) {
        // SAFETY: the caller checked that the rows lie in the table and that a plane is as long as a row.
        unsafe {
            match table.stride / 64 {
                1 => groups::<1>(table, planes, ids, out),
                2 => groups::<2>(table, planes, ids, out),
                _ => groups::<0>(table, planes, ids, out),
            }
        }
    }

    /// `LINES` is the number of cache lines of a row, 0 if it is not known beforehand.
    #[target_feature(enable = "avx512f,avx512vpopcntdq")]
    unsafe fn groups<const LINES: usize>(table: Table<'_>, planes: &[u64], ids: &[u32], out: &mut [i32]) {
        let mut later = ids.get(AHEAD..).unwrap_or_default().chunks(GROUP);
        let (mut ids, mut out) = (ids.chunks_exact(GROUP), out.chunks_exact_mut(GROUP));
        for (ids, out) in ids.by_ref().zip(out.by_ref()) {
            later.next().unwrap_or_default().iter().for_each(|id| row_ahead(table, *id));
            let mut sums = [_mm512_setzero_si512(); GROUP];
            for (id, sum) in ids.iter().zip(&mut sums) {
                // SAFETY: as the caller's.
                *sum = unsafe { sum_of::<LINES>(table, planes, *id) };
            }
            // Eight sums of eight numbers each: add pairs until each sum is one number.
            let pairs = |a, b| _mm512_add_epi64(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
            let [a, b, c, d] = [0, 2, 4, 6].map(|at| pairs(sums[at], sums[at + 1]));
            let quads = |a, b| {
                let low = _mm512_shuffle_i64x2::<0b10_00_10_00>(a, b);
                let high = _mm512_shuffle_i64x2::<0b11_01_11_01>(a, b);
                _mm512_add_epi64(low, high)
            };
            // Halves are added in 128-bit lanes, which come in the order of the rows again.
            let all = quads(quads(a, b), quads(c, d));
            // SAFETY: eight i32 fit into `out`.
            unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), _mm512_cvtepi64_epi32(all)) };
        }
        for (id, out) in ids.remainder().iter().zip(out.into_remainder()) {
            // SAFETY: as the caller's.
            *out = _mm512_reduce_add_epi64(unsafe { sum_of::<LINES>(table, planes, *id) }) as i32;
        }
    }

    /// Eight numbers whose sum is that of the row.
    #[inline]
    #[target_feature(enable = "avx512f,avx512vpopcntdq")]
    unsafe fn sum_of<const LINES: usize>(table: Table<'_>, planes: &[u64], id: u32) -> __m512i {
        let lines = if LINES > 0 { LINES } else { table.stride / 64 };
        let words = planes.len() / PLANES;
        // SAFETY: the caller checked that the row lies in the table and that a plane is as long as a row.
        unsafe {
            let row = table.bytes.as_ptr().add(id as usize * table.stride);
            let plane = planes.as_ptr();
            let mut sums = [_mm512_setzero_si512(); PLANES];
            for line in 0..lines {
                let bits = _mm512_loadu_si512(row.add(line * 64).cast());
                for (at, sum) in sums.iter_mut().enumerate() {
                    let mask = _mm512_loadu_si512(plane.add(at * words + line * 8).cast());
                    *sum = _mm512_add_epi64(*sum, _mm512_popcnt_epi64(_mm512_and_si512(bits, mask)));
                }
            }
            let low = _mm512_add_epi64(sums[0], _mm512_slli_epi64::<1>(sums[1]));
            let high = _mm512_add_epi64(sums[2], _mm512_slli_epi64::<1>(sums[3]));
            _mm512_add_epi64(low, _mm512_slli_epi64::<2>(high))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::aligned::Block;

    #[test]
    fn every_version_counts_what_the_definition_counts() {
        let mut state = 7_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for stride in [64_usize, 128, 192, 640] {
            let mut block = Block::zeroed(stride * 20);
            block.bytes_mut().iter_mut().for_each(|byte| *byte = (next() >> 32) as u8);
            let words = stride / 8;
            let planes: Vec<u64> = (0..words * PLANES).map(|_| next()).collect();
            let ids: Vec<u32> = (0..21).map(|_| (next() % 20) as u32).collect();
            let expected: Vec<i32> = ids
                .iter()
                .map(|id| {
                    let row = &block.bytes()[*id as usize * stride..][..stride];
                    let bit = |at: usize| u32::from(row[at / 8] >> (at % 8) & 1);
                    let level = |at: usize| -> u32 {
                        (0..PLANES)
                            .map(|p| ((planes[p * words + at / 64] >> (at % 64) & 1) as u32) << p)
                            .sum()
                    };
                    (0..stride * 8).map(|at| (bit(at) * level(at)) as i32).sum()
                })
                .collect();
            for (name, rows) in all() {
                let mut out = vec![0; ids.len()];
                rows(Table { bytes: block.bytes(), stride }, &planes, &ids, &mut out);
                assert_eq!(out, expected, "{name} {stride}");
            }
        }
    }
}
