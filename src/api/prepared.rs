//! A search that was checked against the schema: run to its end, or begun for an iterator.

use super::feed::{Feed, Rows};
use super::hits::Hits;
use super::read_row::Columns;
use super::statement::{condition, error_of, target};
use crate::collection::OpenCollection;
use crate::error::Result;
use crate::query::{self, OrderBy, Request};
use rusqlite::Connection;
use std::sync::Arc;

/// A search that was checked against the schema.
#[derive(Clone)]
pub(super) struct Prepared {
    pub request: Request,
    pub limit: usize,
    pub offset: usize,
    pub columns: Arc<Columns>,
    /// The order of rows that nothing ranks; by rowid where none is given.
    pub order: Vec<OrderBy>,
}

impl Prepared {
    /// Begins the search; `bounded` when no more rows than the limit are taken.
    pub fn start(&self, inner: &OpenCollection, conn: &Connection, bounded: bool) -> Result<Feed> {
        let request = &self.request;
        let most = if bounded && request.group.is_none() {
            self.limit.saturating_add(self.offset)
        } else {
            usize::MAX
        };
        let rows = if request.legs.is_empty() && !self.order.is_empty() {
            let pinned = inner.pin(conn)?;
            let snapshot = pinned.snapshot(inner.on(conn));
            let ids = query::ordered_rowids(snapshot, request.filter.as_ref(), &self.order, most)?;
            Rows::Plain(ids.into_iter(), request.group.map(query::Groups::new))
        } else if request.legs.is_empty() {
            // No view is asked for here, which would notice a table that was made again.
            inner.check(conn)?;
            let (condition, params) = condition(inner, conn, request.filter.as_ref())?;
            let limit = if most < usize::MAX { format!(" LIMIT {most}") } else { String::new() };
            let sql = format!("SELECT rowid FROM {} WHERE {condition} ORDER BY rowid{limit}", target(inner));
            let mut statement = conn.prepare_cached(&sql).map_err(error_of)?;
            let ids = statement
                .query_map(rusqlite::params_from_iter(&params), |row| row.get(0))
                .map_err(error_of)?;
            let ids = ids.collect::<rusqlite::Result<Vec<i64>>>().map_err(error_of)?;
            Rows::Plain(ids.into_iter(), request.group.map(query::Groups::new))
        } else {
            let search = query::Search::start(inner.on(conn), inner.pin(conn)?, request.clone())?;
            Rows::Ranked(Box::new(search))
        };
        Ok(Feed::new(rows, Arc::clone(&self.columns)))
    }

    /// Runs the search to its end; the hits and the plan. What was found of each hit is put into `found`.
    pub fn run(
        &self,
        inner: &OpenCollection,
        conn: &Connection,
        mut found: Option<&mut Vec<query::Hit>>,
    ) -> Result<(Hits, serde_json::Value)> {
        let on = inner.on(conn);
        let mut feed = self.start(inner, conn, true)?;
        let mut hits = Vec::new();
        let wanted = if self.limit == 0 { 0 } else { self.limit.saturating_add(self.offset) };
        for at in 0..wanted {
            let Some(row) = feed.next(on)? else { break };
            if at >= self.offset
                && let Some(hit) = feed.hit(on, &row)?
            {
                hits.push(hit);
                if let Some(found) = &mut found {
                    found.push(row);
                }
            }
        }
        let plan = match &feed.rows {
            Rows::Ranked(search) => serde_json::to_value(search.trace()).unwrap_or_default(),
            Rows::Plain(..) => serde_json::json!({"kind": "rows"}),
        };
        Ok((Hits { hits }, plan))
    }
}
