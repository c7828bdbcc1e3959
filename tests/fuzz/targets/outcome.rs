//! What may come out of a call: a value or an honest error.

use std::fmt::Display;

/// The outcome, its error as text. The library turns a panic of its own into an error that asks for a report; to find
/// one is a failure.
pub fn honest<T>(outcome: Result<T, impl Display>) -> Result<T, String> {
    outcome.map_err(|error| {
        let error = error.to_string();
        assert!(!error.starts_with("nearlite: internal error in "), "{error}");
        error
    })
}
