//! One number for all that an index knows of a document: its words, how often and where they stand.

use super::searcher::TextSearcher;
use super::{engine, guarded_read};
use crate::error::Result;
use std::hash::{DefaultHasher, Hash, Hasher};
use tantivy::postings::Postings;
use tantivy::schema::IndexRecordOption;
use tantivy::{DocSet, TERMINATED};

impl TextSearcher {
    /// The signature of every document of every segment, deleted ones too. It does not depend on how the documents are
    /// spread over segments; unequal documents have equal signatures by chance only. Reads the whole index.
    ///
    /// # Errors
    /// [`crate::Error::Corrupt`] when the engine fails on its bytes.
    pub fn signatures(&self) -> Result<Vec<Vec<u64>>> {
        guarded_read("reading the text index", || {
            let mut all: Vec<Vec<u64>> = self.documents().map(|docs| vec![0; docs]).collect();
            let mut positions = Vec::new();
            for (at, reader) in self.readers() {
                for (field, _) in reader.schema().fields() {
                    let index = reader.inverted_index(field).map_err(engine)?;
                    let mut terms = index.terms().stream().map_err(engine)?;
                    while terms.advance() {
                        let mut word = DefaultHasher::new();
                        (field.field_id(), terms.key()).hash(&mut word);
                        let mut postings = index
                            .read_postings_from_terminfo(
                                terms.value(),
                                IndexRecordOption::WithFreqsAndPositions,
                            )
                            .map_err(engine)?;
                        while postings.doc() != TERMINATED {
                            postings.positions(&mut positions);
                            let mut place = word.clone();
                            positions.hash(&mut place);
                            if let Some(sum) = all[at].get_mut(postings.doc() as usize) {
                                *sum = sum.wrapping_add(place.finish());
                            }
                            postings.advance();
                        }
                    }
                }
            }
            Ok(all)
        })
    }
}
