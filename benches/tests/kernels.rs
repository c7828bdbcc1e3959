//! simsimd, kernels by other hands, as a second opinion on the sums of ours, for every set that the machine can run.
#![allow(clippy::unwrap_used)]

#[allow(dead_code, unused_imports)]
#[path = "../../src/error.rs"]
mod error;
#[allow(dead_code, unused_imports)]
#[path = "../../src/memory.rs"]
mod memory;
#[allow(dead_code, unused_imports)]
#[path = "../../src/vector"]
mod vector {
    pub mod aligned;
    pub mod half;
    pub mod kernels;
}

use simsimd::SpatialSimilarity;
use vector::aligned::{self, Block};
use vector::half::{f32_to_f16, from_f16};
use vector::kernels::{Table, all};

/// Lengths around every width of register and unrolled loop, and some that are in use.
fn lengths() -> impl Iterator<Item = usize> {
    (1..=70).chain([95, 127, 128, 129, 255, 383, 384, 785, 1000, 1536])
}

/// Random bits.
fn noise(seed: u64) -> impl FnMut() -> u32 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u32
    }
}

/// Numbers of both signs with magnitudes from 0.5 to 1, each of which a half represents exactly.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut next = noise(seed);
    (0..count).map(|_| from_f16(next() as u16 & 0x83ff | 0x3800)).collect()
}

#[test]
fn pairs_agree_with_simsimd() {
    for len in lengths() {
        let (a, b) = (numbers(len, 2 * len as u64), numbers(len, 2 * len as u64 + 1));
        let (dot, square) = (f32::dot(&a, &b).unwrap(), f32::l2sq(&a, &b).unwrap());
        let near = |x: f32, y: f64| (f64::from(x) - y).abs() < 1e-5 * len as f64;
        for set in all() {
            let [ab] = (set.f32.dot)(&a, aligned::as_bytes(&b));
            let [step] = (set.f32.square)(&a, aligned::as_bytes(&b));
            assert!(near(ab, dot) && near(step, square), "{} {len}", set.name);
            // Beside simsimd's sums of the same numbers as floats: where a processor can, it sums halves in halves.
            let [ab] = (set.f16.dot)(&a, &f32_to_f16(&b));
            let [step] = (set.f16.square)(&a, &f32_to_f16(&b));
            assert!(near(ab, dot) && near(step, square), "{} {len}", set.name);
        }
    }
}

#[test]
fn rows_of_bytes_agree_with_simsimd() {
    let mut next = noise(2);
    for stride in [64, 128, 192, 384, 832, 16_384] {
        let mut block = Block::zeroed(stride);
        block.bytes_mut().iter_mut().for_each(|byte| *byte = next() as u8);
        let query: Vec<i8> = (0..stride).map(|_| next() as i8).collect();
        let table = Table { bytes: block.bytes(), stride };
        // simsimd knows signed bytes only: those less 128, which the sum of the query makes up for.
        let signed: Vec<i8> = block.bytes().iter().map(|code| (code ^ 0x80) as i8).collect();
        let sum: i64 = query.iter().map(|q| i64::from(*q)).sum();
        let expected = i8::dot(&signed, &query).unwrap() as i64 + 128 * sum;
        for set in all() {
            let mut out = [0];
            (set.dot_i8_rows)(table, &query, &[0], &mut out);
            assert_eq!(i64::from(out[0]), expected, "{} {stride}", set.name);
        }
    }
}
