//! Rows by their keys.

use super::access::Access;
use super::collection::Collection;
use super::key::Key;
use crate::error::{Error, Result};
use crate::schema::quoted;
use rusqlite::Connection;

impl<D: Access> Collection<D> {
    pub(super) fn key_name(&self) -> String {
        let schema = &self.inner.schema;
        match schema.key_column() {
            Some((at, _)) => quoted(&schema.columns[at].name),
            None => "rowid".to_owned(),
        }
    }

    pub(super) fn rowid_of(&self, conn: &Connection, key: &Key) -> Result<Option<i64>> {
        match key {
            Key::Rowid(rowid) => Ok(Some(*rowid)),
            key => self.inner.storage.rowid_of_key(conn, &key.value()),
        }
    }

    /// Whether there is a row with this key, which was checked.
    pub(super) fn has(&self, conn: &Connection, key: &Key) -> Result<bool> {
        match self.rowid_of(conn, key)? {
            Some(rowid) => self.inner.storage.row_exists(conn, rowid),
            None => Ok(false),
        }
    }

    pub(super) fn check_key(&self, key: Key) -> Result<Key> {
        match (&key, self.inner.schema.has_text_key()) {
            (Key::Text(_), true) | (Key::Rowid(_), false) => Ok(key),
            (Key::Text(text), false) => Err(Error::Value(format!(
                "{} has no text key: '{text}' cannot be one; use a rowid",
                self.name()
            ))),
            (Key::Rowid(rowid), true) => Err(Error::Value(format!(
                "{} has a text key: {rowid} cannot be one; use a text",
                self.name()
            ))),
        }
    }
}
