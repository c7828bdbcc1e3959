//! The thread of a [`Database`](crate::Database) that goes on with maintenance when nobody writes.
//!
//! Commits do their share of it anyway (`collection::maintenance`). This thread sees to it that what is in progress comes to
//! its end, and takes its turn among the writers for each slice. It begins with the first write, and its connections are
//! those of the pool.

use super::connection_pool::ConnectionPool;
use super::queue::Use;
use super::statement::{change, command_sql};
use crate::collection::OpenCollection;
use crate::collection::maintenance::{self, Done};
use crate::error::Result;
use parking_lot::{Condvar, Mutex};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Between two looks at the tables that were written.
const ROUND: Duration = Duration::from_millis(20);

/// Between two looks at a builder.
const NAP: Duration = Duration::from_millis(5);

/// Wakes and ends the thread.
#[derive(Default)]
struct Signal {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    written: BTreeSet<String>,
    stop: bool,
}

impl Signal {
    /// Waits, and says whether to go on.
    fn nap(&self, time: Duration) -> bool {
        let mut state = self.state.lock();
        if !state.stop {
            self.changed.wait_for(&mut state, time);
        }
        !state.stop
    }

    /// The tables that were written, once there are any; `None` when it is over.
    fn written(&self) -> Option<BTreeSet<String>> {
        let mut state = self.state.lock();
        loop {
            if state.stop {
                return None;
            }
            if !state.written.is_empty() {
                return Some(std::mem::take(&mut state.written));
            }
            self.changed.wait(&mut state);
        }
    }
}

/// Keeps the collections of a database in order. Dropping it waits for the slice that runs.
#[derive(Default)]
pub(super) struct Keeper {
    signal: Arc<Signal>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Keeper {
    /// A collection was written.
    pub fn wrote(&self, pool: &Arc<ConnectionPool>, table: &str) {
        let mut state = self.signal.state.lock();
        if !state.written.contains(table) {
            state.written.insert(table.to_owned());
            self.signal.changed.notify_all();
        }
        drop(state);
        let mut thread = self.thread.lock();
        if thread.is_none() {
            let (signal, pool) = (Arc::clone(&self.signal), Arc::clone(pool));
            let run = move || Rounds { signal, pool, known: HashMap::new() }.run();
            // Where the system has no more threads, commits do what there is to do.
            *thread = std::thread::Builder::new().name("nearlite keeper".into()).spawn(run).ok();
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.signal.state.lock().stop = true;
        self.signal.changed.notify_all();
        if let Some(thread) = self.thread.get_mut().take() {
            // Its connections must be closed before the last one of the database is.
            let _ = thread.join();
        }
    }
}

/// What the thread does.
struct Rounds {
    signal: Arc<Signal>,
    pool: Arc<ConnectionPool>,
    /// The collections, and the nonce under which there was nothing to do.
    known: HashMap<String, (OpenCollection, Option<[u8; 16]>)>,
}

impl Rounds {
    fn run(mut self) {
        while let Some(tables) = self.signal.written() {
            for table in tables {
                // An error is the file's, which the writers will meet themselves, or that of a table which is gone.
                if self.keep(&table).is_err() {
                    self.known.remove(&table);
                }
            }
            if !self.signal.nap(ROUND) {
                return;
            }
        }
    }

    /// Does what is due on a collection, to its end.
    fn keep(&mut self, table: &str) -> Result<()> {
        while self.is_due(table)? {
            let Some(sql) = self.known.get(table).map(|(collection, _)| command_sql(collection)) else {
                break;
            };
            let done = {
                let _turn = self.pool.turn(Use::Call, false)?;
                let lease = ConnectionPool::lease(&self.pool)?;
                let conn = lease.get()?;
                let mut statement = conn.prepare_cached(&sql)?;
                change(conn, statement.query(("maintain", -1))?)?;
                maintenance::last()
            };
            match done {
                Done::Worked => {}
                Done::Waits => {
                    if !self.signal.nap(NAP) {
                        return Ok(());
                    }
                }
                Done::Nothing => break,
            }
            if self.signal.state.lock().stop {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Whether a slice may have something to do. A read, since it is asked after every write.
    fn is_due(&mut self, table: &str) -> Result<bool> {
        let lease = ConnectionPool::lease(&self.pool)?;
        let conn = lease.get()?;
        if !self.known.contains_key(table) {
            self.known.insert(table.to_owned(), (OpenCollection::open(conn, "main", table)?, None));
        }
        let Some((collection, idle)) = self.known.get_mut(table) else { return Ok(false) };
        let settings = collection.settings(conn)?;
        let (due, nonce) = maintenance::may_be_due(collection.on(conn), &settings, *idle)?;
        *idle = Some(nonce);
        Ok(due)
    }
}
