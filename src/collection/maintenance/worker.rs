//! What a thread does that maintains tables by itself: it waits for writes, does what is due a slice at a time, and when
//! nobody has written for a while it goes further. How a slice is done is its owner's matter ([`Hands`]).

use super::Done;
use super::policy::Zeal;
use crate::collection::OpenCollection;
use crate::error::{Error, Result};
use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Between two rounds through the tables that were written.
const ROUND: Duration = Duration::from_millis(20);

/// Between two looks at a builder.
const NAP: Duration = Duration::from_millis(5);

/// The longest nap after being refused, each one half as long again as the one before.
const LONGEST_NAP: Duration = Duration::from_millis(250);

/// Nobody has written for so long: there is time to make searches fast.
const QUIET: Duration = Duration::from_secs(1);

/// Wakes and ends a thread.
#[derive(Default)]
pub struct Signal {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    written: BTreeSet<String>,
    stop: bool,
    ended: bool,
}

/// What a thread is woken for.
enum Call {
    Written(BTreeSet<String>),
    Quiet,
    Over,
}

impl Signal {
    /// A table was written.
    pub fn wrote(&self, table: &str) {
        let mut state = self.state.lock();
        if !state.written.contains(table) {
            state.written.insert(table.to_owned());
            self.changed.notify_all();
        }
    }

    /// The thread is to end.
    pub fn stop(&self) {
        self.state.lock().stop = true;
        self.changed.notify_all();
    }

    /// The thread has ended.
    pub fn end(&self) {
        self.state.lock().ended = true;
        self.changed.notify_all();
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.state.lock().ended
    }

    /// Waits for the end of the thread, but no longer than this. True: it has ended.
    pub fn wait_for_end(&self, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        let mut state = self.state.lock();
        while !state.ended {
            if self.changed.wait_until(&mut state, end).timed_out() {
                return state.ended;
            }
        }
        true
    }

    /// Whether somebody has written or wants the thread to end.
    pub fn is_called(&self) -> bool {
        let state = self.state.lock();
        state.stop || !state.written.is_empty()
    }

    /// Whether the thread is to end.
    fn is_over(&self) -> bool {
        self.state.lock().stop
    }

    /// Waits, and says whether to go on.
    fn nap(&self, time: Duration) -> bool {
        let end = Instant::now() + time;
        let mut state = self.state.lock();
        while !state.stop && !self.changed.wait_until(&mut state, end).timed_out() {}
        !state.stop
    }

    /// Waits for the next call; `patience`: for no longer than that.
    fn next(&self, patience: Option<Duration>) -> Call {
        let end = patience.map(|patience| Instant::now() + patience);
        let mut state = self.state.lock();
        loop {
            if state.stop {
                return Call::Over;
            }
            if !state.written.is_empty() {
                return Call::Written(std::mem::take(&mut state.written));
            }
            match end {
                None => self.changed.wait(&mut state),
                Some(end) => {
                    if self.changed.wait_until(&mut state, end).timed_out() {
                        return if state.stop { Call::Over } else { Call::Quiet };
                    }
                }
            }
        }
    }
}

/// How a slice went that a thread tried to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tried {
    /// It was done, or there was none to do.
    Done(Done),
    /// Somebody else has the file.
    Refused,
}

/// What a thread works with.
pub trait Hands {
    /// Whether a slice may have something to do. A read, since it is asked after every write.
    ///
    /// # Errors
    /// Then the table is let be until it is written again.
    fn is_due(&mut self, table: &str, zeal: Zeal) -> Result<bool>;

    /// Does a slice in a transaction of its own.
    ///
    /// # Errors
    /// As [`is_due`](Self::is_due).
    fn slice(&mut self, table: &str, zeal: Zeal) -> Result<Tried>;

    /// An error occurred: what is known of the table may be wrong.
    fn forget(&mut self, table: &str, error: &crate::error::Error);
}

/// Whether a table has to be opened: it was not yet, or has been altered since.
pub fn is_unknown(known: Option<&OpenCollection>, conn: &Connection) -> bool {
    known.is_none_or(|collection| matches!(collection.check(conn), Err(Error::Schema(_))))
}

/// Works until it is to end.
pub fn run(signal: &Signal, hands: &mut impl Hands) {
    // Tables that were written since there was time for them.
    let mut rough: BTreeSet<String> = BTreeSet::new();
    loop {
        let (tables, zeal) = match signal.next((!rough.is_empty()).then_some(QUIET)) {
            Call::Over => return,
            Call::Written(tables) => {
                rough.extend(tables.iter().cloned());
                (tables, Zeal::Steady)
            }
            Call::Quiet => (std::mem::take(&mut rough), Zeal::Leisure),
        };
        for table in tables {
            match keep(signal, hands, &table, zeal) {
                Ok(true) => {}
                Ok(false) => drop(rough.insert(table)),
                Err(error) => hands.forget(&table, &error),
            }
        }
        if !signal.nap(ROUND) {
            return;
        }
    }
}

/// Does what is due on a table, to its end. False: it was called away.
fn keep(signal: &Signal, hands: &mut impl Hands, table: &str, zeal: Zeal) -> Result<bool> {
    let mut nap = NAP;
    while hands.is_due(table, zeal)? {
        match hands.slice(table, zeal)? {
            Tried::Done(Done::Nothing) => break,
            Tried::Done(Done::Worked) => nap = NAP,
            Tried::Done(Done::Waits) => drop(signal.nap(NAP)),
            Tried::Refused => {
                signal.nap(nap);
                nap = (nap * 3 / 2).min(LONGEST_NAP);
            }
        }
        if signal.is_over() || zeal == Zeal::Leisure && signal.is_called() {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    /// Counts what is asked of it.
    #[derive(Default)]
    struct Counting {
        left: usize,
        refused: usize,
        seen: Vec<Zeal>,
        over: Arc<Signal>,
    }

    impl Hands for Counting {
        fn is_due(&mut self, _: &str, zeal: Zeal) -> Result<bool> {
            self.seen.push(zeal);
            if zeal == Zeal::Leisure {
                self.over.stop();
            }
            Ok(self.left > 0)
        }

        fn slice(&mut self, _: &str, _: Zeal) -> Result<Tried> {
            if self.refused > 0 {
                self.refused -= 1;
                return Ok(Tried::Refused);
            }
            self.left -= 1;
            Ok(Tried::Done(Done::Worked))
        }

        fn forget(&mut self, _: &str, _: &crate::error::Error) {}
    }

    #[test]
    fn it_goes_on_after_refusals_and_goes_further_when_nobody_writes() {
        let signal = Arc::new(Signal::default());
        signal.wrote("docs");
        let mut hands = Counting { left: 3, refused: 2, over: Arc::clone(&signal), ..Counting::default() };
        run(&signal, &mut hands);
        assert_eq!((hands.left, hands.refused), (0, 0));
        assert_eq!(hands.seen.last(), Some(&Zeal::Leisure));
    }
}
