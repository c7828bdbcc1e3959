//! Scalar SQL functions and `vec_each`: sqlite-vec's names and meanings, and our own.
//!
//! A user who moves from sqlite-vec finds the results alike, with these departures, each towards an error or a
//! defined value instead of a silent surprise:
//! * NaN and infinities are refused everywhere, and so is JSON that is cut short or followed by more text;
//! * the cosine distance to a zero vector is 1 (there NULL), and a zero vector normalizes to itself (there NaN);
//! * `vec_to_json` writes the shortest digits that read back to the same `f32` (there six decimals);
//! * a vector marked `int8` or `bit` is not taken for `f32`; distances are summed in `f64`.

mod carried;
mod each;
mod hybrid;
mod json;
mod leg_options;
mod like;
mod near;
mod quantize;
mod vector;
mod vector_bytes;
mod words;

pub(crate) use carried::{Carried, HybridQuery, LegValue, LikeValue, NearValue, TextValue};
pub(crate) use json::{JSON_MATCHES, ROW_MATCHES, filter_text, json_matches};
pub(crate) use leg_options::LegOptions;

use super::module::{AuxFunction, register_function, register_module};
use crate::error::{Error, Result};
use rusqlite::Connection;

/// Every scalar function with its number of arguments.
const FUNCTIONS: [(&str, i32, AuxFunction); 31] = [
    ("nearlite_version", 0, |out, _| {
        out.set_text(concat!("v", env!("CARGO_PKG_VERSION")));
        Ok(())
    }),
    // The sqlite-vec release whose functions these are.
    ("vec_version", 0, |out, _| {
        out.set_text("v0.1.9-nearlite");
        Ok(())
    }),
    ("vec_debug", 0, |out, _| {
        out.set_text(&format!(
            "Version: v0.1.9-nearlite\nnearlite: v{}\nSQLite: {}\nBuild flags: {}",
            env!("CARGO_PKG_VERSION"),
            rusqlite::version(),
            std::env::consts::ARCH
        ));
        Ok(())
    }),
    ("vec_f32", 1, vector::f32),
    ("vec_f32", 2, vector::f32_of_model),
    ("vec_int8", 1, vector::int8),
    ("vec_bit", 1, vector::bit),
    ("vec_length", 1, vector::length),
    ("vec_type", 1, vector::kind),
    ("vec_add", 2, vector::add),
    ("vec_sub", 2, vector::sub),
    ("vec_normalize", 1, vector::normalize),
    ("vec_slice", 3, vector::slice),
    ("vec_to_json", 1, vector::to_json),
    ("vec_distance_cosine", 2, vector::distance_cosine),
    ("vec_distance_l2", 2, vector::distance_l2),
    ("vec_distance_l1", 2, vector::distance_l1),
    ("vec_distance_hamming", 2, vector::distance_hamming),
    ("vec_distance_ip", 2, vector::distance_ip),
    ("vec_quantize_binary", 1, quantize::binary),
    ("vec_quantize_int8", 2, quantize::int8),
    ("hybrid_query", -1, hybrid::query),
    (JSON_MATCHES, 2, json_matches),
    (ROW_MATCHES, 2, json::no_row),
    ("like_row", 1, like::like_row),
    ("like_row", 2, like::like_row),
    ("near", 2, near::near),
    ("near", 3, near::near),
    ("words", 1, words::words),
    ("text_query", 1, words::text_query),
    ("text_query", 2, words::text_query),
];

/// Registers every function on `connection`.
pub(super) fn register(connection: &Connection) -> Result<()> {
    for (name, nargs, function) in FUNCTIONS {
        register_function(connection, name, nargs, function)?;
    }
    register_module::<each::Each>(connection, "vec_each")
}

/// How SQLite's own `match` fails.
const NO_MATCH: &str = "unable to use function MATCH";

/// Registers what SQLite has as `match(2)`, a function that only fails unless a table gives it a meaning, as innocuous:
/// SQLite's own is not, so that with `trusted_schema` off a view or a trigger could not search. A `match` of the
/// application stays as it is.
pub(super) fn register_match(connection: &Connection) -> Result<()> {
    let placeholder = match connection.query_row("SELECT match(NULL, NULL)", [], |_| Ok(())) {
        Err(rusqlite::Error::SqliteFailure(_, Some(message))) => message.contains(NO_MATCH),
        _ => false,
    };
    // The failure must not stay in the handle: who opens a connection with automatic extensions looks for it there.
    // Beside a shared cache whose schema another connection changes no statement can be made, which is none of this one's faults.
    let _ = connection.query_row("SELECT 1", [], |_| Ok(()));
    if !placeholder {
        return Ok(());
    }
    register_function(connection, "match", 2, |_, _| {
        Err(Error::Value(format!("{NO_MATCH} in the requested context")))
    })
}

#[cfg(test)]
mod tests;
