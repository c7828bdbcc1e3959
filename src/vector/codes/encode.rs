//! Rows into codes.

use super::quantizer::{Kind, Quantizer};
use super::signs::{SignTable, Signs};
use super::view::View;
use crate::bitmap::Bitmap;
use crate::crew;
use crate::error::Result;
use crate::memory;
use crate::vector::aligned::{self, Block};
use crate::vector::kernels::Table;
use crate::vector::{Codes, Metric};

/// From this many dimensions 1-bit codes are kept beside the bytes, to pass over most of the rows that a walk meets.
const SIGNS_FROM: usize = 192;

/// From this many dimensions a row may be its signs alone; below, too little is left to distinguish neighbours.
const ONLY_SIGNS_FROM: usize = 256;

/// Codes as made by a build: factors and heights are complete.
pub(crate) struct CodeSet {
    pub quantizer: Quantizer,
    pub codes: Block,
    /// `scale, |scale * x|²` of each row.
    pub factors: Vec<f32>,
    /// Sum of the bytes of each row, less 128 each.
    pub sums: Vec<i32>,
    /// 1-bit codes of the rows, where the bytes are long enough to profit.
    pub signs: Option<SignTable>,
    /// Whether only the 1-bit codes are kept when the graph is built.
    pub only_signs: bool,
    /// Ip only: the extra coordinate that makes all vectors equally long. Empty otherwise.
    pub heights: Vec<f32>,
}

/// Codes to be searched.
impl CodeSet {
    /// Codes of the `present` rows of `data`; other rows are zero bytes.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub fn encode(
        metric: Metric,
        codes: Codes,
        dim: usize,
        data: &[f32],
        present: &Bitmap,
        threads: usize,
    ) -> Result<Self> {
        let kind = Quantizer::kind_of(codes, dim);
        let mut quantizer = Quantizer {
            metric,
            kind,
            dim,
            stride: Quantizer::stride_of(kind, dim),
            unit: 1.0,
            uniform: 0.0,
            residual: 0.0,
            usual: Default::default(),
            largest: 0.0,
            mean: vec![0.0; dim],
            signs: (kind == Kind::Int8 && dim >= SIGNS_FROM).then(|| Signs::new(dim)),
        };
        let row = |ord: u32| &data[ord as usize * dim..][..dim];
        let usual = quantizer.choose_unit(row, present);
        if kind == Kind::Int8 {
            quantizer.centre(row, present, usual);
            quantizer.choose_scale(row, present);
        }
        let rows = present.len();
        let mut set = Self {
            codes: Block::try_zeroed(rows * quantizer.stride)?,
            factors: memory::filled(if kind == Kind::Int8 { rows * 2 } else { 0 }, 0.0)?,
            heights: Vec::new(),
            sums: Vec::new(),
            only_signs: codes == Codes::Bit && quantizer.signs.is_some() && dim >= ONLY_SIGNS_FROM,
            signs: quantizer.signs.as_ref().map(|shape| SignTable::new(shape, rows)).transpose()?,
            quantizer,
        };
        set.fill(data, present, threads);
        if kind == Kind::Int8 {
            let sum = |row: &[u8]| row.iter().map(|code| i32::from(*code) - 128).sum();
            set.sums = set.codes.bytes().chunks_exact(set.quantizer.stride).take(rows).map(sum).collect();
        }
        if metric == Metric::Ip {
            set.add_heights(data, present);
        }
        Ok(set)
    }

    /// The codes for a search or a build.
    pub fn view(&self) -> View<'_> {
        View {
            quantizer: &self.quantizer,
            table: Table { bytes: self.codes.bytes(), stride: self.quantizer.stride },
            factors: &self.factors,
            signs: self
                .signs
                .as_ref()
                .zip(self.quantizer.signs.as_ref())
                .map(|(table, shape)| table.view(shape)),
            heights: &self.heights,
            sums: &self.sums,
        }
    }

    /// Drops what only the build needed.
    pub fn strip(&mut self) {
        if !self.only_signs {
            return;
        }
        if let Some(signs) = &self.signs {
            self.quantizer.kind = Kind::Bit;
            self.quantizer.stride = Quantizer::stride_of(Kind::Bit, self.quantizer.dim);
            (self.quantizer.residual, self.quantizer.largest) = (signs.residual, signs.largest);
            self.codes = Block::zeroed(0);
            self.factors = Vec::new();
        }
    }

    fn fill(&mut self, data: &[f32], present: &Bitmap, threads: usize) {
        const CHUNK: usize = 1024;
        let quantizer = &self.quantizer;
        let (dim, stride) = (quantizer.dim, quantizer.stride);
        let used = present.len() * stride;
        let mut factors = self.factors.chunks_mut(CHUNK * 2);
        let shape = quantizer.signs.as_ref();
        let sign_stride = shape.map_or(1, |shape| shape.stride);
        let mut signs =
            self.signs.iter_mut().flat_map(|table| table.block.bytes_mut().chunks_mut(CHUNK * sign_stride));
        let jobs: Vec<_> = self.codes.bytes_mut()[..used]
            .chunks_mut(CHUNK * stride)
            .enumerate()
            .map(|(at, codes)| {
                (at, codes, factors.next().unwrap_or_default(), signs.next().unwrap_or_default())
            })
            .collect();
        let jobs = parking_lot::Mutex::new(jobs.into_iter());
        let work = || {
            let mut extremes = [0.0_f32; 4];
            let (mut buffer, mut turned) = (vec![0.0; dim], Vec::new());
            loop {
                let Some((chunk, codes, factors, signs)) = jobs.lock().next() else { break };
                for (at, code) in codes.chunks_mut(stride).enumerate() {
                    let ord = chunk * CHUNK + at;
                    if !present.contains(ord as u32) {
                        continue;
                    }
                    let shortened = quantizer.prepare_row(&data[ord * dim..][..dim], &mut buffer);
                    let factor = factors.get_mut(at * 2..at * 2 + 2).unwrap_or_default();
                    let (lost, norm) = quantizer.write(&buffer, code, factor);
                    let mut found = [lost + shortened, norm, 0.0, 0.0];
                    if let Some(shape) = shape {
                        let row = &mut signs[at * sign_stride..][..sign_stride];
                        let written = shape.write(buffer.iter().copied(), row, &mut turned);
                        (found[2], found[3]) = (written.lost + shortened, written.kept);
                    }
                    extremes.iter_mut().zip(found).for_each(|(top, x)| *top = top.max(x));
                }
            }
            extremes
        };
        let parts: Vec<[f32; 4]> = std::thread::scope(|scope| {
            // Where the system has no more threads, fewer do the work.
            let spawn = |_| std::thread::Builder::new().spawn_scoped(scope, work).ok();
            let others: Vec<_> = (0..crew::others(threads.saturating_sub(1))).map_while(spawn).collect();
            let mut parts = vec![work()];
            let join = |other: std::thread::ScopedJoinHandle<'_, _>| match other.join() {
                Ok(part) => part,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            parts.extend(others.into_iter().map(join));
            parts
        });
        let top = |at: usize| parts.iter().fold(0.0_f32, |top, part| top.max(part[at])) * 1.0001;
        (self.quantizer.residual, self.quantizer.largest) = (top(0), top(1));
        if let Some(signs) = &mut self.signs {
            (signs.residual, signs.largest) = (top(2), top(3));
        }
    }

    /// Gives each row the height that makes all of them equally long (Bachrach et al., RecSys 2014): nearest by
    /// Euclid and by inner product then agree for a query of height 0, and a graph built by Euclid serves.
    fn add_heights(&mut self, data: &[f32], present: &Bitmap) {
        let (dim, unit) = (self.quantizer.dim, f64::from(self.quantizer.unit));
        let mut squares = vec![0.0_f64; present.len()];
        for ord in present.iter() {
            let row = &data[ord as usize * dim..][..dim];
            // As far as a float can carry their squares.
            squares[ord as usize] = row.iter().map(|x| (f64::from(*x) / unit).powi(2)).sum::<f64>().min(1e30);
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
