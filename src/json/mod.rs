//! JSON texts, the values that a path leads to, and filters over them.
//!
//! [`parse`] reads one text, [`find`] gives the values at a dotted path, [`JsonFilter`] is a filter as `json_matches()`
//! takes it. What a filter means is defined by [`JsonFilter::matches`] on one text; the columns of a segment give the
//! same answer for many.
//!
//! Invariants: no input overflows the stack or costs more than a small multiple of its length; of a key that is given
//! twice the last value counts; a number beyond 64 bits is the nearest float, and infinite beyond the floats.

mod filter;
mod like;
mod node;
mod parse;
mod path;
mod read;
mod scalar;
mod walk;

pub use filter::JsonFilter;
pub use like::Pattern;
pub use node::{Node, Test};
pub use parse::{Json, parse, parse_bytes};
pub use scalar::{Scalar, write_text};
pub use walk::{Leaf, is_ambiguous, walk};

#[cfg(test)]
mod tests;
