//! What BM25 asks of the whole view.

use super::engine;
use super::opened::Readers;
use crate::error::Result;
use tantivy::query::{Bm25StatisticsProvider, Bm25Weight};
use tantivy::schema::Field;
use tantivy::{Score, Term};

/// BM25 statistics of the live documents of the whole view.
///
/// Their number is exact, and so is their length but for the rounding of field lengths. How many of the documents of a word
/// are dead is not known until a merge: as many, it is assumed, as of all documents of the segment. In the log they are counted.
///
/// A word is as rare as it is in the column where it is most common. By columns apart, a common word would be precious
/// wherever a column holds few words: with title and body, nDCG@10 on scifact is .659 so and .677 this way.
#[derive(Clone, Copy)]
pub(super) struct Statistics<'a> {
    pub readers: &'a Readers,
    /// Tokens of the live documents, by field.
    pub tokens: &'a [u64],
}

/// Tokens of the live documents of each field.
pub(super) fn live_tokens(readers: &Readers, fields: usize) -> tantivy::Result<Vec<u64>> {
    let of = |field| readers.parts.iter().try_fold(0, |sum, part| Ok(sum + part.live_tokens(field, fields)?));
    (0..fields).map(of).collect()
}

impl Bm25StatisticsProvider for Statistics<'_> {
    fn total_num_tokens(&self, field: Field) -> tantivy::Result<u64> {
        Ok(self.tokens.get(field.field_id() as usize).copied().unwrap_or(0))
    }

    fn total_num_docs(&self) -> tantivy::Result<u64> {
        // None that lives can be found; the statistics must be numbers all the same.
        Ok(self.readers.num_docs().max(1))
    }

    fn doc_freq(&self, term: &Term) -> tantivy::Result<u64> {
        let value = term.value();
        let Some(text) = value.as_str().filter(|_| self.tokens.len() > 1) else {
            return self.live_doc_freq(term);
        };
        (0..self.tokens.len()).try_fold(0, |most, field| {
            let term = Term::from_field_text(Field::from_field_id(field as u32), text);
            Ok(most.max(self.live_doc_freq(&term)?))
        })
    }
}

impl Statistics<'_> {
    /// How many documents have a term, in its column.
    pub(super) fn live_doc_freq(&self, term: &Term) -> tantivy::Result<u64> {
        self.readers.parts.iter().try_fold(0, |sum, part| Ok(sum + part.live_doc_freq(term)?))
    }

    /// Tokens of a living document in a field, on average.
    pub(super) fn average(&self, field: Field) -> tantivy::Result<Score> {
        Ok(self.total_num_tokens(field)? as Score / self.total_num_docs()? as Score)
    }

    /// The weight of a phrase: of `fixed` terms, and of words found in `found` documents that stand for one more.
    pub(super) fn weight(&self, field: Field, fixed: &[Term], found: Option<u64>) -> Result<Bm25Weight> {
        let docs = self.total_num_docs().map_err(engine)?;
        let average = self.average(field).map_err(engine)?;
        let mut counts = Vec::with_capacity(fixed.len() + 1);
        for term in fixed {
            counts.push(self.doc_freq(term).map_err(engine)?);
        }
        counts.extend(found.map(|found| found.min(docs)));
        let first = counts.first().copied().unwrap_or(0).min(docs);
        let weight = Bm25Weight::for_one_term_without_explain(first, docs, average);
        if counts.len() < 2 {
            return Ok(weight);
        }
        let sum: Score = counts.iter().map(|count| idf(*count, docs)).sum();
        Ok(weight.boost_by(sum / idf(first, docs)))
    }
}

fn idf(count: u64, docs: u64) -> Score {
    (1.0 + (docs.saturating_sub(count) as Score + 0.5) / (count as Score + 0.5)).ln()
}
