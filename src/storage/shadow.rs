//! The shadow tables of one collection: their names, creation, renaming, removal, configuration and settings.

use super::form::{FORMAT, FORMAT_OF_NINE_TABLES, Form, NO_TILES, is_utf8, read_config};
use super::kind::object_called;
use super::run::Run;
use super::tables::{INDEX, ROOT, SHADOWS, fresh_nonce, is_of_index};
use super::tiles::Tiling;
use crate::error::{Error, Result};
use crate::schema::{Column, ColumnKind, ColumnType, Schema, VectorSpec, quoted};
use rusqlite::{Connection, OptionalExtension};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

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
    /// Whether the file holds texts in UTF-8. Otherwise SQLite orders them by other bytes than those that are seen here.
    pub utf8: bool,
    /// Whether there is a `t_tiles`, sooner or later.
    tiles: bool,
    /// Whether the root is in `t_config`, and the tables of the index are made when they are needed.
    pub(super) lean: bool,
    /// Where to look for a tile first, see [`Storage::may_have_tiles`].
    pub(super) tiles_seen: Arc<AtomicBool>,
    pub(super) tiling: Option<Tiling>,
    /// The vector columns.
    pub(super) specs: Vec<VectorSpec>,
    pub(super) sql: Sql,
}

/// Statements used on hot paths, formatted once.
#[derive(Debug, Clone)]
pub(super) struct Sql {
    pub nonce: String,
    pub nonce_put: String,
    pub log_last: String,
    pub log_at: String,
    pub log_since: String,
    pub log_append: String,
    pub row_values: String,
    /// Which of the values that it reads are of REAL columns.
    pub row_reals: Vec<usize>,
    pub row_metadata: String,
    /// The same of its values.
    pub metadata_reals: Vec<usize>,
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
    ///
    /// # Errors
    /// Those of SQLite.
    pub fn new(conn: &Connection, database: &str, table: &str, schema: &Schema) -> Result<Self> {
        let (utf8, tile_rows) = (is_utf8(conn)?, Tiling::choose(schema));
        Ok(Self::of(database, table, schema, Form { utf8, lean: true, tiles: true, tile_rows }))
    }

    /// The shadow tables of an existing collection, and its declaration.
    ///
    /// # Errors
    /// [`Error::NewerFormat`] for a newer file, [`Error::Corrupt`] for a damaged configuration.
    pub fn open(conn: &Connection, database: &str, table: &str) -> Result<(Self, Schema)> {
        let (form, schema) = read_config(conn, database, table)?;
        Ok((Self::of(database, table, &schema, form), schema))
    }

    fn of(database: &str, table: &str, schema: &Schema, form: Form) -> Self {
        let name = |suffix: &str| format!("{}.{}", quoted(database), quoted(&format!("{table}_{suffix}")));
        let (rows, vectors, delta, tiles) = (name("rows"), name("vectors"), name("delta"), name("tiles"));
        let columns: Vec<String> = stored(schema).map(|column| quoted(&column.name)).collect();
        let listed = columns.iter().map(|c| format!(", {c}")).collect::<String>();
        let metadata = schema
            .metadata()
            .map(|(at, _)| format!(", {}", quoted(&schema.columns[at].name)))
            .collect::<String>();
        let is_real = |kind: &ColumnKind| *kind == ColumnKind::Metadata(ColumnType::Real);
        let row_reals =
            stored(schema).enumerate().filter(|(_, c)| is_real(&c.kind)).map(|(i, _)| i).collect();
        let kinds = schema.metadata().enumerate();
        let metadata_reals =
            kinds.filter(|(_, (_, kind))| *kind == ColumnType::Real).map(|(i, _)| i).collect();
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
        let (nonce, nonce_put) = Self::nonce_sql(form.lean, &name("config"), &name("root"));
        let sql = Sql {
            nonce,
            nonce_put,
            log_last: format!("SELECT seq, stamp FROM {delta} ORDER BY seq DESC LIMIT 1"),
            log_at: format!("SELECT stamp FROM {delta} WHERE seq = ?1"),
            log_since: format!(
                "SELECT seq, op, row, segment, ord, stamp FROM {delta} WHERE seq > ?1 ORDER BY seq"
            ),
            log_append: format!(
                "INSERT INTO {delta}(op, row, segment, ord, stamp) VALUES(?1, ?2, ?3, ?4, ?5)"
            ),
            row_metadata: format!("SELECT rowid{metadata} FROM {rows} WHERE rowid = ?1"),
            row_reals,
            metadata_reals,
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
        Self {
            database: database.to_owned(),
            table: table.to_owned(),
            tiles: form.tiles,
            lean: form.lean,
            utf8: form.utf8,
            tiles_seen: Arc::new(AtomicBool::new(!form.lean)),
            tiling: Tiling::new(schema, form.tile_rows),
            specs: schema.vectors().map(|(_, spec)| spec.clone()).collect(),
            sql,
        }
    }

    /// Whether two handles speak of tables with the same shadow tables and one arrangement of vectors.
    pub fn same_form(&self, other: &Self) -> bool {
        let rows = |storage: &Self| storage.tiling.as_ref().map(|tiling| tiling.rows);
        (self.lean, self.tiles) == (other.lean, other.tiles) && rows(self) == rows(other)
    }

    /// Suffixes of the shadow tables that the table has; `made`: with those of the index.
    fn suffixes(&self, made: bool) -> impl Iterator<Item = &'static str> {
        let (lean, tiles, vectors) = (self.lean, self.tiles, !self.specs.is_empty());
        SHADOWS.iter().copied().filter(move |suffix| match *suffix {
            "root" => !lean,
            "vectors" => !lean || vectors,
            "tiles" => tiles && made,
            suffix => made || !is_of_index(suffix),
        })
    }

    /// Qualified, quoted name of the shadow table with `suffix`.
    pub fn name(&self, suffix: &str) -> String {
        format!("{}.{}", quoted(&self.database), quoted(&format!("{}_{suffix}", self.table)))
    }

    /// Creates the shadow tables that a table without an index has, and stores `schema`.
    pub fn create(&self, conn: &Connection, schema: &Schema) -> Result<()> {
        let mut rows = String::from("rowid INTEGER PRIMARY KEY");
        for column in stored(schema) {
            rows.push_str(", ");
            rows.push_str(&quoted(&column.name));
            if matches!(column.kind, ColumnKind::Key(_)) {
                rows.push_str(" NOT NULL UNIQUE");
            }
        }
        // None of them can be made later where something else has its name.
        self.refuse_taken_names(conn, &self.table, SHADOWS.iter().copied())?;
        let mut vectors: String = (0..schema.vectors().count()).map(|i| format!(", v{i} BLOB")).collect();
        vectors.insert_str(0, "rowid INTEGER PRIMARY KEY");
        for suffix in self.suffixes(false) {
            let columns = match suffix {
                "config" => "id INTEGER PRIMARY KEY, name TEXT NOT NULL, value",
                "rows" => &rows,
                "vectors" => &vectors,
                _ => {
                    "seq INTEGER PRIMARY KEY, op INTEGER, row INTEGER, segment INTEGER, ord INTEGER, stamp INTEGER"
                }
            };
            conn.prepare(&format!("CREATE TABLE {}({columns})", self.name(suffix)))?.run([])?;
        }
        let json = serde_json::to_string(schema).map_err(|e| Error::Schema(e.to_string()))?;
        let tile_rows = self.tiling.as_ref().map_or(0, |tiling| tiling.rows as i64);
        let sql = format!(
            "INSERT INTO {}(id, name, value) VALUES(1, 'format', ?1), (2, 'schema', ?2), ({ROOT}, 'root', ?3), \
             (4, 'tile_rows', ?4)",
            self.name("config")
        );
        conn.prepare(&sql)?.run(rusqlite::params![FORMAT, json, fresh_nonce(false), tile_rows])?;
        Ok(())
    }

    /// Refuses names of shadow tables of `table` that something else has.
    fn refuse_taken_names(
        &self,
        conn: &Connection,
        table: &str,
        suffixes: impl Iterator<Item = &'static str>,
    ) -> Result<()> {
        for suffix in suffixes {
            let name = format!("{table}_{suffix}");
            if let Some(what) = object_called(conn, &self.database, &name)? {
                return Err(Error::Schema(format!(
                    "{table}: there is {what} {name} already, a name that {table} needs for its data; rename one of the \
                     two"
                )));
            }
        }
        Ok(())
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
        // What is damaged can be dropped, too.
        let made = self.has_index(conn).unwrap_or(true);
        for suffix in self.suffixes(made) {
            conn.execute_batch(&format!("DROP TABLE IF EXISTS {}", self.name(suffix)))?;
        }
        Ok(())
    }

    /// Renames all shadow tables for a collection that will be called `new`.
    pub fn rename(&self, conn: &Connection, new: &str) -> Result<()> {
        let made = self.has_index(conn)?;
        if !made && !new.eq_ignore_ascii_case(&self.table) {
            self.refuse_taken_names(conn, new, INDEX.iter().map(|(suffix, _)| *suffix))?;
        }
        for suffix in self.suffixes(made) {
            let target = quoted(&format!("{new}_{suffix}"));
            conn.execute_batch(&format!("ALTER TABLE {} RENAME TO {target}", self.name(suffix)))?;
        }
        Ok(())
    }

    /// Notes that a table of an older version now holds what only the newest one of its form allows.
    pub fn upgrade_format(&self, conn: &Connection) -> Result<()> {
        if self.lean {
            return Ok(());
        }
        let sql = format!("SELECT 1 FROM {} WHERE name = 'format' AND value < ?1", self.name("config"));
        if !conn.prepare_cached(&sql)?.exists([FORMAT_OF_NINE_TABLES])? {
            return Ok(());
        }
        if !self.tiles {
            self.set_config(conn, "tile_rows", &rusqlite::types::Value::Integer(NO_TILES))?;
        }
        self.set_config(conn, "format", &rusqlite::types::Value::Integer(FORMAT_OF_NINE_TABLES))
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
