//! The bodies of the fuzz targets: each module has one `run(data)` that takes any bytes, uses the library as a user
//! would, and panics where an answer is wrong.
//!
//! `fuzz/` runs them under libFuzzer, `tests/fuzz/main.rs` without it. Nothing here reads the clock or makes random
//! numbers, so an input fails always or never. Hangs and huge allocations are for libFuzzer to notice.

pub mod declaration;
pub mod json;
pub mod model;
pub mod payload;
pub mod query_text;
pub mod vector;
pub mod r#where;

mod bytes;
mod outcome;

pub use common::Rng;
pub use outcome::honest;

#[path = "../../common/mod.rs"]
mod common;
