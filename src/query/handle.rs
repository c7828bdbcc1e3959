//! One collection as the Rust door sees it: storage, schema, settings and the last view, on any connection.
//!
//! Everything cached here is found again by the root nonce, which changes with every seal, merge and setting, so one
//! handle serves many connections to the same file.

use super::source::Source;
use crate::collection::{View, Views};
use crate::error::{Error, Result};
use crate::schema::Schema;
use crate::storage::{Settings, Storage};
use parking_lot::Mutex;
use rusqlite::Connection;
use std::sync::Arc;

/// A collection of an open file; shared by all connections of a pool.
pub struct Handle {
    /// Shadow tables.
    pub storage: Storage,
    /// Declared columns.
    pub schema: Schema,
    views: Views,
    settings: Mutex<Option<([u8; 16], Arc<Settings>)>>,
}

impl Handle {
    /// Reads the schema of `database.table`.
    pub fn open(conn: &Connection, database: &str, table: &str) -> Result<Self> {
        let (storage, schema) = Storage::open(conn, database, table)?;
        Ok(Self { storage, schema, views: Views::default(), settings: Mutex::default() })
    }

    /// Settings of the table in the current snapshot.
    ///
    /// # Errors
    /// [`Error::Schema`] when the table was dropped and made again with other columns.
    pub fn settings(&self, conn: &Connection) -> Result<Arc<Settings>> {
        let nonce = self.storage.nonce(conn)?;
        let mut known = self.settings.lock();
        if let Some((of, settings)) = &*known
            && *of == nonce
        {
            return Ok(Arc::clone(settings));
        }
        let (storage, schema) = Storage::open(conn, &self.storage.database, &self.storage.table)?;
        if schema != self.schema || !storage.same_form(&self.storage) {
            let table = &self.storage.table;
            return Err(Error::Schema(format!(
                "{table} was made anew with other columns; open the collection again"
            )));
        }
        let settings = Arc::new(self.storage.settings(conn)?);
        *known = Some((nonce, Arc::clone(&settings)));
        Ok(settings)
    }

    /// Runs `work` with the data source of the connection's current snapshot. Call inside a read transaction.
    pub fn with_source<T>(
        &self,
        conn: &Connection,
        work: impl FnOnce(&Source<'_>) -> Result<T>,
    ) -> Result<T> {
        let settings = self.settings(conn)?;
        work(&Source { storage: &self.storage, conn, schema: &self.schema, settings: &settings })
    }

    /// The view of the connection's current snapshot.
    pub fn view(&self, conn: &Connection) -> Result<Arc<View>> {
        let settings = self.settings(conn)?;
        self.views.current(&self.storage, conn, &self.schema, &settings)
    }
}
