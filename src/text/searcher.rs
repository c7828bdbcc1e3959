//! Searching the text indexes of a view as one index.
//!
//! A query is compiled once for each edition of the rules that made the segments; the statistics of a word are those of
//! the token in segments of every edition.
//! Statistics of BM25 are summed over all segments and tell of the live documents (see `statistics`).

use super::analyzer::Edition;
use super::compile::{Compiled, Compiler};
use super::interrupt::Interrupt;
use super::opened::{OpenedText, Readers};
use super::payload::TextPayload;
use super::query_text::{Node, TextQuery};
use super::statistics::{Statistics, live_tokens};
use super::{TextConfig, engine, guarded, guarded_read};
use crate::bitmap::Bitmap;
use crate::error::Result;
use std::sync::{Arc, OnceLock};
use tantivy::SegmentReader;

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
    readers: Readers,
    /// Tokens of the live documents by field, counted for the first scores.
    tokens: OnceLock<Vec<u64>>,
}

impl std::fmt::Debug for TextSearcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TextSearcher({} segments)", self.readers.parts.len())
    }
}

impl TextSearcher {
    /// Opens segments with their deleted ords.
    ///
    /// # Errors
    /// [`crate::Error::Corrupt`] when tantivy cannot read the bytes.
    pub fn open(config: &TextConfig, segments: &[(Arc<TextPayload>, Option<Bitmap>)]) -> Result<Self> {
        let open = |(payload, deleted): &(Arc<TextPayload>, Option<Bitmap>)| {
            OpenedText::open(config, payload, deleted.as_ref()).map(Arc::new)
        };
        Self::over(config, segments.iter().map(open).collect::<Result<_>>()?)
    }

    /// A searcher over segments that are open.
    ///
    /// # Errors
    /// [`crate::Error::Text`] when the engine fails.
    pub fn over(config: &TextConfig, segments: Vec<Arc<OpenedText>>) -> Result<Self> {
        guarded("opening the text index", || {
            let readers = Readers::new(config, segments)?;
            Ok(Self { config: config.clone(), readers, tokens: OnceLock::new() })
        })
    }

    /// Documents of each segment.
    pub(super) fn documents(&self) -> impl Iterator<Item = usize> {
        self.readers.parts.iter().map(|part| part.docs())
    }

    /// The query for the segments that there are.
    fn compiled(&self, query: &TextQuery, scoring: bool, interrupt: &Interrupt<'_>) -> Result<Prepared> {
        let has = |first: bool| {
            let of = |part: &Arc<OpenedText>| {
                (part.edition() == Edition::First) == first && part.reader().is_some()
            };
            self.readers.parts.iter().any(of)
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
        self.readers.each()
    }

    /// The rules that made a segment.
    pub(super) fn edition(&self, segment: usize) -> Edition {
        self.readers.parts.get(segment).map_or(Edition::Second, |part| part.edition())
    }

    /// tantivy's reader of a segment; `None` when the segment has nothing to search.
    pub(super) fn reader(&self, segment: usize) -> Option<&SegmentReader> {
        self.readers.parts.get(segment)?.reader()
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
                let tokens = live_tokens(&self.readers, self.config.fields.len()).map_err(engine)?;
                self.tokens.get_or_init(|| tokens)
            }
        };
        Ok(Statistics { readers: &self.readers, tokens })
    }

    fn compile(
        &self,
        root: &Node,
        column_weights: &[(usize, f32)],
        scoring: bool,
        interrupt: &Interrupt<'_>,
    ) -> Result<Compiled> {
        let statistics = if scoring { Some(self.statistics()?) } else { None };
        let (config, readers) = (&self.config, &self.readers);
        Compiler { config, column_weights, readers, statistics, interrupt }.compile(root)
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
