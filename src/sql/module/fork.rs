//! A fork copies the locks of its parent as they are, and none of the threads that would release them. So a fork waits
//! until no thread of the library is inside SQLite.
#![cfg_attr(unix, expect(unsafe_code))]

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Threads of the library that are inside SQLite.
static INSIDE: AtomicU32 = AtomicU32::new(0);

/// Forks that are under way or wait.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// How often these are looked at.
const NAP: Duration = Duration::from_micros(200);

/// A fork waits no longer than this many naps, some seconds: a slice takes milliseconds.
#[cfg(unix)]
const NAPS: u32 = 10_000;

/// While it lives, forks wait.
pub(crate) struct NoFork(());

impl NoFork {
    /// Waits for forks under way.
    pub(crate) fn enter() -> Self {
        prepare();
        loop {
            INSIDE.fetch_add(1, Ordering::SeqCst);
            if FORKS.load(Ordering::SeqCst) == 0 {
                return Self(());
            }
            INSIDE.fetch_sub(1, Ordering::SeqCst);
            std::thread::sleep(NAP);
        }
    }
}

impl Drop for NoFork {
    fn drop(&mut self) {
        INSIDE.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(unix)]
fn prepare() {
    use std::sync::Once;

    type Handler = extern "C" fn();
    unsafe extern "C" {
        fn pthread_atfork(
            before: Option<Handler>,
            in_parent: Option<Handler>,
            in_child: Option<Handler>,
        ) -> std::ffi::c_int;
    }

    extern "C" fn before() {
        FORKS.fetch_add(1, Ordering::SeqCst);
        for _ in 0..NAPS {
            if INSIDE.load(Ordering::SeqCst) == 0 {
                return;
            }
            std::thread::sleep(NAP);
        }
    }

    extern "C" fn in_parent() {
        FORKS.fetch_sub(1, Ordering::SeqCst);
    }

    /// Its parent's threads are not here.
    extern "C" fn in_child() {
        INSIDE.store(0, Ordering::SeqCst);
        FORKS.store(0, Ordering::SeqCst);
    }

    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: functions that neither allocate nor panic, and that live for ever: the library is never unloaded.
        unsafe { pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
    });
}

#[cfg(not(unix))]
fn prepare() {}
