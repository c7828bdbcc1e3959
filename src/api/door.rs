//! Where a collection runs: on a pool, or on one connection of the caller's; and transactions on either.

use super::database::Database;
use super::pool::Lease;
use super::statement::told;
use crate::error::Result;
use rusqlite::Connection;

/// Something that can lend a connection: a [`Database`](crate::Database) or a `&Connection`.
pub trait Door: Clone + sealed::Sealed {
    /// Runs `work` with a connection on which nearlite is registered.
    #[doc(hidden)]
    fn with<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T>;

    /// Runs `work` as one unit of writing.
    #[doc(hidden)]
    fn write<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T>;

    /// A collection was written.
    #[doc(hidden)]
    fn wrote(&self, table: &str) {
        let _ = table;
    }

    /// Connections that can work at the same time.
    #[doc(hidden)]
    fn width(&self) -> usize;

    /// A connection for longer than one call.
    #[doc(hidden)]
    fn hold(&self) -> Result<Held<'_>>;

    /// Runs `work` for each index below `count`, on several threads where the door has several connections; answers
    /// in order of the index.
    #[doc(hidden)]
    fn spread<T: Send>(
        &self,
        count: usize,
        work: &(dyn Fn(&Connection, usize) -> Result<T> + Sync),
    ) -> Result<Vec<T>>;
}

/// A connection held for longer than one call.
#[doc(hidden)]
pub enum Held<'c> {
    /// Taken out of a pool; goes back, and ends its transaction, when it is dropped.
    Lease(Lease),
    /// The only connection of a database in memory, borrowed anew for each call.
    Shared(Database),
    /// The caller's.
    Own(&'c Connection),
}

impl Held<'_> {
    pub(super) fn with<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        match self {
            Self::Lease(lease) => work(lease.get()?),
            Self::Shared(database) => database.with(work),
            Self::Own(conn) => work(conn),
        }
    }

    /// Whether a read transaction may stay open between calls.
    pub(super) fn keeps_snapshot(&self) -> bool {
        matches!(self, Self::Lease(_))
    }
}

pub(super) mod sealed {
    pub trait Sealed {}
}

impl sealed::Sealed for &Connection {}

impl Door for &Connection {
    fn with<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        work(self)
    }

    fn write<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        writing(self, || work(self))
    }

    fn width(&self) -> usize {
        1
    }

    fn hold(&self) -> Result<Held<'_>> {
        Ok(Held::Own(self))
    }

    fn spread<T: Send>(
        &self,
        count: usize,
        work: &(dyn Fn(&Connection, usize) -> Result<T> + Sync),
    ) -> Result<Vec<T>> {
        (0..count).map(|at| work(self, at)).collect()
    }
}

/// Runs `work` on one snapshot: inside the transaction that is open, or in a read transaction of its own.
pub(super) fn reading<T>(conn: &Connection, work: impl FnOnce() -> Result<T>) -> Result<T> {
    within(conn, ("BEGIN", "COMMIT", "ROLLBACK"), None, work)
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
    conn.execute_batch(commit).map_err(told)?;
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
