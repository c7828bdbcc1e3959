//! Columns that come, go and get other names.

use super::access::Access;
use super::collection::Collection;
use super::database::declarations;
use super::statement::{change, command_sql, error_of};
use crate::collection::OpenCollection;
use crate::error::{Error, Result};
use crate::schema::{Schema, quoted};
use std::sync::Arc;

impl<D: Access> Collection<D> {
    /// Adds the columns of `columns`, which are metadata, JSON and unindexed ones, behind those that are there. No row is
    /// written and nothing is indexed again: rows that are there have NULL, or the
    /// [`default_value`](Schema::default_value), which a column needs that refuses NULL.
    ///
    /// This handle has the new columns afterwards. Others of the collection have to be opened again; until then each of
    /// their calls is [`Error::Schema`].
    ///
    /// ```
    /// # use nearlite::{col, Database, Metric, Schema};
    /// # use serde_json::json;
    /// # let db = Database::in_memory()?;
    /// let mut notes = db.collection("notes").create(Schema::new().key("id").vector("e", 2, Metric::Cosine))?;
    /// notes.insert(&json!({"id": "a", "e": [1, 0]}))?;
    ///
    /// notes.add_columns(Schema::new().integer("year").text("lang").not_null().default_value("en"))?;
    /// notes.insert(&json!({"id": "b", "e": [0, 1], "year": 2024, "lang": "de"}))?;
    /// let hits = notes.search().nearest("e", &[0.0, 1.0]).filter(col("lang").eq("en")).run()?;
    /// assert_eq!(hits.keys(), ["a"]);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Schema`] for a column of another kind, a name that is taken, a NOT NULL without a default.
    pub fn add_columns(&mut self, columns: Schema) -> Result<()> {
        if let Some(mistake) = columns.mistake {
            return Err(Error::Schema(format!("{}: {mistake}", self.name())));
        }
        match declarations(&columns) {
            Some(columns) => self.alter(columns.into_iter().map(|column| format!("ADD COLUMN {column}"))),
            None => Err(Error::Schema(format!(
                "{}: the options of a table cannot be changed, only columns be added",
                self.name()
            ))),
        }
    }

    /// Removes a metadata, JSON or unindexed column with its values.
    ///
    /// ```
    /// # use nearlite::{Database, Schema};
    /// # let db = Database::in_memory()?;
    /// # let mut notes = db.collection("notes").create(Schema::new().key("id").integer("year"))?;
    /// notes.drop_column("year")?;
    /// assert!(notes.schema().find("year").is_none());
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Unknown`] for a column that is not there, [`Error::Schema`] for one that cannot be dropped.
    pub fn drop_column(&mut self, name: &str) -> Result<()> {
        self.alter([format!("DROP COLUMN {}", quoted(name))])
    }

    /// Gives a column another name.
    ///
    /// ```
    /// # use nearlite::{Database, Schema};
    /// # let db = Database::in_memory()?;
    /// # let mut notes = db.collection("notes").create(Schema::new().key("id").integer("year"))?;
    /// notes.rename_column("year", "published")?;
    /// assert!(notes.schema().find("published").is_some());
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Unknown`] for a column that is not there, [`Error::Schema`] for a name that it cannot have.
    pub fn rename_column(&mut self, name: &str, new: &str) -> Result<()> {
        self.alter([format!("RENAME COLUMN {} TO {}", quoted(name), quoted(new))])
    }

    fn alter(&mut self, changes: impl IntoIterator<Item = String>) -> Result<()> {
        let (sql, storage) = (command_sql(&self.inner), &self.inner.storage);
        let opened = self.write(|conn| {
            for text in changes {
                let mut statement = conn.prepare(&sql).map_err(error_of)?;
                change(conn, statement.query(("alter", text)).map_err(error_of)?)?;
            }
            OpenCollection::open(conn, &storage.database, &storage.table)
        })?;
        self.inner = Arc::new(opened);
        Ok(())
    }
}
