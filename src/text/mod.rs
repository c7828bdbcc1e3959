//! Full text: tantivy's segments, tokenizers and BM25, without its `IndexWriter`.
//!
//! A segment's text index is built in memory on the calling thread ([`build`], [`merge`]), travels as one payload
//! ([`TextPayload`]) and is searched with others as one index ([`TextSearcher`]), so that BM25 statistics are global.
//! Invariant: tantivy's doc id is the ord of the row. Called by `collection` and `query`.
//! This module never touches SQLite or a file, starts no thread, stores no text, and lets no panic of tantivy out.
//!
//! tantivy's schema is fixed and anonymous (`f0`, `f1`, ...; `t0`, `t1`, ... for their tokenizers): renaming a column does not touch an index.

mod analyzer;
mod best;
mod characteristic;
mod code;
mod compile;
mod directory;
mod exact;
mod expand;
mod finder;
mod found;
mod interrupt;
mod joined;
mod letters;
mod lexis;
mod listed;
mod loose;
mod marks;
mod matches;
mod merged;
mod misread;
mod normal;
mod occurrences;
mod opened;
mod paced;
mod parser;
mod payload;
mod queries;
mod query_text;
mod ranking;
mod recent;
mod scan;
mod searcher;
mod signature;
mod statistics;
mod stop_words;
#[cfg(test)]
mod tests;
mod unmarked;
mod vocabulary;
mod waiting;
mod windows;
mod wording;
mod writer;

pub use best::{TextHit, Ties};
pub use interrupt::Interrupt;
pub use marks::{highlight, marks, snippet};
pub use opened::OpenedText;
pub use paced::GoOn;
pub use payload::TextPayload;
pub use query_text::TextQuery;
pub use recent::{RecentTexts, TextReader};
pub use searcher::{Prepared, TextSearcher};
pub use vocabulary::{Term, Token};
pub use writer::{build, build_like, merge, merge_while};

pub use crate::text_options::{Syntax, TextOptions};

use crate::error::{Error, Result};
use analyzer::{Analysis, Edition};
use query_text::Scope;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tantivy::schema::{IndexRecordOption, Schema, TextFieldIndexing};

/// One FULLTEXT column.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Name of the column, as used in `column:word`.
    pub name: String,
    /// Multiplies the column's BM25 contribution.
    pub weight: f32,
    /// Its tokenizer, where it has one of its own.
    pub tokenizer: Option<String>,
}

/// The FULLTEXT columns of a collection and their tokenizers.
#[derive(Debug, Clone, PartialEq)]
pub struct TextConfig {
    /// The columns, in declared order.
    pub fields: Vec<Field>,
    /// The tokenizer of columns without one of their own; `None` means `default`.
    pub tokenizer: Option<String>,
}

impl TextConfig {
    /// What the FULLTEXT columns of `schema` ask for.
    pub fn of(schema: &crate::schema::Schema) -> Self {
        let field = |(at, weight): (usize, f32)| {
            let column = &schema.columns[at];
            Field { name: column.name.clone(), weight, tokenizer: column.tokenizer().map(str::to_owned) }
        };
        Self { fields: schema.full_texts().map(field).collect(), tokenizer: schema.tokenizer.clone() }
    }

    /// Checks the names of the tokenizers and the number of columns.
    ///
    /// # Errors
    /// [`Error::Schema`] that names the tokenizers there are.
    pub fn validate(&self) -> Result<()> {
        for at in self.readings() {
            self.analysis(at, Edition::Second).map_err(|error| match (error, self.fields.get(at)) {
                (Error::Schema(why), Some(Field { name, tokenizer: Some(_), .. })) => {
                    Error::Schema(format!("{name}: {why}"))
                }
                (error, _) => error,
            })?;
        }
        if self.fields.len() > usize::from(u16::MAX) {
            return Err(Error::Schema(format!("{} FULLTEXT columns are too many", self.fields.len())));
        }
        Ok(())
    }

    /// Parses a query; see [`TextQuery::parse`].
    ///
    /// # Errors
    /// [`Error::Limit`] when the text is too long or too deep.
    pub fn parse(
        &self,
        query: &str,
        field: Option<usize>,
        options: impl Into<TextOptions>,
    ) -> Result<TextQuery> {
        guarded("parsing the query", || TextQuery::parse(self, query, field, options))
    }

    /// The number of the rules by which texts are read today. Older indexes keep theirs.
    pub fn edition_number(&self) -> u8 {
        self.edition().number()
    }

    /// The rules by which texts are read today.
    fn edition(&self) -> Edition {
        let of = |field| self.analysis(field, Edition::Second).map_or(Edition::Second, Analysis::edition);
        self.readings().into_iter().map(of).max().unwrap_or(Edition::Second)
    }

    fn tokenizer(&self, field: usize) -> &str {
        let own = self.fields.get(field).and_then(|field| field.tokenizer.as_deref());
        own.or(self.tokenizer.as_deref()).unwrap_or("default")
    }

    /// How a column is read.
    fn analysis(&self, field: usize, edition: Edition) -> Result<Analysis> {
        Analysis::from_name(Some(self.tokenizer(field)), edition)
    }

    /// The first column that is read as this one.
    fn reading(&self, field: usize) -> usize {
        let name = self.tokenizer(field);
        (0..field).find(|first| self.tokenizer(*first) == name).unwrap_or(field)
    }

    /// The first column of each way to read a text; one at least.
    fn readings(&self) -> Vec<usize> {
        if self.fields.iter().all(|field| field.tokenizer.is_none()) {
            return vec![0];
        }
        (0..self.fields.len()).filter(|field| self.reading(*field) == *field).collect()
    }

    /// The columns that a scope names.
    fn within(&self, scope: Scope) -> impl Iterator<Item = usize> + '_ {
        (0..self.fields.len()).filter(move |field| self.holds(scope, *field))
    }

    fn holds(&self, scope: Scope, field: usize) -> bool {
        match scope {
            Scope::Alike(first) => self.reading(field) == first,
            Scope::All => true,
            Scope::One(only) => field == only,
            Scope::Nowhere => false,
        }
    }

    /// tantivy's schema: every field is indexed with frequencies and positions, none is stored.
    fn tantivy_schema(&self) -> Schema {
        let mut schema = Schema::builder();
        for at in 0..self.fields.len() {
            let indexing = TextFieldIndexing::default()
                .set_tokenizer(&tokenizer_name(self.reading(at)))
                .set_index_option(IndexRecordOption::WithFreqsAndPositions);
            let options = tantivy::schema::TextOptions::default().set_indexing_options(indexing);
            schema.add_text_field(&format!("f{at}"), options);
        }
        schema.build()
    }
}

/// The name under which tantivy knows the tokenizer of a column and of those that are read alike.
fn tokenizer_name(reading: usize) -> String {
    format!("t{reading}")
}

/// Runs code that calls tantivy. tantivy trusts its bytes and asserts; such a panic must not unwind into SQLite.
fn guarded<T>(doing: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let why = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "unknown panic".to_owned());
        Err(Error::Text(format!("{doing} failed inside the full-text engine: {why}")))
    })
}

/// The same for code that reads an index: what fails there fails for its bytes, since those were made by tantivy.
fn guarded_read<T>(doing: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    guarded(doing, work).map_err(|error| match error {
        Error::Text(why) => Error::corrupt("the full-text index", why),
        other => other,
    })
}

fn engine(error: impl std::fmt::Display) -> Error {
    Error::Text(error.to_string())
}
