//! A connection lent to a closure of the user's.
//!
//! The closure may register functions, set pragmas, attach databases, make temporary tables: none of it may reach the
//! next user. No list of what can be changed on a connection stays complete, and SQLite does not tell most of it. So
//! closures never get a connection that the calls of this crate use, and one that a closure got hold of is closed after
//! it. To open another takes 0.1 ms and 0.02 ms for each collection in the file, and 0.3 ms more when a collection is
//! first used on it. A transaction that works on collections only leaves nothing behind: its connection is kept. The one
//! connection of a database in memory cannot be closed; `session` says what is put back there.
//!
//! Which connections a thread has on loan is known to the thread, so that a write which would wait for its own
//! transaction is an error at once.

use super::connection_pool::ConnectionPool;
use super::queue::{Turn, Use};
use crate::error::{Error, Result};
use rusqlite::{Connection, TransactionState};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

thread_local! {
    /// The connections that this thread has on loan, with their pools.
    static LENT: RefCell<Vec<(Arc<ConnectionPool>, Rc<Connection>)>> = const { RefCell::new(Vec::new()) };
}

/// The turn to write to the database of `pool`.
///
/// # Errors
/// A thread that would wait for itself: for the turn that it has, or for a transaction on a connection that it has on loan.
pub(super) fn turn(pool: &ConnectionPool, kind: Use) -> Result<Turn<'_>> {
    pool.turn(kind, writes(pool))
}

/// Whether this thread has a connection to the database of `pool` on loan on which it writes.
fn writes(pool: &ConnectionPool) -> bool {
    let writes =
        |conn: &Connection| matches!(conn.transaction_state(Some("main")), Ok(TransactionState::Write));
    LENT.try_with(|lent| lent.borrow().iter().any(|(of, conn)| of.same_file(pool) && writes(conn)))
        .unwrap_or(false)
}

/// Whether this thread has a connection of `pool` on loan.
pub(super) fn lends(pool: &ConnectionPool) -> bool {
    LENT.try_with(|lent| lent.borrow().iter().any(|(of, _)| std::ptr::eq(Arc::as_ptr(of), pool)))
        .unwrap_or(false)
}

/// A connection on loan; it goes back when this is dropped.
pub(super) struct Loan {
    conn: Option<Rc<Connection>>,
    touched: Cell<bool>,
    pool: Arc<ConnectionPool>,
}

impl Loan {
    pub fn new(pool: &Arc<ConnectionPool>) -> Result<Self> {
        // It would wait for this very thread, whoever else writes.
        let hopeless = writes(pool);
        let conn = Rc::new(ConnectionPool::take(pool)?);
        let (kept, touched) = (Some(Rc::clone(&conn)), Cell::new(hopeless));
        let loan = Self { conn: kept, touched, pool: Arc::clone(pool) };
        if hopeless {
            conn.busy_timeout(Duration::ZERO)?;
        }
        let _ = LENT.try_with(|lent| lent.borrow_mut().push((Arc::clone(pool), conn)));
        Ok(loan)
    }

    /// The connection, for use by this crate.
    pub fn get(&self) -> Result<&Connection> {
        self.conn.as_deref().ok_or(Error::Sqlite(rusqlite::Error::InvalidQuery))
    }

    /// Says that the closure has got hold of the connection.
    pub fn touch(&self) {
        self.touched.set(true);
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        let Some(conn) = self.conn.take() else { return };
        let _ = LENT.try_with(|lent| lent.borrow_mut().retain(|(_, other)| !Rc::ptr_eq(other, &conn)));
        if let Some(conn) = Rc::into_inner(conn) {
            self.pool.give_back(conn, self.touched.get());
        }
    }
}
