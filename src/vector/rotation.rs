//! A fixed random rotation in `O(n log n)`: rounds of sign flips, Hadamard transforms of overlapping power-of-two
//! blocks and a mix of the two halves (after Ailon & Chazelle 2006 and Kac's walk).
//!
//! It spreads the energy of any vector evenly over its dimensions, so that the signs of the rotated dimensions carry
//! equal information. Invariant: lengths and inner products are kept up to rounding; the same on every machine.

use super::kernels;

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
        assert_eq!(x.len(), self.len, "the rotation is for other vectors");
        (kernels::get().loops.rotate)(x, &self.flips);
    }

    /// Undoes [`Rotation::apply`].
    pub fn invert(&self, x: &mut [f32]) {
        assert_eq!(x.len(), self.len, "the rotation is for other vectors");
        kernels::rotate_back(x, &self.flips);
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
            rotation.invert(&mut ra);
            assert!(a.iter().zip(&ra).all(|(x, y)| (x - y).abs() < 1e-4), "{len}");
            let mut spike = vec![0.0; len];
            spike[len / 3] = 1.0;
            rotation.apply(&mut spike);
            let top = spike.iter().fold(0.0_f32, |top, x| top.max(x.abs()));
            assert!(top < 8.0 / (len as f32).sqrt(), "{len} {top}");
        }
    }
}
