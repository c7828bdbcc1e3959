//! From a prefix or a fuzzy word to the terms it stands for.

use super::engine;
use super::interrupt::Interrupt;
use crate::error::Result;
use tantivy::InvertedIndexReader;
use tantivy::postings::TermInfo;
use tantivy::query::DfaWrapper;
use tantivy_fst::Automaton;

/// A word that stands for many terms.
pub(super) enum Open<'a> {
    /// Terms that begin with `prefix`, and the term `also`.
    Prefix { prefix: &'a str, also: Option<&'a str> },
    /// Terms that the automaton accepts, `term` among them if there is one.
    Fuzzy { term: &'a str, automaton: DfaWrapper },
    /// Terms of which the automaton accepts some beginning.
    Beginnings(DfaWrapper),
}

/// Accepts what begins with something that the inner automaton accepts. tantivy's own automaton for that forgets a beginning
/// that it accepted if a longer one might have been nearer and is not.
struct Begins<'a>(&'a DfaWrapper);

impl Automaton for Begins<'_> {
    /// `None` once a beginning is accepted.
    type State = Option<u32>;

    fn start(&self) -> Self::State {
        Some(self.0.start()).filter(|state| !self.0.is_match(state))
    }

    fn is_match(&self, state: &Self::State) -> bool {
        state.is_none()
    }

    fn can_match(&self, state: &Self::State) -> bool {
        state.as_ref().is_none_or(|state| self.0.can_match(state))
    }

    fn will_always_match(&self, state: &Self::State) -> bool {
        state.is_none()
    }

    fn accept(&self, state: &Self::State, byte: u8) -> Self::State {
        let next = self.0.accept(state.as_ref()?, byte);
        Some(next).filter(|state| !self.0.is_match(state))
    }
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
            Self::Beginnings(automaton) => {
                let mut terms =
                    dictionary.search(Begins(automaton)).without_keys().into_stream().map_err(engine)?;
                while terms.advance() {
                    interrupt.after(20)?;
                    each(terms.value(), false)?;
                }
                interrupt.after(2000)?;
            }
        }
        Ok(())
    }
}
