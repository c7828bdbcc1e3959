//! A safe face on SQLite's virtual table interface (`sqlite3_module`, version 4).
//!
//! A table type implements [`VirtualTable`] and [`VirtualCursor`] in safe Rust and is registered with
//! [`register_module`]. This module owns three promises:
//! * **no panic crosses into SQLite**: every callback runs under `catch_unwind` and reports `SQLITE_INTERNAL`;
//! * **an error arrives whole**: its sentence becomes the statement's message, its kind the result code ([`code_of`]);
//! * **callbacks may nest**: a trigger can re-enter the table that fired it, so tables get `&self` and keep what
//!   changes in a `Cell` or `RefCell` that is never borrowed across a call into SQLite.
//!
//! SQLite destroys and reconnects a table object at every reparse of the schema. What must outlive that belongs in
//! [`Host::shared`], which lives as long as the connection's registration.
//!
//! The `unsafe` code is in the submodules; they know SQLite and nothing of nearlite's tables.

mod atomic;
mod cursor_callbacks;
mod depth;
mod fork;
mod function;
mod guard;
mod host;
mod index_info;
mod peer;
mod trampoline;
mod transaction_callbacks;
mod value;

pub(crate) use atomic::{opening, register as register_atomic};
pub(crate) use fork::NoFork;
pub(crate) use function::{
    AuxFunction, FunctionContext, overload_function, register_function, register_inner_function,
    register_reading_function,
};
pub(crate) use host::Host;
pub(crate) use index_info::{Constraint, ConstraintOp, IndexInfo};
pub(crate) use peer::{Doing, Peer, Peers, obstacle};
pub(crate) use trampoline::register_module;
pub(crate) use value::{Args, Output, f32_slice};

#[cfg(feature = "__loadable_extension")]
pub use host::set_host_routines;

use crate::error::{Error, Result};
use rusqlite::ffi;

/// One kind of virtual table. SQLite may call any method while another one of the same table is running.
pub(crate) trait VirtualTable: Sized + 'static {
    /// A scan over the table.
    type Cursor: VirtualCursor;

    /// Suffixes of the shadow tables (`"rows"` for `t_rows`): protected from direct writes on defensive connections.
    const SHADOWS: &'static [&'static str];

    /// Exists in every schema without CREATE (`SELECT * FROM name(...)`) and is read-only; its hidden columns are
    /// the arguments. Such a table never sees `update`, `destroy`, `rename` or the transaction calls.
    const EPONYMOUS: bool = false;

    /// Makes (`create`) or opens a table. `args` is `[module, schema, table, declared arguments...]`.
    ///
    /// Returns the table and the `CREATE TABLE x(...)` text that declares its columns to SQLite.
    fn connect(host: Host, args: &[&str], create: bool) -> Result<(Self, String)>;

    /// Says how a scan with these constraints would run. Called many times while one statement is planned.
    fn best_index(&self, info: &mut IndexInfo<'_>) -> Result<Verdict>;

    /// A cursor that has not been filtered yet. It never outlives the table.
    fn open(&self) -> Result<Self::Cursor>;

    /// Writes one row; the rowid of an inserted row is returned (otherwise the value is ignored).
    ///
    /// An error must leave nothing of this row behind: SQLite has no statement journal for a single-row INSERT.
    fn update(&self, change: Change<'_>) -> Result<i64> {
        let _ = change;
        Err(Error::Unknown("this table is read-only".into()))
    }

    /// DROP TABLE: removes what `connect` created. After an error the table stays.
    fn destroy(&self) -> Result<()> {
        Ok(())
    }

    /// ALTER TABLE RENAME; SQLite reconnects the table afterwards.
    fn rename(&self, new: &str) -> Result<()> {
        let _ = new;
        Err(Error::Unknown("this table cannot be renamed".into()))
    }

    /// `PRAGMA integrity_check` (`quick`: `quick_check`), SQLite 3.44 and newer: what is wrong, or `None`.
    fn integrity(&self, quick: bool) -> Result<Option<String>> {
        let _ = quick;
        Ok(None)
    }

    /// First write of a transaction. SQLite skips this call for a table created in the same transaction.
    fn begin(&self) -> Result<()> {
        Ok(())
    }

    /// Before the commit: the last call that may fail. Other virtual tables cannot be written here.
    fn sync(&self) -> Result<()> {
        Ok(())
    }

    /// After the commit. SQLite ignores errors.
    fn commit(&self) -> Result<()> {
        Ok(())
    }

    /// After a rollback. SQLite ignores errors.
    fn rollback(&self) -> Result<()> {
        Ok(())
    }

    /// Savepoint `level` opens.
    fn savepoint(&self, level: i32) -> Result<()> {
        let _ = level;
        Ok(())
    }

    /// Savepoint `level` and the ones inside it are gone, their changes kept.
    fn release(&self, level: i32) -> Result<()> {
        let _ = level;
        Ok(())
    }

    /// Everything since savepoint `level` was undone; the savepoint stays open.
    fn rollback_to(&self, level: i32) -> Result<()> {
        let _ = level;
        Ok(())
    }

    /// The function that `name(table, ...)` means for this table, see [`overload_function`]. With a code of
    /// [`index_info::FUNCTION_CODES`] beside it, `best_index` is offered `name(column, value)` as [`ConstraintOp::Function`].
    fn find_function(&self, name: &str, nargs: i32) -> Option<(AuxFunction, Option<u8>)> {
        let _ = (name, nargs);
        None
    }
}

/// A scan. SQLite calls `filter`, then `column`/`rowid` and `next` until `eof`; then perhaps `filter` again.
pub(crate) trait VirtualCursor: 'static {
    /// Starts a scan as planned by `best_index`. `idx_str` is empty when none was set.
    fn filter(&mut self, idx_num: i32, idx_str: &str, args: &Args<'_>) -> Result<()>;
    /// Moves to the next row.
    fn next(&mut self) -> Result<()>;
    /// Whether the scan is past its last row. Asked once after each `filter` and `next`.
    fn eof(&self) -> bool;
    /// Writes the value of column `index` of the current row; nothing written means NULL.
    fn column(&self, out: &mut Output<'_>, index: usize) -> Result<()>;
    /// Rowid of the current row.
    fn rowid(&self) -> Result<i64>;
}

/// Answer of [`VirtualTable::best_index`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The plan in the [`IndexInfo`] works.
    Plan,
    /// No plan works while these terms are unusable; SQLite must try another join order.
    Unusable,
}

/// One row to write.
pub(crate) enum Change<'a> {
    /// Removes a row.
    Delete {
        /// Its rowid.
        rowid: i64,
    },
    /// Adds a row.
    Insert {
        /// The rowid asked for, if any.
        rowid: Option<i64>,
        /// One value per declared column, hidden ones included.
        values: Args<'a>,
        /// What to do when a key exists already.
        conflict: Conflict,
    },
    /// Replaces a row.
    Update {
        /// Rowid before.
        old_rowid: i64,
        /// Rowid after.
        new_rowid: i64,
        /// One value per declared column; [`Args::nochange`] tells which were not assigned.
        values: Args<'a>,
        /// What to do when the new key exists already.
        conflict: Conflict,
    },
}

/// The `OR ...` of a statement. A table that supports it calls [`Host::config_constraint_support`] in `connect`;
/// then `Ignore`, `Fail`, `Rollback` and `Abort` only need [`Error::Constraint`], and `Replace` is its own work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conflict {
    /// OR ROLLBACK.
    Rollback,
    /// OR IGNORE.
    Ignore,
    /// OR FAIL.
    Fail,
    /// OR ABORT, the default.
    Abort,
    /// OR REPLACE.
    Replace,
}

/// The SQLite result code that tells what kind of error this is.
///
/// A constraint message that starts with `UNIQUE` or `NOT NULL` gets that extended code.
pub(crate) fn code_of(error: &Error) -> i32 {
    match error {
        Error::Corrupt { .. } => ffi::SQLITE_CORRUPT_VTAB,
        Error::Interrupted => ffi::SQLITE_INTERRUPT,
        Error::OutOfMemory { .. } => ffi::SQLITE_NOMEM,
        Error::Constraint(what) if what.starts_with("UNIQUE") => ffi::SQLITE_CONSTRAINT_UNIQUE,
        Error::Constraint(what) if what.starts_with("NOT NULL") => ffi::SQLITE_CONSTRAINT_NOTNULL,
        Error::Constraint(_) => ffi::SQLITE_CONSTRAINT_VTAB,
        Error::Sqlite(rusqlite::Error::SqliteFailure(cause, _)) => cause.extended_code,
        Error::Sqlite(rusqlite::Error::SqlInputError { error: cause, .. }) => cause.extended_code,
        _ => ffi::SQLITE_ERROR,
    }
}

#[cfg(test)]
mod tests;
