//! A query in the form of the codes, and the formula that turns code products into distances.
//!
//! Rows are compared by *keys*: numbers that order rows as their distances do and cost less to compute. For a row with the
//! byte code `c` (unsigned, offset by 128), its own `scale` and its squared norm `|x|²`:
//!
//! ```text
//! key      = by_dot * scale * (<q, c> - offset) + by_norm * |x|² + add + (height of the row - height)²
//! distance = base + times * key             cosine, ip
//! distance = times * sqrt(key)              l2 (`root`)
//! ```
//!
//! `scale` is 1 where all rows share one, which then is part of `by_dot`. Heights exist only for ip while a graph is built.

use super::quantizer::{Kind, Quantizer};
use super::signs::SignQuery;
use crate::vector::aligned::{self, Block, LINE};
use crate::vector::{Metric, kernels, metric};

/// What is computed once for a search.
#[derive(Clone, Default)]
pub(crate) struct Query {
    /// The query as bytes (`Int8`, `Bit`) or floats (`Float`), as long as a row.
    pub(super) block: Block,
    /// How products of bytes become keys.
    pub(super) key: KeyFormula,
    /// The extra coordinate of the query that makes all vectors equally long; 0 unless a graph for ip is built.
    pub(super) height: f32,
    /// Float codes only: keys are squared Euclidean distances instead of negated dot products.
    pub(super) squares: bool,
    /// Distance of key 0; see the formula above.
    base: f64,
    /// Distance for each unit of the key, or of its root.
    times: f64,
    /// Whether the distance is a root of the key.
    root: bool,
    /// Norm of the part of the query that its bytes do not express, in the unit of the rows.
    pub(super) lost: f64,
    /// Norm of the query, in the unit of the rows.
    pub(super) norm: f64,
    /// The query for 1-bit codes, where there are any.
    pub(super) signs: Option<SignQuery>,
    /// Room to prepare in.
    floats: Vec<f32>,
}

/// The terms of the key that depend on the query alone.
#[derive(Clone, Copy, Default)]
pub(super) struct KeyFormula {
    /// 128 times the sum of the query's bytes: what the offset of the row's bytes adds to the product.
    pub offset: i32,
    /// Factor of the product, the query's own scale included.
    pub by_dot: f32,
    /// Factor of the row's squared norm: 0 for cosine and ip.
    pub by_norm: f32,
    /// What every key has: the query's squared norm for l2.
    pub add: f32,
}

impl Quantizer {
    /// A query prepared for `vector`.
    pub fn query(&self, vector: &[f32]) -> Query {
        let mut query = Query::default();
        self.prepare(vector, &mut query);
        query
    }

    /// Prepares a search for `vector` in the memory of an earlier query, whatever its codes were.
    pub fn prepare(&self, vector: &[f32], query: &mut Query) {
        let unit = f64::from(self.unit);
        let bytes = self.query_bytes();
        if query.block.bytes().len() != bytes.next_multiple_of(LINE).max(LINE) {
            query.block = Block::zeroed(bytes);
        }
        query.key = KeyFormula { offset: 0, by_dot: -1.0, by_norm: 0.0, add: 0.0 };
        query.height = 0.0;
        query.squares = self.metric == Metric::L2;
        query.base = if self.metric == Metric::Cosine { 1.0 } else { 0.0 };
        query.times = match self.metric {
            Metric::Cosine => 1.0,
            Metric::L2 => unit,
            Metric::Ip => unit * unit,
        };
        query.root = self.metric == Metric::L2;
        (query.lost, query.norm) = (0.0, 0.0);
        if self.signs.is_none() {
            query.signs = None;
        } else if query.signs.is_none() {
            query.signs = Some(SignQuery::default());
        }
        let mut q = std::mem::take(&mut query.floats);
        q.clear();
        q.extend(vector.iter().take(self.dim));
        q.resize(self.dim, 0.0);
        match self.kind {
            Kind::Float => self.float_query(&mut q, query),
            Kind::Int8 | Kind::Bit => self.int8_query(&mut q, query),
        }
        query.floats = q;
    }

    /// Scales and centres a query as rows are, then divides it by the number that is returned: far outside the data, squares
    /// of a query would overflow or vanish.
    fn scale_query(&self, q: &mut [f32], centred: bool) -> f64 {
        if self.metric == Metric::Cosine {
            metric::normalize(q);
            return 1.0;
        }
        let unit = f64::from(self.unit);
        let moved = |x: f32, mean: f32| f64::from(x) / unit - if centred { f64::from(mean) } else { 0.0 };
        let top = q.iter().zip(&self.mean).fold(0.0_f64, |top, (x, mean)| {
            let x = moved(*x, *mean).abs();
            if x > top { x } else { top }
        });
        let shrink = if self.metric == Metric::Ip && top > 0.0 { top } else { top.max(1.0) };
        q.iter_mut().zip(&self.mean).for_each(|(x, mean)| *x = (moved(*x, *mean) / shrink) as f32);
        shrink
    }

    fn float_query(&self, q: &mut [f32], query: &mut Query) {
        let shrink = self.scale_query(q, false);
        if self.metric == Metric::Ip {
            query.times *= shrink;
        }
        // Squared distances are taken to the rows as they are, so the query gets its length back, as far as squares allow.
        let length = if self.metric == Metric::L2 { shrink } else { 1.0 };
        let floats = aligned::as_f32_mut(query.block.bytes_mut());
        floats[self.dim..].fill(0.0);
        for (out, x) in floats.iter_mut().zip(q.iter()) {
            let exact = f64::from(*x) * length;
            let clamped = exact.clamp(-1e15, 1e15);
            query.lost += (clamped - exact) * (clamped - exact);
            query.norm += exact * exact;
            *out = clamped as f32;
        }
        // For ip both are of the query that was divided, and errors count as many times as the products do.
        let times = if self.metric == Metric::Ip { shrink } else { 1.0 };
        query.lost = query.lost.sqrt() * times;
        query.norm = query.norm.sqrt() * times;
    }

    fn int8_query(&self, q: &mut [f32], query: &mut Query) {
        let shrink = self.scale_query(q, self.metric == Metric::L2);
        let kernels = kernels::get();
        if self.metric != Metric::L2 {
            let shared = f64::from(kernels.dot_f32(q, &self.mean)) * shrink;
            query.base -= shared * if self.metric == Metric::Ip { query.times } else { 1.0 };
        }
        let norm = f64::from(kernels.dot_f32(q, q)).sqrt();
        let top = (kernels.loops.peak)(q);
        let (step, inverse) = if top > 1e-30 { (top / 127.0, 127.0 / top) } else { (0.0, 0.0) };
        if let (Some(shape), Some(signs)) = (&self.signs, &mut query.signs) {
            shape.prepare(q.iter().copied(), signs);
        }
        let bytes = query.block.bytes_mut();
        let (sum, square) = (kernels.loops.to_bytes)(q, step, inverse, bytes);
        // An earlier query may have had more dimensions in the same lines.
        bytes[self.dim..].fill(0);
        let lost = f64::from(kernels.dot_f32(q, q)).sqrt();
        query.lost = lost * 1.0001 * shrink;
        query.norm = norm * shrink;
        query.key.offset = sum * 128;
        match self.metric {
            Metric::L2 => {
                query.key.by_dot = (f64::from(-2.0 * step) / shrink) as f32;
                query.key.by_norm = (1.0 / (shrink * shrink)) as f32;
                query.key.add = step * step * square as f32;
                query.times *= shrink;
            }
            Metric::Cosine | Metric::Ip => {
                query.key.by_dot = -step;
                query.times *= shrink;
            }
        }
        if self.uniform > 0.0 && self.metric != Metric::L2 {
            query.key.by_dot *= self.uniform;
        }
        if let Some(signs) = &mut query.signs {
            let by_product = if self.metric == Metric::L2 { -2.0 / shrink } else { -1.0 };
            signs.set_formula(by_product as f32, query.key.by_norm, query.key.add);
            if self.kind == Kind::Bit {
                if self.metric == Metric::L2 {
                    query.key.add = (norm * norm) as f32;
                    signs.set_formula(by_product as f32, query.key.by_norm, query.key.add);
                }
                query.lost = f64::from(signs.lost) * 1.0001 * shrink;
            }
        }
    }
}

impl Query {
    /// The query as 1-bit rows are compared with it, where there are any.
    pub fn signs(&self) -> Option<&SignQuery> {
        self.signs.as_ref()
    }

    /// The key of a distance farther than that of `key` by `factor`, and by `more`. Not for ip, whose distances have
    /// no zero.
    #[inline]
    pub fn beyond(&self, key: f32, factor: f64, more: f64) -> f32 {
        if self.root {
            let far = f64::from(key.max(0.0)).sqrt() * factor + more / self.times;
            (far * far) as f32
        } else {
            let far = (self.base + f64::from(key) * self.times).max(0.0) * factor + more;
            ((far - self.base) / self.times) as f32
        }
    }

    /// The key of a distance that is larger than that of `key` by `more`.
    pub fn farther(&self, key: f32, more: f64) -> f32 {
        if self.root {
            let far = f64::from(key.max(0.0)).sqrt() + more / self.times;
            (far * far) as f32
        } else {
            (f64::from(key) + more / self.times) as f32
        }
    }

    /// The key of a reported distance.
    pub fn key(&self, distance: f64) -> f32 {
        let far =
            if self.root { distance.max(0.0) / self.times } else { (distance - self.base) / self.times };
        (if self.root { far * far } else { far }) as f32
    }

    /// The reported distance of a key.
    pub fn distance(&self, key: f32) -> f64 {
        let key = f64::from(key);
        if self.root { key.max(0.0).sqrt() * self.times } else { self.base + key * self.times }
    }
}
