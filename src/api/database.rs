//! A database file with a pool of connections.

use super::collection::{Collection, told};
use super::door::{Door, Held, reading, sealed, writing};
use crate::error::{Error, Result};
use crate::query::Handle;
use crate::schema::{ColumnKind, ColumnType, Schema};
use crate::sql;
use parking_lot::{Condvar, Mutex};
use rusqlite::{Connection, OptionalExtension};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Connections a file is opened with at most; a caller beyond that waits for one.
const CONNECTIONS: usize = 16;

/// How long a writer waits for another one.
const BUSY: Duration = Duration::from_secs(5);

/// A database: cheap to clone, and used from any number of threads.
///
/// A file is opened in WAL mode, so readers and one writer do not wait for each other; a write is on the disk when
/// its call returns (`synchronous = FULL`), and waits up to 5 seconds for another writer.
///
/// ```
/// use nearlite::{Database, Metric, Schema};
///
/// let db = Database::in_memory()?;
/// let colours = db.collection("colours").create(
///     Schema::new().key("name").vector("rgb", 3, Metric::L2),
/// )?;
/// #[derive(serde::Serialize)]
/// struct Colour { name: &'static str, rgb: [f32; 3] }
/// colours.insert(&[
///     Colour { name: "red", rgb: [1.0, 0.0, 0.0] },
///     Colour { name: "orange", rgb: [1.0, 0.5, 0.0] },
///     Colour { name: "blue", rgb: [0.0, 0.0, 1.0] },
/// ])?;
/// let hits = colours.search().nearest("rgb", [0.9, 0.1, 0.0]).limit(2).run()?;
/// assert_eq!(hits[0].key(), "red");
/// assert_eq!(hits[1].key(), "orange");
/// # Ok::<(), nearlite::Error>(())
/// ```
#[derive(Clone)]
pub struct Database {
    pool: Arc<Pool>,
}

struct Pool {
    /// `None` for a database in memory, which has one connection.
    path: Option<PathBuf>,
    idle: Mutex<Idle>,
    returned: Condvar,
}

struct Idle {
    connections: Vec<Connection>,
    open: usize,
}

impl Database {
    /// Opens a file, or creates it.
    ///
    /// # Errors
    /// [`Error::Sqlite`] when the file cannot be opened or is not a SQLite database.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        // SQLite's names for a database that no second connection can see.
        let private = path.as_os_str().is_empty() || path == Path::new(":memory:");
        Self::new((!private).then(|| path.to_path_buf()))
    }

    /// A database that lives in memory until its last clone is dropped. It has one connection, so its users take
    /// turns.
    ///
    /// ```
    /// use nearlite::{Database, Schema};
    ///
    /// let db = Database::in_memory()?;
    /// db.collection("notes").create(Schema::new().key("id").full_text("body"))?;
    /// let same = db.clone();
    /// assert_eq!(same.collections()?, ["notes"]);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Sqlite`] when SQLite cannot be started.
    pub fn in_memory() -> Result<Self> {
        Self::new(None)
    }

    fn new(path: Option<PathBuf>) -> Result<Self> {
        let first = connect(path.as_deref())?;
        let idle = Mutex::new(Idle { connections: vec![first], open: 1 });
        Ok(Self { pool: Arc::new(Pool { path, idle, returned: Condvar::new() }) })
    }

    /// The collection called `name`: then say [`open`](CollectionBuilder::open), [`create`](CollectionBuilder::create)
    /// or [`create_if_missing`](CollectionBuilder::create_if_missing).
    pub fn collection(&self, name: impl Into<String>) -> CollectionBuilder {
        CollectionBuilder { database: self.clone(), name: name.into() }
    }

    /// Names of the collections in the file, in alphabetical order.
    ///
    /// # Errors
    /// [`Error::Sqlite`] when the file cannot be read.
    pub fn collections(&self) -> Result<Vec<String>> {
        self.with(tables)
    }

    /// Removes a collection with everything in it.
    ///
    /// ```
    /// # use nearlite::{Database, Schema};
    /// # let db = Database::in_memory()?;
    /// db.collection("notes").create(Schema::new().key("id").full_text("body"))?;
    /// db.drop_collection("notes")?;
    /// assert!(db.collections()?.is_empty());
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Unknown`] when there is no collection of this name.
    pub fn drop_collection(&self, name: &str) -> Result<()> {
        self.with(|conn| {
            writing(conn, || {
                let table = existing(conn, "main", name)?.ok_or_else(|| unknown(conn, name))?;
                conn.execute_batch(&format!("DROP TABLE main.{}", quote(&table))).map_err(told)
            })
        })
    }

    /// Runs `work` with a connection of the pool: for your own tables, pragmas, or a transaction that covers several
    /// collections (see [`Collection::on`]).
    ///
    /// ```
    /// # use nearlite::{Collection, Database, Schema};
    /// # let db = Database::in_memory()?;
    /// # db.collection("notes").create(Schema::new().key("id").full_text("body"))?;
    /// db.with_connection(|conn| {
    ///     conn.execute_batch("CREATE TABLE authors(name TEXT)")?;
    ///     let tx = conn.unchecked_transaction()?;
    ///     tx.execute("INSERT INTO authors VALUES('Ada')", [])?;
    ///     let note = serde_json::json!({"id": "n1", "body": "on the analytical engine"});
    ///     Collection::on(&tx, "notes")?.insert(&note)?;
    ///     Ok(tx.commit()?)
    /// })?;
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of `work`, and [`Error::Sqlite`] when no connection can be opened.
    pub fn with_connection<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.with(work)
    }

    /// Takes a connection out of the pool; opens one when none is idle, waits when too many are open.
    pub(super) fn lease(&self) -> Result<Lease> {
        let pool = Arc::clone(&self.pool);
        let most = self.width();
        let mut idle = pool.idle.lock();
        let conn = loop {
            if let Some(conn) = idle.connections.pop() {
                break conn;
            }
            if idle.open < most {
                idle.open += 1;
                drop(idle);
                match connect(pool.path.as_deref()) {
                    Ok(conn) => break conn,
                    Err(error) => {
                        pool.idle.lock().open -= 1;
                        pool.returned.notify_one();
                        return Err(error);
                    }
                }
            }
            pool.returned.wait(&mut idle);
        };
        Ok(Lease { conn: Some(conn), pool: Arc::clone(&self.pool) })
    }

    /// Whether every caller shares one connection.
    pub(super) fn is_in_memory(&self) -> bool {
        self.pool.path.is_none()
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("path", &self.pool.path).finish()
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
        if let Some(conn) = self.conn.take() {
            if !conn.is_autocommit() {
                // A transaction that its owner left open must not leak into the next user's work.
                let _ = conn.execute_batch("ROLLBACK");
            }
            self.pool.idle.lock().connections.push(conn);
            self.pool.returned.notify_one();
        }
    }
}

impl sealed::Sealed for Database {}

impl Door for Database {
    fn with<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        work(self.lease()?.get()?)
    }

    fn width(&self) -> usize {
        if self.is_in_memory() { 1 } else { CONNECTIONS }
    }

    fn hold(&self) -> Result<Held<'_>> {
        if self.is_in_memory() { Ok(Held::Shared(self.clone())) } else { self.lease().map(Held::Lease) }
    }

    fn spread<T: Send>(
        &self,
        count: usize,
        work: &(dyn Fn(&Connection, usize) -> Result<T> + Sync),
    ) -> Result<Vec<T>> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = cores.min(self.width()).min(count);
        if threads <= 1 {
            return self.with(|conn| (0..count).map(|at| work(conn, at)).collect());
        }
        let next = AtomicUsize::new(0);
        let run = || -> Result<Vec<(usize, T)>> {
            self.with(|conn| {
                let mut done = Vec::new();
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= count {
                        return Ok(done);
                    }
                    match work(conn, at) {
                        Ok(answer) => done.push((at, answer)),
                        Err(error) => {
                            // The others stop at their next turn.
                            next.store(count, Ordering::Relaxed);
                            return Err(error);
                        }
                    }
                }
            })
        };
        let results: Vec<Result<Vec<(usize, T)>>> = std::thread::scope(|scope| {
            // Where the system has no more threads, fewer do the work.
            let spawn = |_| std::thread::Builder::new().spawn_scoped(scope, run).ok();
            let workers: Vec<_> = (1..threads).map_while(spawn).collect();
            let mut results = vec![run()];
            let join = |worker: std::thread::ScopedJoinHandle<'_, _>| {
                worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            results.extend(workers.into_iter().map(join));
            results
        });
        let mut all = Vec::with_capacity(count);
        for result in results {
            all.extend(result?);
        }
        all.sort_unstable_by_key(|(at, _)| *at);
        Ok(all.into_iter().map(|(_, answer)| answer).collect())
    }
}

fn connect(path: Option<&Path>) -> Result<Connection> {
    let conn = match path {
        Some(path) => Connection::open(path)?,
        None => Connection::open_in_memory()?,
    };
    conn.busy_timeout(BUSY)?;
    conn.set_prepared_statement_cache_capacity(64);
    if path.is_some() {
        // A file on read-only media keeps the journal mode it has.
        conn.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0)).or_else(
            |error| match error.sqlite_error_code() {
                Some(rusqlite::ErrorCode::ReadOnly | rusqlite::ErrorCode::CannotOpen) => Ok(String::new()),
                _ => Err(error),
            },
        )?;
        conn.pragma_update(None, "synchronous", "FULL")?;
    }
    sql::register(&conn)?;
    Ok(conn)
}

/// Names a collection and says whether it must exist.
#[derive(Debug, Clone)]
pub struct CollectionBuilder {
    database: Database,
    name: String,
}

impl CollectionBuilder {
    /// The collection, which must exist.
    ///
    /// # Errors
    /// [`Error::Unknown`] naming the collections there are.
    pub fn open(&self) -> Result<Collection> {
        let handle = self.database.with(|conn| open(conn, "main", &self.name))?;
        Ok(Collection::new(self.database.clone(), handle))
    }

    /// Makes the collection, which must not exist.
    ///
    /// # Errors
    /// [`Error::Schema`] when it exists or the schema is wrong.
    pub fn create(&self, schema: Schema) -> Result<Collection> {
        self.make(schema, false)
    }

    /// Makes the collection, or opens it when there is one with the same schema.
    ///
    /// ```
    /// # use nearlite::{Database, Schema};
    /// # let db = Database::in_memory()?;
    /// let schema = || Schema::new().key("id").full_text("body");
    /// let notes = db.collection("notes").create_if_missing(schema())?;       // made
    /// let again = db.collection("notes").create_if_missing(schema())?;       // opened
    /// assert!(db.collection("notes").create_if_missing(schema().text("lang")).is_err());
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Schema`] naming the first difference when there is one with another schema.
    pub fn create_if_missing(&self, schema: Schema) -> Result<Collection> {
        self.make(schema, true)
    }

    fn make(&self, schema: Schema, may_exist: bool) -> Result<Collection> {
        schema.validate(&self.name)?;
        let handle = self.database.with(|conn| {
            if may_exist {
                // The usual case needs no write lock.
                let found = reading(conn, || match existing(conn, "main", &self.name)? {
                    Some(table) => Handle::open(conn, "main", &table).map(Some),
                    None => Ok(None),
                })?;
                if let Some(handle) = found {
                    same(&handle, &schema)?;
                    return Ok(handle);
                }
            }
            writing(conn, || {
                if let Some(table) = existing(conn, "main", &self.name)? {
                    if !may_exist {
                        return Err(Error::Schema(format!(
                            "there is a collection {table} already; open it instead"
                        )));
                    }
                    let handle = Handle::open(conn, "main", &table)?;
                    same(&handle, &schema)?;
                    return Ok(handle);
                }
                if let Some(kind) = taken(conn, &self.name)? {
                    let name = &self.name;
                    return Err(Error::Schema(format!(
                        "there is {kind} {name} already; choose another name for the collection"
                    )));
                }
                let columns = sql::write_schema(&schema);
                conn.execute_batch(&format!(
                    "CREATE VIRTUAL TABLE main.{} USING nearlite({columns})",
                    quote(&self.name)
                ))
                .map_err(told)?;
                Handle::open(conn, "main", &self.name)
            })
        })?;
        Ok(Collection::new(self.database.clone(), handle))
    }
}

pub(super) fn open(conn: &Connection, database: &str, name: &str) -> Result<Handle> {
    reading(conn, || {
        let table = existing(conn, database, name)?.ok_or_else(|| unknown(conn, name))?;
        Handle::open(conn, database, &table)
    })
}

pub(super) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The table `t_root` tells our tables from those of other modules in whose declaration our name occurs.
const NEARLITE_TABLES: &str = "type = 'table' AND sql LIKE 'CREATE VIRTUAL TABLE%USING%nearlite%' \
     AND name || '_root' COLLATE NOCASE IN (SELECT name FROM";

/// Name, as it was declared, of the collection called `name`.
fn existing(conn: &Connection, database: &str, name: &str) -> Result<Option<String>> {
    let sql = format!(
        "SELECT name FROM {0}.sqlite_schema WHERE {NEARLITE_TABLES} {0}.sqlite_schema) AND name = ?1 COLLATE NOCASE",
        quote(database)
    );
    Ok(conn.prepare_cached(&sql)?.query_row([name], |row| row.get(0)).optional()?)
}

/// What else is called `name`.
fn taken(conn: &Connection, name: &str) -> Result<Option<&'static str>> {
    let sql = "SELECT type FROM main.sqlite_schema WHERE name = ?1 COLLATE NOCASE AND type <> 'trigger'";
    let kind: Option<String> = conn.prepare_cached(sql)?.query_row([name], |row| row.get(0)).optional()?;
    Ok(kind.map(|kind| match kind.as_str() {
        "index" => "an index",
        "view" => "a view",
        _ => "a table",
    }))
}

/// The error of work on a collection that is not there any more, said plainly; any other error as it is.
pub(super) fn gone(conn: &Connection, handle: &Handle, error: Error) -> Error {
    let (database, table) = (&handle.storage.database, &handle.storage.table);
    if matches!(error, Error::Sqlite(_)) && matches!(existing(conn, database, table), Ok(None)) {
        return Error::Unknown(format!(
            "there is no collection {table} any more: it was dropped or renamed; open or create it again"
        ));
    }
    error
}

fn tables(conn: &Connection) -> Result<Vec<String>> {
    let sql = format!("SELECT name FROM sqlite_schema WHERE {NEARLITE_TABLES} sqlite_schema) ORDER BY name");
    let mut statement = conn.prepare_cached(&sql)?;
    let names = statement.query_map([], |row| row.get(0))?;
    Ok(names.collect::<rusqlite::Result<_>>()?)
}

fn unknown(conn: &Connection, name: &str) -> Error {
    let known = tables(conn).unwrap_or_default();
    Error::Unknown(match known.as_slice() {
        [] => format!("there is no collection {name}; create it first"),
        known => format!("there is no collection {name}; collections are {}", known.join(", ")),
    })
}

/// Whether the stored schema is the one asked for.
fn same(handle: &Handle, asked: &Schema) -> Result<()> {
    let (table, stored) = (&handle.storage.table, &handle.schema);
    if sql::write_schema(stored) == sql::write_schema(asked) {
        return Ok(());
    }
    let differs = |what: String| Err(Error::Schema(format!("{table} exists with another schema: {what}")));
    for at in 0..stored.columns.len().max(asked.columns.len()) {
        match (stored.columns.get(at), asked.columns.get(at)) {
            (Some(old), None) => {
                return differs(format!("it has a column {} that is not asked for", old.name));
            }
            (None, Some(new)) => return differs(format!("it has no column {}", new.name)),
            (Some(old), Some(new)) if sql::write_column(old) != sql::write_column(new) => {
                let (old, new) = (sql::write_column(old), sql::write_column(new));
                return differs(format!("column {} is {old}, asked for is {new}", at + 1));
            }
            _ => {}
        }
    }
    let option = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".into());
    if stored.tokenizer != asked.tokenizer {
        let (old, new) = (option(&stored.tokenizer), option(&asked.tokenizer));
        return differs(format!("its tokenizer is {old}, asked for is {new}"));
    }
    differs(format!("its model is {}, asked for is {}", option(&stored.model), option(&asked.model)))
}

/// Whether rows are identified by a text.
pub(super) fn has_text_key(schema: &Schema) -> bool {
    schema.columns.iter().any(|column| column.kind == ColumnKind::Key(ColumnType::Text))
}
