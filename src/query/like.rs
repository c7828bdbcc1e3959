//! More like this: the legs of a search for rows that are like a stored one.

use super::request::{Leg, TextLeg, VectorLeg};
use crate::collection::{Snapshot, texts_of};
use crate::error::{Error, Result};
use crate::text::Syntax;
use crate::text_options::{Fuzzy, Minimum, Operator, TextOptions};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// Words of a row that are searched for, unless the query says otherwise, and at most.
const TERMS: usize = 25;
const MOST_TERMS: usize = 1_000;

/// By what rows are like one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum By {
    Vector,
    Text,
    Both,
}

/// How rows are compared with a stored one: by its vector, by the words that are characteristic of it, or by both.
///
/// The words are the up to 25 of its texts with the largest tf-idf, any of which a row may have; see
/// [`Search::like`](crate::Search::like).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Like {
    /// `None`: by its vector, or, where the table has no VECTOR column, by its texts.
    by: Option<By>,
    /// The VECTOR column; `None` for the first.
    column: Option<String>,
    /// The FULLTEXT column; `None` for all.
    text_column: Option<String>,
    terms: usize,
}

impl Default for Like {
    /// By its vector, or, where the collection has no vector column, by its texts.
    fn default() -> Self {
        Self { by: None, column: None, text_column: None, terms: TERMS }
    }
}

impl Like {
    /// By the distance to its vector.
    pub fn vector() -> Self {
        Self { by: Some(By::Vector), ..Self::default() }
    }

    /// By its most characteristic words.
    pub fn text() -> Self {
        Self { by: Some(By::Text), ..Self::default() }
    }

    /// By both, fused.
    pub fn both() -> Self {
        Self { by: Some(By::Both), ..Self::default() }
    }

    /// The vector column; the first one when not given.
    pub fn column(mut self, name: impl Into<String>) -> Self {
        self.column = Some(name.into());
        self
    }

    /// The FULLTEXT column whose words count and are searched; all when not given.
    pub fn text_column(mut self, name: impl Into<String>) -> Self {
        self.text_column = Some(name.into());
        self
    }

    /// How many words are searched for at most, 1 to 1,000; 25 when not given.
    pub fn terms(mut self, words: usize) -> Self {
        self.terms = words.clamp(1, MOST_TERMS);
        self
    }

    /// Reads one word of the options of `like_row`; `None` where it is not one of them.
    ///
    /// # Errors
    /// What is allowed there.
    pub(crate) fn option(&mut self, name: &str, value: &Json) -> Option<Result<(), &'static str>> {
        let named = |place: &mut Option<String>| match value.as_str() {
            Some(column) => {
                *place = Some(column.to_owned());
                Ok(())
            }
            None => Err("the name of a column"),
        };
        Some(match name {
            "by" => {
                let by = [("vector", By::Vector), ("text", By::Text), ("both", By::Both)];
                match by.into_iter().find(|(name, _)| value.as_str() == Some(name)) {
                    Some((_, by)) => {
                        self.by = Some(by);
                        Ok(())
                    }
                    None => Err("\"vector\", \"text\" or \"both\""),
                }
            }
            "column" => named(&mut self.column),
            "text_column" => named(&mut self.text_column),
            "terms" => match value.as_u64().and_then(|terms| usize::try_from(terms).ok()) {
                Some(terms) if (1..=MOST_TERMS).contains(&terms) => {
                    self.terms = terms;
                    Ok(())
                }
                _ => Err("a whole number from 1 to 1000"),
            },
            _ => return None,
        })
    }

    /// The words of the options of `like_row`, for errors.
    pub(crate) const OPTIONS: &str = "by, column, text_column, terms";

    /// In the VECTOR column at the left of a MATCH.
    ///
    /// # Errors
    /// [`Error::Value`] where the options say something else.
    pub(crate) fn in_vector(&self, table: &str, name: &str) -> Result<Self> {
        let other = self.column.as_ref().is_some_and(|own| !own.eq_ignore_ascii_case(name));
        if other || matches!(self.by, Some(By::Text | By::Both)) {
            return Err(contradiction(table, name, "vector"));
        }
        Ok(Self { by: Some(By::Vector), column: Some(name.to_owned()), ..self.clone() })
    }

    /// In the FULLTEXT column at the left of a MATCH.
    ///
    /// # Errors
    /// As [`in_vector`](Self::in_vector).
    pub(crate) fn in_text(&self, table: &str, name: &str) -> Result<Self> {
        let other = self.text_column.as_ref().is_some_and(|own| !own.eq_ignore_ascii_case(name));
        if other || matches!(self.by, Some(By::Vector | By::Both)) {
            return Err(contradiction(table, name, "text"));
        }
        Ok(Self { by: Some(By::Text), text_column: Some(name.to_owned()), ..self.clone() })
    }

    /// The legs of a search for rows that are like the one with this rowid: none where there is no such row, and none for
    /// a vector or words that it does not have. `default` is the VECTOR column where none is named.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a column that is not there, [`Error::Value`] for a table without what is compared.
    pub(crate) fn legs(
        &self,
        snapshot: Snapshot<'_>,
        rowid: i64,
        default: Option<usize>,
    ) -> Result<Vec<Leg>> {
        let schema = snapshot.schema;
        let has_vectors = schema.vectors().next().is_some();
        let by = self.by.unwrap_or(if has_vectors { By::Vector } else { By::Text });
        let mut legs = Vec::new();
        if by != By::Text {
            let column = self.vector_column(snapshot)?.or(default).unwrap_or(0);
            let mut found = None;
            snapshot.for_each_vector(column, [rowid], |vector| {
                found = vector.map(<[f32]>::to_vec);
                Ok(())
            })?;
            legs.extend(found.map(|query| Leg::from(VectorLeg { column, query })));
        }
        if by != By::Vector {
            let field = self.field(snapshot)?;
            let row = snapshot.storage.row(snapshot.conn, rowid)?;
            let texts = texts_of(schema, row.map(|row| row.values));
            let query = snapshot.text()?.searcher.characteristic(&texts, field, self.terms)?;
            if !query.is_empty() {
                legs.push(TextLeg { query, options: any_of_them(), field }.into());
            }
        }
        Ok(legs)
    }

    /// Position of the VECTOR column that is named, among the VECTOR columns.
    fn vector_column(&self, snapshot: Snapshot<'_>) -> Result<Option<usize>> {
        let (table, schema) = (&snapshot.storage.table, snapshot.schema);
        if schema.vectors().next().is_none() {
            return Err(Error::Value(format!(
                "{table} has no VECTOR column to compare rows by; compare them by their texts"
            )));
        }
        let Some(name) = &self.column else { return Ok(None) };
        match schema.find(name).and_then(|(at, _)| schema.vector_nth(at)) {
            Some(nth) => Ok(Some(nth)),
            None => Err(Error::Unknown(format!("{table}: there is no VECTOR column '{name}'"))),
        }
    }

    /// Position of the FULLTEXT column that is named, among the FULLTEXT columns.
    fn field(&self, snapshot: Snapshot<'_>) -> Result<Option<usize>> {
        let (table, schema) = (&snapshot.storage.table, snapshot.schema);
        if schema.full_texts().next().is_none() {
            return Err(Error::Value(format!(
                "{table} has no FULLTEXT column to compare rows by; compare them by their vectors"
            )));
        }
        let Some(name) = &self.text_column else { return Ok(None) };
        match schema.find(name).and_then(|(at, _)| schema.full_text_nth(at)) {
            Some(nth) => Ok(Some(nth)),
            None => Err(Error::Unknown(format!("{table}: there is no FULLTEXT column '{name}'"))),
        }
    }
}

fn contradiction(table: &str, name: &str, kind: &str) -> Error {
    Error::Value(format!(
        "{table}.{name} MATCH like_row(...) compares rows by the {kind} of that column; write {table} MATCH like_row(...) for \
         what the options say"
    ))
}

/// Any of the words as they stand, whatever the table says of queries that people type.
fn any_of_them() -> TextOptions {
    let options = TextOptions::from(Syntax::Query).operator(Operator::Or).minimum_match(Minimum::Words(0));
    options.prefix_last(false).fuzzy(Fuzzy::Distance(0))
}
