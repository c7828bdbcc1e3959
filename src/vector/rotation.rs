//! A fixed random rotation in `O(n log n)`: rounds of sign flips, Hadamard transforms of overlapping power-of-two
//! blocks and a mix of the two halves (after Ailon & Chazelle 2006 and Kac's walk).
//!
//! It spreads the energy of any vector evenly over its dimensions, so that the signs of the rotated dimensions carry
//! equal information. Invariant: lengths and inner products are kept up to rounding; the same on every machine.

/// A rotation of vectors of `len` dimensions.
#[derive(Debug, Clone)]
pub(crate) struct Rotation {
    len: usize,
    /// Sign bits, in the place where a float has them, `len` a round.
    flips: Vec<u32>,
}

const ROUNDS: usize = 3;

impl Rotation {
    /// The rotation for `len` dimensions, a multiple of 64.
    pub fn new(len: usize) -> Self {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let flips = (0..len * ROUNDS).map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            ((state >> 40) as u32 & 1) << 31
        });
        Self { len, flips: flips.collect() }
    }

    /// Rotates `x`, which has `len` dimensions.
    pub fn apply(&self, x: &mut [f32]) {
        let block = if self.len == 0 { return } else { 1 << self.len.ilog2() };
        let scale = 1.0 / (block as f32).sqrt();
        for (round, flips) in self.flips.chunks_exact(self.len).enumerate() {
            for (x, flip) in x.iter_mut().zip(flips) {
                *x = f32::from_bits(x.to_bits() ^ flip);
            }
            let start = if round % 2 == 0 { 0 } else { self.len - block };
            let part = &mut x[start..start + block];
            hadamard(part);
            part.iter_mut().for_each(|x| *x *= scale);
            if block < self.len {
                let (low, high) = x.split_at_mut(self.len / 2);
                for (a, b) in low.iter_mut().zip(high) {
                    (*a, *b) = (
                        (*a + *b) * std::f32::consts::FRAC_1_SQRT_2,
                        (*a - *b) * std::f32::consts::FRAC_1_SQRT_2,
                    );
                }
            }
        }
    }
}

/// The unnormalised Walsh-Hadamard transform of a power of two of at least 64 numbers.
fn hadamard(x: &mut [f32]) {
    for eight in x.chunks_exact_mut(8) {
        let [a, b, c, d, e, f, g, h] = eight else { continue };
        let (a1, b1, c1, d1) = (*a + *b, *a - *b, *c + *d, *c - *d);
        let (e1, f1, g1, h1) = (*e + *f, *e - *f, *g + *h, *g - *h);
        let (a2, b2, c2, d2) = (a1 + c1, b1 + d1, a1 - c1, b1 - d1);
        let (e2, f2, g2, h2) = (e1 + g1, f1 + h1, e1 - g1, f1 - h1);
        (*a, *b, *c, *d) = (a2 + e2, b2 + f2, c2 + g2, d2 + h2);
        (*e, *f, *g, *h) = (a2 - e2, b2 - f2, c2 - g2, d2 - h2);
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
    fn lengths_and_products_are_kept_and_one_spike_is_spread() {
        for len in [64_usize, 128, 192, 384, 832, 1536] {
            let rotation = Rotation::new(len);
            let a: Vec<f32> = (0..len).map(|i| (i as f32 * 0.37).sin()).collect();
            let b: Vec<f32> = (0..len).map(|i| (i as f32 * 0.11).cos()).collect();
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(x * y)).sum::<f64>();
            let (mut ra, mut rb) = (a.clone(), b.clone());
            rotation.apply(&mut ra);
            rotation.apply(&mut rb);
            assert!((dot(&a, &a) - dot(&ra, &ra)).abs() < 1e-3 * len as f64, "{len}");
            assert!((dot(&a, &b) - dot(&ra, &rb)).abs() < 1e-3 * len as f64, "{len}");
            let mut spike = vec![0.0; len];
            spike[len / 3] = 1.0;
            rotation.apply(&mut spike);
            let top = spike.iter().fold(0.0_f32, |top, x| top.max(x.abs()));
            assert!(top < 8.0 / (len as f32).sqrt(), "{len} {top}");
        }
    }
}
