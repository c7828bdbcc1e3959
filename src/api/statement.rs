//! Parts of the SQL that the Rust door writes, and what its failures mean.

use crate::collection::OpenCollection;
use crate::courier;
use crate::error::{Error, Result};
use crate::query::{self, Filter};
use crate::schema::quoted;
use crate::value::Value;
use rusqlite::{Connection, ErrorCode, Rows};

/// Qualified, quoted name of the table.
pub(super) fn target(inner: &OpenCollection) -> String {
    format!("{}.{}", quoted(&inner.storage.database), quoted(&inner.storage.table))
}

/// The statement that runs a command with an argument: `?1` and `?2`.
pub(super) fn command_sql(inner: &OpenCollection) -> String {
    let rank = quoted(&inner.schema.hidden("rank"));
    format!("INSERT INTO {}({}, {rank}) VALUES(?1, ?2)", target(inner), quoted(inner.table()))
}

/// A filter as a condition in SQL, with its parameters. `None` is the filter that all rows pass.
pub(super) fn condition(
    inner: &OpenCollection,
    conn: &Connection,
    filter: Option<&Filter>,
) -> Result<(String, Vec<Value>)> {
    /// SQLite takes 32,766 parameters.
    const PARAMETERS: usize = 30_000;
    let Some(filter) = filter else { return Ok(("1".into(), Vec::new())) };
    if !filter.differs_in_sql(&inner.schema, inner.storage.utf8) {
        let mut params = Vec::new();
        let sql = filter.to_sql(inner.table(), &inner.schema, &mut params);
        if params.len() <= PARAMETERS {
            return Ok((sql, params));
        }
    }
    let pinned = inner.pin(conn)?;
    let mut rowids = query::passing_rowids(pinned.snapshot(inner.on(conn)), filter)?;
    rowids.sort_unstable();
    let list = Value::Text(serde_json::json!(rowids).to_string());
    Ok(("rowid IN (SELECT value FROM json_each(?))".into(), vec![list]))
}

/// Runs a statement that writes to its end, and returns the number of rows it changed. Under `PRAGMA count_changes` such a
/// statement returns a row, which rusqlite's `execute` takes for a mistake of its caller.
pub(super) fn change(conn: &Connection, mut rows: Rows<'_>) -> Result<usize> {
    while rows.next().map_err(error_of)?.is_some() {}
    Ok(usize::try_from(conn.changes()).unwrap_or(usize::MAX))
}

/// SQLite's error as ours, where it is a rule of the table that was broken.
pub(super) fn error_of(error: rusqlite::Error) -> Error {
    if let Some(left) = courier::collect(&error) {
        return left;
    }
    match &error {
        rusqlite::Error::SqliteFailure(code, Some(message)) => match code.code {
            ErrorCode::ConstraintViolation => Error::Constraint(message.clone()),
            ErrorCode::OperationInterrupted => Error::Interrupted,
            _ if message == "no such module: nearlite" => Error::Unknown(
                "this connection does not know nearlite; call nearlite::register(&conn) first".into(),
            ),
            _ => Error::Sqlite(error),
        },
        _ => Error::Sqlite(error),
    }
}
