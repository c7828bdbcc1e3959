//! `row_matches(table, filter)` and `json_matches(column, filter)` as functions of the current row of a table, for the
//! calls that SQLite does not offer to the search.

use super::auxiliary::RowHandle;
use super::functions::{self, JSON_MATCHES, ROW_MATCHES, filter_text};
use super::module::{Args, FunctionContext};
use crate::error::{Error, Result};
use rusqlite::types::ValueRef;

/// `row_matches(table, filter)`; NULL on the NULL row of an outer join.
pub fn row_matches(out: &mut FunctionContext<'_>, args: &Args<'_>) -> Result<()> {
    let Some(handle) = args.pointer::<RowHandle>(0, RowHandle::NAME) else {
        return match args.value(0) {
            ValueRef::Null => Ok(()),
            _ => Err(Error::Value(format!(
                "{ROW_MATCHES}: the first argument is the table itself, not a column of it; {JSON_MATCHES} takes a JSON column"
            ))),
        };
    };
    let shared = &handle.shared;
    let place = format!("{}: {ROW_MATCHES}", shared.table());
    let Some(text) = filter_text(&place, args.value(1))? else { return Ok(()) };
    let filter = shared.row_filter(text)?;
    if let Some(row) = shared.collection.storage.row(shared.conn(), handle.rowid)? {
        out.set_integer(i64::from(filter.matches(&row)));
    }
    Ok(())
}

/// `json_matches(column, filter)`.
pub fn json_matches(out: &mut FunctionContext<'_>, args: &Args<'_>) -> Result<()> {
    if let Some(handle) = args.pointer::<RowHandle>(0, RowHandle::NAME) {
        let table = handle.shared.table();
        return Err(Error::Value(format!(
            "{table}: {JSON_MATCHES} takes a JSON column; to filter by all columns write {ROW_MATCHES}({table}, filter)"
        )));
    }
    functions::json_matches(out, args)
}
