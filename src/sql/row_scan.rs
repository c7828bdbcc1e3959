//! A plain scan: rows in order of rowid, in batches, without a search.

use super::table_state::{Changes, TableState};
use crate::columns::affinity::text_to_number;
use crate::error::Result;
use crate::storage::{Row, VectorBytes};
use crate::value::{Op, Value};
use std::cell::{Ref, RefCell};

/// Rows fetched at once.
const BATCH: usize = 128;

/// A scan under way.
pub struct RowScan {
    pub rows: Vec<Row>,
    pub at: usize,
    range: (i64, i64),
    descending: bool,
    ended: bool,
    /// Rows to look up once the range is read, the next one last.
    rest: Vec<i64>,
    vectors: RefCell<Option<(i64, VectorBytes)>>,
    /// Of the connection, when the batch was read.
    changes: Changes,
}

impl RowScan {
    /// The rows of a range of rowids and those of `rest`, in order of rowid.
    pub fn new(range: (i64, i64), descending: bool, mut rest: Vec<i64>) -> Self {
        rest.sort_unstable();
        rest.dedup();
        if !descending {
            rest.reverse();
        }
        let vectors = RefCell::new(None);
        Self {
            rows: Vec::new(),
            at: 0,
            range,
            descending,
            ended: false,
            rest,
            vectors,
            changes: Changes::default(),
        }
    }

    /// Goes on to the next row that is still there; false at the end.
    pub fn next(&mut self, shared: &TableState) -> Result<bool> {
        let (storage, conn) = (&shared.collection.storage, shared.conn());
        self.at += 1;
        while let Some(row) = self.rows.get_mut(self.at) {
            // Only this connection can have changed the snapshot that it reads.
            if shared.changes() == self.changes {
                return Ok(true);
            }
            if let Some(now) = storage.row(conn, row.rowid)? {
                *row = now;
                self.vectors.replace(None);
                return Ok(true);
            }
            self.at += 1;
        }
        self.fetch(shared)
    }

    /// The value at a position of the current row.
    pub fn value(&self, position: usize) -> Option<&Value> {
        self.rows.get(self.at)?.values.get(position)
    }

    /// The stored vectors of the current row, read when first asked for.
    pub fn vectors(&self, shared: &TableState) -> Result<Option<Ref<'_, VectorBytes>>> {
        let Some(row) = self.rows.get(self.at) else { return Ok(None) };
        if self.vectors.borrow().as_ref().is_none_or(|(of, _)| *of != row.rowid) {
            let vectors = shared.collection.storage.vectors(shared.conn(), row.rowid)?;
            self.vectors.replace(Some((row.rowid, vectors)));
        }
        Ok(Ref::filter_map(self.vectors.borrow(), |read| read.as_ref().map(|(_, vectors)| vectors)).ok())
    }

    /// Reads the next batch; false at the end.
    pub fn fetch(&mut self, shared: &TableState) -> Result<bool> {
        let (storage, conn) = (&shared.collection.storage, shared.conn());
        let last = loop {
            if !self.ended && self.range.0 <= self.range.1 {
                self.rows = storage.rows_between(conn, self.range, self.descending, BATCH)?;
                self.changes = shared.changes();
                self.at = 0;
                if let Some(last) = self.rows.last() {
                    break last;
                }
            }
            let Some(next) = self.rest.pop() else { return Ok(false) };
            self.range = (next, next);
            self.ended = false;
        };
        // The next batch starts behind the last row; at the end of the number line there is none.
        let next = if self.descending { last.rowid.checked_sub(1) } else { last.rowid.checked_add(1) };
        match (next, self.descending) {
            (Some(next), false) => self.range.0 = next,
            (Some(next), true) => self.range.1 = next,
            (None, _) => self.ended = true,
        }
        Ok(true)
    }
}

/// The number that SQLite may take a text for. Some versions of it read no further than the first NUL.
fn number_of(text: &str) -> Option<Value> {
    text_to_number(text.split('\0').next().unwrap_or_default())
}

/// A range without rowids.
pub const EMPTY: (i64, i64) = (1, 0);

/// Narrows a range of rowids by a comparison with any value, as SQLite compares an integer with it.
pub fn narrow(range: &mut (i64, i64), op: Op, value: &Value) {
    // An integer is smaller than any text or blob; NULL compares with nothing.
    let bound = match value {
        Value::Null => {
            *range = EMPTY;
            return;
        }
        Value::Text(_) | Value::Blob(_) => {
            if matches!(op, Op::Eq | Op::Gt | Op::Ge) {
                // Text that looks like a number is converted by SQLite before the comparison; it checks again.
                if let Some(number) = value.as_text().and_then(number_of) {
                    return narrow(range, op, &number);
                }
                *range = EMPTY;
            }
            return;
        }
        Value::Integer(int) => (*int, *int),
        // The integers around a float: SQLite checks the term itself, so the range may be one too wide.
        Value::Real(real) => (real.floor() as i64, real.ceil() as i64),
    };
    match op {
        Op::Eq => {
            range.0 = range.0.max(bound.0);
            range.1 = range.1.min(bound.1);
        }
        Op::Gt | Op::Ge => range.0 = range.0.max(bound.0),
        Op::Lt | Op::Le => range.1 = range.1.min(bound.1),
        Op::Ne => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_never_lose_a_rowid_that_sqlite_would_keep() {
        let narrowed = |op, value| {
            let mut range = (i64::MIN, i64::MAX);
            narrow(&mut range, op, &value);
            range
        };
        assert_eq!(narrowed(Op::Eq, Value::Integer(5)), (5, 5));
        assert_eq!(narrowed(Op::Gt, Value::Real(2.5)).0, 2);
        assert_eq!(narrowed(Op::Le, Value::Real(2.5)).1, 3);
        assert_eq!(narrowed(Op::Lt, Value::Text("x".into())), (i64::MIN, i64::MAX));
        assert_eq!(narrowed(Op::Eq, Value::Text(" 7 ".into())), (7, 7));
        assert_eq!(narrowed(Op::Eq, Value::Text("7\0".into())), (7, 7));
        let beyond_f64 = (1 << 53) + 1;
        assert_eq!(narrowed(Op::Eq, Value::Text(beyond_f64.to_string())), (beyond_f64, beyond_f64));
        let (low, high) = narrowed(Op::Gt, Value::Null);
        assert!(low > high);
    }
}
