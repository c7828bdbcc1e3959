//! Which statements call MATCH as a function: the link from SQLite's compiler to the scan that it compiled.
//!
//! SQLite compiles a statement in one go: it asks for plans, then for the functions, and opens no cursor meanwhile. So
//! the plans that were made since a cursor was last opened are those of the statement that asks for MATCH.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

/// Statements that are remembered. One that is forgotten answers NULL where it should refuse.
const REMEMBERED: usize = 1_024;

/// What a scan of rows reads that a MATCH could be about, beside a hidden column that only a MATCH can tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reads {
    /// A VECTOR column.
    pub vector: bool,
    /// A FULLTEXT column, or the column named like the table.
    pub text: bool,
}

/// The statements of one table that call MATCH as a function.
#[derive(Default)]
pub struct Callers {
    last: Cell<i32>,
    opened: Cell<i32>,
    /// Last plan that was there when a cursor was opened; last plan of the statement, and how often it has MATCH.
    statements: RefCell<BTreeMap<i32, (i32, u32)>>,
}

impl Callers {
    /// A number above 3 for a new plan; [`Self::calls`] reads it back.
    pub fn number(&self, reads: Reads) -> i32 {
        if self.last.get() >= (i32::MAX >> 2) - 1 {
            self.last.set(0);
            self.opened.set(0);
            self.statements.borrow_mut().clear();
        }
        self.last.set(self.last.get() + 1);
        self.last.get() << 2 | i32::from(reads.text) << 1 | i32::from(reads.vector)
    }

    /// A cursor was opened: what is compiled from now on is another statement.
    pub fn opened(&self) {
        self.opened.set(self.last.get());
    }

    /// The statement that is being compiled calls MATCH as a function.
    pub fn called(&self) {
        if self.opened == self.last {
            return;
        }
        let mut statements = self.statements.borrow_mut();
        let (end, calls) = statements.entry(self.opened.get()).or_default();
        *end = self.last.get();
        *calls += 1;
        if statements.len() > REMEMBERED {
            statements.pop_first();
        }
    }

    /// How often the statement of a numbered plan has MATCH as a function, and what the plan reads.
    pub fn calls(&self, number: i32) -> (u32, Reads) {
        let plan = number >> 2;
        let statements = self.statements.borrow();
        let calls = match statements.range(..plan).next_back() {
            Some((_, (end, calls))) if plan <= *end => *calls,
            _ => 0,
        };
        (calls, Reads { vector: number & 1 != 0, text: number & 2 != 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_made_since_a_cursor_was_opened_belong_to_the_statement_that_calls_match() {
        let callers = Callers::default();
        let reads = Reads { vector: true, text: false };
        let before = callers.number(reads);
        callers.opened();
        callers.called();
        let (first, second) = (callers.number(reads), callers.number(Reads::default()));
        callers.called();
        callers.called();
        callers.opened();
        let after = callers.number(reads);
        assert!(before > 3);
        assert_eq!(callers.calls(before).0, 0);
        assert_eq!(callers.calls(first), (2, reads));
        assert_eq!(callers.calls(second), (2, Reads::default()));
        assert_eq!(callers.calls(after).0, 0);
    }
}
