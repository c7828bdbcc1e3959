//! AVX2 with the dot products of bytes that later processors have without AVX-512: 32 products of bytes at once.
#![expect(unsafe_code, unsafe_op_in_unsafe_fn, reason = "unsafe as a whole: see `Step`")]

use super::rows::Step;
use super::set::kernels;
use super::{Kernels, avx2};
use std::arch::x86_64::*;

kernels!(#[target_feature(enable = "avxvnni,avx2,fma,f16c")] AVX_VNNI = "avxvnni": __m256, Products);

pub(super) fn detected() -> Option<&'static Kernels> {
    (avx2::detected().is_some() && is_x86_feature_detected!("avxvnni")).then_some(&AVX_VNNI)
}

/// `vpdpbusd` of 256 bits.
struct Products;

impl Step for Products {
    type Query = __m256i;
    type Sum = __m256i;
    type Number = i32;
    const BYTES: usize = 32;
    #[inline(always)]
    unsafe fn query(from: *const u8) -> __m256i {
        _mm256_loadu_si256(from.cast())
    }
    #[inline(always)]
    unsafe fn zero() -> __m256i {
        _mm256_setzero_si256()
    }
    #[inline(always)]
    unsafe fn step(row: *const u8, query: __m256i, sum: __m256i) -> __m256i {
        _mm256_dpbusd_avx_epi32(sum, _mm256_loadu_si256(row.cast()), query)
    }
    #[inline(always)]
    unsafe fn join(one: __m256i, other: __m256i) -> __m256i {
        _mm256_add_epi32(one, other)
    }
    #[inline(always)]
    unsafe fn total(sum: __m256i) -> i32 {
        avx2::sum4_i32([sum; 4])[0]
    }
    #[inline(always)]
    unsafe fn total4(four: [__m256i; 4]) -> [i32; 4] {
        avx2::sum4_i32(four)
    }
}
