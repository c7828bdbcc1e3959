//! The only code that reads or writes shadow tables.
//!
//! [`Storage`] knows table names and SQL, never an index: payloads are bytes here. Every call runs on the
//! caller's connection, inside whatever transaction it has open, so SQLite alone gives atomicity, isolation and
//! crash safety. Nothing is remembered between calls except prepared statements.

mod altering;
mod blob_reader;
mod blobs;
mod claims;
mod codec;
mod form;
mod kind;
mod log;
mod maker;
mod packing;
mod partial;
mod root;
mod rows;
mod run;
mod segments;
mod settings;
mod shadow;
mod stored;
mod tables;
mod tiles;
mod vectors;

pub use claims::{Claim, Range, Token};
pub use log::{LogEntry, LogOp, LogPosition};
pub use maker::Maker;
pub use partial::{Front, PartialPayload};
pub use rows::Row;
pub use segments::{PayloadEntry, PayloadKind, SegmentId, SegmentRecord};
pub use settings::{Maintenance, Settings};
pub use shadow::Storage;
pub use stored::{decode_vector, encode_vector};
pub use tables::SHADOWS;
pub use vectors::VectorBytes;
