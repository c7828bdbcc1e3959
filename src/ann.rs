//! A vector index in memory, without SQLite: build once, search, exact distances.
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

use crate::error::{Error, Result};
use crate::hnsw::{self, Candidate, Outcome, Rows, SearchStats, VectorIndex};
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

/// Vectors asked for ahead of the one that is measured.
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

    /// Parts the index from its vectors, for a caller that keeps them elsewhere, say in a file.
    pub fn split(self) -> (Slim, Vec<f32>) {
        (Slim { spec: self.spec, index: self.index }, self.vectors)
    }

    /// A search that can be continued: each call of [`Walk::next`] goes on where the last one stopped. `ef` is the
    /// breadth of the beam.
    ///
    /// # Errors
    /// Those of [`Index::search`].
    pub fn walk(&self, query: &[f32], ef: usize) -> Result<Walk<'_>> {
        check(QUERY, query, self.spec.dim)?;
        let (walk, query) = (self.index.walk(query, ef), query.to_vec());
        Ok(Walk { walk, index: self, query, stats: SearchStats::default() })
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

/// An index whose vectors are not in memory, see [`Index::split`]: codes and graph alone.
#[derive(Debug)]
pub struct Slim {
    spec: VectorSpec,
    index: Arc<VectorIndex>,
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

/// What errors call a query.
const QUERY: &str = "the query";

/// What the walk over codes finds for `k` results, and a scan where the walk did not find as many.
fn candidates(index: &VectorIndex, query: &[f32], k: usize, ef: usize) -> Outcome {
    let mut stats = SearchStats::default();
    let want = index.rerank_width(k).min(ef.max(k));
    let found = index.search(query, want, ef, &mut stats);
    if found.complete { found } else { index.scan_near(query, want, None, &mut stats) }
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

/// A search in progress, see [`Index::walk`].
pub struct Walk<'a> {
    index: &'a Index,
    walk: hnsw::Walk,
    query: Vec<f32>,
    stats: SearchStats,
}

impl Walk<'_> {
    /// The next `count` rows in order of exact distance among them; empty when every row was given. A later batch can
    /// hold a row nearer than an earlier one: what the beam had missed.
    pub fn next(&mut self, count: usize) -> Vec<Hit> {
        let found = self.walk.next(count, &mut self.stats);
        let mut rows: Vec<(f64, u32)> =
            found.iter().map(|c| (self.index.measure(&self.query, c.ord), c.ord)).collect();
        rows.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        rows.into_iter().map(Hit::new).collect()
    }
}

/// Name of the instruction set whose kernels run on this machine.
pub fn instruction_set() -> &'static str {
    kernels::get().name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_without_its_vectors_gives_the_same_hits_and_passes_errors_on() {
        let vectors: Vec<f32> = (0..3000).flat_map(|i| [(i as f32 * 0.7).sin(), i as f32 / 3000.0]).collect();
        let index = Index::build(&VectorSpec::new(2, Metric::L2), vectors, 1).unwrap();
        let queries = [[0.1, 0.5], [-0.9, 0.2], [0.0, 2.0]];
        let expected = queries.map(|query| index.search(&query, 10, 40).unwrap());
        let (slim, vectors) = index.split();
        for (query, expected) in queries.iter().zip(expected) {
            let read = |row: u32, to: &mut [f32]| {
                to.copy_from_slice(&vectors[row as usize * 2..][..2]);
                Ok::<(), Error>(())
            };
            assert_eq!(slim.search(query, 10, 40, read).unwrap(), expected);
        }
        let failed = slim.search(&queries[0], 10, 40, |_, _| Err(Error::Interrupted));
        assert!(matches!(failed, Err(Error::Interrupted)));
    }

    #[test]
    fn what_no_index_can_answer_is_refused() {
        let rows = || (0..600).map(|i| (i as f32 * 0.37).sin()).collect::<Vec<f32>>();
        for spec in [VectorSpec::new(0, Metric::L2), VectorSpec::new(16_385, Metric::L2)] {
            assert!(matches!(Index::build(&spec, rows(), 1), Err(Error::Schema(_))));
        }
        let spec = VectorSpec::new(2, Metric::L2);
        for bad in [f32::NAN, f32::INFINITY] {
            let error = Index::build(&spec, vec![0.0, 1.0, 2.0, bad], 1).unwrap_err();
            assert_eq!(error.to_string(), format!("row 1: value {bad} at index 1 is not a finite number"));
        }
        let ragged = Index::build(&spec, vec![0.0; 7], 1).unwrap_err();
        assert_eq!(ragged.to_string(), "7 numbers are no whole number of rows of 2 dimensions");
        for metric in [Metric::Cosine, Metric::L2, Metric::Ip] {
            let index = Index::build(&VectorSpec::new(2, metric), rows(), 1).unwrap();
            for query in [[f32::NAN, 0.0], [0.0, f32::NEG_INFINITY]] {
                assert!(matches!(index.search(&query, 5, 10), Err(Error::NotFinite { .. })));
                assert!(matches!(index.exact(&query, 5), Err(Error::NotFinite { .. })));
                assert!(matches!(index.walk(&query, 10), Err(Error::NotFinite { .. })));
            }
            for query in [&[][..], &[1.0], &[1.0; 3]] {
                let wrong = |error: Error| {
                    let got = query.len();
                    assert_eq!(error.to_string(), format!("the query: expected 2 dimensions, got {got}"));
                };
                wrong(index.search(query, 5, 10).unwrap_err());
                wrong(index.exact(query, 5).unwrap_err());
                wrong(index.walk(query, 10).map(drop).unwrap_err());
            }
            for k in [0, 1, 300, 1000, usize::MAX] {
                let found = index.search(&[0.3, 0.1], k, 10).unwrap();
                assert_eq!(found.len(), k.min(300), "{metric:?} {k}");
            }
            let (slim, rows) = index.split();
            let read = |row: u32, to: &mut [f32]| {
                to.copy_from_slice(&rows[row as usize * 2..][..2]);
                Ok::<(), Error>(())
            };
            assert_eq!(slim.search(&[0.3, 0.1], usize::MAX, 10, read).unwrap().len(), 300);
            assert!(matches!(slim.search(&[f32::NAN, 0.1], 5, 10, read), Err(Error::NotFinite { .. })));
            assert!(matches!(slim.search(&[0.1], 5, 10, read), Err(Error::Dimension { .. })));
        }
    }

    #[test]
    fn a_distance_is_of_two_vectors_of_one_length_and_of_finite_numbers() {
        for metric in [Metric::Cosine, Metric::L2, Metric::Ip] {
            // A sum over the shorter of the two is a plausible number, and wrong.
            for (a, b) in [(20, 33), (33, 20), (0, 1), (1, 0)] {
                let error = distance(metric, &vec![0.5; a], &vec![3.0; b]).unwrap_err();
                assert_eq!(error.to_string(), format!("the second vector: expected {a} dimensions, got {b}"));
            }
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                for (a, b, which) in [(bad, 1.0, "first"), (1.0, bad, "second")] {
                    let error = distance(metric, &[1.0, a], &[1.0, b]).unwrap_err();
                    let expected =
                        format!("the {which} vector: value {bad} at index 1 is not a finite number");
                    assert_eq!(error.to_string(), expected);
                }
            }
            assert!(distance(metric, &[1.0, 2.0], &[1.0, 2.5]).is_ok());
        }
    }

    #[test]
    fn any_number_of_threads_builds_the_same_index() {
        let rows = || (0..1_500).map(|i| (i as f32 * 0.37).sin()).collect::<Vec<f32>>();
        let built = |spec: &VectorSpec, threads, rows| Index::build(spec, rows, threads).unwrap();
        let spec = VectorSpec::new(3, Metric::L2);
        let one = built(&spec, 1, rows());
        for threads in [0, 400, 1 << 40, usize::MAX] {
            assert_eq!(built(&spec, threads, rows()).index.encode(), one.index.encode(), "{threads}");
            assert!(built(&spec, threads, Vec::new()).is_empty());
        }
    }

    #[test]
    fn a_walk_gives_every_row_once_and_starts_with_the_nearest() {
        let vectors: Vec<f32> = (0..2000).flat_map(|i| [(i as f32 * 0.7).sin(), i as f32 / 2000.0]).collect();
        let index = Index::build(&VectorSpec::new(2, Metric::L2), vectors, 1).unwrap();
        let query = [0.1, 0.5];
        let mut walk = index.walk(&query, 64).unwrap();
        let mut rows: Vec<u32> = Vec::new();
        loop {
            let batch = walk.next(150);
            if batch.is_empty() {
                break;
            }
            if rows.is_empty() {
                assert_eq!(batch[0].row, index.exact(&query, 1).unwrap()[0].row);
            }
            rows.extend(batch.iter().map(|hit| hit.row));
        }
        rows.sort_unstable();
        assert_eq!(rows, (0..2000).collect::<Vec<u32>>());
    }
}
