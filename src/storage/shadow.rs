//! The shadow tables of one collection: their names, creation, renaming, removal, configuration and settings.

use super::kind::check_kind;
use super::run::Run;
use super::tiles::Tiling;
use crate::error::{Error, Result};
use crate::schema::{Column, ColumnKind, ColumnType, Schema, VectorSpec, quoted};
use rusqlite::{Connection, OptionalExtension};

/// Suffixes of all shadow tables; `t_rows`, `t_vectors` and `t_tiles` are the truth, the others can be rebuilt from them.
pub const SHADOWS: &[&str] =
    &["config", "root", "rows", "vectors", "delta", "segments", "chunks", "tombstones", "tiles"];

/// Version of the file format this build writes, and the newest it reads.
pub const FORMAT: i64 = 5;

/// The version whose texts are read by the first two editions of the rules.
const FORMAT_OF_TWO_EDITIONS: i64 = 3;

/// The version whose chunks all have 1,048,576 bytes, but the last of a payload.
const FORMAT_OF_EQUAL_CHUNKS: i64 = 2;

/// The version before tiles: it has no `t_tiles`.
const FORMAT_WITHOUT_TILES: i64 = 1;

/// `tile_rows` of a table that was made in that version and has been written since.
const NO_TILES: i64 = -1;

/// Bytes that a row of a shadow table takes beside its one large value.
const ROW_OVERHEAD: usize = 64;

/// The longest value that the connection lets into a row of a shadow table.
pub(super) fn longest_value(conn: &Connection) -> Result<usize> {
    let limit = conn.limit(rusqlite::limits::Limit::SQLITE_LIMIT_LENGTH)?;
    Ok(usize::try_from(limit).unwrap_or(0).saturating_sub(ROW_OVERHEAD))
}

/// Shadow tables of one collection on one connection: names and ready-made SQL.
#[derive(Debug, Clone)]
pub struct Storage {
    /// Schema name: `main`, `temp` or an attached database.
    pub database: String,
    /// Name of the collection.
    pub table: String,
    /// Whether there is a `t_tiles`.
    tiles: bool,
    pub(super) tiling: Option<Tiling>,
    /// The vector columns.
    pub(super) specs: Vec<VectorSpec>,
    pub(super) sql: Sql,
}

/// Statements used on hot paths, formatted once.
#[derive(Debug, Clone)]
pub(super) struct Sql {
    pub nonce: String,
    pub log_last: String,
    pub log_at: String,
    pub log_since: String,
    pub log_append: String,
    pub row_values: String,
    pub row_metadata: String,
    pub row_exists: String,
    pub row_insert: String,
    pub row_update: String,
    pub row_delete: String,
    pub key_rowid: String,
    pub keys_from: String,
    pub vectors_of: String,
    pub vector_of: Vec<String>,
    pub vectors_put: String,
    pub vectors_delete: String,
    pub vectors_between: String,
    pub vectors_delete_between: String,
    pub rows_between: String,
    pub tile_any: String,
    pub tile_piece: String,
    pub tile_put: String,
    pub tile_delete: String,
}

/// The columns of `t_rows`.
fn stored(schema: &Schema) -> impl Iterator<Item = &Column> {
    schema.columns.iter().enumerate().filter(|(at, _)| schema.is_stored(*at)).map(|(_, column)| column)
}

impl Storage {
    /// The shadow tables of a new collection.
    pub fn new(database: &str, table: &str, schema: &Schema) -> Self {
        Self::of(database, table, schema, true, Tiling::choose(schema))
    }

    /// The shadow tables of an existing collection, and its declaration.
    ///
    /// # Errors
    /// [`Error::NewerFormat`] for a newer file, [`Error::Corrupt`] for a damaged configuration.
    pub fn open(conn: &Connection, database: &str, table: &str) -> Result<(Self, Schema)> {
        let (tiles, schema, rows) = read_config(conn, database, table)?;
        Ok((Self::of(database, table, &schema, tiles, rows), schema))
    }

    fn of(database: &str, table: &str, schema: &Schema, tiled: bool, tile_rows: usize) -> Self {
        let name = |suffix: &str| format!("{}.{}", quoted(database), quoted(&format!("{table}_{suffix}")));
        let (rows, vectors, delta, tiles) = (name("rows"), name("vectors"), name("delta"), name("tiles"));
        let columns: Vec<String> = stored(schema).map(|column| quoted(&column.name)).collect();
        let listed = columns.iter().map(|c| format!(", {c}")).collect::<String>();
        let metadata = schema
            .metadata()
            .map(|(at, _)| format!(", {}", quoted(&schema.columns[at].name)))
            .collect::<String>();
        let marks = (0..columns.len()).map(|i| format!(", ?{}", i + 2)).collect::<String>();
        let sets = columns
            .iter()
            .enumerate()
            .map(|(i, c)| format!("{c} = ?{}", i + 2))
            .collect::<Vec<_>>()
            .join(", ");
        let width = schema.vectors().count();
        let vector_columns = (0..width).map(|i| format!(", v{i}")).collect::<String>();
        let vector_marks = (0..width).map(|i| format!(", ?{}", i + 2)).collect::<String>();
        let key = match schema.key_column() {
            Some((at, ColumnType::Text)) => quoted(&schema.columns[at].name),
            _ => "rowid".to_owned(),
        };
        let sql = Sql {
            nonce: format!("SELECT nonce FROM {} WHERE id = 1", name("root")),
            log_last: format!("SELECT seq, stamp FROM {delta} ORDER BY seq DESC LIMIT 1"),
            log_at: format!("SELECT stamp FROM {delta} WHERE seq = ?1"),
            log_since: format!(
                "SELECT seq, op, row, segment, ord, stamp FROM {delta} WHERE seq > ?1 ORDER BY seq"
            ),
            log_append: format!(
                "INSERT INTO {delta}(op, row, segment, ord, stamp) VALUES(?1, ?2, ?3, ?4, ?5)"
            ),
            row_metadata: format!("SELECT rowid{metadata} FROM {rows} WHERE rowid = ?1"),
            row_values: format!("SELECT rowid{listed} FROM {rows} WHERE rowid = ?1"),
            row_exists: format!("SELECT 1 FROM {rows} WHERE rowid = ?1"),
            row_insert: format!("INSERT INTO {rows}(rowid{listed}) VALUES(?1{marks})"),
            row_update: if sets.is_empty() {
                format!("UPDATE {rows} SET rowid = rowid WHERE rowid = ?1")
            } else {
                format!("UPDATE {rows} SET {sets} WHERE rowid = ?1")
            },
            row_delete: format!("DELETE FROM {rows} WHERE rowid = ?1"),
            key_rowid: format!("SELECT rowid FROM {rows} WHERE {key} = ?1"),
            keys_from: format!("SELECT {key}, rowid FROM {rows} WHERE {key} >= ?1 ORDER BY {key}"),
            vectors_of: format!("SELECT rowid{vector_columns} FROM {vectors} WHERE rowid = ?1"),
            vector_of: (0..width).map(|i| format!("SELECT v{i} FROM {vectors} WHERE rowid = ?1")).collect(),
            vectors_put: format!(
                "INSERT OR REPLACE INTO {vectors}(rowid{vector_columns}) VALUES(?1{vector_marks})"
            ),
            vectors_delete: format!("DELETE FROM {vectors} WHERE rowid = ?1"),
            vectors_between: format!(
                "SELECT rowid{vector_columns} FROM {vectors} WHERE rowid BETWEEN ?1 AND ?2"
            ),
            vectors_delete_between: format!("DELETE FROM {vectors} WHERE rowid BETWEEN ?1 AND ?2"),
            rows_between: format!("SELECT count(*) FROM {rows} WHERE rowid BETWEEN ?1 AND ?2"),
            tile_any: format!("SELECT 1 FROM {tiles} WHERE id BETWEEN ?1 AND ?2"),
            tile_piece: format!("SELECT data FROM {tiles} WHERE id = ?1"),
            tile_put: format!("INSERT OR REPLACE INTO {tiles}(id, data) VALUES(?1, ?2)"),
            tile_delete: format!("DELETE FROM {tiles} WHERE id BETWEEN ?1 AND ?2"),
        };
        let tiling = Tiling::new(schema, tile_rows);
        let specs = schema.vectors().map(|(_, spec)| spec.clone()).collect();
        Self { database: database.to_owned(), table: table.to_owned(), tiles: tiled, tiling, specs, sql }
    }

    /// Whether two handles speak of tables with the same shadow tables and one arrangement of vectors.
    pub fn same_form(&self, other: &Self) -> bool {
        let rows = |storage: &Self| storage.tiling.as_ref().map(|tiling| tiling.rows);
        self.tiles == other.tiles && rows(self) == rows(other)
    }

    /// Suffixes of the shadow tables that the table has.
    fn suffixes(&self) -> impl Iterator<Item = &'static str> {
        let tiles = self.tiles;
        SHADOWS.iter().copied().filter(move |suffix| tiles || *suffix != "tiles")
    }

    /// Qualified, quoted name of the shadow table with `suffix`.
    pub fn name(&self, suffix: &str) -> String {
        format!("{}.{}", quoted(&self.database), quoted(&format!("{}_{suffix}", self.table)))
    }

    /// Creates all shadow tables and stores `schema`.
    pub fn create(&self, conn: &Connection, schema: &Schema) -> Result<()> {
        let mut rows = String::from("rowid INTEGER PRIMARY KEY");
        for column in stored(schema) {
            rows.push_str(", ");
            rows.push_str(&quoted(&column.name));
            if matches!(column.kind, ColumnKind::Key(_)) {
                rows.push_str(" NOT NULL UNIQUE");
            }
        }
        self.refuse_taken_names(conn)?;
        let vectors: String = (0..schema.vectors().count()).map(|i| format!(", v{i} BLOB")).collect();
        let name = |suffix: &str| self.name(suffix);
        conn.execute_batch(&format!(
            "CREATE TABLE {}(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, value);
             CREATE TABLE {}(id INTEGER PRIMARY KEY, nonce BLOB NOT NULL);
             CREATE TABLE {}({rows});
             CREATE TABLE {}(rowid INTEGER PRIMARY KEY{vectors});
             CREATE TABLE {}(seq INTEGER PRIMARY KEY, op INTEGER, row INTEGER, segment INTEGER, ord INTEGER, stamp INTEGER);
             CREATE TABLE {}(seq INTEGER PRIMARY KEY, id BLOB NOT NULL, rows INTEGER NOT NULL, directory BLOB NOT NULL);
             CREATE TABLE {}(id INTEGER PRIMARY KEY, data BLOB NOT NULL);
             CREATE TABLE {}(segment INTEGER PRIMARY KEY, dead BLOB NOT NULL, checksum INTEGER NOT NULL);
             CREATE TABLE {}(id INTEGER PRIMARY KEY, data BLOB NOT NULL);",
            name("config"),
            name("root"),
            name("rows"),
            name("vectors"),
            name("delta"),
            name("segments"),
            name("chunks"),
            name("tombstones"),
            name("tiles"),
        ))?;
        self.renew_nonce(conn)?;
        let json = serde_json::to_string(schema).map_err(|e| Error::Schema(e.to_string()))?;
        self.set_config(conn, "format", &rusqlite::types::Value::Integer(FORMAT))?;
        self.set_config(conn, "schema", &rusqlite::types::Value::Text(json))?;
        let rows = self.tiling.as_ref().map_or(0, |tiling| tiling.rows as i64);
        self.set_config(conn, "tile_rows", &rusqlite::types::Value::Integer(rows))
    }

    /// One look through the schema for all names: it has no index, and a file may have thousands of tables.
    fn refuse_taken_names(&self, conn: &Connection) -> Result<()> {
        let names: Vec<String> = self.suffixes().map(|suffix| format!("{}_{suffix}", self.table)).collect();
        let marks = vec!["?"; names.len()].join(", ");
        let schema = quoted(&self.database);
        let sql = format!(
            "SELECT type, name FROM {schema}.sqlite_schema WHERE name COLLATE NOCASE IN ({marks}) LIMIT 1"
        );
        let found = conn.query_row(&sql, rusqlite::params_from_iter(&names), |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        });
        let Some((kind, name)) = found.optional()? else { return Ok(()) };
        let table = &self.table;
        Err(Error::Schema(format!(
            "{table}: there is a {kind} {name} already, a name that {table} needs for its data; rename one of the two"
        )))
    }

    /// The SQL that declares what has the collection's name now, if a table has it.
    pub fn declaration(&self, conn: &Connection) -> Result<Option<String>> {
        let sql = format!(
            "SELECT sql FROM {}.sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE",
            quoted(&self.database)
        );
        Ok(conn.prepare_cached(&sql)?.query_row([&self.table], |row| row.get(0)).optional()?)
    }

    /// Drops all shadow tables.
    pub fn destroy(&self, conn: &Connection) -> Result<()> {
        for suffix in self.suffixes() {
            conn.execute_batch(&format!("DROP TABLE IF EXISTS {}", self.name(suffix)))?;
        }
        Ok(())
    }

    /// Renames all shadow tables for a collection that will be called `new`.
    pub fn rename(&self, conn: &Connection, new: &str) -> Result<()> {
        for suffix in self.suffixes() {
            let target = quoted(&format!("{new}_{suffix}"));
            conn.execute_batch(&format!("ALTER TABLE {} RENAME TO {target}", self.name(suffix)))?;
        }
        Ok(())
    }

    /// Notes that the table now holds what only this version of the format allows.
    pub fn upgrade_format(&self, conn: &Connection) -> Result<()> {
        let sql = format!("SELECT 1 FROM {} WHERE name = 'format' AND value < ?1", self.name("config"));
        if !conn.prepare_cached(&sql)?.exists([FORMAT])? {
            return Ok(());
        }
        if !self.tiles {
            self.set_config(conn, "tile_rows", &rusqlite::types::Value::Integer(NO_TILES))?;
        }
        self.set_config(conn, "format", &rusqlite::types::Value::Integer(FORMAT))
    }

    pub(super) fn set_config(
        &self,
        conn: &Connection,
        name: &str,
        value: &rusqlite::types::Value,
    ) -> Result<()> {
        conn.prepare_cached(&format!(
            "INSERT OR REPLACE INTO {}(id, name, value) VALUES((SELECT id FROM {} WHERE name = ?1), ?1, ?2)",
            self.name("config"),
            self.name("config")
        ))?
        .run(rusqlite::params![name, value])?;
        Ok(())
    }
}

/// Whether there is a `t_tiles`, the declaration and the rows of a tile.
fn read_config(conn: &Connection, database: &str, table: &str) -> Result<(bool, Schema, usize)> {
    check_kind(conn, database, table, "config")?;
    let config = format!("{}.{}", quoted(database), quoted(&format!("{table}_config")));
    let sql = format!("SELECT name, value FROM {config} WHERE name IN ('format', 'schema', 'tile_rows')");
    let mut statement = conn.prepare(&sql)?;
    let mut rows = statement.query([])?;
    let mut found = std::collections::HashMap::new();
    let mut checked = false;
    while let Some(row) = rows.next()? {
        // Within the read transaction of this statement the others cost next to nothing.
        if !std::mem::replace(&mut checked, true) {
            for suffix in SHADOWS.iter().filter(|suffix| **suffix != "config") {
                check_kind(conn, database, table, suffix)?;
            }
        }
        if let crate::value::Value::Text(name) = crate::value::Value::from(row.get_ref(0)?) {
            found.insert(name, crate::value::Value::from(row.get_ref(1)?));
        }
    }
    let mut get = |name: &str| found.remove(name);
    let place = format!("{table}_config");
    let format = match get("format") {
        Some(crate::value::Value::Integer(file @ FORMAT_WITHOUT_TILES..=FORMAT)) => file,
        Some(crate::value::Value::Integer(file)) if file > FORMAT => {
            return Err(Error::NewerFormat { table: table.to_owned(), file, supported: FORMAT });
        }
        _ => {
            return Err(Error::Unknown(format!(
                "{place}: no usable format version; is this a nearlite table?"
            )));
        }
    };
    let Some(crate::value::Value::Text(json)) = get("schema") else {
        return Err(Error::corrupt(place, "the schema is missing"));
    };
    let schema: Schema =
        serde_json::from_str(&json).map_err(|e| Error::corrupt(place.clone(), e.to_string()))?;
    schema.validate(table).map_err(|e| Error::corrupt(place.clone(), e.to_string()))?;
    match (format, get("tile_rows")) {
        (FORMAT_WITHOUT_TILES, _) => Ok((false, schema, 0)),
        (FORMAT_OF_EQUAL_CHUNKS.., Some(crate::value::Value::Integer(0))) => Ok((true, schema, 0)),
        (FORMAT_OF_TWO_EDITIONS.., Some(crate::value::Value::Integer(NO_TILES))) => Ok((false, schema, 0)),
        (_, Some(crate::value::Value::Integer(rows))) => {
            let rows = usize::try_from(rows)
                .ok()
                .filter(|rows| Tiling::new(&schema, *rows).is_some())
                .ok_or_else(|| Error::corrupt(place, format!("tiles of {rows} rows")))?;
            Ok((true, schema, rows))
        }
        _ => Err(Error::corrupt(place, "the rows of a tile are missing")),
    }
}
