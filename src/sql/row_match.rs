//! What MATCH as a function found out about the current row of a cursor.
//!
//! SQLite offers a MATCH to the table only where it may drive the scan. Elsewhere (in WHERE over the right side of a LEFT
//! JOIN, under OR and NOT, in a SELECT list) it reads the column of each row and calls the function, and then the hidden
//! columns of that row answer from here. What cannot be known is an error: NULLs would sort, and cut, the wrong rows.

use super::callers::{Calls, Reads};
use super::leg_values;
use super::module::Peer;
use super::table_state::TableState;
use crate::error::{Error, Result};
use crate::schema::ColumnKind;
use crate::value::Value;
use crate::vector::{Store, metric};
use rusqlite::types::ValueRef;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::{Arc, Weak};

/// The current row of a scan of rows.
#[derive(Default)]
pub struct RowMatch {
    /// What the statement calls, and what the scan reads.
    caller: Cell<(Calls, Reads)>,
    text: Cell<bool>,
    vector: RefCell<Vectors>,
    query: RefCell<Option<Query>>,
}

/// Vector queries that the current row was matched with.
#[derive(Default, Clone)]
enum Vectors {
    #[default]
    None,
    /// Column, query, and the distance; no distance where the query or the vector is NULL.
    One(usize, Option<Rc<[f32]>>, Option<f64>),
    Several,
}

/// The last query as it was given, and as it was read: most statements match all rows with one.
struct Query {
    column: usize,
    given: Value,
    subtype: u32,
    read: Option<Rc<[f32]>>,
}

impl RowMatch {
    /// A scan starts; see [`super::callers::Callers::calls`].
    pub fn start(&self, caller: (Calls, Reads)) {
        self.caller.set(caller);
        self.next_row();
    }

    /// Another row is the current one.
    pub fn next_row(&self) {
        self.text.set(false);
        self.vector.replace(Vectors::None);
    }

    /// A text was matched with the row.
    pub fn text_matched(&self) {
        self.text.set(true);
    }

    fn called(&self) -> bool {
        self.caller.get().0.matches > 0
    }

    /// Distance of the row.
    pub fn distance(&self, shared: &TableState) -> Result<Option<f64>> {
        match &*self.vector.borrow() {
            Vectors::One(_, _, distance) => Ok(*distance),
            Vectors::None if !(self.called() && self.caller.get().1.vector) => Ok(None),
            _ => Err(unknown(shared, &shared.collection.schema.hidden("distance"))),
        }
    }

    /// Rank of the row: that of a vector search is the distance, another one only a search knows.
    pub fn rank(&self, shared: &TableState) -> Result<Option<f64>> {
        match &*self.vector.borrow() {
            Vectors::One(_, _, distance) if !self.text.get() => Ok(*distance),
            Vectors::None if !self.called() => Ok(None),
            _ => Err(unknown(shared, &shared.collection.schema.hidden("rank"))),
        }
    }

    /// Refuses to tell the score of a text, which `what` asks for, if a function matched one with the row, or may yet.
    pub fn refuse_bm25(&self, shared: &TableState, what: &str) -> Result<()> {
        let maybe = matches!(*self.vector.borrow(), Vectors::None) && self.caller.get().1.text;
        if self.called() && (self.text.get() || maybe) {
            return Err(unknown(shared, what));
        }
        Ok(())
    }

    /// Refuses `what` marks words, where a function matched a text with the row and did not keep which words.
    pub fn refuse_marks(&self, shared: &TableState, what: &str) -> Result<()> {
        if self.text.get() { Err(unknown(shared, what)) } else { Ok(()) }
    }

    /// Refuses `what` only a search can tell, where a MATCH is none.
    pub fn refuse(&self, shared: &TableState, what: &str) -> Result<()> {
        if self.called() { Err(unknown(shared, what)) } else { Ok(()) }
    }

    /// Refuses to tell `k` where a MATCH is not the search that it cuts.
    pub fn k(&self, shared: &TableState) -> Result<()> {
        if self.called() { Err(no_search(shared)) } else { Ok(()) }
    }
}

/// `k = ?` in a scan that is no search.
pub fn no_search(shared: &TableState) -> Error {
    let k = shared.collection.schema.hidden("k");
    Error::Value(format!(
        "{}: {k} limits a search, but this query has none: put {k} = ? next to a MATCH in the ON clause or in a subquery, not \
         under OR or NOT",
        shared.table()
    ))
}

fn unknown(shared: &TableState, what: &str) -> Error {
    Error::Value(format!(
        "{}: {what} is not known here: SQLite calls this MATCH for single rows (over an outer join, under OR or NOT, in a \
         SELECT list); move it into the ON clause or into a subquery, where it is a search",
        shared.table()
    ))
}

/// Table and row of a value that a cursor handed out, kept by the thread for a MATCH that is called with the value.
///
/// The connection may go on to another thread while they are kept here. So the counts are atomic, and nobody but a function
/// of the same connection, which the thread then has, gets at what they count.
pub struct Origin {
    connection: Peer,
    shared: Weak<TableState>,
    row: Weak<RowMatch>,
}

impl Origin {
    /// The current row of a cursor.
    pub fn of(shared: &Arc<TableState>, row: &Arc<RowMatch>) -> Self {
        let connection = Peer::of(&shared.host);
        Self { connection, shared: Arc::downgrade(shared), row: Arc::downgrade(row) }
    }

    /// Table and row, if they are there, for a function that `caller` runs.
    pub fn known_to(&self, caller: Peer) -> Option<(Arc<TableState>, Option<Arc<RowMatch>>)> {
        if self.connection != caller {
            return None;
        }
        Some((self.shared.upgrade()?, self.row.upgrade()))
    }
}

/// A vector that a cursor handed out.
struct Read {
    origin: Origin,
    column: usize,
    bytes: Option<Vec<u8>>,
}

thread_local! {
    /// MATCH as a function gets the vector alone. SQLite reads it, the last argument, immediately before the call.
    static LAST: RefCell<Option<Read>> = const { RefCell::new(None) };
}

/// Remembers that a cursor handed out a vector, or the NULL in its place.
pub fn remember_vector(origin: Origin, column: usize, bytes: Option<&[u8]>) {
    LAST.set(Some(Read { origin, column, bytes: bytes.map(<[u8]>::to_vec) }));
}

/// `NULL MATCH query`: the row has no vector, so it has no distance either.
pub fn match_no_vector(caller: Peer) {
    LAST.with_borrow(|last| {
        if let Some(Read { origin, column, bytes: None }) = last
            && let Some((_, Some(row))) = origin.known_to(caller)
        {
            let mut known = row.vector.borrow_mut();
            if matches!(*known, Vectors::None) {
                *known = Vectors::One(*column, None, None);
            }
        }
    });
}

/// `vector MATCH query` for the row whose vector was handed out last: NULL for a NULL query, otherwise true.
pub fn match_vector(caller: Peer, vector: &[u8], query: ValueRef<'_>, subtype: u32) -> Result<Option<bool>> {
    let found = LAST.with_borrow(|last| {
        let last = last.as_ref().filter(|last| last.bytes.as_deref() == Some(vector))?;
        let (shared, row) = last.origin.known_to(caller)?;
        Some((shared, row?, last.column))
    });
    let Some((shared, row, column)) = found else {
        return Err(Error::QueryText("MATCH needs a VECTOR or FULLTEXT column on its left".into()));
    };
    row.match_vector(&shared, column, vector, query, subtype)
}

impl RowMatch {
    fn match_vector(
        &self,
        shared: &TableState,
        column: usize,
        vector: &[u8],
        given: ValueRef<'_>,
        subtype: u32,
    ) -> Result<Option<bool>> {
        let query = self.read(shared, column, given, subtype)?;
        let ColumnKind::Vector(spec) = &shared.collection.schema.columns[column].kind else {
            return Ok(None);
        };
        let distance =
            query.as_ref().map(|query| metric::distance_to_stored(spec.metric, query, Store::F32, vector));
        let mut known = self.vector.borrow_mut();
        // One MATCH in the statement can come again for the same row with another query: that of another row of a join.
        let other = match &*known {
            Vectors::One(of, old, Some(_)) => *of != column || *old != query,
            Vectors::One(..) | Vectors::None => false,
            Vectors::Several => true,
        };
        let several = other && self.caller.get().0.matches > 1;
        *known = if several { Vectors::Several } else { Vectors::One(column, query.clone(), distance) };
        Ok(query.map(|_| true))
    }

    fn read(
        &self,
        shared: &TableState,
        column: usize,
        given: ValueRef<'_>,
        subtype: u32,
    ) -> Result<Option<Rc<[f32]>>> {
        let given = Value::from(given);
        if let Some(last) = &*self.query.borrow()
            && last.column == column
            && last.subtype == subtype
            && last.given == given
        {
            return Ok(last.read.clone());
        }
        let leg = leg_values::vector_leg(shared, column, given.as_ref(), subtype)?;
        let read = leg.map(|leg| Rc::from(leg.query));
        self.query.replace(Some(Query { column, given, subtype, read: read.clone() }));
        Ok(read)
    }
}
