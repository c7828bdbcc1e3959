//! Codes to be searched.

use super::quantizer::{Kind, Quantizer};
use super::query::Query;
use super::signs::SignRows;
use crate::vector::aligned;
use crate::vector::kernels::{self, Table};

/// A set of codes, borrowed.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    /// The constants that the rows were coded with.
    pub quantizer: &'a Quantizer,
    /// The rows: bytes or floats, `stride` bytes each.
    pub table: Table<'a>,
    /// `scale, |x|²` of each row; empty where the key is a function of the product alone.
    pub factors: &'a [f32],
    /// The 1-bit codes, where there are any.
    pub signs: Option<SignRows<'a>>,
    /// For ip while a graph is built: each row's extra coordinate, which makes all vectors equally long. Else empty.
    pub heights: &'a [f32],
    /// Sum of each row's bytes less 128 each, which turns a row into a query. Only while a graph is built.
    pub sums: &'a [i32],
}

impl View<'_> {
    /// Keys of the rows `ids`; `out` is as long as `ids`.
    #[inline]
    pub fn score(&self, query: &Query, ids: &[u32], dots: &mut Vec<i32>, out: &mut Vec<f32>) {
        out.clear();
        out.resize(ids.len(), 0.0);
        let kernels = kernels::get();
        match self.quantizer.kind {
            Kind::Float => {
                let floats = aligned::as_f32(query.block.bytes());
                if query.squares {
                    (kernels.l2_f32_rows)(self.table, floats, ids, out);
                } else {
                    (kernels.dot_f32_rows)(self.table, floats, ids, out);
                    out.iter_mut().for_each(|key| *key = -*key);
                }
            }
            Kind::Bit => {
                if let (Some(rows), Some(signs)) = (self.signs, &query.signs) {
                    rows.score(signs, 0.0, ids, out);
                }
            }
            Kind::Int8 => {
                dots.clear();
                dots.resize(ids.len(), 0);
                (kernels.dot_i8_rows)(self.table, query.block.i8s(), ids, dots);
                if self.factors.is_empty() {
                    for (key, dot) in out.iter_mut().zip(dots.iter()) {
                        *key = query.key.by_dot * (dot - query.key.offset) as f32;
                    }
                } else {
                    for ((key, dot), id) in out.iter_mut().zip(dots.iter()).zip(ids) {
                        let (scale, norm) =
                            (self.factors[*id as usize * 2], self.factors[*id as usize * 2 + 1]);
                        *key = query.key.by_dot * scale * (dot - query.key.offset) as f32
                            + query.key.by_norm * norm
                            + query.key.add;
                    }
                }
            }
        }
        if !self.heights.is_empty() {
            for (key, id) in out.iter_mut().zip(ids) {
                let step = self.heights[*id as usize] - query.height;
                *key += step * step;
            }
        }
    }

    /// Keys of the rows `ids` by their 1-bit codes, each nearer than estimated by `slack` standard deviations.
    #[inline]
    pub fn estimate(&self, query: &Query, slack: f32, ids: &[u32], keys: &mut Vec<f32>) {
        let (Some(rows), Some(signs)) = (self.signs, &query.signs) else { return };
        keys.clear();
        keys.resize(ids.len(), 0.0);
        rows.score(signs, slack, ids, keys);
        if !self.heights.is_empty() {
            for (key, id) in keys.iter_mut().zip(ids.iter()) {
                let step = self.heights[*id as usize] - query.height;
                *key += step * step;
            }
        }
    }

    /// Whether [`View::estimate`] can spare the bytes of rows.
    pub fn screens(&self) -> bool {
        self.signs.is_some() && self.quantizer.kind == Kind::Int8
    }

    /// Asks the caches for 1-bit codes.
    #[inline]
    pub fn prefetch_signs(&self, ids: &[u32]) {
        if let Some(rows) = self.signs {
            (kernels::get().prefetch_rows)(rows.table, ids);
        }
    }

    /// Asks the caches for rows that will be scored soon.
    #[inline]
    pub fn prefetch(&self, ids: &[u32]) {
        let signs = self.signs.filter(|_| self.quantizer.kind == Kind::Bit);
        (kernels::get().prefetch_rows)(signs.map_or(self.table, |rows| rows.table), ids);
    }

    /// Asks the caches for what [`View::row_query`] reads.
    #[inline]
    pub fn prefetch_row(&self, ord: u32) {
        (kernels::get().prefetch_rows)(self.table, &[ord]);
        let at = ord as usize;
        kernels::prefetch(aligned::as_bytes(self.sums.get(at..=at).unwrap_or_default()));
        kernels::prefetch(aligned::as_bytes(self.factors.get(at * 2..at * 2 + 2).unwrap_or_default()));
    }

    /// Turns `query` into the row `ord`, measured by squared Euclidean distance of the coded vectors: the
    /// measure that graphs are built by, whatever the metric.
    pub fn row_query(&self, ord: u32, query: &mut Query) {
        let row = &self.table.bytes[ord as usize * self.table.stride..][..self.table.stride];
        let bytes = query.block.bytes_mut();
        query.height = self.heights.get(ord as usize).copied().unwrap_or(0.0);
        query.squares = true;
        if self.quantizer.kind == Kind::Float {
            bytes.copy_from_slice(row);
            return;
        }
        bytes.iter_mut().zip(row).for_each(|(out, code)| *out = code ^ 0x80);
        let (scale, norm) = (self.factors[ord as usize * 2], self.factors[ord as usize * 2 + 1]);
        query.key.offset = self.sums[ord as usize] * 128;
        query.key.by_dot = -2.0 * scale;
        query.key.by_norm = 1.0;
        query.key.add = norm;
    }

    /// Fills the 1-bit part of `query` for the row `ord` after [`View::row_query`].
    pub fn row_signs(&self, ord: u32, query: &mut Query) {
        let (Some(rows), Some(signs)) = (self.signs, &mut query.signs) else { return };
        let row = &self.table.bytes[ord as usize * self.table.stride..][..self.quantizer.dim];
        let scale = self.factors[ord as usize * 2];
        rows.shape.prepare(row.iter().map(|code| scale * (f32::from(*code) - 128.0)), signs);
        signs.set_formula(-2.0, query.key.by_norm, query.key.add);
    }

    /// A query for [`View::row_query`] to fill.
    pub fn blank_query(&self) -> Query {
        self.quantizer.query(&vec![0.0; self.quantizer.dim])
    }
}
