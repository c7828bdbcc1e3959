//! SIMD kernels, chosen once by the features of the machine.
//!
//! Invariant: every function in the table is safe to call with any slices; bounds are checked here, before any
//! raw read. All versions give the same integers for 8-bit codes; floats differ by rounding only. A sum that is too
//! large for a float, or that has a part which is not finite, is not finite itself.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avxvnni;
mod lanes;
mod loops;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
mod prefetch;
mod rows;
mod set;
pub(crate) mod signs;
#[cfg(test)]
mod tests;

use super::aligned;
pub(crate) use loops::{Loops, rotate_back};
pub(crate) use prefetch::bytes as prefetch;
use std::sync::OnceLock;

/// Rows of one size in one block, read by row number.
#[derive(Clone, Copy)]
pub(crate) struct Table<'a> {
    /// The rows; starts at a cache line.
    pub bytes: &'a [u8],
    /// Bytes of a row, a multiple of 64.
    pub stride: usize,
}

impl Table<'_> {
    /// Panics unless every row of `ids` lies inside the block.
    #[inline]
    fn check(&self, ids: &[u32], query_bytes: usize, out: usize) {
        let top = ids.iter().copied().max().map_or(0, |id| id as usize + 1);
        assert!(
            self.stride.is_multiple_of(64)
                && query_bytes >= self.stride
                && out >= ids.len()
                && top.checked_mul(self.stride).is_some_and(|end| end <= self.bytes.len())
        );
    }
}

/// Sums over the elements of a vector and of a stored one, of which there are the little-endian bytes, aligned or
/// not. Stops at the shorter of the two.
type Pair<const SUMS: usize> = fn(&[f32], &[u8]) -> [f32; SUMS];

/// What distances are made of.
pub(crate) struct Pairs {
    /// `a · b`.
    pub dot: Pair<1>,
    /// `|a - b|²`.
    pub square: Pair<1>,
    /// `a · b`, `a · a`, `b · b`.
    pub norms: Pair<3>,
}

/// A number of a query and each of some rows.
type OfRows<Q, N> = fn(Table<'_>, &[Q], &[u32], &mut [N]);

/// The functions chosen for this machine.
pub(crate) struct Kernels {
    /// Name of the instruction set.
    pub name: &'static str,
    /// Of stored floats.
    pub f32: Pairs,
    /// Of stored halves.
    pub f16: Pairs,
    /// `Σ code[i] * query[i]` of unsigned codes and a signed query, for each row of `ids`.
    pub dot_i8_rows: OfRows<i8, i32>,
    /// Dot products of a float query with float rows.
    pub dot_f32_rows: OfRows<f32, f32>,
    /// Squared Euclidean distances of a float query to float rows.
    pub l2_f32_rows: OfRows<f32, f32>,
    /// Asks the caches for whole rows.
    pub prefetch_rows: fn(Table<'_>, &[u32]),
    /// Decodes little-endian halves.
    pub f16_to_f32: fn(&[u8], &mut [f32]),
    /// Loops over one vector.
    pub loops: Loops,
}

impl Kernels {
    /// Dot product, over the length of the shorter.
    #[inline]
    pub fn dot_f32(&self, a: &[f32], b: &[f32]) -> f32 {
        let [dot] = (self.f32.dot)(a, aligned::as_bytes(b));
        dot
    }
}

/// The kernels of this machine.
#[inline]
pub(crate) fn get() -> &'static Kernels {
    static CHOSEN: OnceLock<&'static Kernels> = OnceLock::new();
    CHOSEN.get_or_init(|| all()[0])
}

/// Every set of kernels that this machine can run, fastest first.
pub(crate) fn all() -> Vec<&'static Kernels> {
    let mut sets: Vec<&'static Kernels> = Vec::new();
    #[cfg(target_arch = "x86_64")]
    sets.extend([avx512::detected(), avxvnni::detected(), avx2::detected()].into_iter().flatten());
    #[cfg(target_arch = "aarch64")]
    sets.extend([neon::detected_dotprod(), neon::detected()].into_iter().flatten());
    sets.push(&portable::PORTABLE);
    sets
}
