//! Carries an error from the SQL door to the Rust door, past SQLite.
//!
//! The Rust door writes through SQL. SQLite passes on no more of a table's error than its sentence and a result code, so the
//! table leaves the error itself here, one for each thread, and the caller collects it.

use crate::error::Error;
use std::cell::Cell;

thread_local! {
    /// The error that this thread last reported to SQLite.
    static LAST: Cell<Option<Error>> = const { Cell::new(None) };
}

/// Leaves an error that is being reported to SQLite.
pub(crate) fn leave(error: Error) {
    // SQLite's own errors come back from it as they are. A thread that ends has nobody to keep an error for.
    let kept = (!matches!(error, Error::Sqlite(_))).then_some(error);
    let _ = LAST.try_with(|slot| slot.set(kept));
}

/// The error that SQLite returned as `error`. It is recognised by its sentence, since SQLite may have reported others
/// meanwhile.
pub(crate) fn collect(error: &rusqlite::Error) -> Option<Error> {
    let (rusqlite::Error::SqliteFailure(_, Some(sentence))
    | rusqlite::Error::SqlInputError { msg: sentence, .. }) = error
    else {
        return None;
    };
    let left = LAST.try_with(Cell::take).ok().flatten();
    left.filter(|left| left.to_string() == *sentence)
}
