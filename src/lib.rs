//! nearlite: an embedded vector database in one SQLite file.
#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod ann;
mod bitmap;
mod error;
#[allow(dead_code)]
pub(crate) mod hnsw;
mod limits;
mod schema;
mod value;
mod vector;

pub use error::{Error, Result};
pub use schema::{Column, ColumnKind, ColumnType, IndexKind, Schema, VectorSpec};
pub use value::Value;
pub use vector::{Codes, Metric, Store};

pub use rusqlite;
