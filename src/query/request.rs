//! What is asked for, and what one answer row carries.

use super::filter::Filter;
use super::fusion::{Fused, HybridOptions};
use super::planner::Plan;
use crate::columns::Op;
use crate::text::Syntax;

/// Rows near a vector.
#[derive(Debug, Clone)]
pub struct VectorLeg {
    /// Which vector column, counted among the vector columns.
    pub column: usize,
    /// The query vector, of the column's dimension, all finite.
    pub query: Vec<f32>,
}

/// Rows that match a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextLeg {
    /// Query text.
    pub query: String,
    /// How it is read.
    pub syntax: Syntax,
    /// Which FULLTEXT column, counted among them; `None` for all.
    pub field: Option<usize>,
}

/// Rows to prepare for when nothing tells how many the caller will take: SQLite shows a LIMIT only from 3.41 on, and
/// not beside terms that it checks itself.
const UNKNOWN_BATCH: usize = 20;

/// A search over one collection.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The vector leg.
    pub vector: Option<VectorLeg>,
    /// The text leg.
    pub text: Option<TextLeg>,
    /// Texts that every row must match besides.
    pub must_match: Vec<TextLeg>,
    /// Rows that qualify.
    pub filter: Option<Filter>,
    /// Bounds on the distance; all must hold.
    pub within: Vec<(Op, f64)>,
    /// Upper bounds on [`Hit::rank`]: the search ends with the first row that is beyond one.
    pub until: Vec<(Op, f64)>,
    /// Of a search for texts alone: rows come in order of rowid, without scores.
    pub unranked: bool,
    /// The order of rows without scores is descending.
    pub descending: bool,
    /// Rows returned at most.
    pub limit: Option<usize>,
    /// Rows the caller will probably take: sizes the first batch, never the answer.
    pub hint: Option<usize>,
    /// Rows of one page, wherever it begins: the legs of a hybrid search are at least as deep.
    pub page: Option<usize>,
    /// Breadth of graph searches.
    pub ef: Option<usize>,
    /// Exact search: no graph.
    pub exact: bool,
    /// The plan of every segment, for measurements; the planner's own choice when not given.
    pub plan: Option<Plan>,
    /// How two legs are fused.
    pub hybrid: HybridOptions,
}

impl Request {
    /// Rows to prepare for in the first batch.
    pub fn first_batch(&self) -> usize {
        self.limit.into_iter().chain(self.hint).min().unwrap_or(UNKNOWN_BATCH).clamp(1, 10_000)
    }

    /// Rows that each leg of a hybrid search contributes. No page of an answer depends on the offset, nor, where there
    /// is a `k`, on LIMIT, which some versions of SQLite do not show.
    pub fn depth(&self) -> usize {
        self.hybrid.depth_for(self.limit.or(self.page).unwrap_or(0))
    }
}

/// Whether a distance or a rank is within a bound.
pub fn holds((op, bound): &(Op, f64), number: f64) -> bool {
    // Adding zero turns -0.0 into 0.0, which SQLite takes for equal.
    op.accepts((number + 0.0).total_cmp(&(bound + 0.0)))
}

/// One answer row.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// Identity of the row.
    pub rowid: i64,
    /// Exact distance, where the search has a vector leg and the row a vector.
    pub distance: Option<f64>,
    /// BM25 score, where the row matches the text.
    pub bm25: Option<f32>,
    /// Fused score of a hybrid search.
    pub score: Option<f32>,
    /// 1-based rank in the vector leg of a hybrid search.
    pub vector_rank: Option<u32>,
    /// 1-based rank in the text leg of a hybrid search.
    pub text_rank: Option<u32>,
    /// How each leg contributed to a hybrid score.
    pub fused: Option<Box<Fused>>,
}

impl Hit {
    /// A row of which nothing else is known.
    pub fn bare(rowid: i64) -> Self {
        Self {
            rowid,
            distance: None,
            bm25: None,
            score: None,
            vector_rank: None,
            text_rank: None,
            fused: None,
        }
    }

    /// Ascending means best first, whatever kind of search it was.
    pub fn rank(&self) -> f64 {
        match (self.score, self.distance, self.bm25) {
            (Some(score), ..) => -f64::from(score),
            (None, Some(distance), _) => distance,
            (None, None, Some(bm25)) => -f64::from(bm25),
            (None, None, None) => 0.0,
        }
    }
}
