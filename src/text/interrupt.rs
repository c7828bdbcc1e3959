//! Work that can be ended by the user.

use crate::error::{Error, Result};
use std::cell::Cell;

/// Documents and terms looked at between two questions: about a quarter of a millisecond.
const STEP: usize = 1 << 14;

/// Asks from time to time whether the user wants no result any more.
pub struct Interrupt<'a> {
    ask: &'a dyn Fn() -> bool,
    done: Cell<usize>,
}

impl<'a> Interrupt<'a> {
    /// `ask` says whether to stop.
    pub fn new(ask: &'a dyn Fn() -> bool) -> Self {
        Self { ask, done: Cell::new(0) }
    }

    /// Nobody interrupts.
    #[cfg(test)]
    pub fn never() -> Interrupt<'static> {
        Interrupt::new(&|| false)
    }

    /// Counts `work` documents or terms, and asks when there are enough of them.
    ///
    /// # Errors
    /// [`Error::Interrupted`] when the user wants it.
    pub fn after(&self, work: usize) -> Result<()> {
        let done = self.done.get() + work;
        if done < STEP {
            self.done.set(done);
            return Ok(());
        }
        self.done.set(0);
        if (self.ask)() { Err(Error::Interrupted) } else { Ok(()) }
    }
}
