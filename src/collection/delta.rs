//! The delta: rows that are in no segment yet, held in memory and searched exactly.
//!
//! Slots are append-only: a row that is written again gets a new slot and its old one dies. So everything derived
//! from full blocks of slots (text blocks) stays valid while the delta grows. After a seal the blocks that it took are dropped.

use super::connected::Connected;
use super::revised::Revised;
use super::slots::Slots;
use crate::bitmap::Bitmap;
use crate::columns::Columns;
use crate::error::{Error, Result};
use crate::memory;
use crate::schema::{Layout, Schema};
use crate::storage::{LogEntry, LogOp};
use crate::text::{RecentTexts, TextConfig, TextReader};
use crate::value::Value;
use crate::vector::{Metric, metric};
use parking_lot::Mutex;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Rows that are read at once.
const READ_ROWS: usize = 256;

/// What the words of a text take in memory for each of its bytes, at most in most texts.
const WORD_BYTES: usize = 16;

/// Bytes of texts that are kept until a search wants to have them; the others are read again.
const MOST_WAITING: usize = 1 << 20;

/// Bytes that a log entry takes in maps, roughly, its vectors and values aside.
const LOG_ENTRY: usize = 160;

/// Vectors of one column, row-major by slot.
#[derive(Debug, Clone, Default)]
pub struct DeltaVectors {
    /// `slots x dim` values.
    pub data: Vec<f32>,
    /// Slots that have a vector.
    pub present: Vec<bool>,
}

/// Rows written since the last seal.
pub struct Delta {
    slots: Slots,
    dead: Vec<bool>,
    by_row: HashMap<i64, u32>,
    vectors: Vec<DeltaVectors>,
    /// Which columns of the table the slots have.
    layout: Layout,
    /// Slots whose metadata has changed since.
    pub revised: Revised,
    /// Words of the first slots, those that a search has asked for.
    recent: Mutex<RecentTexts>,
    /// Texts of slots whose words nobody has asked for.
    waiting: Waiting,
}

/// Texts by slot, from when a row was read until a search wants its words.
#[derive(Clone, Default)]
struct Waiting {
    texts: HashMap<u32, Texts>,
    bytes: usize,
    /// Texts of slots before this one were dropped.
    from: u32,
}

/// The texts of a row, one for each FULLTEXT column.
type Texts = Vec<Option<Cow<'static, str>>>;

impl Waiting {
    fn push(&mut self, slot: u32, texts: Texts) {
        let bytes: usize = texts.iter().flatten().map(|text| text.len()).sum();
        if self.bytes + bytes <= MOST_WAITING {
            self.bytes += bytes;
            self.texts.insert(slot, texts);
        }
    }

    /// The slots before this one are gone, and the others are counted from it.
    fn drop_front(&mut self, gone: u32) {
        self.forget(gone);
        self.from = self.from.saturating_sub(gone);
        let kept = std::mem::take(&mut self.texts).into_iter();
        self.texts = kept.map(|(slot, texts)| (slot - gone, texts)).collect();
    }

    /// Drops the texts of slots before this one.
    fn forget(&mut self, slot: u32) {
        if slot > self.from {
            self.from = slot;
            self.texts.retain(|of, _| *of >= slot);
            self.bytes = self.texts.values().flatten().flatten().map(|text| text.len()).sum();
        }
    }
}

impl Clone for Delta {
    fn clone(&self) -> Self {
        Self {
            slots: self.slots.clone(),
            dead: self.dead.clone(),
            by_row: self.by_row.clone(),
            vectors: self.vectors.clone(),
            layout: self.layout.clone(),
            revised: self.revised.clone(),
            recent: Mutex::new(self.recent.lock().clone()),
            waiting: self.waiting.clone(),
        }
    }
}

impl Delta {
    /// No rows.
    pub fn new(schema: &Schema) -> Self {
        Self {
            slots: Slots::default(),
            dead: Vec::new(),
            by_row: HashMap::new(),
            vectors: schema.vectors().map(|_| DeltaVectors::default()).collect(),
            layout: schema.layout(),
            revised: Revised::default(),
            recent: Mutex::default(),
            waiting: Waiting::default(),
        }
    }

    /// Slots, dead ones included.
    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    /// Live rows.
    pub fn live(&self) -> usize {
        self.by_row.len()
    }

    /// Row in a slot.
    pub fn rowid(&self, slot: u32) -> i64 {
        self.slots.rowids().get(slot as usize).copied().unwrap_or(0)
    }

    /// Whether the rowids ascend with the slots.
    pub fn ascends(&self) -> bool {
        self.slots.rowids().is_sorted()
    }

    /// The live slots.
    pub fn alive(&self) -> Bitmap {
        Bitmap::from_fn(self.slots(), |slot| !self.dead[slot])
    }

    /// The same rows but for those that are not in `lives`; `None` where rows are missing, where columns were added or dropped
    /// since, or where so few rows are left that it is better to read them again.
    pub fn only(mut self, schema: &Schema, lives: &HashSet<i64>) -> Option<Self> {
        let is_complete = lives.iter().all(|rowid| self.by_row.contains_key(rowid));
        if !is_complete || self.layout != schema.layout() {
            return None;
        }
        let dead = &mut self.dead;
        self.by_row.retain(|rowid, slot| {
            let lives = lives.contains(rowid);
            if !lives && let Some(dead) = dead.get_mut(*slot as usize) {
                *dead = true;
            }
            lives
        });
        self.drop_front(schema);
        (lives.len() >= self.slots() / 2).then_some(self)
    }

    /// Drops dead slots before the first living one, by whole blocks of texts: a seal takes what came first.
    fn drop_front(&mut self, schema: &Schema) {
        let dead = self.dead.iter().take_while(|dead| **dead).count();
        let gone = dead / RecentTexts::BLOCK * RecentTexts::BLOCK;
        if gone == 0 {
            return;
        }
        self.slots.drop_front(gone);
        self.dead.drain(..gone);
        self.by_row.values_mut().for_each(|slot| *slot -= gone as u32);
        for (column, (_, spec)) in self.vectors.iter_mut().zip(schema.vectors()) {
            column.data.drain(..gone * spec.dim);
            column.present.drain(..gone);
        }
        self.revised.drop_front(gone as u32);
        self.recent.get_mut().drop_front(gone);
        self.waiting.drop_front(gone as u32);
    }

    /// Vectors of the `at`-th vector column.
    pub fn vectors(&self, at: usize) -> Option<&DeltaVectors> {
        self.vectors.get(at)
    }

    /// Distance of `query` to the vector of a slot in the `at`-th vector column, if it has one.
    pub fn distance(&self, metric: Metric, at: usize, query: &[f32], slot: u32) -> Option<f64> {
        let vectors = self.vectors.get(at)?;
        let slot = slot as usize;
        if !vectors.present.get(slot).is_some_and(|present| *present) {
            return None;
        }
        let vector = vectors.data.get(slot * query.len()..(slot + 1) * query.len())?;
        Some(metric::distance(metric, query, vector))
    }

    /// Replays log entries and loads the rows they add from `t_rows` and `t_vectors`. What they say of segments is the
    /// view's matter.
    pub fn apply(&mut self, on: Connected<'_>, entries: &[LogEntry]) -> Result<()> {
        let read = self.recent.get_mut().rows();
        self.waiting.forget(read as u32);
        // A row may come and go several times in one batch; only where it ended up counts.
        memory::check_large(entries.len().saturating_mul(LOG_ENTRY))?;
        let mut last: HashMap<i64, usize> = HashMap::with_capacity(entries.len());
        let mut revised: HashMap<i64, usize> = HashMap::new();
        for (at, entry) in entries.iter().enumerate() {
            match entry.op {
                LogOp::Add | LogOp::Remove => drop(last.insert(entry.rowid, at)),
                LogOp::Revise { sealed: None } => drop(revised.insert(entry.rowid, at)),
                LogOp::Kill { .. } | LogOp::Revise { .. } => {}
            }
        }
        let mut added = Vec::with_capacity(entries.len());
        for (at, entry) in entries.iter().enumerate() {
            if last.get(&entry.rowid) == Some(&at) {
                if let Some(old) = self.by_row.remove(&entry.rowid) {
                    self.dead[old as usize] = true;
                }
                if entry.op == LogOp::Add {
                    added.push(entry.rowid);
                }
            }
            // A row that is added in this batch is read as it is now.
            if revised.get(&entry.rowid) == Some(&at) && !last.contains_key(&entry.rowid) {
                let slot = self.by_row.get(&entry.rowid).copied();
                let place = || format!("{} row {}", on.storage.table, entry.rowid);
                let slot = slot
                    .ok_or_else(|| Error::corrupt(place(), "the log revises a row that it does not have"))?;
                self.revised.push(slot, entry.rowid, revised_metadata(on, entry.rowid)?);
            }
        }
        added.chunks(READ_ROWS).try_for_each(|rowids| self.push(on, rowids))
    }

    /// Adds rows as they are now.
    fn push(&mut self, on: Connected<'_>, rowids: &[i64]) -> Result<()> {
        let Connected { storage, conn, schema } = on;
        for ((at, column), (_, spec)) in self.vectors.iter_mut().enumerate().zip(schema.vectors()) {
            memory::grow(&mut column.data, rowids.len() * spec.dim)?;
            storage.for_each_vector(conn, at, rowids.iter().copied(), |vector| {
                match vector {
                    Some(vector) => column.data.extend_from_slice(vector),
                    None => column.data.resize(column.data.len() + spec.dim, 0.0),
                }
                column.present.push(vector.is_some());
                Ok(())
            })?;
        }
        let has_text = schema.full_texts().next().is_some();
        let mut rows = storage.rows(conn, rowids)?.into_iter();
        for rowid in rowids {
            let Some(row) = rows.next().filter(|row| row.rowid == *rowid) else {
                let place = format!("{} row {rowid}", storage.table);
                return Err(Error::corrupt(place, "the log names a row that t_rows does not have"));
            };
            let metadata = metadata_of(schema, &row.values);
            if has_text {
                self.waiting.push(self.slots.len() as u32, texts_of(schema, Some(row.values)));
            }
            self.by_row.insert(*rowid, self.slots.len() as u32);
            self.slots.push(*rowid, metadata);
            self.dead.push(false);
        }
        Ok(())
    }

    /// Metadata columns over all slots, as the rows were when they were added.
    pub fn columns(&self, schema: &Schema) -> &Arc<Columns> {
        self.slots.columns(schema)
    }

    /// The words of all slots.
    pub fn texts(&self, on: Connected<'_>, config: &TextConfig) -> Result<RecentTexts> {
        // The lock is not held while rows are read: what stands in place of their table may lead back here.
        let mut texts = std::mem::take(&mut *self.recent.lock());
        let from = texts.rows();
        if from < self.slots() {
            memory::check(self.waiting.bytes.saturating_mul(WORD_BYTES))?;
            let mut reader = TextReader::new(config)?;
            for slot in from..self.slots() {
                let rowid = self.rowid(slot as u32);
                if self.dead[slot] {
                    texts.push(&mut reader, &[]);
                } else if let Some(waiting) = self.waiting.texts.get(&(slot as u32)) {
                    texts.push(&mut reader, waiting);
                } else {
                    let read = texts_of(on.schema, on.storage.row(on.conn, rowid)?.map(|row| row.values));
                    let bytes: usize = read.iter().flatten().map(|text| text.len()).sum();
                    memory::check_large(bytes.saturating_mul(WORD_BYTES))?;
                    texts.push(&mut reader, &read);
                }
            }
        }
        self.recent.lock().clone_from(&texts);
        Ok(texts)
    }

    /// Which slots are dead.
    pub fn dead(&self) -> &[bool] {
        &self.dead
    }

    /// Bytes held in memory, roughly.
    pub fn memory_bytes(&self) -> usize {
        let vectors = self.vectors.iter().map(|v| v.data.len() * 4).sum::<usize>();
        vectors + self.slots() * 64 + self.waiting.bytes + self.recent.lock().memory_bytes()
    }
}

/// The metadata of a row that the log says has changed.
pub fn revised_metadata(on: Connected<'_>, rowid: i64) -> Result<Vec<Value>> {
    let place = || format!("{} row {rowid}", on.storage.table);
    let found = on.storage.metadata(on.conn, rowid)?;
    found.ok_or_else(|| Error::corrupt(place(), "the log revises a row that t_rows does not have"))
}

/// The metadata values of a stored row, in the order of the schema's metadata columns.
pub fn metadata_of(schema: &Schema, values: &[Value]) -> Vec<Value> {
    let positions: Vec<_> = schema.stored_positions().collect();
    schema
        .metadata()
        .map(|(at, _)| positions[at].and_then(|p| values.get(p)).cloned().unwrap_or(Value::Null))
        .collect()
}

/// The texts of a stored row, in the order of the schema's FULLTEXT columns; a missing row has none.
pub fn texts_of(schema: &Schema, values: Option<Vec<Value>>) -> Vec<Option<Cow<'static, str>>> {
    let positions: Vec<_> = schema.stored_positions().collect();
    let mut values = values.unwrap_or_default();
    schema
        .full_texts()
        .map(|(at, _)| match positions[at].and_then(|p| values.get_mut(p)) {
            Some(Value::Text(text)) => Some(Cow::Owned(std::mem::take(text))),
            _ => None,
        })
        .collect()
}
