//! NEON: 4 floats at once; 16 products of bytes at once where the processor has `sdot`.
//!
//! Codes are unsigned and the query is signed, which only newer processors multiply directly: so 128 is taken from
//! each code by flipping its highest bit, and the sum of a row starts at 128 times the sum of the query.
#![expect(unsafe_code, unsafe_op_in_unsafe_fn, reason = "unsafe as a whole: see `Lanes` and `Step`")]

use super::Kernels;
use super::lanes::Lanes;
use super::rows::Step;
use super::set::kernels;
use std::arch::aarch64::*;
use std::arch::{asm, is_aarch64_feature_detected};

kernels!(#[target_feature(enable = "neon")] NEON = "neon": float32x4_t, Signed<Widened>);
kernels!(#[target_feature(enable = "neon,dotprod")] DOTPROD = "neon dotprod": float32x4_t, Signed<Sdot>);

pub(super) fn detected() -> Option<&'static Kernels> {
    is_aarch64_feature_detected!("neon").then_some(&NEON)
}

pub(super) fn detected_dotprod() -> Option<&'static Kernels> {
    (detected().is_some() && is_aarch64_feature_detected!("dotprod")).then_some(&DOTPROD)
}

impl Lanes for float32x4_t {
    const N: usize = 4;
    #[inline(always)]
    unsafe fn zero() -> Self {
        vdupq_n_f32(0.0)
    }
    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        vreinterpretq_f32_u8(vld1q_u8(from))
    }
    #[inline(always)]
    unsafe fn load_half(from: *const u8) -> Self {
        vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(from)))
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        vst1q_f32(to, self);
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        vaddq_f32(self, other)
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        vsubq_f32(self, other)
    }
    #[inline(always)]
    unsafe fn mul_add(self, by: Self, to: Self) -> Self {
        vfmaq_f32(to, self, by)
    }
    #[inline(always)]
    unsafe fn last(self, count: usize) -> Self {
        const SLIDE: [u32; 8] = [0, 0, 0, 0, !0, !0, !0, !0];
        vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(self), vld1q_u32(SLIDE.as_ptr().add(count))))
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        let two = vpaddq_f32(self, self);
        vgetq_lane_f32::<0>(vpaddq_f32(two, two))
    }
    #[inline(always)]
    unsafe fn sum4([a, b, c, d]: [Self; 4]) -> [f32; 4] {
        let mut out = [0.0; 4];
        vst1q_f32(out.as_mut_ptr(), vpaddq_f32(vpaddq_f32(a, b), vpaddq_f32(c, d)));
        out
    }
}

/// Sums of products of signed bytes, by four neighbours or in another grouping.
trait Multiply {
    /// # Safety
    /// As for [`Step`].
    unsafe fn add(sum: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t;
}

/// `smull` and `sadalp`.
struct Widened;

impl Multiply for Widened {
    #[inline(always)]
    unsafe fn add(sum: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
        let low = vmull_s8(vget_low_s8(a), vget_low_s8(b));
        vpadalq_s16(vpadalq_s16(sum, low), vmull_high_s8(a, b))
    }
}

/// `sdot`.
struct Sdot;

impl Multiply for Sdot {
    #[inline(always)]
    unsafe fn add(sum: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
        sdot(sum, a, b)
    }
}

/// `vdotq_s32`, which the standard library does not offer yet.
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn sdot(mut sum: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    asm!(
        "sdot {sum:v}.4s, {a:v}.16b, {b:v}.16b",
        sum = inout(vreg) sum,
        a = in(vreg) a,
        b = in(vreg) b,
        options(pure, nomem, nostack, preserves_flags)
    );
    sum
}

/// Codes with their highest bit flipped.
struct Signed<M>(M);

impl<M: Multiply> Step for Signed<M> {
    type Query = int8x16_t;
    type Sum = int32x4_t;
    type Number = i32;
    const BYTES: usize = 16;
    #[inline(always)]
    unsafe fn query(from: *const u8) -> int8x16_t {
        vld1q_s8(from.cast())
    }
    #[inline(always)]
    unsafe fn zero() -> int32x4_t {
        vdupq_n_s32(0)
    }
    #[inline(always)]
    unsafe fn start(query: *const u8, bytes: usize) -> int32x4_t {
        let mut sum = Self::zero();
        for at in (0..bytes).step_by(16) {
            sum = vpadalq_s16(sum, vpaddlq_s8(Self::query(query.add(at))));
        }
        vshlq_n_s32::<7>(sum)
    }
    #[inline(always)]
    unsafe fn step(row: *const u8, query: int8x16_t, sum: int32x4_t) -> int32x4_t {
        let signed = vreinterpretq_s8_u8(veorq_u8(vld1q_u8(row), vdupq_n_u8(0x80)));
        M::add(sum, signed, query)
    }
    #[inline(always)]
    unsafe fn join(one: int32x4_t, other: int32x4_t) -> int32x4_t {
        vaddq_s32(one, other)
    }
    #[inline(always)]
    unsafe fn total(sum: int32x4_t) -> i32 {
        vaddvq_s32(sum)
    }
    #[inline(always)]
    unsafe fn total4([a, b, c, d]: [int32x4_t; 4]) -> [i32; 4] {
        let mut out = [0; 4];
        vst1q_s32(out.as_mut_ptr(), vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d)));
        out
    }
}
