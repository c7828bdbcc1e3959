//! nearlite: an embedded vector database in one SQLite file.
#![deny(unsafe_code)]
#![warn(missing_docs)]

mod bitmap;
mod error;
mod limits;
mod schema;
mod sql;
mod value;
mod vector;

pub use error::{Error, Result};
pub use schema::{Column, ColumnKind, ColumnType, IndexKind, Schema, VectorSpec};
pub use sql::register;
pub use value::Value;
pub use vector::{Codes, Metric, Store};

pub use rusqlite;
#[cfg(feature = "loadable_extension")]
#[doc(hidden)]
pub use sql::set_host_routines;
