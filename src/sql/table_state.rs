//! What a virtual table and its cursors share: the open collection, and the state of SQLite's callbacks.

use super::callers::Callers;
use super::columns::ColumnRole;
use super::ddl;
use super::module::{Host, code_of, opening};
use super::upkeep::Upkeep;
use crate::collection::{Connected, Journal, OpenCollection, Pinned, Views};
use crate::error::{Error, Result};
use crate::query::filter::RowFilter;
use crate::query::{self, Leg};
use crate::storage::{LogPosition, Settings, Storage};
use rusqlite::{Connection, ffi};
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

/// What the table and its cursors share.
pub struct TableState {
    /// Connection and names.
    pub host: Host,
    /// The collection.
    pub collection: Arc<OpenCollection>,
    /// Whether the transaction has written to the table.
    pub written: Cell<bool>,
    /// Half of a statement that failed is still there.
    pub broken: Cell<bool>,
    /// Something was taken back since the last commit. SQLite's memory of the schema may then be that of before.
    pub reverted: Cell<bool>,
    /// What is known of its maintenance.
    pub upkeep: Upkeep,
    /// See [`Host::atomically`].
    opening: String,
    matching: RefCell<Option<Matched>>,
    /// The filter of rows that was read last, with its text.
    row_filter: RefCell<Option<(String, Rc<RowFilter>)>>,
    /// Whether a statement calls MATCH as a function: its column reads are then remembered.
    pub match_called: Cell<bool>,
    /// The statements that do.
    pub callers: Callers,
    cursors: Count,
    rollbacks: Rc<Rollbacks>,
}

/// Rollbacks of a connection, those to savepoints and of failed statements among them.
#[derive(Default)]
struct Rollbacks(Cell<u64>);

/// What only the connection itself can change of a snapshot that it reads: its changes, and how often some were taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changes {
    done: u64,
    rollbacks: u64,
}

impl Changes {
    /// Whether something was taken back since.
    pub fn taken_back(self, now: Self) -> bool {
        self.rollbacks != now.rollbacks
    }
}

/// State of the table, what was asked, rows that match it.
type Matched = (([u8; 16], LogPosition), Leg, HashSet<i64>);

impl TableState {
    /// Nothing has happened to the table yet.
    pub fn new(host: Host, collection: OpenCollection) -> Self {
        let opening = opening(&collection.storage.name("delta"), "seq");
        let upkeep = Upkeep::new(&host, &collection.schema);
        let cursors = host.shared::<ConnectionCursors>().of(&collection.storage.database, collection.table());
        let rollbacks = host.shared();
        Self {
            host,
            collection: Arc::new(collection),
            written: Cell::new(false),
            broken: Cell::new(false),
            reverted: Cell::new(false),
            upkeep,
            opening,
            matching: RefCell::default(),
            row_filter: RefCell::default(),
            match_called: Cell::new(false),
            callers: Callers::default(),
            cursors,
            rollbacks,
        }
    }

    /// What the connection has done so far.
    pub fn changes(&self) -> Changes {
        Changes { done: self.conn().total_changes(), rollbacks: self.rollbacks.0.get() }
    }

    /// Something was taken back.
    pub fn rolled_back(&self) {
        self.rollbacks.0.set(self.rollbacks.0.get() + 1);
    }

    /// A statement begins to read the table.
    pub fn open_cursor(&self) -> OpenCursor {
        self.cursors.set(self.cursors.get() + 1);
        OpenCursor(Rc::clone(&self.cursors))
    }

    /// Statements of the connection that read the table, perhaps through an object that it had before.
    pub fn open_cursors(&self) -> usize {
        self.cursors.get()
    }

    /// Name of the table.
    pub fn table(&self) -> &str {
        self.collection.table()
    }

    /// The connection.
    pub fn conn(&self) -> &Connection {
        self.host.connection()
    }

    /// The collection on the connection.
    pub fn on(&self) -> Connected<'_> {
        self.collection.on(self.conn())
    }

    /// What the current snapshot sees.
    pub fn pin(&self) -> Result<Pinned> {
        self.upkeep.presence.saw(!self.conn().is_autocommit());
        self.collection.pin(self.conn())
    }

    /// Settings of the table in the current snapshot. A damaged root must not keep 'rebuild' from healing it.
    pub fn settings(&self) -> Result<Arc<Settings>> {
        self.collection.settings_of_damaged(self.conn())
    }

    /// Meaning of a column number in this table.
    pub fn role(&self, index: usize) -> Option<ColumnRole> {
        ColumnRole::of(&self.collection.schema, i32::try_from(index).ok()?)
    }

    /// Whether a row matches a text, for MATCH outside a search. The rows of the last query are remembered.
    pub fn row_matches(&self, leg: &Leg, rowid: i64) -> Result<bool> {
        let pinned = self.pin()?;
        let state = (pinned.view.nonce, pinned.view.position);
        if let Some((of, last, rows)) = &*self.matching.borrow()
            && *of == state
            && last == leg
        {
            return Ok(rows.contains(&rowid));
        }
        let rows = query::matching_rowids(pinned.snapshot(self.on()), leg)?;
        let found = rows.contains(&rowid);
        *self.matching.borrow_mut() = Some((state, leg.clone(), rows));
        Ok(found)
    }

    /// The filter of rows that a text is: a statement calls `row_matches` for each row with the same one.
    pub fn row_filter(&self, text: &str) -> Result<Rc<RowFilter>> {
        if let Some((of, filter)) = &*self.row_filter.borrow()
            && of == text
        {
            return Ok(Rc::clone(filter));
        }
        let filter = Rc::new(RowFilter::read(self.table(), &self.collection.schema, text)?);
        self.row_filter.replace(Some((text.to_owned(), Rc::clone(&filter))));
        Ok(filter)
    }

    /// Before a commit, after something was taken back: makes SQLite forget what it remembers of tables that are not there any
    /// more.
    ///
    /// When a failed statement takes back a table that a statement inside of it has made, SQLite notices by the number of
    /// the schema, as soon as it compiles the next statement. Compiled after the commit, that could be once another connection
    /// has given the same number to another schema.
    pub fn know_schema(&self) {
        if self.reverted.replace(false) {
            let Connected { storage, conn, .. } = self.on();
            let sql = format!("SELECT NULL FROM {} LIMIT 0", storage.name("delta"));
            // The table may be gone: then SQLite has read the schema again.
            let _ = conn.prepare(&sql).and_then(|mut statement| statement.exists([]));
        }
    }

    /// What work that needs the tables of the index has given; `None` where they cannot be made now, which is noted.
    pub fn unless_refused<T>(&self, storage: &Storage, outcome: Result<T>) -> Result<Option<T>> {
        match outcome {
            Ok(done) => Ok(Some(done)),
            Err(error @ Error::Refused(_)) => {
                self.upkeep.refused(&storage.table, &error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Does what is due at a commit.
    ///
    /// The name and the table that has it may have changed since this object was made: by ALTER TABLE, by DROP TABLE, by a
    /// rollback to a savepoint. What is tidied is the table that has the name now, and nothing if none has it.
    pub fn tidy_if_due(&self) -> Result<()> {
        let Connected { storage: own, conn, schema: columns } = self.on();
        let nonce = own.nonce(conn);
        if let Ok(nonce) = nonce
            && let Some(settings) = self.collection.known_settings(nonce)
        {
            return self.tidy(self.on(), &settings);
        }
        if !own.declaration(conn)?.is_some_and(|sql| ddl::is_declaration(&sql)) {
            return Ok(());
        }
        match nonce {
            // A damaged root must not keep the log from being sealed, which heals it.
            Ok(_) | Err(Error::Corrupt { .. }) => {}
            Err(error) => return Err(error),
        }
        let (storage, schema) = Storage::open(conn, &own.database, &own.table)?;
        if schema == *columns && storage.same_form(own) {
            return self.tidy(self.on(), &*self.settings()?);
        }
        self.tidy(Connected { storage: &storage, conn, schema: &schema }, &storage.settings(conn)?)
    }
}

/// A statement that reads a table, for as long as it does.
pub struct OpenCursor(Count);

impl Drop for OpenCursor {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

/// How many statements of one connection read each table.
#[derive(Default)]
struct ConnectionCursors(RefCell<HashMap<(String, String), Count>>);

type Count = Rc<Cell<usize>>;

impl ConnectionCursors {
    fn of(&self, database: &str, table: &str) -> Count {
        let key = (database.to_owned(), table.to_owned());
        Rc::clone(self.0.borrow_mut().entry(key).or_default())
    }
}

impl Journal for TableState {
    /// The log may have to be sealed before the commit.
    fn wrote(&self) -> Result<()> {
        self.written.set(true);
        if self.upkeep.wrote() {
            return self.seal_amid(&*self.settings()?);
        }
        let Connected { storage, conn, .. } = self.on();
        // What is single now is packed when it is sealed.
        if storage.pack_due(conn) && !self.upkeep.is_refused() {
            let packed = self.atomically(|| storage.pack_behind(conn));
            self.unless_refused(storage, packed)?;
        }
        Ok(())
    }

    fn atomically<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.host.atomically(&self.opening, work).inspect_err(|_| self.reverted.set(true))
    }

    /// Where that fails, too, the transaction cannot be committed.
    fn take_back(&self, error: &Error, undo: impl FnOnce() -> Result<()>) {
        let ended = [ffi::SQLITE_IOERR, ffi::SQLITE_FULL, ffi::SQLITE_NOMEM, ffi::SQLITE_INTERRUPT];
        // After these SQLite takes back the whole transaction.
        if !ended.contains(&(code_of(error) & 0xff)) && self.atomically(undo).is_err() {
            self.broken.set(true);
        }
    }
}

/// The views of all tables of one connection. They outlive the table objects, which SQLite makes again whenever it
/// reads the schema again; a view that is not right any more is recognised by its nonce.
#[derive(Default)]
pub struct ConnectionViews(RefCell<HashMap<(String, String), Arc<Views>>>);

impl ConnectionViews {
    /// Those of a table.
    pub fn of(&self, database: &str, table: &str) -> Arc<Views> {
        let key = (database.to_owned(), table.to_owned());
        Arc::clone(self.0.borrow_mut().entry(key).or_default())
    }

    /// The table is dropped.
    pub fn forget(&self, database: &str, table: &str) {
        self.0.borrow_mut().remove(&(database.to_owned(), table.to_owned()));
    }
}
