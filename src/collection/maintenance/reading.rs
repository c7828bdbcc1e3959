//! What a job reads of the rows and segments that it makes a segment of.

use super::super::Connected;
use super::super::delta::{metadata_of, texts_of};
use super::super::graphs::Graphs;
use super::super::sealed::Loading;
use super::Site;
use super::build::{Ingredients, Source, Texts, Vectors, keeps_graph};
use super::work::{Input, Work};
use crate::columns::Columns;
use crate::error::{Error, Result};
use crate::memory;
use crate::schema::Schema;
use crate::storage::PayloadKind;
use crate::text::TextConfig;
use crate::value::Value;
use std::sync::Arc;

/// Rows that a step reads: of rows with their texts, and of vectors alone; and the bytes of vectors at which it stops before.
const READ_ROWS: usize = 128;
const READ_VECTORS: usize = 256;
const READ_BYTES: usize = 512 << 10;

/// Chunks of payloads that a step reads: 4 MiB.
const READ_CHUNKS: usize = 16;

/// Rowids that a step lists.
const LIST_ROWS: usize = 4_096;

/// Bytes of texts that are held in memory for a builder.
const MOST_TEXT: usize = 1 << 30;

/// Rows on their way to a builder.
#[derive(Default)]
pub struct Reading {
    /// Inputs whose payloads are loaded; of the next one the payloads that are, and the chunks of the payload at hand.
    loaded: usize,
    payload: usize,
    passed: usize,
    loading: Option<Loading>,
    pub rowids: Vec<i64>,
    vectors: Vec<Vectors>,
    metadata: Vec<Vec<Value>>,
    texts: Vec<Texts>,
    /// Whether texts are read from the rows.
    read_texts: bool,
    /// Whether metadata is read from the rows, because the columns cannot be merged.
    read_metadata: bool,
    /// Whether the rowids of all rows are still to be listed, and how many were in transactions that were committed.
    pub lists: bool,
    listed: usize,
    /// Bytes of texts.
    text_bytes: usize,
    /// Rows read, and those of transactions that were committed.
    read: usize,
    confirmed: usize,
}

/// Whether the graphs of these segments are joined, and not built again.
fn keeps_graphs(inputs: &[Input]) -> bool {
    inputs.first().is_some_and(|base| keeps_graph(base.live(), base.segment.rows()))
}

impl Reading {
    /// What was read is right: its transaction was committed.
    pub fn confirm(&mut self) {
        self.confirmed = self.read;
        self.listed = self.rowids.len();
    }

    /// What was read since is forgotten.
    pub fn revert(&mut self, work: &Work) {
        self.read = self.confirmed;
        if matches!(work, Work::Rebuild { .. }) && self.listed < self.rowids.len() {
            self.rowids.truncate(self.listed);
            self.lists = true;
        }
        self.vectors.iter_mut().for_each(|vectors| vectors.truncate(self.confirmed));
        self.metadata.truncate(self.confirmed);
        self.texts.truncate(self.confirmed);
    }

    /// Whether everything is read.
    pub fn is_complete(&self, work: &Work) -> bool {
        let loaded = match work {
            Work::Seal { .. } => true,
            Work::Rebuild { .. } => !self.lists,
            Work::Merge { inputs } => self.loaded > inputs.len(),
        };
        loaded && self.read == self.rowids.len()
    }

    /// Reads a slice. `free`: the number of slices may depend on what is in memory.
    pub fn step(&mut self, site: &Site<'_>, work: &Work, free: bool) -> Result<()> {
        let Connected { storage, conn, schema } = site.on;
        if let Work::Merge { inputs } = work
            && self.loaded <= inputs.len()
        {
            return self.load(site, inputs, free);
        }
        if self.lists {
            let next = storage.rowids_after(conn, self.rowids.last().copied(), LIST_ROWS)?;
            self.lists = next.len() == LIST_ROWS;
            memory::grow(&mut self.rowids, next.len())?;
            self.rowids.extend(next);
            return Ok(());
        }
        if self.read == 0 && self.vectors.is_empty() {
            for (_, spec) in schema.vectors() {
                self.vectors.push(Vectors::room(spec, self.rowids.len())?);
            }
        }
        let row_bytes: usize = schema.vectors().map(|(_, spec)| spec.dim * 4).sum();
        let is_seal = !matches!(work, Work::Merge { .. });
        let (metadata, texts) = (is_seal || self.read_metadata, is_seal || self.read_texts);
        let most = if metadata || texts { READ_ROWS } else { READ_VECTORS };
        let count = most.min(READ_BYTES / row_bytes.max(1)).max(1);
        let end = (self.read + count).min(self.rowids.len());
        let rowids = self.rowids.get(self.read..end).unwrap_or_default();
        storage.pack(conn, rowids.iter().copied())?;
        if metadata || texts {
            for rowid in rowids {
                // A row that is gone since is dead in the new segment; what it holds does not matter.
                let values = storage.row(conn, *rowid)?.map(|row| row.values);
                if metadata {
                    self.metadata.push(metadata_of(schema, values.as_deref().unwrap_or_default()));
                }
                if texts {
                    let texts = texts_of(schema, values);
                    self.text_bytes += texts.iter().flatten().map(|text| text.len()).sum::<usize>();
                    self.texts.push(texts);
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
        if self.text_bytes > MOST_TEXT {
            return Err(Error::Value(format!("more than {MOST_TEXT} bytes of texts for one segment")));
        }
        Ok(())
    }

    /// Loads a piece of the payloads of one more input, at last lists their rows.
    fn load(&mut self, site: &Site<'_>, inputs: &[Input], free: bool) -> Result<()> {
        let schema = site.schema;
        let has_text = schema.full_texts().next().is_some();
        match inputs.get(self.loaded) {
            Some(input) => {
                let segment = &input.segment;
                let vectors = if keeps_graphs(inputs) { schema.vectors().count() } else { 0 };
                let columns = segment.record.columns().map(|entry| entry.kind);
                let text = has_text.then_some(PayloadKind::Text);
                let kinds =
                    columns.into_iter().chain(text).chain((0..vectors as u32).map(PayloadKind::Vector));
                let mut left = READ_CHUNKS;
                for kind in kinds.skip(self.payload) {
                    let chunks = segment.record.payload(kind).map_or(0, |entry| entry.chunks as usize);
                    // What is in memory counts as well, where the same statements are to do the same slices.
                    let is_paid = free && segment.is_loaded(kind);
                    let end = self.passed + left;
                    if left == 0
                        || !segment.load_some(site.on, kind, &mut self.loading, end)?
                        || !is_paid && end < chunks
                    {
                        self.passed = end;
                        return Ok(());
                    }
                    if kind.is_columns() {
                        segment.columns(site.on)?;
                    }
                    left -= if is_paid { 0 } else { chunks.saturating_sub(self.passed).min(left) };
                    (self.payload, self.passed) = (self.payload + 1, 0);
                }
                self.payload = 0;
                if has_text {
                    let current = segment.text(site.on)?.is_current(&TextConfig::of(schema));
                    self.read_texts |= !current;
                }
                (0..vectors).try_for_each(|at| segment.vector(site.on, at).map(drop))?;
            }
            None => {
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
    pub fn take(
        &mut self,
        work: &Work,
        schema: &Schema,
        (wanted, threads): (Graphs, usize),
    ) -> Result<Ingredients> {
        let texts = std::mem::take(&mut self.texts);
        let source = match work {
            Work::Seal { .. } | Work::Rebuild { .. } => {
                Source::Rows { metadata: std::mem::take(&mut self.metadata), texts }
            }
            Work::Merge { inputs } => {
                let missing = || Error::Value("a payload of a merge was not loaded".into());
                let columns =
                    |input: &Input| Some((Arc::clone(input.segment.loaded_columns()?), input.alive.clone()));
                let columns: Option<Vec<_>> = inputs.iter().map(columns).collect();
                let has_text = schema.full_texts().next().is_some();
                let indexes = (has_text && !self.read_texts).then(|| {
                    inputs.iter().map(|input| input.segment.loaded_text()).collect::<Option<Vec<_>>>()
                });
                let graphs_of = |at| inputs.iter().map(|input| input.segment.loaded_vector(at)).collect();
                let graphs: Option<Option<Vec<Vec<_>>>> =
                    keeps_graphs(inputs).then(|| (0..schema.vectors().count()).map(graphs_of).collect());
                Source::Segments {
                    columns: columns.ok_or_else(missing)?,
                    metadata: self.read_metadata.then(|| std::mem::take(&mut self.metadata)),
                    indexes: indexes.map(|indexes| indexes.ok_or_else(missing)).transpose()?,
                    texts,
                    graphs: graphs.map(|graphs| graphs.ok_or_else(missing)).transpose()?,
                }
            }
        };
        let (rowids, vectors) = (std::mem::take(&mut self.rowids), std::mem::take(&mut self.vectors));
        Ok(Ingredients { schema: schema.clone(), rowids, vectors, source, graphs: wanted, threads })
    }
}
