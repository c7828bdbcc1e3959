//! From a prefix or a fuzzy word to the terms it stands for.

use super::engine;
use super::interrupt::Interrupt;
use crate::error::Result;
use tantivy::InvertedIndexReader;
use tantivy::postings::TermInfo;
use tantivy::query::DfaWrapper;

/// A word that stands for many terms.
pub(super) enum Open<'a> {
    /// Terms that begin with `prefix`, and the term `also`.
    Prefix { prefix: &'a str, also: Option<&'a str> },
    /// Terms that the automaton accepts, `term` among them.
    Fuzzy { term: &'a str, automaton: DfaWrapper },
}

impl Open<'_> {
    /// Calls `each` with every term of one column of one segment, and whether it is the word itself.
    pub(super) fn terms(
        &self,
        index: &InvertedIndexReader,
        interrupt: &Interrupt<'_>,
        each: &mut dyn FnMut(&TermInfo, bool) -> Result<()>,
    ) -> Result<()> {
        let dictionary = index.terms();
        match self {
            Self::Prefix { prefix, also } => {
                if let Some(also) = also
                    && let Some(info) = dictionary.get(also).map_err(engine)?
                {
                    each(&info, true)?;
                }
                let mut range = dictionary.range().ge(prefix);
                let mut end = prefix.as_bytes().to_vec();
                // UTF-8 never holds the byte 255, so the next string is one step up in the last byte.
                if let Some(last) = end.last_mut() {
                    *last += 1;
                    range = range.lt(&end);
                }
                let mut terms = range.into_stream().map_err(engine)?;
                while terms.advance() {
                    // Reading a term costs as much as some twenty documents.
                    interrupt.after(20)?;
                    each(terms.value(), also.is_none() && terms.key() == prefix.as_bytes())?;
                }
            }
            Self::Fuzzy { term, automaton } => {
                let exact = dictionary.get(term).map_err(engine)?;
                // The keys are not needed: what a word stands for is enough.
                let mut terms = dictionary.search(automaton).without_keys().into_stream().map_err(engine)?;
                while terms.advance() {
                    interrupt.after(20)?;
                    each(terms.value(), exact.as_ref() == Some(terms.value()))?;
                }
                interrupt.after(2000)?;
            }
        }
        Ok(())
    }
}
