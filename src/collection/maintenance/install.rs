//! The last step of a job: its segment takes the place of what it was made of.
//!
//! Rows that died since the job was planned are dead rows of the new segment, and rows whose metadata changed since get a
//! patch. Which they are is read here, in the transaction that installs it: for a merge from the tombstones and patches of the
//! inputs and the log, for a seal from the log behind the position that it was made from.

use super::super::Connected;
use super::super::layers::{Layer, SegmentColumns};
use super::super::patches::Changes;
use super::super::seal;
use super::super::sealed::Segment;
use super::Site;
use super::work::{Input, Work};
use crate::columns::Columns;
use crate::error::Result;
use crate::storage::{Claim, LogEntry, LogOp, LogPosition, PayloadEntry, Range, SegmentId, SegmentRecord};
use roaring::RoaringBitmap;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Chunks that an installation removes at once; more of them become trash.
const AT_ONCE: u32 = 4;

/// Installs the segment; the claim is used up, or has become trash. `None`: what it was made of, or what was written of it,
/// is not there any more, and nothing was done.
pub fn install(
    site: &Site<'_>,
    claim: &mut Claim,
    work: &Work,
    columns: Arc<Layer>,
    directory: Vec<PayloadEntry>,
) -> Result<Option<SegmentId>> {
    let Connected { storage, conn, .. } = site.on;
    let records = match work {
        // They may be damaged, and are of no use here.
        Work::Rebuild { .. } => Vec::new(),
        _ => storage.segments(conn)?,
    };
    let is_there = match work {
        Work::Merge { inputs } => inputs.iter().all(|input| record_of(input, &records).is_some()),
        Work::Seal { through } => storage.log_has(conn, *through)?,
        // Rows that the log lost in a seal would be forgotten.
        Work::Rebuild { nonce, .. } => storage.nonce(conn)? == *nonce,
    };
    if !is_there || !storage.has_range(conn, claim.range)? {
        return Ok(None);
    }
    let columns = SegmentColumns::new(columns, []);
    let rows = columns.whole().len();
    let Since { dead, revised, trash } = match work {
        Work::Merge { inputs } => merged(site, inputs, &records)?,
        Work::Seal { through } => sealed(site, *through, columns.whole(), false)?,
        Work::Rebuild { through, .. } => {
            let since = sealed(site, *through, columns.whole(), true)?;
            Since { trash: storage.detach_all(conn, claim.range)?, ..since }
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
    let id = record.id;
    if !dead.is_empty() {
        storage.set_tombstones(conn, record.seq, &dead)?;
    }
    if let Work::Merge { inputs } = work {
        for record in inputs.iter().filter_map(|input| record_of(input, &records)) {
            storage.detach_segment(conn, record)?;
        }
    }
    claim.range.chunks = 0;
    claim.inputs.clear();
    claim.seal = false;
    claim.trash = trash;
    if claim.trash.iter().map(|range| u64::from(range.chunks)).sum::<u64>() <= u64::from(AT_ONCE) {
        storage.remove_trash(conn, &mut claim.trash, AT_ONCE)?;
    }
    storage.put_claim(conn, claim)?;
    let changes = Changes { record, rows: revised, dead: &dead, in_use: false };
    changes.write_over(site.on, site.settings, &columns)?;
    storage.renew_nonce(conn)?;
    Ok(Some(id))
}

/// What has happened to the rows of the new segment since they were read, and the chunks of its inputs.
#[derive(Default)]
struct Since {
    dead: RoaringBitmap,
    revised: RoaringBitmap,
    trash: Vec<Range>,
}

/// The record that an input has now: it may have got patches.
fn record_of<'a>(input: &Input, records: &'a [SegmentRecord]) -> Option<&'a SegmentRecord> {
    let planned = &input.segment.record;
    records.iter().find(|record| (record.seq, record.id) == (planned.seq, planned.id))
}

/// For a merge: what the tombstones and patches that the inputs have got and the log say of the living rows.
fn merged(site: &Site<'_>, inputs: &[Input], records: &[SegmentRecord]) -> Result<Since> {
    let Connected { storage, conn, schema } = site.on;
    let (mut kills, mut revisions) = (storage.log_kills(conn)?, storage.log_revised(conn)?);
    let (mut since, mut base) = (Since::default(), 0_u32);
    for input in inputs {
        let Some(record) = record_of(input, records) else { continue };
        let dead = storage.tombstones(conn, record)? | kills.remove(&record.seq).unwrap_or_default();
        let mut revised = revisions.remove(&record.seq).unwrap_or_default();
        storage.log_remove_segment(conn, record.seq)?;
        if *record != input.segment.record {
            let segment = Segment::new(record.clone(), schema, site.settings.cache_mb);
            let known = input.segment.record.patches().count();
            for layer in segment.columns(site.on)?.layers().iter().skip(1 + known) {
                revised.extend(layer.ords());
            }
        }
        let mut next = base;
        for ord in 0..record.rows as u32 {
            if input.alive.as_ref().is_some_and(|alive| !alive.contains(ord)) {
                continue;
            }
            if dead.contains(ord) {
                since.dead.insert(next);
            } else if revised.contains(ord) {
                since.revised.insert(next);
            }
            next += 1;
        }
        base = next;
        let ranges = record.directory.iter().map(|entry| Range { first: entry.first, chunks: entry.chunks });
        since.trash.extend(ranges);
    }
    Ok(since)
}

/// For a seal: what the log says of its rows behind the position that it was made from. The log loses what the segment has
/// taken over. `all`: the segment holds all rows, and those before it will be gone.
fn sealed(site: &Site<'_>, through: LogPosition, columns: &Columns, all: bool) -> Result<Since> {
    let Connected { storage, conn, .. } = site.on;
    let entries = storage.log_since(conn, 0)?;
    let split = entries.partition_point(|entry| entry.position.seq <= through.seq);
    let (before, after) = entries.split_at(split);
    if !all {
        let mut changes = BTreeMap::new();
        before.iter().for_each(|entry| seal::note(&mut changes, entry.op));
        after.iter().for_each(|entry| seal::note_later(&mut changes, entry.op));
        seal::fold(site.on, changes, false)?;
    }
    let ords: HashMap<i64, u32> = (0..columns.len() as u32).map(|ord| (columns.rowid(ord), ord)).collect();
    let mut since = Since::default();
    let mut left: HashSet<i64> = HashSet::new();
    for LogEntry { op, rowid, position } in after {
        if all && matches!(op, LogOp::Kill { .. } | LogOp::Revise { sealed: Some(_) }) {
            storage.log_remove(conn, position.seq)?;
        }
        let Some(ord) = ords.get(rowid).filter(|_| !left.contains(rowid)) else { continue };
        match op {
            // The row left the log that it was in; now it dies in the segment.
            LogOp::Remove => {
                storage.log_remove(conn, position.seq)?;
                since.dead.insert(*ord);
                left.insert(*rowid);
            }
            // It was written again without having left: the log has it.
            LogOp::Add => {
                since.dead.insert(*ord);
                left.insert(*rowid);
            }
            // It may have been read before.
            LogOp::Revise { sealed: None } => {
                storage.log_remove(conn, position.seq)?;
                since.revised.insert(*ord);
            }
            LogOp::Kill { .. } if all => {
                since.dead.insert(*ord);
                left.insert(*rowid);
            }
            LogOp::Revise { .. } if all => drop(since.revised.insert(*ord)),
            LogOp::Kill { .. } | LogOp::Revise { .. } => {}
        }
    }
    storage.log_remove_through(conn, through)?;
    Ok(since)
}
