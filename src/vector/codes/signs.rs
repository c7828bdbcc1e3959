//! 1-bit codes: the signs of the centred and rotated vectors, and an unbiased estimate of inner products from them
//! (RaBitQ: Gao & Long, SIGMOD 2024).
//!
//! With `y` the rotated vector of a row, `s` its signs and `f = |y|² / Σ|y_i|`, the estimate of `<q, y>` is `f <q, s>`;
//! over random rotations its standard deviation is about `0.6 f |q|`. The query is cut to four bits a dimension.
//!
//! A row: `dims / 8` bytes of signs, then `f`, the number of set bits, `|y|²` and 0 as f32, padded to cache lines.

use crate::error::Result;
use crate::vector::aligned::{self, Block};
use crate::vector::kernels::signs::{self, Weights};
use crate::vector::kernels::{self, Table};
use crate::vector::rotation::Rotation;

/// Bytes after the signs, with one float that is zero.
const TAIL: usize = 16;
/// Standard deviation of an estimate, in units of `f |q|`: `sqrt(1 - 2 / π)`.
const SPREAD: f32 = 0.603;

/// The shape of 1-bit rows, and the rotation before them.
#[derive(Debug, Clone)]
pub(crate) struct Signs {
    /// Dimensions after padding.
    pub dims: usize,
    /// Bytes of a row.
    pub stride: usize,
    rotation: Rotation,
}

/// A query in the form of the rows.
#[derive(Clone, Default)]
pub(crate) struct SignQuery {
    planes: Vec<u64>,
    /// Width of a level.
    step: f32,
    /// What is subtracted from twice a row's sum: the levels' sum and their middle.
    shift: f32,
    /// Norm of the query, and of what its levels do not express.
    pub norm: f32,
    pub lost: f32,
    /// `key = by_product <q, y> + by_norm |y|² + add`.
    by_product: f32,
    by_norm: f32,
    add: f32,
    buffer: Vec<f32>,
}

impl SignQuery {
    /// Sets how estimates become keys: `by_product * <q, y> + by_norm * |y|² + add`.
    pub fn set_formula(&mut self, by_product: f32, by_norm: f32, add: f32) {
        (self.by_product, self.by_norm, self.add) = (by_product, by_norm, add);
    }

    /// How keys are made of sums, if inner products are taken larger by `slack` standard deviations.
    #[inline]
    pub(super) fn weights(&self, shape: &Signs, slack: f32) -> Weights {
        Weights {
            tail: shape.dims / 8,
            each: 2.0 * self.step,
            by_set: -15.0 * self.step,
            more: slack * SPREAD * self.norm - self.step * self.shift,
            by_product: self.by_product,
            by_norm: self.by_norm,
            add: self.add,
        }
    }

    /// The level of a dimension.
    #[inline]
    pub(super) fn level(&self, dimension: usize) -> u8 {
        let words = self.planes.len() / signs::PLANES;
        let bit = |plane: usize| (self.planes[plane * words + dimension / 64] >> (dimension % 64) & 1) as u8;
        (0..signs::PLANES).map(|plane| bit(plane) << plane).sum()
    }
}

/// Norms of a row.
pub(crate) struct Written {
    /// `|y - f s|`.
    pub lost: f32,
    /// `|f s|`.
    pub kept: f32,
}

impl Signs {
    /// Rows for vectors of `dim` dimensions.
    pub fn new(dim: usize) -> Self {
        let dims = dim.max(1).next_multiple_of(64);
        Self { dims, stride: Self::stride_of(dim), rotation: Rotation::new(dims) }
    }

    /// Bytes of a row for `dim` dimensions.
    pub fn stride_of(dim: usize) -> usize {
        (dim.max(1).next_multiple_of(64) / 8 + TAIL).next_multiple_of(64)
    }

    /// Writes the row of the centred `vector`; `buffer` is scratch.
    pub fn write(&self, vector: impl Iterator<Item = f32>, row: &mut [u8], buffer: &mut Vec<f32>) -> Written {
        self.rotate(vector, buffer);
        let (mut sum, mut square, mut set) = (0.0_f32, 0.0_f32, 0_u32);
        for (byte, eight) in row.iter_mut().zip(buffer.chunks_exact(8)) {
            let mut bits = 0;
            for (at, y) in eight.iter().enumerate() {
                bits |= u8::from(*y > 0.0) << at;
                sum += y.abs();
                square += y * y;
            }
            *byte = bits;
            set += bits.count_ones();
        }
        let factor = if sum > 0.0 { square / sum } else { 0.0 };
        for (out, value) in row[self.dims / 8..].chunks_exact_mut(4).zip([factor, set as f32, square]) {
            out.copy_from_slice(&value.to_le_bytes());
        }
        let kept = f64::from(factor) * (self.dims as f64).sqrt();
        // <y, f s> = |y|², so what is lost is at a right angle to y.
        let lost = (kept * kept - f64::from(square)).max(0.0).sqrt();
        Written { lost: lost as f32 * 1.0001, kept: kept as f32 * 1.0001 }
    }

    /// Undoes the rotation of a vector of `dims` dimensions.
    pub fn rotate_back(&self, vector: &mut [f32]) {
        self.rotation.invert(vector);
    }

    fn rotate(&self, vector: impl Iterator<Item = f32>, buffer: &mut Vec<f32>) {
        buffer.clear();
        buffer.extend(vector.take(self.dims));
        buffer.resize(self.dims, 0.0);
        self.rotation.apply(buffer);
    }

    /// Whether the numbers of all `rows` are finite.
    pub fn sound(&self, rows: &[u8]) -> bool {
        let numbers = |row: &[f32]| row[self.dims / 32..][..3].iter().all(|x| x.is_finite());
        aligned::as_f32(rows).chunks_exact(self.stride / 4).all(numbers)
    }

    /// Fills `query` from the centred `vector`.
    pub fn prepare(&self, vector: impl Iterator<Item = f32>, query: &mut SignQuery) {
        let mut buffer = std::mem::take(&mut query.buffer);
        self.rotate(vector, &mut buffer);
        let kernels = kernels::get();
        let words = self.stride / 8;
        query.planes.clear();
        query.planes.resize(signs::PLANES * words, 0);
        let top = (kernels.loops.peak)(&buffer);
        query.norm = kernels.dot_f32(&buffer, &buffer).sqrt();
        let (step, inverse) = if top > 1e-30 { (top / 7.5, 7.5 / top) } else { (0.0, 0.0) };
        let sum = (kernels.loops.to_planes)(&mut buffer, step, inverse, &mut query.planes, words);
        query.step = step;
        query.shift = sum as f32 - 7.5 * self.dims as f32;
        query.lost = kernels.dot_f32(&buffer, &buffer).sqrt();
        query.buffer = buffer;
    }
}

/// Rows of signs to be searched.
#[derive(Clone, Copy)]
pub(crate) struct SignRows<'a> {
    pub shape: &'a Signs,
    pub table: Table<'a>,
}

impl SignRows<'_> {
    /// The signs of a row, and the numbers after them.
    pub(super) fn row(&self, ord: u32) -> (&[u8], &[f32]) {
        let row = &self.table.bytes[ord as usize * self.table.stride..][..self.table.stride];
        (&row[..self.shape.dims / 8], &aligned::as_f32(row)[self.shape.dims / 32..])
    }

    fn tail(&self, ord: u32) -> &[f32] {
        self.row(ord).1
    }

    /// `|y|²` of a row.
    pub fn square(&self, ord: u32) -> f64 {
        f64::from(self.tail(ord)[2])
    }

    /// What [`Signs::write`] returned for a row, but for rounding.
    pub fn written(&self, ord: u32) -> Written {
        let kept = f64::from(self.tail(ord)[0]) * (self.shape.dims as f64).sqrt();
        let lost = (kept * kept - self.square(ord)).max(0.0).sqrt();
        Written { lost: lost as f32, kept: kept as f32 }
    }

    /// The rotated vector that a row stands for: `f` times its signs.
    pub fn values(&self, ord: u32) -> impl Iterator<Item = f64> {
        let row = &self.table.bytes[ord as usize * self.table.stride..][..self.table.stride];
        let factor = f64::from(self.tail(ord)[0]);
        (0..self.shape.dims).map(move |at| if row[at / 8] >> (at % 8) & 1 == 1 { factor } else { -factor })
    }

    /// Keys of the rows `ids` by estimated inner products, each taken larger by `slack` standard deviations.
    #[inline]
    pub fn score(&self, query: &SignQuery, slack: f32, ids: &[u32], out: &mut [f32]) {
        signs::get().keys(self.table, &query.planes, &query.weights(self.shape, slack), ids, out);
    }
}

/// Rows of signs as a build makes them.
pub(crate) struct SignTable {
    pub block: Block,
    /// Largest norms of what is lost and of what is kept.
    pub residual: f32,
    pub largest: f32,
}

impl SignTable {
    /// Empty rows.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub fn new(shape: &Signs, rows: usize) -> Result<Self> {
        Ok(Self { block: Block::try_zeroed(rows * shape.stride)?, residual: 0.0, largest: 0.0 })
    }

    /// The rows for a search or a build.
    pub fn view<'a>(&'a self, shape: &'a Signs) -> SignRows<'a> {
        SignRows { shape, table: Table { bytes: self.block.bytes(), stride: shape.stride } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows and queries of several shapes: the mean error is about nil and its spread about what theory says.
    #[test]
    fn estimates_are_unbiased_and_as_narrow_as_promised() {
        let mut state = 11_u64;
        let mut noise = || {
            let mut sum = 0.0;
            for _ in 0..6 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                sum += (state >> 40) as f32 / (1 << 24) as f32 - 0.5;
            }
            sum
        };
        for dim in [64_usize, 200, 384, 1000] {
            let shape = Signs::new(dim);
            let mut table = SignTable::new(&shape, 200).unwrap();
            let rows: Vec<Vec<f32>> = (0..200).map(|_| (0..dim).map(|_| noise()).collect()).collect();
            for (row, bytes) in rows.iter().zip(table.block.bytes_mut().chunks_exact_mut(shape.stride)) {
                shape.write(row.iter().copied(), bytes, &mut Vec::new());
            }
            let ids: Vec<u32> = (0..200).collect();
            let (mut sum, mut square, mut count) = (0.0, 0.0, 0.0);
            for _ in 0..20 {
                let q: Vec<f32> = (0..dim).map(|_| noise()).collect();
                let norm = |x: &[f32]| x.iter().map(|x| x * x).sum::<f32>().sqrt();
                let mut query = SignQuery::default();
                shape.prepare(q.iter().copied(), &mut query);
                query.set_formula(1.0, 0.0, 0.0);
                let mut keys = vec![0.0; 200];
                table.view(&shape).score(&query, 0.0, &ids, &mut keys);
                for (row, key) in rows.iter().zip(&keys) {
                    let dot: f32 = row.iter().zip(&q).map(|(a, b)| a * b).sum();
                    let error = (key - dot) / (norm(row) * norm(&q)) * (shape.dims as f32).sqrt();
                    sum += error;
                    square += error * error;
                    count += 1.0;
                }
            }
            let (mean, deviation) = (sum / count, (square / count).sqrt());
            assert!(mean.abs() < 0.05, "{dim}: {mean}");
            assert!((0.5..1.0).contains(&deviation), "{dim}: {deviation}");
        }
    }
}
