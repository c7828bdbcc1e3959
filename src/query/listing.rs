//! Rows that match a text, in order of rowid and without scores: for callers who count, test, or order otherwise.
//!
//! The rows of each part are known before the first is given. Rowids mostly ascend with the ords of a part; then its rows
//! are found as they are taken, and a caller who takes ten pays for ten.

use super::candidates::Over;
use crate::bitmap::Bitmap;
use crate::collection::Snapshot;
use crate::error::Result;
use crate::text::TextQuery;
use std::sync::Arc;

/// A running listing.
pub struct Listing {
    query: Arc<TextQuery>,
    descending: bool,
    parts: Vec<Rows>,
    started: bool,
}

/// The rows of a part.
struct Rows {
    part: usize,
    ords: Ords,
    /// Rowid of the next row.
    head: Option<i64>,
}

enum Ords {
    /// Rowids ascend with the ords: those in the set from `next` on, or below it.
    Set { set: Arc<Bitmap>, next: u32 },
    /// Rowids in the order asked for.
    Sorted(std::vec::IntoIter<i64>),
}

impl Listing {
    /// The rows that `masks` leaves, by rowid.
    pub fn new(query: Arc<TextQuery>, descending: bool) -> Self {
        Self { query, descending, parts: Vec::new(), started: false }
    }

    /// The parsed text, for snippets.
    pub fn query(&self) -> &Arc<TextQuery> {
        &self.query
    }

    /// Rowid of the next row.
    pub fn next(&mut self, over: &Over<'_>) -> Result<Option<i64>> {
        if !self.started {
            self.started = true;
            for part in 0..over.snapshot.view.parts() {
                let mut rows = Rows::new(over, part, self.descending)?;
                rows.advance(over.snapshot, self.descending)?;
                if rows.head.is_some() {
                    self.parts.push(rows);
                }
            }
        }
        let heads = self.parts.iter_mut().filter(|rows| rows.head.is_some());
        let first = if self.descending {
            heads.max_by_key(|rows| rows.head)
        } else {
            heads.min_by_key(|rows| rows.head)
        };
        let Some(rows) = first else { return Ok(None) };
        let rowid = rows.head;
        rows.advance(over.snapshot, self.descending)?;
        Ok(rowid)
    }
}

impl Rows {
    fn new(over: &Over<'_>, part: usize, descending: bool) -> Result<Self> {
        let len = over.snapshot.view.part_len(part);
        let set = match over.masks.parts.get(part) {
            Some(Some(mask)) => Arc::clone(mask),
            _ => Arc::new(Bitmap::full(len)),
        };
        if !set.is_empty() && !over.snapshot.ascends(part)? {
            let mut rowids = Vec::with_capacity(set.count());
            for ord in set.iter() {
                rowids.push(over.snapshot.rowid(part, ord)?);
            }
            rowids.sort_unstable();
            if descending {
                rowids.reverse();
            }
            return Ok(Self { part, ords: Ords::Sorted(rowids.into_iter()), head: None });
        }
        let next = if descending { len as u32 } else { 0 };
        Ok(Self { part, ords: Ords::Set { set, next }, head: None })
    }

    fn advance(&mut self, snapshot: Snapshot<'_>, descending: bool) -> Result<()> {
        self.head = match &mut self.ords {
            Ords::Sorted(rowids) => rowids.next(),
            Ords::Set { set, next } => {
                let found = if descending { set.last_below(*next) } else { set.first_from(*next) };
                if let Some(ord) = found {
                    *next = if descending { ord } else { ord + 1 };
                }
                found.map(|ord| snapshot.rowid(self.part, ord)).transpose()?
            }
        };
        Ok(())
    }
}
