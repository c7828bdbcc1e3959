//! Decides, part by part, between an exact scan over the codes and a walk of the graph.
//!
//! The number of qualifying rows is known exactly before the decision. The cost model and its derivation are those
//! of `docs/design.md`; its constants live here and nowhere else.

use crate::hnsw::{self, Bounds};

/// How one part of the view is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PartPlan {
    /// No row of the part qualifies.
    Nothing,
    /// Rows in memory, compared exactly.
    Delta,
    /// All qualifying rows by their codes.
    Scan,
    /// The graph, unfiltered.
    Graph,
    /// The graph, results and bridges gated by the filter.
    FilteredGraph,
}

/// Segments of fewer rows are scanned, whatever the beam: on 384 dimensions a row of a scan costs about 10 ns and a walk with the default
/// beam about 60 us, and a scan is exact.
const GRAPH_ROWS: usize = 4_096;

/// `passing <= (SCALE * ef)^EF_EXPONENT * rows^(1 - EF_EXPONENT)` is where a scan of the passing rows costs no more
/// than a walk among rows of which as many pass near the query as elsewhere. Fitted on 63,422 sentence embeddings of
/// 384 dimensions and 60,000 images of 784; a walk costs the more, the smaller the passing share (its power of -0.7).
const SCALE: f64 = hnsw::SCANNED_ROWS;
const EF_EXPONENT: f64 = 0.6;

/// Passing rows up to which a scan is the better plan, unless more rows pass near the query than elsewhere.
fn scan_limit(rows: usize, ef: usize) -> f64 {
    (SCALE * ef as f64).powf(EF_EXPONENT) * (rows as f64).powf(1.0 - EF_EXPONENT)
}

/// A walk is tried from this share of [`scan_limit`] and from this number of passing rows: where all near rows pass it costs
/// less than the scan. The trial costs about as much as scanning 1,500 rows.
const TRY_FROM: f64 = 0.6;
const TRY_ROWS: usize = 10_000;

/// A trial walk goes on only if at least `DENSE * (limit / passing)^2` of its 32 nearest nodes pass the filter, and at least
/// one; otherwise the segment is scanned. Where few rows pass near the query a walk goes far.
const DENSE: f64 = 4.8;

/// Chooses the plan for a segment of `rows` rows of which `passing` qualify; `graph`: whether there is one.
pub fn choose(rows: usize, passing: usize, want: usize, ef: usize, graph: bool) -> PartPlan {
    if passing == 0 {
        PartPlan::Nothing
    } else if !graph || rows < GRAPH_ROWS || want * 2 >= passing {
        PartPlan::Scan
    } else if passing == rows {
        // Where all rows pass, the limit is a plain product.
        if rows as f64 <= SCALE * ef as f64 { PartPlan::Scan } else { PartPlan::Graph }
    } else if passing < TRY_ROWS || passing as f64 <= scan_limit(rows, ef) * TRY_FROM {
        PartPlan::Scan
    } else {
        PartPlan::FilteredGraph
    }
}

/// Passing rows that a filtered walk must hold before it may end, as a share of the beam and of the rows wanted. With a
/// third of the beam, a filter that one row in five passes had recall .972 where an unfiltered search has .993.
const FLOOR_OF_EF: f64 = 0.6;
const FLOOR_OF_WANT: f64 = 1.4;

/// A distance or an estimate of a walk, with its share of everything else, costs as much as 5 to 7 rows of a scan. The
/// constant is a little lower, because a walk that gives up shortly before its end is the worst case.
const WALK_COST: f64 = 4.0;

/// The walk gives up when none of the nearest `max(SAMPLE, SAMPLE_OF_RATE / pass_rate)` nodes passes.
const SAMPLE: f64 = 100.0;
const SAMPLE_OF_RATE: f64 = 8.0;

/// From this share of passing rows on an unfiltered walk is tried first.
const MOST: f64 = 0.75;

/// The bounds of a filtered walk. It gives up when it has cost somewhat more than the scan would have.
pub fn bounds(rows: usize, passing: usize, want: usize, ef: usize) -> Bounds {
    let rate = passing as f64 / rows.max(1) as f64;
    let floor = (ef as f64 * FLOOR_OF_EF).max(want as f64 * FLOOR_OF_WANT) as usize;
    let sample = SAMPLE.max(SAMPLE_OF_RATE / rate);
    let share = passing as f64 / scan_limit(rows, ef);
    Bounds {
        dense: (DENSE / (share * share)).round().max(1.0) as usize,
        floor,
        sample: sample as usize,
        looks: (passing as f64 / WALK_COST) as u64,
        or_scan: true,
        most: (rate >= MOST).then_some(rate),
    }
}

/// Bounds of a walk that does not give up.
pub fn unbounded(rows: usize, passing: usize, want: usize, ef: usize) -> Bounds {
    Bounds { dense: 0, sample: 0, looks: u64::MAX, ..bounds(rows, passing, want, ef) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_sets_are_scanned_and_large_ones_walked() {
        assert_eq!(choose(100_000, 0, 10, 64, true), PartPlan::Nothing);
        assert_eq!(choose(1_000, 1_000, 10, 64, true), PartPlan::Scan);
        assert_eq!(choose(100_000, 100_000, 10, 64, true), PartPlan::Graph);
        assert_eq!(choose(8_000, 8_000, 10, 384, true), PartPlan::Scan);
        assert_eq!(choose(9_000, 9_000, 10, 384, true), PartPlan::Graph);
        assert_eq!(choose(100_000, 60_000, 10, 64, true), PartPlan::FilteredGraph);
        assert_eq!(choose(100_000, 100, 10, 64, true), PartPlan::Scan);
        assert_eq!(choose(100_000, 100_000, 10, 64, false), PartPlan::Scan);
        assert_eq!(choose(100_000, 100_000, 60_000, 64, true), PartPlan::Scan);
    }
}
