//! Rows of a search as they come, and hits made of them.

use super::hits::{Hit, HitContext};
use super::read_row::Columns;
use crate::collection::Connected;
use crate::error::Result;
use crate::query::{self, Groups};
use std::sync::Arc;

/// Where rows come from, one by one.
pub(super) enum Rows {
    Ranked(Box<query::Search>),
    /// Rows of a search without legs, and how many of each group were given.
    Plain(std::vec::IntoIter<i64>, Option<Groups>),
}

/// A running search and what it needs to make hits.
pub(super) struct Feed {
    pub rows: Rows,
    columns: Arc<Columns>,
    context: Option<Arc<HitContext>>,
}

impl Feed {
    /// Rows as they come; `columns` are those of the hits.
    pub fn new(rows: Rows, columns: Arc<Columns>) -> Self {
        Self { rows, columns, context: None }
    }

    /// The next row.
    pub fn next(&mut self, on: Connected<'_>) -> Result<Option<query::Hit>> {
        match &mut self.rows {
            Rows::Ranked(search) => search.next(on),
            Rows::Plain(rowids, groups) => {
                for rowid in rowids {
                    let admitted = match groups {
                        Some(groups) => groups.admit(on, rowid)?,
                        None => true,
                    };
                    if admitted {
                        return Ok(Some(query::Hit::bare(rowid)));
                    }
                }
                Ok(None)
            }
        }
    }

    /// The hit with its row; `None` when the row is gone.
    pub fn hit(&mut self, on: Connected<'_>, found: &query::Hit) -> Result<Option<Hit>> {
        let (rows, columns) = (&self.rows, &self.columns);
        let context = self.context.get_or_insert_with(|| {
            let text = match rows {
                Rows::Ranked(search) => search.text_query().cloned(),
                Rows::Plain(..) => None,
            };
            let (schema, table) = (on.schema.clone(), on.storage.table.clone());
            Arc::new(HitContext { columns: Arc::clone(columns), schema, text, table })
        });
        let row = columns.read(on, found.rowid)?;
        Ok(row.map(|(cells, values)| Hit::new(found, cells, values, context)))
    }
}
