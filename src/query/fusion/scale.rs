//! How the raw scores of a leg become numbers that can be added to those of another one.

use super::formula::{Fusion, LegKind};
use crate::vector::Metric;

/// The raw score as "larger is better", finite.
///
/// Cosine becomes the similarity, ip the dot product, L2 `1 / (1 + distance)`: the only bounded, monotone choice that
/// has a theoretical minimum, 0.
pub fn goodness(kind: LegKind, raw: f64) -> f64 {
    let good = match kind {
        LegKind::Vector(Metric::Cosine) => 1.0 - raw,
        LegKind::Vector(Metric::L2) => 1.0 / (1.0 + raw.max(0.0)),
        LegKind::Vector(Metric::Ip) => -raw,
        LegKind::Text => raw,
    };
    finite(good)
}

fn finite(score: f64) -> f64 {
    match score {
        score if score.is_finite() => score,
        f64::INFINITY => f64::from(f32::MAX),
        _ => f64::from(f32::MIN),
    }
}

/// The raw score as a similarity whose mean over all rows is the background: cosine, dot product, negated squared
/// distance, or BM25.
pub fn similarity(kind: LegKind, raw: f64) -> f64 {
    finite(match kind {
        LegKind::Vector(Metric::Cosine) => 1.0 - raw,
        LegKind::Vector(Metric::L2) => -raw * raw,
        LegKind::Vector(Metric::Ip) => -raw,
        LegKind::Text => raw,
    })
}

/// How a leg's scores are scaled.
pub enum Scale {
    /// `1 / (k + rank)`.
    Reciprocal { k: f64 },
    /// `(score - low) / width`.
    Linear { low: f64, width: f64 },
    /// The same, to be cut to 0 and 1.
    Cut { low: f64, width: f64 },
    /// Every score is this.
    Constant(f64),
}

impl Scale {
    /// `scores` are those the leg returned, `filled` those computed afterwards.
    pub fn new(fusion: &Fusion, background: Option<f64>, scores: &[f64], filled: &[f64]) -> Self {
        match fusion {
            Fusion::Rrf { k, .. } => Self::Reciprocal { k: f64::from(*k).max(0.0) },
            Fusion::Convex { .. } => {
                let all = || scores.iter().chain(filled).copied();
                let max = all().fold(f64::NEG_INFINITY, f64::max);
                let low = background.unwrap_or_else(|| all().fold(f64::INFINITY, f64::min));
                let width = max - low;
                if width > 0.0 { Self::Cut { low, width } } else { Self::Constant(0.0) }
            }
            Fusion::Dbsf { .. } => {
                let count = scores.len() as f64;
                let mean = scores.iter().sum::<f64>() / count;
                let variance = scores.iter().map(|score| (score - mean).powi(2)).sum::<f64>() / (count - 1.0);
                let deviation = variance.sqrt();
                if scores.len() < 2 || deviation.is_nan() || deviation <= mean.abs() * 1e-9 {
                    return Self::Constant(0.5);
                }
                Self::Linear { low: mean - 3.0 * deviation, width: 6.0 * deviation }
            }
        }
    }

    /// Whether what is beyond 0 and 1 is cut off.
    pub fn cuts(&self) -> bool {
        matches!(self, Self::Cut { .. })
    }

    /// The scaled score of a row with this rank in the leg and this score.
    pub fn apply(&self, rank: Option<u32>, score: f64) -> f64 {
        match self {
            Self::Reciprocal { k } => rank.map_or(0.0, |rank| 1.0 / (k + f64::from(rank.max(1)))),
            Self::Linear { low, width } | Self::Cut { low, width } => (score - low) / width,
            Self::Constant(value) => *value,
        }
    }
}
