//! What a shadow table is: an ordinary table, and nothing that could lead somewhere else. A new one needs a name that is free.
//!
//! Nothing here searches `sqlite_schema`, which has no index: a file may have thousands of tables.

use super::run::code_of;
use crate::error::{Error, Result};
use crate::schema::quoted;
use rusqlite::{Connection, ErrorCode, ffi};

/// Refuses anything else than an ordinary table under the name of a shadow table: a view could lead back to the table
/// itself, and SQLite would not notice, because each level is a statement of its own. One that is missing is left to
/// whoever reads it, so that a table without it can still be dropped.
///
/// A blob handle is what SQLite opens on ordinary tables only, and it needs no search through the schema.
pub(super) fn check_kind(conn: &Connection, database: &str, table: &str, suffix: &str) -> Result<()> {
    let column = match suffix {
        "config" => "value",
        "root" => "nonce",
        "rows" | "vectors" => "rowid",
        "delta" => "stamp",
        "segments" => "directory",
        "tombstones" => "dead",
        _ => "data",
    };
    let name = format!("{table}_{suffix}");
    let Err(error) = conn.blob_open(database, name.as_str(), column, i64::MIN, true) else { return Ok(()) };
    let rusqlite::Error::SqliteFailure(cause, Some(why)) = &error else { return Err(error.into()) };
    if cause.extended_code != ffi::SQLITE_ERROR {
        return Err(error.into());
    }
    match why.strip_prefix("cannot open ") {
        // A row is there that has another value than a blob.
        Some(rest) if rest.starts_with("value") => Ok(()),
        Some(rest) => {
            let kind = rest.split(':').next().unwrap_or_default();
            Err(Error::Schema(format!(
                "{table}: {name} is a {kind} where {table} keeps its data in an ordinary table; drop it, and restore the \
                 table from a backup"
            )))
        }
        None => Ok(()),
    }
}

/// What has the name `name` in a database, of all that a new table could not stand beside.
pub(super) fn object_called(conn: &Connection, database: &str, name: &str) -> Result<Option<&'static str>> {
    match conn.blob_open(database, name, "rowid", i64::MIN, true) {
        Err(rusqlite::Error::SqliteFailure(cause, Some(why))) if cause.extended_code == ffi::SQLITE_ERROR => {
            if !why.starts_with("no such table") {
                return Ok(Some(if why.starts_with("cannot open view") { "a view" } else { "a table" }));
            }
        }
        Err(error) => return Err(error.into()),
        Ok(_) => return Ok(Some("a table")),
    }
    let sql = format!("PRAGMA {}.index_info({})", quoted(database), quoted(name));
    match conn.prepare(&sql).and_then(|mut index| index.exists([])) {
        Ok(there) => Ok(there.then_some("an index")),
        // Who may make tables may still be denied pragmas. CREATE TABLE finds the index, too.
        Err(error) if code_of(&error) == Some(ErrorCode::AuthorizationForStatementDenied) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
