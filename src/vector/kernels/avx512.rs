//! AVX-512 with VNNI: 16 floats, 64 products of bytes at once.
//!
//! The 8-bit dot product is one `vpdpbusd` for 64 dimensions: codes are unsigned, the query is signed.
#![expect(unsafe_code, unsafe_op_in_unsafe_fn, reason = "unsafe as a whole: see `Lanes` and `Step`")]

use super::lanes::Lanes;
use super::rows::Step;
use super::set::kernels;
use super::{Kernels, avx2};
use std::arch::x86_64::*;

kernels!(
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma,f16c")]
    AVX512 = "avx512vnni": __m512, Products
);

pub(super) fn detected() -> Option<&'static Kernels> {
    let all = avx2::detected().is_some()
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vnni");
    all.then_some(&AVX512)
}

/// The sum of the two halves.
#[inline(always)]
unsafe fn halves(v: __m512) -> __m256 {
    let high = _mm512_extractf64x4_pd::<1>(_mm512_castps_pd(v));
    _mm256_add_ps(_mm512_castps512_ps256(v), _mm256_castpd_ps(high))
}

/// The sum of the two halves.
#[inline(always)]
unsafe fn halves_i32(v: __m512i) -> __m256i {
    _mm256_add_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64::<1>(v))
}

impl Lanes for __m512 {
    const N: usize = 16;
    #[inline(always)]
    unsafe fn zero() -> Self {
        _mm512_setzero_ps()
    }
    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        _mm512_loadu_ps(from.cast())
    }
    #[inline(always)]
    unsafe fn load_half(from: *const u8) -> Self {
        _mm512_cvtph_ps(_mm256_loadu_si256(from.cast()))
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        _mm512_storeu_ps(to, self);
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        _mm512_add_ps(self, other)
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        _mm512_sub_ps(self, other)
    }
    #[inline(always)]
    unsafe fn mul_add(self, by: Self, to: Self) -> Self {
        _mm512_fmadd_ps(self, by, to)
    }
    #[inline(always)]
    unsafe fn last(self, count: usize) -> Self {
        _mm512_maskz_mov_ps((0xffff_u32 << (16 - count)) as __mmask16, self)
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        halves(self).sum()
    }
    #[inline(always)]
    unsafe fn sum4([a, b, c, d]: [Self; 4]) -> [f32; 4] {
        Lanes::sum4([halves(a), halves(b), halves(c), halves(d)])
    }
}

/// `vpdpbusd`.
struct Products;

impl Step for Products {
    type Query = __m512i;
    type Sum = __m512i;
    type Number = i32;
    const BYTES: usize = 64;
    #[inline(always)]
    unsafe fn query(from: *const u8) -> __m512i {
        _mm512_loadu_si512(from.cast())
    }
    #[inline(always)]
    unsafe fn zero() -> __m512i {
        _mm512_setzero_si512()
    }
    #[inline(always)]
    unsafe fn step(row: *const u8, query: __m512i, sum: __m512i) -> __m512i {
        _mm512_dpbusd_epi32(sum, _mm512_loadu_si512(row.cast()), query)
    }
    #[inline(always)]
    unsafe fn join(one: __m512i, other: __m512i) -> __m512i {
        _mm512_add_epi32(one, other)
    }
    #[inline(always)]
    unsafe fn total(sum: __m512i) -> i32 {
        _mm512_reduce_add_epi32(sum)
    }
    #[inline(always)]
    unsafe fn total4([a, b, c, d]: [__m512i; 4]) -> [i32; 4] {
        avx2::sum4_i32([halves_i32(a), halves_i32(b), halves_i32(c), halves_i32(d)])
    }
}
