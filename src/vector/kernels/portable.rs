//! Without any assumption about the machine: arrays that a compiler can keep in registers.
#![expect(unsafe_code, unsafe_op_in_unsafe_fn, reason = "unsafe as a whole: see `Lanes` and `Step`")]

use super::lanes::Lanes;
use super::rows::Step;
use super::set::kernels;
use crate::vector::half;
use std::array::from_fn;

kernels!(PORTABLE = "portable": [f32; 8], Bytes);

impl Lanes for [f32; 8] {
    const N: usize = 8;
    #[inline(always)]
    unsafe fn zero() -> Self {
        [0.0; 8]
    }
    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        from.cast::<[[u8; 4]; 8]>().read().map(f32::from_le_bytes)
    }
    #[inline(always)]
    unsafe fn load_half(from: *const u8) -> Self {
        from.cast::<[[u8; 2]; 8]>().read().map(|half| half::from_f16(u16::from_le_bytes(half)))
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        to.cast::<Self>().write(self);
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        from_fn(|i| self[i] + other[i])
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        from_fn(|i| self[i] - other[i])
    }
    #[inline(always)]
    unsafe fn mul_add(self, by: Self, to: Self) -> Self {
        from_fn(|i| self[i] * by[i] + to[i])
    }
    #[inline(always)]
    unsafe fn last(self, count: usize) -> Self {
        from_fn(|i| if i + count >= 8 { self[i] } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        self.iter().sum()
    }
}

/// Plain products of bytes.
struct Bytes;

impl Step for Bytes {
    type Query = [i8; 64];
    type Sum = i32;
    type Number = i32;
    const BYTES: usize = 64;
    #[inline(always)]
    unsafe fn query(from: *const u8) -> [i8; 64] {
        from.cast::<[i8; 64]>().read()
    }
    #[inline(always)]
    unsafe fn zero() -> i32 {
        0
    }
    #[inline(always)]
    unsafe fn step(row: *const u8, query: [i8; 64], sum: i32) -> i32 {
        let row = row.cast::<[u8; 64]>().read();
        sum + row.iter().zip(&query).map(|(code, q)| i32::from(*code) * i32::from(*q)).sum::<i32>()
    }
    #[inline(always)]
    unsafe fn join(one: i32, other: i32) -> i32 {
        one + other
    }
    #[inline(always)]
    unsafe fn total(sum: i32) -> i32 {
        sum
    }
}
