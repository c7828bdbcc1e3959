//! 1-bit rows on x86: AVX-512 with VPOPCNTDQ, AVX2, POPCNT.
#![expect(unsafe_code)]

use super::blocks::{self, Block, ROWS, TABLES};
use super::{PLANES, Table, Version, Weights, check, plain};
use crate::vector::kernels::prefetch::row_ahead;
use std::arch::x86_64::*;

pub(super) fn available() -> Vec<(&'static str, Version)> {
    let mut all = Vec::new();
    if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vpopcntdq") {
        let version = Version {
            sums: |table, planes, ids, out| {
                check(table, planes, ids, out.len());
                // SAFETY: the features were detected; rows and planes were checked.
                unsafe { vectors(table, planes, ids, Sums(out)) }
            },
            keys: Some(|table, planes, weights, ids, out| {
                check(table, planes, ids, out.len());
                assert!(weights.tail + TAIL <= table.stride);
                // SAFETY: the features were detected; rows and planes were checked, and where floats are read.
                unsafe { vectors(table, planes, ids, Keyed { table, weights, out }) }
            }),
        };
        all.push(("vpopcntdq", version));
    }
    if is_x86_feature_detected!("avx2") {
        let sums = |table: Table<'_>, planes: &[u64], ids: &[u32], out: &mut [i32]| {
            check(table, planes, ids, out.len());
            // SAFETY: the feature was detected; rows and planes were checked.
            unsafe { shuffles(table, planes, ids, out) }
        };
        all.push(("avx2", Version { sums, keys: None }));
    }
    if is_x86_feature_detected!("popcnt") {
        let sums = |table: Table<'_>, planes: &[u64], ids: &[u32], out: &mut [i32]| {
            check(table, planes, ids, out.len());
            // SAFETY: the feature was detected.
            unsafe { words(table, planes, ids, out) }
        };
        all.push(("popcnt", Version { sums, keys: None }));
    }
    all
}

/// The plain loop with the instruction for it.
#[target_feature(enable = "popcnt")]
fn words(table: Table<'_>, planes: &[u64], ids: &[u32], out: &mut [i32]) {
    plain(table, planes, ids, out);
}

/// Bits are counted by a table of sixteen (Mula, Kurz & Lemire 2018), whose entries are those of the plane times its
/// weight.
#[target_feature(enable = "avx2")]
unsafe fn shuffles(table: Table<'_>, planes: &[u64], ids: &[u32], out: &mut [i32]) {
    let counts = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
    let mut tables = [counts; PLANES];
    for at in 1..PLANES {
        tables[at] = _mm256_add_epi8(tables[at - 1], tables[at - 1]);
    }
    let nibble = _mm256_set1_epi8(15);
    let words = planes.len() / PLANES;
    for (id, out) in ids.iter().zip(out) {
        let mut sum = _mm256_setzero_si256();
        for line in 0..table.stride / 64 {
            // A byte of eight bits gives 120 at most, so two halves of a line fit into one.
            let mut bytes = _mm256_setzero_si256();
            for half in [line * 64, line * 64 + 32] {
                // SAFETY: the caller checked that the row lies in the table and that a plane is as long as a row.
                let bits = unsafe {
                    let row = table.bytes.as_ptr().add(*id as usize * table.stride);
                    _mm256_loadu_si256(row.add(half).cast())
                };
                for (plane, counts) in tables.iter().enumerate() {
                    // SAFETY: as above.
                    let mask =
                        unsafe { _mm256_loadu_si256(planes.as_ptr().add(plane * words + half / 8).cast()) };
                    let set = _mm256_and_si256(bits, mask);
                    let low = _mm256_and_si256(set, nibble);
                    let high = _mm256_and_si256(_mm256_srli_epi16::<4>(set), nibble);
                    let low = _mm256_shuffle_epi8(*counts, low);
                    let high = _mm256_shuffle_epi8(*counts, high);
                    bytes = _mm256_add_epi8(bytes, _mm256_add_epi8(low, high));
                }
            }
            sum = _mm256_add_epi64(sum, _mm256_sad_epu8(bytes, _mm256_setzero_si256()));
        }
        let pair = _mm_add_epi64(_mm256_castsi256_si128(sum), _mm256_extracti128_si256::<1>(sum));
        *out = _mm_cvtsi128_si32(_mm_add_epi64(pair, _mm_unpackhi_epi64(pair, pair)));
    }
}

/// The versions for blocks, fastest first.
pub(super) fn of_blocks() -> Vec<(&'static str, blocks::Version)> {
    let mut all: Vec<(&'static str, blocks::Version)> = Vec::new();
    if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") {
        all.push(("avx512bw", |block, tables, weights, keys| {
            blocks::check(block, tables);
            // SAFETY: the features were detected; the tables are as many as the bytes of a row.
            unsafe { looked_up_wide(block, tables, weights, keys) }
        }));
    }
    if is_x86_feature_detected!("avx2") {
        all.push(("avx2", |block, tables, weights, keys| {
            blocks::check(block, tables);
            // SAFETY: the feature was detected; the tables are as many as the bytes of a row.
            unsafe { looked_up(block, tables, weights, keys) }
        }));
    }
    all
}

#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn looked_up_wide(block: Block<'_>, tables: &[u8], weights: &Weights, keys: &mut [f32; ROWS]) {
    let (nibble, byte) = (_mm512_set1_epi8(15), _mm512_set1_epi16(255));
    let of = |at: usize| {
        // SAFETY: the caller checked that there are as many bytes and tables.
        let (bits, low, high) = unsafe {
            let table = tables.as_ptr().add(at * TABLES);
            (
                _mm512_loadu_si512(block.bits.as_ptr().add(at * ROWS).cast()),
                _mm_loadu_si128(table.cast()),
                _mm_loadu_si128(table.add(16).cast()),
            )
        };
        let (low, high) = (_mm512_broadcast_i32x4(low), _mm512_broadcast_i32x4(high));
        let upper = _mm512_and_si512(_mm512_srli_epi16::<4>(bits), nibble);
        let lower = _mm512_and_si512(bits, nibble);
        _mm512_add_epi8(_mm512_shuffle_epi8(low, lower), _mm512_shuffle_epi8(high, upper))
    };
    // The sums of the even and of the odd rows.
    let (mut even, mut odd) = (_mm512_setzero_si512(), _mm512_setzero_si512());
    for at in (0..block.bits.len() / ROWS).step_by(2) {
        // Four sums of 60 at the most fit into a byte.
        let four = _mm512_add_epi8(of(at), of(at + 1));
        even = _mm512_add_epi16(even, _mm512_and_si512(four, byte));
        odd = _mm512_add_epi16(odd, _mm512_srli_epi16::<8>(four));
    }
    // Of each 16 rows the first eight, and the last eight.
    let (first, last) = (_mm512_unpacklo_epi16(even, odd), _mm512_unpackhi_epi16(even, odd));
    let mut rows = [0_u16; ROWS];
    let (eights, _) = rows.as_chunks_mut::<8>();
    let mut put = |at: usize, eight: __m128i| {
        // SAFETY: there is room for eight numbers.
        unsafe { _mm_storeu_si128(eights[at].as_mut_ptr().cast(), eight) };
    };
    put(0, _mm512_extracti32x4_epi32::<0>(first));
    put(1, _mm512_extracti32x4_epi32::<0>(last));
    put(2, _mm512_extracti32x4_epi32::<1>(first));
    put(3, _mm512_extracti32x4_epi32::<1>(last));
    put(4, _mm512_extracti32x4_epi32::<2>(first));
    put(5, _mm512_extracti32x4_epi32::<2>(last));
    put(6, _mm512_extracti32x4_epi32::<3>(first));
    put(7, _mm512_extracti32x4_epi32::<3>(last));
    blocks::keys_of(&rows, block.floats, weights, keys);
}

#[target_feature(enable = "avx2")]
unsafe fn looked_up(block: Block<'_>, tables: &[u8], weights: &Weights, keys: &mut [f32; ROWS]) {
    let (nibble, byte) = (_mm256_set1_epi8(15), _mm256_set1_epi16(255));
    // The sums of the even and of the odd rows of each half.
    let mut sums = [_mm256_setzero_si256(); 4];
    for at in (0..block.bits.len() / ROWS).step_by(2) {
        for half in 0..2 {
            let of = |at: usize| {
                // SAFETY: the caller checked that there are as many bytes and tables.
                let (bits, low, high) = unsafe {
                    let table = tables.as_ptr().add(at * TABLES);
                    (
                        _mm256_loadu_si256(block.bits.as_ptr().add(at * ROWS + half * 32).cast()),
                        _mm_loadu_si128(table.cast()),
                        _mm_loadu_si128(table.add(16).cast()),
                    )
                };
                let (low, high) = (_mm256_broadcastsi128_si256(low), _mm256_broadcastsi128_si256(high));
                let upper = _mm256_and_si256(_mm256_srli_epi16::<4>(bits), nibble);
                let lower = _mm256_and_si256(bits, nibble);
                _mm256_add_epi8(_mm256_shuffle_epi8(low, lower), _mm256_shuffle_epi8(high, upper))
            };
            // Four sums of 60 at the most fit into a byte.
            let four = _mm256_add_epi8(of(at), of(at + 1));
            sums[half * 2] = _mm256_add_epi16(sums[half * 2], _mm256_and_si256(four, byte));
            sums[half * 2 + 1] = _mm256_add_epi16(sums[half * 2 + 1], _mm256_srli_epi16::<8>(four));
        }
    }
    let mut rows = [0_u16; ROWS];
    for (half, rows) in rows.chunks_exact_mut(32).enumerate() {
        let (even, odd) = (sums[half * 2], sums[half * 2 + 1]);
        let (low, high) = (_mm256_unpacklo_epi16(even, odd), _mm256_unpackhi_epi16(even, odd));
        // SAFETY: there is room for 32 numbers.
        unsafe {
            _mm256_storeu_si256(rows.as_mut_ptr().cast(), _mm256_permute2x128_si256::<0x20>(low, high));
            _mm256_storeu_si256(
                rows.as_mut_ptr().add(16).cast(),
                _mm256_permute2x128_si256::<0x31>(low, high),
            );
        }
    }
    blocks::keys_of(&rows, block.floats, weights, keys);
}

/// Rows whose sums are added up together.
const GROUP: usize = 8;
/// Rows asked for before they are read.
const AHEAD: usize = 32;

/// Bytes that are read of the floats of a row, with one that means nothing.
const TAIL: usize = 16;

/// What becomes of sums.
trait Taker {
    /// Takes the sums of the rows `ids`, whose first is the row `at` of all. There are [`GROUP`] of them.
    ///
    /// # Safety
    /// The processor has AVX-512F, and there is room for as many.
    unsafe fn group(&mut self, at: usize, ids: &[u32], sums: __m256i);
    /// Takes the sum of one row.
    fn one(&mut self, at: usize, id: u32, sum: i32);
}

struct Sums<'a>(&'a mut [i32]);

impl Taker for Sums<'_> {
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn group(&mut self, at: usize, _: &[u32], sums: __m256i) {
        // SAFETY: the caller says that there is room.
        unsafe { _mm256_storeu_si256(self.0.as_mut_ptr().add(at).cast(), sums) };
    }
    fn one(&mut self, at: usize, _: u32, sum: i32) {
        self.0[at] = sum;
    }
}

struct Keyed<'a> {
    table: Table<'a>,
    weights: &'a Weights,
    out: &'a mut [f32],
}

impl Taker for Keyed<'_> {
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn group(&mut self, at: usize, ids: &[u32], sums: __m256i) {
        let Weights { tail, each, by_set, more, by_product, by_norm, add } = *self.weights;
        let four = |id: u32| {
            // SAFETY: the row lies in the table, and at least that many bytes follow.
            unsafe {
                let row = self.table.bytes.as_ptr().add(id as usize * self.table.stride);
                _mm_loadu_ps(row.add(tail).cast())
            }
        };
        // Rows 0 to 3 in the lower half of a register, 4 to 7 in the upper one.
        let pair =
            |i: usize| _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(four(ids[i])), four(ids[i + 4]));
        let [a, b, c, d] = [pair(0), pair(1), pair(2), pair(3)];
        let doubles = |a, b| (_mm256_castps_pd(a), _mm256_castps_pd(b));
        let (ab, cd) = doubles(_mm256_unpacklo_ps(a, b), _mm256_unpacklo_ps(c, d));
        let factor = _mm256_castpd_ps(_mm256_unpacklo_pd(ab, cd));
        let set = _mm256_castpd_ps(_mm256_unpackhi_pd(ab, cd));
        let (ab, cd) = doubles(_mm256_unpackhi_ps(a, b), _mm256_unpackhi_ps(c, d));
        let square = _mm256_castpd_ps(_mm256_unpacklo_pd(ab, cd));
        let by = |weight, x| _mm256_mul_ps(_mm256_set1_ps(weight), x);
        let signed = _mm256_add_ps(by(each, _mm256_cvtepi32_ps(sums)), by(by_set, set));
        let signed = _mm256_add_ps(signed, _mm256_set1_ps(more));
        let key = _mm256_add_ps(_mm256_mul_ps(by(by_product, factor), signed), by(by_norm, square));
        let key = _mm256_add_ps(key, _mm256_set1_ps(add));
        // SAFETY: the caller says that there is room.
        unsafe { _mm256_storeu_ps(self.out.as_mut_ptr().add(at), key) };
    }
    fn one(&mut self, at: usize, id: u32, sum: i32) {
        let row = &self.table.bytes[id as usize * self.table.stride..][..self.table.stride];
        self.out[at] = self.weights.key(sum, row);
    }
}

#[target_feature(enable = "avx512f,avx512vpopcntdq")]
unsafe fn vectors(table: Table<'_>, planes: &[u64], ids: &[u32], out: impl Taker) {
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
unsafe fn groups<const LINES: usize>(table: Table<'_>, planes: &[u64], ids: &[u32], mut out: impl Taker) {
    let mut later = ids.get(AHEAD..).unwrap_or_default().chunks(GROUP);
    let mut at = 0;
    let mut groups = ids.chunks_exact(GROUP);
    for ids in groups.by_ref() {
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
        // SAFETY: the caller has room for all rows.
        unsafe { out.group(at, ids, _mm512_cvtepi64_epi32(all)) };
        at += GROUP;
    }
    for (at, id) in (at..).zip(groups.remainder()) {
        // SAFETY: as the caller's.
        let sum = _mm512_reduce_add_epi64(unsafe { sum_of::<LINES>(table, planes, *id) });
        out.one(at, *id, sum as i32);
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
