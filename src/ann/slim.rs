//! The index without the vectors: the caller keeps them, and hands out those that a search asks for.

use super::{Hit, Index, QUERY, candidates, check, rank};
use crate::error::Error;
use crate::hnsw::VectorIndex;
use crate::schema::VectorSpec;
use crate::vector::metric;
use std::sync::Arc;

/// An index whose vectors are not in memory, see [`Index::split`]: codes and graph alone.
#[derive(Debug)]
pub struct Slim {
    pub(super) spec: VectorSpec,
    pub(super) index: Arc<VectorIndex>,
}

impl Slim {
    /// As [`Index::search`], with the same hits. `read` writes the vector of a row to the given place; it is called for a
    /// few times `k` rows, the most promising first.
    ///
    /// # Errors
    /// Those of [`Index::search`], and the first error of `read`.
    pub fn search<E: From<Error>>(
        &self,
        query: &[f32],
        k: usize,
        ef: usize,
        mut read: impl FnMut(u32, &mut [f32]) -> std::result::Result<(), E>,
    ) -> std::result::Result<Vec<Hit>, E> {
        check(QUERY, query, self.spec.dim)?;
        let k = k.min(self.len());
        let found = candidates(&self.index, query, k, ef);
        let mut vector = vec![0.0; self.spec.dim];
        rank(&found, k, |row| {
            read(row, &mut vector)?;
            Ok(metric::distance(self.spec.metric, query, &vector))
        })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.index.rows()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of codes and graph.
    pub fn memory_bytes(&self) -> usize {
        self.index.memory_bytes()
    }
}

impl Index {
    /// Parts the index from its vectors, for a caller that keeps them elsewhere, say in a file.
    pub fn split(self) -> (Slim, Vec<f32>) {
        (Slim { spec: self.spec, index: self.index }, self.vectors)
    }
}
