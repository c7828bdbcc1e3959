//! What a closure may have changed on the one connection of a database in memory, and how it is put back.
//!
//! Pragmas, attached databases and temporary tables are as they were when the connection was opened. Functions,
//! collations and hooks stay: SQLite does not tell all of them, and there is no other connection that would lack them.

use crate::error::Result;
use crate::schema::quoted;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension};

/// Pragmas that belong to the connection and change what its statements do; `query_only` first, which forbids the rest.
const PRAGMAS: [&str; 24] = [
    "query_only",
    "analysis_limit",
    "automatic_index",
    "busy_timeout",
    "cache_size",
    "cell_size_check",
    "checkpoint_fullfsync",
    "count_changes",
    "defer_foreign_keys",
    "empty_result_callbacks",
    "foreign_keys",
    "full_column_names",
    "ignore_check_constraints",
    "journal_mode",
    "legacy_alter_table",
    "max_page_count",
    "read_uncommitted",
    "recursive_triggers",
    "reverse_unordered_selects",
    "secure_delete",
    "short_column_names",
    "temp_store",
    "trusted_schema",
    "writable_schema",
];

/// How a connection was.
pub(super) struct Session {
    /// Values of [`PRAGMAS`]; `None` where this SQLite does not know one.
    pragmas: Vec<Option<Value>>,
    attached: Vec<String>,
    temporary: Vec<(String, String)>,
}

impl Session {
    /// How `conn` is now.
    pub fn of(conn: &Connection) -> Result<Self> {
        let pragmas = PRAGMAS.iter().map(|name| pragma(conn, name)).collect::<rusqlite::Result<_>>()?;
        Ok(Self { pragmas, attached: attached(conn)?, temporary: temporary(conn)? })
    }

    /// Puts `conn` back to what it was. What cannot be put back stays, since there is nobody to report it to.
    pub fn restore(&self, conn: &Connection) {
        for (name, old) in PRAGMAS.iter().zip(&self.pragmas) {
            let Some(old) = old else { continue };
            if pragma(conn, name).ok().flatten().as_ref() != Some(old) {
                let old = match old {
                    Value::Integer(number) => number.to_string(),
                    Value::Text(text) => text.clone(),
                    _ => continue,
                };
                let _ = conn.execute_batch(&format!("PRAGMA {name} = {old}"));
            }
        }
        for (kind, name) in temporary(conn).unwrap_or_default() {
            // An index or a trigger of a table that is gone is gone with it.
            if !self.temporary.iter().any(|(_, old)| *old == name) {
                let _ = conn.execute_batch(&format!("DROP {kind} IF EXISTS temp.{}", quoted(&name)));
            }
        }
        for name in attached(conn).unwrap_or_default() {
            if !self.attached.contains(&name) {
                let _ = conn.execute_batch(&format!("DETACH {}", quoted(&name)));
            }
        }
    }
}

fn pragma(conn: &Connection, name: &str) -> rusqlite::Result<Option<Value>> {
    conn.prepare_cached(&format!("PRAGMA {name}"))?.query_row([], |row| row.get(0)).optional()
}

fn attached(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut names =
        conn.prepare_cached("SELECT name FROM pragma_database_list WHERE name NOT IN ('main', 'temp')")?;
    names.query_map([], |row| row.get(0))?.collect()
}

/// Kinds and names of what is in `temp`.
fn temporary(conn: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    let sql = "SELECT type, name FROM sqlite_temp_schema WHERE name NOT LIKE 'sqlite@_%' ESCAPE '@'";
    let mut found = conn.prepare_cached(sql)?;
    found.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}
