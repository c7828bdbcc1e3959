//! What a table says of its form: the version of its format, which tables it has, how its vectors lie.

use super::kind::check_kind;
use super::tables::{INDEX, SHADOWS, is_of_index, says_made};
use super::tiles::Tiling;
use crate::error::{Error, Result};
use crate::schema::{Schema, quoted};
use crate::value::Value;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use std::collections::HashMap;

/// Version of the file format of tables that this build makes, and the newest it reads.
pub(super) const FORMAT: i64 = 6;

/// The newest version whose tables are all made at once, the root among them: what older tables become when they are written.
pub(super) const FORMAT_OF_NINE_TABLES: i64 = 5;

/// The version whose texts are read by the first two editions of the rules.
const FORMAT_OF_TWO_EDITIONS: i64 = 3;

/// The version whose chunks all have 1,048,576 bytes, but the last of a payload.
const FORMAT_OF_EQUAL_CHUNKS: i64 = 2;

/// The version before tiles: it has no `t_tiles`.
const FORMAT_WITHOUT_TILES: i64 = 1;

/// `tile_rows` of a table that was made in that version and has been written since.
pub(super) const NO_TILES: i64 = -1;

/// Which tables there are, and how vectors lie in them.
pub(super) struct Form {
    /// Whether the file holds texts in UTF-8.
    pub utf8: bool,
    /// The root is in `t_config`, and the tables of the index are made when they are needed.
    pub lean: bool,
    /// Whether there is a `t_tiles`, sooner or later.
    pub tiles: bool,
    /// Rows of a tile; 0: none is made.
    pub tile_rows: usize,
}

/// Whether the files of the connection, which have one encoding, hold texts in UTF-8. An authorizer may forbid PRAGMA.
pub(super) fn is_utf8(conn: &Connection) -> Result<bool> {
    Ok(conn.query_row("SELECT CAST('a' AS BLOB) = x'61'", [], |row| row.get(0))?)
}

/// The form and the declaration of a table.
pub(super) fn read_config(conn: &Connection, database: &str, table: &str) -> Result<(Form, Schema)> {
    check_kind(conn, database, table, "config")?;
    let config = format!("{}.{}", quoted(database), quoted(&format!("{table}_config")));
    let sql =
        format!("SELECT name, value FROM {config} WHERE name IN ('format', 'schema', 'root', 'tile_rows')");
    let mut statement = conn.prepare(&sql)?;
    let mut rows = statement.query([])?;
    let mut found = HashMap::new();
    let mut lean = None;
    let mut made = None;
    while let Some(row) = rows.next()? {
        let value = row.get_ref(1)?;
        let Value::Text(name) = Value::from(row.get_ref(0)?) else { continue };
        // Within the read transaction of this statement the kinds of the others cost next to nothing. The version comes first.
        if lean.is_none() {
            let is_lean = name == "format" && value.as_i64().is_ok_and(|file| file > FORMAT_OF_NINE_TABLES);
            lean = Some(is_lean);
            let all = SHADOWS.iter().copied().filter(|suffix| *suffix != "config");
            for suffix in all.filter(|suffix| !is_lean || !(is_of_index(suffix) || *suffix == "root")) {
                check_kind(conn, database, table, suffix)?;
            }
        }
        if name == "root" && lean == Some(true) {
            made = Some(nonce_of(value).is_none_or(|nonce| says_made(&nonce)));
            check_index(conn, database, table, made)?;
        }
        found.insert(name, Value::from(value));
    }
    if lean == Some(true) && made.is_none() {
        check_index(conn, database, table, None)?;
    }
    let mut get = |name: &str| found.remove(name);
    let place = format!("{table}_config");
    let format = match get("format") {
        Some(Value::Integer(file @ FORMAT_WITHOUT_TILES..=FORMAT)) => file,
        Some(Value::Integer(file)) if file > FORMAT => {
            return Err(Error::NewerFormat { table: table.to_owned(), file, supported: FORMAT });
        }
        _ => {
            return Err(Error::Unknown(format!(
                "{place}: no usable format version; is this a nearlite table?"
            )));
        }
    };
    let Some(Value::Text(json)) = get("schema") else {
        return Err(Error::corrupt(place, "the schema is missing"));
    };
    let schema: Schema =
        serde_json::from_str(&json).map_err(|e| Error::corrupt(place.clone(), e.to_string()))?;
    schema.validate(table).map_err(|e| Error::corrupt(place.clone(), e.to_string()))?;
    let lean = format > FORMAT_OF_NINE_TABLES;
    let (tiles, tile_rows) = match (format, get("tile_rows")) {
        (FORMAT_WITHOUT_TILES, _) => (false, 0),
        (FORMAT_OF_EQUAL_CHUNKS.., Some(Value::Integer(0))) => (true, 0),
        (FORMAT_OF_TWO_EDITIONS..=FORMAT_OF_NINE_TABLES, Some(Value::Integer(NO_TILES))) => (false, 0),
        (_, Some(Value::Integer(rows))) => {
            let usable = usize::try_from(rows).ok().filter(|rows| Tiling::new(&schema, *rows).is_some());
            (true, usable.ok_or_else(|| Error::corrupt(place, format!("tiles of {rows} rows")))?)
        }
        _ => return Err(Error::corrupt(place, "the rows of a tile are missing")),
    };
    Ok((Form { utf8: is_utf8(conn)?, lean, tiles, tile_rows }, schema))
}

fn nonce_of(value: ValueRef<'_>) -> Option<[u8; 16]> {
    value.as_blob().ok()?.try_into().ok()
}

/// Refuses anything but ordinary tables where the index is, unless the root says that there is none.
fn check_index(conn: &Connection, database: &str, table: &str, made: Option<bool>) -> Result<()> {
    if made == Some(false) {
        return Ok(());
    }
    INDEX.iter().try_for_each(|(suffix, _)| check_kind(conn, database, table, suffix))
}
