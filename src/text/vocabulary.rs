//! What a text becomes, and which terms an index has.

use super::interrupt::Interrupt;
use super::searcher::TextSearcher;
use super::{TextConfig, engine, guarded, guarded_read};
use crate::error::Result;
use std::collections::BTreeMap;
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::tokenizer::TokenStream;

/// A token of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Token {
    /// The term that the index has.
    pub text: String,
    /// Its place among the words, from 0. Several tokens may stand at one place.
    pub position: usize,
    /// Where it begins in the text, in bytes.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
}

/// A term of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Term {
    /// The term.
    pub term: String,
    /// Rows that have it in the column.
    pub rows: u64,
}

impl TextConfig {
    /// The tokens that an index has of a text in a column.
    ///
    /// # Errors
    /// [`crate::Error::Schema`] for a tokenizer that is none.
    pub fn tokens(&self, field: usize, text: &str) -> Result<Vec<Token>> {
        let mut analyzer = self.analysis(field, self.edition())?.analyzer();
        guarded("reading the text", || {
            let mut stream = analyzer.token_stream(text);
            let mut tokens = Vec::new();
            while stream.advance() {
                let token = stream.token();
                let (position, start, end) = (token.position, token.offset_from, token.offset_to);
                tokens.push(Token { text: token.text.clone(), position, start, end });
            }
            Ok(tokens)
        })
    }

    /// The beginning of terms of a column that a person types as `text`.
    ///
    /// # Errors
    /// As [`Self::tokens`].
    pub fn beginning(&self, field: usize, text: &str) -> Result<String> {
        let analysis = self.analysis(field, self.edition())?.unstemmed();
        guarded("reading the prefix", || {
            let mut tokens = analysis.query_tokens(text);
            let only = if tokens.len() == 1 { tokens.pop() } else { None };
            Ok(only.map_or_else(|| text.to_owned(), |token| token.text))
        })
    }
}

impl TextSearcher {
    /// Up to `limit` terms of a column that begin with `prefix` and come after the term `after`, in order, with their live
    /// documents. Fewer: there are no more.
    ///
    /// # Errors
    /// [`crate::Error::Corrupt`] when the engine fails on its bytes, [`crate::Error::Interrupted`].
    pub fn terms(
        &self,
        field: usize,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        interrupt: &Interrupt<'_>,
    ) -> Result<Vec<Term>> {
        let field = Field::from_field_id(field as u32);
        let mut after = after.map(str::to_owned);
        let mut found = Vec::new();
        // Terms of dead rows only are left out, so there may have to be more than one round.
        while found.len() < limit {
            let round = self.round(field, prefix, after.as_deref(), limit, interrupt)?;
            let Some((last, _)) = round.last() else { break };
            after = Some(last.clone());
            let more = round.len() == limit;
            found.extend(
                round.into_iter().filter(|(_, rows)| *rows > 0).map(|(term, rows)| Term { term, rows }),
            );
            if !more {
                break;
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    fn round(
        &self,
        field: Field,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        interrupt: &Interrupt<'_>,
    ) -> Result<Vec<(String, u64)>> {
        guarded_read("reading the terms", || {
            let mut terms: BTreeMap<String, u64> = BTreeMap::new();
            for (_, reader) in self.readers() {
                let index = reader.inverted_index(field).map_err(engine)?;
                let range = index.terms().range();
                let range = match after {
                    Some(after) => range.gt(after),
                    None => range.ge(prefix),
                };
                let mut stream = range.into_stream().map_err(engine)?;
                let mut taken = 0;
                while taken < limit && stream.advance() {
                    if !stream.key().starts_with(prefix.as_bytes()) {
                        break;
                    }
                    taken += 1;
                    interrupt.after(20)?;
                    let info = stream.value();
                    let rows = match reader.alive_bitset() {
                        None => u64::from(info.doc_freq),
                        Some(alive) => {
                            let option = IndexRecordOption::Basic;
                            let mut blocks =
                                index.read_block_postings_from_terminfo(info, option).map_err(engine)?;
                            let mut rows = 0;
                            while !blocks.docs().is_empty() {
                                interrupt.after(blocks.docs().len())?;
                                rows +=
                                    blocks.docs().iter().filter(|doc| alive.is_alive(**doc)).count() as u64;
                                blocks.advance();
                            }
                            rows
                        }
                    };
                    *terms.entry(String::from_utf8_lossy(stream.key()).into_owned()).or_default() += rows;
                }
            }
            // Beyond `limit` terms another segment may have some in between.
            Ok(terms.into_iter().take(limit).collect())
        })
    }
}
