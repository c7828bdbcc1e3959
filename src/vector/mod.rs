//! Vectors: types, metrics, kernels and codes. A leaf: knows no index and no storage.

pub(crate) mod aligned;
pub(crate) mod codes;
pub(crate) mod half;
pub(crate) mod kernels;
pub(crate) mod metric;
mod types;

pub use types::{Codes, Metric, Store};
