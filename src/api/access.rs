//! Access to connections: where a collection runs, on a pool, or on one connection of the caller's.

use super::atomic::writing;
use super::connection_pool::{ConnectionPool, Lease};
use crate::error::Result;
use rusqlite::Connection;
use std::sync::Arc;

/// Something that can lend a connection: a [`Database`](crate::Database) or a `&Connection`.
pub trait Access: Clone + sealed::Sealed {
    /// Runs `work` with a connection on which nearlite is registered.
    #[doc(hidden)]
    fn with<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T>;

    /// Runs `work` as one unit of writing.
    #[doc(hidden)]
    fn write<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T>;

    /// A collection was written.
    #[doc(hidden)]
    fn wrote(&self, table: &str) {
        let _ = table;
    }

    /// Connections that can work at the same time.
    #[doc(hidden)]
    fn width(&self) -> usize;

    /// Whether others may write between two units of writing.
    #[doc(hidden)]
    fn lets_others_in(&self) -> bool {
        false
    }

    /// A connection held for longer than one call.
    #[doc(hidden)]
    type Held<'c>: Held
    where
        Self: 'c;

    /// A connection for longer than one call.
    #[doc(hidden)]
    fn hold(&self) -> Result<Self::Held<'_>>;

    /// Runs `work` for each index below `count`, on several threads where there are several connections; the results
    /// come in order of the index.
    #[doc(hidden)]
    fn spread<T: Send>(
        &self,
        count: usize,
        work: &(dyn Fn(&Connection, usize) -> Result<T> + Sync),
    ) -> Result<Vec<T>>;
}

/// A connection held for longer than one call.
#[doc(hidden)]
pub trait Held {
    /// Runs `work` with it.
    fn with<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T>;

    /// Whether a read transaction may stay open between calls.
    fn keeps_snapshot(&self) -> bool;
}

/// A connection of a database.
#[doc(hidden)]
pub enum Pooled {
    /// Taken out of the pool; goes back, and ends its transaction, when it is dropped.
    Lease(Lease),
    /// The only connection of a database in memory, borrowed again for each call.
    OnlyOne(Arc<ConnectionPool>),
}

impl Held for Pooled {
    fn with<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        match self {
            Self::Lease(lease) => work(lease.get()?),
            Self::OnlyOne(pool) => work(ConnectionPool::lease(pool)?.get()?),
        }
    }

    fn keeps_snapshot(&self) -> bool {
        matches!(self, Self::Lease(_))
    }
}

impl Held for &Connection {
    fn with<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        work(self)
    }

    fn keeps_snapshot(&self) -> bool {
        false
    }
}

pub(super) mod sealed {
    pub trait Sealed {}
}

impl sealed::Sealed for &Connection {}

impl Access for &Connection {
    fn with<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        work(self)
    }

    fn write<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        writing(self, || work(self))
    }

    fn width(&self) -> usize {
        1
    }

    type Held<'c>
        = &'c Connection
    where
        Self: 'c;

    fn hold(&self) -> Result<Self::Held<'_>> {
        Ok(self)
    }

    fn spread<T: Send>(
        &self,
        count: usize,
        work: &(dyn Fn(&Connection, usize) -> Result<T> + Sync),
    ) -> Result<Vec<T>> {
        (0..count).map(|at| work(self, at)).collect()
    }
}
