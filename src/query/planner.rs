//! Decides, part by part, between an exact scan over the codes and a walk of the graph.
//!
//! The number of qualifying rows is known exactly before the decision. The cost model and its derivation are those
//! of `docs/design.md`; its constants live here and nowhere else.

/// How one part of the view is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
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

/// Beam of a graph search when neither query nor table say otherwise.
pub const DEFAULT_EF: usize = 80;

/// Segments of fewer rows are scanned: on 384 dimensions a row of a scan costs 12 to 25 ns and a walk with a beam of
/// 64 about 110 us, and a scan is exact.
const GRAPH_ROWS: usize = 4_096;

/// `passing <= (SCALE * ef)^EF_EXPONENT * rows^(1 - EF_EXPONENT)` is where a scan of the passing rows costs no more
/// than a filtered walk: a walk pays about `SCALE * ef` scan rows, the more the smaller the passing share. Fitted on
/// 63,422 sentence embeddings of 384 dimensions with random filters.
const SCALE: f64 = 103.0;
const EF_EXPONENT: f64 = 0.645;

/// Distances on the graph that together cost about one scan, per passing row.
const BUDGET_SHARE: f64 = 0.15;

/// Passing rows up to which a scan is the better plan.
fn scan_limit(rows: usize, ef: usize) -> f64 {
    (SCALE * ef as f64).powf(EF_EXPONENT) * (rows as f64).powf(1.0 - EF_EXPONENT)
}

/// Chooses the plan for a segment of `rows` rows of which `passing` qualify; `graph` tells whether there is a graph.
pub fn choose(rows: usize, passing: usize, want: usize, ef: usize, graph: bool) -> Plan {
    if passing == 0 {
        Plan::Nothing
    } else if !graph || rows < GRAPH_ROWS || want * 2 >= passing {
        Plan::Scan
    } else if passing == rows {
        Plan::Graph
    } else if passing as f64 <= scan_limit(rows, ef) {
        Plan::Scan
    } else {
        Plan::FilteredGraph
    }
}

/// Distance evaluations after which a filtered walk gives up in favour of the scan: both together cost at most
/// twice the scan alone.
pub fn budget(passing: usize) -> u64 {
    (passing as f64 * BUDGET_SHARE) as u64 + 64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_sets_are_scanned_and_large_ones_walked() {
        assert_eq!(choose(100_000, 0, 10, 64, true), Plan::Nothing);
        assert_eq!(choose(1_000, 1_000, 10, 64, true), Plan::Scan);
        assert_eq!(choose(100_000, 100_000, 10, 64, true), Plan::Graph);
        assert_eq!(choose(100_000, 60_000, 10, 64, true), Plan::FilteredGraph);
        assert_eq!(choose(100_000, 100, 10, 64, true), Plan::Scan);
        assert_eq!(choose(100_000, 100_000, 10, 64, false), Plan::Scan);
        assert_eq!(choose(100_000, 100_000, 60_000, 64, true), Plan::Scan);
    }
}
