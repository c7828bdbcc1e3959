//! What texts become, and which terms a collection has.

use super::access::Access;
use super::collection::Collection;
use super::hits::unknown_text;
use crate::error::Result;
use crate::text::{Interrupt, Term, TextConfig, Token};

impl<D: Access> Collection<D> {
    fn full_text(&self, column: &str) -> Result<usize> {
        let schema = &self.inner.schema;
        let field = schema.find(column).and_then(|(at, _)| schema.full_text_nth(at));
        field.ok_or_else(|| unknown_text(self.name(), schema, column))
    }

    /// What a text becomes in a FULLTEXT column: the terms that the index has of it, with their places.
    ///
    /// ```
    /// # use nearlite::{Database, Schema};
    /// let files = Database::in_memory()?.collection("files").create(
    ///     Schema::new().integer_key("id").full_text("source").tokenizer("code"))?;
    /// let tokens = files.tokens("source", "getUser()")?;
    /// let shown: Vec<_> = tokens.iter().map(|token| (token.text.as_str(), token.position, token.start)).collect();
    /// assert_eq!(shown, [("get", 0, 0), ("getuser", 0, 0), ("user", 1, 3)]);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Unknown`](crate::Error::Unknown) when it is no FULLTEXT column.
    pub fn tokens(&self, column: &str, text: &str) -> Result<Vec<Token>> {
        let field = self.full_text(column)?;
        TextConfig::of(&self.inner.schema).tokens(field, text)
    }

    /// The terms of a FULLTEXT column that begin as `prefix` does, in order, with the number of rows that have them; up to `limit`.
    /// An empty prefix is the beginning of all.
    ///
    /// ```
    /// # use nearlite::{Database, Schema};
    /// # let notes = Database::in_memory()?.collection("notes").create(
    /// #     Schema::new().integer_key("id").full_text("body"))?;
    /// # for (id, body) in [(1, "whales and ships"), (2, "ships at sea"), (3, "deserts")] {
    /// #     notes.insert(&serde_json::json!({"id": id, "body": body}))?;
    /// # }
    /// let terms = notes.terms("body", "S", 10)?;
    /// let shown: Vec<_> = terms.iter().map(|term| (term.term.as_str(), term.rows)).collect();
    /// assert_eq!(shown, [("sea", 1), ("ships", 2)]);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`tokens`](Self::tokens).
    pub fn terms(&self, column: &str, prefix: &str, limit: usize) -> Result<Vec<Term>> {
        let field = self.full_text(column)?;
        let config = TextConfig::of(&self.inner.schema);
        let prefix = if prefix.is_empty() { String::new() } else { config.beginning(field, prefix)? };
        self.read_snapshot(|snapshot| {
            let asked = || snapshot.interrupted();
            snapshot.text()?.searcher.terms(field, &prefix, None, limit, &Interrupt::new(&asked))
        })
    }
}
