//! The declaration of one vector column.

use crate::limits;
use crate::vector::{Codes, Metric, Store};
use serde::{Deserialize, Serialize};

/// How a vector column is indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum IndexKind {
    /// An HNSW graph.
    Hnsw {
        /// Links a node keeps on the upper layers; layer 0 keeps twice as many.
        m: u16,
        /// Breadth of the search for neighbours while building.
        ef_construction: u16,
    },
    /// No graph: every search is an exact scan.
    Flat,
}

impl Default for IndexKind {
    fn default() -> Self {
        Self::Hnsw { m: 16, ef_construction: 128 }
    }
}

impl std::fmt::Display for IndexKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flat => f.write_str("flat"),
            Self::Hnsw { m, ef_construction } => write!(f, "hnsw(m={m}, ef_construction={ef_construction})"),
        }
    }
}

/// Everything declared of one vector column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct VectorSpec {
    /// Number of dimensions, 1 to 16,384.
    pub dim: usize,
    /// Distance measure.
    pub metric: Metric,
    /// Graph or flat.
    pub index: IndexKind,
    /// Codes the graph is walked on.
    pub codes: Codes,
    /// Precision of the stored vectors.
    pub store: Store,
}

impl VectorSpec {
    /// A column of `dim` dimensions with every other setting at its default.
    pub fn new(dim: usize, metric: Metric) -> Self {
        Self { dim, metric, index: IndexKind::default(), codes: Codes::default(), store: Store::default() }
    }

    /// Another kind of index.
    pub fn index(mut self, index: IndexKind) -> Self {
        self.index = index;
        self
    }

    /// Other codes.
    pub fn codes(mut self, codes: Codes) -> Self {
        self.codes = codes;
        self
    }

    /// Another precision of the stored vectors.
    pub fn store(mut self, store: Store) -> Self {
        self.store = store;
        self
    }

    /// What is out of range, in words.
    pub(crate) fn check(&self) -> std::result::Result<(), String> {
        if self.dim == 0 || self.dim > limits::MAX_DIM {
            return Err(format!("a vector has 1 to {} dimensions, got {}", limits::MAX_DIM, self.dim));
        }
        match self.index {
            IndexKind::Hnsw { m, .. } if !(2..=256).contains(&m) => {
                Err(format!("m must be 2 to 256, got {m}"))
            }
            IndexKind::Hnsw { ef_construction: ef, .. } if !(4..=4096).contains(&ef) => {
                Err(format!("ef_construction must be 4 to 4096, got {ef}"))
            }
            _ => Ok(()),
        }
    }
}
