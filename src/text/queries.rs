//! The queries tantivy lacks: a prefix of one word, documents found before, and scorers that may be probed backwards.

use std::collections::HashMap;
use std::sync::Arc;
use tantivy::index::SegmentId;
use tantivy::query::{BitSetDocSet, ConstScorer, EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{BitSet, DocId, DocSet, Score, SegmentReader, TantivyError};

/// A query whose scorers seek in the plain way.
///
/// tantivy's exclusion probes its scorers with `seek_danger` at documents they have already passed; its phrase scorer
/// asserts (in debug builds) that nobody does. The default `seek_danger` has no such condition.
#[derive(Debug)]
pub(super) struct PlainSeek(pub Box<dyn Query>);

impl Clone for PlainSeek {
    fn clone(&self) -> Self {
        Self(self.0.box_clone())
    }
}

impl Query for PlainSeek {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(PlainSeekWeight(self.0.weight(scoring)?)))
    }
}

struct PlainSeekWeight(Box<dyn Weight>);

impl Weight for PlainSeekWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        Ok(Box::new(PlainSeekScorer(self.0.scorer(reader, boost)?)))
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        self.0.explain(reader, doc)
    }
}

struct PlainSeekScorer(Box<dyn Scorer>);

impl DocSet for PlainSeekScorer {
    fn advance(&mut self) -> DocId {
        self.0.advance()
    }

    fn seek(&mut self, target: DocId) -> DocId {
        self.0.seek(target)
    }

    fn doc(&self) -> DocId {
        self.0.doc()
    }

    fn size_hint(&self) -> u32 {
        self.0.size_hint()
    }
}

impl Scorer for PlainSeekScorer {
    fn score(&mut self) -> Score {
        self.0.score()
    }
}

/// Documents that are known already, segment by segment.
#[derive(Clone)]
pub(super) struct FoundQuery(pub Arc<HashMap<SegmentId, BitSet>>);

impl std::fmt::Debug for FoundQuery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FoundQuery({} segments)", self.0.len())
    }
}

impl Query for FoundQuery {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }
}

impl Weight for FoundQuery {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let set = self.0.get(&reader.segment_id()).cloned();
        let set = set.unwrap_or_else(|| BitSet::with_max_value(reader.max_doc()));
        Ok(Box::new(ConstScorer::new(BitSetDocSet::from(set), boost)))
    }

    fn explain(&self, _: &SegmentReader, _: DocId) -> tantivy::Result<Explanation> {
        Err(TantivyError::InvalidArgument("prefixes and fuzzy words are not explained".into()))
    }
}

/// Documents with a term that begins with `prefix`, or with the term `also`.
#[derive(Debug, Clone)]
pub(super) struct PrefixQuery {
    pub field: Field,
    pub prefix: String,
    pub also: Option<String>,
}

impl Query for PrefixQuery {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(PrefixWeight(self.clone())))
    }
}

struct PrefixWeight(PrefixQuery);

impl Weight for PrefixWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let PrefixQuery { field, prefix, also } = &self.0;
        let index = reader.inverted_index(*field)?;
        let mut infos = Vec::new();
        if let Some(also) = also {
            infos.extend(index.terms().get(also)?);
        }
        let mut range = index.terms().range().ge(prefix);
        let mut end = prefix.clone().into_bytes();
        // UTF-8 never holds the byte 255, so the next string is one step up in the last byte.
        if let Some(last) = end.last_mut() {
            *last += 1;
            range = range.lt(&end);
        }
        let mut terms = range.into_stream()?;
        let mut docs = BitSet::with_max_value(reader.max_doc());
        loop {
            let info = match infos.pop() {
                Some(info) => info,
                None if terms.advance() => terms.value().clone(),
                None => break,
            };
            let mut postings = index.read_block_postings_from_terminfo(&info, IndexRecordOption::Basic)?;
            while !postings.docs().is_empty() {
                for doc in postings.docs() {
                    docs.insert(*doc);
                }
                postings.advance();
            }
        }
        Ok(Box::new(ConstScorer::new(BitSetDocSet::from(docs), boost)))
    }

    fn explain(&self, _: &SegmentReader, _: DocId) -> tantivy::Result<Explanation> {
        Err(TantivyError::InvalidArgument("prefixes are not explained".into()))
    }
}
