//! Connections to one database, lent and taken back, and the queue of its writers.

use crate::error::{Error, Result};
use parking_lot::{Condvar, FairMutex, FairMutexGuard, Mutex};
use rusqlite::{Connection, ErrorCode, ffi};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::ThreadId;
use std::time::Duration;

/// Connections that are kept open while nobody uses them. A caller that finds so many in use waits a moment for one, then
/// opens another: it may be the one who holds them, in iterators.
const CONNECTIONS: usize = 16;
const MOMENT: Duration = Duration::from_millis(20);

/// How long a writer waits for another one.
const BUSY: Duration = Duration::from_secs(5);

pub(super) struct Pool {
    place: PathBuf,
    /// Makes a new connection ready for use.
    prepare: Prepare,
    /// A database that only one connection can see.
    private: bool,
    idle: Mutex<Idle>,
    returned: Condvar,
    /// Writers queue here: SQLite lets those who wait try again after naps of growing length, and some never hit on
    /// a free moment between the others.
    writer: FairMutex<()>,
}

struct Idle {
    connections: Vec<Connection>,
    open: usize,
    /// Who has the connection of a private database.
    holder: Option<ThreadId>,
}

type Prepare = fn(&Connection) -> Result<()>;

impl Pool {
    /// Opens the first connection.
    pub fn open(path: &Path, prepare: Prepare) -> Result<Arc<Self>> {
        let private = is_private(path);
        // A later connection must find the file even if the process has gone to another folder.
        let is_file = !private && !path.to_string_lossy().starts_with("file:");
        let absolute = is_file.then(|| std::path::absolute(path).ok()).flatten();
        let place = absolute.unwrap_or_else(|| path.to_path_buf());
        let first = connect(&place, private, prepare)?;
        let idle = Mutex::new(Idle { connections: vec![first], open: 1, holder: None });
        Ok(Arc::new(Self {
            place,
            prepare,
            private,
            idle,
            returned: Condvar::new(),
            writer: FairMutex::new(()),
        }))
    }

    /// Connections that can work at the same time without being opened anew.
    pub fn width(&self) -> usize {
        if self.private { 1 } else { CONNECTIONS }
    }

    /// Where the database is.
    pub fn path(&self) -> &Path {
        &self.place
    }

    /// Waits for the turn to write.
    pub fn turn(&self) -> Result<FairMutexGuard<'_, ()>> {
        self.refuse_holder(&self.idle.lock())?;
        self.writer.try_lock_for(BUSY).ok_or_else(|| {
            let message = "database is locked: another writer of this Database takes long";
            let code = ffi::Error::new(ffi::SQLITE_BUSY);
            Error::Sqlite(rusqlite::Error::SqliteFailure(code, Some(message.into())))
        })
    }

    /// Takes a connection out of the pool.
    pub fn lease(pool: &Arc<Self>) -> Result<Lease> {
        let mut idle = pool.idle.lock();
        let mut waited = false;
        let conn = loop {
            pool.refuse_holder(&idle)?;
            if let Some(conn) = idle.connections.pop() {
                break conn;
            }
            if !pool.private && (idle.open < CONNECTIONS || waited) {
                idle.open += 1;
                drop(idle);
                match connect(&pool.place, false, pool.prepare) {
                    Ok(conn) => {
                        idle = pool.idle.lock();
                        break conn;
                    }
                    Err(error) => {
                        pool.idle.lock().open -= 1;
                        return Err(error);
                    }
                }
            }
            if pool.private {
                pool.returned.wait(&mut idle);
            } else {
                waited = pool.returned.wait_for(&mut idle, MOMENT).timed_out();
            }
        };
        if pool.private {
            idle.holder = Some(std::thread::current().id());
        }
        drop(idle);
        Ok(Lease { conn: Some(conn), pool: Arc::clone(pool) })
    }

    /// A thread that holds the only connection would wait for itself.
    fn refuse_holder(&self, idle: &Idle) -> Result<()> {
        if idle.holder != Some(std::thread::current().id()) {
            return Ok(());
        }
        Err(Error::Value(
            "a database in memory has one connection, and this thread is using it: work on that connection, \
             with Collection::on, or after the call that lent it"
                .into(),
        ))
    }
}

/// A connection that goes back to its pool.
#[doc(hidden)]
pub struct Lease {
    conn: Option<Connection>,
    pool: Arc<Pool>,
}

impl Lease {
    pub(super) fn get(&self) -> Result<&Connection> {
        self.conn.as_ref().ok_or(Error::Sqlite(rusqlite::Error::InvalidQuery))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(conn) = self.conn.take() else { return };
        if !conn.is_autocommit() {
            // A transaction that its owner left open must not leak into the next user's work.
            let _ = conn.execute_batch("ROLLBACK");
        }
        let mut idle = self.pool.idle.lock();
        idle.holder = None;
        if idle.connections.len() >= self.pool.width() {
            idle.open -= 1;
            drop(idle);
            drop(conn);
        } else {
            idle.connections.push(conn);
            self.pool.returned.notify_one();
        }
    }
}

/// SQLite's names for a database that no second connection can see, or that should not have one: in memory, or in a file
/// without a name.
fn is_private(path: &Path) -> bool {
    let name = path.to_string_lossy();
    match name.strip_prefix("file:") {
        None => name.is_empty() || name == ":memory:",
        Some(uri) => {
            let uri = uri.split('#').next().unwrap_or_default();
            let (file, query) = uri.split_once('?').unwrap_or((uri, ""));
            file.is_empty() || file == ":memory:" || query.split('&').any(|option| option == "mode=memory")
        }
    }
}

fn connect(place: &Path, private: bool, prepare: Prepare) -> Result<Connection> {
    let conn = Connection::open(place)?;
    conn.busy_timeout(BUSY)?;
    conn.set_prepared_statement_cache_capacity(64);
    if !private {
        // A file on read-only media keeps the journal mode it has.
        conn.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0)).or_else(
            |error| match error.sqlite_error_code() {
                Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen) => Ok(String::new()),
                _ => Err(error),
            },
        )?;
        conn.pragma_update(None, "synchronous", "FULL")?;
    }
    prepare(&conn)?;
    Ok(conn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_databases_that_one_connection_sees() {
        for private in [
            "",
            ":memory:",
            "file::memory:",
            "file:",
            "file:x?mode=memory",
            "file:x?cache=shared&mode=memory#y",
        ] {
            assert!(is_private(Path::new(private)), "{private}");
        }
        for shared in
            ["x.db", "/tmp/:memory:", "file:x.db", "file:x.db?mode=ro", "file:/a/b?immutable=1", "memory"]
        {
            assert!(!is_private(Path::new(shared)), "{shared}");
        }
    }
}
