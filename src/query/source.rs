//! Where a query gets its data: the collection's storage on the caller's connection, and the collection's schema.

use crate::collection::View;
use crate::error::Result;
use crate::schema::Schema;
use crate::storage::{Settings, Storage};
use crate::value::Value;
use crate::vector::metric;
use rusqlite::Connection;

/// Borrowed for the length of one call; a running search keeps no connection.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// Shadow tables.
    pub storage: &'a Storage,
    /// The caller's connection, inside a read transaction.
    pub conn: &'a Connection,
    /// Declared columns.
    pub schema: &'a Schema,
    /// Settings of the table.
    pub settings: &'a Settings,
}

impl Source<'_> {
    /// Whether the user interrupted the statement that runs.
    pub fn interrupted(&self) -> bool {
        self.storage.interrupted(self.conn)
    }

    /// Rowid of a row of a view.
    pub fn rowid(&self, view: &View, part: usize, ord: u32) -> Result<i64> {
        view.rowid(self.storage, self.conn, self.schema, part, ord)
    }

    /// Rowids of keys, for filters; keys that do not exist are left out.
    pub fn resolve_keys(&self, keys: &[String]) -> Result<Vec<i64>> {
        let mut found = Vec::with_capacity(keys.len());
        for key in keys {
            found.extend(self.storage.rowid_of_key(self.conn, &Value::Text(key.clone()))?);
        }
        Ok(found)
    }

    /// Hands the exact distance of `query` to each row of a view, given by part, ord and rowid, to `each`: to the vector
    /// in memory where there is one, otherwise to that in the file. `None` where the row is gone or has no vector.
    pub fn for_each_distance(
        &self,
        view: &View,
        column: usize,
        query: &[f32],
        rows: impl Iterator<Item = (u32, u32, i64)>,
        mut each: impl FnMut(Option<f64>),
    ) -> Result<()> {
        let Some((_, spec)) = self.schema.vectors().nth(column) else { return Ok(()) };
        let read = |rowids: &mut dyn Iterator<Item = i64>, each: &mut dyn FnMut(Option<f64>)| {
            self.for_each_vector(column, rowids, |vector| {
                each(vector.map(|vector| metric::distance(spec.metric, query, vector)));
                Ok(())
            })
        };
        // Rows that are not in memory, since the last one that is.
        let mut elsewhere: Vec<i64> = Vec::new();
        for (part, ord, rowid) in rows {
            let held = if part as usize >= view.segments.len() {
                view.delta.distance(spec.metric, column, query, ord)
            } else if self.settings.resident_vectors == 0 {
                None
            } else {
                view.resident(self.storage, self.conn, self.schema, part as usize, column)?
                    .and_then(|held| held.distance(spec.metric, query, ord))
            };
            match held {
                Some(distance) => {
                    read(&mut elsewhere.drain(..), &mut each)?;
                    each(Some(distance));
                }
                None => elsewhere.push(rowid),
            }
        }
        read(&mut elsewhere.into_iter(), &mut each)
    }

    /// Hands each row's stored vector to `each` as floats; `None` where the row is gone or has no vector.
    pub fn for_each_vector(
        &self,
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
