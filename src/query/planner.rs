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
pub const DEFAULT_EF: usize = 64;

/// Segments of fewer rows are scanned: a scan is exact and takes tens of microseconds.
const GRAPH_ROWS: usize = 1_500;

/// One graph distance costs as much as this many sequential scan distances (links, prefetch misses, queue).
const GRAPH_COST: f64 = 4.0;

/// Distance evaluations of an unfiltered walk per unit of beam.
const EVALS_PER_EF: f64 = 14.0;

/// How fast the cost of a filtered walk grows as the share of passing rows falls.
const SHARE_EXPONENT: f64 = 0.8;

/// Scan evaluations that cost about as much as a walk with this beam when `passing` of `rows` rows qualify.
fn walk_cost(rows: usize, passing: usize, ef: usize) -> f64 {
    let share = passing as f64 / rows.max(1) as f64;
    GRAPH_COST * EVALS_PER_EF * ef as f64 * share.powf(-SHARE_EXPONENT)
}

/// Chooses the plan for a segment of `rows` rows of which `passing` qualify.
pub fn choose(rows: usize, passing: usize, want: usize, ef: usize, exact: bool) -> Plan {
    if passing == 0 {
        Plan::Nothing
    } else if exact
        || rows < GRAPH_ROWS
        || want * 2 >= passing
        || walk_cost(rows, passing, ef) >= passing as f64
    {
        Plan::Scan
    } else if passing == rows {
        Plan::Graph
    } else {
        Plan::FilteredGraph
    }
}

/// Distance evaluations after which a filtered walk gives up in favour of the scan: both together cost at most
/// about twice the scan alone.
pub fn budget(passing: usize) -> u64 {
    (passing as f64 / GRAPH_COST) as u64 + 64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_sets_are_scanned_and_large_ones_walked() {
        assert_eq!(choose(100_000, 0, 10, 64, false), Plan::Nothing);
        assert_eq!(choose(1_000, 1_000, 10, 64, false), Plan::Scan);
        assert_eq!(choose(100_000, 100_000, 10, 64, false), Plan::Graph);
        assert_eq!(choose(100_000, 60_000, 10, 64, false), Plan::FilteredGraph);
        assert_eq!(choose(100_000, 100, 10, 64, false), Plan::Scan);
        assert_eq!(choose(100_000, 100_000, 10, 64, true), Plan::Scan);
        assert_eq!(choose(100_000, 100_000, 60_000, 64, false), Plan::Scan);
    }
}
