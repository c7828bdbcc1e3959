//! The words by which one row differs from the others: what a search for similar texts asks for.
//!
//! The method is that of Lucene's `MoreLikeThis`: the words of the row with the largest tf-idf become a query in which any of
//! them counts (<https://lucene.apache.org/core/9_11_0/queries/org/apache/lucene/queries/mlt/MoreLikeThis.html>). A word
//! counts `(1 + ln tf) * idf`, sublinear in its frequency, so that a long text is not represented by its commonest words
//! (Manning, Raghavan & Schütze, Introduction to Information Retrieval, 2008, section 6.4.1).

use super::analyzer::Edition;
use super::searcher::TextSearcher;
use super::{engine, guarded_read};
use crate::error::Result;
use crate::limits::MAX_QUERY_BYTES;
use std::collections::{HashMap, HashSet};
use tantivy::Term;
use tantivy::query::Bm25StatisticsProvider;
use tantivy::schema::Field;

/// A word of the row.
struct Word {
    /// As the row has it first.
    written: String,
    /// Occurrences, each counted by the weight of its column.
    count: f32,
    /// Where it stands first, so that equal words have an order.
    first: usize,
    /// The columns of the row that have it, and the last of them.
    columns: u64,
    last: usize,
}

impl TextSearcher {
    /// A query for up to `most` words of a row that are frequent in it and rare in others, best first; empty where it has
    /// none. `texts` are those of all FULLTEXT columns; with `field`, only that one counts.
    ///
    /// # Errors
    /// [`crate::Error::Corrupt`] when tantivy cannot read the statistics.
    pub fn characteristic(
        &self,
        texts: &[Option<impl AsRef<str>>],
        field: Option<usize>,
        most: usize,
    ) -> Result<String> {
        guarded_read("looking up the words of a row", || {
            let mut words: HashMap<String, Word> = HashMap::new();
            for (at, text) in texts.iter().enumerate() {
                if let Some(text) = text
                    && field.is_none_or(|field| field == at)
                {
                    self.count_words(at, text.as_ref(), &mut words)?;
                }
            }
            let statistics = self.statistics()?;
            let docs = statistics.total_num_docs().map_err(engine)?;
            let mut ranked = Vec::new();
            for (token, word) in words {
                let term = |at: usize| Term::from_field_text(Field::from_field_id(at as u32), &token);
                let searched = field.map_or(0..texts.len(), |field| field..field + 1);
                let everywhere: u64 = searched
                    .map(|at| statistics.live_doc_freq(&term(at)).map_err(engine))
                    .sum::<Result<_>>()?;
                // Words that no other row has find nothing.
                if everywhere > word.columns {
                    let found = statistics.doc_freq(&term(field.unwrap_or(0))).map_err(engine)?;
                    let idf = (1.0 + (docs.saturating_sub(found) as f32 + 0.5) / (found as f32 + 0.5)).ln();
                    ranked.push(((1.0 + word.count.max(1.0).ln()) * idf, word));
                }
            }
            ranked.sort_by(|(a, one), (b, other)| b.total_cmp(a).then(one.first.cmp(&other.first)));
            let (mut query, mut seen) = (String::new(), HashSet::new());
            for (_, word) in ranked {
                if seen.len() == most {
                    break;
                }
                if query.len() + word.written.len() + 3 > MAX_QUERY_BYTES {
                    continue;
                }
                if seen.insert(word.written.to_lowercase()) {
                    if !query.is_empty() {
                        query.push(' ');
                    }
                    // In quotes, no character is an operator and a blank of a `raw` token separates nothing.
                    query.push('"');
                    query.push_str(&word.written);
                    query.push('"');
                }
            }
            Ok(query)
        })
    }

    /// Counts the tokens of a text.
    fn count_words(&self, field: usize, text: &str, words: &mut HashMap<String, Word>) -> Result<()> {
        let mut analyzer = self.config().analysis(field, Edition::Second)?.analyzer();
        let weight = self.config().fields.get(field).map_or(1.0, |field| field.weight);
        let mut stream = analyzer.token_stream(text);
        while stream.advance() {
            let token = stream.token();
            let written = text.get(token.offset_from..token.offset_to).unwrap_or_default();
            // A single letter is a prefix in a query of pairs, and a mark would end the quotes.
            if written.chars().nth(1).is_none() || written.contains(['"', '\\']) {
                continue;
            }
            let first = words.len();
            let word = words.entry(token.text.clone()).or_insert_with(|| Word {
                written: written.to_owned(),
                count: 0.0,
                first,
                columns: 0,
                last: usize::MAX,
            });
            word.count += weight;
            if word.last != field {
                (word.columns, word.last) = (word.columns + 1, field);
            }
        }
        Ok(())
    }
}
