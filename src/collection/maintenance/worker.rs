//! What a thread does that maintains tables by itself: it waits for writes, does what is due a slice at a time, and when
//! nobody has written for a while it goes further. How a slice is done is its owner's matter ([`Hands`]).

use super::Done;
use super::policy::Zeal;
use crate::collection::OpenCollection;
use crate::error::{Error, Result};
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Between two rounds through the tables that were written.
const ROUND: Duration = Duration::from_millis(20);

/// Between two looks at a builder, or at a file that somebody else has.
pub const NAP: Duration = Duration::from_millis(5);

/// The longest nap after being refused, each one half as long again as the one before.
const LONGEST_NAP: Duration = Duration::from_millis(250);

/// Nobody has written for so long: there is time to make searches fast.
const QUIET: Duration = Duration::from_secs(1);

/// How many times the pauses double while something fails.
const MOST_SLOWER: u32 = 6;

/// What a thread waits for that has been refused for a while.
const WAITS: &str =
    "maintenance waits: other connections have kept the file, or a transaction, for more than a second";

/// Wakes and ends a thread.
///
/// These are the locks of the standard library, not those of `parking_lot`: a fork may come while the thread waits here.
/// `parking_lot` keeps waiting threads in lists that point to their stacks, and a child of the process gives these stacks to
/// threads of its own.
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
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a change, but not beyond `end`. True: the time is over.
    fn wait<'a>(&self, state: MutexGuard<'a, State>, end: Instant) -> (MutexGuard<'a, State>, bool) {
        let left = end.saturating_duration_since(Instant::now());
        let waited = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        (waited.0, waited.1.timed_out())
    }

    /// A table was written.
    pub fn wrote(&self, table: &str) {
        let mut state = self.lock();
        if !state.written.contains(table) {
            state.written.insert(table.to_owned());
            self.changed.notify_all();
        }
    }

    /// The thread is to end.
    pub fn stop(&self) {
        self.lock().stop = true;
        self.changed.notify_all();
    }

    /// The thread has ended.
    pub fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.lock().ended
    }

    /// Waits for the end of the thread, but no longer than this. True: it has ended.
    pub fn wait_for_end(&self, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        let mut state = self.lock();
        while !state.ended {
            let (after, is_over) = self.wait(state, end);
            if is_over {
                return after.ended;
            }
            state = after;
        }
        true
    }

    /// Whether somebody has written or wants the thread to end.
    pub fn is_called(&self) -> bool {
        let state = self.lock();
        state.stop || !state.written.is_empty()
    }

    /// Whether the thread is to end.
    fn is_over(&self) -> bool {
        self.lock().stop
    }

    /// Waits, and says whether to go on.
    pub fn nap(&self, time: Duration) -> bool {
        let end = Instant::now() + time;
        let mut state = self.lock();
        while !state.stop {
            let (after, is_over) = self.wait(state, end);
            if is_over {
                return !after.stop;
            }
            state = after;
        }
        false
    }

    /// Waits for the next call; `patience`: for no longer than that.
    fn next(&self, patience: Option<Duration>) -> Call {
        let end = patience.map(|patience| Instant::now() + patience);
        let mut state = self.lock();
        loop {
            if state.stop {
                return Call::Over;
            }
            if !state.written.is_empty() {
                return Call::Written(std::mem::take(&mut state.written));
            }
            let Some(end) = end else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let (after, is_over) = self.wait(state, end);
            if is_over {
                return if after.stop { Call::Over } else { Call::Quiet };
            }
            state = after;
        }
    }
}

/// Whether somebody else has the file, or a lock in it, at this moment.
pub fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
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
    /// Whether a slice may have something to do. A read, since it is asked after every write. Where somebody else has the file
    /// at this moment it may: the slice will meet that, too, and is tried again.
    ///
    /// # Errors
    /// Then the table is let be until it is written again.
    fn is_due(&mut self, table: &str, zeal: Zeal) -> Result<bool>;

    /// Does a slice in a transaction of its own.
    ///
    /// # Errors
    /// As [`is_due`](Self::is_due).
    fn slice(&mut self, table: &str, zeal: Zeal) -> Result<Tried>;

    /// An error occurred: what is known of the table may be wrong. Returns whether it is worth another attempt.
    fn forget(&mut self, table: &str, error: &crate::error::Error) -> bool;

    /// Notes why the table has to wait for longer than usual, or that it does not.
    fn note_wait(&mut self, table: &str, why: Option<&str>);

    /// There is nothing left to do until a table is written again.
    fn rest(&mut self) {}
}

/// A table that a thread looks after.
pub struct Attended {
    collection: OpenCollection,
    /// The nonce at the last look.
    seen: [u8; 16],
    /// The nonce under which there was nothing to do.
    idle: HashMap<Zeal, [u8; 16]>,
}

impl Attended {
    /// Whether a slice of the table `name` of `main` may find something to do. All is read in one snapshot: between two the
    /// table may be altered.
    ///
    /// # Errors
    /// Those of opening and reading it.
    pub fn is_due(
        known: &mut HashMap<String, Self>,
        conn: &Connection,
        name: &str,
        zeal: Zeal,
    ) -> Result<bool> {
        // Deferred, since the transactions of a connection may begin with the write lock unless they say otherwise.
        let snapshot = Transaction::new_unchecked(conn, TransactionBehavior::Deferred)?;
        let mut attended = Self::again(known.remove(name), conn, name)?;
        let due = attended.look(conn, zeal)?;
        known.insert(name.to_owned(), attended);
        snapshot.commit()?;
        Ok(due)
    }

    /// Opens the table, unless `known` is that table as it is now.
    fn again(known: Option<Self>, conn: &Connection, name: &str) -> Result<Self> {
        match known {
            Some(known) if !matches!(known.collection.check(conn), Err(Error::Schema(_))) => Ok(known),
            _ => {
                let collection = OpenCollection::open(conn, "main", name)?;
                Ok(Self { collection, seen: [0; 16], idle: HashMap::new() })
            }
        }
    }

    /// The table.
    pub fn collection(&self) -> &OpenCollection {
        &self.collection
    }

    fn look(&mut self, conn: &Connection, zeal: Zeal) -> Result<bool> {
        let settings = self.collection.settings(conn)?;
        let idle = self.idle.get(&zeal).copied();
        let (due, nonce) = super::may_be_due(self.collection.on(conn), &settings, zeal, idle)?;
        self.seen = nonce;
        Ok(due)
    }

    /// A slice was done, with this outcome.
    pub fn tried(&mut self, zeal: Zeal, done: Done) {
        if done == Done::Nothing {
            self.idle.insert(zeal, self.seen);
        }
    }
}

/// Works until it is to end.
pub fn run(signal: &Signal, hands: &mut impl Hands) {
    // Tables that were written since there was time for them.
    let mut rough: BTreeSet<String> = BTreeSet::new();
    // Rounds in a row in which something has failed. It is tried again, written or not: the trouble may be over.
    let mut failures = 0_u32;
    loop {
        let slower = 1 << failures.min(MOST_SLOWER);
        if rough.is_empty() && !signal.is_called() {
            hands.rest();
        }
        let (tables, zeal) = match signal.next((!rough.is_empty()).then_some(QUIET * slower)) {
            Call::Over => return,
            Call::Written(tables) => {
                rough.extend(tables.iter().cloned());
                (tables, Zeal::Steady)
            }
            Call::Quiet => (std::mem::take(&mut rough), Zeal::Leisure),
        };
        let mut failed = false;
        for table in tables {
            let again = match keep(signal, hands, &table, zeal) {
                Ok(Kept::Done) => false,
                Ok(Kept::CalledAway) => true,
                Ok(Kept::Failed) => {
                    failed = true;
                    true
                }
                Err(error) => {
                    let again = hands.forget(&table, &error);
                    failed |= again;
                    again
                }
            };
            if again {
                rough.insert(table);
            }
        }
        failures = if failed { failures + 1 } else { 0 };
        if !signal.nap(ROUND * slower) {
            return;
        }
    }
}

/// How far a thread came with a table.
enum Kept {
    Done,
    CalledAway,
    Failed,
}

/// Does what is due on a table, to its end.
fn keep(signal: &Signal, hands: &mut impl Hands, table: &str, zeal: Zeal) -> Result<Kept> {
    let (mut nap, mut refused, mut told) = (NAP, None, false);
    let mut kept = Kept::Done;
    while hands.is_due(table, zeal)? {
        let tried = hands.slice(table, zeal)?;
        if tried == Tried::Refused {
            let since: Instant = *refused.get_or_insert_with(Instant::now);
            if !told && since.elapsed() >= QUIET {
                told = true;
                hands.note_wait(table, Some(WAITS));
            }
            signal.nap(nap);
            nap = (nap * 3 / 2).min(LONGEST_NAP);
        } else {
            (nap, refused) = (NAP, None);
            if std::mem::take(&mut told) {
                hands.note_wait(table, None);
            }
        }
        match tried {
            Tried::Done(Done::Nothing) => break,
            Tried::Done(Done::Failed) => {
                kept = Kept::Failed;
                break;
            }
            Tried::Done(Done::Waits) => drop(signal.nap(NAP)),
            Tried::Done(Done::Worked) | Tried::Refused => {}
        }
        if signal.is_over() || zeal == Zeal::Leisure && signal.is_called() {
            kept = Kept::CalledAway;
            break;
        }
    }
    if told {
        hands.note_wait(table, None);
    }
    Ok(kept)
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

        fn forget(&mut self, _: &str, _: &crate::error::Error) -> bool {
            true
        }

        fn note_wait(&mut self, _: &str, _: Option<&str>) {}
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
