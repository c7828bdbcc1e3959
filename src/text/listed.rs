//! A word whose documents some indexes list, where the others have it in a dictionary.

use super::found::FoundWeight;
use std::sync::Arc;
use tantivy::query::{Explanation, Scorer, Weight};
use tantivy::{DocId, Score, SeekDangerResult, SegmentReader};

/// The weight of a word in both. Its scorers are those of one of them, so that tantivy still recognises plain terms.
pub(super) struct Listed {
    pub dictionary: Arc<dyn Weight>,
    pub lists: FoundWeight,
}

impl Listed {
    fn of(&self, reader: &SegmentReader) -> &dyn Weight {
        if self.lists.segments.contains_key(&reader.segment_id()) {
            &self.lists
        } else {
            self.dictionary.as_ref()
        }
    }
}

impl Weight for Listed {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        self.of(reader).scorer(reader, boost)
    }

    fn scorer_danger(
        &self,
        reader: &SegmentReader,
        target: DocId,
        boost: Score,
    ) -> tantivy::Result<(SeekDangerResult, Box<dyn Scorer>)> {
        self.of(reader).scorer_danger(reader, target, boost)
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        self.of(reader).explain(reader, doc)
    }

    fn for_each_no_score(
        &self,
        reader: &SegmentReader,
        callback: &mut dyn FnMut(&[DocId]),
    ) -> tantivy::Result<()> {
        self.of(reader).for_each_no_score(reader, callback)
    }

    fn for_each_pruning(
        &self,
        threshold: Score,
        reader: &SegmentReader,
        callback: &mut dyn FnMut(DocId, Score) -> Score,
    ) -> tantivy::Result<()> {
        self.of(reader).for_each_pruning(threshold, reader, callback)
    }
}
