//! What a shadow table is: an ordinary table, and nothing that could lead somewhere else.

use crate::error::{Error, Result};
use rusqlite::{Connection, ffi};

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
