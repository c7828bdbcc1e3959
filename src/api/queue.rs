//! The queue of the writers of one database: first come, first served.
//!
//! SQLite lets writers who wait try again after naps of growing length, and some never hit on a free moment between the
//! others; so those of one [`Database`](crate::Database) take turns here before they ask SQLite for its lock. The turn
//! belongs to a thread: a thread that asks for it again would wait for itself, which is an error instead.

use crate::error::{Error, Result};
use parking_lot::{Condvar, Mutex};
use rusqlite::ffi;
use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::ThreadId;
use std::time::{Duration, Instant};

/// What a turn is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// A call of this crate, which ends by itself: others wait for it however long it takes.
    Call,
    /// A closure of the user, who may be waiting for something that needs this queue.
    Closure,
}

#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    holder: Option<Holder>,
    /// Those who wait, in the order in which they came. Only the first may take a free turn.
    waiting: VecDeque<Arc<Condvar>>,
}

struct Holder {
    thread: ThreadId,
    kind: Use,
    since: Instant,
}

/// The turn to write; it ends when this is dropped.
pub(super) struct Turn<'q>(&'q Queue);

impl Queue {
    /// Waits for the turn. Gives up when one closure has kept it for longer than `patience`, counted from when this
    /// call began to wait.
    pub fn turn(&self, kind: Use, patience: Duration) -> Result<Turn<'_>> {
        let thread = std::thread::current().id();
        let mut state = self.state.lock();
        if state.holder.as_ref().is_some_and(|holder| holder.thread == thread) {
            return Err(waits_for_itself());
        }
        if state.holder.is_some() || !state.waiting.is_empty() {
            let came = Instant::now();
            let place = Arc::new(Condvar::new());
            state.waiting.push_back(Arc::clone(&place));
            loop {
                let first = state.waiting.front().is_some_and(|first| Arc::ptr_eq(first, &place));
                let nap = match &state.holder {
                    None if first => break,
                    Some(Holder { kind: Use::Closure, since, .. }) => {
                        let waited = since.elapsed().min(came.elapsed());
                        if waited >= patience {
                            state.waiting.retain(|other| !Arc::ptr_eq(other, &place));
                            return Err(locked());
                        }
                        patience - waited
                    }
                    // Whoever gets the turn next may be a closure, and nobody wakes us to tell.
                    _ => patience.max(SHORTEST_NAP),
                };
                place.wait_for(&mut state, nap);
            }
            state.waiting.pop_front();
        }
        state.holder = Some(Holder { thread, kind, since: Instant::now() });
        Ok(Turn(self))
    }
}

/// Bounds how often a waiter without patience looks around.
const SHORTEST_NAP: Duration = Duration::from_millis(10);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.holder = None;
        if let Some(first) = state.waiting.front() {
            first.notify_one();
        }
    }
}

/// The error of a thread that would wait for a transaction of its own.
pub(super) fn waits_for_itself() -> Error {
    Error::Value(
        "this thread is writing to the database already and would wait for itself: write through the connection or \
         transaction that it has, with Transaction::collection or Collection::on, or after it has ended"
            .into(),
    )
}

fn locked() -> Error {
    let sentence =
        "database is locked: another transaction of this Database takes longer than the busy timeout";
    Error::Sqlite(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), Some(sentence.into())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    /// Waits until as many wait in the queue.
    fn until_waiting(queue: &Queue, count: usize) {
        while queue.state.lock().waiting.len() < count {
            std::thread::yield_now();
        }
    }

    #[test]
    fn turns_come_in_the_order_in_which_they_were_asked_for() {
        let (queue, (order, came)) = (Queue::default(), channel());
        std::thread::scope(|scope| {
            let turn = queue.turn(Use::Call, Duration::ZERO).unwrap();
            for number in 0..8 {
                let (queue, order) = (&queue, order.clone());
                scope.spawn(move || {
                    let _turn = queue.turn(Use::Call, Duration::ZERO).unwrap();
                    order.send(number).unwrap();
                });
                until_waiting(queue, number + 1);
            }
            drop(turn);
        });
        drop(order);
        assert_eq!(came.into_iter().collect::<Vec<_>>(), (0..8).collect::<Vec<_>>());
    }

    #[test]
    fn who_waits_for_a_closure_gives_up_and_who_waits_for_a_call_does_not() {
        let queue = Queue::default();
        let brief = Duration::from_millis(1);
        for kind in [Use::Closure, Use::Call] {
            let turn = queue.turn(kind, brief).unwrap();
            std::thread::scope(|scope| {
                let other = scope.spawn(|| queue.turn(Use::Call, brief).map(drop));
                if kind == Use::Call {
                    until_waiting(&queue, 1);
                    std::thread::sleep(brief * 50);
                    drop(turn);
                    other.join().unwrap().unwrap();
                } else {
                    let error = other.join().unwrap().unwrap_err();
                    assert!(error.to_string().contains("database is locked"), "{error}");
                    drop(turn);
                }
            });
            assert!(queue.state.lock().waiting.is_empty());
        }
    }

    #[test]
    fn a_thread_does_not_wait_for_itself() {
        let queue = Queue::default();
        let turn = queue.turn(Use::Call, Duration::MAX).unwrap();
        assert!(queue.turn(Use::Closure, Duration::MAX).is_err());
        drop(turn);
        assert!(queue.turn(Use::Closure, Duration::MAX).is_ok());
    }
}
