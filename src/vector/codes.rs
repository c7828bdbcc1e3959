//! Codes: the form of the vectors that a graph is walked on, and the query prepared for them.
//!
//! Int8: `v ≈ unit * (mean + scale * x)` with `x` in `-127..=127`, stored as `x + 128`. A query becomes signed
//! bytes too, so one integer dot product (`vpdpbusd`) serves every metric; what depends on the row only is its
//! scale and `|scale * x|²` (its factors), and cosine and ip need none when one scale fits all rows.
//! Float: the vectors themselves, `v = unit * x`.
//!
//! Invariant: keys are finite, and a smaller key means a smaller distance by codes. The largest norm of
//! `v - decoded(v)` over all rows is kept, so that the error of any distance has a provable bound.

use super::aligned::{self, Block};
use super::kernels::{self, Table};
use super::{Codes, Metric, metric};
use crate::bitmap::Bitmap;

/// Below this many dimensions floats take as many cache lines as bytes would and are exact.
const FLOAT_BELOW: usize = 32;

/// What a row is stored as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Int8,
    Float,
}

/// The constants of one set of codes.
#[derive(Debug, Clone)]
pub(crate) struct Quantizer {
    pub metric: Metric,
    pub kind: Kind,
    pub dim: usize,
    /// Bytes of a row.
    pub stride: usize,
    /// A power of two that brings huge or tiny values into range.
    pub unit: f32,
    /// The scale of every row, or 0 when each row has its own.
    pub uniform: f32,
    /// Largest `|v / unit - decoded|`.
    pub residual: f32,
    /// Largest `|decoded|` (of the centred vector).
    pub largest: f32,
    /// Subtracted before coding; as long as `dim`.
    pub mean: Vec<f32>,
}

/// Codes as made by a build: factors and heights are complete.
pub(crate) struct CodeSet {
    pub quantizer: Quantizer,
    pub codes: Block,
    /// `scale, |scale * x|²` of each row.
    pub factors: Vec<f32>,
    /// Ip only: the extra coordinate that makes all vectors equally long. Empty otherwise.
    pub heights: Vec<f32>,
}

/// Codes to be searched.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub quantizer: &'a Quantizer,
    pub table: Table<'a>,
    /// Empty when `key` is the dot product alone.
    pub factors: &'a [f32],
    pub heights: &'a [f32],
}

/// A query in the form of the codes.
#[derive(Clone)]
pub(crate) struct Query {
    block: Block,
    offset: i32,
    by_dot: f32,
    by_norm: f32,
    add: f32,
    height: f32,
    squares: bool,
    base: f64,
    times: f64,
    root: bool,
    /// Norm of the part of the query that its bytes do not express, and of the query.
    lost: f64,
    norm: f64,
}

impl Quantizer {
    /// Bytes of a row of `dim` dimensions.
    pub fn stride_of(kind: Kind, dim: usize) -> usize {
        match kind {
            Kind::Int8 => dim.next_multiple_of(64),
            Kind::Float => (dim * 4).next_multiple_of(64),
        }
    }

    /// The kind of codes for a declaration.
    pub fn kind_of(codes: Codes, dim: usize) -> Kind {
        match codes {
            Codes::None => Kind::Float,
            Codes::Int8 | Codes::Bit if dim < FLOAT_BELOW => Kind::Float,
            Codes::Int8 | Codes::Bit => Kind::Int8,
        }
    }

    /// The vector as it is coded: normalised for cosine, in units otherwise; centred for bytes.
    fn bring(&self, vector: &[f32], out: &mut [f32]) {
        out.copy_from_slice(vector);
        if self.metric == Metric::Cosine {
            metric::normalize(out);
        } else if self.unit != 1.0 {
            out.iter_mut().for_each(|x| *x /= self.unit);
        }
        if self.kind == Kind::Int8 {
            out.iter_mut().zip(&self.mean).for_each(|(x, mean)| *x -= mean);
        }
    }

    /// Prepares a search for `vector`.
    pub fn query(&self, vector: &[f32]) -> Query {
        let mut q: Vec<f64> = vector.iter().map(|x| f64::from(*x)).collect();
        q.resize(self.dim, 0.0);
        if self.metric == Metric::Cosine {
            let norm = q.iter().map(|x| x * x).sum::<f64>().sqrt();
            if norm > 0.0 {
                q.iter_mut().for_each(|x| *x /= norm);
            }
        } else {
            q.iter_mut().for_each(|x| *x /= f64::from(self.unit));
        }
        let unit = f64::from(self.unit);
        let mut query = Query {
            block: Block::zeroed(self.stride),
            offset: 0,
            by_dot: -1.0,
            by_norm: 0.0,
            add: 0.0,
            height: 0.0,
            squares: self.metric == Metric::L2,
            base: if self.metric == Metric::Cosine { 1.0 } else { 0.0 },
            times: match self.metric {
                Metric::Cosine => 1.0,
                Metric::L2 => unit,
                Metric::Ip => unit * unit,
            },
            root: self.metric == Metric::L2,
            lost: 0.0,
            norm: 0.0,
        };
        match self.kind {
            Kind::Float => self.float_query(&mut q, &mut query),
            Kind::Int8 => self.int8_query(&mut q, &mut query),
        }
        query
    }

    fn float_query(&self, q: &mut [f64], query: &mut Query) {
        let top = q.iter().fold(0.0_f64, |top, x| top.max(x.abs()));
        if self.metric == Metric::Ip && top > 1.0 {
            q.iter_mut().for_each(|x| *x /= top);
            query.times *= top;
        }
        let floats = aligned::as_f32_mut(query.block.bytes_mut());
        for (out, x) in floats.iter_mut().zip(q.iter()) {
            let clamped = x.clamp(-1e15, 1e15);
            query.lost += (clamped - x) * (clamped - x);
            *out = clamped as f32;
        }
        query.lost = query.lost.sqrt();
        query.norm = q.iter().map(|x| x * x).sum::<f64>().sqrt();
    }

    fn int8_query(&self, q: &mut [f64], query: &mut Query) {
        if self.metric == Metric::L2 {
            q.iter_mut().zip(&self.mean).for_each(|(x, mean)| *x -= f64::from(*mean));
        } else {
            let shared: f64 = q.iter().zip(&self.mean).map(|(x, mean)| x * f64::from(*mean)).sum();
            query.base -= shared * if self.metric == Metric::Ip { query.times } else { 1.0 };
        }
        let top = q.iter().fold(0.0_f64, |top, x| top.max(x.abs()));
        let step = if top > 0.0 { top / 127.0 } else { 0.0 };
        let inverse = if step > 0.0 && top < 1e300 { 127.0 / top } else { 0.0 };
        let (mut sum, mut square, mut lost) = (0_i32, 0_i64, 0.0);
        for (byte, x) in query.block.bytes_mut().iter_mut().zip(q.iter()) {
            // Adding 1.5 * 2^52 rounds to an integer, without a call where the machine has no rounding instruction.
            let level = (x * inverse + 6_755_399_441_055_744.0) - 6_755_399_441_055_744.0;
            let code = level as i32;
            *byte = code as i8 as u8;
            sum += code;
            square += i64::from(code * code);
            let rest = x - step * level;
            lost += rest * rest;
        }
        query.lost = lost.sqrt();
        query.norm = q.iter().map(|x| x * x).sum::<f64>().sqrt();
        query.offset = sum * 128;
        // Keys are divided by `shrink` so that a query far outside the data cannot overflow them.
        let shrink = top.max(1.0);
        match self.metric {
            Metric::L2 => {
                let shrink = shrink * shrink;
                query.by_dot = (-2.0 * step / shrink) as f32;
                query.by_norm = (1.0 / shrink) as f32;
                query.add = (step * step * square as f64 / shrink) as f32;
                query.times *= shrink.sqrt();
            }
            Metric::Cosine | Metric::Ip => {
                query.by_dot = (-step / shrink) as f32;
                query.times *= shrink;
            }
        }
        if self.uniform > 0.0 && self.metric != Metric::L2 {
            query.by_dot *= self.uniform;
        }
    }

    /// What the error of a distance near `at` stays below in practice: five standard deviations, with the rounding
    /// errors of the dimensions taken as independent. Never more than [`Quantizer::error_bound`].
    pub fn likely_error(&self, query: &Query, at: f32) -> f32 {
        let bound = self.error_bound(query);
        if self.kind == Kind::Float {
            return bound;
        }
        let spread = 5.0 / (self.dim as f64).sqrt();
        let (residual, unit) = (f64::from(self.residual), f64::from(self.unit));
        let likely = match self.metric {
            Metric::L2 => {
                let lost = query.lost.hypot(residual);
                unit * (lost * spread + lost * lost / (2.0 * f64::from(at.max(f32::MIN_POSITIVE)) / unit))
            }
            Metric::Cosine => (query.norm * residual).hypot(query.lost * f64::from(self.largest)) * spread,
            Metric::Ip => {
                (query.norm * residual).hypot(query.lost * f64::from(self.largest)) * spread * unit * unit
            }
        };
        bound.min(likely as f32)
    }

    /// Upper bound of the error of any distance to `query`.
    pub fn error_bound(&self, query: &Query) -> f32 {
        let (residual, largest) = (f64::from(self.residual), f64::from(self.largest));
        let unit = f64::from(self.unit);
        let slack = 4e-6 * (self.dim as f64).sqrt();
        let bound = match self.metric {
            Metric::L2 => {
                let float = slack * (query.norm + largest);
                unit * (query.lost + residual + float)
            }
            Metric::Cosine | Metric::Ip => {
                let mean = self.mean.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
                let float = slack * (query.norm * (largest + mean) + query.norm);
                let dot = query.norm * residual + query.lost * largest + float;
                if self.metric == Metric::Ip { dot * unit * unit } else { dot }
            }
        };
        bound.min(f64::from(f32::MAX)) as f32
    }
}

impl Query {
    /// The reported distance of a key.
    pub fn distance(&self, key: f32) -> f32 {
        let key = f64::from(key);
        let distance =
            if self.root { key.max(0.0).sqrt() * self.times } else { self.base + key * self.times };
        distance.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32
    }
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
            Kind::Int8 => {
                dots.clear();
                dots.resize(ids.len(), 0);
                (kernels.dot_i8_rows)(self.table, query.block.i8s(), ids, dots);
                if self.factors.is_empty() {
                    for (key, dot) in out.iter_mut().zip(dots.iter()) {
                        *key = query.by_dot * (dot - query.offset) as f32;
                    }
                } else {
                    for ((key, dot), id) in out.iter_mut().zip(dots.iter()).zip(ids) {
                        let (scale, norm) =
                            (self.factors[*id as usize * 2], self.factors[*id as usize * 2 + 1]);
                        *key = query.by_dot * scale * (dot - query.offset) as f32
                            + query.by_norm * norm
                            + query.add;
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

    /// Asks the caches for rows that will be scored soon.
    #[inline]
    pub fn prefetch(&self, ids: &[u32]) {
        (kernels::get().prefetch_rows)(self.table, ids);
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
        let mut sum = 0_i32;
        for (out, code) in bytes.iter_mut().zip(row) {
            *out = code ^ 0x80;
            sum += i32::from(*out as i8);
        }
        let (scale, norm) = (self.factors[ord as usize * 2], self.factors[ord as usize * 2 + 1]);
        query.offset = sum * 128;
        query.by_dot = -2.0 * scale;
        query.by_norm = 1.0;
        query.add = norm;
    }

    /// A query for [`View::row_query`] to fill.
    pub fn blank_query(&self) -> Query {
        self.quantizer.query(&vec![0.0; self.quantizer.dim])
    }
}

impl CodeSet {
    /// Codes of the `present` rows of `data`; other rows are zero bytes.
    pub fn encode(
        metric: Metric,
        codes: Codes,
        dim: usize,
        data: &[f32],
        present: &Bitmap,
        threads: usize,
    ) -> Self {
        let kind = Quantizer::kind_of(codes, dim);
        let mut quantizer = Quantizer {
            metric,
            kind,
            dim,
            stride: Quantizer::stride_of(kind, dim),
            unit: 1.0,
            uniform: 0.0,
            residual: 0.0,
            largest: 0.0,
            mean: vec![0.0; dim],
        };
        let row = |ord: u32| &data[ord as usize * dim..][..dim];
        if metric != Metric::Cosine {
            let top = present.iter().flat_map(row).fold(0.0_f32, |top, x| top.max(x.abs()));
            if top > 1e6 || (top > 0.0 && top < 1e-6) {
                quantizer.unit = f32::from_bits(top.to_bits() & 0x7f80_0000).max(f32::MIN_POSITIVE);
            }
        }
        if kind == Kind::Int8 {
            quantizer.centre(row, present);
            quantizer.choose_scale(row, present);
        }
        let rows = present.len();
        let mut set = Self {
            codes: Block::zeroed(rows * quantizer.stride),
            factors: vec![0.0; if kind == Kind::Int8 { rows * 2 } else { 0 }],
            heights: Vec::new(),
            quantizer,
        };
        set.fill(data, present, threads);
        if metric == Metric::Ip {
            set.raise(data, present);
        }
        set
    }

    /// The codes for a search or a build.
    pub fn view(&self) -> View<'_> {
        View {
            quantizer: &self.quantizer,
            table: Table { bytes: self.codes.bytes(), stride: self.quantizer.stride },
            factors: &self.factors,
            heights: &self.heights,
        }
    }

    fn fill(&mut self, data: &[f32], present: &Bitmap, threads: usize) {
        const CHUNK: usize = 1024;
        let quantizer = &self.quantizer;
        let (dim, stride) = (quantizer.dim, quantizer.stride);
        let used = present.len() * stride;
        let mut factors = self.factors.chunks_mut(CHUNK * 2);
        let jobs: Vec<_> = self.codes.bytes_mut()[..used]
            .chunks_mut(CHUNK * stride)
            .enumerate()
            .map(|(at, codes)| (at, codes, factors.next().unwrap_or_default()))
            .collect();
        let jobs = parking_lot::Mutex::new(jobs.into_iter());
        let work = || {
            let (mut residual, mut largest) = (0.0_f32, 0.0_f32);
            let mut buffer = vec![0.0; dim];
            loop {
                let Some((chunk, codes, factors)) = jobs.lock().next() else { break };
                for (at, code) in codes.chunks_mut(stride).enumerate() {
                    let ord = chunk * CHUNK + at;
                    if !present.contains(ord as u32) {
                        continue;
                    }
                    quantizer.bring(&data[ord * dim..][..dim], &mut buffer);
                    let factor = factors.get_mut(at * 2..at * 2 + 2).unwrap_or_default();
                    let (lost, norm) = quantizer.write(&buffer, code, factor);
                    residual = residual.max(lost);
                    largest = largest.max(norm);
                }
            }
            (residual, largest)
        };
        let parts: Vec<(f32, f32)> = std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads.max(1)).map(|_| scope.spawn(work)).collect();
            let mut parts = vec![work()];
            parts.extend(others.into_iter().filter_map(|other| other.join().ok()));
            parts
        });
        let residual = parts.iter().fold(0.0_f32, |top, part| top.max(part.0));
        let largest = parts.iter().fold(0.0_f32, |top, part| top.max(part.1));
        self.quantizer.residual = residual * 1.0001;
        self.quantizer.largest = largest * 1.0001;
    }

    /// Gives each row the height that makes all of them equally long (Bachrach et al., RecSys 2014): nearest by
    /// Euclid and by inner product then agree for a query of height 0, and a graph built by Euclid serves.
    fn raise(&mut self, data: &[f32], present: &Bitmap) {
        let (dim, unit) = (self.quantizer.dim, f64::from(self.quantizer.unit));
        let mut squares = vec![0.0_f64; present.len()];
        for ord in present.iter() {
            let row = &data[ord as usize * dim..][..dim];
            squares[ord as usize] = row.iter().map(|x| (f64::from(*x) / unit).powi(2)).sum();
        }
        // The longest hundredth do not count: one outlier would raise all others to the same height.
        let mut sorted: Vec<f64> = present.iter().map(|ord| squares[ord as usize]).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let top = sorted.get(sorted.len().saturating_sub(1 + sorted.len() / 100)).copied().unwrap_or(0.0);
        if present.iter().any(|ord| squares[ord as usize] < top * 0.999) {
            self.heights = squares.iter().map(|square| (top - square).max(0.0).sqrt() as f32).collect();
        }
    }
}

impl Quantizer {
    /// Sets the mean of a sample of the rows.
    fn centre<'a>(&mut self, row: impl Fn(u32) -> &'a [f32], present: &Bitmap) {
        let step = present.count().div_ceil(8192).max(1);
        let mut sums = vec![0.0_f64; self.dim];
        let mut buffer = vec![0.0; self.dim];
        let mut count = 0.0;
        for ord in present.iter().step_by(step) {
            self.bring(row(ord), &mut buffer);
            sums.iter_mut().zip(&buffer).for_each(|(sum, x)| *sum += f64::from(*x));
            count += 1.0;
        }
        if count > 0.0 {
            self.mean = sums.iter().map(|sum| (sum / count) as f32).collect();
        }
    }

    /// One scale for all rows when none of them would lose more than about a bit by it.
    fn choose_scale<'a>(&mut self, row: impl Fn(u32) -> &'a [f32], present: &Bitmap) {
        let mut buffer = vec![0.0; self.dim];
        let (mut top, mut sum, mut count) = (0.0_f32, 0.0_f64, 0_usize);
        for ord in present.iter() {
            self.bring(row(ord), &mut buffer);
            let reach = buffer.iter().fold(0.0_f32, |top, x| top.max(x.abs()));
            top = top.max(reach);
            sum += f64::from(reach);
            count += 1;
        }
        if count > 0 && f64::from(top) <= 2.5 * sum / count as f64 {
            self.uniform = top / 127.0;
        }
    }

    /// Writes one row; returns the norms of what was lost and of what was kept.
    fn write(&self, vector: &[f32], code: &mut [u8], factor: &mut [f32]) -> (f32, f32) {
        if self.kind == Kind::Float {
            aligned::as_f32_mut(code)[..vector.len()].copy_from_slice(vector);
            let norm = vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
            return (0.0, norm as f32);
        }
        let top = vector.iter().fold(0.0_f32, |top, x| top.max(x.abs()));
        let scale = if self.uniform > 0.0 { self.uniform } else { (top / 127.0).max(1e-30) };
        let inverse = 1.0 / scale;
        code.fill(128);
        let (mut square, mut lost) = (0_u32, 0.0_f32);
        for (code, x) in code.iter_mut().zip(vector) {
            let level = ((x * inverse + 12_582_912.0) - 12_582_912.0).clamp(-127.0, 127.0);
            *code = (level as i32 + 128) as u8;
            square += (level * level) as u32;
            let rest = x - level * scale;
            lost += rest * rest;
        }
        let norm = (f64::from(square)).sqrt() * f64::from(scale);
        if let [first, second] = factor {
            *first = scale;
            *second = (norm * norm) as f32;
        }
        (lost.sqrt() * 1.001, norm as f32)
    }
}
