//! A collection at a snapshot: what every search starts from.
//!
//! A [`Snapshot`] is borrowed for the length of one call. A running search keeps the [`Pinned`] half and gets the
//! connection with each call.

use super::connected::Connected;
use super::resident::Resident;
use super::view::{TextView, View};
use crate::columns::{Columns, Passing};
use crate::error::Result;
use crate::storage::Settings;
use crate::text::TextQuery;
use crate::value::Value;
use crate::vector::metric;
use std::ops::Deref;
use std::sync::Arc;

/// What one snapshot sees, for as long as rows are taken from it.
#[derive(Clone)]
pub struct Pinned {
    /// Segments, dead rows and delta.
    pub view: Arc<View>,
    /// Settings of the table.
    pub settings: Arc<Settings>,
}

impl Pinned {
    /// The snapshot on the connection that it was pinned on.
    pub fn snapshot<'a>(&'a self, on: Connected<'a>) -> Snapshot<'a> {
        Snapshot { on, view: &self.view, settings: &self.settings }
    }
}

/// A collection at a snapshot.
#[derive(Clone, Copy)]
pub struct Snapshot<'a> {
    /// Tables, declaration and connection.
    pub on: Connected<'a>,
    /// What the snapshot sees.
    pub view: &'a View,
    /// Settings of the table.
    pub settings: &'a Settings,
}

impl<'a> Deref for Snapshot<'a> {
    type Target = Connected<'a>;

    fn deref(&self) -> &Connected<'a> {
        &self.on
    }
}

impl<'a> Snapshot<'a> {
    /// Rowid of a row.
    pub fn rowid(self, part: usize, ord: u32) -> Result<i64> {
        self.view.rowid(self.on, part, ord)
    }

    /// The value of a metadata column, by its position among them, in a row.
    pub fn value(self, part: usize, column: usize, ord: u32) -> Result<Value> {
        self.view.value(self.on, part, column, ord)
    }

    /// Whether the rowids of a part ascend with the ords.
    pub fn ascends(self, part: usize) -> Result<bool> {
        self.view.ascends(self.on, part)
    }

    /// The text searcher, opened at first use.
    pub fn text(self) -> Result<&'a Arc<TextView>> {
        self.view.text(self.on)
    }

    /// A text searcher for the words of a query.
    pub fn text_for(self, query: &TextQuery) -> Result<Arc<TextView>> {
        self.view.text_for(self.on, query)
    }

    /// Evaluates `make` on the columns of a part; results for segments are cached under `key`.
    pub fn predicate(
        self,
        part: usize,
        key: Option<&str>,
        make: &dyn Fn(&Columns) -> Passing,
    ) -> Result<Passing> {
        self.view.predicate(self.on, part, key, make)
    }

    fn resident(self, part: usize, column: usize) -> Result<Option<&'a Arc<Resident>>> {
        if self.settings.resident_vectors == 0 {
            return Ok(None);
        }
        self.view.resident(self.on, part, column)
    }

    /// Hands the exact distance of `query` to each row, given by part, ord and rowid, to `each`: to the vector in memory
    /// where there is one, otherwise to that in the file. `None` where the row is gone or has no vector.
    pub fn for_each_distance(
        self,
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
            let held = if part as usize >= self.view.segments.len() {
                self.view.delta.distance(spec.metric, column, query, ord)
            } else {
                let resident = self.resident(part as usize, column)?;
                resident.and_then(|held| held.distance(spec.metric, query, ord))
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
}
