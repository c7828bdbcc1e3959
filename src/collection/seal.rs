//! Seal: the rows of the delta become a segment, kills become tombstones, revisions become patches, the log starts empty.

use super::Connected;
use super::graphs::Graphs;
use super::patches::Changes;
use super::payloads::{self, Progress};
use crate::error::Result;
use crate::memory;
use crate::storage::LogOp;
use roaring::RoaringBitmap;
use std::collections::{BTreeMap, BTreeSet};

/// Seals everything in the log; returns the number of rows that became a segment. `passes`: whether it will be merged in time.
pub fn seal(on: Connected<'_>, passes: bool, progress: Progress<'_>) -> Result<usize> {
    let Connected { storage, conn, .. } = on;
    let entries = storage.log_since(conn, 0)?;
    if entries.is_empty() {
        return Ok(0);
    }
    memory::check_large(entries.len().saturating_mul(64))?;
    let mut rows: BTreeSet<i64> = BTreeSet::new();
    let mut changes: BTreeMap<i64, Sealed> = BTreeMap::new();
    for entry in &entries {
        match entry.op {
            LogOp::Add => {
                rows.insert(entry.rowid);
            }
            LogOp::Remove => {
                rows.remove(&entry.rowid);
            }
            // Its row is read as it is now.
            LogOp::Revise { sealed: None } => {}
            LogOp::Kill { .. } | LogOp::Revise { .. } => note(&mut changes, entry.op),
        }
    }
    // What follows may take all the memory that there is.
    drop(entries);
    fold(on, changes, true)?;
    let rowids: Vec<i64> = rows.into_iter().collect();
    if !rowids.is_empty() {
        let all = rowids.len() + storage.segment_rows(conn)?;
        let graphs = if passes { Graphs::among(rowids.len(), all) } else { Graphs::lasting() };
        let directory = payloads::write_new(on, &rowids, graphs, progress)?;
        storage.add_segment(conn, rowids.len(), directory)?;
    }
    storage.log_clear(conn)?;
    storage.renew_nonce(conn)?;
    Ok(rowids.len())
}

/// What the log says of the rows of a segment.
#[derive(Default)]
pub struct Sealed {
    dead: RoaringBitmap,
    revised: RoaringBitmap,
    /// Dead by entries that stay in the log.
    gone: RoaringBitmap,
}

/// Adds an entry that stays in the log: `t_rows` has no longer what it kills.
pub fn note_later(changes: &mut BTreeMap<i64, Sealed>, op: LogOp) {
    if let LogOp::Kill { segment, ord } = op
        && let Some(of) = changes.get_mut(&segment)
    {
        of.gone.insert(ord);
    }
}

/// Adds what an entry says of a row of a segment.
pub fn note(changes: &mut BTreeMap<i64, Sealed>, op: LogOp) {
    match op {
        LogOp::Kill { segment, ord } => drop(changes.entry(segment).or_default().dead.insert(ord)),
        LogOp::Revise { sealed: Some((segment, ord)) } => {
            changes.entry(segment).or_default().revised.insert(ord);
        }
        LogOp::Add | LogOp::Remove | LogOp::Revise { sealed: None } => {}
    }
}

/// Dead rows become tombstones, and what revised rows hold now a patch. `clear`: segments without a living row are removed,
/// unless a job is at work on them. Otherwise they stay until the next merge.
pub fn fold(on: Connected<'_>, mut changes: BTreeMap<i64, Sealed>, clear: bool) -> Result<()> {
    let Connected { storage, conn, .. } = on;
    if changes.is_empty() {
        return Ok(());
    }
    let settings = storage.settings(conn)?;
    let taken: BTreeSet<[u8; 16]> =
        storage.claims(conn)?.into_iter().flat_map(|claim| claim.inputs).collect();
    for record in storage.segments(conn)? {
        let Some(Sealed { dead: new, revised, gone }) = changes.remove(&record.seq) else { continue };
        if new.max().max(revised.max()).is_some_and(|ord| ord as usize >= record.rows) {
            return Err(storage.names_no_row());
        }
        let mut dead = storage.tombstones(conn, &record)? | &new;
        let in_use = taken.contains(&record.id.0);
        if clear && !in_use && dead.len() == record.rows as u64 {
            storage.drop_segment(conn, &record)?;
            continue;
        }
        if !new.is_empty() {
            storage.set_tombstones(conn, record.seq, &dead)?;
        }
        dead |= gone;
        Changes { record, rows: revised, dead: &dead, in_use }.write(on, &settings)?;
    }
    if changes.is_empty() { Ok(()) } else { Err(storage.names_no_row()) }
}

/// Builds the whole index again from the stored rows, as one segment.
pub fn rebuild(on: Connected<'_>, progress: Progress<'_>) -> Result<()> {
    let Connected { storage, conn, .. } = on;
    storage.drop_index(conn)?;
    let rowids = storage.all_rowids(conn)?;
    if !rowids.is_empty() {
        let directory = payloads::write_new(on, &rowids, Graphs::lasting(), progress)?;
        storage.add_segment(conn, rowids.len(), directory)?;
    }
    storage.renew_nonce(conn)
}
