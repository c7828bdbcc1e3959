//! The constants of one set of codes, and the bounds of its errors.

use super::query::Query;
use super::signs::Signs;
use crate::bitmap::Bitmap;
use crate::vector::{Codes, Metric, kernels, metric};

/// Below this many dimensions floats take as many cache lines as bytes would and are exact.
const FLOAT_BELOW: usize = 32;

/// Largest number of a row in its unit; squares and sums of squares are floats up to there.
pub(crate) const LONGEST: f64 = 1e15;

/// Rows with a number beyond this many times the middle row's largest are left out of the mean.
const USUAL: f64 = 100.0;

/// What a row is stored as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Int8 = 0,
    Float = 1,
    /// Signs alone.
    Bit = 2,
}

/// What is lost and what is kept of a row in its codes, at most.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Extent {
    /// Norm of the difference of the row and its code.
    pub lost: f64,
    /// Norm of the code.
    pub norm: f64,
}

/// Residual and norm that 99 rows in a hundred stay below. A row with one large number has a wide scale, and a single such
/// row makes the largest residual useless as a measure of the others.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usual {
    residual: f32,
    norm: f32,
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
    /// Residual and norm of usual rows.
    pub usual: Usual,
    /// Subtracted before coding; as long as `dim`.
    pub mean: Vec<f32>,
    /// Shape of the 1-bit codes, alone or beside the bytes.
    pub signs: Option<Signs>,
}

impl Quantizer {
    /// Bytes of a row of `dim` dimensions.
    pub fn stride_of(kind: Kind, dim: usize) -> usize {
        match kind {
            Kind::Int8 => dim.next_multiple_of(64),
            Kind::Float => (dim * 4).next_multiple_of(64),
            Kind::Bit => 0,
        }
    }

    /// Bytes of a query for rows of this kind.
    pub fn query_bytes(&self) -> usize {
        Self::stride_of(if self.kind == Kind::Bit { Kind::Int8 } else { self.kind }, self.dim)
    }

    /// The kind of codes for a declaration.
    pub fn kind_of(codes: Codes, dim: usize) -> Kind {
        match codes {
            Codes::None => Kind::Float,
            Codes::Int8 | Codes::Bit if dim < FLOAT_BELOW => Kind::Float,
            Codes::Int8 | Codes::Bit => Kind::Int8,
        }
    }

    /// Writes the vector to `out` as it is coded: normalised for cosine, in units otherwise; centred for bytes. A vector too
    /// long for squares in f32 is shortened; returns by how much.
    pub(super) fn prepare_row(&self, vector: &[f32], out: &mut [f32]) -> f32 {
        out.copy_from_slice(vector);
        let mut lost = 0.0;
        if self.metric == Metric::Cosine {
            metric::normalize(out);
        } else {
            let unit = f64::from(self.unit);
            let top = f64::from(peak(out)) / unit;
            if top > LONGEST {
                let norm = out.iter().map(|x| (f64::from(*x) / unit).powi(2)).sum::<f64>().sqrt();
                lost = (norm * (1.0 - LONGEST / top) * 1.0001).min(f64::from(f32::MAX) / 4.0) as f32;
                out.iter_mut().for_each(|x| *x = (f64::from(*x) / unit * (LONGEST / top)) as f32);
            } else if self.unit != 1.0 {
                out.iter_mut().for_each(|x| *x /= self.unit);
            }
        }
        if self.kind != Kind::Float {
            out.iter_mut().zip(&self.mean).for_each(|(x, mean)| *x -= mean);
        }
        lost
    }

    /// Sets the unit from the middle row, because squares of huge and tiny numbers do not fit in f32 and single rows may have
    /// any size. Returns the largest number up to which a row counts as usual.
    pub(super) fn choose_unit<'a>(&mut self, row: impl Fn(u32) -> &'a [f32], present: &Bitmap) -> f32 {
        if self.metric == Metric::Cosine {
            return f32::MAX;
        }
        let mut peaks: Vec<f32> = present.iter().map(|ord| peak(row(ord))).filter(|top| *top > 0.0).collect();
        if peaks.is_empty() {
            return f32::MAX;
        }
        let middle = peaks.len() / 2;
        let middle = *peaks.select_nth_unstable_by(middle, f32::total_cmp).1;
        if !(1e-6..=1e6).contains(&middle) {
            self.unit = f32::from_bits(middle.to_bits() & 0x7f80_0000).max(f32::MIN_POSITIVE);
        }
        (f64::from(middle) * USUAL).min(f64::from(f32::MAX)) as f32
    }

    /// What the error of a distance near `at` stays below in practice: five standard deviations. Never more than
    /// [`Quantizer::error_bound`].
    pub fn likely_error(&self, query: &Query, at: f64) -> f64 {
        self.error_bound(query).min(5.0 * self.deviation(query, at))
    }

    /// Standard deviation of the error of a distance near `at`, with the rounding errors of the dimensions taken as
    /// independent; at most [`Quantizer::error_bound`].
    pub fn deviation(&self, query: &Query, at: f64) -> f64 {
        let bound = self.error_bound(query);
        if self.kind == Kind::Float {
            return bound;
        }
        let spread = 1.0 / (self.dim as f64).sqrt();
        let (residual, norm) = (f64::from(self.usual.residual), f64::from(self.usual.norm));
        let unit = f64::from(self.unit);
        let likely = match self.metric {
            Metric::L2 => {
                let lost = hypot(query.lost, residual);
                unit * (lost * spread + lost * lost / (10.0 * at.max(f64::from(f32::MIN_POSITIVE)) / unit))
            }
            Metric::Cosine => hypot(query.norm * residual, query.lost * norm) * spread,
            Metric::Ip => hypot(query.norm * residual, query.lost * norm) * spread * unit * unit,
        };
        bound.min(likely)
    }

    /// Sets [`Quantizer::usual`] from the factors of the rows.
    pub fn choose_usual(&mut self, factors: &[f32]) {
        const SAMPLE: usize = 4096;
        self.usual = Usual { residual: self.residual, norm: self.largest };
        if self.kind != Kind::Int8 {
            return;
        }
        let rows = factors.as_chunks::<2>().0;
        let step = rows.len().div_ceil(SAMPLE).max(1);
        let usual = |of: fn(&[f32; 2]) -> f32| {
            let mut sample: Vec<f32> = rows.iter().step_by(step).map(of).collect();
            let nth = sample.len() * 99 / 100;
            (nth < sample.len()).then(|| *sample.select_nth_unstable_by(nth, f32::total_cmp).1)
        };
        if let (Some(scale), Some(square)) = (usual(|row| row[0]), usual(|row| row[1])) {
            // Rounding to a multiple of the scale loses a twelfth of its square in the mean.
            self.usual.residual = self.residual.min(scale * (self.dim as f32 / 12.0).sqrt());
            self.usual.norm = self.largest.min(square.max(0.0).sqrt());
        }
    }

    /// Upper bound of the error of any distance to `query`.
    pub fn error_bound(&self, query: &Query) -> f64 {
        let (lost, norm) = (f64::from(self.residual), f64::from(self.largest));
        self.bound(query)(Extent { lost, norm })
    }

    /// The upper bound of the error of a distance to `query`, by the extent of the row.
    pub fn bound(&self, query: &Query) -> impl Fn(Extent) -> f64 {
        let (metric, kind, unit) = (self.metric, self.kind, f64::from(self.unit));
        let slack = 4e-6 * (self.dim as f64).sqrt();
        let (lost, norm) = (query.lost, query.norm);
        let mean = f64::from(kernels::get().dot_f32(&self.mean, &self.mean)).sqrt() * 1.0001;
        // Keys of bytes and signs are differences of squares, and the root of a small one keeps the root of what nine
        // roundings of the squares are off by.
        let root = if kind == Kind::Float { 0.0 } else { 5.5e-4 };
        // By cosine a product is taken from 1, which has a rounding of its own.
        let one = if metric == Metric::Cosine { 1.0 } else { 0.0 };
        move |row| match metric {
            Metric::L2 => {
                let float = (slack + root) * (norm + row.norm);
                if kind == Kind::Bit {
                    // Of signs not the distance is taken, but its square estimated: `|q|² + |y|² - 2 f <q, s>`, which is
                    // off by `2 residual` times the distance and by twice what the query's levels lose.
                    unit * (2.0 * row.lost + (2.0 * lost * row.norm).sqrt() + float)
                } else {
                    unit * (lost + row.lost + float)
                }
            }
            Metric::Cosine | Metric::Ip => {
                let float = slack * norm * (row.norm + mean + one);
                let dot = norm * row.lost + lost * row.norm + float;
                if metric == Metric::Ip { dot * unit * unit } else { dot }
            }
        }
    }

    /// Sets the mean of a sample of the rows with no number beyond `usual`.
    pub(super) fn centre<'a>(&mut self, row: impl Fn(u32) -> &'a [f32], present: &Bitmap, usual: f32) {
        let step = present.count().div_ceil(8192).max(1);
        let mut sums = vec![0.0_f64; self.dim];
        let mut buffer = vec![0.0; self.dim];
        let mut count = 0.0;
        for ord in present.iter().step_by(step).filter(|ord| peak(row(*ord)) <= usual) {
            self.prepare_row(row(ord), &mut buffer);
            sums.iter_mut().zip(&buffer).for_each(|(sum, x)| *sum += f64::from(*x));
            count += 1.0;
        }
        if count > 0.0 {
            self.mean = sums.iter().map(|sum| (sum / count) as f32).collect();
        }
    }

    /// One scale for all rows when none of them would lose more than about a bit by it.
    pub(super) fn choose_scale<'a>(&mut self, row: impl Fn(u32) -> &'a [f32], present: &Bitmap) {
        let mut buffer = vec![0.0; self.dim];
        let (mut top, mut sum, mut count) = (0.0_f32, 0.0_f64, 0_usize);
        for ord in present.iter() {
            self.prepare_row(row(ord), &mut buffer);
            let reach = buffer.iter().fold(0.0_f32, |top, x| top.max(x.abs()));
            top = top.max(reach);
            sum += f64::from(reach);
            count += 1;
        }
        // Below the bound a scale has no inverse.
        if count > 0 && top > 1e-28 && f64::from(top) <= 2.5 * sum / count as f64 {
            self.uniform = top / 127.0;
        }
    }
}

/// The largest magnitude.
fn peak(vector: &[f32]) -> f32 {
    vector.iter().fold(0.0, |top, x| top.max(x.abs()))
}

/// The length of a two-dimensional vector. Its parts are f32 or products of two such, so the squares stay far inside f64
/// (`f32::MAX.powi(4) < 1e155`, and the fourth power of the smallest f32 is above `1e-180`). `f64::hypot` guards against what cannot
/// be, is slower, and is a symbol of its own in new versions of glibc.
fn hypot(a: f64, b: f64) -> f64 {
    (a * a + b * b).sqrt()
}
