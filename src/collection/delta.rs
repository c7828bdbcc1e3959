//! The delta: rows that are in no segment yet, held in memory and searched exactly.
//!
//! Slots are append-only: a row that is written again gets a new slot and its old one dies. So everything derived
//! from full blocks of slots (text blocks) stays valid while the delta grows.

use super::connected::Connected;
use super::revised::Revised;
use super::slots::Slots;
use crate::bitmap::Bitmap;
use crate::columns::Columns;
use crate::error::{Error, Result};
use crate::memory;
use crate::schema::{Layout, Schema};
use crate::storage::{LogEntry, LogOp, decode_vector};
use crate::text::{self, TextConfig, TextPayload};
use crate::value::Value;
use crate::vector::{Metric, metric};
use parking_lot::Mutex;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Slots of one in-memory text index; small, because the last block is built again after every write.
const TEXT_BLOCK: usize = 64;

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
    /// Complete blocks only; the open block at the end is rebuilt per view.
    text_blocks: Mutex<Vec<Arc<TextPayload>>>,
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
            text_blocks: Mutex::new(self.text_blocks.lock().clone()),
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
            text_blocks: Mutex::default(),
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
    pub fn only(&self, schema: &Schema, lives: &HashSet<i64>) -> Option<Self> {
        let is_complete = lives.iter().all(|rowid| self.by_row.contains_key(rowid));
        if !is_complete || lives.len() < self.slots() / 2 || self.layout != schema.layout() {
            return None;
        }
        let mut kept = self.clone();
        kept.by_row.retain(|rowid, _| lives.contains(rowid));
        for (rowid, slot) in &self.by_row {
            if !lives.contains(rowid)
                && let Some(dead) = kept.dead.get_mut(*slot as usize)
            {
                *dead = true;
            }
        }
        Some(kept)
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
        for (at, entry) in entries.iter().enumerate() {
            if last.get(&entry.rowid) == Some(&at) {
                if let Some(old) = self.by_row.remove(&entry.rowid) {
                    self.dead[old as usize] = true;
                }
                if entry.op == LogOp::Add {
                    self.push(on, entry.rowid)?;
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
        Ok(())
    }

    fn push(&mut self, on: Connected<'_>, rowid: i64) -> Result<()> {
        let Connected { storage, conn, schema } = on;
        let place = || format!("{} row {rowid}", storage.table);
        let Some(row) = storage.row(conn, rowid)? else {
            return Err(Error::corrupt(place(), "the log names a row that t_rows does not have"));
        };
        let metadata = metadata_of(schema, &row.values);
        let vectors = storage.vectors(conn, rowid)?;
        for ((column, (_, spec)), bytes) in self.vectors.iter_mut().zip(schema.vectors()).zip(vectors) {
            let start = column.data.len();
            memory::grow(&mut column.data, spec.dim)?;
            column.data.resize(start + spec.dim, 0.0);
            if let Some(bytes) = &bytes {
                decode_vector(spec, bytes, &mut column.data[start..], place())?;
            }
            column.present.push(bytes.is_some());
        }
        self.by_row.insert(rowid, self.slots.len() as u32);
        self.slots.push(rowid, metadata);
        self.dead.push(false);
        Ok(())
    }

    /// Metadata columns over all slots, as the rows were when they were added.
    pub fn columns(&self, schema: &Schema) -> &Arc<Columns> {
        self.slots.columns(schema)
    }

    /// In-memory text indexes over the slots, each with the bitmap of its dead documents.
    pub fn text(
        &self,
        on: Connected<'_>,
        config: &TextConfig,
    ) -> Result<Vec<(Arc<TextPayload>, Option<Bitmap>)>> {
        // The lock is not held while rows are read: what stands in place of their table may lead back here.
        let mut blocks = self.text_blocks.lock().clone();
        let complete = self.slots() / TEXT_BLOCK;
        let build = |block: usize| -> Result<Arc<TextPayload>> {
            let slots = block * TEXT_BLOCK..((block + 1) * TEXT_BLOCK).min(self.slots());
            let mut documents = Vec::with_capacity(slots.len());
            for slot in slots {
                let row =
                    if self.dead[slot] { None } else { on.storage.row(on.conn, self.rowid(slot as u32))? };
                documents.push(texts_of(on.schema, row.map(|row| row.values)));
            }
            let bytes = text::build(config, &mut documents.into_iter())?;
            TextPayload::decode(bytes).map(Arc::new).map_err(Error::Text)
        };
        if blocks.len() < complete {
            while blocks.len() < complete {
                let made = build(blocks.len())?;
                blocks.push(made);
            }
            let mut kept = self.text_blocks.lock();
            if kept.len() < blocks.len() {
                kept.clone_from(&blocks);
            }
        }
        let mut all = blocks;
        if self.slots() > complete * TEXT_BLOCK {
            all.push(build(complete)?);
        }
        Ok(all
            .into_iter()
            .enumerate()
            .map(|(block, payload)| {
                let base = block * TEXT_BLOCK;
                let dead =
                    Bitmap::from_fn(payload.docs(), |i| self.dead.get(base + i).copied().unwrap_or(true));
                (payload, (!dead.is_empty()).then_some(dead))
            })
            .collect())
    }

    /// Text index that holds `slot`.
    pub fn text_block(slot: u32) -> usize {
        slot as usize / TEXT_BLOCK
    }

    /// First slot of the `block`-th text index.
    pub fn text_base(block: usize) -> u32 {
        (block * TEXT_BLOCK) as u32
    }

    /// Bytes held in memory, roughly.
    pub fn memory_bytes(&self) -> usize {
        self.vectors.iter().map(|v| v.data.len() * 4).sum::<usize>() + self.slots() * 64
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
