//! Begins jobs: what of a table becomes a segment next.

use super::super::sealed::Segment;
use super::job::Job;
use super::policy::{self, Part, Zeal};
use super::work::Input;
use super::{Site, candidates};
use crate::bitmap::Bitmap;
use crate::error::Result;
use crate::storage::{Claim, LogOp, LogPosition, SegmentRecord, Token};
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
    /// A job, whose claim is written. `behind`: whether the table is behind with its merges, where that is known.
    Job { token: Token, job: Box<Job>, behind: Option<bool> },
}

/// Begins a job on a table whose log has `length` entries.
pub fn plan(site: &Site<'_>, claims: &[Claim], zeal: Zeal, length: usize, free: bool) -> Result<Planned> {
    if length >= zeal.seals_from(site.settings.delta_rows) && !claims.iter().any(|claim| claim.seal) {
        return seal(site, claims, free);
    }
    let merges = claims.iter().filter(|claim| !claim.seal && !claim.is_trash()).count();
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
        super::super::seal(site.on, &mut |_, _| true)?;
        return Ok(Planned::Done);
    }
    let mut claim = Claim::new(claims, true, Vec::new());
    site.storage.put_claim(site.conn, &mut claim)?;
    let job = Box::new(Job::seal(site, through, rows.into_iter().collect(), free));
    Ok(Planned::Job { token: claim.token, job, behind: None })
}

fn merge(site: &Site<'_>, claims: &[Claim], zeal: Zeal, free: bool) -> Result<Planned> {
    let candidates = candidates(site, claims)?;
    let parts: Vec<Part> = candidates.iter().map(|(part, ..)| *part).collect();
    let Some(merge) = policy::next(&parts, site.settings.automerge, zeal) else {
        return Ok(Planned::Nothing);
    };
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
    let input = |(_, record, dead): &&(Part, SegmentRecord, RoaringBitmap)| {
        let segment = Arc::new(Segment::new(record.clone(), site.schema, site.settings.cache_mb));
        let lives = |ord| !dead.contains(ord as u32);
        Input { segment, alive: (!dead.is_empty()).then(|| Bitmap::from_fn(record.rows, lives)) }
    };
    let inputs: Vec<Input> = chosen.iter().map(input).collect();
    let names = inputs.iter().map(|input| input.segment.record.id.0).collect();
    let mut claim = Claim::new(claims, false, names);
    site.storage.put_claim(site.conn, &mut claim)?;
    let job = Box::new(Job::merge(site, inputs, free));
    Ok(Planned::Job { token: claim.token, job, behind: Some(parts.len() > policy::USUAL) })
}
