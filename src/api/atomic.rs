//! Work on one snapshot, and work that is written as a whole or not at all.

use super::statement::error_of;
use crate::error::Result;
use rusqlite::Connection;

/// Runs `work` on one snapshot: inside the transaction that is open, or in a read transaction of its own.
pub(super) fn reading<T>(conn: &Connection, work: impl FnOnce() -> Result<T>) -> Result<T> {
    within(conn, ("BEGIN", "COMMIT", "ROLLBACK"), None, || {
        // SQLite forgets an interrupt when a statement begins and none is at work: this one is, until the end of the call.
        let mut held = conn.prepare_cached("SELECT NULL")?;
        let mut rows = held.query([])?;
        rows.next()?;
        work()
    })
}

/// Runs `work` as one unit: all of it is written, or nothing. Inside an open transaction it is a savepoint.
pub(super) fn writing<T>(conn: &Connection, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let nested = ("SAVEPOINT nearlite", "RELEASE nearlite", "ROLLBACK TO nearlite; RELEASE nearlite");
    within(conn, ("BEGIN IMMEDIATE", "COMMIT", "ROLLBACK"), Some(nested), work)
}

type Bracket = (&'static str, &'static str, &'static str);

fn within<T>(
    conn: &Connection,
    outer: Bracket,
    nested: Option<Bracket>,
    work: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let bracket = if conn.is_autocommit() { Some(outer) } else { nested };
    let Some((begin, commit, rollback)) = bracket else { return work() };
    conn.execute_batch(begin)?;
    let undo = Undo { conn, rollback };
    let done = work()?;
    // A commit seals segments, which can fail.
    conn.execute_batch(commit).map_err(error_of)?;
    std::mem::forget(undo);
    Ok(done)
}

/// Rolls back when dropped: after an error, a failed commit or a panic of the caller's code.
struct Undo<'c> {
    conn: &'c Connection,
    rollback: &'static str,
}

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        if !self.conn.is_autocommit() {
            // SQLite may have rolled back by itself; then there is nothing left to undo.
            let _ = self.conn.execute_batch(self.rollback);
        }
    }
}
