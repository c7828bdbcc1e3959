//! Loops over one vector, written plainly: compiled once for each instruction set, whose registers the compiler fills.
//!
//! Invariant: all versions give the same bits. Nothing is added up in floats, and no product is fused with a sum.

use super::signs::PLANES;

/// Of the vector, the step, its inverse and the bytes: the sum of those and of their squares.
type ToBytes = fn(&mut [f32], f32, f32, &mut [u8]) -> (i32, i32);

/// What turns a vector into codes.
pub(crate) struct Loops {
    /// The largest magnitude of finite numbers.
    pub peak: fn(&[f32]) -> f32,
    /// `round(x * inverse)` as signed bytes. Leaves what `step` times them does not express; gives the sum of the bytes and
    /// of their squares.
    pub to_bytes: ToBytes,
    /// `round(x * inverse + 7.5)`, from 0 to 15, as bit planes of that many words each. Leaves what `step` times them does not
    /// express; gives their sum.
    pub to_planes: fn(&mut [f32], f32, f32, &mut [u64], usize) -> u32,
    /// [`Rotation::apply`](crate::vector::rotation::Rotation::apply) with its sign flips.
    pub rotate: fn(&mut [f32], &[u32]),
}

#[inline(always)]
pub(super) fn peak(x: &[f32]) -> f32 {
    let larger = |top: f32, x: f32| if x.abs() > top { x.abs() } else { top };
    let (chunks, rest) = x.as_chunks::<16>();
    let mut tops = [0.0_f32; 16];
    for chunk in chunks {
        for (top, x) in tops.iter_mut().zip(chunk) {
            *top = larger(*top, *x);
        }
    }
    tops.iter().chain(rest).fold(0.0, |top, x| larger(top, *x))
}

#[inline(always)]
pub(super) fn to_bytes(x: &mut [f32], step: f32, inverse: f32, out: &mut [u8]) -> (i32, i32) {
    let (mut sum, mut square) = (0_i32, 0_i32);
    for (byte, x) in out.iter_mut().zip(x) {
        // The sum's low mantissa bits are the rounded number, without a call on machines that cannot round.
        let code = (*x * inverse + 12_582_912.0).to_bits() as i32 - 0x4b40_0000;
        *byte = code as u8;
        sum += code;
        square += code * code;
        *x -= step * code as f32;
    }
    (sum, square)
}

#[inline(always)]
pub(super) fn to_planes(x: &mut [f32], step: f32, inverse: f32, planes: &mut [u64], words: usize) -> u32 {
    let mut sum = 0_u32;
    for (at, chunk) in x.as_chunks_mut::<64>().0.iter_mut().enumerate() {
        let mut levels = [0_u8; 64];
        for (level, y) in levels.iter_mut().zip(chunk) {
            let code = ((*y * inverse + 7.499_99) + 8_388_608.0).to_bits() & 15;
            *level = code as u8;
            sum += code;
            *y -= step * (code as i32 as f32 - 7.5);
        }
        for plane in 0..PLANES {
            planes[plane * words + at] = plane_of(&levels, plane);
        }
    }
    sum
}

/// Bit `plane` of 64 levels, the first lowest.
#[inline(always)]
fn plane_of(levels: &[u8; 64], plane: usize) -> u64 {
    let mut out = 0;
    for (at, eight) in levels.as_chunks::<8>().0.iter().enumerate() {
        let ones = u64::from_le_bytes(*eight) >> plane & 0x0101_0101_0101_0101;
        // Each byte's bit is moved to its own place in the top byte.
        out |= (ones.wrapping_mul(0x0102_0408_1020_4080) >> 56) << (at * 8);
    }
    out
}

#[inline(always)]
pub(super) fn rotate(x: &mut [f32], flips: &[u32]) {
    let len = x.len();
    let block = if len == 0 { return } else { 1 << len.ilog2() };
    let scale = 1.0 / (block as f32).sqrt();
    for (round, flips) in flips.chunks_exact(len).enumerate() {
        for (x, flip) in x.iter_mut().zip(flips) {
            *x = f32::from_bits(x.to_bits() ^ flip);
        }
        let start = if round % 2 == 0 { 0 } else { len - block };
        let part = &mut x[start..start + block];
        hadamard(part);
        part.iter_mut().for_each(|x| *x *= scale);
        if block < len {
            let (low, high) = x.split_at_mut(len / 2);
            for (a, b) in low.iter_mut().zip(high) {
                (*a, *b) = (
                    (*a + *b) * std::f32::consts::FRAC_1_SQRT_2,
                    (*a - *b) * std::f32::consts::FRAC_1_SQRT_2,
                );
            }
        }
    }
}

/// Undoes [`rotate`]: its steps are their own inverses, taken from the last to the first.
pub(crate) fn rotate_back(x: &mut [f32], flips: &[u32]) {
    let len = x.len();
    let block = if len == 0 { return } else { 1 << len.ilog2() };
    let scale = 1.0 / (block as f32).sqrt();
    for (round, flips) in flips.chunks_exact(len).enumerate().rev() {
        if block < len {
            let (low, high) = x.split_at_mut(len / 2);
            for (a, b) in low.iter_mut().zip(high) {
                (*a, *b) = (
                    (*a + *b) * std::f32::consts::FRAC_1_SQRT_2,
                    (*a - *b) * std::f32::consts::FRAC_1_SQRT_2,
                );
            }
        }
        let start = if round % 2 == 0 { 0 } else { len - block };
        let part = &mut x[start..start + block];
        hadamard(part);
        part.iter_mut().for_each(|x| *x *= scale);
        for (x, flip) in x.iter_mut().zip(flips) {
            *x = f32::from_bits(x.to_bits() ^ flip);
        }
    }
}

/// The unnormalised Walsh-Hadamard transform of a power of two of at least 64 numbers.
#[inline(always)]
fn hadamard(x: &mut [f32]) {
    for eight in x.as_chunks_mut::<8>().0 {
        let [a, b, c, d, e, f, g, h] = *eight;
        let (a1, b1, c1, d1) = (a + b, a - b, c + d, c - d);
        let (e1, f1, g1, h1) = (e + f, e - f, g + h, g - h);
        let (a2, b2, c2, d2) = (a1 + c1, b1 + d1, a1 - c1, b1 - d1);
        let (e2, f2, g2, h2) = (e1 + g1, f1 + h1, e1 - g1, f1 - h1);
        *eight = [a2 + e2, b2 + f2, c2 + g2, d2 + h2, a2 - e2, b2 - f2, c2 - g2, d2 - h2];
    }
    let mut half = 8;
    while half < x.len() {
        for pair in x.chunks_exact_mut(2 * half) {
            let (low, high) = pair.split_at_mut(half);
            for (a, b) in low.iter_mut().zip(high) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
        half *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_hold_the_bits_of_the_levels_in_order() {
        let levels: [u8; 64] = std::array::from_fn(|at| (at * 7 % 16) as u8);
        for plane in 0..4 {
            let word = plane_of(&levels, plane);
            for (at, level) in levels.iter().enumerate() {
                assert_eq!(word >> at & 1, u64::from(level >> plane & 1), "{plane} {at}");
            }
        }
    }

    #[test]
    fn every_version_gives_the_same_bits() {
        let mut state = 5_u64;
        let mut noise = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1 << 24) as f32 - 0.5
        };
        for len in [0_usize, 1, 15, 16, 64, 100, 128, 384, 832] {
            let x: Vec<f32> = (0..len).map(|_| noise()).collect();
            let top = peak(&x);
            assert_eq!(top, x.iter().fold(0.0, |top: f32, x| top.max(x.abs())));
            let (mut rest, mut bytes) = (x.clone(), vec![0; len]);
            let sums = to_bytes(&mut rest, top / 127.0, 127.0 / top, &mut bytes);
            let words = len.div_ceil(64);
            let (mut left, mut planes) = (x.clone(), vec![0; words * PLANES]);
            let sum = to_planes(&mut left, top / 7.5, 7.5 / top, &mut planes, words);
            let flips: Vec<u32> = (0..len * 3).map(|at| u32::from(at % 3 == 0) << 31).collect();
            let mut turned = x.clone();
            if len % 64 == 0 {
                rotate(&mut turned, &flips);
            }
            for set in super::super::all() {
                let loops = &set.loops;
                assert_eq!((loops.peak)(&x), top, "{} {len}", set.name);
                let (mut own, mut own_bytes) = (x.clone(), vec![0; len]);
                assert_eq!((loops.to_bytes)(&mut own, top / 127.0, 127.0 / top, &mut own_bytes), sums);
                assert_eq!((&own, &own_bytes), (&rest, &bytes), "{} {len}", set.name);
                let (mut own, mut own_planes) = (x.clone(), vec![0; words * PLANES]);
                assert_eq!((loops.to_planes)(&mut own, top / 7.5, 7.5 / top, &mut own_planes, words), sum);
                assert_eq!((&own, &own_planes), (&left, &planes), "{} {len}", set.name);
                if len % 64 == 0 {
                    let mut own = x.clone();
                    (loops.rotate)(&mut own, &flips);
                    assert_eq!(own, turned, "{} {len}", set.name);
                }
            }
        }
    }
}
