//! Begins jobs: what of a table becomes a segment next.

use super::super::graphs::Graphs;
use super::super::sealed::Segment;
use super::job::Job;
use super::policy::{self, Beside, Merge, Part, Zeal};
use super::work::Input;
use super::{Site, Task, busy, candidates};
use crate::bitmap::Bitmap;
use crate::error::Result;
use crate::storage::{Claim, LogOp, LogPosition, SegmentRecord, Token};
use crate::text::TextConfig;
use roaring::RoaringBitmap;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Merges in progress at a time.
const MERGES: usize = 3;

/// What was begun.
pub enum Planned {
    /// Nothing: there is nothing to begin.
    Nothing,
    /// It is done already.
    Done,
    /// A job, whose claim is written with this stamp. `behind`: whether the table is behind with its merges, where that is known.
    Job { token: Token, stamp: u64, job: Box<Job>, behind: Option<bool> },
}

/// Begins a job on a table whose log has `length` entries.
pub fn plan(site: &Site<'_>, claims: &[Claim], task: Task, length: usize, free: bool) -> Result<Planned> {
    let seals = claims.iter().any(|claim| claim.seal);
    let zeal = match task {
        Task::Keep(zeal) => zeal,
        Task::Seal if length > 0 && !seals => return seal(site, claims, free),
        Task::Whole if !claims.iter().any(Claim::merges) => return whole(site, claims, free),
        Task::Rebuild => return rebuild(site, claims, free),
        Task::Seal | Task::Whole | Task::Finish => return Ok(Planned::Nothing),
    };
    if claims.iter().any(Claim::is_rebuild) {
        return Ok(Planned::Nothing);
    }
    if length >= zeal.seals_from(site.settings.delta_rows) && !seals {
        return seal(site, claims, free);
    }
    let merges = claims.iter().filter(|claim| claim.merges()).count();
    if site.settings.automerge == 0 || merges >= MERGES {
        return Ok(Planned::Nothing);
    }
    merge(site, claims, zeal, free)
}

fn seal(site: &Site<'_>, claims: &[Claim], free: bool) -> Result<Planned> {
    let entries = site.storage.log_since(site.conn, 0)?;
    let (mut rows, mut through) = (BTreeSet::new(), LogPosition::default());
    for entry in &entries {
        match entry.op {
            LogOp::Add => drop(rows.insert(entry.rowid)),
            LogOp::Remove => drop(rows.remove(&entry.rowid)),
            // Its row is read later.
            LogOp::Revise { sealed: None } => {}
            LogOp::Kill { .. } | LogOp::Revise { .. } => continue,
        }
        through = entry.position;
    }
    if rows.is_empty() {
        // Nothing to build.
        super::super::seal(site.on, false, &mut |_, _| true)?;
        return Ok(Planned::Done);
    }
    let mut claim = Claim::new(claims, true, Vec::new());
    site.storage.put_claim(site.conn, &mut claim)?;
    let graphs = Graphs::among(rows.len(), rows.len() + site.storage.segment_rows(site.conn)?);
    let job = Box::new(Job::seal(site, through, rows.into_iter().collect(), (free, graphs)));
    Ok(Planned::Job { token: claim.token, stamp: claim.stamp, job, behind: None })
}

fn merge(site: &Site<'_>, claims: &[Claim], zeal: Zeal, free: bool) -> Result<Planned> {
    let candidates = candidates(site, claims)?;
    let parts: Vec<Part> = candidates.iter().map(|(part, ..)| *part).collect();
    let records = site.storage.segments(site.conn)?;
    let rows = records.iter().map(|record| record.rows).sum::<usize>();
    let of = |claim: &Claim| {
        let inputs = records.iter().filter(|record| claim.inputs.contains(&record.id.0));
        inputs.map(|record| record.rows).sum()
    };
    let beside = Beside::of(busy(claims), claims.iter().map(of), rows);
    let Some(merge) = policy::next(&parts, beside, site.settings.automerge, zeal) else {
        return Ok(Planned::Nothing);
    };
    begin_merge(site, claims, &candidates, &merge, (free, Graphs::among(merge.rows, rows)))
}

/// All segments become one, if they are not as they should be.
fn whole(site: &Site<'_>, claims: &[Claim], free: bool) -> Result<Planned> {
    let candidates = candidates(site, claims)?;
    let mut is_due = candidates.len() > 1 || candidates.iter().any(|(_, _, dead)| !dead.is_empty());
    if !is_due && site.schema.full_texts().next().is_some() {
        let today = TextConfig::of(site.schema).edition_number();
        for (_, record, _) in &candidates {
            let segment = Segment::new(record.clone(), site.schema, site.settings.cache_mb);
            is_due |= segment.text_edition(site.on)? != Some(today);
        }
    }
    if !is_due {
        return Ok(Planned::Nothing);
    }
    let parts: Vec<Part> = candidates.iter().map(|(part, ..)| *part).collect();
    let merge = Merge::of(&parts, (0..parts.len()).collect());
    begin_merge(site, claims, &candidates, &merge, (free, Graphs::lasting()))
}

/// Everything is built again from the rows.
fn rebuild(site: &Site<'_>, claims: &[Claim], free: bool) -> Result<Planned> {
    site.storage.restore_root(site.conn)?;
    let mut claim = Claim::new(claims, true, Vec::new());
    claim.mark_rebuild();
    site.storage.put_claim(site.conn, &mut claim)?;
    let (through, nonce) = (site.storage.log_end(site.conn)?, site.storage.nonce(site.conn)?);
    let job = Box::new(Job::rebuild(site, through, nonce, free));
    Ok(Planned::Job { token: claim.token, stamp: claim.stamp, job, behind: None })
}

fn begin_merge(
    site: &Site<'_>,
    claims: &[Claim],
    candidates: &[(Part, SegmentRecord, RoaringBitmap)],
    merge: &Merge,
    (free, graphs): (bool, Graphs),
) -> Result<Planned> {
    let parts = candidates.len() + busy(claims);
    let chosen: Vec<_> = merge.inputs.iter().filter_map(|at| candidates.get(*at)).collect();
    if merge.rows == 0 {
        let mut claim = Claim::new(claims, false, Vec::new());
        for (_, record, _) in chosen {
            site.storage.log_remove_segment(site.conn, record.seq)?;
            claim.trash.extend(site.storage.detach_segment(site.conn, record)?);
        }
        site.storage.put_claim(site.conn, &mut claim)?;
        site.storage.renew_nonce(site.conn)?;
        return Ok(Planned::Done);
    }
    for (_, record, _) in &chosen {
        // Memory is taken for as many rows.
        site.storage.check_rows(site.conn, record)?;
    }
    let input = |(_, record, dead): &&(Part, SegmentRecord, RoaringBitmap)| {
        let segment = Arc::new(Segment::new(record.clone(), site.schema, site.settings.cache_mb));
        let lives = |ord| !dead.contains(ord as u32);
        Input { segment, alive: (!dead.is_empty()).then(|| Bitmap::from_fn(record.rows, lives)) }
    };
    let inputs: Vec<Input> = chosen.iter().map(input).collect();
    let names = inputs.iter().map(|input| input.segment.record.id.0).collect();
    let mut claim = Claim::new(claims, false, names);
    site.storage.put_claim(site.conn, &mut claim)?;
    let job = Box::new(Job::merge(site, inputs, free, graphs));
    Ok(Planned::Job { token: claim.token, stamp: claim.stamp, job, behind: Some(parts > policy::USUAL) })
}
