//! AVX2 with FMA and F16C: 8 floats, 16 products of bytes at once.
//!
//! Bytes are widened to 16 bits, because `vpmaddubsw` saturates.
#![expect(unsafe_code, unsafe_op_in_unsafe_fn, reason = "unsafe as a whole: see `Lanes` and `Step`")]

use super::Kernels;
use super::lanes::Lanes;
use super::rows::Step;
use super::set::kernels;
use std::arch::x86_64::*;

kernels!(#[target_feature(enable = "avx2,fma,f16c")] AVX2 = "avx2": __m256, Words);

pub(super) fn detected() -> Option<&'static Kernels> {
    let all = is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c");
    all.then_some(&AVX2)
}

impl Lanes for __m256 {
    const N: usize = 8;
    #[inline(always)]
    unsafe fn zero() -> Self {
        _mm256_setzero_ps()
    }
    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        _mm256_loadu_ps(from.cast())
    }
    #[inline(always)]
    unsafe fn load_half(from: *const u8) -> Self {
        _mm256_cvtph_ps(_mm_loadu_si128(from.cast()))
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        _mm256_storeu_ps(to, self);
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        _mm256_add_ps(self, other)
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        _mm256_sub_ps(self, other)
    }
    #[inline(always)]
    unsafe fn mul_add(self, by: Self, to: Self) -> Self {
        _mm256_fmadd_ps(self, by, to)
    }
    #[inline(always)]
    unsafe fn last(self, count: usize) -> Self {
        const SLIDE: [i32; 16] = [0, 0, 0, 0, 0, 0, 0, 0, -1, -1, -1, -1, -1, -1, -1, -1];
        _mm256_and_ps(self, _mm256_loadu_ps(SLIDE.as_ptr().add(count).cast()))
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        let two = _mm256_add_ps(self, _mm256_permute_ps::<0b10_11_00_01>(self));
        let one = _mm256_add_ps(two, _mm256_permute_ps::<0b01_00_11_10>(two));
        _mm_cvtss_f32(_mm_add_ps(_mm256_castps256_ps128(one), _mm256_extractf128_ps::<1>(one)))
    }
    #[inline(always)]
    unsafe fn sum4([a, b, c, d]: [Self; 4]) -> [f32; 4] {
        let all = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
        let mut out = [0.0; 4];
        let four = _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps::<1>(all));
        _mm_storeu_ps(out.as_mut_ptr(), four);
        out
    }
}

/// Sums of the lanes of four registers.
#[inline(always)]
pub(super) unsafe fn sum4_i32([a, b, c, d]: [__m256i; 4]) -> [i32; 4] {
    let all = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
    let mut out = [0; 4];
    let four = _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256::<1>(all));
    _mm_storeu_si128(out.as_mut_ptr().cast(), four);
    out
}

/// Bytes as 16-bit words.
struct Words;

impl Step for Words {
    type Query = __m256i;
    type Sum = __m256i;
    type Number = i32;
    const BYTES: usize = 16;
    #[inline(always)]
    unsafe fn query(from: *const u8) -> __m256i {
        _mm256_cvtepi8_epi16(_mm_loadu_si128(from.cast()))
    }
    #[inline(always)]
    unsafe fn zero() -> __m256i {
        _mm256_setzero_si256()
    }
    #[inline(always)]
    unsafe fn step(row: *const u8, query: __m256i, sum: __m256i) -> __m256i {
        let words = _mm256_cvtepu8_epi16(_mm_loadu_si128(row.cast()));
        _mm256_add_epi32(sum, _mm256_madd_epi16(words, query))
    }
    #[inline(always)]
    unsafe fn join(one: __m256i, other: __m256i) -> __m256i {
        _mm256_add_epi32(one, other)
    }
    #[inline(always)]
    unsafe fn total(sum: __m256i) -> i32 {
        sum4_i32([sum; 4])[0]
    }
    #[inline(always)]
    unsafe fn total4(four: [__m256i; 4]) -> [i32; 4] {
        sum4_i32(four)
    }
}
