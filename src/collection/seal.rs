//! Seal: the rows of the delta become a segment, kills become tombstones, the log starts empty.

use super::Connected;
use super::payloads::{self, Progress};
use crate::error::Result;
use crate::memory;
use crate::storage::{LogOp, Storage};
use roaring::RoaringBitmap;
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};

/// Seals everything in the log; returns the number of rows that became a segment.
pub fn seal(on: Connected<'_>, progress: Progress<'_>) -> Result<usize> {
    let Connected { storage, conn, .. } = on;
    let entries = storage.log_since(conn, 0)?;
    if entries.is_empty() {
        return Ok(0);
    }
    memory::check_large(entries.len().saturating_mul(64))?;
    let mut rows: BTreeSet<i64> = BTreeSet::new();
    let mut kills: BTreeMap<i64, RoaringBitmap> = BTreeMap::new();
    for entry in &entries {
        match entry.op {
            LogOp::Add => {
                rows.insert(entry.rowid);
            }
            LogOp::Remove => {
                rows.remove(&entry.rowid);
            }
            LogOp::Kill { segment, ord } => {
                kills.entry(segment).or_default().insert(ord);
            }
        }
    }
    fold_kills(storage, conn, kills)?;
    let rowids: Vec<i64> = rows.into_iter().collect();
    if !rowids.is_empty() {
        let directory = payloads::write_new(on, &rowids, progress)?;
        storage.add_segment(conn, rowids.len(), directory)?;
    }
    storage.log_clear(conn)?;
    storage.renew_nonce(conn)?;
    Ok(rowids.len())
}

fn fold_kills(storage: &Storage, conn: &Connection, mut kills: BTreeMap<i64, RoaringBitmap>) -> Result<()> {
    if kills.is_empty() {
        return Ok(());
    }
    for record in storage.segments(conn)? {
        let Some(new) = kills.remove(&record.seq) else { continue };
        let dead = storage.tombstones(conn, &record)? | new;
        if dead.len() == record.rows as u64 {
            storage.drop_segment(conn, &record)?;
        } else {
            storage.set_tombstones(conn, record.seq, &dead)?;
        }
    }
    Ok(())
}

/// Builds the whole index again from the stored rows, as one segment.
pub fn rebuild(on: Connected<'_>, progress: Progress<'_>) -> Result<()> {
    let Connected { storage, conn, .. } = on;
    storage.drop_index(conn)?;
    let rowids = storage.all_rowids(conn)?;
    if !rowids.is_empty() {
        let directory = payloads::write_new(on, &rowids, progress)?;
        storage.add_segment(conn, rowids.len(), directory)?;
    }
    storage.renew_nonce(conn)
}
