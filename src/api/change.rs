//! Changes to rows that are there, and their end.

use super::access::Access;
use super::collection::Collection;
use super::key::Key;
use super::statement::{change, condition, error_of};
use super::write_row;
use crate::error::{Error, Result};
use crate::query::Filter;
use crate::schema::quoted;
use crate::value::Value;
use rusqlite::Connection;
use serde::Serialize;

impl<D: Access> Collection<D> {
    /// Changes the given columns of the row with this key; returns whether there is one.
    ///
    /// ```
    /// # use nearlite::{Database, Schema};
    /// # use serde_json::json;
    /// # let notes = Database::in_memory()?.collection("notes").create(
    /// #     Schema::new().key("id").full_text("body").integer("year"))?;
    /// notes.insert(&json!({"id": "a", "body": "first", "year": 2024}))?;
    /// assert!(notes.update("a", &json!({"year": 2025}))?);
    /// assert!(!notes.update("z", &json!({"year": 2025}))?);               // there is no such row
    /// assert_eq!(notes.get::<serde_json::Value>(["a"])?, [json!({"id": "a", "body": "first", "year": 2025})]);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`insert`](Self::insert); [`Error::Serde`] when `changes` is not exactly one struct or map.
    pub fn update<T: Serialize + ?Sized>(&self, key: impl Into<Key>, changes: &T) -> Result<bool> {
        let key = self.check_key(key.into())?;
        let given = self.cells(changes, "update")?;
        if given.iter().all(Option::is_none) {
            return self.read(|conn| self.has(conn, &key));
        }
        self.write(|conn| self.change(conn, &key, &given))
    }

    /// The cells of exactly one struct or map.
    fn cells<T: Serialize + ?Sized>(&self, changes: &T, method: &str) -> Result<Vec<Option<Value>>> {
        let (mut given, mut count) = (Vec::new(), 0);
        write_row::write(self.name(), self.schema(), changes, &mut |cells| {
            count += 1;
            given = cells.to_vec();
            Ok(())
        })?;
        match count {
            1 => Ok(given),
            _ => Err(Error::Serde(format!("{}: {method} takes one struct or map, got {count}", self.name()))),
        }
    }

    /// Changes the given columns of every row that passes a filter, in one transaction; returns how many rows passed.
    ///
    /// ```
    /// # use nearlite::{Database, Schema, col};
    /// # use serde_json::json;
    /// # let notes = Database::in_memory()?.collection("notes").create(
    /// #     Schema::new().key("id").full_text("body").integer("year").boolean("old"))?;
    /// notes.insert(&[json!({"id": "a", "year": 1999}), json!({"id": "b", "year": 2024})])?;
    /// assert_eq!(notes.update_where(col("year").lt(2000), &json!({"old": true}))?, 1);
    /// assert_eq!(notes.count(col("old").eq(true))?, 1);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`update`](Self::update), and [`Error::Unknown`] for a column of the filter that is not there; then nothing
    /// is changed. So it is where several rows would get one key.
    pub fn update_where<T: Serialize + ?Sized>(&self, filter: Filter, changes: &T) -> Result<usize> {
        filter.check(self.name(), &self.inner.schema)?;
        let given = self.cells(changes, "update_where")?;
        let sets = self.sets(&given);
        if sets.is_empty() {
            return self.count(filter);
        }
        self.write(|conn| {
            let (condition, params) = condition(&self.inner, conn, Some(&filter))?;
            let sql = format!("UPDATE {} SET {} WHERE {condition}", self.target(), sets.join(", "));
            let values = given.iter().flatten().chain(&params);
            let mut statement = conn.prepare(&sql).map_err(error_of)?;
            change(conn, statement.query(rusqlite::params_from_iter(values)).map_err(error_of)?)
        })
    }

    /// `column = ?` of each cell that is given.
    fn sets(&self, cells: &[Option<Value>]) -> Vec<String> {
        let columns = &self.schema().columns;
        let name = |at: usize| columns.get(at).map_or("rowid".to_owned(), |column| quoted(&column.name));
        let given = cells.iter().enumerate().filter(|(_, cell)| cell.is_some());
        given.map(|(at, _)| format!("{} = ?", name(at))).collect()
    }

    /// Changes the given columns of many rows in one transaction: `&vec` or `&slice` of structs or maps, each with the
    /// key of its row beside what changes, as for new vectors of rows that stay. Without a declared key, the key is
    /// `rowid`. Returns how many rows there were; a key that no row has is passed over.
    ///
    /// ```
    /// # use nearlite::{Database, Metric, Schema};
    /// # use serde_json::json;
    /// # let notes = Database::in_memory()?.collection("notes").create(
    /// #     Schema::new().key("id").full_text("body").vector("embedding", 2, Metric::Cosine))?;
    /// #[derive(serde::Serialize)]
    /// struct Embedded<'a> { id: &'a str, embedding: [f32; 2] }
    ///
    /// notes.insert(&[json!({"id": "a", "body": "first"}), json!({"id": "b", "body": "second"})])?;
    /// let changed = notes.update_many(&[
    ///     Embedded { id: "a", embedding: [1.0, 0.0] },
    ///     Embedded { id: "b", embedding: [0.0, 1.0] },
    ///     Embedded { id: "z", embedding: [0.0, 1.0] },
    /// ])?;
    /// assert_eq!(changed, 2);
    /// let hits = notes.search().nearest("embedding", [0.1, 0.9]).run()?;
    /// assert_eq!(hits[0].row::<serde_json::Value>()?["body"], "second");
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`insert`](Self::insert), and [`Error::Value`] for a row without its key; then nothing of the call is
    /// written.
    pub fn update_many<T: Serialize + ?Sized>(&self, rows: &T) -> Result<usize> {
        let schema = self.schema();
        // The rowid, where there is no key, comes after the columns.
        let at = schema.key_column().map_or(schema.columns.len(), |(at, _)| at);
        self.write(|conn| {
            let (mut number, mut found) = (0, 0);
            write_row::write(self.name(), schema, rows, &mut |cells| {
                let mut given = cells.to_vec();
                let key = match given.get_mut(at).and_then(Option::take) {
                    Some(Value::Text(text)) => Key::Text(text),
                    Some(Value::Integer(rowid)) => Key::Rowid(rowid),
                    _ => {
                        let (name, key) = (self.name(), self.key_name());
                        let sentence =
                            format!("{name}: row {number} of update_many does not give its key {key}");
                        return Err(Error::Value(sentence));
                    }
                };
                let key = self.check_key(key)?;
                let there = if given.iter().all(Option::is_none) {
                    self.has(conn, &key)?
                } else {
                    self.change(conn, &key, &given)?
                };
                number += 1;
                found += usize::from(there);
                Ok(())
            })?;
            Ok(found)
        })
    }

    /// Writes the cells that are given into the row with this key; whether there is one.
    fn change(&self, conn: &Connection, key: &Key, cells: &[Option<Value>]) -> Result<bool> {
        let sets = self.sets(cells);
        let sql = format!("UPDATE {} SET {} WHERE {} = ?", self.target(), sets.join(", "), self.key_name());
        let key = key.value();
        let values = cells.iter().flatten().chain([&key]);
        let mut statement = conn.prepare_cached(&sql).map_err(error_of)?;
        Ok(change(conn, statement.query(rusqlite::params_from_iter(values)).map_err(error_of)?)? > 0)
    }

    /// Deletes the rows with these keys; returns how many there were. Text keys for a collection that has a text key,
    /// rowids otherwise.
    ///
    /// ```
    /// # use nearlite::{Database, Schema};
    /// # use serde_json::json;
    /// # let notes = Database::in_memory()?.collection("notes").create(
    /// #     Schema::new().key("id").full_text("body").integer("year"))?;
    /// notes.insert(&[json!({"id": "a"}), json!({"id": "b"}), json!({"id": "c"})])?;
    /// assert_eq!(notes.delete(["a", "c", "z"])?, 2);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Value`] for a key of the wrong kind.
    pub fn delete(&self, keys: impl IntoIterator<Item = impl Into<Key>>) -> Result<usize> {
        let keys: Vec<Key> = keys.into_iter().map(|key| self.check_key(key.into())).collect::<Result<_>>()?;
        let sql = format!("DELETE FROM {} WHERE {} = ?", self.target(), self.key_name());
        self.write(|conn| {
            let mut statement = conn.prepare_cached(&sql).map_err(error_of)?;
            let mut gone = 0;
            for key in &keys {
                gone += change(conn, statement.query([key.value()]).map_err(error_of)?)?;
            }
            Ok(gone)
        })
    }

    /// Deletes the rows that pass a filter; returns how many.
    ///
    /// ```
    /// # use nearlite::{Database, Schema, col};
    /// # use serde_json::json;
    /// # let notes = Database::in_memory()?.collection("notes").create(
    /// #     Schema::new().key("id").full_text("body").integer("year"))?;
    /// notes.insert(&[json!({"id": "a", "year": 1999}), json!({"id": "b", "year": 2024})])?;
    /// assert_eq!(notes.delete_where(col("year").lt(2000))?, 1);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Unknown`] for a column that is not there.
    pub fn delete_where(&self, filter: Filter) -> Result<usize> {
        filter.check(self.name(), &self.inner.schema)?;
        self.write(|conn| {
            let (condition, params) = condition(&self.inner, conn, Some(&filter))?;
            let sql = format!("DELETE FROM {} WHERE {condition}", self.target());
            {
                let mut statement = conn.prepare(&sql).map_err(error_of)?;
                change(conn, statement.query(rusqlite::params_from_iter(&params)).map_err(error_of)?)
            }
        })
    }
}
