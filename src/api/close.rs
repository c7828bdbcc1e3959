//! The end of a [`Database`].

use super::access::Access;
use super::catalog;
use super::connection_pool::ConnectionPool;
use super::database::Database;
use super::loan;
use crate::collection::maintenance::{self, Place};
use crate::collection::{OpenCollection, cache};
use crate::error::{Error, Result};
use crate::storage::SegmentId;
use rusqlite::Connection;
use std::collections::HashSet;

impl Database {
    /// Closes the database: ends its thread, closes all connections, so that `-wal` and `-shm` go, and gives back what the process
    /// keeps of it in memory, unless the file is open otherwise in this process. Calls of other threads are waited for, for the
    /// busy timeout (30 seconds) at most; later calls through other clones and collections are errors.
    ///
    /// Without it the database is closed when its last clone or collection is dropped: errors are not reported then, and what is
    /// in memory stays there, so that opening the file again finds its indexes loaded.
    ///
    /// ```
    /// # use nearlite::{Database, Schema};
    /// # let folder = tempfile::tempdir().unwrap();
    /// let db = Database::open(folder.path().join("notes.db"))?;
    /// let notes = db.collection("notes").create(Schema::new().key("id").full_text("body"))?;
    /// notes.insert(&serde_json::json!({"id": "a", "body": "an owl"}))?;
    /// db.close()?;
    /// assert!(!folder.path().join("notes.db-wal").exists());
    /// assert!(notes.len().is_err());                                 // "the database was closed"
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Value`] when connections or the thread are still in use at the end of the timeout: they end as soon as they can; at once
    /// on a thread that is inside of a closure of this database, which then stays open. [`Error::Sqlite`] when SQLite cannot close
    /// a connection.
    pub fn close(self) -> Result<()> {
        let pool = self.pool();
        if loan::lends(pool) {
            return Err(Error::Value(
                "this thread is using a connection of the database: close it after the closure that has it"
                    .into(),
            ));
        }
        let patience = pool.busy_timeout();
        let ended = self.keeper.as_ref().is_none_or(|keeper| keeper.end(patience));
        // What is not known is not released, and goes in its time.
        let known = self.with(|conn| Ok((conn.path().map(str::to_owned), segments(conn)))).ok();
        ConnectionPool::close(pool, patience)?;
        if let Some((file, segments)) = known
            && !file.is_some_and(|file| !file.is_empty() && maintenance::is_open(&Place(file)))
        {
            cache::release(Some(&segments));
        }
        if ended { Ok(()) } else { Err(Error::Value("the thread of the database has not ended yet".into())) }
    }
}

/// The segments of all collections that can be read.
fn segments(conn: &Connection) -> HashSet<SegmentId> {
    let names = catalog::collection_names(conn).unwrap_or_default();
    let of = |name: &String| OpenCollection::open(conn, "main", name)?.storage.segments(conn);
    names.iter().filter_map(|name| of(name).ok()).flatten().map(|record| record.id).collect()
}
