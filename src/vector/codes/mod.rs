//! Codes: the form of the vectors that a graph is walked on, and the query prepared for them.
//!
//! Int8: `v ≈ unit * (mean + scale * x)` with `x` in `-127..=127`, stored as `x + 128`. A query becomes signed
//! bytes too, so one integer dot product (`vpdpbusd`) serves every metric; what depends on the row only is its
//! scale and `|scale * x|²` (its factors), and cosine and ip need none when one scale fits all rows.
//! Float: the vectors themselves, `v = unit * x`.
//!
//! Invariant: keys are finite, and a smaller key means a smaller distance by codes. The largest norm of
//! `v - decoded(v)` over all rows is kept, so that the error of any distance has a provable bound.

mod blocks;
mod decode;
mod encode;
mod extent;
mod quantizer;
mod query;
mod signs;
mod view;

pub(crate) use blocks::SignBlocks;
pub(crate) use encode::CodeSet;
pub(crate) use quantizer::{Extent, Kind, LONGEST, Quantizer};
pub(crate) use query::Query;
pub(crate) use signs::{SignRows, Signs};
pub(crate) use view::View;
