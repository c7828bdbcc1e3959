//! The names of the hidden columns, which no column and no table can have.

use super::Schema;
use crate::error::{Error, Result};

/// Names of the hidden columns beside the one that is named like the table, without a prefix.
const RESERVED: [&str; 10] =
    ["rank", "distance", "bm25", "score", "vector_rank", "text_rank", "k", "ef_search", "exact", "explain"];

/// The longest prefix.
const PREFIX_BYTES: usize = 32;

impl Schema {
    /// The name that the hidden column `word` has in this table.
    pub(crate) fn hidden(&self, word: &str) -> String {
        format!("{}{word}", self.hidden_prefix.as_deref().unwrap_or_default())
    }

    pub(super) fn is_hidden(&self, name: &str) -> bool {
        RESERVED.iter().any(|word| name.eq_ignore_ascii_case(&self.hidden(word)))
    }

    /// Checks the name of a collection.
    ///
    /// # Errors
    /// [`Error::Schema`] when it is reserved.
    pub(crate) fn check_name(&self, table: &str) -> Result<()> {
        let why = if self.is_hidden(table) {
            "a hidden column"
        } else if table.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("sqlite_")) {
            "SQLite's own tables"
        } else if table.contains('\0') {
            return Err(Error::Schema("the name of a collection cannot hold a NUL character".into()));
        } else {
            return Ok(());
        };
        Err(Error::Schema(format!(
            "the name {table} is reserved for {why}; choose another for the collection"
        )))
    }

    pub(super) fn check_prefix(&self, table: &str) -> Result<()> {
        let Some(prefix) = &self.hidden_prefix else { return Ok(()) };
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let fits = (1..=PREFIX_BYTES).contains(&prefix.len()) && prefix.chars().all(is_word);
        if fits && !prefix.starts_with(|c: char| c.is_ascii_digit()) {
            return Ok(());
        }
        Err(Error::Schema(format!(
            "{table}: hidden_prefix is a word of up to {PREFIX_BYTES} letters, digits and _, such as 'nl_', got {prefix:?}"
        )))
    }
}
