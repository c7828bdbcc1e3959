//! AVX-512 (with VNNI) and AVX2 kernels.
//!
//! The 8-bit dot product is one `vpdpbusd` for 64 dimensions: codes are unsigned, the query is signed. AVX2 widens
//! to 16 bits, because `vpmaddubsw` saturates.
#![expect(unsafe_code)]

use super::{Kernels, Table, portable};
use std::arch::x86_64::*;

/// The sets that this processor can run, fastest first.
pub(super) fn available() -> Vec<&'static Kernels> {
    let mut sets: Vec<&'static Kernels> = Vec::new();
    let avx2 = is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c");
    if avx2
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vnni")
    {
        sets.push(&AVX512);
    }
    if avx2 {
        sets.push(&AVX2);
    }
    sets
}

macro_rules! safe {
    ($name:ident = $inner:path, fn($($arg:ident: $ty:ty),*) $(-> $ret:ty)? $(, $check:expr)?) => {
        fn $name($($arg: $ty),*) $(-> $ret)? {
            $($check;)?
            // SAFETY: the function is reachable only through a table that `available` returned after it detected
            // the features; row bounds were checked above, and slice kernels stay within the shorter slice.
            unsafe { $inner($($arg),*) }
        }
    };
}

static AVX512: Kernels = Kernels {
    name: "avx512vnni",
    dot_f32: dot_f32_512,
    l2_f32: l2_f32_512,
    dot_norms: dot_norms_512,
    dot_i8_rows: dot_i8_rows_512,
    dot_f32_rows: dot_f32_rows_512,
    l2_f32_rows: l2_f32_rows_512,
    prefetch_rows,
    f16_to_f32: f16_to_f32_256,
};

static AVX2: Kernels = Kernels {
    name: "avx2",
    dot_f32: dot_f32_256,
    l2_f32: l2_f32_256,
    dot_norms: |a, b| (dot_f32_256(a, b), dot_f32_256(a, a), dot_f32_256(b, b)),
    dot_i8_rows: dot_i8_rows_256,
    dot_f32_rows: dot_f32_rows_256,
    l2_f32_rows: l2_f32_rows_256,
    prefetch_rows,
    f16_to_f32: f16_to_f32_256,
};

safe!(dot_f32_512 = w512::dot, fn(a: &[f32], b: &[f32]) -> f32);
safe!(l2_f32_512 = w512::l2, fn(a: &[f32], b: &[f32]) -> f32);
safe!(dot_norms_512 = w512::dot_norms, fn(a: &[f32], b: &[f32]) -> (f32, f32, f32));
safe!(
    dot_i8_rows_512 = w512::dot_i8_rows,
    fn(t: Table<'_>, q: &[i8], ids: &[u32], out: &mut [i32]),
    t.check(ids, q.len(), out.len())
);
safe!(
    dot_f32_rows_512 = w512::dot_rows,
    fn(t: Table<'_>, q: &[f32], ids: &[u32], out: &mut [f32]),
    t.check(ids, q.len() * 4, out.len())
);
safe!(
    l2_f32_rows_512 = w512::l2_rows,
    fn(t: Table<'_>, q: &[f32], ids: &[u32], out: &mut [f32]),
    t.check(ids, q.len() * 4, out.len())
);
safe!(dot_f32_256 = w256::dot, fn(a: &[f32], b: &[f32]) -> f32);
safe!(l2_f32_256 = w256::l2, fn(a: &[f32], b: &[f32]) -> f32);
safe!(
    dot_i8_rows_256 = w256::dot_i8_rows,
    fn(t: Table<'_>, q: &[i8], ids: &[u32], out: &mut [i32]),
    t.check(ids, q.len(), out.len())
);
safe!(
    dot_f32_rows_256 = w256::dot_rows,
    fn(t: Table<'_>, q: &[f32], ids: &[u32], out: &mut [f32]),
    t.check(ids, q.len() * 4, out.len())
);
safe!(
    l2_f32_rows_256 = w256::l2_rows,
    fn(t: Table<'_>, q: &[f32], ids: &[u32], out: &mut [f32]),
    t.check(ids, q.len() * 4, out.len())
);
safe!(f16_to_f32_256 = w256::f16_to_f32, fn(bytes: &[u8], out: &mut [f32]));

#[inline]
pub(super) fn prefetch(bytes: &[u8]) {
    for line in bytes.chunks(64) {
        // SAFETY: a prefetch is a hint; it never faults, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
    }
}

fn prefetch_rows(table: Table<'_>, ids: &[u32]) {
    for id in ids {
        let start = table.bytes.as_ptr().wrapping_add(*id as usize * table.stride);
        for line in 0..(table.stride / 64).min(16) {
            // SAFETY: a prefetch is a hint; it never faults, whatever the address.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(line * 64).cast()) };
        }
    }
}

mod w512 {
    use super::*;

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn tail(len: usize) -> __mmask16 {
        ((1_u32 << len) - 1) as __mmask16
    }

    #[target_feature(enable = "avx512f")]
    pub unsafe fn dot(a: &[f32], b: &[f32]) -> f32 {
        let len = a.len().min(b.len());
        let (pa, pb) = (a.as_ptr(), b.as_ptr());
        let mut acc = [_mm512_setzero_ps(); 4];
        let mut at = 0;
        // SAFETY: all full loads end at or before `len`; the masked load touches only the rest.
        unsafe {
            while at + 64 <= len {
                for (lane, acc) in acc.iter_mut().enumerate() {
                    let i = at + lane * 16;
                    *acc = _mm512_fmadd_ps(_mm512_loadu_ps(pa.add(i)), _mm512_loadu_ps(pb.add(i)), *acc);
                }
                at += 64;
            }
            while at < len {
                let mask = if len - at >= 16 { 0xffff } else { tail(len - at) };
                let (x, y) =
                    (_mm512_maskz_loadu_ps(mask, pa.add(at)), _mm512_maskz_loadu_ps(mask, pb.add(at)));
                acc[0] = _mm512_fmadd_ps(x, y, acc[0]);
                at += 16;
            }
        }
        _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(acc[0], acc[1]), _mm512_add_ps(acc[2], acc[3])))
    }

    #[target_feature(enable = "avx512f")]
    pub unsafe fn l2(a: &[f32], b: &[f32]) -> f32 {
        let len = a.len().min(b.len());
        let (pa, pb) = (a.as_ptr(), b.as_ptr());
        let mut acc = [_mm512_setzero_ps(); 4];
        let mut at = 0;
        // SAFETY: as in `dot`.
        unsafe {
            while at + 64 <= len {
                for (lane, acc) in acc.iter_mut().enumerate() {
                    let i = at + lane * 16;
                    let d = _mm512_sub_ps(_mm512_loadu_ps(pa.add(i)), _mm512_loadu_ps(pb.add(i)));
                    *acc = _mm512_fmadd_ps(d, d, *acc);
                }
                at += 64;
            }
            while at < len {
                let mask = if len - at >= 16 { 0xffff } else { tail(len - at) };
                let (x, y) =
                    (_mm512_maskz_loadu_ps(mask, pa.add(at)), _mm512_maskz_loadu_ps(mask, pb.add(at)));
                let d = _mm512_sub_ps(x, y);
                acc[0] = _mm512_fmadd_ps(d, d, acc[0]);
                at += 16;
            }
        }
        _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(acc[0], acc[1]), _mm512_add_ps(acc[2], acc[3])))
    }

    #[target_feature(enable = "avx512f")]
    pub unsafe fn dot_norms(a: &[f32], b: &[f32]) -> (f32, f32, f32) {
        let len = a.len().min(b.len());
        let (pa, pb) = (a.as_ptr(), b.as_ptr());
        let mut acc = [_mm512_setzero_ps(); 6];
        let mut at = 0;
        while at < len {
            for half in 0..2 {
                let i = at + half * 16;
                if i >= len {
                    break;
                }
                // SAFETY: the mask stops at `len`.
                unsafe {
                    let mask = if len - i >= 16 { 0xffff } else { tail(len - i) };
                    let (x, y) =
                        (_mm512_maskz_loadu_ps(mask, pa.add(i)), _mm512_maskz_loadu_ps(mask, pb.add(i)));
                    acc[half * 3] = _mm512_fmadd_ps(x, y, acc[half * 3]);
                    acc[half * 3 + 1] = _mm512_fmadd_ps(x, x, acc[half * 3 + 1]);
                    acc[half * 3 + 2] = _mm512_fmadd_ps(y, y, acc[half * 3 + 2]);
                }
            }
            at += 32;
        }
        (
            _mm512_reduce_add_ps(_mm512_add_ps(acc[0], acc[3])),
            _mm512_reduce_add_ps(_mm512_add_ps(acc[1], acc[4])),
            _mm512_reduce_add_ps(_mm512_add_ps(acc[2], acc[5])),
        )
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx2")]
    fn halves(v: __m512i) -> __m256i {
        _mm256_add_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64::<1>(v))
    }

    /// Sums of four accumulators in one vector.
    #[inline]
    #[target_feature(enable = "avx512f,avx2")]
    fn sums(a: __m512i, b: __m512i, c: __m512i, d: __m512i) -> __m128i {
        let ab = _mm256_hadd_epi32(halves(a), halves(b));
        let cd = _mm256_hadd_epi32(halves(c), halves(d));
        let all = _mm256_hadd_epi32(ab, cd);
        _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256::<1>(all))
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2")]
    pub unsafe fn dot_i8_rows(t: Table<'_>, q: &[i8], ids: &[u32], out: &mut [i32]) {
        let lines = t.stride / 64;
        let (base, query) = (t.bytes.as_ptr(), q.as_ptr());
        let mut quads = ids.chunks_exact(4);
        let mut at = 0;
        // SAFETY: the caller checked that all rows lie in the table, that the query has `stride` bytes and that
        // `out` has a place for each id.
        unsafe {
            for quad in &mut quads {
                let p0 = base.add(quad[0] as usize * t.stride);
                let p1 = base.add(quad[1] as usize * t.stride);
                let p2 = base.add(quad[2] as usize * t.stride);
                let p3 = base.add(quad[3] as usize * t.stride);
                let zero = _mm512_setzero_si512();
                let (mut a0, mut a1, mut a2, mut a3) = (zero, zero, zero, zero);
                let (mut b0, mut b1, mut b2, mut b3) = (zero, zero, zero, zero);
                let mut line = 0;
                while line + 2 <= lines {
                    let (x, y) = (line * 64, line * 64 + 64);
                    let qx = _mm512_loadu_si512(query.add(x).cast());
                    let qy = _mm512_loadu_si512(query.add(y).cast());
                    a0 = _mm512_dpbusd_epi32(a0, _mm512_loadu_si512(p0.add(x).cast()), qx);
                    a1 = _mm512_dpbusd_epi32(a1, _mm512_loadu_si512(p1.add(x).cast()), qx);
                    a2 = _mm512_dpbusd_epi32(a2, _mm512_loadu_si512(p2.add(x).cast()), qx);
                    a3 = _mm512_dpbusd_epi32(a3, _mm512_loadu_si512(p3.add(x).cast()), qx);
                    b0 = _mm512_dpbusd_epi32(b0, _mm512_loadu_si512(p0.add(y).cast()), qy);
                    b1 = _mm512_dpbusd_epi32(b1, _mm512_loadu_si512(p1.add(y).cast()), qy);
                    b2 = _mm512_dpbusd_epi32(b2, _mm512_loadu_si512(p2.add(y).cast()), qy);
                    b3 = _mm512_dpbusd_epi32(b3, _mm512_loadu_si512(p3.add(y).cast()), qy);
                    line += 2;
                }
                if line < lines {
                    let x = line * 64;
                    let qx = _mm512_loadu_si512(query.add(x).cast());
                    a0 = _mm512_dpbusd_epi32(a0, _mm512_loadu_si512(p0.add(x).cast()), qx);
                    a1 = _mm512_dpbusd_epi32(a1, _mm512_loadu_si512(p1.add(x).cast()), qx);
                    a2 = _mm512_dpbusd_epi32(a2, _mm512_loadu_si512(p2.add(x).cast()), qx);
                    a3 = _mm512_dpbusd_epi32(a3, _mm512_loadu_si512(p3.add(x).cast()), qx);
                }
                let four = sums(
                    _mm512_add_epi32(a0, b0),
                    _mm512_add_epi32(a1, b1),
                    _mm512_add_epi32(a2, b2),
                    _mm512_add_epi32(a3, b3),
                );
                _mm_storeu_si128(out.as_mut_ptr().add(at).cast(), four);
                at += 4;
            }
            for id in quads.remainder() {
                let row = base.add(*id as usize * t.stride);
                let mut acc = _mm512_setzero_si512();
                for line in 0..lines {
                    let q = _mm512_loadu_si512(query.add(line * 64).cast());
                    acc = _mm512_dpbusd_epi32(acc, _mm512_loadu_si512(row.add(line * 64).cast()), q);
                }
                *out.get_unchecked_mut(at) = _mm512_reduce_add_epi32(acc);
                at += 1;
            }
        }
    }

    #[target_feature(enable = "avx512f")]
    pub unsafe fn dot_rows(t: Table<'_>, q: &[f32], ids: &[u32], out: &mut [f32]) {
        let len = t.stride / 4;
        for (id, out) in ids.iter().zip(out) {
            // SAFETY: the caller checked the bounds; rows start at cache lines, so they are aligned for `f32`.
            unsafe {
                let row = t.bytes.as_ptr().add(*id as usize * t.stride).cast::<f32>();
                *out = dot(std::slice::from_raw_parts(row, len), q);
            }
        }
    }

    #[target_feature(enable = "avx512f")]
    pub unsafe fn l2_rows(t: Table<'_>, q: &[f32], ids: &[u32], out: &mut [f32]) {
        let len = t.stride / 4;
        for (id, out) in ids.iter().zip(out) {
            // SAFETY: as in `dot_rows`.
            unsafe {
                let row = t.bytes.as_ptr().add(*id as usize * t.stride).cast::<f32>();
                *out = l2(std::slice::from_raw_parts(row, len), q);
            }
        }
    }
}

mod w256 {
    use super::*;

    #[inline]
    #[target_feature(enable = "avx2")]
    fn sum(v: __m256) -> f32 {
        let four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
    }

    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn dot(a: &[f32], b: &[f32]) -> f32 {
        let len = a.len().min(b.len());
        let (pa, pb) = (a.as_ptr(), b.as_ptr());
        let mut acc = [_mm256_setzero_ps(); 4];
        let mut at = 0;
        while at + 32 <= len {
            for (lane, acc) in acc.iter_mut().enumerate() {
                let i = at + lane * 8;
                // SAFETY: i + 8 <= len.
                unsafe {
                    *acc = _mm256_fmadd_ps(_mm256_loadu_ps(pa.add(i)), _mm256_loadu_ps(pb.add(i)), *acc);
                }
            }
            at += 32;
        }
        let mut total = sum(_mm256_add_ps(_mm256_add_ps(acc[0], acc[1]), _mm256_add_ps(acc[2], acc[3])));
        for i in at..len {
            total += a[i] * b[i];
        }
        total
    }

    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn l2(a: &[f32], b: &[f32]) -> f32 {
        let len = a.len().min(b.len());
        let (pa, pb) = (a.as_ptr(), b.as_ptr());
        let mut acc = [_mm256_setzero_ps(); 4];
        let mut at = 0;
        while at + 32 <= len {
            for (lane, acc) in acc.iter_mut().enumerate() {
                let i = at + lane * 8;
                // SAFETY: i + 8 <= len.
                unsafe {
                    let d = _mm256_sub_ps(_mm256_loadu_ps(pa.add(i)), _mm256_loadu_ps(pb.add(i)));
                    *acc = _mm256_fmadd_ps(d, d, *acc);
                }
            }
            at += 32;
        }
        let mut total = sum(_mm256_add_ps(_mm256_add_ps(acc[0], acc[1]), _mm256_add_ps(acc[2], acc[3])));
        for i in at..len {
            total += (a[i] - b[i]) * (a[i] - b[i]);
        }
        total
    }

    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn dot_rows(t: Table<'_>, q: &[f32], ids: &[u32], out: &mut [f32]) {
        let len = t.stride / 4;
        for (id, out) in ids.iter().zip(out) {
            // SAFETY: the caller checked the bounds; rows start at cache lines, so they are aligned for `f32`.
            unsafe {
                let row = t.bytes.as_ptr().add(*id as usize * t.stride).cast::<f32>();
                *out = dot(std::slice::from_raw_parts(row, len), q);
            }
        }
    }

    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn l2_rows(t: Table<'_>, q: &[f32], ids: &[u32], out: &mut [f32]) {
        let len = t.stride / 4;
        for (id, out) in ids.iter().zip(out) {
            // SAFETY: as in `dot_rows`.
            unsafe {
                let row = t.bytes.as_ptr().add(*id as usize * t.stride).cast::<f32>();
                *out = l2(std::slice::from_raw_parts(row, len), q);
            }
        }
    }

    #[target_feature(enable = "avx2")]
    pub unsafe fn dot_i8_rows(t: Table<'_>, q: &[i8], ids: &[u32], out: &mut [i32]) {
        for (id, out) in ids.iter().zip(out) {
            let mut acc = [_mm256_setzero_si256(); 4];
            // SAFETY: the caller checked that the row and the query have `stride` bytes, a multiple of 64.
            unsafe {
                let row = t.bytes.as_ptr().add(*id as usize * t.stride);
                for at in (0..t.stride).step_by(64) {
                    for (lane, acc) in acc.iter_mut().enumerate() {
                        let i = at + lane * 16;
                        let x = _mm256_cvtepu8_epi16(_mm_loadu_si128(row.add(i).cast()));
                        let y = _mm256_cvtepi8_epi16(_mm_loadu_si128(q.as_ptr().add(i).cast()));
                        *acc = _mm256_add_epi32(*acc, _mm256_madd_epi16(x, y));
                    }
                }
            }
            let all = _mm256_add_epi32(_mm256_add_epi32(acc[0], acc[1]), _mm256_add_epi32(acc[2], acc[3]));
            let four = _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256::<1>(all));
            let two = _mm_add_epi32(four, _mm_shuffle_epi32::<0b1110>(four));
            *out = _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32::<0b01>(two)));
        }
    }

    #[target_feature(enable = "avx2,f16c")]
    pub unsafe fn f16_to_f32(bytes: &[u8], out: &mut [f32]) {
        let len = (bytes.len() / 2).min(out.len());
        let mut at = 0;
        while at + 8 <= len {
            // SAFETY: 16 bytes from 2 * at and 8 floats from at lie inside the slices.
            unsafe {
                let halves = _mm_loadu_si128(bytes.as_ptr().add(at * 2).cast());
                _mm256_storeu_ps(out.as_mut_ptr().add(at), _mm256_cvtph_ps(halves));
            }
            at += 8;
        }
        portable::f16_to_f32(&bytes[at * 2..], &mut out[at..]);
    }
}
