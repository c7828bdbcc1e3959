//! What graphs the vectors of a segment get, by how long it will be there.

use crate::hnsw::Stay;
use crate::schema::{IndexKind, VectorSpec};
use std::borrow::Cow;

/// Segments that become part of larger ones have no graph with fewer rows: to scan their codes takes no longer than to walk one
/// (5 ns a row in the cache, 9 beyond it).
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::Metric;

    #[test]
    fn segments_that_pass_get_less_of_a_graph_than_those_that_stay() {
        let spec = VectorSpec::new(4, Metric::L2);
        let given =
            |graphs: Graphs, rows: usize| (graphs.of(&spec, rows).index != IndexKind::Flat, graphs.stay);
        assert_eq!(given(Graphs::lasting(), 1), (true, Stay::Long));
        for (rows, all, expected) in [
            (4_095, 4_095, (false, Stay::Long)),
            (4_096, 4_096, (true, Stay::Long)),
            (12_287, 49_148, (false, Stay::Short)),
            (12_287, 49_147, (true, Stay::Short)),
            (20_000, 60_000, (true, Stay::Short)),
            (20_001, 60_000, (true, Stay::Long)),
        ] {
            assert_eq!(given(Graphs::among(rows, all), rows), expected, "{rows} of {all}");
        }
    }
}
