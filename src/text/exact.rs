//! Scores that depend on the document alone.
//!
//! tantivy adds the scores of a union in an order that changes while it runs, so that equal documents can differ in the
//! last bit, and a search for 10 need not begin a search for 100. Here every score is summed in the order of the query.
//! tantivy finds the candidates; this tree, with scorers of its own, decides whether and how well a document matches.

use super::engine;
use crate::error::Result;
use std::sync::Arc;
use tantivy::query::{EnableScoring, Explanation, Occur, Query, Scorer, Weight};
use tantivy::{DocId, DocSet, Score, SeekDangerResult, SegmentReader};

/// The compiled tree of a query.
pub(super) struct Exact {
    /// The different words, each with a weight for every column of its scope.
    pub words: Vec<Vec<Arc<dyn Weight>>>,
    pub root: Place,
}

/// A place in the tree.
#[derive(Debug)]
pub(super) enum Place {
    /// A word, by its number, and what its score counts; the scores of its columns add up.
    Word(usize, f64),
    Group(Vec<(Occur, Place)>),
    /// At least this many of the places.
    AtLeast(usize, Vec<Place>),
}

/// The scorers of each word in one segment.
pub(super) type Scorers = Vec<Vec<Box<dyn Scorer>>>;

impl Exact {
    /// Scorers for one segment; their documents ascend.
    pub(super) fn scorers(&self, reader: &SegmentReader) -> Result<Scorers> {
        let open = |weight: &Arc<dyn Weight>| weight.scorer(reader, 1.0).map_err(engine);
        self.words.iter().map(|weights| weights.iter().map(open).collect()).collect()
    }

    /// The tree over one segment.
    pub(super) fn open(&self, reader: &SegmentReader) -> Result<ExactScorer<'_>> {
        Ok(ExactScorer { scorers: self.scorers(reader)?, root: &self.root })
    }

    /// Number of scores that can meet in one sum.
    pub(super) fn terms(&self) -> usize {
        fn of(place: &Place, words: &[Vec<Arc<dyn Weight>>]) -> usize {
            match place {
                Place::Word(word, _) => words[*word].len(),
                Place::Group(children) => children.iter().map(|(_, child)| of(child, words)).sum(),
                Place::AtLeast(_, children) => children.iter().map(|child| of(child, words)).sum(),
            }
        }
        of(&self.root, &self.words)
    }
}

/// [`Exact`] for one segment.
pub(super) struct ExactScorer<'a> {
    scorers: Scorers,
    root: &'a Place,
}

impl ExactScorer<'_> {
    /// The score of `doc`, `None` if it does not match. Documents must be asked for in ascending order.
    pub(super) fn score(&mut self, doc: DocId) -> Option<f32> {
        sum(self.root, &mut self.scorers, doc).map(|score| score as f32)
    }
}

fn sum(place: &Place, scorers: &mut Scorers, doc: DocId) -> Option<f64> {
    match place {
        Place::Word(word, boost) => {
            let mut sum = None;
            for scorer in &mut scorers[*word] {
                let at = if scorer.doc() < doc { scorer.seek(doc) } else { scorer.doc() };
                if at == doc {
                    *sum.get_or_insert(0.0) += f64::from(scorer.score());
                }
            }
            sum.map(|sum| sum * boost)
        }
        Place::AtLeast(needed, children) => {
            let (mut total, mut found) = (0.0, 0);
            for score in children.iter().filter_map(|child| sum(child, scorers, doc)) {
                total += score;
                found += 1;
            }
            (found >= *needed).then_some(total)
        }
        Place::Group(children) => {
            let (mut total, mut found) = (0.0, false);
            let (mut must, mut should) = (false, false);
            for (occur, child) in children {
                let score = sum(child, scorers, doc);
                match (*occur, score) {
                    (Occur::Must, None) | (Occur::MustNot, Some(_)) => return None,
                    (Occur::MustNot, None) => {}
                    (_, score) => {
                        must |= *occur == Occur::Must;
                        should |= *occur == Occur::Should;
                        found |= score.is_some();
                        total += score.unwrap_or(0.0);
                    }
                }
            }
            (must || found || !should).then_some(total)
        }
    }
}

/// A query whose weight exists already and is shared with an [`Exact`] tree. Its scorers are the weight's own, so that
/// tantivy still recognises plain terms.
#[derive(Clone)]
pub(super) struct Shared(pub Arc<dyn Weight>);

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl Query for Shared {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }
}

impl Weight for Shared {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        self.0.scorer(reader, boost)
    }

    fn scorer_danger(
        &self,
        reader: &SegmentReader,
        target: DocId,
        boost: Score,
    ) -> tantivy::Result<(SeekDangerResult, Box<dyn Scorer>)> {
        self.0.scorer_danger(reader, target, boost)
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        self.0.explain(reader, doc)
    }

    fn for_each_no_score(
        &self,
        reader: &SegmentReader,
        callback: &mut dyn FnMut(&[DocId]),
    ) -> tantivy::Result<()> {
        self.0.for_each_no_score(reader, callback)
    }

    fn for_each_pruning(
        &self,
        threshold: Score,
        reader: &SegmentReader,
        callback: &mut dyn FnMut(DocId, Score) -> Score,
    ) -> tantivy::Result<()> {
        self.0.for_each_pruning(threshold, reader, callback)
    }
}
