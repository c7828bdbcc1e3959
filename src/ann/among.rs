//! Searches among some of the rows.

use super::{Hit, Index, QUERY, check, rank, wanted_for};
use crate::bitmap::Bitmap;
use crate::error::{Error, Result};
use crate::hnsw::{SearchStats, Wanted};
use crate::query::planner::{self, PartPlan};
use std::convert::Infallible;

/// Some of the rows of an index, for [`Index::search_among`]: one bit for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowSet(Bitmap);

impl RowSet {
    /// No row of an index of `rows` rows.
    pub fn none(rows: usize) -> Self {
        Self(Bitmap::empty(rows))
    }

    /// Every row of an index of `rows` rows.
    pub fn all(rows: usize) -> Self {
        Self(Bitmap::full(rows))
    }

    /// The rows of an index of `rows` rows for which `keep` is true.
    pub fn from_fn(rows: usize, mut keep: impl FnMut(u32) -> bool) -> Self {
        // A row is a u32: an index has no more of them.
        Self(Bitmap::from_fn(rows, |row| keep(row as u32)))
    }

    /// Adds a row; one that the index does not have is ignored.
    pub fn insert(&mut self, row: u32) {
        self.0.insert(row);
    }

    /// Takes a row out.
    pub fn remove(&mut self, row: u32) {
        self.0.remove(row);
    }

    /// Whether a row is in it.
    pub fn contains(&self, row: u32) -> bool {
        self.0.contains(row)
    }

    /// How many rows are in it.
    pub fn count(&self) -> usize {
        self.0.count()
    }

    /// Of how many rows it is a part.
    pub fn rows(&self) -> usize {
        self.0.len()
    }
}

impl Index {
    /// As [`search`](Self::search), among the rows of a set: `k` of them, or all if there are fewer. Where few rows are in it
    /// they are all compared; otherwise the graph is walked and rows outside the set are passed over.
    ///
    /// ```
    /// use nearlite::{Metric, VectorSpec, ann::{Index, RowSet}};
    ///
    /// let vectors: Vec<f32> = (0..1000).map(|i| i as f32).collect();
    /// let index = Index::build(&VectorSpec::new(1, Metric::L2), vectors, 1)?;
    /// let even = RowSet::from_fn(index.len(), |row| row % 2 == 0);
    /// let rows: Vec<u32> = index.search_among(&[7.1], 3, 64, &even)?.iter().map(|hit| hit.row).collect();
    /// assert_eq!(rows, [8, 6, 10]);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`search`](Self::search), and [`Error::Value`] for a set over another number of rows than the index has.
    pub fn search_among(&self, query: &[f32], k: usize, ef: usize, rows: &RowSet) -> Result<Vec<Hit>> {
        check(QUERY, query, self.spec.dim)?;
        if rows.rows() != self.len() {
            let (set, own) = (rows.rows(), self.len());
            return Err(Error::Value(format!("the set of rows is over {set} rows, the index has {own}")));
        }
        let passing = rows.count();
        let (k, index) = (k.min(passing), &self.index);
        if k == 0 {
            return Ok(Vec::new());
        }
        if passing == self.len() {
            return self.search(query, k, ef);
        }
        let (ef, mut stats) = (ef.max(1), SearchStats::default());
        let want = wanted_for(index, k, ef);
        let wanted = Wanted::nearest(want, ef);
        let planned = index.filtered_breadth(ef);
        let found = match planner::choose(self.len(), passing, want, planned, index.has_graph()) {
            PartPlan::FilteredGraph => {
                let bounds = planner::bounds(self.len(), passing, want, planned);
                index.search_filtered(query, wanted, &rows.0, &bounds, &mut stats)
            }
            _ => index.scan_near(query, wanted, Some(&rows.0), &mut stats),
        };
        let Ok(hits) = rank::<Infallible>(&found, k, |row| Ok(self.measure(query, row)));
        Ok(hits)
    }
}
