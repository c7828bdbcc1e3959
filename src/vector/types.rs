//! What a vector column is made of: its metric, its stored precision and the codes its graph is walked on.

use serde::{Deserialize, Serialize};

/// How the distance of two vectors is measured; smaller is nearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Metric {
    /// `1 - cos(a, b)`, in `0..=2`; 1 when either vector is zero.
    #[default]
    Cosine,
    /// Euclidean distance (not squared).
    L2,
    /// `-(a · b)`.
    Ip,
}

impl Metric {
    /// The word used in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cosine => "cosine",
            Self::L2 => "l2",
            Self::Ip => "ip",
        }
    }
}

/// The compressed form of the vectors that the graph is walked on. Results are always reranked exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Codes {
    /// One byte a dimension.
    #[default]
    Int8,
    /// The full vectors, 4 bytes a dimension.
    None,
    /// One bit a dimension, and more candidates reranked: for 512 dimensions and more, where memory counts. As
    /// [`Codes::Int8`] below 256 dimensions, and for data that single bits are too coarse for.
    Bit,
}

impl Codes {
    /// The word used in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Int8 => "int8",
            Self::None => "none",
            Self::Bit => "bit",
        }
    }
}

/// Precision of the stored vectors, the source of truth of every reported distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Store {
    /// 4 bytes a dimension.
    #[default]
    F32,
    /// 2 bytes a dimension (IEEE half).
    F16,
}
