//! The text index of one segment, opened for searches.
//!
//! Opening takes tens of microseconds, searching a small index less. So an index stays open for as long as neither its bytes
//! nor its dead documents change, whatever else a view is made of.

use super::analyzer::Edition;
use super::directory::{Part, ViewDirectory};
use super::found::Found;
use super::payload::TextPayload;
use super::{TextConfig, engine, guarded_read};
use crate::bitmap::Bitmap;
use crate::error::Result;
use crate::memory;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use tantivy::index::SegmentId;
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{Index, ReloadPolicy, Searcher, SegmentReader, Term};

/// An index with its dead documents. Immutable; share it by `Arc`.
pub struct OpenedText {
    docs: usize,
    edition: Edition,
    /// `None` when there is nothing to search.
    reader: Option<SegmentReader>,
    /// Of an index of rows that are in no segment.
    small: Option<Small>,
    /// Tokens of the dead documents by field, counted for the first scores.
    dead: OnceLock<Vec<u64>>,
}

/// What is known of an index so small that the living documents of a word are counted, where elsewhere their share is assumed.
pub(super) struct Small {
    /// Tokens of the living documents, by field.
    pub tokens: Vec<u64>,
    /// The words of a query, where the index has no dictionary.
    pub lists: Option<Lists>,
}

/// The documents of words.
pub(super) struct Lists {
    /// Of each word, by field.
    pub words: HashMap<String, Vec<Arc<Found>>>,
}

impl Lists {
    /// The documents that have a term in its column.
    fn of(&self, term: &Term) -> Option<&Arc<Found>> {
        let value = term.value();
        self.words.get(value.as_str()?)?.get(term.field().field_id() as usize)
    }
}

impl std::fmt::Debug for OpenedText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OpenedText({} docs)", self.docs)
    }
}

/// A name that no other index of the process has.
fn next_id() -> u128 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    u128::from(NEXT.fetch_add(1, Ordering::Relaxed))
}

impl OpenedText {
    /// Opens a segment with its deleted ords.
    ///
    /// # Errors
    /// [`crate::Error::Corrupt`] when tantivy cannot read the bytes.
    pub fn open(config: &TextConfig, payload: &TextPayload, deleted: Option<&Bitmap>) -> Result<Self> {
        Self::open_as(config, payload, deleted, None)
    }

    /// The same of rows that are in no segment yet: which of them are dead is another matter after every write, and scores shall
    /// not depend on when an index of them was made.
    pub(super) fn open_small(
        config: &TextConfig,
        payload: &TextPayload,
        deleted: &Bitmap,
        small: Small,
    ) -> Result<Self> {
        Self::open_as(config, payload, (!deleted.is_empty()).then_some(deleted), Some(small))
    }

    fn open_as(
        config: &TextConfig,
        payload: &TextPayload,
        deleted: Option<&Bitmap>,
        small: Option<Small>,
    ) -> Result<Self> {
        guarded_read("opening the text index", || {
            memory::check(0)?;
            let reader = if payload.has_files() {
                let part = Part { payload, deleted };
                let index =
                    Index::open(ViewDirectory::with_first(config, &[part], next_id())?).map_err(engine)?;
                let segments = index.searchable_segments().map_err(engine)?;
                segments.first().map(SegmentReader::open).transpose().map_err(engine)?
            } else {
                None
            };
            let (docs, edition) = (payload.docs(), payload.edition());
            Ok(Self { docs, edition, reader, small, dead: OnceLock::new() })
        })
    }

    fn lists(&self) -> Option<&Lists> {
        self.small.as_ref()?.lists.as_ref()
    }

    /// Number of documents, dead ones included.
    pub fn docs(&self) -> usize {
        self.docs
    }

    pub(super) fn edition(&self) -> Edition {
        self.edition
    }

    pub(super) fn reader(&self) -> Option<&SegmentReader> {
        self.reader.as_ref()
    }

    /// About how many living documents have a term in its column.
    pub(super) fn live_doc_freq(&self, term: &Term) -> tantivy::Result<u64> {
        let Some(reader) = &self.reader else { return Ok(0) };
        if let Some(lists) = self.lists() {
            let Some(Found::Ranked(docs, _)) = lists.of(term).map(Arc::as_ref) else { return Ok(0) };
            let lives = |doc: &&u32| reader.alive_bitset().is_none_or(|alive| alive.is_alive(**doc));
            return Ok(docs.iter().filter(lives).count() as u64);
        }
        let index = reader.inverted_index(term.field())?;
        let Some(alive) = reader.alive_bitset() else { return Ok(u64::from(index.doc_freq(term)?)) };
        if self.small.is_none() {
            let found = u64::from(index.doc_freq(term)?);
            return Ok((found * u64::from(reader.num_docs())).div_ceil(u64::from(reader.max_doc())));
        }
        let Some(mut blocks) = index.read_block_postings(term, IndexRecordOption::Basic)? else {
            return Ok(0);
        };
        let mut found = 0;
        while !blocks.docs().is_empty() {
            found += blocks.docs().iter().filter(|doc| alive.is_alive(**doc)).count() as u64;
            blocks.advance();
        }
        Ok(found)
    }

    /// Tokens of the living documents of a field, but for the rounding of field lengths.
    pub(super) fn live_tokens(&self, field: usize, fields: usize) -> tantivy::Result<u64> {
        let Some(reader) = &self.reader else { return Ok(0) };
        if let Some(small) = &self.small {
            return Ok(small.tokens.get(field).copied().unwrap_or(0));
        }
        let all = reader.inverted_index(Field::from_field_id(field as u32))?.total_num_tokens();
        Ok(all.saturating_sub(self.dead_tokens(fields)?.get(field).copied().unwrap_or(0)))
    }

    fn dead_tokens(&self, fields: usize) -> tantivy::Result<&[u64]> {
        if let Some(known) = self.dead.get() {
            return Ok(known);
        }
        let mut dead = Vec::new();
        if let Some(reader) = &self.reader
            && let Some(alive) = reader.alive_bitset()
        {
            for field in 0..fields {
                let norms = reader.get_fieldnorms_reader(Field::from_field_id(field as u32))?;
                let ords = (0..reader.max_doc()).filter(|ord| alive.is_deleted(*ord));
                dead.push(ords.map(|ord| u64::from(norms.fieldnorm(ord))).sum());
            }
        }
        Ok(self.dead.get_or_init(|| dead))
    }
}

/// The indexes of a view.
pub(super) struct Readers {
    pub parts: Vec<Arc<OpenedText>>,
    /// Without segments: what tantivy wants to know beside statistics is the schema.
    pub blank: Searcher,
}

impl Readers {
    pub(super) fn new(config: &TextConfig, parts: Vec<Arc<OpenedText>>) -> Result<Self> {
        Ok(Self { parts, blank: blank(config)? })
    }

    /// tantivy's readers, each with its position among the segments.
    pub(super) fn each(&self) -> impl Iterator<Item = (usize, &SegmentReader)> {
        self.parts.iter().enumerate().filter_map(|(at, part)| Some((at, part.reader()?)))
    }

    /// Living documents.
    pub(super) fn num_docs(&self) -> u64 {
        self.each().map(|(_, reader)| u64::from(reader.num_docs())).sum()
    }

    /// The documents of a term in indexes without a dictionary.
    pub(super) fn listed(&self, term: &Term) -> HashMap<SegmentId, Arc<Found>> {
        let of = |part: &Arc<OpenedText>| {
            let lists = part.lists()?;
            Some((part.reader.as_ref()?.segment_id(), Arc::clone(lists.of(term)?)))
        };
        self.parts.iter().filter_map(of).collect()
    }

    /// Documents that have a term in its column, dead ones included.
    pub(super) fn doc_freq(&self, term: &Term) -> tantivy::Result<u64> {
        self.each().try_fold(0, |sum, (_, reader)| {
            Ok(sum + u64::from(reader.inverted_index(term.field())?.doc_freq(term)?))
        })
    }
}

/// Schemas whose blank searchers are kept.
const BLANKS: usize = 16;

/// A searcher over nothing, for columns that are read so.
fn blank(config: &TextConfig) -> Result<Searcher> {
    static KNOWN: Mutex<Vec<(Vec<usize>, Searcher)>> = Mutex::new(Vec::new());
    let readings: Vec<usize> = (0..config.fields.len()).map(|field| config.reading(field)).collect();
    if let Some((_, searcher)) = KNOWN.lock().iter().find(|(of, _)| *of == readings) {
        return Ok(searcher.clone());
    }
    let index = Index::open(ViewDirectory::new(config, &[])?).map_err(engine)?;
    let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).doc_store_cache_num_blocks(0);
    let searcher = tantivy::IndexReader::searcher(&reader.try_into().map_err(engine)?);
    let mut known = KNOWN.lock();
    if known.len() == BLANKS {
        known.remove(0);
    }
    known.push((readings, searcher.clone()));
    Ok(searcher)
}
