//! What a search is asked for: legs that rank, what restricts the rows, how the ranked rows are chosen from.

use super::filter::Filter;
use super::fusion::{HybridOptions, LegScore};
use super::planner::PartPlan;
use crate::text_options::TextOptions;
use crate::value::Op;

/// Nearest rows to a vector.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorLeg {
    /// Position among the schema's vector columns.
    pub column: usize,
    /// The query vector, of the column's dimension, all finite.
    pub query: Vec<f32>,
}

/// Rows that match a text.
#[derive(Debug, Clone, PartialEq)]
pub struct TextLeg {
    /// Query text.
    pub query: String,
    /// How it is meant; the table says the rest.
    pub options: TextOptions,
    /// Which FULLTEXT column, counted among them; `None` for all.
    pub field: Option<usize>,
}

/// One thing that ranks rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Leg {
    /// What it compares.
    pub query: LegQuery,
    /// How much it counts beside other legs of its kind.
    pub weight: f32,
    /// Rows it contributes; `None` for what the request says.
    pub depth: Option<usize>,
    /// The greatest distance, or the least BM25, of the rows that it contributes.
    pub bound: Option<f64>,
}

/// What a leg compares.
#[derive(Debug, Clone, PartialEq)]
pub enum LegQuery {
    /// Distances.
    Vector(VectorLeg),
    /// BM25 scores.
    Text(TextLeg),
}

impl From<VectorLeg> for Leg {
    fn from(leg: VectorLeg) -> Self {
        Self { query: LegQuery::Vector(leg), weight: 1.0, depth: None, bound: None }
    }
}

impl From<TextLeg> for Leg {
    fn from(leg: TextLeg) -> Self {
        Self { query: LegQuery::Text(leg), weight: 1.0, depth: None, bound: None }
    }
}

/// A text that every row must match.
#[derive(Debug, Clone, PartialEq)]
pub struct Required {
    /// The text.
    pub text: TextLeg,
    /// The least BM25 that a row must have for it.
    pub least: Option<f64>,
}

impl From<TextLeg> for Required {
    fn from(text: TextLeg) -> Self {
        Self { text, least: None }
    }
}

impl Required {
    /// The text of a leg, with its bound.
    pub fn of(leg: &Leg) -> Option<Self> {
        match &leg.query {
            LegQuery::Text(text) => Some(Self { text: text.clone(), least: leg.bound }),
            LegQuery::Vector(_) => None,
        }
    }
}

/// The best rows of each value of a column, at most a given number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grouping {
    /// Position of the column in the schema.
    pub column: usize,
    /// Rows of each value, at least 1.
    pub rows: usize,
}

/// Rows to prepare for when nothing says how many the caller will take: SQLite shows a LIMIT only from 3.41 on, and
/// not beside terms that it checks itself.
const UNKNOWN_BATCH: usize = 20;

/// Candidates from which each row that differs from the others is picked.
const CANDIDATES: usize = 4;

/// A search over one collection: the legs rank, `group` thins them out, `mmr` picks among what is left.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// What ranks the rows; several legs are fused.
    pub legs: Vec<Leg>,
    /// Texts that every row must match besides.
    pub must_match: Vec<Required>,
    /// Rows that qualify.
    pub filter: Option<Filter>,
    /// Bounds on the distance; all must hold, of one of the vector legs.
    pub within: Vec<(Op, f64)>,
    /// Of the first one alone, as for conditions on the distance that is shown.
    pub within_first: bool,
    /// Upper bounds on [`Hit::rank`]: the search ends with the first row that is beyond one.
    pub until: Vec<(Op, f64)>,
    /// Of a search for one text alone: rows come in order of rowid, without scores.
    pub unranked: bool,
    /// The order of rows without scores is descending.
    pub descending: bool,
    /// How many rows of a group are given.
    pub group: Option<Grouping>,
    /// Lambda of maximal marginal relevance, 0 to 1: how much relevance counts against being unlike the rows before.
    pub mmr: Option<f32>,
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
    pub plan: Option<PartPlan>,
    /// How several legs are fused.
    pub hybrid: HybridOptions,
}

impl Request {
    /// The vector legs.
    pub fn vectors(&self) -> impl Iterator<Item = &VectorLeg> {
        self.legs.iter().filter_map(|leg| match &leg.query {
            LegQuery::Vector(leg) => Some(leg),
            LegQuery::Text(_) => None,
        })
    }

    /// The text legs.
    pub fn texts(&self) -> impl Iterator<Item = &TextLeg> {
        self.legs.iter().filter_map(|leg| match &leg.query {
            LegQuery::Text(leg) => Some(leg),
            LegQuery::Vector(_) => None,
        })
    }

    /// Rows the caller takes first, as far as is known.
    pub fn wanted(&self) -> usize {
        self.limit.into_iter().chain(self.hint).min().unwrap_or(UNKNOWN_BATCH).max(1)
    }

    /// Rows that are picked among those of the first pool. No page depends on the offset, nor, where there is a `k`, on LIMIT.
    pub fn picks(&self) -> usize {
        self.limit.or(self.page).unwrap_or(UNKNOWN_BATCH).max(1)
    }

    /// Rows to rank for `rows` rows.
    pub fn candidates(&self, rows: usize) -> usize {
        if self.mmr.is_some() { rows.saturating_mul(CANDIDATES) } else { rows }
    }

    /// Rows to prepare for in the first batch.
    pub fn first_batch(&self) -> usize {
        self.candidates(self.wanted()).min(10_000)
    }

    /// Rows that a search for near ones prepares for in its first stage: those of a page, wherever it begins. If the rows before it counted,
    /// each page would be of another search, and rows could be on two pages or on none.
    pub fn first_stage(&self) -> usize {
        self.candidates(self.wanted().min(self.page.unwrap_or(usize::MAX)).max(1)).min(10_000)
    }

    /// Rows that a leg of a hybrid search contributes. No page of an answer depends on the offset, nor, where there
    /// is a `k`, on LIMIT, which some versions of SQLite do not show.
    pub fn depth(&self, leg: &Leg) -> usize {
        self.hybrid.depth_for(leg.depth, self.candidates(self.limit.or(self.page).unwrap_or(0)))
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
    /// Position among the ranked rows, from 1.
    pub position: u32,
    /// Which pick of maximal marginal relevance it is, from 1.
    pub picked: Option<u32>,
    /// Exact distance to the first vector leg, where the search has one and the row a vector.
    pub distance: Option<f64>,
    /// BM25 score of the first text leg that ranks, where the row matches it.
    pub bm25: Option<f32>,
    /// Fused score of a hybrid search.
    pub score: Option<f32>,
    /// 1-based rank in a vector leg of a hybrid search, the best one.
    pub vector_rank: Option<u32>,
    /// 1-based rank in a text leg of a hybrid search, the best one.
    pub text_rank: Option<u32>,
    /// What each leg gave to a hybrid score, in order of the request's legs.
    pub legs: Option<Box<[Option<LegScore>]>>,
}

impl Hit {
    /// A row of which nothing else is known.
    pub fn bare(rowid: i64) -> Self {
        Self {
            rowid,
            position: 0,
            picked: None,
            distance: None,
            bm25: None,
            score: None,
            vector_rank: None,
            text_rank: None,
            legs: None,
        }
    }

    /// Larger is better: the fused score, the negated distance or the BM25 score; 0 without any.
    pub fn relevance(&self) -> f64 {
        match (self.score, self.distance, self.bm25) {
            (Some(score), ..) => f64::from(score),
            (None, Some(distance), _) => -distance,
            (None, None, Some(bm25)) => f64::from(bm25),
            (None, None, None) => 0.0,
        }
    }

    /// Ascending means best first, whatever kind of search it was. Rows that were picked are ranked by the picks.
    pub fn rank(&self) -> f64 {
        self.picked.map_or(0.0 - self.relevance(), f64::from)
    }
}
