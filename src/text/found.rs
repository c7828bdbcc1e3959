//! Documents that are known already, with what their scores depend on: how prefixes, fuzzy words and hard phrases enter a
//! query.

use super::engine;
use crate::bitmap::Bitmap;
use crate::error::Result;
use std::collections::HashMap;
use std::sync::Arc;
use tantivy::fieldnorm::FieldNormReader;
use tantivy::index::SegmentId;
use tantivy::query::{Bm25Weight, EmptyScorer, EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::schema::Field;
use tantivy::{DocId, DocSet, Score, SegmentReader, TERMINATED, TantivyError};

/// What an occurrence of the word itself counts besides, where a word stands for others too: of two documents that are
/// otherwise equal, a document that has what was typed comes first.
const EXACT_BONUS: Score = 0.5;

/// How often a document has one of the words that a word stands for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Times {
    /// Any of them.
    pub all: u16,
    /// The word as it was typed.
    pub exact: u16,
}

impl Times {
    pub(super) fn join(&mut self, other: Self) {
        self.all = self.all.saturating_add(other.all);
        self.exact = self.exact.saturating_add(other.exact);
    }

    pub(super) fn add(&mut self, times: u32, exact: bool) {
        let all = times.min(u32::from(u16::MAX)) as u16;
        self.join(Self { all, exact: if exact { all } else { 0 } });
    }
}

/// The documents of one segment.
#[derive(Debug)]
pub(super) enum Found {
    /// Ascending documents, and the times of each.
    Ranked(Vec<DocId>, Vec<Times>),
    /// Documents without a score: there were too many to keep one for each, or nobody asks for scores.
    Unranked(Bitmap),
}

impl Found {
    /// The same without times if there are more than `most` documents; the segment has `docs`.
    pub(super) fn within(self, docs: usize, most: usize) -> Self {
        match self {
            Self::Ranked(found, _) if found.len() > most => {
                let mut all = Bitmap::empty(docs);
                found.iter().for_each(|doc| all.insert(*doc));
                Self::Unranked(all)
            }
            found => found,
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Ranked(docs, _) => docs.len(),
            Self::Unranked(docs) => docs.count(),
        }
    }

    /// How many of the documents live.
    pub(super) fn living(&self, reader: &SegmentReader) -> u64 {
        match self {
            Self::Ranked(docs, _) => living(reader, docs.len(), docs.iter().copied()),
            Self::Unranked(docs) => living(reader, docs.count(), docs.iter()),
        }
    }
}

/// How many of `count` documents live.
pub(super) fn living(reader: &SegmentReader, count: usize, docs: impl Iterator<Item = DocId>) -> u64 {
    let living = match reader.alive_bitset() {
        None => count,
        Some(alive) => docs.filter(|doc| alive.is_alive(*doc)).count(),
    };
    living as u64
}

/// The documents of every segment, as a weight of tantivy's.
#[derive(Clone)]
pub(super) struct FoundWeight {
    pub field: Field,
    pub segments: Arc<HashMap<SegmentId, Arc<Found>>>,
    /// Scores documents by their times; `None` where scores do not matter.
    pub weight: Option<Bm25Weight>,
}

impl std::fmt::Debug for FoundWeight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FoundWeight({} segments)", self.segments.len())
    }
}

impl Query for FoundWeight {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }
}

impl Weight for FoundWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let Some(found) = self.segments.get(&reader.segment_id()) else { return Ok(Box::new(EmptyScorer)) };
        let norms = match &self.weight {
            Some(_) => reader.fieldnorms_readers().get_field(self.field)?,
            None => None,
        };
        let mut scorer = FoundScorer {
            found: Arc::clone(found),
            norms: norms.unwrap_or_else(|| FieldNormReader::constant(reader.max_doc(), 1)),
            weight: self.weight.as_ref().map(|weight| weight.boost_by(boost)),
            at: 0,
            doc: 0,
        };
        scorer.doc = scorer.first(0);
        Ok(Box::new(scorer))
    }

    fn explain(&self, _: &SegmentReader, _: DocId) -> tantivy::Result<Explanation> {
        Err(TantivyError::InvalidArgument("found documents are not explained".into()))
    }
}

struct FoundScorer {
    found: Arc<Found>,
    norms: FieldNormReader,
    weight: Option<Bm25Weight>,
    /// Place of `doc` among ranked documents.
    at: usize,
    doc: DocId,
}

impl FoundScorer {
    /// The first document from `target` on.
    fn first(&mut self, target: DocId) -> DocId {
        match self.found.as_ref() {
            Found::Ranked(docs, _) => {
                // In steps that double, since most targets are near.
                let mut step = 1;
                while docs.get(self.at + step).is_some_and(|doc| *doc < target) {
                    self.at += step;
                    step *= 2;
                }
                let rest = docs.get(self.at..).unwrap_or_default();
                let near = &rest[..rest.len().min(step + 1)];
                self.at += near.partition_point(|doc| *doc < target);
                docs.get(self.at).copied().unwrap_or(TERMINATED)
            }
            Found::Unranked(docs) => {
                let words = docs.words();
                let mut at = target as usize / 64;
                let mut word = words.get(at).map_or(0, |word| word & (u64::MAX << (target % 64)));
                while word == 0 {
                    at += 1;
                    let Some(next) = words.get(at) else { return TERMINATED };
                    word = *next;
                }
                at as DocId * 64 + word.trailing_zeros()
            }
        }
    }
}

impl DocSet for FoundScorer {
    fn advance(&mut self) -> DocId {
        if self.doc != TERMINATED {
            self.doc = match self.found.as_ref() {
                Found::Ranked(docs, _) => {
                    self.at += 1;
                    docs.get(self.at).copied().unwrap_or(TERMINATED)
                }
                Found::Unranked(_) => self.first(self.doc + 1),
            };
        }
        self.doc
    }

    fn seek(&mut self, target: DocId) -> DocId {
        if self.doc < target {
            self.doc = if target >= TERMINATED { TERMINATED } else { self.first(target) };
        }
        self.doc
    }

    fn doc(&self) -> DocId {
        self.doc
    }

    fn size_hint(&self) -> u32 {
        self.found.len() as u32
    }
}

impl Scorer for FoundScorer {
    fn score(&mut self) -> Score {
        let Found::Ranked(_, times) = self.found.as_ref() else { return 0.0 };
        let (Some(weight), Some(times)) = (&self.weight, times.get(self.at)) else { return 0.0 };
        let norm = self.norms.fieldnorm_id(self.doc);
        let score = weight.score(norm, u32::from(times.all));
        if times.exact == 0 {
            return score;
        }
        score + EXACT_BONUS * weight.score(norm, u32::from(times.exact))
    }
}

/// Counts the times of the documents of one segment; used for one word after another. A few documents are a list; room
/// for all of them is made when a word has many.
pub(super) struct Counter {
    docs: usize,
    few: Vec<(DocId, Times)>,
    /// Whether the word has its times in `times`.
    many: bool,
    times: Vec<Times>,
    touched: Bitmap,
}

impl Counter {
    pub(super) fn new(docs: u32) -> Self {
        let (times, touched) = (Vec::new(), Bitmap::empty(0));
        Self { docs: docs as usize, few: Vec::new(), many: false, times, touched }
    }

    pub(super) fn add(&mut self, doc: DocId, times: u32, exact: bool) {
        let mut more = Times::default();
        more.add(times, exact);
        if self.many {
            self.add_to_many(doc, more);
            return;
        }
        self.few.push((doc, more));
        if self.few.len() > self.docs / 16 {
            self.many = true;
            if self.times.is_empty() {
                self.times = vec![Times::default(); self.docs];
            }
            self.touched = Bitmap::empty(self.docs);
            for (doc, times) in std::mem::take(&mut self.few) {
                self.add_to_many(doc, times);
            }
        }
    }

    fn add_to_many(&mut self, doc: DocId, more: Times) {
        if let Some(times) = self.times.get_mut(doc as usize) {
            times.join(more);
            self.touched.insert(doc);
        }
    }

    /// What was counted; with more than `most` documents, without their times.
    pub(super) fn take(&mut self, most: usize) -> Found {
        let mut docs = Vec::new();
        let mut counts: Vec<Times> = Vec::new();
        if std::mem::take(&mut self.many) {
            let touched = std::mem::replace(&mut self.touched, Bitmap::empty(0));
            let ranked = touched.count() <= most;
            for doc in touched.iter() {
                let times = std::mem::take(&mut self.times[doc as usize]);
                if ranked {
                    docs.push(doc);
                    counts.push(times);
                }
            }
            return if ranked { Found::Ranked(docs, counts) } else { Found::Unranked(touched) };
        }
        self.few.sort_by_key(|(doc, _)| *doc);
        for (doc, times) in self.few.drain(..) {
            match counts.last_mut() {
                Some(last) if docs.last() == Some(&doc) => last.join(times),
                _ => {
                    docs.push(doc);
                    counts.push(times);
                }
            }
        }
        Found::Ranked(docs, counts).within(self.docs, most)
    }
}

/// A query for what a weight finds.
pub(super) fn weight_of(query: &dyn Query, mode: EnableScoring<'_>) -> Result<Arc<dyn Weight>> {
    Ok(Arc::from(query.weight(mode).map_err(engine)?))
}
