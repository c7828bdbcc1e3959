//! The virtual table: one collection on one connection, and where its parts meet.

use super::callers::Callers;
use super::columns::{self, Hidden, Place};
use super::cursor::TableCursor;
use super::functions::{JSON_MATCHES, json_matches};
use super::module::{AuxFunction, Change, Host, IndexInfo, Verdict, VirtualTable, code_of, opening};
use super::plan::MATCHES_JSON;
use super::{auxiliary, best_index, commands, ddl, update};
use crate::collection::{self, View, Views};
use crate::error::{Error, Result};
use crate::query::{self, Source, TextLeg};
use crate::schema::{Schema, check_name};
use crate::storage::{LogPosition, SHADOWS, Settings, Storage};
use rusqlite::ffi;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

/// Log entries after which rows are sealed in the middle of a transaction: bounds the memory of one seal. Where that cannot
/// be done, it is tried again after as many more.
const SEAL_AT_ONCE: i64 = 262_144;

/// What the table and its cursors share.
pub struct Shared {
    /// Connection and names.
    pub host: Host,
    /// Shadow tables.
    pub storage: Storage,
    /// Declared columns.
    pub schema: Schema,
    views: Rc<Views>,
    settings: RefCell<Option<([u8; 16], Rc<Settings>)>>,
    written: Cell<bool>,
    /// Half of a statement that failed is still there.
    broken: Cell<bool>,
    /// Entries of the log at which the next seal in the middle of a transaction is due.
    seal_at: Cell<i64>,
    /// See [`Host::atomically`].
    opening: String,
    matching: RefCell<Option<Matched>>,
    /// Whether a statement calls MATCH as a function: its column reads are then remembered.
    pub match_called: Cell<bool>,
    /// The statements that do.
    pub callers: Callers,
}

/// State of the table, what was asked, rows that match it.
type Matched = (([u8; 16], LogPosition), TextLeg, HashSet<i64>);

impl Shared {
    /// Settings of the table in the current snapshot.
    pub fn settings(&self) -> Result<Rc<Settings>> {
        let conn = self.host.connection();
        let nonce = match self.storage.nonce(conn) {
            Ok(nonce) => nonce,
            // A damaged root must not keep 'rebuild' from healing it.
            Err(Error::Corrupt { .. }) => return Ok(Rc::new(self.storage.settings(conn)?)),
            Err(error) => return Err(error),
        };
        if let Some((of, settings)) = &*self.settings.borrow()
            && *of == nonce
        {
            return Ok(Rc::clone(settings));
        }
        let settings = Rc::new(self.storage.settings(conn)?);
        *self.settings.borrow_mut() = Some((nonce, Rc::clone(&settings)));
        Ok(settings)
    }

    /// Runs `work` with the data source of the current snapshot.
    pub fn with_source<T>(&self, work: impl FnOnce(&Source<'_>) -> Result<T>) -> Result<T> {
        let settings = self.settings()?;
        let conn = self.host.connection();
        work(&Source { storage: &self.storage, conn, schema: &self.schema, settings: &settings })
    }

    /// The view of the current snapshot.
    pub fn view(&self) -> Result<Arc<View>> {
        let settings = self.settings()?;
        self.views.current(&self.storage, self.host.connection(), &self.schema, &settings)
    }

    /// Whether a row matches a text, for MATCH outside a search. The rows of the last query are remembered.
    pub fn row_matches(&self, leg: &TextLeg, rowid: i64) -> Result<bool> {
        let view = self.view()?;
        let state = (view.nonce, view.position);
        if let Some((of, last, rows)) = &*self.matching.borrow()
            && *of == state
            && last == leg
        {
            return Ok(rows.contains(&rowid));
        }
        let rows = self.with_source(|source| query::matching_rowids(source, &view, leg))?;
        let found = rows.contains(&rowid);
        *self.matching.borrow_mut() = Some((state, leg.clone(), rows));
        Ok(found)
    }

    /// Notes a write: the log may have to be sealed before the commit.
    pub fn wrote(&self) -> Result<()> {
        self.written.set(true);
        let conn = self.host.connection();
        let bound = self.seal_at.get();
        if conn.last_insert_rowid() < bound || self.storage.log_end(conn)?.seq < bound {
            if self.storage.pack_due(conn) {
                self.atomically(|| self.storage.pack_behind(conn))?;
            }
            return Ok(());
        }
        let sealed = self.tidy(&self.storage, &self.schema, &*self.settings()?)?;
        self.seal_at.set(if sealed { SEAL_AT_ONCE } else { bound + SEAL_AT_ONCE });
        Ok(())
    }

    /// Runs `work`, which writes to this table; if it fails, nothing of what it wrote is left.
    pub fn atomically<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.host.atomically(&self.opening, work)
    }

    /// Undoes by hand what was written before `error`. Where that fails, too, the transaction cannot be committed.
    pub fn take_back(&self, error: &Error, undo: impl FnOnce() -> Result<()>) {
        let ended = [ffi::SQLITE_IOERR, ffi::SQLITE_FULL, ffi::SQLITE_NOMEM, ffi::SQLITE_INTERRUPT];
        // After these SQLite takes back the whole transaction.
        if !ended.contains(&(code_of(error) & 0xff)) && self.atomically(undo).is_err() {
            self.broken.set(true);
        }
    }

    /// Seals the log, then merges what the settings allow inside a commit. What the connection's limits or another
    /// connection's locks do not allow now is left for later, since the rows are stored and found without it. Reports whether
    /// the log was sealed.
    fn tidy(&self, storage: &Storage, schema: &Schema, settings: &Settings) -> Result<bool> {
        let conn = self.host.connection();
        let mut go_on = |_, _| !self.host.interrupted();
        let sealed = self.atomically(|| collection::seal(storage, conn, schema, &mut go_on));
        if postponed(sealed)?.is_none() {
            return Ok(false);
        }
        let merged = self.atomically(|| collection::automerge(storage, conn, schema, settings, &mut go_on));
        postponed(merged)?;
        Ok(true)
    }

    /// Tidies the log if it has grown to its bound.
    ///
    /// The name and the table that has it may have changed since this object was made: by ALTER TABLE, by DROP TABLE, by a
    /// rollback to a savepoint. What is tidied is the table that has the name now, and nothing if none has it.
    fn tidy_if_due(&self) -> Result<()> {
        let conn = self.host.connection();
        let nonce = self.storage.nonce(conn);
        let known = self.settings.borrow().clone();
        if let (Ok(nonce), Some((of, settings))) = (&nonce, &known)
            && nonce == of
        {
            return self.tidy_if_long(&self.storage, &self.schema, settings);
        }
        if !self.storage.declaration(conn)?.is_some_and(|sql| ddl::is_declaration(&sql)) {
            return Ok(());
        }
        match nonce {
            // A damaged root must not keep the log from being sealed, which heals it.
            Ok(_) | Err(Error::Corrupt { .. }) => {}
            Err(error) => return Err(error),
        }
        let (storage, schema) = Storage::open(conn, &self.storage.database, &self.storage.table)?;
        if schema == self.schema && storage.same_form(&self.storage) {
            return self.tidy_if_long(&self.storage, &self.schema, &*self.settings()?);
        }
        self.tidy_if_long(&storage, &schema, &storage.settings(conn)?)
    }

    fn tidy_if_long(&self, storage: &Storage, schema: &Schema, settings: &Settings) -> Result<()> {
        let bound = i64::try_from(settings.delta_rows).unwrap_or(i64::MAX);
        if storage.log_end(self.host.connection())?.seq >= bound {
            self.host.keeping_last_insert_rowid(|| self.tidy(storage, schema, settings))?;
        }
        Ok(())
    }
}

/// What work that can wait has given; `None` if it has to wait.
fn postponed<T>(outcome: Result<T>) -> Result<Option<T>> {
    match outcome {
        Ok(done) => Ok(Some(done)),
        Err(error) if matches!(code_of(&error) & 0xff, ffi::SQLITE_TOOBIG | ffi::SQLITE_LOCKED) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The views of all tables of one connection. They outlive the table objects, which SQLite makes anew whenever it
/// reads the schema again; a view that is not right any more is recognised by its nonce.
#[derive(Default)]
struct ConnectionViews(RefCell<HashMap<(String, String), Rc<Views>>>);

impl ConnectionViews {
    fn of(&self, database: &str, table: &str) -> Rc<Views> {
        let key = (database.to_owned(), table.to_owned());
        Rc::clone(self.0.borrow_mut().entry(key).or_default())
    }

    fn forget(&self, database: &str, table: &str) {
        self.0.borrow_mut().remove(&(database.to_owned(), table.to_owned()));
    }
}

/// One `USING nearlite(...)` table.
pub struct Table {
    shared: Rc<Shared>,
}

impl VirtualTable for Table {
    type Cursor = TableCursor;
    const SHADOWS: &'static [&'static str] = SHADOWS;

    fn connect(host: Host, args: &[&str], create: bool) -> Result<(Self, String)> {
        let conn = host.connection();
        let (database, table) = (host.schema().to_owned(), host.table().to_owned());
        let (storage, schema) = if create {
            let schema = ddl::parse(&table, args.get(3..).unwrap_or_default())?;
            crate::collection::text_config(&schema).validate()?;
            let storage = Storage::new(&database, &table, &schema);
            storage.create(conn, &schema)?;
            (storage, schema)
        } else {
            Storage::open(conn, &database, &table)?
        };
        host.config_constraint_support()?;
        host.config_innocuous()?;
        let views = host.shared::<ConnectionViews>();
        let declaration = columns::declaration(&schema, &table);
        let opening = opening(&storage.name("delta"), "seq");
        let shared = Shared {
            host,
            storage,
            schema,
            views: views.of(&database, &table),
            settings: RefCell::default(),
            written: Cell::new(false),
            broken: Cell::new(false),
            seal_at: Cell::new(SEAL_AT_ONCE),
            opening,
            matching: RefCell::default(),
            match_called: Cell::new(false),
            callers: Callers::default(),
        };
        Ok((Self { shared: Rc::new(shared) }, declaration))
    }

    fn best_index(&self, info: &mut IndexInfo<'_>) -> Result<Verdict> {
        best_index::best_index(&self.shared, info)
    }

    fn open(&self) -> Result<TableCursor> {
        self.shared.callers.opened();
        Ok(TableCursor::new(Rc::clone(&self.shared)))
    }

    fn update(&self, change: Change<'_>) -> Result<i64> {
        // After an INSERT SQLite itself stores the rowid that this call returns.
        self.shared.host.keeping_last_insert_rowid(|| self.write(change))
    }

    fn destroy(&self) -> Result<()> {
        let conn = self.shared.host.connection();
        conn.flush_prepared_statement_cache();
        let storage = &self.shared.storage;
        self.shared.host.shared::<ConnectionViews>().forget(&storage.database, &storage.table);
        storage.destroy(conn)
    }

    fn rename(&self, new: &str) -> Result<()> {
        let conn = self.shared.host.connection();
        let taken = |name: &str| name.eq_ignore_ascii_case(new);
        if let Some(column) = self.shared.schema.columns.iter().find(|c| taken(&c.name)) {
            let table = &self.shared.storage.table;
            return Err(Error::Schema(format!(
                "{table} cannot be called {new}: it has a column {}",
                column.name
            )));
        }
        check_name(new)?;
        let shared = &self.shared;
        if shared.written.get() {
            // Before the commit another object will have the table, under its new name, which `sqlite_schema` has already.
            shared.tidy_if_long(&shared.storage, &shared.schema, &*shared.settings()?)?;
        }
        conn.flush_prepared_statement_cache();
        self.shared.storage.rename(conn, new)
    }

    fn integrity(&self, quick: bool) -> Result<Option<String>> {
        if quick {
            return Ok(None);
        }
        let shared = &self.shared;
        let settings = shared.settings()?;
        let defects =
            collection::verify(&shared.storage, shared.host.connection(), &shared.schema, &settings)?;
        Ok((!defects.is_empty()).then(|| defects.join("; ")))
    }

    fn sync(&self) -> Result<()> {
        if self.shared.broken.get() {
            let table = &self.shared.storage.table;
            return Err(Error::Value(format!(
                "{table}: a statement failed and could not be taken back; roll the transaction back"
            )));
        }
        if self.shared.written.replace(false) { self.shared.tidy_if_due() } else { Ok(()) }
    }

    fn rollback(&self) -> Result<()> {
        self.shared.broken.set(false);
        Ok(())
    }

    fn find_function(&self, name: &str, nargs: i32) -> Option<(AuxFunction, Option<u8>)> {
        if name.eq_ignore_ascii_case(JSON_MATCHES) && nargs == 2 {
            return Some((json_matches, Some(MATCHES_JSON)));
        }
        if name.eq_ignore_ascii_case("match") {
            self.shared.match_called.set(true);
        }
        let function = auxiliary::find(name);
        if function.is_some() {
            self.shared.callers.called(name);
        }
        Some((function?, None))
    }
}

impl Table {
    fn write(&self, change: Change<'_>) -> Result<i64> {
        let shared = &self.shared;
        match change {
            Change::Delete { rowid } => {
                update::delete(shared, rowid)?;
                Ok(0)
            }
            Change::Insert { rowid, values, conflict } => {
                let last = shared.host.connection().last_insert_rowid();
                let command = columns::hidden_at(&shared.schema, Hidden::Table);
                if !matches!(values.value(command), rusqlite::types::ValueRef::Null) {
                    let argument = columns::hidden_at(&shared.schema, Hidden::Rank);
                    commands::run(shared, values.value(command), values.value(argument))?;
                    return Ok(last);
                }
                update::insert(shared, rowid, &values, conflict)
            }
            Change::Update { old_rowid, new_rowid, values, conflict } => {
                update::update(shared, old_rowid, new_rowid, &values, conflict)?;
                Ok(new_rowid)
            }
        }
    }
}

/// Meaning of a column number in this table.
pub fn place(shared: &Shared, index: usize) -> Option<Place> {
    Place::of(&shared.schema, i32::try_from(index).ok()?)
}
