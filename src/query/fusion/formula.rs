//! The formulas of a fusion and their numbers.

use crate::error::{Error, Result};
use crate::vector::Metric;
use serde::{Deserialize, Serialize};

/// How the legs of a hybrid query become one order. Weights are for each vector leg, then for each text leg.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Fusion {
    /// Reciprocal rank fusion.
    Rrf {
        /// Larger values make the top ranks count less: 2 to 10 for "one right answer", 60 for browsing.
        k: f32,
        /// Weight of each leg.
        weights: [f32; 2],
    },
    /// Convex combination of scores, each scaled from the background of its leg to its best.
    Convex {
        /// Weight of the vector legs together, 0 to 1; the text legs have the rest.
        alpha: f32,
    },
    /// Distribution-based score fusion.
    Dbsf {
        /// Weight of each leg.
        weights: [f32; 2],
    },
}

impl Fusion {
    /// Weight of the vector leg in the default fusion: above both legs on scifact and nfcorpus, with a strong and with a weak
    /// embedding model (docs/benchmarks.md); .4 to .5 differ by .005.
    const ALPHA: f32 = 0.45;

    /// Reciprocal rank fusion with k = 60 and equal weights.
    pub fn rrf() -> Self {
        Self::Rrf { k: 60.0, weights: [1.0, 1.0] }
    }

    /// Convex combination; `alpha` is the weight of the vector leg, 0 to 1.
    pub fn convex(alpha: f32) -> Self {
        Self::Convex { alpha }
    }

    /// Distribution-based score fusion with equal weights.
    pub fn dbsf() -> Self {
        Self::Dbsf { weights: [1.0, 1.0] }
    }

    /// The word used in SQL.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Rrf { .. } => "rrf",
            Self::Convex { .. } => "convex",
            Self::Dbsf { .. } => "dbsf",
        }
    }

    /// Checks the numbers: k and the weights finite and not negative, not both weights 0, alpha within 0 to 1.
    ///
    /// # Errors
    /// [`Error::Value`] that shows the number.
    pub fn check(&self) -> Result<()> {
        let bad = |why: String| Err(Error::Value(format!("fusion {}: {why}", self.name())));
        match *self {
            Self::Rrf { k, .. } if !(k.is_finite() && k >= 0.0) => {
                bad(format!("k must be a number of at least 0, got {k}"))
            }
            Self::Convex { alpha } if !(0.0..=1.0).contains(&alpha) => {
                bad(format!("alpha must be from 0 (text only) to 1 (vector only), got {alpha}"))
            }
            Self::Rrf { weights: [vector, text], .. } | Self::Dbsf { weights: [vector, text] }
                if !(vector.is_finite() && text.is_finite())
                    || vector < 0.0
                    || text < 0.0
                    || vector + text == 0.0 =>
            {
                bad(format!("weights must be at least 0 and not both 0, got [{vector}, {text}]"))
            }
            _ => Ok(()),
        }
    }

    /// Whether the fusion uses the true scores of rows that a leg did not return.
    pub fn fills_missing(&self) -> bool {
        matches!(self, Self::Convex { .. })
    }

    /// Whether the fusion asks for the background of the legs.
    pub fn needs_background(&self) -> bool {
        matches!(self, Self::Convex { .. })
    }

    /// Weight of a leg whose own weight is `own`, where those of all legs of its kind add up to `all`; `mixed` where there
    /// are vector legs and text legs.
    pub(super) fn weight(&self, kind: LegKind, own: f32, all: f32, mixed: bool) -> f32 {
        let of = |[vector, text]: [f32; 2]| if kind == LegKind::Text { text } else { vector };
        let weight = match *self {
            Self::Rrf { weights, .. } | Self::Dbsf { weights } => of(weights) * own,
            Self::Convex { alpha } => (if mixed { of([alpha, 1.0 - alpha]) } else { 1.0 }) * (own / all),
        };
        if weight.is_finite() { weight } else { 0.0 }
    }
}

impl Default for Fusion {
    /// Convex with alpha .45.
    fn default() -> Self {
        Self::convex(Self::ALPHA)
    }
}

/// What a leg compares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LegKind {
    /// Vectors, by this metric.
    Vector(Metric),
    /// Texts.
    Text,
}
