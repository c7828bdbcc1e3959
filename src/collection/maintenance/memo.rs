//! What a connection does of the maintenance of a table: when a slice is due, which one, and what becomes of it with the
//! transaction that it was done in.

use super::super::sealed::Segment;
use super::job::Job;
use super::others::Others;
use super::policy::{self, Part, Zeal};
use super::registry::{self, Place};
use super::work::{Input, Step};
use super::{Done, Due, LAST, Site, candidates, is_free};
use crate::bitmap::Bitmap;
use crate::error::{Error, Result};
use crate::storage::{Claim, LogOp, LogPosition, Maintenance, SegmentRecord, Token};
use parking_lot::Mutex;
use roaring::RoaringBitmap;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Log entries after which a commit does a slice, and those after which it does when the log or the segments are too many.
const PACE: usize = 16;
const HASTE: usize = 4;

/// Log entries of one transaction for which it does one slice more, and the most that it does.
const ENTRIES_A_SLICE: usize = 64;
const MOST_SLICES: usize = 64;

/// A log that is to be sealed at so few entries is sealed by the commit: that takes milliseconds.
const SMALL_LOG: usize = 256;

/// How many times `delta_rows` the log may grow to before a commit waits for the builder, and before it seals by itself.
const CROWDED: usize = 4;
const FULL: usize = 16;

/// How long a commit waits for the builder when the log is crowded.
const PATIENCE: Duration = Duration::from_millis(20);

/// Merges in progress at a time.
const MERGES: usize = 3;

/// How often dead rows are counted while the log fills.
const COUNTS: usize = 8;

/// Chunks that are removed in one slice.
const TRASH_CHUNKS: u32 = 16;

/// Commits without maintenance after one that failed with it.
const REST: usize = 64;

static NUMBERS: AtomicU64 = AtomicU64::new(0);

/// What a connection remembers of the maintenance of a table.
pub struct Memo {
    place: Place,
    /// Identifies the connection.
    number: u64,
    others: Others,
    /// Claims of jobs that this connection gave up.
    given_up: HashSet<Token>,
    /// Jobs whose last steps wait for the end of the transaction.
    touched: Vec<(Token, Arc<Mutex<Job>>)>,
    /// Where the log begins under a nonce.
    begin: Option<([u8; 16], i64)>,
    /// Under which nonce, and at which length of the log, there was nothing to merge.
    in_order: Option<([u8; 16], usize)>,
    /// Log entries since the last slice.
    pending: usize,
    /// Whether there is more to do than is done.
    behind: bool,
    rest: usize,
    budget: usize,
}

impl Memo {
    /// For the tables at `place`.
    pub fn new(place: Place) -> Self {
        Self {
            place,
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            others: Others::default(),
            given_up: HashSet::new(),
            touched: Vec::new(),
            begin: None,
            in_order: None,
            pending: 0,
            behind: false,
            rest: 0,
            budget: 0,
        }
    }

    /// Entries of the log.
    fn log_length(&mut self, site: &Site<'_>) -> Result<usize> {
        let end = site.storage.log_end(site.conn)?.seq;
        if end == 0 {
            return Ok(0);
        }
        let nonce = site.storage.nonce(site.conn)?;
        let begin = match self.begin {
            Some((of, begin)) if of == nonce && begin <= end => begin,
            _ => site.storage.log_begin(site.conn)?,
        };
        self.begin = Some((nonce, begin));
        Ok(usize::try_from(end - begin + 1).unwrap_or(0))
    }

    /// What the commit of a transaction that wrote `entries` log entries has to do.
    ///
    /// # Errors
    /// Those of reading the log.
    pub fn due(&mut self, site: &Site<'_>, entries: usize) -> Result<Due> {
        let mode = site.settings.maintenance();
        if mode == Maintenance::Manual {
            return Ok(Due::Nothing);
        }
        let (length, bound) = (self.log_length(site)?, site.settings.delta_rows);
        if length >= bound && (bound <= SMALL_LOG || entries >= bound || length >= bound.saturating_mul(FULL))
        {
            return Ok(Due::Seal);
        }
        if self.rest > 0 {
            self.rest -= 1;
            return Ok(Due::Nothing);
        }
        self.pending += entries;
        let hurry = self.behind || length >= bound.saturating_mul(2);
        if self.pending < if hurry { HASTE } else { PACE } {
            return Ok(Due::Nothing);
        }
        self.pending = 0;
        Ok(Due::Slices(self.slices_for(site, entries)))
    }

    /// The slices that a commit of `entries` log entries does beside a seal.
    pub fn slices_for(&self, site: &Site<'_>, entries: usize) -> usize {
        if site.settings.maintenance() == Maintenance::Manual || self.rest > 0 {
            return 0;
        }
        (1 + entries / ENTRIES_A_SLICE).min(MOST_SLICES)
    }

    /// Does up to `slices` slices of what is due, inside a write transaction.
    ///
    /// # Errors
    /// The caller takes back what was written, and calls [`failed`](Self::failed).
    pub fn work(&mut self, site: &Site<'_>, slices: usize) -> Result<Done> {
        let mut done = Done::Nothing;
        for _ in 0..slices {
            match self.slice(site, Zeal::Steady)? {
                Done::Worked => done = Done::Worked,
                other => return Ok(if done == Done::Worked { done } else { other }),
            }
        }
        Ok(done)
    }

    /// Does one slice.
    ///
    /// # Errors
    /// As [`work`](Self::work).
    pub fn slice(&mut self, site: &Site<'_>, zeal: Zeal) -> Result<Done> {
        LAST.set(Done::Nothing);
        let done = self.one_slice(site, zeal)?;
        LAST.set(done);
        Ok(done)
    }

    fn one_slice(&mut self, site: &Site<'_>, zeal: Zeal) -> Result<Done> {
        self.budget = site.settings.cache_mb.saturating_mul(1 << 20);
        let mut claims = site.storage.claims(site.conn)?;
        registry::keep(&self.place, &site.storage.table, |token| {
            claims.iter().any(|claim| claim.token == *token)
        });
        // What is nearest to its end first: seals, then small merges.
        let mut jobs: Vec<(usize, usize, Arc<Mutex<Job>>)> = Vec::new();
        for (at, claim) in claims.iter().enumerate() {
            if let Some(job) = registry::find(&claim.token, &self.place) {
                let Some(locked) = job.try_lock() else { continue };
                let rank = if claim.seal { 0 } else { 1 + locked.rows() };
                drop(locked);
                jobs.push((rank, at, job));
            }
        }
        jobs.sort_by_key(|(rank, at, _)| (*rank, *at));
        let crowded = self.log_length(site)? >= site.settings.delta_rows.saturating_mul(CROWDED);
        let mut waits = false;
        for (_, at, job) in jobs {
            let Some(mut locked) = job.try_lock() else { continue };
            let claim = &mut claims[at];
            if !locked.is_ours() || !locked.fits(site.schema) {
                drop(locked);
                registry::remove(&claim.token);
                self.given_up.insert(claim.token);
                continue;
            }
            if crowded && claim.seal {
                locked.wait(PATIENCE);
            }
            let token = claim.token;
            self.touch(token, &job);
            let step = locked.step(site, claim, self.number)?;
            drop(locked);
            match step {
                Step::Worked | Step::Installed => return Ok(Done::Worked),
                Step::Waits => waits = true,
                Step::Lost => {
                    registry::remove(&token);
                    claim.discard();
                    site.storage.put_claim(site.conn, claim)?;
                    return Ok(Done::Worked);
                }
            }
        }
        for claim in &mut claims {
            if claim.is_trash() {
                site.storage.remove_trash(site.conn, &mut claim.trash, TRASH_CHUNKS)?;
                site.storage.put_claim(site.conn, claim)?;
                return Ok(Done::Worked);
            }
            if registry::find(&claim.token, &self.place).is_none() {
                waits = true;
                if self.given_up.remove(&claim.token) || self.others.is_dead(claim) {
                    claim.discard();
                    site.storage.put_claim(site.conn, claim)?;
                    return Ok(Done::Worked);
                }
            }
        }
        if self.plan(site, &claims, zeal)? {
            return Ok(Done::Worked);
        }
        self.behind = false;
        Ok(if waits { Done::Waits } else { Done::Nothing })
    }

    fn touch(&mut self, token: Token, job: &Arc<Mutex<Job>>) {
        if !self.touched.iter().any(|(of, _)| *of == token) {
            self.touched.push((token, Arc::clone(job)));
        }
    }

    /// Counts the last look at the claims of other processes for more, since nothing but they is waited for.
    pub fn hurry(&mut self) {
        self.others.hurry();
    }

    /// Begins a job. False: there is none to begin.
    fn plan(&mut self, site: &Site<'_>, claims: &[Claim], zeal: Zeal) -> Result<bool> {
        let bound = if zeal == Zeal::Thorough { 1 } else { site.settings.delta_rows };
        let length = self.log_length(site)?;
        if length >= bound && !claims.iter().any(|claim| claim.seal) {
            return self.plan_seal(site, claims);
        }
        let merges = claims.iter().filter(|claim| !claim.seal && !claim.is_trash()).count();
        if site.settings.automerge == 0 || merges >= MERGES {
            return Ok(false);
        }
        // Segments stay as they are under a nonce, and their dead rows are counted now and then.
        let nonce = self.begin.map(|(nonce, _)| nonce).filter(|_| length > 0 && zeal == Zeal::Steady);
        let known = self.in_order.filter(|(of, _)| Some(*of) == nonce);
        if known.is_some_and(|(_, at)| (at..at + bound / COUNTS).contains(&length)) {
            return Ok(false);
        }
        let planned = self.plan_merge(site, claims, zeal)?;
        self.in_order = nonce.filter(|_| !planned).map(|nonce| (nonce, length));
        Ok(planned)
    }

    fn plan_seal(&mut self, site: &Site<'_>, claims: &[Claim]) -> Result<bool> {
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
            return Ok(true);
        }
        let mut claim = Claim::new(claims, true, Vec::new());
        site.storage.put_claim(site.conn, &mut claim)?;
        let rowids = rows.into_iter().collect();
        let job = Job::seal(site, through, rowids, is_free(site));
        self.begin_job(site, claim.token, job);
        Ok(true)
    }

    fn plan_merge(&mut self, site: &Site<'_>, claims: &[Claim], zeal: Zeal) -> Result<bool> {
        let candidates = candidates(site, claims)?;
        let parts: Vec<Part> = candidates.iter().map(|(part, ..)| *part).collect();
        let Some(merge) = policy::next(&parts, site.settings.automerge, zeal) else { return Ok(false) };
        self.behind = parts.len() > policy::USUAL;
        let chosen: Vec<_> = merge.inputs.iter().filter_map(|at| candidates.get(*at)).collect();
        if merge.rows == 0 {
            let mut claim = Claim::new(claims, false, Vec::new());
            for (_, record, _) in chosen {
                site.storage.log_remove_segment(site.conn, record.seq)?;
                claim.trash.extend(site.storage.detach_segment(site.conn, record)?);
            }
            site.storage.put_claim(site.conn, &mut claim)?;
            site.storage.renew_nonce(site.conn)?;
            return Ok(true);
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
        let job = Job::merge(site, inputs, is_free(site));
        self.begin_job(site, claim.token, job);
        Ok(true)
    }

    fn begin_job(&mut self, site: &Site<'_>, token: Token, mut job: Job) {
        job.hold(self.number);
        let job = registry::add(token, &self.place, &site.storage.table, job);
        self.touch(token, &job);
    }

    /// The transaction was committed.
    ///
    /// Where nothing else has been written, what was read is right whatever becomes of the transaction: then this may be
    /// called before its end.
    pub fn committed(&mut self, table: &str) {
        for (token, job) in std::mem::take(&mut self.touched) {
            match job.lock().confirm(self.budget) {
                Ok(false) => continue,
                Ok(true) => registry::set_trouble(&self.place, table, None),
                Err(error) => registry::set_trouble(&self.place, table, Some(error.to_string())),
            }
            registry::remove(&token);
        }
    }

    /// The transaction was taken back, or a part of it.
    pub fn reverted(&mut self) {
        if self.touched.is_empty() {
            return;
        }
        // What filled the disk, or took too long, may have been this.
        self.rest = REST;
        for (token, job) in std::mem::take(&mut self.touched) {
            if job.lock().revert() {
                registry::remove(&token);
            }
        }
    }

    /// A slice has failed, and was taken back. Its jobs are given up; the claims that they leave become trash.
    pub fn failed(&mut self, table: &str, error: &Error) {
        registry::set_trouble(&self.place, table, Some(error.to_string()));
        self.rest = REST;
        for (token, _) in std::mem::take(&mut self.touched) {
            registry::remove(&token);
            self.given_up.insert(token);
        }
    }

    /// Waits for a builder of this table, but no longer than this.
    ///
    /// # Errors
    /// Those of reading the claims.
    pub fn wait(&self, site: &Site<'_>, patience: Duration) -> Result<()> {
        for claim in site.storage.claims(site.conn)? {
            let Some(job) = registry::find(&claim.token, &self.place) else { continue };
            let Some(job) = job.try_lock() else { continue };
            if job.is_building() {
                job.wait(patience);
                return Ok(());
            }
        }
        std::thread::sleep(patience.min(Duration::from_millis(5)));
        Ok(())
    }
}

impl Drop for Memo {
    fn drop(&mut self) {
        self.reverted();
    }
}
