//! A vector index in memory, without SQLite: build once, save and load, search all rows or some, exact distances.
//!
//! Candidates come from a walk over compact codes and are put in exact order by the stored vectors, so a distance
//! that is returned is always exact.
//!
//! ```
//! use nearlite::{Metric, VectorSpec, ann::Index};
//!
//! let vectors: Vec<f32> = (0..1000).flat_map(|i| [(i as f32).sin(), (i as f32).cos()]).collect();
//! let index = Index::build(&VectorSpec::new(2, Metric::Cosine), vectors, 1)?;
//! let hits = index.search(&[1.0, 0.0], 3, 64)?;
//! assert_eq!(hits.len(), 3);
//! assert!(hits[0].distance <= hits[1].distance);
//! # Ok::<(), nearlite::Error>(())
//! ```

mod among;
mod file;
mod slim;
#[cfg(test)]
mod tests;

pub use among::RowSet;
pub use slim::Slim;

use crate::error::{Error, Result};
use crate::hnsw::{Candidate, Outcome, Rows, SearchStats, VectorIndex, Wanted};
use crate::query::planner::{self, PartPlan};
use crate::schema::VectorSpec;
use crate::vector::{Metric, aligned, kernels, metric};
use std::convert::Infallible;
use std::sync::Arc;

/// Exact distance of two vectors in the unit of the metric: `1 - cos`, Euclid, or `-(a · b)`.
///
/// ```
/// use nearlite::{Metric, ann::distance};
///
/// assert_eq!(distance(Metric::L2, &[0.0, 0.0], &[3.0, 4.0])?, 5.0);
/// assert!(distance(Metric::L2, &[0.0, 0.0], &[3.0, 4.0, 0.0]).is_err());
/// # Ok::<(), nearlite::Error>(())
/// ```
///
/// # Errors
/// [`Error::Dimension`] when one is longer than the other, [`Error::NotFinite`] for an element that is NaN or infinite.
pub fn distance(metric: Metric, a: &[f32], b: &[f32]) -> Result<f32> {
    check("the second vector", b, a.len())?;
    check("the first vector", a, a.len())?;
    Ok(metric::narrow(metric::distance(metric, a, b)))
}

/// Refuses a vector of other than `dim` finite numbers.
fn check(what: &str, vector: &[f32], dim: usize) -> Result<()> {
    if vector.len() != dim {
        return Err(Error::Dimension {
            column: what.to_owned(),
            expected: dim,
            got: vector.len(),
            hint: String::new(),
        });
    }
    match vector.iter().position(|x| !x.is_finite()) {
        None => Ok(()),
        Some(index) => {
            Err(Error::NotFinite { column: what.to_owned(), index, value: vector[index].to_string() })
        }
    }
}

/// Vectors that are prefetched ahead of the one being measured.
const AHEAD: usize = 3;

/// A row that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// Number of the row, from 0.
    pub row: u32,
    /// Exact distance in the unit of the metric; one beyond the range of f32 is shown as its end, and ranked as it is.
    pub distance: f32,
}

impl Hit {
    fn new((distance, row): (f64, u32)) -> Self {
        Self { row, distance: metric::narrow(distance) }
    }
}

/// An immutable index together with its vectors.
#[derive(Debug)]
pub struct Index {
    spec: VectorSpec,
    index: Arc<VectorIndex>,
    vectors: Vec<f32>,
}

impl Index {
    /// Builds an index over row-major `vectors` of `spec.dim` dimensions with `threads` threads, 1 to 256; other numbers
    /// are taken as the nearest of these. The result does not depend on the number of threads.
    ///
    /// # Errors
    /// [`Error::Schema`] when a number of `spec` is out of range, [`Error::Value`] when the length is not a multiple of
    /// the dimensions, [`Error::NotFinite`] for an element that is NaN or infinite.
    pub fn build(spec: &VectorSpec, vectors: Vec<f32>, threads: usize) -> Result<Self> {
        spec.check().map_err(Error::Schema)?;
        if !vectors.len().is_multiple_of(spec.dim) {
            let (got, dim) = (vectors.len(), spec.dim);
            return Err(Error::Value(format!(
                "{got} numbers are no whole number of rows of {dim} dimensions"
            )));
        }
        if let Some(at) = vectors.iter().position(|x| !x.is_finite()) {
            let (row, index) = (at / spec.dim, at % spec.dim);
            let value = vectors[at].to_string();
            return Err(Error::NotFinite { column: format!("row {row}"), index, value });
        }
        let rows = Rows { dim: spec.dim, data: &vectors, present: None };
        let index = Arc::new(VectorIndex::build(spec, &rows, threads, &mut |_, _| true)?);
        aligned::gather_pages(&vectors);
        Ok(Self { spec: spec.clone(), index, vectors })
    }

    /// The `k` nearest rows to `query`, best first. `ef` is the breadth of the search: more finds more.
    ///
    /// # Errors
    /// [`Error::Dimension`] when `query` does not have the dimensions of the index, [`Error::NotFinite`] for an element
    /// that is NaN or infinite.
    pub fn search(&self, query: &[f32], k: usize, ef: usize) -> Result<Vec<Hit>> {
        let (k, dim) = (k.min(self.len()), self.spec.dim);
        check(QUERY, query, dim)?;
        let found = candidates(&self.index, query, k, ef);
        // The next vectors are on their way from memory while one is measured.
        let fetch = |candidate: &Candidate| {
            kernels::prefetch(aligned::as_bytes(&self.vectors[candidate.ord as usize * dim..][..dim]));
        };
        let mut ahead = found.candidates.iter();
        ahead.by_ref().take(AHEAD).for_each(fetch);
        let Ok(hits) = rank::<Infallible>(&found, k, |row| {
            ahead.next().inspect(|candidate| fetch(candidate));
            Ok(self.measure(query, row))
        });
        Ok(hits)
    }

    /// The `k` nearest rows by exact distance to every row.
    ///
    /// # Errors
    /// Those of [`Index::search`].
    pub fn exact(&self, query: &[f32], k: usize) -> Result<Vec<Hit>> {
        check(QUERY, query, self.spec.dim)?;
        let mut rows: Vec<(f64, u32)> =
            (0..self.len() as u32).map(|row| (self.measure(query, row), row)).collect();
        rows.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        rows.truncate(k);
        Ok(rows.into_iter().map(Hit::new).collect())
    }

    fn measure(&self, query: &[f32], row: u32) -> f64 {
        let vector = &self.vectors[row as usize * self.spec.dim..][..self.spec.dim];
        metric::distance(self.spec.metric, query, vector)
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.index.rows()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of codes and graph, without the vectors themselves.
    pub fn memory_bytes(&self) -> usize {
        self.index.memory_bytes()
    }
}

/// What errors call a query.
const QUERY: &str = "the query";

/// What a walk over the codes finds for `k` results, or a scan where that costs less or the walk did not find as many.
fn candidates(index: &VectorIndex, query: &[f32], k: usize, ef: usize) -> Outcome {
    let mut stats = SearchStats::default();
    let (rows, want) = (index.len(), wanted_for(index, k, ef));
    let wanted = Wanted::nearest(want, ef);
    if planner::choose(rows, rows, want, ef.max(want), index.has_graph()) == PartPlan::Graph {
        let found = index.search(query, wanted, &mut stats);
        if found.complete {
            return found;
        }
    }
    index.scan_near(query, wanted, None, &mut stats)
}

/// Candidates that are put in exact order for `k` results: no more than the caller makes the search broad, if that is enough.
fn wanted_for(index: &VectorIndex, k: usize, ef: usize) -> usize {
    index.rerank_width(k).min(ef.max(k))
}

/// The `k` best of `found` by exact distance. Ends early where what is left is too far away to matter, given the likely
/// error of the codes.
fn rank<E>(
    found: &Outcome,
    k: usize,
    mut distance: impl FnMut(u32) -> std::result::Result<f64, E>,
) -> std::result::Result<Vec<Hit>, E> {
    let mut best: Vec<(f64, u32)> = Vec::with_capacity(k + 1);
    for candidate in &found.candidates {
        if best.len() == k
            && best.last().is_none_or(|worst| candidate.distance - found.likely_error > worst.0)
        {
            break;
        }
        let row = (distance(candidate.ord)?, candidate.ord);
        let at = best.partition_point(|other| *other < row);
        best.insert(at, row);
        best.truncate(k);
    }
    Ok(best.into_iter().map(Hit::new).collect())
}

/// Name of the instruction set whose kernels run on this machine.
pub fn instruction_set() -> &'static str {
    kernels::get().name
}
