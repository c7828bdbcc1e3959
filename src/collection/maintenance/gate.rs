//! A gate between a builder and whoever waits for it. Open, it lets the builder run; closed, the builder does one batch for
//! each time that it is let through, which is how a commit does a bounded share of the work, counted in rows.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Between a builder and those who wait for it; in the end it holds what was built. The locks are those of the standard library.
pub struct Gate<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    open: bool,
    /// The builder may pass once.
    let_through: bool,
    /// The builder stands before the closed gate.
    stands: bool,
    stopped: bool,
    ended: bool,
    outcome: Option<T>,
}

impl<T> Gate<T> {
    /// A gate before which nobody stands.
    pub fn new(open: bool) -> Self {
        let (let_through, stands, stopped, ended, outcome) = (false, false, false, false, None);
        let state = State { open, let_through, stands, stopped, ended, outcome };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State<T>>) -> MutexGuard<'a, State<T>> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// The builder comes by. False: it is to stop.
    pub fn pass(&self) -> bool {
        let mut state = self.lock();
        while !(state.open || state.let_through || state.stopped) {
            state.stands = true;
            self.changed.notify_all();
            state = self.wait(state);
        }
        state.stands = false;
        state.let_through = false;
        !state.stopped
    }

    /// The builder has ended.
    pub fn end(&self, outcome: T) {
        let mut state = self.lock();
        state.outcome = Some(outcome);
        state.ended = true;
        self.changed.notify_all();
    }

    /// Lets the builder through once, unless the gate is open, and waits until it comes by again.
    pub fn let_through(&self) {
        let mut state = self.lock();
        if state.open || state.ended {
            return;
        }
        while !state.stands && !state.ended {
            state = self.wait(state);
        }
        state.stands = false;
        state.let_through = true;
        self.changed.notify_all();
        while !state.stands && !state.ended {
            state = self.wait(state);
        }
    }

    /// Waits until the builder has ended, but no longer than this.
    pub fn wait_for_end(&self, patience: Duration) {
        let end = Instant::now() + patience;
        let mut state = self.lock();
        while !state.ended {
            let left = end.saturating_duration_since(Instant::now());
            let waited = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
            if waited.1.timed_out() {
                return;
            }
            state = waited.0;
        }
    }

    /// What the builder left behind, once.
    pub fn take(&self) -> Option<T> {
        self.lock().outcome.take()
    }

    /// The builder is to stop when it comes by.
    pub fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }
}
