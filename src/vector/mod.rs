//! Vectors: types, metrics, kernels and codes. A leaf: knows no index and no storage.

pub(crate) mod aligned;
pub(crate) mod background;
pub(crate) mod codes;
pub(crate) mod half;
pub(crate) mod kernels;
pub(crate) mod metric;
pub(crate) mod narrow;
pub(crate) mod rotation;
mod types;

pub(crate) use half::{f16_to_f32, f32_to_f16, fits_f16};
pub use types::{Codes, Metric, Store};
