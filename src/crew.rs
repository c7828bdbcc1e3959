//! How many threads a build uses: a number that may change while it goes on. What is built does not depend on it.

use crate::memory;
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

thread_local! {
    /// Those of the build that this thread leads, if their number may change.
    static LED: RefCell<Option<Arc<Crew>>> = const { RefCell::new(None) };
}

/// The threads of a build.
pub(crate) struct Crew(AtomicUsize);

impl Crew {
    /// A crew of `threads` threads, one of which leads it.
    pub(crate) fn new(threads: usize) -> Self {
        Self(AtomicUsize::new(threads))
    }

    /// Those of the build that this thread leads, if their number may change.
    pub(crate) fn led() -> Option<Arc<Self>> {
        LED.with_borrow(Option::clone)
    }

    /// How many there are.
    pub(crate) fn size(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Makes this thread the leader while the guard lives: what it runs in parallel uses the threads of the crew.
    pub(crate) fn lead(self: &Arc<Self>) -> Leads {
        Leads(LED.replace(Some(Arc::clone(self))))
    }

    /// Adds `threads` threads while the guard lives.
    pub(crate) fn join(self: &Arc<Self>, threads: usize) -> Joined {
        self.0.fetch_add(threads, Ordering::Relaxed);
        Joined(Arc::clone(self), threads)
    }
}

/// Until it is dropped the thread leads a crew.
pub(crate) struct Leads(Option<Arc<Crew>>);

impl Drop for Leads {
    fn drop(&mut self) {
        LED.replace(self.0.take());
    }
}

/// Until it is dropped a crew is larger.
pub(crate) struct Joined(Arc<Crew>, usize);

impl Drop for Joined {
    fn drop(&mut self) {
        self.0.0.fetch_sub(self.1, Ordering::Relaxed);
    }
}

/// How many of `others` threads may be started beside this one.
pub(crate) fn others(others: usize) -> usize {
    memory::threads(Crew::led().map_or(others, |crew| others.min(crew.size().saturating_sub(1))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crew_grows_while_others_join_it() {
        assert_eq!(others(3), 3);
        let crew = Arc::new(Crew::new(1));
        let leads = crew.lead();
        assert_eq!(others(3), 0);
        let two = crew.join(2);
        assert_eq!([1, 2, 3].map(others), [1, 2, 2]);
        drop(crew.join(1));
        drop(two);
        assert_eq!((others(3), crew.size()), (0, 1));
        drop(leads);
        assert_eq!(others(3), 3);
    }
}
