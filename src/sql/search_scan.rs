//! A scan over the rows of a search, in the order that SQLite was promised.

use super::callers::Calls;
use super::plan::{Order, QueryPlan};
use super::request::Asked;
use super::table_state::{Changes, TableState};
use crate::error::{Error, Result};
use crate::query::{Hit, Leg, Request, Search};
use crate::storage::{Row, VectorBytes};
use crate::value::Value;
use rusqlite::ffi;
use std::cell::{Cell, OnceCell};
use std::cmp::{Ordering, Reverse};
use std::rc::Rc;
use std::vec::IntoIter;

/// Rows of an unranked search that are fetched at once: few at first, for those who take few.
const FIRST_BATCH: usize = 16;
const LARGEST_BATCH: usize = 1_024;

/// Least number of rows that a ranked search finds first; they are ranked even if nobody looks at them.
const FIRST_RANKED: usize = 16;

/// A search whose rows SQLite reads one by one.
pub struct SearchScan {
    /// The search.
    pub search: Search,
    /// What ranks the rows.
    pub legs: Rc<[Leg]>,
    /// All rows to come, where they come in another order than the search's own.
    sorted: Option<IntoIter<Hit>>,
    /// Rows of an unranked search that were fetched ahead, and how many are fetched next; 0 where rows are ranked.
    ahead: IntoIter<i64>,
    batch: usize,
    /// The current row.
    pub hit: Hit,
    /// What was asked.
    pub query: Rc<Asked>,
    /// Stored values of the current row, once they were read.
    row: OnceCell<Option<Row>>,
    /// Stored vectors of the current row, once they were read.
    vectors: OnceCell<VectorBytes>,
    /// Whether somebody has looked at a row. Until then a ranked text search need not know which rows they are.
    looked: Cell<bool>,
    /// Rows that SQLite was moved to, the current one among them.
    given: usize,
    /// From this row on they are only counted, if nobody has looked at one.
    ranked: usize,
    /// How many rows there are, where they are only counted.
    counted: Option<usize>,
    /// The scan at the current row, once somebody looked at it although it was only counted.
    resumed: OnceCell<Box<SearchScan>>,
    /// Of the connection, when the search began: its rows are those of then.
    changes: Changes,
}

impl SearchScan {
    /// Starts a search and moves to its first row; `None` when there is none.
    pub fn start(
        shared: &TableState,
        plan: &QueryPlan,
        calls: Calls,
        mut request: Request,
        asked: Asked,
    ) -> Result<Option<Self>> {
        // Now it is known whether a text is a hybrid query or that of a row, and whether functions of the row read its score.
        let several = request.legs.len() > 1 || request.group.is_some();
        let hybrid = several || request.vectors().next().is_some();
        // A bound that the text brings with it is one on its score.
        let scored =
            calls.bm25 || plan.bare && calls.marks || !request.until.is_empty() || asked.like.is_some();
        request.unranked = plan.unranked && !hybrid && !scored;
        request.descending = plan.order == Order::Descending;
        let (unranked, legs) = (request.unranked, Rc::from(request.legs.as_slice()));
        let counts = plan.lazy && !unranked && !hybrid;
        if plan.order == Order::Score && request.limit.is_none() {
            // All rows come, in an order that no pick changes.
            request.mmr = None;
        }
        let picked = request.mmr.is_some();
        let ranked = request.first_batch().max(FIRST_RANKED);
        let mut search = Search::start(shared.on(), shared.pin()?, request)?;
        let mut sorted = match plan.order {
            Order::Own => None,
            Order::Bm25 => hybrid.then(|| rest(shared, &mut search)),
            Order::Score => picked.then(|| rest(shared, &mut search)),
            Order::Ascending | Order::Descending => (!unranked).then(|| rest(shared, &mut search)),
        }
        .transpose()?;
        if let Some(hits) = &mut sorted {
            match plan.order {
                Order::Bm25 => hits.sort_by(|a, b| b.bm25.partial_cmp(&a.bm25).unwrap_or(Ordering::Equal)),
                Order::Score => hits.sort_by(|a, b| b.score.partial_cmp(&a.score).unwrap_or(Ordering::Equal)),
                Order::Descending => hits.sort_by_key(|hit| Reverse(hit.rowid)),
                Order::Ascending | Order::Own => hits.sort_by_key(|hit| hit.rowid),
            }
        }
        let mut scan = SearchScan {
            search,
            legs,
            sorted: sorted.map(Vec::into_iter),
            ahead: Vec::new().into_iter(),
            batch: if unranked { FIRST_BATCH } else { 0 },
            hit: Hit::bare(0),
            query: Rc::new(asked),
            row: OnceCell::new(),
            vectors: OnceCell::new(),
            looked: Cell::new(!counts),
            given: 0,
            ranked,
            counted: None,
            resumed: OnceCell::new(),
            changes: shared.changes(),
        };
        Ok(if scan.next(shared)? { Some(scan) } else { None })
    }

    /// Goes on to the next row that is still there; false at the end.
    pub fn next(&mut self, shared: &TableState) -> Result<bool> {
        let began = self.changes;
        self.step(shared).map_err(|error| match shared.changes().taken_back(began) {
            // What the search needs may be gone with it: that is no damage.
            true => rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_ABORT_ROLLBACK), None).into(),
            false => error,
        })
    }

    fn step(&mut self, shared: &TableState) -> Result<bool> {
        if let Some(scan) = self.resumed.take() {
            *self = *scan;
        }
        self.row = OnceCell::new();
        self.vectors = OnceCell::new();
        if let Some(more) = self.count(shared)? {
            return Ok(more);
        }
        self.given += 1;
        loop {
            let hit = match self.ahead.next() {
                Some(rowid) => Some(Hit::bare(rowid)),
                None => self.fetch(shared)?,
            };
            let Some(hit) = hit else { return Ok(false) };
            self.hit = hit;
            // Only this connection can have deleted a row of the snapshot that it reads.
            if shared.changes() == self.changes
                || shared.collection.storage.row_exists(shared.conn(), self.hit.rowid)?
            {
                return Ok(true);
            }
            self.search.skip_last();
        }
    }

    /// The value at a position of the current row, which is read when first asked for.
    pub fn value(&self, shared: &TableState, position: usize) -> Result<Option<&Value>> {
        if self.row.get().is_none() {
            let _ = self.row.set(shared.collection.storage.row(shared.conn(), self.hit.rowid)?);
        }
        Ok(self.row.get().and_then(|row| row.as_ref()?.values.get(position)))
    }

    /// The stored vectors of the current row, read when first asked for.
    pub fn vectors(&self, shared: &TableState) -> Result<&VectorBytes> {
        if let Some(read) = self.vectors.get() {
            return Ok(read);
        }
        let vectors = shared.collection.storage.vectors(shared.conn(), self.hit.rowid)?;
        Ok(self.vectors.get_or_init(|| vectors))
    }

    /// The scan to read the current row from.
    pub fn looked_at(&self, shared: &TableState) -> Result<&Self> {
        self.looked.set(true);
        if self.counted.is_none() {
            return Ok(self);
        }
        if self.resumed.get().is_none() {
            let _ = self.resumed.set(Box::new(self.resume(shared)?));
        }
        Ok(self.resumed.get().map_or(self, |scan| scan))
    }

    /// Goes on to the next row without finding out which it is, where nobody has looked at one so far: `count(*)` never
    /// does. `None` where rows are looked at.
    fn count(&mut self, shared: &TableState) -> Result<Option<bool>> {
        if self.looked.get() || self.given < self.ranked {
            return Ok(None);
        }
        if shared.changes() != self.changes {
            // Rows may be gone: from here on each is looked up.
            if self.counted.is_some() {
                *self = self.resume(shared)?;
            }
            self.looked.set(true);
            return Ok(None);
        }
        if shared.host.interrupted() {
            return Err(Error::Interrupted);
        }
        if self.counted.is_none() {
            self.counted = self.search.total(shared.on())?;
        }
        let Some(total) = self.counted else {
            self.looked.set(true);
            return Ok(None);
        };
        self.given += 1;
        Ok(Some(self.given <= total))
    }

    /// The scan at the current row, for a scan that only counts.
    fn resume(&self, shared: &TableState) -> Result<Self> {
        let before = self.given.saturating_sub(1);
        let mut search = self.search.resumed(shared.on(), before)?;
        let hit = search.next(shared.on())?;
        let hit =
            hit.ok_or_else(|| Error::corrupt("the full-text index", "rows that match are not ranked"))?;
        Ok(Self {
            search,
            legs: Rc::clone(&self.legs),
            sorted: None,
            ahead: Vec::new().into_iter(),
            batch: 0,
            hit,
            query: Rc::clone(&self.query),
            row: OnceCell::new(),
            vectors: OnceCell::new(),
            looked: Cell::new(true),
            given: self.given,
            ranked: self.ranked,
            counted: None,
            resumed: OnceCell::new(),
            changes: self.changes,
        })
    }

    fn fetch(&mut self, shared: &TableState) -> Result<Option<Hit>> {
        if shared.host.interrupted() {
            return Err(Error::Interrupted);
        }
        if let Some(sorted) = &mut self.sorted {
            return Ok(sorted.next());
        }
        if self.batch > 0
            && let Some(rowids) = self.search.listed(shared.on(), self.batch)?
        {
            self.batch = (self.batch * 4).min(LARGEST_BATCH);
            self.ahead = rowids.into_iter();
            return Ok(self.ahead.next().map(Hit::bare));
        }
        self.search.next(shared.on())
    }
}

/// All rows of a search that comes in another order than SQLite was promised: a text turned out to be a hybrid query, or
/// a function reads scores.
fn rest(shared: &TableState, search: &mut Search) -> Result<Vec<Hit>> {
    let mut hits = Vec::new();
    while let Some(hit) = search.next(shared.on())? {
        if shared.host.interrupted() {
            return Err(Error::Interrupted);
        }
        hits.push(hit);
    }
    Ok(hits)
}
