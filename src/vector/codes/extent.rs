//! How much the codes of single rows lose, for the sake of those that lose far more than the others: one row with a large
//! number, whose bytes are coarse, must not make the bound of all errors useless.

use super::quantizer::{Extent, Kind, LONGEST};
use super::view::View;
use crate::bitmap::Bitmap;
use crate::vector::{aligned, kernels};

/// Where the largest extent of any row is more than this many times that of usual rows, each row is bounded by its own.
const FAR: f64 = 4.0;

impl View<'_> {
    /// The largest extent of any row.
    pub fn largest_extent(&self) -> Extent {
        Extent { lost: f64::from(self.quantizer.residual), norm: f64::from(self.quantizer.largest) }
    }

    /// That of one row.
    pub fn extent(&self, ord: u32) -> Extent {
        let (most, at) = (self.largest_extent(), ord as usize);
        let dim = self.quantizer.dim as f64;
        let own = match (self.quantizer.kind, self.signs, self.factors.get(at * 2..at * 2 + 2)) {
            // Half of a step a dimension.
            (Kind::Int8, _, Some(factors)) => Extent {
                lost: f64::from(factors[0]) * dim.sqrt() / 2.0,
                norm: f64::from(factors[1]).max(0.0).sqrt(),
            },
            (Kind::Float, ..) => {
                let row = &aligned::as_f32(self.row(ord))[..self.quantizer.dim];
                Extent { lost: 0.0, norm: f64::from(kernels::get().dot_f32(row, row)).sqrt() }
            }
            (Kind::Bit, Some(signs), _) => {
                let written = signs.written(ord);
                Extent { lost: f64::from(written.lost), norm: f64::from(written.kept) }
            }
            _ => most,
        };
        // What was shortened has lost more than its code says.
        let lost = if own.norm > LONGEST / 2.0 { most.lost } else { own.lost * 1.001 };
        Extent { lost: lost.min(most.lost), norm: (own.norm * 1.001).min(most.norm) }
    }

    /// The extent of 99 of 100 rows where others go far beyond it, otherwise that of all.
    pub fn usual_extent(&self, present: &Bitmap) -> Extent {
        const SAMPLE: usize = 4096;
        let step = present.count().div_ceil(SAMPLE).max(1);
        let sample: Vec<Extent> = present.iter().step_by(step).map(|ord| self.extent(ord)).collect();
        let most = self.largest_extent();
        let usual = |of: fn(&Extent) -> f64| {
            let mut sorted: Vec<f64> = sample.iter().map(of).collect();
            sorted.sort_unstable_by(f64::total_cmp);
            sorted.get(sorted.len() * 99 / 100).copied().unwrap_or(f64::INFINITY)
        };
        let usual = Extent { lost: usual(|row| row.lost), norm: usual(|row| row.norm) };
        if most.lost > FAR * usual.lost || most.norm > FAR * usual.norm { usual } else { most }
    }
}
