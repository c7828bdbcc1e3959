//! Which statements call which functions of a row: the link from SQLite's compiler to the scan that it compiled.
//!
//! SQLite compiles a statement in one go: it asks for plans, then for the functions, and opens no cursor meanwhile. So
//! the plans that were made since a cursor was last opened are those of the statement that asks for MATCH, or, where
//! several were compiled in a row, of these: one of them may then be thought to call what another one calls.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

/// Statements that are remembered. One that is forgotten returns NULL where it should refuse, and ranks what need not be.
const REMEMBERED: usize = 1_024;

/// What a scan of rows reads that a MATCH could be about, beside a hidden column that only a MATCH can tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reads {
    /// A VECTOR column.
    pub vector: bool,
    /// A FULLTEXT column, or the column named like the table.
    pub text: bool,
}

/// What a statement calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Calls {
    /// How often it has MATCH as a function.
    pub matches: u32,
    /// `bm25()` or `explain_row()`, which give the score.
    pub bm25: bool,
    /// `snippet()` or `highlight()`.
    pub marks: bool,
}

/// The statements of one table that call functions.
#[derive(Default)]
pub struct Callers {
    last: Cell<i32>,
    opened: Cell<i32>,
    /// Last plan that was there when a cursor was opened; last plan of the statement, and what it calls.
    statements: RefCell<BTreeMap<i32, (i32, Calls)>>,
    /// Last plan of the statements that are not remembered any more.
    forgotten: Cell<i32>,
}

impl Callers {
    /// A number above 3 for a new plan; [`Self::calls`] reads it back.
    pub fn number(&self, reads: Reads) -> i32 {
        if self.last.get() >= (i32::MAX >> 2) - 1 {
            self.last.set(0);
            self.opened.set(0);
            self.forgotten.set(0);
            self.statements.borrow_mut().clear();
        }
        self.last.set(self.last.get() + 1);
        self.last.get() << 2 | i32::from(reads.text) << 1 | i32::from(reads.vector)
    }

    /// A cursor was opened: what is compiled from now on is another statement.
    pub fn opened(&self) {
        self.opened.set(self.last.get());
    }

    /// The statement that is being compiled calls a function of this name.
    pub fn called(&self, name: &str) {
        if self.opened == self.last {
            return;
        }
        let mut statements = self.statements.borrow_mut();
        let (end, calls) = statements.entry(self.opened.get()).or_default();
        *end = self.last.get();
        match name.to_ascii_lowercase().as_str() {
            "match" => calls.matches += 1,
            "bm25" | "explain_row" => calls.bm25 = true,
            _ => calls.marks = true,
        }
        if statements.len() > REMEMBERED
            && let Some((_, (end, _))) = statements.pop_first()
        {
            self.forgotten.set(end);
        }
    }

    /// What the statement of a numbered plan calls, and what the plan reads.
    pub fn calls(&self, number: i32) -> (Calls, Reads) {
        let plan = number >> 2;
        let statements = self.statements.borrow();
        let calls = match statements.range(..plan).next_back() {
            Some((_, (end, calls))) if plan <= *end => *calls,
            _ if plan <= self.forgotten.get() => Calls { matches: 0, bm25: true, marks: true },
            _ => Calls::default(),
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
        callers.called("match");
        let (first, second) = (callers.number(reads), callers.number(Reads::default()));
        callers.called("match");
        callers.called("MATCH");
        callers.called("bm25");
        callers.opened();
        let after = callers.number(reads);
        assert!(before > 3);
        let both = Calls { matches: 2, bm25: true, marks: false };
        assert_eq!(callers.calls(before).0, Calls::default());
        assert_eq!(callers.calls(first), (both, reads));
        assert_eq!(callers.calls(second), (both, Reads::default()));
        assert_eq!(callers.calls(after).0, Calls::default());
    }

    #[test]
    fn a_statement_that_is_forgotten_is_thought_to_read_scores() {
        let callers = Callers::default();
        let plans: Vec<i32> = (0..REMEMBERED + 2)
            .map(|_| {
                callers.opened();
                let plan = callers.number(Reads::default());
                callers.called("match");
                plan
            })
            .collect();
        let bm25 = |at: usize| callers.calls(plans[at]).0.bm25;
        assert_eq!([bm25(0), bm25(1), bm25(2), bm25(REMEMBERED)], [true, true, false, false]);
    }
}
