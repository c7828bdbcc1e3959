//! Rows of a search as they come: of which group there is room for more, and hits made of them.

use super::hits::{Hit, Shared};
use super::read_row::Columns;
use crate::collection::Connected;
use crate::error::Result;
use crate::query;
use crate::text::TextQuery;
use std::collections::HashMap;
use std::sync::Arc;

/// Where rows come from, one by one.
pub(super) enum Rows {
    Ranked(Box<query::Search>),
    /// Several vector legs, fused at once.
    Fused {
        hits: std::vec::IntoIter<query::Hit>,
        text: Option<Arc<TextQuery>>,
        plan: serde_json::Value,
        /// Whether a leg had more rows.
        cut: bool,
    },
    Plain(std::vec::IntoIter<i64>),
}

/// A running search and what it needs to make hits.
pub(super) struct Feed {
    pub rows: Rows,
    group: Option<(Arc<Columns>, usize)>,
    groups: HashMap<String, usize>,
    columns: Arc<Columns>,
    shared: Option<Arc<Shared>>,
}

impl Feed {
    /// Rows as they come, at most so many of each group.
    pub fn new(rows: Rows, group: Option<(Arc<Columns>, usize)>, columns: Arc<Columns>) -> Self {
        Self { rows, group, groups: HashMap::new(), columns, shared: None }
    }

    /// Whether legs that went deeper would give more rows.
    pub fn cut(&self) -> bool {
        matches!(self.rows, Rows::Fused { cut: true, .. })
    }

    /// The next row that its group has room for.
    pub fn next(&mut self, on: Connected<'_>) -> Result<Option<query::Hit>> {
        loop {
            let found = match &mut self.rows {
                Rows::Ranked(search) => search.next(on)?,
                Rows::Fused { hits, .. } => hits.next(),
                Rows::Plain(rowids) => rowids.next().map(query::Hit::bare),
            };
            let Some(found) = found else { return Ok(None) };
            let Some((column, room)) = &self.group else { return Ok(Some(found)) };
            let Some((cells, _)) = column.read(on.storage, on.conn, on.schema, found.rowid)? else {
                continue;
            };
            let taken = self.groups.entry(format!("{cells:?}")).or_default();
            if *taken < *room {
                *taken += 1;
                return Ok(Some(found));
            }
        }
    }

    /// The hit with its row; `None` when the row is gone.
    pub fn hit(&mut self, on: Connected<'_>, found: &query::Hit) -> Result<Option<Hit>> {
        let rows = &self.rows;
        let columns = &self.columns;
        let shared = self.shared.get_or_insert_with(|| {
            let text = match rows {
                Rows::Ranked(search) => search.text_query().cloned(),
                Rows::Fused { text, .. } => text.clone(),
                Rows::Plain(_) => None,
            };
            let (schema, table) = (on.schema.clone(), on.storage.table.clone());
            Arc::new(Shared { columns: Arc::clone(columns), schema, text, table })
        });
        let row = columns.read(on.storage, on.conn, on.schema, found.rowid)?;
        Ok(row.map(|(cells, values)| Hit::new(found, cells, values, shared)))
    }
}
