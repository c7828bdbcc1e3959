//! The thread of a [`Database`](crate::Database) that goes on with maintenance when nobody writes.
//!
//! Commits do their share of it anyway (`collection::maintenance`), unless the table leaves all of it to a thread. This one
//! sees to it that what is in progress comes to its end, and takes its turn among the writers for each slice. It begins
//! with the first write, and its connections are those of the pool.

use super::catalog;
use super::connection_pool::ConnectionPool;
use super::queue::Use;
use super::statement::{change, command_sql};
use crate::collection::maintenance::policy::Zeal;
use crate::collection::maintenance::worker::{self, Attended, Hands, Signal, Tried};
use crate::collection::maintenance::{self, Kept, Place, Task};
use crate::error::{Error, Result};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Keeps the collections of a database in order. Dropping it waits for the slice that runs.
pub(super) struct Keeper {
    signal: Arc<Signal>,
    thread: Mutex<Option<JoinHandle<()>>>,
    kept: Mutex<Option<Kept>>,
}

impl Keeper {
    /// Of the database behind `pool`.
    pub fn new(pool: &Arc<ConnectionPool>) -> Self {
        let signal: Arc<Signal> = Arc::default();
        let file =
            ConnectionPool::lease(pool).ok().and_then(|lease| Some(lease.get().ok()?.path()?.to_owned()));
        let kept = Mutex::new(file.map(|file| Kept::at(Place(file), &signal)));
        Self { signal, thread: Mutex::default(), kept }
    }

    /// A collection was written.
    pub fn wrote(&self, table: &str) {
        self.signal.wrote(table);
    }

    /// Ends the thread, and waits for the slice that runs, but no longer than this. True: it has ended.
    pub fn end(&self, patience: Duration) -> bool {
        self.signal.stop();
        let kept = self.kept.lock().take();
        drop(kept);
        let has_begun = self.thread.lock().is_some();
        !has_begun || self.signal.wait_for_end(patience)
    }

    /// Begins the thread: before the write, whose commit leaves its work to a thread that is there. Where the system has no more
    /// threads, commits do what there is to do.
    pub fn start(&self, pool: &Arc<ConnectionPool>) {
        let mut thread = self.thread.lock();
        if thread.is_none() {
            let (signal, pool) = (Arc::clone(&self.signal), Arc::clone(pool));
            let run = move || {
                let ended = Ended(signal);
                worker::run(&ended.0, &mut Turns { pool, known: HashMap::new() });
            };
            *thread = std::thread::Builder::new().name("nearlite keeper".into()).spawn(run).ok();
            if thread.is_some()
                && let Some(kept) = &*self.kept.lock()
            {
                kept.begin();
            }
        }
    }
}

/// Says at its end that the thread has ended.
struct Ended(Arc<Signal>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.signal.stop();
        if let Some(thread) = self.thread.get_mut().take() {
            // Its connections must be closed before the last one of the database is.
            let _ = thread.join();
        }
    }
}

/// Works on connections of the pool, in turn with the writers.
struct Turns {
    pool: Arc<ConnectionPool>,
    /// The collections, and the nonces under which there was nothing to do.
    known: HashMap<String, Attended>,
}

impl Hands for Turns {
    fn is_due(&mut self, table: &str, zeal: Zeal) -> Result<bool> {
        let lease = ConnectionPool::lease(&self.pool)?;
        match Attended::is_due(&mut self.known, lease.get()?, table, zeal) {
            Err(Error::Sqlite(error)) if worker::is_busy(&error) => Ok(true),
            other => other,
        }
    }

    fn slice(&mut self, table: &str, zeal: Zeal) -> Result<Tried> {
        let rank = Task::Keep(zeal).rank();
        let Some(attended) = self.known.get_mut(table) else { return Ok(Tried::Refused) };
        let sql = command_sql(attended.collection());
        let _turn = match self.pool.turn(Use::Call, false) {
            // A closure keeps the others waiting.
            Err(Error::Sqlite(error)) if worker::is_busy(&error) => return Ok(Tried::Refused),
            turn => turn?,
        };
        let lease = ConnectionPool::lease(&self.pool)?;
        let conn = lease.get()?;
        // While another process has the file, writers are not to wait for this turn. A handler of the application shows as 0.
        let timeout: i64 = conn.query_row("PRAGMA busy_timeout", [], |row| row.get(0))?;
        let set = |timeout: i64| conn.query_row(&format!("PRAGMA busy_timeout = {timeout}"), [], |_| Ok(()));
        if timeout > 0 {
            set(0)?;
        }
        let attempt = || change(conn, conn.prepare_cached(&sql)?.query(("maintain", rank))?);
        let outcome = attempt();
        if timeout > 0 {
            set(timeout)?;
        }
        match outcome {
            Ok(_) => {
                attended.tried(zeal, maintenance::last());
                Ok(Tried::Done(maintenance::last()))
            }
            Err(Error::Sqlite(error)) if worker::is_busy(&error) => Ok(Tried::Refused),
            Err(error) => Err(error),
        }
    }

    /// An error is the file's, which the writers may meet themselves, or that of a table which is gone.
    fn forget(&mut self, table: &str, error: &Error) -> bool {
        self.known.remove(table);
        let Ok(lease) = ConnectionPool::lease(&self.pool) else { return false };
        let Ok(conn) = lease.get() else { return false };
        let is_there = matches!(catalog::declared_name(conn, "main", table), Ok(Some(_)) | Err(_));
        let is_trouble = !matches!(error, Error::Sqlite(error) if worker::is_busy(error));
        if is_there
            && is_trouble
            && let Some(file) = conn.path()
        {
            maintenance::set_trouble(&Place(file.to_owned()), table, Some(error.to_string()));
        }
        is_there
    }

    fn note_wait(&mut self, table: &str, why: Option<&str>) {
        let Ok(lease) = ConnectionPool::lease(&self.pool) else { return };
        if let Some(file) = lease.get().ok().and_then(|conn| conn.path()) {
            maintenance::set_obstacle(&Place(file.to_owned()), table, why);
        }
    }
}
