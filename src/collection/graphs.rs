//! What graphs the vectors of a segment get, by how long it will be there.

use crate::hnsw::Stay;
use crate::schema::{IndexKind, VectorSpec};
use std::borrow::Cow;

/// Segments that become part of larger ones have no graph with fewer rows: to scan their codes takes no longer than to walk one
/// (4 ns a row).
const GRAPH_FROM: usize = 4_096;

/// The same for segments beside much larger ones, a search of which takes longer than such a scan.
const GRAPH_FROM_BESIDE: usize = 12_288;

/// A segment is small if all segments together have this many times its rows.
const BESIDE: usize = 4;

/// A segment will be merged before long if all segments together have this many times its rows.
const PASSING: usize = 3;

/// What graphs the vectors of a segment get.
#[derive(Clone, Copy)]
pub struct Graphs {
    /// Rows from which on they get any.
    from: usize,
    /// How long they are there.
    pub stay: Stay,
}

impl Graphs {
    /// Those of a segment that stays.
    pub fn lasting() -> Self {
        Self { from: 0, stay: Stay::Long }
    }

    /// Those of a segment of `rows` rows in a table of `all` whose segments are merged.
    pub fn among(rows: usize, all: usize) -> Self {
        let from = if rows.saturating_mul(BESIDE) <= all { GRAPH_FROM_BESIDE } else { GRAPH_FROM };
        let stay = if rows.saturating_mul(PASSING) <= all { Stay::Short } else { Stay::Long };
        Self { from, stay }
    }

    /// The column of a segment of `rows` rows, as it is indexed.
    pub fn of<'a>(self, spec: &'a VectorSpec, rows: usize) -> Cow<'a, VectorSpec> {
        if rows < self.from {
            return Cow::Owned(VectorSpec { index: IndexKind::Flat, ..spec.clone() });
        }
        Cow::Borrowed(spec)
    }
}
