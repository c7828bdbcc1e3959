//! The Rust door: typed rows in, hits out, over the same table that SQL sees.
//!
//! Writes are SQL statements on the virtual table, so transactions, conflicts and checks are SQLite's and the table's
//! own. Reads call the query engine directly, on the same connection inside a read transaction. A [`Collection`] runs
//! on the pool of a [`Database`] or on a connection of the caller's ([`Collection::on`]); the [`Access`] is that choice.
//! Nothing here touches shadow tables by itself.

mod access;
mod alter;
mod answer;
mod atomic;
mod by_key;
mod catalog;
mod change;
mod close;
mod collection;
mod collections;
mod connection_pool;
mod database;
mod feed;
mod half;
mod hits;
mod keeper;
mod key;
mod like;
mod loan;
mod long_work;
mod model;
mod options;
mod prepared;
mod queue;
mod read_row;
mod release;
mod restrict;
mod search;
mod session;
mod statement;
mod transaction;
mod upkeep;
mod values;
mod vocabulary;
mod write_cell;
mod write_row;

pub use access::Access;
pub use answer::Iter;
pub use collection::Collection;
pub use database::{CollectionBuilder, Database};
pub use hits::{Explain, ExplainedHit, Hit, Hits};
pub use key::Key;
pub use options::{OpenOptions, Synchronous};
pub use search::{Mmr, Search};
pub use transaction::Transaction;
pub use upkeep::Info;
