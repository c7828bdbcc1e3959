//! Searching the text indexes of a view as one index.
//!
//! A query is compiled once for each edition of the rules that made the segments; the statistics of a word are those of
//! the token in segments of every edition.
//! Statistics of BM25 are summed over all segments and tell of the live documents (see `statistics`).

use super::analyzer::Edition;
use super::compile::{Compiled, Compiler};
use super::directory::{Part, ViewDirectory};
use super::interrupt::Interrupt;
use super::payload::TextPayload;
use super::query_text::{Node, TextQuery};
use super::statistics::{Statistics, live_tokens};
use super::{TextConfig, engine, guarded, guarded_read};
use crate::bitmap::Bitmap;
use crate::error::Result;
use crate::memory;
use crate::text_options::TextOptions;
use std::sync::{Arc, OnceLock};
use tantivy::{Index, ReloadPolicy, Searcher, SegmentReader};

/// A query that is ready to be searched for by the searcher that prepared it.
pub struct Prepared {
    /// `None` where the query has no word.
    current: Option<Compiled>,
    /// The same for segments of the first edition, where it differs.
    first: Option<Option<Compiled>>,
}

/// The text indexes of one view, opened. Immutable; share it by `Arc`.
pub struct TextSearcher {
    config: TextConfig,
    searcher: Searcher,
    segments: Vec<Slot>,
    /// Tokens of the live documents by field, counted for the first scores.
    tokens: OnceLock<Vec<u64>>,
}

struct Slot {
    docs: usize,
    edition: Edition,
    /// Position among tantivy's readers; `None` when the segment has nothing to search.
    reader: Option<usize>,
}

impl std::fmt::Debug for TextSearcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TextSearcher({} segments)", self.segments.len())
    }
}

impl TextSearcher {
    /// Opens segments with their deleted ords.
    ///
    /// # Errors
    /// [`crate::Error::Corrupt`] when tantivy cannot read the bytes.
    pub fn open(config: &TextConfig, segments: &[(Arc<TextPayload>, Option<Bitmap>)]) -> Result<Self> {
        guarded_read("opening the text index", || {
            memory::check(0)?;
            let mut parts = Vec::with_capacity(segments.len());
            let mut slots = Vec::with_capacity(segments.len());
            for (payload, deleted) in segments {
                let reader = payload.has_files().then_some(parts.len());
                slots.push(Slot { docs: payload.docs(), edition: payload.edition(), reader });
                if payload.has_files() {
                    parts.push(Part { payload, deleted: deleted.as_ref() });
                }
            }
            let index = Index::open(ViewDirectory::new(config, &parts)?).map_err(engine)?;
            let reader = index
                .reader_builder()
                .reload_policy(ReloadPolicy::Manual)
                .doc_store_cache_num_blocks(0)
                .try_into()
                .map_err(engine)?;
            let searcher = reader.searcher();
            for (at, reader) in searcher.segment_readers().iter().enumerate() {
                debug_assert_eq!(reader.segment_id().uuid_string(), format!("{at:032x}"));
            }
            Ok(Self { config: config.clone(), searcher, segments: slots, tokens: OnceLock::new() })
        })
    }

    /// Parses a query; see [`TextQuery::parse`].
    ///
    /// # Errors
    /// [`crate::Error::Limit`] when the text is too long or too deep.
    pub fn parse(
        &self,
        query: &str,
        field: Option<usize>,
        options: impl Into<TextOptions>,
    ) -> Result<TextQuery> {
        guarded("parsing the query", || TextQuery::parse(&self.config, query, field, options))
    }

    /// Documents of each segment.
    pub(super) fn documents(&self) -> impl Iterator<Item = usize> {
        self.segments.iter().map(|slot| slot.docs)
    }

    /// The query for the segments that there are.
    fn compiled(&self, query: &TextQuery, scoring: bool, interrupt: &Interrupt<'_>) -> Result<Prepared> {
        let has = |first: bool| {
            let of = |slot: &Slot| (slot.edition == Edition::First) == first && slot.reader.is_some();
            self.segments.iter().any(of)
        };
        let compile = |edition| {
            let root = query.root(edition);
            root.map(|root| self.compile(root, &query.weights, scoring, interrupt)).transpose()
        };
        let (first, current) = (has(true), has(false));
        if query.is_one() || !first {
            return Ok(Prepared { current: compile(Edition::Second)?, first: None });
        }
        let old = compile(Edition::First)?;
        let current = if current { compile(Edition::Second)? } else { None };
        Ok(Prepared { current, first: Some(old) })
    }

    /// The segments that have a tantivy reader.
    pub(super) fn readers(&self) -> impl Iterator<Item = (usize, &SegmentReader)> {
        (0..self.segments.len()).filter_map(|at| Some((at, self.reader(at)?)))
    }

    /// The rules that made a segment.
    pub(super) fn edition(&self, segment: usize) -> Edition {
        self.segments.get(segment).map_or(Edition::Second, |slot| slot.edition)
    }

    /// tantivy's reader of a segment; `None` when the segment has nothing to search.
    pub(super) fn reader(&self, segment: usize) -> Option<&SegmentReader> {
        self.searcher.segment_readers().get(self.segments.get(segment)?.reader?)
    }

    /// The FULLTEXT columns.
    pub(super) fn config(&self) -> &TextConfig {
        &self.config
    }

    /// The statistics of the live documents.
    pub(super) fn statistics(&self) -> Result<Statistics<'_>> {
        let tokens = match self.tokens.get() {
            Some(tokens) => tokens,
            None => {
                let tokens = live_tokens(&self.searcher, self.config.fields.len()).map_err(engine)?;
                self.tokens.get_or_init(|| tokens)
            }
        };
        Ok(Statistics { searcher: &self.searcher, tokens })
    }

    fn compile(
        &self,
        root: &Node,
        column_weights: &[(usize, f32)],
        scoring: bool,
        interrupt: &Interrupt<'_>,
    ) -> Result<Compiled> {
        let statistics = if scoring { Some(self.statistics()?) } else { None };
        let (config, searcher) = (&self.config, &self.searcher);
        Compiler { config, column_weights, searcher, statistics, interrupt }.compile(root)
    }

    /// Makes a query ready for scored searches of this searcher. What its prefixes, fuzzy words and hard phrases find is
    /// found here, once.
    ///
    /// # Errors
    /// [`crate::Error::Corrupt`] when tantivy fails on the bytes, [`crate::Error::Limit`] when a query of many words would
    /// read too much, [`crate::Error::Interrupted`].
    pub fn prepare(&self, query: &TextQuery, interrupt: &Interrupt<'_>) -> Result<Prepared> {
        guarded_read("searching text", || self.compiled(query, true, interrupt))
    }

    /// Makes a query ready to be matched, without scores; otherwise as [`Self::prepare`].
    ///
    /// # Errors
    /// As [`Self::prepare`].
    pub fn prepare_unscored(&self, query: &TextQuery, interrupt: &Interrupt<'_>) -> Result<Prepared> {
        guarded_read("searching text", || self.compiled(query, false, interrupt))
    }
}

impl Prepared {
    /// What had to be left out of the scores.
    pub fn warnings(&self) -> &[String] {
        let old = self.first.iter().flatten();
        self.current.iter().chain(old).next().map_or(&[], |compiled| &compiled.warnings)
    }

    /// The query for segments of an edition; `None` where it has no word.
    pub(super) fn of(&self, edition: Edition) -> Option<&Compiled> {
        match (edition, &self.first) {
            (Edition::First, Some(first)) => first.as_ref(),
            _ => self.current.as_ref(),
        }
    }
}
