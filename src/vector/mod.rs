//! Vectors: types, metrics, kernels and codes. A leaf: knows no index and no storage.

mod types;

pub use types::{Codes, Metric, Store};
