//! Keeps a table in few segments while it is being written: what is due, who does it, one slice at a time.
//!
//! A [`job`] seals the log or merges segments. It is planned, read, written and installed in slices that run inside write
//! transactions of the table, most of them the user's own at their commit; only building runs elsewhere ([`build`]). So no
//! second connection and no second writer is needed. What is in progress is written down as a claim in the file
//! ([`crate::storage::Claim`]); the job itself is in the memory of one process ([`registry`]). The states, the invariants
//! and what happens when a process dies are in docs/design.md.

mod build;
mod gate;
mod install;
mod job;
mod memo;
mod orphan;
mod others;
mod pace;
mod planning;
pub mod policy;
mod reading;
mod registry;
mod watch;
mod work;
pub mod worker;
mod writing;

#[cfg(test)]
mod tests;

pub(super) use build::{keeps_graph, maps_of};
pub use memo::Memo;
pub use registry::{Kept, Place, Stay, is_open, poke, set_obstacle, set_trouble, trouble};

use super::Connected;
use crate::error::{Error, Result};
use crate::storage::{Claim, Maintenance, SegmentRecord, Settings, Storage, Token};
use policy::{Beside, Part, Zeal};
use roaring::RoaringBitmap;
use rusqlite::Connection;
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::ops::Deref;
pub use watch::Watch;
pub use work::is_passing;

/// A collection on a connection, inside a transaction that writes.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    pub on: Connected<'a>,
    pub settings: &'a Settings,
}

impl<'a> Deref for Site<'a> {
    type Target = Connected<'a>;

    fn deref(&self) -> &Connected<'a> {
        &self.on
    }
}

/// A merge that costs no more than inserting this many rows is done by the commit that made it due.
const SMALL_MERGE: usize = 512;

/// What a commit has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Nothing.
    Nothing,
    /// Seal the log at once.
    Seal,
    /// This many slices.
    Slices(usize),
}

/// What a slice did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// Something.
    Worked,
    /// What is to be done waits for a builder, for another process or for the end of the transaction.
    Waits,
    /// There is nothing to do.
    Nothing,
    /// It could not be done, was taken back, and the reason is noted.
    Failed,
}

thread_local! {
    static LAST: Cell<Done> = const { Cell::new(Done::Nothing) };
    static FAILURE: RefCell<Option<Error>> = const { RefCell::new(None) };
    static BEGUN: RefCell<Option<Watch>> = const { RefCell::new(None) };
}

/// The job that the last slice of this thread began, if it did.
pub fn begun() -> Option<Watch> {
    BEGUN.take()
}

/// Whether somebody builds the whole index again, and the log must be left as it is.
///
/// # Errors
/// Those of reading the claims.
pub fn is_rebuilt(site: &Site<'_>) -> Result<bool> {
    Ok(site.storage.claims(site.conn)?.iter().any(Claim::is_rebuild))
}

/// How the last slice of this thread ended: a command cannot return it.
pub fn last() -> Done {
    LAST.get()
}

/// Why the last slice of this thread failed, if it did.
pub fn last_failure() -> Option<Error> {
    FAILURE.take()
}

/// The last slice of this thread failed, was taken back, and whoever it was done for is not to fail for it.
pub fn set_failure(error: Error) {
    LAST.set(Done::Failed);
    FAILURE.set(Some(error));
}

/// What a slice is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// To keep the table in order.
    Keep(Zeal),
    /// To seal the log, whatever its length.
    Seal,
    /// To make all segments one, as `optimize` does.
    Whole,
    /// To build everything again, as `rebuild` does.
    Rebuild,
    /// To go on with what was begun, and begin nothing.
    Finish,
}

impl Task {
    /// Arguments of the command `maintain` by which threads ask for one slice of each.
    const RANKS: [(Self, i64); 6] = [
        (Self::Keep(Zeal::Steady), -1),
        (Self::Keep(Zeal::Leisure), -2),
        (Self::Seal, -3),
        (Self::Whole, -4),
        (Self::Rebuild, -5),
        (Self::Finish, -6),
    ];

    /// The argument for a slice of it; for [`Zeal::Thorough`] a budget of no time.
    pub fn rank(self) -> i64 {
        Self::RANKS.iter().find(|(task, _)| *task == self).map_or(0, |(_, rank)| *rank)
    }

    /// The task that an argument asks for.
    pub fn of_rank(rank: i64) -> Option<Self> {
        Self::RANKS.iter().find(|(_, of)| *of == rank).map(|(task, _)| *task)
    }
}

/// Whether a slice may find something to do, and the nonce of the snapshot. `idle` is the nonce under which there was nothing
/// before.
///
/// # Errors
/// Those of reading.
pub fn may_be_due(
    on: Connected<'_>,
    settings: &Settings,
    zeal: Zeal,
    idle: Option<[u8; 16]>,
) -> Result<(bool, [u8; 16])> {
    let nonce = on.storage.nonce(on.conn)?;
    if settings.maintenance() == Maintenance::Manual {
        return Ok((false, nonce));
    }
    let end = on.storage.log_end(on.conn)?.seq;
    let length = if end == 0 { 0 } else { end - on.storage.log_begin(on.conn)? + 1 };
    let full = usize::try_from(length).unwrap_or(0) >= zeal.seals_from(settings.delta_rows);
    Ok((full || idle != Some(nonce) || !on.storage.claims(on.conn)?.is_empty(), nonce))
}

/// The segments that no job is at work on, with their dead rows.
fn candidates(site: &Site<'_>, claims: &[Claim]) -> Result<Vec<(Part, SegmentRecord, RoaringBitmap)>> {
    let taken: HashSet<[u8; 16]> = claims.iter().flat_map(|claim| claim.inputs.iter().copied()).collect();
    let mut kills = site.storage.log_kills(site.conn)?;
    let mut found = Vec::new();
    for record in site.storage.segments(site.conn)? {
        if taken.contains(&record.id.0) {
            continue;
        }
        let mut dead = site.storage.tombstones(site.conn, &record)?;
        dead |= kills.remove(&record.seq).unwrap_or_default();
        let live = record.rows - usize::try_from(dead.len()).unwrap_or(record.rows).min(record.rows);
        found.push((Part { rows: record.rows, live }, record, dead));
    }
    Ok(found)
}

/// How many segments jobs are at work on.
fn busy(claims: &[Claim]) -> usize {
    claims.iter().map(|claim| claim.inputs.len()).sum()
}

/// Ends all work in progress and removes what it has written: for commands that build everything again.
///
/// # Errors
/// Those of writing.
pub fn settle(storage: &Storage, conn: &Connection) -> Result<()> {
    for mut claim in storage.claims(conn)? {
        claim.discard();
        storage.remove_trash(conn, &mut claim.trash, u32::MAX)?;
        storage.put_claim(conn, &mut claim)?;
    }
    Ok(())
}

/// Whether this process is at work on something for a table at `place`.
///
/// # Errors
/// Those of reading the claims.
pub fn has_jobs(site: &Site<'_>, place: &Place) -> Result<bool> {
    let claims = site.storage.claims(site.conn)?;
    Ok(claims.iter().any(|claim| registry::find(&claim.token, place).is_some()))
}

/// Forgets the jobs of a table at `place` that were ended by a command, which left these claims.
pub fn forget_ended(place: &Place, table: &str, claims: &[Token]) {
    registry::keep(place, table, claims);
}

/// The jobs of a table at `place`, and what is noted of it, stay with it, which is being renamed. What cannot be read has none.
pub fn rename_jobs(on: Connected<'_>, place: &Place, new: &str) {
    registry::name(place, new, &tokens(on).unwrap_or_default());
    registry::move_notes(place, &on.storage.table, Some(new));
}

/// The tokens of all claims of a table.
///
/// # Errors
/// Those of reading them.
pub fn tokens(on: Connected<'_>) -> Result<Vec<Token>> {
    Ok(on.storage.claims(on.conn)?.iter().map(|claim| claim.token).collect())
}

/// Forgets the jobs of a table at `place`, and what is noted of it, which is being dropped. What cannot be read has none.
pub fn forget_jobs(on: Connected<'_>, place: &Place) {
    let claims = on.storage.claims(on.conn).unwrap_or_default();
    let own = claims.iter().filter(|claim| registry::find(&claim.token, place).is_some());
    own.for_each(|claim| registry::remove(&claim.token));
    registry::move_notes(place, &on.storage.table, None);
}

/// The segments, by position, that a commit of `entries` log entries merges by itself, the log being empty.
///
/// # Errors
/// Those of reading the directory.
pub fn at_once(site: &Site<'_>, limit: usize) -> Result<Option<Vec<i64>>> {
    if site.settings.automerge == 0 {
        return Ok(None);
    }
    let claims = site.storage.claims(site.conn)?;
    let candidates = candidates(site, &claims)?;
    let parts: Vec<Part> = candidates.iter().map(|(part, ..)| *part).collect();
    let beside = Beside::segments(busy(&claims));
    let Some(merge) = policy::next(&parts, beside, site.settings.automerge, Zeal::Steady) else {
        return Ok(None);
    };
    if merge.cost() > limit.max(SMALL_MERGE) {
        return Ok(None);
    }
    Ok(Some(merge.inputs.iter().filter_map(|at| Some(candidates.get(*at)?.1.seq)).collect()))
}
