//! Connections to one database, lent and taken back.
//!
//! Calls of this crate share the connections of the pool. A closure of the user's gets a connection to itself, see
//! `loan`, because what it does to it cannot be undone one by one.

use super::options::OpenOptions;
use super::queue::{Queue, Turn, Use, waits_for_itself};
use super::session::Session;
use crate::error::{Error, Result};
use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::ThreadId;
use std::time::{Duration, Instant};

/// A caller that finds all connections in use waits a moment for one, then opens another: it may be the one who holds
/// them, in iterators.
const MOMENT: Duration = Duration::from_millis(20);

pub struct ConnectionPool {
    place: PathBuf,
    options: OpenOptions,
    /// Makes a new connection ready for use.
    prepare: Prepare,
    /// A database that only one connection can see, and how that connection was when it was opened.
    private: Option<Session>,
    state: Mutex<State>,
    returned: Condvar,
    /// The same for those who wait for a loan to end.
    loan_ended: Condvar,
    queue: Queue,
}

struct State {
    idle: Vec<Connection>,
    /// Connections that are idle or leased.
    open: usize,
    /// Connections lent to closures.
    lent: usize,
    /// One that was lent, was not touched, and is for the next closure.
    spare: Option<Connection>,
    /// Who has the connection of a private database.
    holder: Option<ThreadId>,
    /// No connection is handed out any more, and none is kept.
    closed: bool,
}

impl State {
    fn refuse_closed(&self) -> Result<()> {
        let sentence = "the database was closed: open it again with Database::open";
        if self.closed { Err(Error::Value(sentence.into())) } else { Ok(()) }
    }
}

type Prepare = fn(&Connection) -> Result<()>;

impl ConnectionPool {
    /// Opens the first connection.
    pub fn open(path: &Path, options: &OpenOptions, prepare: Prepare) -> Result<Arc<Self>> {
        let private = is_private(path);
        options.check(private)?;
        // A later connection must find the file even if the process has gone to another folder.
        let is_file = !private && !path.to_string_lossy().starts_with("file:");
        let absolute = is_file.then(|| std::path::absolute(path).ok()).flatten();
        let place = absolute.unwrap_or_else(|| path.to_path_buf());
        let first = options.connect(&place, private, prepare)?;
        Ok(Arc::new(Self {
            place,
            options: options.clone(),
            prepare,
            private: if private { Some(Session::of(&first)?) } else { None },
            state: Mutex::new(State {
                idle: vec![first],
                open: 1,
                lent: 0,
                spare: None,
                holder: None,
                closed: false,
            }),
            returned: Condvar::new(),
            loan_ended: Condvar::new(),
            queue: Queue::default(),
        }))
    }

    /// Connections that can work at the same time without another being opened.
    pub fn width(&self) -> usize {
        if self.is_private() { 1 } else { self.options.pool_size }
    }

    /// Whether no second connection can see the database.
    pub fn is_private(&self) -> bool {
        self.private.is_some()
    }

    /// How long others are waited for.
    pub fn busy_timeout(&self) -> Duration {
        self.options.busy_timeout
    }

    /// Whether a lock in one is a lock in the other: two databases of one program may have opened the same file.
    pub fn same_file(&self, other: &Self) -> bool {
        std::ptr::eq(self, other) || !self.is_private() && !other.is_private() && self.place == other.place
    }

    /// Where the database is.
    pub fn path(&self) -> &Path {
        &self.place
    }

    /// Waits for the turn to write.
    pub(super) fn turn(&self, kind: Use, hopeless: bool) -> Result<Turn<'_>> {
        self.refuse_holder(&self.state.lock())?;
        if hopeless {
            return Err(waits_for_itself());
        }
        self.queue.turn(kind, self.options.busy_timeout)
    }

    /// Takes a connection out of the pool.
    pub fn lease(pool: &Arc<Self>) -> Result<Lease> {
        let mut state = pool.state.lock();
        let mut waited = false;
        let conn = loop {
            state.refuse_closed()?;
            pool.refuse_holder(&state)?;
            if let Some(conn) = state.idle.pop() {
                break conn;
            }
            if pool.is_private() {
                pool.returned.wait(&mut state);
            } else if state.open < pool.width() || waited {
                state.open += 1;
                drop(state);
                let opened = pool.connect();
                state = pool.state.lock();
                break opened.inspect_err(|_| state.open -= 1)?;
            } else {
                waited = pool.returned.wait_for(&mut state, MOMENT).timed_out();
            }
        };
        if pool.is_private() {
            state.holder = Some(std::thread::current().id());
        }
        drop(state);
        Ok(Lease { conn: Some(conn), pool: Arc::clone(pool) })
    }

    /// A connection for a closure, as it was opened: for it alone, or the only one of a private database.
    pub(super) fn take(pool: &Arc<Self>) -> Result<Connection> {
        if pool.is_private() {
            return Self::lease(pool)?.into_connection();
        }
        let mut state = pool.state.lock();
        if state.lent >= pool.width() {
            pool.loan_ended.wait_for(&mut state, MOMENT);
        }
        state.refuse_closed()?;
        state.lent += 1;
        if let Some(conn) = state.spare.take() {
            return Ok(conn);
        }
        drop(state);
        pool.connect().inspect_err(|_| pool.state.lock().lent -= 1)
    }

    /// The end of what [`take`](Self::take) began; `touched` when the closure may have changed more than rows.
    pub(super) fn give_back(&self, conn: Connection, touched: bool) {
        roll_back(&conn);
        if let Some(session) = &self.private {
            if touched {
                session.restore(&conn);
            }
            return self.put(conn);
        }
        let mut state = self.state.lock();
        if touched || state.closed || state.spare.is_some() {
            // Who closes the database waits until it is closed.
            drop(state);
            drop(conn);
            state = self.state.lock();
        } else {
            state.spare = Some(conn);
        }
        state.lent -= 1;
        self.loan_ended.notify_one();
        if state.closed {
            self.returned.notify_all();
        }
    }

    fn put(&self, conn: Connection) {
        let mut state = self.state.lock();
        state.holder = None;
        if state.closed || state.idle.len() >= self.width() {
            drop(state);
            drop(conn);
            state = self.state.lock();
            state.open -= 1;
        } else {
            state.idle.push(conn);
        }
        if state.closed {
            self.returned.notify_all();
        } else {
            self.returned.notify_one();
        }
    }

    /// Closes all connections, and waits no longer than this for those that are in use. Nobody gets one any more.
    pub(super) fn close(&self, patience: Duration) -> Result<()> {
        let mut state = self.state.lock();
        self.refuse_holder(&state)?;
        state.closed = true;
        let mut idle = std::mem::take(&mut state.idle);
        state.open -= idle.len();
        idle.extend(state.spare.take());
        self.returned.notify_all();
        self.loan_ended.notify_all();
        drop(state);
        let mut outcome = Ok(());
        for conn in idle {
            outcome = outcome.and(conn.close().map_err(|(_, error)| Error::from(error)));
        }
        let end = Instant::now() + patience;
        let mut state = self.state.lock();
        while state.open + state.lent > 0 {
            if self.returned.wait_until(&mut state, end).timed_out() {
                let count = state.open + state.lent;
                return Err(Error::Value(format!(
                    "{count} connections of the database are still in use, by calls, closures or iterators that have not \
                     ended; each is closed when they do"
                )));
            }
        }
        outcome
    }

    fn connect(&self) -> Result<Connection> {
        self.options.connect(&self.place, self.is_private(), self.prepare)
    }

    /// A thread that holds the only connection would wait for itself.
    fn refuse_holder(&self, state: &State) -> Result<()> {
        if state.holder != Some(std::thread::current().id()) {
            return Ok(());
        }
        Err(Error::Value(
            "a database in memory has one connection, and this thread is using it: work on that connection, \
             with Collection::on or Transaction::collection, or after the call that lent it"
                .into(),
        ))
    }
}

/// A connection that goes back to its pool.
#[doc(hidden)]
pub struct Lease {
    conn: Option<Connection>,
    pool: Arc<ConnectionPool>,
}

impl Lease {
    pub(super) fn get(&self) -> Result<&Connection> {
        self.conn.as_ref().ok_or(Error::Sqlite(rusqlite::Error::InvalidQuery))
    }

    fn into_connection(mut self) -> Result<Connection> {
        self.conn.take().ok_or(Error::Sqlite(rusqlite::Error::InvalidQuery))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(conn) = self.conn.take() else { return };
        roll_back(&conn);
        self.pool.put(conn);
    }
}

/// A transaction that its owner left open must not leak into the next user's work.
fn roll_back(conn: &Connection) {
    if !conn.is_autocommit() {
        let _ = conn.execute_batch("ROLLBACK");
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
