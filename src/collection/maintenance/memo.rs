//! What a connection does of the maintenance of a table: when a slice is due, which one, and what becomes of it with the
//! transaction that it was done in.

use super::job::Job;
use super::orphan::is_orphan;
use super::others::Others;
use super::pace::Pace;
use super::planning::{Planned, plan};
use super::policy::{self, Zeal};
use super::registry::{self, Place};
use super::watch::Watch;
use super::work::{Step, is_passing};
use super::{BEGUN, Done, LAST, Site, Task};
use crate::error::{Error, Result};
use crate::storage::{Claim, Maintenance, Token};
use parking_lot::Mutex;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

mod due;

/// How many times `delta_rows` the log may grow to before a commit waits for the builder.
const CROWDED: usize = 4;

/// How long a commit waits for a builder when the log is crowded or the segments are too many, for each slice that it may do.
const PATIENCE: Duration = Duration::from_millis(20);

/// How often a process that writes shows that its builders are at work.
const HEARTBEAT: Duration = Duration::from_millis(250);

/// Chunks that are removed in one slice, and in one of a commit, which is not to take long: SQLite reads all pages that it frees.
const TRASH_CHUNKS: u32 = 16;
const TRASH_CHUNKS_OF_COMMIT: u32 = 4;

/// Commits without maintenance after one that failed with it.
const REST: usize = 64;

static NUMBERS: AtomicU64 = AtomicU64::new(0);

/// What a connection remembers of the maintenance of a table.
pub struct Memo {
    place: Place,
    /// Identifies the connection.
    number: u64,
    /// Claims of other processes.
    others: Others,
    /// When this connection last showed that builders are at work.
    shown: Option<Instant>,
    /// Claims of jobs that this connection gave up.
    given_up: HashSet<Token>,
    /// Jobs whose last steps wait for the end of the transaction.
    touched: Vec<(Token, Arc<Mutex<Job>>)>,
    /// Where the log begins under a nonce.
    begin: Option<([u8; 16], i64)>,
    /// Log entries since the last slice.
    pending: usize,
    pace: Pace,
    rest: usize,
    budget: usize,
    /// No thread can do what `maintenance` = `background` asks of one.
    alone: bool,
}

impl Memo {
    /// For the tables at `place`.
    pub fn new(place: Place) -> Self {
        Self {
            place,
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            others: Others::default(),
            shown: None,
            given_up: HashSet::new(),
            touched: Vec::new(),
            begin: None,
            pending: 0,
            pace: Pace::default(),
            rest: 0,
            budget: 0,
            alone: false,
        }
    }

    /// Sets whether commits do what a thread of the background should.
    pub fn set_alone(&mut self, alone: bool) {
        self.alone = alone;
    }

    /// Who does maintenance.
    fn mode(&self, site: &Site<'_>) -> Maintenance {
        match site.settings.maintenance() {
            Maintenance::Background if self.alone => Maintenance::Commit,
            mode => mode,
        }
    }

    /// Whether builders run by themselves.
    fn is_free(&self, site: &Site<'_>) -> bool {
        self.mode(site) != Maintenance::Commit
    }

    /// Does up to `slices` slices of what is due, inside a write transaction.
    ///
    /// # Errors
    /// The caller takes back what was written, and calls [`failed`](Self::failed).
    pub fn work(&mut self, site: &Site<'_>, slices: usize) -> Result<Done> {
        let excess = policy::excess(site.storage.segment_count(site.conn)?, site.settings.automerge);
        let mut waits = if self.is_free(site) { self.pace.waits(slices, excess) } else { 0 };
        let mut done = Done::Nothing;
        for _ in 0..slices {
            match self.slice(site, Task::Keep(Zeal::Steady))? {
                Done::Worked => done = Done::Worked,
                // Writers have outrun the merges.
                Done::Waits if waits > 0 && self.wait_for_builder(site, PATIENCE)? => waits -= 1,
                other => return Ok(if done == Done::Worked { done } else { other }),
            }
        }
        Ok(done)
    }

    /// Does one slice.
    ///
    /// # Errors
    /// As [`work`](Self::work).
    pub fn slice(&mut self, site: &Site<'_>, task: Task) -> Result<Done> {
        LAST.set(Done::Nothing);
        BEGUN.set(None);
        let done = self.one_slice(site, task)?;
        LAST.set(done);
        Ok(done)
    }

    fn one_slice(&mut self, site: &Site<'_>, task: Task) -> Result<Done> {
        self.budget = site.settings.cache_mb.saturating_mul(1 << 20);
        let mut claims = site.storage.claims(site.conn)?;
        let tokens: Vec<Token> = claims.iter().map(|claim| claim.token).collect();
        registry::keep(&self.place, &site.storage.table, &tokens);
        self.given_up.retain(|token| tokens.contains(token));
        self.others.keep(&tokens);
        // What is nearest to its end first: seals, then small merges.
        let mut jobs: Vec<(usize, usize, Arc<Mutex<Job>>)> = Vec::new();
        for (at, claim) in claims.iter().enumerate() {
            if let Some(job) = registry::find(&claim.token, &self.place) {
                if claim.is_trash() {
                    // Another process took this one for dead; or the job is done, and was not told so yet.
                    continue;
                }
                let Some(locked) = job.try_lock() else { continue };
                let rank = if claim.seal { 0 } else { 1 + locked.rows() };
                drop(locked);
                jobs.push((rank, at, job));
            }
        }
        if task == Task::Rebuild {
            // Whatever is being made would be replaced.
            for claim in claims.iter_mut().filter(|claim| !claim.is_trash()) {
                registry::remove(&claim.token);
                claim.discard();
                site.storage.put_claim(site.conn, claim)?;
            }
            claims = site.storage.claims(site.conn)?;
            jobs.clear();
            self.touched.clear();
            return self
                .begin(site, &claims, task)
                .map(|begun| if begun { Done::Worked } else { Done::Nothing });
        }
        jobs.sort_by_key(|(rank, at, _)| (*rank, *at));
        let crowded = self.log_length(site)? >= site.settings.delta_rows.saturating_mul(CROWDED);
        let is_free = self.is_free(site);
        let mut waits = false;
        for (_, at, job) in jobs {
            let (Some(mut locked), claim) = (job.try_lock(), &mut claims[at]) else { continue };
            if !locked.is_ours() || !locked.fits(site.schema) {
                drop(locked);
                registry::remove(&claim.token);
                self.given_up.insert(claim.token);
                continue;
            }
            if is_free && crowded && claim.seal {
                locked.wait(PATIENCE);
            }
            let token = claim.token;
            self.touch(token, &job);
            let step = locked.step(site, claim, self.number).inspect_err(|error| self.spoil(token, error))?;
            match step {
                Step::Worked | Step::Installed => return Ok(Done::Worked),
                Step::Waits => {
                    waits = true;
                    if locked.is_silent() && self.shows() {
                        locked.show(site, claim, self.number)?;
                    }
                }
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
                let commit = task == Task::Keep(Zeal::Steady);
                let most = if commit { TRASH_CHUNKS_OF_COMMIT } else { TRASH_CHUNKS };
                site.storage.remove_trash(site.conn, &mut claim.trash, most)?;
                site.storage.put_claim(site.conn, claim)?;
                return Ok(Done::Worked);
            }
            if registry::find(&claim.token, &self.place).is_none() {
                waits = true;
                // Not where equal statements are to make equal segments. A file may have two names here.
                let is_asked = task == Task::Keep(Zeal::Thorough);
                let looks = is_asked || is_free && !registry::knows(&claim.token);
                if self.given_up.remove(&claim.token)
                    || looks && is_orphan(&claim.token)
                    || self.others.is_dead(claim, is_free)
                {
                    claim.discard();
                    site.storage.put_claim(site.conn, claim)?;
                    return Ok(Done::Worked);
                }
            }
        }
        if self.begin(site, &claims, task)? {
            return Ok(Done::Worked);
        }
        // What is in progress may be all that may be begun.
        self.pace.behind &= waits;
        Ok(if waits { Done::Waits } else { Done::Nothing })
    }

    /// Begins a job. False: there is none to begin.
    fn begin(&mut self, site: &Site<'_>, claims: &[Claim], task: Task) -> Result<bool> {
        let length = self.log_length(site)?;
        match plan(site, claims, task, length, self.is_free(site))? {
            Planned::Nothing => Ok(false),
            Planned::Done => Ok(true),
            Planned::Job { token, stamp, mut job, behind } => {
                self.pace.behind = behind.unwrap_or(self.pace.behind);
                job.hold(self.number, stamp);
                let job = registry::add(token, &self.place, &site.storage.table, *job);
                BEGUN.set(Some(Watch::new(token, &self.place, &job)));
                self.touch(token, &job);
                Ok(true)
            }
        }
    }

    fn touch(&mut self, token: Token, job: &Arc<Mutex<Job>>) {
        if !self.touched.iter().any(|(of, _)| *of == token) {
            self.touched.push((token, Arc::clone(job)));
        }
    }

    /// Whether it is time to show that builders are at work.
    fn shows(&mut self) -> bool {
        let is_time = self.shown.is_none_or(|last| last.elapsed() >= HEARTBEAT);
        if is_time {
            self.shown = Some(Instant::now());
        }
        is_time
    }

    /// Counts the last look at the claims of other processes for more, since nothing but they is waited for.
    pub fn hurry(&mut self) {
        self.others.hurry();
    }

    /// The transaction was committed.
    ///
    /// Where nothing else has been written, what was read is right whatever becomes of the transaction: then this may be
    /// called before its end.
    pub fn committed(&mut self, table: &str) {
        for (token, job) in std::mem::take(&mut self.touched) {
            match job.lock().confirm(self.number, self.budget) {
                Ok(false) => continue,
                Ok(true) => registry::set_trouble(&self.place, table, None),
                Err(error) => {
                    registry::set_trouble(&self.place, table, Some(error.to_string()));
                    self.given_up.insert(token);
                }
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
            if job.lock().revert(self.number) {
                registry::remove(&token);
                // If its claim is there all the same, nobody goes on with it.
                self.given_up.insert(token);
            }
        }
    }

    /// A slice of this job has failed. It is given up at once: SQLite may take back the statement, and say so, before
    /// [`failed`](Self::failed) is called.
    fn spoil(&mut self, token: Token, error: &Error) {
        if !is_passing(error) {
            registry::remove(&token);
            self.given_up.insert(token);
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

    /// Waits for a builder of this table, but no longer than this. False: there is none.
    ///
    /// # Errors
    /// Those of reading the claims.
    pub fn wait_for_builder(&self, site: &Site<'_>, patience: Duration) -> Result<bool> {
        for claim in site.storage.claims(site.conn)? {
            let Some(job) = registry::find(&claim.token, &self.place) else { continue };
            let Some(job) = job.try_lock() else { continue };
            if job.is_building() {
                job.wait(patience);
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Drop for Memo {
    fn drop(&mut self) {
        self.reverted();
    }
}
