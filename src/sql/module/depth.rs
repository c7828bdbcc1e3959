//! Bounds how deep callbacks run within one another.
//!
//! SQLite counts neither these levels nor their stack: each is a statement of its own.

use crate::error::{Error, Result};
use std::cell::Cell;

/// Callbacks that may run within one another on a thread. A shadow table is an ordinary table, so hardly any do; but a
/// view or a trigger that was put in its place may lead back, and each level takes some of the stack.
const MAX_DEPTH: u32 = 8;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// One callback on the stack of this thread.
pub(super) struct Level;

impl Level {
    pub(super) fn enter() -> Result<Self> {
        DEPTH.with(|depth| {
            if depth.get() >= MAX_DEPTH {
                return Err(Error::recursive());
            }
            depth.set(depth.get() + 1);
            Ok(Self)
        })
    }
}

impl Drop for Level {
    fn drop(&mut self) {
        DEPTH.with(|depth| depth.set(depth.get() - 1));
    }
}
