//! One seal or merge under way: it reads, then it is built, then it is written, each step a bounded slice inside somebody's
//! write transaction.
//!
//! What a step reads may be taken back with the transaction that it ran in, so it counts only after [`Job::confirm`]. What a
//! step writes is counted by the claim in the file, which is taken back with it.

use super::super::Connected;
use super::super::delta::{metadata_of, texts_of};
use super::build::{Build, Ingredients, Source, Texts, Vectors, keeps_graph};
use super::work::{Input, Step, Work};
use super::writing::Writing;
use super::{Site, install};
use crate::columns::Columns;
use crate::error::{Error, Result};
use crate::memory;
use crate::schema::Schema;
use crate::storage::{Claim, LogPosition, SegmentId};
use crate::text::TextConfig;
use crate::value::Value;
use std::sync::Arc;
use std::time::Duration;

/// Rows that a step reads, and the bytes of vectors at which it stops before.
const READ_ROWS: usize = 256;
const READ_BYTES: usize = 512 << 10;

enum Stage {
    Reading(Reading),
    Building(Build),
    Writing(Writing),
}

/// Rows on their way to a builder.
struct Reading {
    /// Payloads of the inputs that are loaded.
    loaded: usize,
    rowids: Vec<i64>,
    vectors: Vec<Vectors>,
    metadata: Vec<Vec<Value>>,
    texts: Vec<Texts>,
    /// Whether texts are read from the rows.
    read_texts: bool,
    /// Whether metadata is read from the rows, because the columns cannot be merged.
    read_metadata: bool,
    /// Rows read, and those of transactions that were committed.
    read: usize,
    confirmed: usize,
}

/// One seal or merge.
pub struct Job {
    pub work: Work,
    schema: Schema,
    stage: Stage,
    /// The connection whose transaction did the last steps, until it has ended.
    holder: Option<u64>,
    /// Planned by a transaction that has not been committed.
    planned: bool,
    /// The segment that it became in a transaction that has not been committed.
    installed: Option<SegmentId>,
    /// Whether its builder needs nobody to let it through.
    free: bool,
}

impl Job {
    /// A seal of the rows `rowids`.
    pub fn seal(site: &Site<'_>, through: LogPosition, rowids: Vec<i64>, free: bool) -> Self {
        let mut job = Self::new(site, Work::Seal { through }, free);
        if let Stage::Reading(reading) = &mut job.stage {
            reading.rowids = rowids;
        }
        job
    }

    /// A merge of `inputs`.
    pub fn merge(site: &Site<'_>, mut inputs: Vec<Input>, free: bool) -> Self {
        inputs.sort_by_key(|input| (std::cmp::Reverse(input.live()), input.segment.record.seq));
        Self::new(site, Work::Merge { inputs }, free)
    }

    fn new(site: &Site<'_>, work: Work, free: bool) -> Self {
        let reading = Reading {
            loaded: 0,
            rowids: Vec::new(),
            vectors: Vec::new(),
            metadata: Vec::new(),
            texts: Vec::new(),
            read_texts: false,
            read_metadata: false,
            read: 0,
            confirmed: 0,
        };
        let (schema, stage) = (site.schema.clone(), Stage::Reading(reading));
        Self { work, schema, stage, holder: None, planned: true, installed: None, free }
    }

    /// A transaction of `connection` has planned it.
    pub fn hold(&mut self, connection: u64) {
        self.holder = Some(connection);
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
            Work::Seal { .. } => match &self.stage {
                Stage::Reading(reading) => reading.rowids.len(),
                Stage::Writing(writing) => writing.built.columns.len(),
                Stage::Building(_) => 0,
            },
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
                reading.step(site, &self.work)?;
                site.storage.put_claim(site.conn, claim)?;
                Ok(Step::Worked)
            }
            Stage::Building(build) => {
                if self.free {
                    return Ok(Step::Waits);
                }
                build.help();
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

    /// The transaction of the last steps was committed. True: the job is done.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub fn confirm(&mut self, budget: usize) -> Result<bool> {
        (self.planned, self.holder) = (false, None);
        if let Some(id) = self.installed.take() {
            self.fill_cache(id, budget);
            return Ok(true);
        }
        if let Stage::Reading(reading) = &mut self.stage {
            reading.confirmed = reading.read;
            let may_start = !self.free || matches!(self.work, Work::Seal { .. }) || Build::has_room();
            if reading.is_complete(&self.work) && may_start {
                let ingredients = reading.take(&self.work, &self.schema)?;
                self.stage = Stage::Building(Build::start(ingredients, self.free)?);
            }
        }
        Ok(false)
    }

    /// The transaction of the last steps was taken back, at least in part. True: the job is not any more.
    pub fn revert(&mut self) -> bool {
        (self.installed, self.holder) = (None, None);
        if let Stage::Reading(reading) = &mut self.stage {
            reading.read = reading.confirmed;
            reading.vectors.iter_mut().for_each(|vectors| vectors.truncate(reading.confirmed));
            reading.metadata.truncate(reading.confirmed);
            reading.texts.truncate(reading.confirmed);
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

impl Reading {
    fn is_complete(&self, work: &Work) -> bool {
        let loaded = match work {
            Work::Seal { .. } => true,
            Work::Merge { inputs } => self.loaded > inputs.len(),
        };
        loaded && self.read == self.rowids.len()
    }

    fn step(&mut self, site: &Site<'_>, work: &Work) -> Result<()> {
        let Connected { storage, conn, schema } = site.on;
        if let Work::Merge { inputs } = work
            && self.loaded <= inputs.len()
        {
            return self.load(site, inputs);
        }
        if self.read == 0 && self.vectors.is_empty() {
            for (_, spec) in schema.vectors() {
                self.vectors.push(Vectors::room(spec, self.rowids.len())?);
            }
        }
        let row_bytes: usize = schema.vectors().map(|(_, spec)| spec.dim * 4).sum();
        let count = READ_ROWS.min(READ_BYTES / row_bytes.max(1)).max(1);
        let end = (self.read + count).min(self.rowids.len());
        let rowids = self.rowids.get(self.read..end).unwrap_or_default();
        storage.pack(conn, rowids.iter().copied())?;
        let is_seal = matches!(work, Work::Seal { .. });
        let (metadata, texts) = (is_seal || self.read_metadata, is_seal || self.read_texts);
        if metadata || texts {
            for rowid in rowids {
                // A row that is gone since is dead in the new segment; what it holds does not matter.
                let values = storage.row(conn, *rowid)?.map(|row| row.values);
                if metadata {
                    self.metadata.push(metadata_of(schema, values.as_deref().unwrap_or_default()));
                }
                if texts {
                    self.texts.push(texts_of(schema, values));
                }
            }
        }
        for (at, vectors) in self.vectors.iter_mut().enumerate() {
            storage.for_each_vector(conn, at, rowids.iter().copied(), |vector| {
                vectors.push(vector);
                Ok(())
            })?;
        }
        self.read = end;
        Ok(())
    }

    /// Loads the payloads of one more input, at last the graph of the largest.
    fn load(&mut self, site: &Site<'_>, inputs: &[Input]) -> Result<()> {
        let schema = site.schema;
        let has_text = schema.full_texts().next().is_some();
        match inputs.get(self.loaded) {
            Some(input) => {
                input.segment.columns(site.on)?;
                if has_text {
                    let current = input.segment.text(site.on)?.is_current(&TextConfig::of(schema));
                    self.read_texts |= !current;
                }
            }
            None => {
                if let Some(base) =
                    inputs.first().filter(|base| keeps_graph(base.live(), base.segment.rows()))
                {
                    for (at, _) in schema.vectors().enumerate() {
                        base.segment.vector(site.on, at)?;
                    }
                }
                let rows = inputs.iter().map(Input::live).sum();
                self.rowids = memory::room(rows)?;
                let mut all = Vec::with_capacity(inputs.len());
                for input in inputs {
                    let columns = input.segment.columns(site.on)?;
                    all.extend(columns.columns());
                    let columns = columns.whole();
                    let lives = |ord: &u32| input.alive.as_ref().is_none_or(|alive| alive.contains(*ord));
                    self.rowids.extend((0..columns.len() as u32).filter(lives).map(|ord| columns.rowid(ord)));
                }
                self.read_metadata = !Columns::can_merge(&all);
            }
        }
        self.loaded += 1;
        Ok(())
    }

    /// What was read, for the builder.
    fn take(&mut self, work: &Work, schema: &Schema) -> Result<Ingredients> {
        let texts = std::mem::take(&mut self.texts);
        let source = match work {
            Work::Seal { .. } => Source::Rows { metadata: std::mem::take(&mut self.metadata), texts },
            Work::Merge { inputs } => {
                let missing = || Error::Value("a payload of a merge was not loaded".into());
                let columns =
                    |input: &Input| Some((Arc::clone(input.segment.loaded_columns()?), input.alive.clone()));
                let columns: Option<Vec<_>> = inputs.iter().map(columns).collect();
                let has_text = schema.full_texts().next().is_some();
                let indexes = (has_text && !self.read_texts).then(|| {
                    inputs.iter().map(|input| input.segment.loaded_text()).collect::<Option<Vec<_>>>()
                });
                let base = inputs.first().filter(|base| keeps_graph(base.live(), base.segment.rows()));
                let count = schema.vectors().count();
                let base = base.map(|base| (0..count).map(|at| base.segment.loaded_vector(at)).collect());
                Source::Segments {
                    columns: columns.ok_or_else(missing)?,
                    metadata: self.read_metadata.then(|| std::mem::take(&mut self.metadata)),
                    indexes: indexes.map(|indexes| indexes.ok_or_else(missing)).transpose()?,
                    texts,
                    base: base.map(|base: Option<Vec<_>>| base.ok_or_else(missing)).transpose()?,
                }
            }
        };
        let (rowids, vectors) = (std::mem::take(&mut self.rowids), std::mem::take(&mut self.vectors));
        Ok(Ingredients { schema: schema.clone(), rowids, vectors, source })
    }
}
