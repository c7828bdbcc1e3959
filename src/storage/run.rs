//! Runs statements that change shadow tables.
//!
//! Under `PRAGMA count_changes` each of them returns a row, which is nobody's concern here; rusqlite's `execute` takes it
//! for a mistake of its caller.

use rusqlite::{Connection, Error, ErrorCode, Params, Result, Rows, Statement};

pub(super) trait Run {
    /// Runs the statement to its end.
    fn run(&mut self, params: impl Params) -> Result<()>;
    /// As [`run`](Self::run), with the parameters that were bound one by one.
    fn run_bound(&mut self) -> Result<()>;
}

impl Run for Statement<'_> {
    fn run(&mut self, params: impl Params) -> Result<()> {
        finish(self.query(params)?)
    }

    fn run_bound(&mut self) -> Result<()> {
        finish(self.raw_query())
    }
}

fn finish(mut rows: Rows<'_>) -> Result<()> {
    while rows.next()?.is_some() {}
    Ok(())
}

/// Runs a statement that is not needed again soon.
pub(super) fn run(conn: &Connection, sql: &str, params: impl Params) -> Result<()> {
    conn.prepare(sql)?.run(params)
}

/// What kind of error it is, if it is SQLite's: one of compiling a statement may come with the place in its SQL.
pub(super) fn code_of(error: &Error) -> Option<ErrorCode> {
    match error {
        Error::SqliteFailure(cause, _) | Error::SqlInputError { error: cause, .. } => Some(cause.code),
        _ => None,
    }
}
