//! nearlite: an embedded vector database in one SQLite file.
#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod ann;
mod api;
mod bitmap;
mod columns;
mod error;
mod hnsw;
#[allow(dead_code)]
mod limits;
mod query;
mod schema;
mod segment;
mod sql;
mod storage;
mod text;
mod value;
mod vector;

pub use api::{
    Collection, CollectionBuilder, Database, Door, Explain, ExplainedHit, Hit, Hits, Info, Iter, Key, Mmr,
    Search,
};
pub use columns::Op;
pub use error::{Error, Result};
pub use query::filter::{ColumnRef, Filter, col};
pub use query::fusion::{Fusion, LegScore};
pub use schema::{Column, ColumnKind, ColumnType, IndexKind, Schema, VectorSpec};
pub use sql::register;
pub use value::Value;
pub use vector::{Codes, Metric, Store};

pub use rusqlite;
#[cfg(feature = "loadable_extension")]
#[doc(hidden)]
pub use sql::set_host_routines;
