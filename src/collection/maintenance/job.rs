//! One seal or merge under way: it reads, then it is built, then it is written, each step a bounded slice inside somebody's
//! write transaction.
//!
//! What a step reads may be taken back with the transaction that it ran in, so it counts only after [`Job::confirm`]. What a
//! step writes is counted by the claim in the file, which is taken back with it.
//!
//! The file may be set back to an earlier state as a whole: restored, or replaced by a copy. Then the claim has another stamp than
//! the one that the last step gave it, and what was read is of rows that are not there, so the job is lost.

use super::super::graphs::Graphs;
use super::build::Build;
use super::reading::Reading;
use super::work::{Input, Step, Work};
use super::writing::Writing;
use super::{Site, install};
use crate::error::Result;
use crate::schema::Schema;
use crate::storage::{Claim, LogPosition, SegmentId};
use std::sync::Arc;
use std::time::Duration;

enum Stage {
    Reading(Box<Reading>),
    Building(Build),
    Writing(Writing),
}

/// One seal or merge.
pub struct Job {
    pub work: Work,
    schema: Schema,
    stage: Stage,
    /// The connection whose transaction did the last steps, until it has ended. Only its end counts.
    holder: Option<u64>,
    /// The stamp of the claim after the last transaction that was committed, and the one that the transaction under way gave it.
    stamp: u64,
    next_stamp: Option<u64>,
    /// Planned by a transaction that has not been committed.
    planned: bool,
    /// The segment that it became in a transaction that has not been committed.
    installed: Option<SegmentId>,
    /// Whether its builder needs nobody to let it through.
    free: bool,
    /// The graphs that its vectors get.
    graphs: Graphs,
    /// How many threads the table allows.
    threads: usize,
    done: bool,
    cancelled: bool,
}

impl Job {
    /// A seal of the rows `rowids`, whose vectors get these graphs.
    pub fn seal(
        site: &Site<'_>,
        through: LogPosition,
        rowids: Vec<i64>,
        (free, graphs): (bool, Graphs),
    ) -> Self {
        let mut job = Self::new(site, Work::Seal { through }, free, graphs);
        if let Stage::Reading(reading) = &mut job.stage {
            reading.rowids = rowids;
        }
        job
    }

    /// Of all rows, from what the table holds under `nonce` on.
    pub fn rebuild(site: &Site<'_>, through: LogPosition, nonce: [u8; 16], free: bool) -> Self {
        let mut job = Self::new(site, Work::Rebuild { through, nonce }, free, Graphs::lasting());
        if let Stage::Reading(reading) = &mut job.stage {
            reading.lists = true;
        }
        job
    }

    /// A merge of `inputs`, whose vectors get these graphs.
    pub fn merge(site: &Site<'_>, mut inputs: Vec<Input>, free: bool, graphs: Graphs) -> Self {
        inputs.sort_by_key(|input| (std::cmp::Reverse(input.live()), input.segment.record.seq));
        Self::new(site, Work::Merge { inputs }, free, graphs)
    }

    fn new(site: &Site<'_>, work: Work, free: bool, graphs: Graphs) -> Self {
        let reading = Reading::default();
        let (schema, stage) = (site.schema.clone(), Stage::Reading(Box::new(reading)));
        let threads = site.settings.threads;
        Self {
            work,
            schema,
            stage,
            holder: None,
            stamp: 0,
            next_stamp: None,
            planned: true,
            installed: None,
            free,
            graphs,
            threads,
            done: false,
            cancelled: false,
        }
    }

    /// The next slice gives it up.
    pub fn cancel(&mut self) {
        self.cancelled = true;
    }

    /// Whether its segment is there.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// How much of its longest work is done, and of how much.
    pub fn progress(&self) -> (usize, usize) {
        match &self.stage {
            Stage::Reading(reading) => (0, reading.rowids.len()),
            Stage::Building(build) => build.progress(),
            Stage::Writing(writing) => {
                let rows = writing.built.columns.len();
                (rows, rows)
            }
        }
    }

    /// A transaction of `connection` has planned it, and written its claim with this stamp.
    pub fn hold(&mut self, connection: u64, stamp: u64) {
        self.holder = Some(connection);
        self.next_stamp = Some(stamp);
    }

    /// Shows others that the job goes on, if the transaction of `connection` may.
    ///
    /// # Errors
    /// Those of writing.
    pub fn show(&mut self, site: &Site<'_>, claim: &mut Claim, connection: u64) -> Result<()> {
        if self.holder == Some(connection) {
            site.storage.put_claim(site.conn, claim)?;
            self.next_stamp = Some(claim.stamp);
        }
        Ok(())
    }

    /// Whether it belongs to a table declared so.
    pub fn fits(&self, schema: &Schema) -> bool {
        self.schema == *schema
    }

    /// Whether it is of this process, its builder included.
    pub fn is_ours(&self) -> bool {
        if let Stage::Building(build) = &self.stage { build.is_ours() } else { true }
    }

    /// Rows of the segment that it makes, as far as they are known.
    pub fn rows(&self) -> usize {
        match &self.work {
            Work::Merge { inputs } => inputs.iter().map(Input::live).sum(),
            Work::Seal { .. } | Work::Rebuild { .. } => match &self.stage {
                Stage::Reading(reading) => reading.rowids.len(),
                Stage::Writing(writing) => writing.built.columns.len(),
                Stage::Building(_) => 0,
            },
        }
    }

    /// Whether its builder is at work, or waits for its turn, so that its claim does not change by itself.
    pub fn is_silent(&self) -> bool {
        match &self.stage {
            Stage::Reading(reading) => reading.is_complete(&self.work),
            Stage::Building(build) => build.is_ours(),
            Stage::Writing(_) => false,
        }
    }

    /// Does a slice in a transaction of `connection`.
    ///
    /// # Errors
    /// Then the job has failed and is of no use any more.
    pub fn step(&mut self, site: &Site<'_>, claim: &mut Claim, connection: u64) -> Result<Step> {
        if self.holder.is_some_and(|holder| holder != connection) {
            // SQLite lets the next writer in before it says that the last transaction has ended.
            return Ok(Step::Waits);
        }
        self.holder = Some(connection);
        if claim.stamp != self.next_stamp.unwrap_or(self.stamp) {
            return Ok(Step::Lost);
        }
        let step = self.do_step(site, claim)?;
        self.next_stamp = Some(claim.stamp);
        Ok(step)
    }

    fn do_step(&mut self, site: &Site<'_>, claim: &mut Claim) -> Result<Step> {
        if self.cancelled && self.installed.is_none() {
            return Ok(Step::Lost);
        }
        if self.installed.is_some() {
            // It has its place, unless this transaction is taken back.
            return Ok(Step::Waits);
        }
        self.finish_build()?;
        match &mut self.stage {
            Stage::Reading(reading) => {
                if reading.is_complete(&self.work) {
                    // The builder starts when this transaction is committed.
                    return Ok(Step::Waits);
                }
                reading.step(site, &self.work, self.free)?;
                site.storage.put_claim(site.conn, claim)?;
                Ok(Step::Worked)
            }
            Stage::Building(build) => {
                if self.free {
                    return Ok(Step::Waits);
                }
                build.help();
                site.storage.put_claim(site.conn, claim)?;
                Ok(Step::Worked)
            }
            Stage::Writing(writing) => {
                if let Some(step) = writing.step(site, claim)? {
                    return Ok(step);
                }
                let directory = writing.directory(claim.range);
                let columns = Arc::clone(&writing.built.columns);
                self.installed = install::install(site, claim, &self.work, columns, directory)?;
                Ok(if self.installed.is_some() { Step::Installed } else { Step::Lost })
            }
        }
    }

    /// Waits for the builder.
    pub fn wait(&self, patience: Duration) {
        if let Stage::Building(build) = &self.stage {
            build.wait(patience);
        }
    }

    /// Whether it is being built.
    pub fn is_building(&self) -> bool {
        matches!(self.stage, Stage::Building(_))
    }

    /// A transaction of `connection` was committed. True: the job is done.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub fn confirm(&mut self, connection: u64, budget: usize) -> Result<bool> {
        if self.holder != Some(connection) {
            return Ok(false);
        }
        (self.planned, self.holder) = (false, None);
        self.stamp = self.next_stamp.take().unwrap_or(self.stamp);
        if let Some(id) = self.installed.take() {
            self.fill_cache(id, budget);
            self.done = true;
            return Ok(true);
        }
        if let Stage::Reading(reading) = &mut self.stage {
            reading.confirm();
            let is_merge = matches!(self.work, Work::Merge { .. });
            let may_start = !self.free || !is_merge || Build::has_room();
            if reading.is_complete(&self.work) && may_start {
                let ingredients = reading.take(&self.work, &self.schema, (self.graphs, self.threads))?;
                self.stage = Stage::Building(Build::start(ingredients, self.free)?);
            }
        }
        Ok(false)
    }

    /// A transaction of `connection` was taken back, at least in part. True: the job is not any more.
    pub fn revert(&mut self, connection: u64) -> bool {
        if self.holder != Some(connection) {
            return false;
        }
        (self.installed, self.holder, self.next_stamp) = (None, None, None);
        if let Stage::Reading(reading) = &mut self.stage {
            reading.revert(&self.work);
        }
        self.planned
    }

    fn finish_build(&mut self) -> Result<()> {
        let Stage::Building(build) = &self.stage else { return Ok(()) };
        if let Some(built) = build.take() {
            self.stage = Stage::Writing(Writing::new(built?));
        }
        Ok(())
    }

    /// Puts what is in memory anyway where searches look for it, and drops what they do not look for any more.
    fn fill_cache(&self, id: SegmentId, budget: usize) {
        use super::super::cache::{self, Payload};
        use super::build::Bytes;
        if let Work::Merge { inputs } = &self.work {
            inputs.iter().for_each(|input| cache::forget(input.segment.record.id));
        }
        let Stage::Writing(writing) = &self.stage else { return };
        for (kind, bytes, _) in &writing.built.payloads {
            if let Bytes::Index(index) = bytes
                && cache::has_room(index.memory_bytes(), budget)
            {
                cache::put(id, *kind, Payload::Vector(Arc::clone(index)), budget);
            }
        }
    }
}
