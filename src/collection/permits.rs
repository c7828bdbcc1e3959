//! Threads that builds use: a number for the process, however many tables are built at once.

use parking_lot::Mutex;
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Threads at work.
static USED: Mutex<usize> = Mutex::new(0);

/// How many the process may use; 0: as many as the machine has.
static TOTAL: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// How many a build of this thread may use; 0: no bound of its own.
    static MOST: Cell<usize> = const { Cell::new(0) };
}

/// In the child of a fork: no thread of the parent is here.
pub fn forget() {
    *USED.lock() = 0;
}

/// Sets how many threads the process uses; 0: as many as the machine has.
pub fn set_total(threads: usize) {
    TOTAL.store(threads, Ordering::Relaxed);
}

/// How many threads the process uses.
pub fn total() -> usize {
    match TOTAL.load(Ordering::Relaxed) {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    }
}

/// While it lives, builds of this thread use no more threads than a table allows.
pub struct Bound(usize);

impl Bound {
    /// Of a table whose setting `threads` this is.
    pub fn of(threads: usize) -> Self {
        Self(MOST.replace(threads))
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        MOST.set(self.0);
    }
}

/// Threads for one build; others may use them when it is dropped.
pub struct Permits(usize);

impl Permits {
    /// Those that are free, as far as the table allows. A build has one at least: the thread that asks for it.
    pub fn take() -> Self {
        Self::up_to(match MOST.get() {
            0 => usize::MAX,
            most => most,
        })
    }

    /// Those that are free, `most` at most and one at least.
    pub fn up_to(most: usize) -> Self {
        let mut used = USED.lock();
        let count = total().saturating_sub(*used).min(most).max(1);
        *used += count;
        Self(count)
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.0
    }
}

impl Drop for Permits {
    fn drop(&mut self) {
        *USED.lock() -= self.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_share_the_threads_of_the_process() {
        let all = total();
        let first = Permits::up_to(usize::MAX);
        assert!((1..=all).contains(&first.count()));
        // Whatever other tests use meanwhile: what one has taken no other gets.
        let rest = Permits::up_to(usize::MAX);
        assert!(rest.count() == 1 || first.count() + rest.count() <= all);
        let _bound = Bound::of(1);
        assert_eq!(Permits::take().count(), 1);
    }
}
