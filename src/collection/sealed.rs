//! One immutable segment: a directory of payloads that are loaded when first needed.

mod loading;

pub use loading::Loading;

use super::background::Living;
use super::cache::{self, Part, Payload};
use super::connected::Connected;
use super::layers::{Layer, SegmentColumns};
use super::resident::Resident;
use crate::error::{Error, Result};
use crate::hnsw::VectorIndex;
use crate::schema::{Layout, Schema};
use crate::storage::{PayloadKind, SegmentRecord, Storage};
use crate::text::TextPayload;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// A segment as one view sees it; holds on to the payloads it has loaded.
pub struct Segment {
    /// Its row in `t_segments`.
    pub record: SegmentRecord,
    /// The metadata columns that it is read as.
    layout: Layout,
    columns: OnceLock<Arc<SegmentColumns>>,
    text: OnceLock<Arc<TextPayload>>,
    vectors: Vec<OnceLock<Arc<VectorIndex>>>,
    resident: Vec<OnceLock<Arc<Resident>>>,
    living: Vec<Living>,
    budget: AtomicUsize,
}

impl Segment {
    /// A segment none of whose payloads is loaded yet.
    pub fn new(record: SegmentRecord, schema: &Schema, cache_mb: usize) -> Self {
        let vectors = schema.vectors().map(|_| OnceLock::new()).collect();
        let resident = schema.vectors().map(|_| OnceLock::new()).collect();
        let budget = AtomicUsize::new(0);
        let living = schema.vectors().map(|_| Living::default()).collect();
        let (columns, text) = (OnceLock::new(), OnceLock::new());
        let layout = schema.layout();
        let segment = Self { record, layout, columns, text, vectors, resident, living, budget };
        segment.set_budget(cache_mb);
        segment
    }

    /// Rows, dead ones included.
    pub fn rows(&self) -> usize {
        self.record.rows
    }

    /// What the cache may hold when this segment adds to it, in MiB.
    pub fn set_budget(&self, cache_mb: usize) {
        self.budget.store(cache_mb.saturating_mul(1 << 20), Ordering::Relaxed);
    }

    fn budget(&self) -> usize {
        self.budget.load(Ordering::Relaxed)
    }

    /// Rowids and metadata columns.
    pub fn columns(&self, on: Connected<'_>) -> Result<&Arc<SegmentColumns>> {
        if let Some(found) = self.columns.get() {
            return Ok(found);
        }
        let whole = self.record.columns().map(|entry| entry.kind);
        let whole = whole.ok_or_else(|| self.missing(on.storage, PayloadKind::Columns))?;
        let patches: Vec<Arc<Layer>> =
            self.record.patches().map(|entry| self.layer(on, entry.kind)).collect::<Result<_>>()?;
        let columns = Arc::new(SegmentColumns::new(self.layer(on, whole)?, patches));
        Ok(self.columns.get_or_init(|| columns))
    }

    fn layer(&self, on: Connected<'_>, kind: PayloadKind) -> Result<Arc<Layer>> {
        match self.load(on, kind)? {
            Payload::Columns(layer) => Ok(layer),
            _ => Err(self.mixed_up(on.storage)),
        }
    }

    /// The same, if they are loaded.
    pub fn loaded_columns(&self) -> Option<&Arc<SegmentColumns>> {
        self.columns.get()
    }

    /// The full-text index.
    pub fn text(&self, on: Connected<'_>) -> Result<&Arc<TextPayload>> {
        if let Some(found) = self.text.get() {
            return Ok(found);
        }
        match self.load(on, PayloadKind::Text)? {
            Payload::Text(text) => Ok(self.text.get_or_init(|| text)),
            _ => Err(self.mixed_up(on.storage)),
        }
    }

    /// The number of the rules that made the full-text index, read from its first bytes alone.
    pub fn text_edition(&self, on: Connected<'_>) -> Result<Option<u8>> {
        let Some(entry) = self.record.payload(PayloadKind::Text) else { return Ok(None) };
        Ok(TextPayload::edition_in(&on.storage.payload_head(on.conn, entry, TextPayload::HEAD)?))
    }

    /// Breadth of a walk of the `at`-th vector column unless a search asks for another, read from the first bytes of the
    /// index alone; `None` where there is no graph.
    pub fn breadth(&self, on: Connected<'_>, at: u32) -> Result<Option<usize>> {
        let Some(entry) = self.record.payload(PayloadKind::Vector(at)) else { return Ok(None) };
        Ok(VectorIndex::breadth_in(&on.storage.payload_head(on.conn, entry, VectorIndex::HEAD)?))
    }

    /// What the last background of the `at`-th vector column was made of.
    pub fn living(&self, at: usize) -> Option<&Living> {
        self.living.get(at)
    }

    /// Codes and graph of the `at`-th vector column.
    pub fn vector(&self, on: Connected<'_>, at: usize) -> Result<&Arc<VectorIndex>> {
        let Some(slot) = self.vectors.get(at) else {
            return Err(Error::Unknown(format!("{}: no vector column {at}", on.storage.table)));
        };
        if let Some(found) = slot.get() {
            return Ok(found);
        }
        match self.load(on, PayloadKind::Vector(u32::try_from(at).unwrap_or(u32::MAX)))? {
            Payload::Vector(index) => Ok(slot.get_or_init(|| index)),
            _ => Err(self.mixed_up(on.storage)),
        }
    }

    /// The stored vectors of the `at`-th vector column in memory. They are loaded when `alive` gives the living rows by
    /// ord and rowid and the cache has room; without them what is loaded is answered.
    pub fn resident(
        &self,
        on: Connected<'_>,
        at: usize,
        alive: impl FnOnce() -> Result<Option<Vec<(u32, i64)>>>,
    ) -> Result<Option<&Arc<Resident>>> {
        let (Some(slot), Some((_, spec))) = (self.resident.get(at), on.schema.vectors().nth(at)) else {
            return Ok(None);
        };
        if let Some(found) = slot.get() {
            return Ok(Some(found));
        }
        let part = Part::Vectors(u32::try_from(at).unwrap_or(u32::MAX));
        if let Some(Payload::Stored(found)) = cache::get(self.record.id, part) {
            return Ok(Some(slot.get_or_init(|| found)));
        }
        if !cache::has_room(Resident::size(spec, self.rows()), self.budget()) {
            return Ok(None);
        }
        let Some(alive) = alive()? else { return Ok(None) };
        let loaded = Arc::new(Resident::load(on, (at, spec), &alive, self.rows())?);
        cache::put(self.record.id, part, Payload::Stored(Arc::clone(&loaded)), self.budget());
        Ok(Some(slot.get_or_init(|| loaded)))
    }

    /// The full-text index, if it is loaded.
    pub fn loaded_text(&self) -> Option<Arc<TextPayload>> {
        self.text.get().cloned()
    }

    /// The index of the `at`-th vector column, if it is loaded.
    pub fn loaded_vector(&self, at: usize) -> Option<Arc<VectorIndex>> {
        self.vectors.get(at)?.get().cloned()
    }

    /// The same segment as a table of these columns has it; `None` when this is it.
    pub fn relaid(&self, layout: &Layout) -> Option<Self> {
        (self.layout != *layout)
            .then(|| Self { layout: layout.clone(), ..self.with_columns_of(self.record.clone()) })
    }

    /// The same segment under a record that gives it other columns.
    pub fn with_columns_of(&self, record: SegmentRecord) -> Self {
        Self {
            record,
            layout: self.layout.clone(),
            columns: OnceLock::new(),
            text: self.text.clone(),
            vectors: self.vectors.clone(),
            resident: self.resident.clone(),
            living: self.living.clone(),
            budget: AtomicUsize::new(self.budget()),
        }
    }

    /// The same segment without stored vectors; `None` when it has none.
    pub fn without_vectors(&self) -> Option<Self> {
        self.resident.iter().any(|slot| slot.get().is_some()).then(|| Self {
            record: self.record.clone(),
            layout: self.layout.clone(),
            columns: self.columns.clone(),
            text: self.text.clone(),
            vectors: self.vectors.clone(),
            resident: self.resident.iter().map(|_| OnceLock::new()).collect(),
            living: self.living.iter().map(|_| Living::default()).collect(),
            budget: AtomicUsize::new(self.budget()),
        })
    }

    fn missing(&self, storage: &Storage, kind: PayloadKind) -> Error {
        Error::corrupt(storage.location(self.record.id, kind), "not in the directory")
    }

    fn mixed_up(&self, storage: &Storage) -> Error {
        Error::corrupt(storage.location(self.record.id, "payload"), "the cache holds another kind of payload")
    }
}
