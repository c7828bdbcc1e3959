//! nearlite: an embedded vector database in one SQLite file.
//!
//! Nearest neighbours, full text and typed filters over rows that live in an ordinary SQLite database. The index is
//! part of the same file and of the same transactions as the rows: what is committed is found, what is rolled back is
//! not. There are two doors to one engine: SQL, through a virtual table, and the typed API of this page.
//!
//! ```
//! use nearlite::{col, Database, Fusion, Metric, Schema};
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Note { id: String, body: String, lang: String, year: i64, embedding: Vec<f32> }
//!
//! # let folder = tempfile::tempdir().unwrap();
//! # std::env::set_current_dir(folder.path()).unwrap();
//! // 1. A database of your own: shared by threads, with a pool of connections.
//! let db = Database::open("notes.db")?;
//! let notes = db.collection("notes").create_if_missing(
//!     Schema::new()
//!         .key("id")
//!         .full_text("body")
//!         .text("lang").integer("year")
//!         .vector("embedding", 3, Metric::Cosine),
//! )?;
//! # let note = |id: &str, body: &str, year, embedding| {
//! #     Note { id: id.into(), body: body.into(), lang: "en".into(), year, embedding }
//! # };
//! # let batch = vec![
//! #     note("n1", "vectors in sqlite", 2023, vec![1.0, 0.0, 0.0]),
//! #     note("n2", "a search of the heart", 2024, vec![0.0, 1.0, 0.0]),
//! #     note("n3", "sqlite before vectors", 2004, vec![1.0, 0.1, 0.0]),
//! # ];
//! # let query = vec![0.9, 0.1, 0.0];
//! notes.upsert(&batch)?;                                  // &[Note], one transaction
//! let hits = notes.search()
//!     .nearest("embedding", &query)                       // vector leg
//!     .text("sqlite vector search")                       // + text leg = hybrid
//!     .filter(col("lang").eq("en").and(col("year").ge(2020)))
//!     .fuse(Fusion::convex(0.45))                         // the default
//!     .limit(10)
//!     .run()?;
//! for hit in &hits {
//!     println!("{} {:.3} {:?}", hit.key(), hit.score, hit.distance);
//! }
//! let rows: Vec<Note> = hits.rows()?;
//! # assert_eq!(rows.iter().map(|note| &*note.id).collect::<Vec<_>>(), ["n1", "n2"]);
//!
//! // 2. A connection of your own: atomic with your own tables.
//! let mut conn = nearlite::rusqlite::Connection::open("notes.db")?;
//! nearlite::register(&conn)?;
//! # conn.execute_batch("CREATE TABLE authors(name TEXT)")?;
//! # let note = note("n4", "on engines", 1843, vec![0.0, 0.0, 1.0]);
//! let tx = conn.transaction()?;
//! tx.execute("INSERT INTO authors VALUES('Ada')", [])?;
//! nearlite::Collection::on(&tx, "notes")?.insert(&note)?;
//! tx.commit()?;
//! # assert_eq!(notes.len()?, 4);
//! # Ok::<(), nearlite::Error>(())
//! ```
//!
//! The same search as SQL, in any program that loads the extension or calls [`register`]:
//!
//! ```sql
//! SELECT id, score, distance FROM notes
//!  WHERE notes MATCH hybrid_query('sqlite vector search', :query) AND lang = 'en' AND year >= 2020
//!  ORDER BY rank LIMIT 10;
//! ```
//!
//! # What it is not
//! * Not a server: it runs in your process. Many processes may read a file; one at a time writes.
//! * Not an embedding model: you bring the vectors.
//! * Not for more vectors than memory holds in compressed form: an int8 code and its links take about `1.2 dim + 130`
//!   bytes a row in memory; the full vectors stay in the file.
//! * Not asynchronous: calls block, briefly. Put long ones on a thread.
//!
//! # Limits
//! 16,384 dimensions, 1,000 columns, 16 KiB of query text, filters nested 250 deep; rows as many as SQLite keeps.
//! A text value may be as large as SQLite's own limit of 1 GB.
//!
//! # Map
//! | what | where |
//! |---|---|
//! | open a file, make a collection | [`Database`], [`OpenOptions`], [`Schema`], [`VectorSpec`] |
//! | write and read rows | [`Collection`], [`Key`], [`Transaction`] |
//! | search | [`Search`], [`Hits`], [`Hit`], [`Iter`], [`Explain`] |
//! | how text queries are meant | [`TextOptions`], [`Operator`], [`Minimum`], [`Fuzzy`], [`Syntax`] |
//! | filters | [`col`], [`json`](fn@json), [`Filter`] |
//! | fusion and diversity | [`Fusion`], [`Mmr`] |
//! | SQL on your own connection | [`register`], [`Collection::on`] |
//! | an index in memory, without SQLite | [`ann`] |
//!
//! Inside, every layer calls only the ones below it: `api` and `sql` (the doors), `query` (plan, legs, fusion),
//! `collection` (immutable parts, the log of new rows, what one snapshot sees), `storage` (the shadow tables), and the
//! engines `hnsw`, `text` and `columns`, which know bytes and numbers but not SQLite.
#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod ann;
mod api;
mod bitmap;
mod collection;
mod columns;
mod courier;
mod crew;
mod error;
mod hnsw;
mod json;
mod limits;
mod memory;
mod query;
mod random;
mod schema;
mod sql;
mod storage;
mod text;
mod text_options;
mod value;
mod vector;

pub use api::{
    Access, Collection, CollectionBuilder, Database, Explain, ExplainedHit, Hit, Hits, Info, Iter, Key, Mmr,
    OpenOptions, Search, Synchronous, Transaction,
};
pub use error::{Error, Result};
pub use json::Scalar as JsonScalar;
pub use query::filter::{ColumnRef, Filter, JsonFilterText, JsonPath, JsonRef, col, json};
pub use query::fusion::{Fusion, LegScore};
#[doc(hidden)]
pub use query::planner::PartPlan;
pub use query::{Facet, Like};
pub use schema::{Column, ColumnKind, ColumnType, IndexKind, Schema, VectorSpec};
pub use sql::register;
pub use text::{Term, Token};
pub use text_options::{Fuzzy, Minimum, Operator, Syntax, TextOptions};
pub use value::{Op, Value};
pub use vector::{Codes, Metric, Store};

pub use rusqlite;
#[cfg(feature = "__loadable_extension")]
#[doc(hidden)]
pub use sql::set_host_routines;

/// The Rust in the pages beside this documentation compiles and runs.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../README.md")]
    struct Readme;
    #[doc = include_str!("../docs/interop.md")]
    struct Interop;
    #[doc = include_str!("../docs/guides/rust.md")]
    struct RustGuide;
}
