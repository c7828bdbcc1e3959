//! A collection on a connection: what every read and every change of it starts from.

use crate::error::Result;
use crate::schema::Schema;
use crate::storage::Storage;
use crate::value::Value;
use rusqlite::Connection;

/// The tables and the declaration of a collection, on one connection.
#[derive(Clone, Copy)]
pub struct Connected<'a> {
    /// Shadow tables.
    pub storage: &'a Storage,
    /// The caller's connection, inside a transaction.
    pub conn: &'a Connection,
    /// Declared columns.
    pub schema: &'a Schema,
}

/// What is asked of text keys.
pub enum KeyTest<'a> {
    /// One of these.
    Among(&'a [String]),
    /// Those from a text on, in the order of their bytes, that the function accepts, up to the first for which it gives
    /// `None`.
    From(&'a str, &'a dyn Fn(&str) -> Option<bool>),
}

impl Connected<'_> {
    /// Whether the user interrupted the statement that runs.
    pub fn interrupted(self) -> bool {
        self.storage.interrupted(self.conn)
    }

    /// Rowids of the rows whose text key passes a test, in no order.
    pub fn resolve_keys(self, test: KeyTest<'_>) -> Result<Vec<i64>> {
        match test {
            KeyTest::Among(keys) => {
                let mut found = Vec::with_capacity(keys.len());
                for key in keys {
                    found.extend(self.storage.rowid_of_key(self.conn, &Value::Text(key.clone()))?);
                }
                Ok(found)
            }
            KeyTest::From(first, test) => self.storage.rowids_of_keys_from(self.conn, first, test),
        }
    }

    /// Hands each row's stored vector to `each` as floats; `None` where the row is gone or has no vector.
    pub fn for_each_vector(
        self,
        column: usize,
        rowids: impl IntoIterator<Item = i64>,
        each: impl FnMut(Option<&[f32]>) -> Result<()>,
    ) -> Result<()> {
        let mut rowids = rowids.into_iter().peekable();
        if rowids.peek().is_none() {
            return Ok(());
        }
        self.storage.for_each_vector(self.conn, column, rowids, each)
    }
}
