//! The last step of a job: its segment takes the place of what it was made of.
//!
//! Rows that died since the job was planned are dead rows of the new segment. Which they are is read here, in the
//! transaction that installs it: for a merge from the tombstones of the inputs and the log, for a seal from the log behind
//! the position that it was made from.

use super::super::Connected;
use super::super::cache::SegmentColumns;
use super::Site;
use super::work::{Input, Work};
use crate::error::Result;
use crate::storage::{Claim, LogEntry, LogOp, LogPosition, PayloadEntry, Range, SegmentId, SegmentRecord};
use roaring::RoaringBitmap;
use std::collections::{HashMap, HashSet};

/// Chunks that an installation removes at once; more of them become trash.
const AT_ONCE: u32 = 8;

/// Installs the segment; the claim is used up, or has become trash. `None`: what it was made of, or what was written of it,
/// is not there any more, and nothing was done.
pub fn install(
    site: &Site<'_>,
    claim: &mut Claim,
    work: &Work,
    columns: &SegmentColumns,
    directory: Vec<PayloadEntry>,
) -> Result<Option<SegmentId>> {
    let Connected { storage, conn, .. } = site.on;
    let records = match work {
        // They may be damaged, and are of no use here.
        Work::Rebuild { .. } => Vec::new(),
        _ => storage.segments(conn)?,
    };
    let is_there = match work {
        Work::Merge { inputs } => inputs.iter().all(|input| records.contains(&input.segment.record)),
        Work::Seal { through } => storage.log_has(conn, *through)?,
        // Rows that the log lost in a seal would be forgotten.
        Work::Rebuild { nonce, .. } => storage.nonce(conn)? == *nonce,
    };
    if !is_there || !storage.has_range(conn, claim.range)? {
        return Ok(None);
    }
    let rows = columns.columns.len();
    let (dead, trash) = match work {
        Work::Merge { inputs } => merged(site, inputs)?,
        Work::Seal { through } => (sealed(site, *through, columns, &records)?, Vec::new()),
        Work::Rebuild { through, .. } => {
            let dead = sealed(site, *through, columns, &records)?;
            (dead, storage.detach_all(conn, claim.range)?)
        }
    };
    if rows == 0 {
        claim.discard();
        claim.trash.extend(trash);
        storage.put_claim(conn, claim)?;
        storage.renew_nonce(conn)?;
        return Ok(Some(SegmentId(claim.token)));
    }
    let record = storage.add_segment(conn, rows, directory)?;
    if !dead.is_empty() {
        storage.set_tombstones(conn, record.seq, &dead)?;
    }
    if let Work::Merge { inputs } = work {
        for input in inputs {
            storage.detach_segment(conn, &input.segment.record)?;
        }
    }
    claim.range.chunks = 0;
    claim.inputs.clear();
    claim.seal = false;
    claim.trash = trash;
    if claim.trash.iter().map(|range| range.chunks).sum::<u32>() <= AT_ONCE {
        storage.remove_trash(conn, &mut claim.trash, AT_ONCE)?;
    }
    storage.put_claim(conn, claim)?;
    storage.renew_nonce(conn)?;
    Ok(Some(record.id))
}

/// The dead rows of the merged segment, and the chunks of its inputs.
fn merged(site: &Site<'_>, inputs: &[Input]) -> Result<(RoaringBitmap, Vec<Range>)> {
    let Connected { storage, conn, .. } = site.on;
    let mut kills = storage.log_kills(conn)?;
    let (mut dead, mut trash, mut base) = (RoaringBitmap::new(), Vec::new(), 0_u32);
    for input in inputs {
        let record = &input.segment.record;
        let mut now = storage.tombstones(conn, record)?;
        if let Some(kills) = kills.remove(&record.seq) {
            now |= kills;
            storage.log_remove_kills(conn, record.seq)?;
        }
        let mut next = base;
        for ord in 0..record.rows as u32 {
            if input.alive.as_ref().is_some_and(|alive| !alive.contains(ord)) {
                continue;
            }
            if now.contains(ord) {
                dead.insert(next);
            }
            next += 1;
        }
        base = next;
        trash.extend(record.directory.iter().map(|entry| Range { first: entry.first, chunks: entry.chunks }));
    }
    Ok((dead, trash))
}

/// The dead rows of the sealed segment; the log loses what it has taken over.
fn sealed(
    site: &Site<'_>,
    through: LogPosition,
    columns: &SegmentColumns,
    records: &[SegmentRecord],
) -> Result<RoaringBitmap> {
    let Connected { storage, conn, .. } = site.on;
    let entries = storage.log_since(conn, 0)?;
    let split = entries.partition_point(|entry| entry.position.seq <= through.seq);
    let (before, after) = entries.split_at(split);
    fold(site, before, records)?;
    let columns = &columns.columns;
    let ords: HashMap<i64, u32> = (0..columns.len() as u32).map(|ord| (columns.rowid(ord), ord)).collect();
    let mut dead = RoaringBitmap::new();
    let mut left: HashSet<i64> = HashSet::new();
    for LogEntry { op, rowid, position } in after {
        if let (LogOp::Kill { .. }, true) = (op, records.is_empty()) {
            // There is no such segment any more; the row was in it, and is in the new one.
            storage.log_remove(conn, position.seq)?;
        }
        let Some(ord) = ords.get(rowid).filter(|_| !left.contains(rowid)) else { continue };
        match op {
            // The row left the log that it was in; now it dies in the segment.
            LogOp::Remove => {
                storage.log_remove(conn, position.seq)?;
                dead.insert(*ord);
                left.insert(*rowid);
            }
            // It was written again without having left: the log has it.
            LogOp::Add => {
                dead.insert(*ord);
                left.insert(*rowid);
            }
            LogOp::Kill { .. } if records.is_empty() => {
                dead.insert(*ord);
                left.insert(*rowid);
            }
            LogOp::Kill { .. } => {}
        }
    }
    storage.log_remove_through(conn, through)?;
    Ok(dead)
}

/// Kills of the log become tombstones. A segment all of whose rows are dead stays until the next merge: some job may be at
/// work on it.
fn fold(site: &Site<'_>, entries: &[LogEntry], records: &[SegmentRecord]) -> Result<()> {
    let Connected { storage, conn, .. } = site.on;
    let mut kills: HashMap<i64, RoaringBitmap> = HashMap::new();
    for entry in entries {
        if let LogOp::Kill { segment, ord } = entry.op {
            kills.entry(segment).or_default().insert(ord);
        }
    }
    for record in records {
        if let Some(new) = kills.remove(&record.seq) {
            let dead = storage.tombstones(conn, record)? | new;
            storage.set_tombstones(conn, record.seq, &dead)?;
        }
    }
    Ok(())
}
