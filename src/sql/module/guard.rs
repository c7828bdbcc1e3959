//! The guard around every callback: counts how deep callbacks are within one another, and turns panics into errors.

use super::code_of;
use super::depth::Level;
use crate::error::{Error, Result};
use rusqlite::ffi;
use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a callback reports to SQLite.
pub(super) struct Failure {
    pub(super) code: c_int,
    pub(super) message: String,
}

pub(super) enum Caught {
    Error(Error),
    Panic { place: &'static str, message: String },
}

/// Runs `work`; a panic in it becomes an error.
pub(super) fn guard<R>(place: &'static str, work: impl FnOnce() -> Result<R>) -> Result<R, Caught> {
    let _level = Level::enter().map_err(Caught::Error)?;
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(outcome) => outcome.map_err(Caught::Error),
        Err(payload) => {
            let message = payload
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| payload.downcast_ref::<&str>().copied())
                .unwrap_or("no message")
                .to_owned();
            // A payload whose own destructor panics must not unwind from here.
            std::mem::forget(payload);
            Err(Caught::Panic { place, message })
        }
    }
}

pub(super) fn failure_of(caught: Caught) -> Failure {
    match caught {
        Caught::Error(error) => {
            let failure = Failure { code: code_of(&error), message: message_of(&error) };
            error.report();
            failure
        }
        Caught::Panic { place, message } => Failure {
            code: ffi::SQLITE_INTERNAL,
            message: format!("nearlite: internal error in {place}: {message}; please report it"),
        },
    }
}

/// SQLite's own message without the decoration rusqlite adds.
fn message_of(error: &Error) -> String {
    match error {
        Error::Sqlite(rusqlite::Error::SqliteFailure(_, Some(message))) => message.clone(),
        _ => error.to_string(),
    }
}
