//! A collection that was opened: its shadow tables, its declaration, and what is remembered of it between calls.
//!
//! Both doors hold one. Everything remembered is found again by the root nonce, which changes with every seal, merge and
//! setting, so one object serves many connections to the same file. No lock is held while the file is read: what stands
//! in place of a shadow table may lead back here.

use super::connected::Connected;
use super::places::Place;
use super::snapshot::Pinned;
use super::views::Views;
use crate::error::{Error, Result};
use crate::schema::Schema;
use crate::storage::{LogEntry, LogOp, Settings, Storage};
use parking_lot::Mutex;
use rusqlite::Connection;
use std::sync::Arc;

/// A collection of an open file; shared by all connections of a pool, or by the cursors of a virtual table.
pub struct OpenCollection {
    /// Shadow tables.
    pub storage: Storage,
    /// Declared columns.
    pub schema: Schema,
    views: Arc<Views>,
    settings: Mutex<Option<(Nonce, Arc<Settings>)>>,
}

/// Changes whenever the set of segments or a setting does.
type Nonce = [u8; 16];

impl OpenCollection {
    /// Reads the schema of `database.table`.
    pub fn open(conn: &Connection, database: &str, table: &str) -> Result<Self> {
        let (storage, schema) = Storage::open(conn, database, table)?;
        Ok(Self::new(storage, schema, Arc::default()))
    }

    /// The collection with these tables and columns; `views` are those of an object that the table had before.
    pub fn new(storage: Storage, schema: Schema, views: Arc<Views>) -> Self {
        Self { storage, schema, views, settings: Mutex::default() }
    }

    /// Name of the table.
    pub fn table(&self) -> &str {
        &self.storage.table
    }

    /// The collection on a connection.
    pub fn on<'a>(&'a self, conn: &'a Connection) -> Connected<'a> {
        Connected { storage: &self.storage, conn, schema: &self.schema }
    }

    /// Checks that the table is still the same table. Every call begins with this, [`Self::settings`] or [`Self::pin`].
    ///
    /// # Errors
    /// [`Error::Schema`] when the table was dropped and made again with other columns.
    pub fn check(&self, conn: &Connection) -> Result<()> {
        self.root(conn).map(drop)
    }

    /// Settings of the table in the connection's current snapshot.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn settings(&self, conn: &Connection) -> Result<Arc<Settings>> {
        Ok(self.root(conn)?.1)
    }

    /// [`Self::settings`] for what heals a table: they are read where they are stored when the root is damaged.
    pub fn settings_of_damaged(&self, conn: &Connection) -> Result<Arc<Settings>> {
        match self.root(conn) {
            Err(Error::Corrupt { .. }) => Ok(Arc::new(self.storage.settings(conn)?)),
            known => Ok(known?.1),
        }
    }

    /// The settings that were read under this nonce, if they are remembered.
    pub fn known_settings(&self, nonce: Nonce) -> Option<Arc<Settings>> {
        let known = self.settings.lock();
        known.as_ref().filter(|(of, _)| *of == nonce).map(|(_, settings)| Arc::clone(settings))
    }

    /// What the connection's current snapshot sees. Call inside a read transaction.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn pin(&self, conn: &Connection) -> Result<Pinned> {
        let (nonce, settings) = self.root(conn)?;
        let view = self.views.at(self.on(conn), &settings, nonce)?;
        Ok(Pinned { view, settings })
    }

    /// Where a row is in the connection's current snapshot, and whether the log has revisions. Call inside a transaction.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn place(&self, conn: &Connection, rowid: i64) -> Result<(Option<Place>, bool)> {
        let (nonce, settings) = self.root(conn)?;
        self.views.place(self.on(conn), &settings, nonce, rowid)
    }

    /// Appends an entry to the log, after [`Self::place`] was asked in the same statement.
    ///
    /// # Errors
    /// Those of writing.
    pub fn log(&self, conn: &Connection, op: LogOp, rowid: i64) -> Result<LogEntry> {
        let entry = self.storage.log_append(conn, op, rowid)?;
        self.views.appended(entry);
        Ok(entry)
    }

    fn root(&self, conn: &Connection) -> Result<(Nonce, Arc<Settings>)> {
        let nonce = self.storage.nonce(conn)?;
        if let Some(settings) = self.known_settings(nonce) {
            return Ok((nonce, settings));
        }
        let (storage, schema) = Storage::open(conn, &self.storage.database, &self.storage.table)?;
        if schema != self.schema || !storage.same_form(&self.storage) {
            let table = &self.storage.table;
            return Err(Error::Schema(format!(
                "{table} was dropped and made again with other columns; open the collection again"
            )));
        }
        let settings = Arc::new(self.storage.settings(conn)?);
        *self.settings.lock() = Some((nonce, Arc::clone(&settings)));
        Ok((nonce, settings))
    }
}
