//! What a search did: plan, cardinalities and counters, shown by the `explain` column and `explain()`.

use super::planner::PartPlan;
use crate::hnsw::SearchStats;
use serde::{Serialize, Serializer};
use std::time::Duration;

/// How one part of the view was searched.
#[derive(Debug, Clone, Serialize)]
pub struct PartTrace {
    /// Leg of a hybrid search, where it is not the first.
    #[serde(skip_serializing_if = "is_first")]
    pub leg: usize,
    /// Position of the part; the delta comes last.
    pub part: usize,
    /// How it was searched.
    pub plan: PartPlan,
    /// Rows of the part.
    pub rows: usize,
    /// Rows that pass the filter.
    pub passing: usize,
    /// Breadth of the walk, if it was walked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ef: Option<usize>,
}

/// Counters of one search.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Trace {
    /// Kind of search: `nearest`, `text`, `hybrid`.
    pub kind: &'static str,
    /// Rows that pass the filter, in all parts.
    pub passing: usize,
    /// Whether `passing` counts rows that may not pass: they are read as the search finds them.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub passing_at_most: bool,
    /// Rows that were read because the columns do not know what the filter asks for.
    #[serde(skip_serializing_if = "is_zero")]
    pub checked_by_row: u64,
    /// Distances computed on codes or floats.
    pub distances: u64,
    /// Distances estimated from 1-bit codes.
    pub estimates: u64,
    /// Vertices expanded.
    pub hops: u64,
    /// Vectors read for exact distances.
    pub reranked: u64,
    /// Rows the text engine returned.
    pub text_hits: u64,
    /// Filtered walks that ran out of budget and were replaced by a scan.
    pub fallbacks: u64,
    /// How often candidates for the vector leg were looked for, more each time.
    pub stages: u32,
    /// Whether the codes of all qualifying rows were looked at because the caller took that many.
    pub full: bool,
    /// Whether rows come in order of rowid because nobody reads how well they match.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unranked: bool,
    /// Set when a leg of a hybrid search ranks nothing, or not all that it found; says why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub degraded: Option<&'static str>,
    /// What the text query's reader could not take literally.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The leg that is searched.
    #[serde(skip)]
    pub leg: usize,
    /// Parts of the view, by leg and position.
    pub parts: Vec<PartTrace>,
    /// Time spent on the filter.
    #[serde(rename = "filter_us", serialize_with = "micros")]
    pub filter: Duration,
    /// Time spent on the search so far.
    #[serde(rename = "search_us", serialize_with = "micros")]
    pub search: Duration,
}

impl Trace {
    /// Notes how a part was searched.
    pub fn part(&mut self, part: usize, plan: PartPlan, rows: usize, passing: usize, ef: Option<usize>) {
        let leg = self.leg;
        let trace = PartTrace { leg, part, plan, rows, passing, ef };
        match self.parts.binary_search_by_key(&(leg, part), |known| (known.leg, known.part)) {
            Ok(at) => self.parts[at] = trace,
            Err(at) => self.parts.insert(at, trace),
        }
    }

    /// Adds the counters of an index.
    pub fn count(&mut self, stats: &SearchStats) {
        self.distances += stats.distances;
        self.estimates += stats.estimates;
        self.hops += stats.hops;
    }

    /// As JSON text.
    pub fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_first(leg: &usize) -> bool {
    *leg == 0
}

/// Microseconds to a tenth.
fn micros<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64((time.as_secs_f64() * 1e7).round() / 10.0)
}
