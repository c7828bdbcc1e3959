//! A collection: rows in and out by key. What changes and deletes rows is in `change`, searching in `search`, what keeps a
//! collection in order in `upkeep`.

use super::access::Access;
use super::atomic::reading;
use super::catalog;
use super::database::Database;
use super::key::Key;
use super::read_row::{self, Columns};
use super::search::Search;
use super::statement::{change, error_of, target};
use super::write_row;
use crate::collection::{OpenCollection, Snapshot};
use crate::error::{Error, Result};
use crate::query::{self, Filter};
use crate::schema::{Schema, quoted};
use crate::value::Value;
use rusqlite::Connection;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// A collection of rows with vectors, texts and typed columns: one `nearlite` table.
///
/// From [`Database::collection`] it is `Send + Sync`, and each call takes a connection of the pool. From
/// [`Collection::on`] it works on a connection or transaction of yours. Cloning is cheap.
///
/// ```
/// use nearlite::{Database, Metric, Schema, col};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, Debug, PartialEq)]
/// struct Note { id: String, body: String, stars: Option<i64>, embedding: Vec<f32> }
/// # fn note(id: &str, stars: Option<i64>) -> Note {
/// #     Note { id: id.into(), body: format!("body of {id}"), stars, embedding: vec![1.0, 2.0] }
/// # }
///
/// let notes = Database::in_memory()?.collection("notes").create(
///     Schema::new().key("id").full_text("body").integer("stars").vector("embedding", 2, Metric::Cosine),
/// )?;
/// notes.insert(&[note("a", None), note("b", Some(3)), note("c", Some(5))])?;     // one transaction
/// notes.upsert(&note("a", Some(1)))?;                                            // replaces the whole row
/// notes.update("b", &serde_json::json!({"stars": 4}))?;                          // changes what is given
/// assert_eq!(notes.get::<Note>(["b", "no such key", "a"])?, [note("b", Some(4)), note("a", Some(1))]);
/// assert_eq!(notes.delete(["a"])?, 1);
/// assert_eq!(notes.delete_where(col("stars").ge(5))?, 1);
/// assert_eq!(notes.len()?, 1);
/// # Ok::<(), nearlite::Error>(())
/// ```
#[derive(Clone)]
pub struct Collection<D: Access = Database> {
    pub(super) access: D,
    pub(super) inner: Arc<OpenCollection>,
}

impl<'c> Collection<&'c Connection> {
    /// The collection called `name` on a connection or an open transaction of yours, on which
    /// [`register`](crate::register) was called. What it writes is part of your transaction.
    ///
    /// ```
    /// use nearlite::rusqlite::Connection;
    ///
    /// let mut conn = Connection::open_in_memory()?;
    /// nearlite::register(&conn)?;
    /// conn.execute_batch("
    ///     CREATE TABLE authors(name TEXT);
    ///     CREATE VIRTUAL TABLE notes USING nearlite(id TEXT PRIMARY KEY, body TEXT FULLTEXT);")?;
    /// let tx = conn.transaction()?;
    /// tx.execute("INSERT INTO authors VALUES('Ada')", [])?;
    /// nearlite::Collection::on(&tx, "notes")?.insert(&serde_json::json!({"id": "n1", "body": "on engines"}))?;
    /// tx.rollback()?;                                             // neither the author nor the note is there
    /// assert!(nearlite::Collection::on(&conn, "notes")?.is_empty()?);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Unknown`] when there is no such collection.
    pub fn on(conn: &'c Connection, name: &str) -> Result<Self> {
        Ok(Self { access: conn, inner: Arc::new(catalog::open(conn, "main", name)?) })
    }

    /// The same in an attached database, or in `temp`.
    ///
    /// # Errors
    /// [`Error::Unknown`] when there is no such collection there.
    pub fn on_database(conn: &'c Connection, database: &str, name: &str) -> Result<Self> {
        Ok(Self { access: conn, inner: Arc::new(catalog::open(conn, database, name)?) })
    }
}

impl Collection {
    pub(super) fn new(database: Database, inner: OpenCollection) -> Self {
        Self { access: database, inner: Arc::new(inner) }
    }
}

impl<D: Access> std::fmt::Debug for Collection<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Collection").field("name", &self.name()).finish_non_exhaustive()
    }
}

impl<D: Access> Collection<D> {
    /// Name of the table.
    pub fn name(&self) -> &str {
        self.inner.table()
    }

    /// The declared columns.
    ///
    /// ```
    /// # use nearlite::{Database, Schema};
    /// # let notes = Database::in_memory()?.collection("notes").create(
    /// #     Schema::new().key("id").full_text("body").integer("year"))?;
    /// let columns: Vec<&str> = notes.schema().columns.iter().map(|column| column.name.as_str()).collect();
    /// assert_eq!(columns, ["id", "body", "year"]);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    pub fn schema(&self) -> &Schema {
        &self.inner.schema
    }

    /// Adds a row, or many in one transaction: `&row`, `&vec`, `&slice` of any [`Serialize`] struct or map whose fields
    /// are columns. A column that is not given is NULL. Returns the rowids.
    ///
    /// ```
    /// # use nearlite::{Database, Schema};
    /// # use serde_json::json;
    /// # let notes = Database::in_memory()?.collection("notes").create(
    /// #     Schema::new().key("id").full_text("body").integer("year"))?;
    /// #[derive(serde::Serialize)]
    /// struct Note { id: &'static str, body: &'static str, year: Option<i64> }
    ///
    /// let rowids = notes.insert(&[
    ///     Note { id: "a", body: "first", year: Some(2024) },
    ///     Note { id: "b", body: "second", year: None },
    /// ])?;
    /// assert_eq!(rowids, [1, 2]);
    /// assert!(notes.insert(&json!({"id": "a"})).is_err());               // this key exists
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Constraint`] when a key exists, [`Error::Unknown`] for a field that is no column, [`Error::Dimension`],
    /// [`Error::NotFinite`] or [`Error::Value`] for a value that does not fit; then nothing of the call is written.
    pub fn insert<T: Serialize + ?Sized>(&self, rows: &T) -> Result<Vec<i64>> {
        self.put("INSERT", rows)
    }

    /// Adds rows like [`insert`](Self::insert), but a row whose key exists replaces the old one as a whole.
    ///
    /// ```
    /// # use nearlite::{Database, Schema};
    /// # use serde_json::json;
    /// # let notes = Database::in_memory()?.collection("notes").create(
    /// #     Schema::new().key("id").full_text("body").integer("year"))?;
    /// notes.insert(&json!({"id": "a", "body": "first", "year": 2024}))?;
    /// notes.upsert(&[json!({"id": "a", "body": "changed"}), json!({"id": "b", "body": "new"})])?;
    /// let rows: Vec<serde_json::Value> = notes.get(["a"])?;
    /// assert_eq!(rows[0], json!({"id": "a", "body": "changed", "year": null}));      // the whole row is new
    /// assert_eq!(notes.len()?, 2);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`insert`](Self::insert), an existing key apart.
    pub fn upsert<T: Serialize + ?Sized>(&self, rows: &T) -> Result<Vec<i64>> {
        self.put("INSERT OR REPLACE", rows)
    }

    fn put<T: Serialize + ?Sized>(&self, verb: &str, rows: &T) -> Result<Vec<i64>> {
        let schema = &self.inner.schema;
        let mut names: Vec<String> = schema.columns.iter().map(|column| quoted(&column.name)).collect();
        if schema.key_column().is_none() {
            names.push("rowid".to_owned());
        }
        let marks = vec!["?"; names.len()].join(", ");
        let sql = format!("{verb} INTO {}({}) VALUES({marks})", self.target(), names.join(", "));
        self.write(|conn| {
            let mut statement = conn.prepare_cached(&sql).map_err(error_of)?;
            let mut rowids = Vec::new();
            write_row::write(self.name(), schema, rows, &mut |cells| {
                for (at, cell) in cells.iter().enumerate() {
                    statement.raw_bind_parameter(at + 1, cell.as_ref().unwrap_or(&Value::Null))?;
                }
                change(conn, statement.raw_query())?;
                rowids.push(conn.last_insert_rowid());
                Ok(())
            })?;
            Ok(rowids)
        })
    }

    /// The rows with these keys, in the order of the keys; missing ones are left out.
    ///
    /// ```
    /// # use nearlite::{Database, Schema};
    /// # use serde_json::json;
    /// # let notes = Database::in_memory()?.collection("notes").create(
    /// #     Schema::new().key("id").full_text("body").integer("year"))?;
    /// notes.insert(&[json!({"id": "a", "year": 1999}), json!({"id": "b", "year": 2024})])?;
    /// #[derive(serde::Deserialize)]
    /// struct Dated { id: String, year: i64 }                                // the fields that are of interest
    ///
    /// let rows: Vec<Dated> = notes.get(["b", "z", "a"])?;
    /// assert_eq!((rows[0].id.as_str(), rows[1].year), ("b", 1999));
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Serde`] when a row does not fit `T`, [`Error::Value`] for a key of the wrong kind.
    pub fn get<T: DeserializeOwned>(&self, keys: impl IntoIterator<Item = impl Into<Key>>) -> Result<Vec<T>> {
        let keys: Vec<Key> = keys.into_iter().map(|key| self.check_key(key.into())).collect::<Result<_>>()?;
        let columns = Columns::new(self.name(), &self.inner.schema, None)?;
        self.read(|conn| {
            let mut rows = Vec::with_capacity(keys.len());
            for key in &keys {
                if let Some(rowid) = self.rowid_of(conn, key)?
                    && let Some((cells, _)) = columns.read(self.inner.on(conn), rowid)?
                {
                    rows.push(read_row::row(&columns, rowid, &cells)?);
                }
            }
            Ok(rows)
        })
    }

    /// The row with this key.
    ///
    /// ```
    /// # use nearlite::{Database, Schema};
    /// # use serde_json::json;
    /// # let notes = Database::in_memory()?.collection("notes").create(
    /// #     Schema::new().key("id").full_text("body").integer("year"))?;
    /// notes.insert(&json!({"id": "a", "year": 1999}))?;
    /// let row: Option<serde_json::Value> = notes.get_one("a")?;
    /// assert_eq!(row.unwrap()["year"], 1999);
    /// assert!(notes.get_one::<serde_json::Value>("z")?.is_none());
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`get`](Self::get).
    pub fn get_one<T: DeserializeOwned>(&self, key: impl Into<Key>) -> Result<Option<T>> {
        Ok(self.get([key])?.pop())
    }

    /// Number of rows.
    ///
    /// ```
    /// # use nearlite::{Database, Schema};
    /// # use serde_json::json;
    /// # let notes = Database::in_memory()?.collection("notes").create(
    /// #     Schema::new().key("id").full_text("body").integer("year"))?;
    /// assert!(notes.is_empty()?);
    /// notes.insert(&json!({"id": "a"}))?;
    /// assert_eq!(notes.len()?, 1);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Sqlite`] when the file cannot be read.
    pub fn len(&self) -> Result<usize> {
        self.read(|conn| self.inner.storage.row_count(conn))
    }

    /// Number of rows that pass a filter. No row is read: it is the count of a bitmap over the columns.
    ///
    /// ```
    /// # use nearlite::{Database, Schema, col};
    /// # use serde_json::json;
    /// # let notes = Database::in_memory()?.collection("notes").create(
    /// #     Schema::new().key("id").full_text("body").integer("year"))?;
    /// notes.insert(&[json!({"id": "a", "year": 1999}), json!({"id": "b", "year": 2024}), json!({"id": "c"})])?;
    /// assert_eq!(notes.count(col("year").ge(2000))?, 1);
    /// assert_eq!(notes.count(col("year").is_null())?, 1);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Unknown`] for a column that is not there, [`Error::Value`] for a filter that does not fit.
    pub fn count(&self, filter: Filter) -> Result<usize> {
        filter.check(self.name(), &self.inner.schema)?;
        self.read_snapshot(|snapshot| query::passing_count(snapshot, &filter))
    }

    /// Whether there is a row with this key.
    ///
    /// ```
    /// # use nearlite::{Database, Schema};
    /// # let notes = Database::in_memory()?.collection("notes").create(Schema::new().key("id").full_text("body"))?;
    /// notes.insert(&serde_json::json!({"id": "a"}))?;
    /// assert!(notes.exists("a")? && !notes.exists("z")?);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Value`] for a key of the wrong kind.
    pub fn exists(&self, key: impl Into<Key>) -> Result<bool> {
        let key = self.check_key(key.into())?;
        self.read(|conn| self.has(conn, &key))
    }

    /// Whether there is no row.
    ///
    /// # Errors
    /// [`Error::Sqlite`] when the file cannot be read.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Starts a search.
    pub fn search(&self) -> Search<'_, D> {
        Search::new(self)
    }

    /// Runs `work` on one snapshot in which the collection is still the same table.
    pub(super) fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.with(|conn| {
            reading(conn, || {
                self.inner.check(conn)?;
                work(conn)
            })
        })
    }

    /// Runs `work` on what one snapshot sees of the collection that was opened.
    pub(super) fn read_snapshot<T>(&self, work: impl FnOnce(Snapshot<'_>) -> Result<T>) -> Result<T> {
        self.with(|conn| {
            reading(conn, || {
                let pinned = self.inner.pin(conn)?;
                work(pinned.snapshot(self.inner.on(conn)))
            })
        })
    }

    /// Runs `work` as one unit of writing to the collection that was opened.
    pub(super) fn write<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.write_unchecked(|conn| {
            self.inner.check(conn)?;
            work(conn)
        })
    }

    /// The same, also where the table is damaged.
    pub(super) fn write_damaged<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.write_unchecked(|conn| match self.inner.check(conn) {
            Ok(()) | Err(Error::Corrupt { .. }) => work(conn),
            Err(error) => Err(error),
        })
    }

    fn write_unchecked<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let done = self
            .access
            .write(|conn| work(conn).map_err(|error| catalog::explain_missing(conn, &self.inner, error)))?;
        self.access.wrote(self.name());
        Ok(done)
    }

    /// Position of a vector column among the vector columns.
    pub(super) fn vector_column(&self, name: &str) -> Result<usize> {
        let schema = &self.inner.schema;
        if let Some((at, _)) = schema.find(name)
            && let Some(nth) = schema.vector_nth(at)
        {
            return Ok(nth);
        }
        let known: Vec<_> = schema.vectors().map(|(at, _)| schema.columns[at].name.as_str()).collect();
        let known = if known.is_empty() { "there is none".to_owned() } else { known.join(", ") };
        Err(Error::Unknown(format!("{} has no vector column {name}; vector columns: {known}", self.name())))
    }

    /// Runs `work` with a connection; an error that there is because the collection is gone says so.
    pub(super) fn with<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.access
            .with(|conn| work(conn).map_err(|error| catalog::explain_missing(conn, &self.inner, error)))
    }

    pub(super) fn target(&self) -> String {
        target(&self.inner)
    }
}
