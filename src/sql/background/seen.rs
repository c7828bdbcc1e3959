//! What a connection was last seen doing by its own thread, for those whose state nobody else may ask for.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Milliseconds for which what was last seen counts.
const COUNTS: u64 = 1_000;

/// Milliseconds since the first look of the process when it was in a transaction, 0 when it was in none.
#[derive(Default)]
pub struct Seen(AtomicU64);

fn now() -> u64 {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(BEGAN.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
}

impl Seen {
    /// By its thread.
    pub fn note(&self, in_transaction: bool) {
        self.0.store(if in_transaction { now() } else { 0 }, Ordering::Relaxed);
    }

    /// Whether it was in a transaction not long ago.
    pub fn is_recent(&self) -> bool {
        let last = self.0.load(Ordering::Relaxed);
        last != 0 && now().saturating_sub(last) < COUNTS
    }
}
