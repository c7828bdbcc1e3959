//! The root: a random nonce that changes with every change to the set of segments or to a setting, and whether the tables of
//! the index are there.
//!
//! Up to version 5 it is the one row of `t_root`, and all tables are made at once. From version 6 on it is a row of `t_config`,
//! and says by its last bytes that `t_segments`, `t_chunks`, `t_tombstones` and `t_tiles` are not made yet, as long as that is
//! so. A snapshot says of itself which tables it has: after a rollback, on another connection, in a copy of the file. A damaged
//! root says that they are there, so that an index is never overlooked.

use super::Storage;
use super::run::{Run, code_of};
use super::tables::{INDEX, Nonce, ROOT, fresh_nonce, says_made};
use crate::error::{Error, Result};
use crate::schema::quoted;
use rusqlite::{Connection, OptionalExtension};

impl Storage {
    /// The nonce that changes with every change to the set of segments.
    pub fn nonce(&self, conn: &Connection) -> Result<Nonce> {
        let nonce = conn
            .prepare_cached(&self.sql.nonce)?
            .query_row([], |row| Ok(row.get_ref(0)?.as_blob().ok().and_then(|b| Nonce::try_from(b).ok())))
            .optional()?
            .flatten();
        nonce.ok_or_else(|| {
            let suffix = if self.lean { "config" } else { "root" };
            Error::corrupt(format!("{}_{suffix}", self.table), "it has no nonce of 16 bytes")
        })
    }

    /// Gives the root a fresh random nonce.
    pub fn renew_nonce(&self, conn: &Connection) -> Result<()> {
        let made = self.has_index(conn)?;
        self.put_nonce(conn, made)
    }

    /// Gives the root a fresh nonce that says what is there, whatever it said before.
    pub fn restore_root(&self, conn: &Connection) -> Result<()> {
        let made = !self.lean || self.finds_index(conn)?;
        self.put_nonce(conn, made)
    }

    fn put_nonce(&self, conn: &Connection, made: bool) -> Result<()> {
        let mut statement = conn.prepare_cached(&self.sql.nonce_put)?;
        Ok(statement.run([fresh_nonce(made)])?)
    }

    /// Whether the snapshot has the tables of the index.
    pub fn has_index(&self, conn: &Connection) -> Result<bool> {
        if !self.lean {
            return Ok(true);
        }
        match self.nonce(conn) {
            Ok(nonce) => Ok(says_made(&nonce)),
            // What gives the root a new nonce says in it what is there.
            Err(Error::Corrupt { .. }) => self.finds_index(conn),
            Err(error) => Err(error),
        }
    }

    fn finds_index(&self, conn: &Connection) -> Result<bool> {
        let names = INDEX.map(|(suffix, _)| format!("{}_{suffix}", self.table));
        let sql = format!(
            "SELECT 1 FROM {}.sqlite_schema WHERE type = 'table' AND name COLLATE NOCASE IN (?1, ?2, ?3, ?4)",
            quoted(&self.database)
        );
        Ok(conn.prepare(&sql)?.exists(names)?)
    }

    /// Makes the tables of the index, if they are not there. Call where a failure takes back what was written.
    ///
    /// # Errors
    /// [`Error::Refused`] where the tables cannot be made now, and the rows are safe and found without them.
    pub fn make_index(&self, conn: &Connection) -> Result<()> {
        if self.has_index(conn)? {
            return Ok(());
        }
        for (suffix, columns) in INDEX {
            let sql = format!("CREATE TABLE {}({columns})", self.name(suffix));
            conn.prepare(&sql).and_then(|mut create| create.run([])).map_err(|error| self.refused(error))?;
        }
        self.put_nonce(conn, true)
    }

    /// What it means that a table cannot be made: by somebody else's table, an authorizer, a lock, a limit. What ails the file
    /// or the statement stays what it is.
    fn refused(&self, error: rusqlite::Error) -> Error {
        use rusqlite::ErrorCode::{
            AuthorizationForStatementDenied, DatabaseLocked, PermissionDenied, TooBig, Unknown,
        };
        let passing = [AuthorizationForStatementDenied, DatabaseLocked, PermissionDenied, TooBig, Unknown];
        if !code_of(&error).is_some_and(|code| passing.contains(&code)) {
            return error.into();
        }
        let why = match &error {
            rusqlite::Error::SqliteFailure(_, Some(why)) => why.clone(),
            rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
            other => other.to_string(),
        };
        Error::Refused(format!(
            "{}: the tables of its index cannot be made: {why}; its rows are stored, and found without an index",
            self.table
        ))
    }

    /// SQL that reads the nonce, and SQL that stores one.
    pub(super) fn nonce_sql(lean: bool, config: &str, root: &str) -> (String, String) {
        if lean {
            (
                format!("SELECT value FROM {config} WHERE id = {ROOT}"),
                format!("INSERT OR REPLACE INTO {config}(id, name, value) VALUES({ROOT}, 'root', ?1)"),
            )
        } else {
            (
                format!("SELECT nonce FROM {root} WHERE id = 1"),
                format!("INSERT OR REPLACE INTO {root}(id, nonce) VALUES(1, ?1)"),
            )
        }
    }
}
