//! How a database is opened: what every connection of its pool has in common.

use crate::error::{Error, Result};
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How a [`Database`](crate::Database) is opened, said piece by piece. What is said here holds for every connection of the pool.
///
/// ```
/// use nearlite::{OpenOptions, Schema, Synchronous};
/// use nearlite::rusqlite::functions::FunctionFlags;
/// use std::time::Duration;
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("notes.db");
/// let db = OpenOptions::new()
///     .busy_timeout(Duration::from_secs(60))
///     .synchronous(Synchronous::Normal)
///     .on_connect(|conn| {
///         let deterministic = FunctionFlags::SQLITE_DETERMINISTIC;
///         conn.create_scalar_function("is_even", 1, deterministic, |context| Ok(context.get::<i64>(0)? % 2 == 0))?;
///         Ok(())
///     })
///     .open(path)?;
/// let points = db.collection("points").create(Schema::new().integer_key("id").integer("x"))?;
/// points.insert(&[serde_json::json!({"id": 1}), serde_json::json!({"id": 2})])?;
/// assert_eq!(points.search().filter_sql("is_even(id)", []).run()?.keys(), [2]);
/// # Ok::<(), nearlite::Error>(())
/// ```
#[derive(Clone)]
pub struct OpenOptions {
    pub(super) busy_timeout: Duration,
    pub(super) pool_size: usize,
    synchronous: Synchronous,
    read_only: bool,
    maintenance: bool,
    threads: Option<usize>,
    on_connect: Vec<Arc<Hook>>,
}

/// SQLite counts milliseconds in 32 bits: longer is as long as that, 25 days. So a moment after it can be named, too.
const LONGEST_PATIENCE: Duration = Duration::from_millis(i32::MAX as u64);

type Hook = dyn Fn(&Connection) -> Result<()> + Send + Sync;

/// When a commit is safe on the disk; SQLite's `PRAGMA synchronous`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Synchronous {
    /// Never waited for: a power failure may damage the file. For files that can be made again.
    Off,
    /// The file stays whole, and a power failure may undo the last commits.
    Normal,
    /// Before the call that wrote returns.
    #[default]
    Full,
    /// As `Full`, and the folder is synced when a rollback journal is deleted.
    Extra,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for OpenOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenOptions")
            .field("busy_timeout", &self.busy_timeout)
            .field("pool_size", &self.pool_size)
            .field("synchronous", &self.synchronous)
            .field("read_only", &self.read_only)
            .field("maintenance", &self.maintenance)
            .field("threads", &self.threads)
            .field("on_connect", &self.on_connect.len())
            .finish()
    }
}

impl OpenOptions {
    /// What [`Database::open`](crate::Database::open) opens with: 30 seconds of patience, 16 connections, every commit synced, for reading and
    /// writing.
    pub fn new() -> Self {
        Self {
            busy_timeout: Duration::from_secs(30),
            pool_size: 16,
            synchronous: Synchronous::default(),
            read_only: false,
            maintenance: true,
            threads: None,
            on_connect: Vec::new(),
        }
    }

    /// How long a writer waits for a transaction that is not a call of this `Database` to its end: one of another
    /// process or connection, or a closure of [`Database::transaction`](crate::Database::transaction). Then the error is "database is locked". For
    /// the calls of the same `Database`, such as a long [`optimize`](crate::Collection::optimize), it waits without a
    /// bound: they take turns, and each ends by itself.
    ///
    /// ```
    /// use nearlite::{OpenOptions, rusqlite::Connection};
    /// use std::time::Duration;
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("notes.db");
    /// let db = OpenOptions::new().busy_timeout(Duration::from_millis(50)).open(&path)?;
    /// let other = Connection::open(&path)?;
    /// other.execute_batch("BEGIN IMMEDIATE")?;
    /// let error = db.transaction(|_| Ok(())).unwrap_err();
    /// assert_eq!(error.to_string(), "database is locked");
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    pub fn busy_timeout(&mut self, patience: Duration) -> &mut Self {
        self.busy_timeout = patience.min(LONGEST_PATIENCE);
        self
    }

    /// Connections that stay open, 16 when not given: as many calls run at once without opening another. Those of
    /// [`Database::with_connection`](crate::Database::with_connection) and [`Database::transaction`](crate::Database::transaction) come on top.
    ///
    /// ```
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("notes.db");
    /// let db = nearlite::OpenOptions::new().pool_size(4).open(path)?;
    /// # assert!(db.collections()?.is_empty());
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    pub fn pool_size(&mut self, connections: usize) -> &mut Self {
        self.pool_size = connections;
        self
    }

    /// When a commit is safe on the disk; [`Synchronous::Full`] when not given.
    ///
    /// ```
    /// use nearlite::{OpenOptions, Synchronous};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("notes.db");
    /// let db = OpenOptions::new().synchronous(Synchronous::Off).open(path)?;      // an import that can be repeated
    /// let level: i64 = db.with_connection(|conn| Ok(conn.query_row("PRAGMA synchronous", [], |row| row.get(0))?))?;
    /// assert_eq!(level, 0);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    pub fn synchronous(&mut self, synchronous: Synchronous) -> &mut Self {
        self.synchronous = synchronous;
        self
    }

    /// Opens a file that exists for reading only: nothing creates or changes it, and a write is an error.
    ///
    /// ```
    /// use nearlite::{Database, OpenOptions, Schema};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("notes.db");
    /// Database::open(&path)?.collection("notes").create(Schema::new().key("id").full_text("body"))?;
    /// let notes = OpenOptions::new().read_only(true).open(&path)?.collection("notes").open()?;
    /// assert!(notes.search().text("words").run()?.is_empty());
    /// assert!(notes.insert(&serde_json::json!({"id": "a"})).is_err());
    /// assert!(OpenOptions::new().read_only(true).open(path.with_extension("missing")).is_err());
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    pub fn read_only(&mut self, read_only: bool) -> &mut Self {
        self.read_only = read_only;
        self
    }

    /// Whether a thread of the database goes on with seals and merges while nobody writes; it does when not said. It begins
    /// with the first write, takes its turn among the writers for some milliseconds at a time, and ends with the last clone
    /// of the database. Commits do their share in any case, see the setting `maintenance`.
    ///
    /// ```
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("notes.db");
    /// let db = nearlite::OpenOptions::new().maintenance(false).open(path)?;
    /// # assert!(db.collections()?.is_empty());
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    pub fn maintenance(&mut self, on: bool) -> &mut Self {
        self.maintenance = on;
        self
    }

    /// Threads that builds and [`search_many`](crate::Search) use, all databases of the process together: the last one that is
    /// opened with a number sets it, 0 is as many as the machine has. A table's own setting `threads` bounds its builds
    /// further. However many tables are built at once, each has at least the thread that builds it.
    ///
    /// ```
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("notes.db");
    /// let db = nearlite::OpenOptions::new().threads(2).open(path)?;
    /// # assert!(db.collections()?.is_empty());
    /// # nearlite::OpenOptions::new().threads(0).open_in_memory()?;
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    pub fn threads(&mut self, threads: usize) -> &mut Self {
        self.threads = Some(threads);
        self
    }

    /// What [`threads`](Self::threads) was given.
    pub(super) fn process_threads(&self) -> Option<usize> {
        self.threads
    }

    /// Whether the database has such a thread.
    pub(super) fn keeps(&self) -> bool {
        self.maintenance && !self.read_only
    }

    /// Runs `hook` on every connection when it is opened, after nearlite is registered on it: for SQL functions of your
    /// own, collations, pragmas, attached databases, temporary tables. Several hooks run in the order in which they were
    /// given; an error of one is that of the call which needed the connection.
    ///
    /// ```
    /// use nearlite::OpenOptions;
    ///
    /// let db = OpenOptions::new()
    ///     .on_connect(|conn| Ok(conn.execute_batch("PRAGMA cache_size = -64000")?))
    ///     .open_in_memory()?;
    /// let size: i64 = db.with_connection(|conn| Ok(conn.query_row("PRAGMA cache_size", [], |row| row.get(0))?))?;
    /// assert_eq!(size, -64000);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    pub fn on_connect(
        &mut self,
        hook: impl Fn(&Connection) -> Result<()> + Send + Sync + 'static,
    ) -> &mut Self {
        self.on_connect.push(Arc::new(hook));
        self
    }

    /// Refuses what no database can be opened with.
    pub(super) fn check(&self, private: bool) -> Result<()> {
        if self.pool_size == 0 {
            return Err(Error::Value("pool_size must be 1 or more, got 0".into()));
        }
        if private && self.read_only {
            let sentence = "a database in memory cannot be read_only: nothing could ever be written to it";
            return Err(Error::Value(sentence.into()));
        }
        Ok(())
    }

    /// Opens one connection; `private` where no other one sees the same database. `prepare` runs before the hooks.
    pub(super) fn connect(
        &self,
        place: &Path,
        private: bool,
        prepare: fn(&Connection) -> Result<()>,
    ) -> Result<Connection> {
        let mut conn = self.open_file(place, private).map_err(|error| named(error, place))?;
        // What a closure begins by rusqlite's own means would otherwise lose every race between its first read and its
        // first write.
        conn.set_transaction_behavior(TransactionBehavior::Immediate);
        conn.set_prepared_statement_cache_capacity(64);
        prepare(&conn)?;
        for hook in &self.on_connect {
            hook(&conn)?;
        }
        if !conn.is_autocommit() {
            conn.execute_batch("ROLLBACK")?;
        }
        Ok(conn)
    }

    fn open_file(&self, place: &Path, private: bool) -> rusqlite::Result<Connection> {
        let mut flags = OpenFlags::default();
        if self.read_only {
            flags.remove(OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE);
            flags.insert(OpenFlags::SQLITE_OPEN_READ_ONLY);
        }
        let conn = Connection::open_with_flags(place, flags)?;
        conn.busy_timeout(self.busy_timeout)?;
        if self.read_only {
            // The first statement reads the file, and finds that it is no database.
            conn.query_row("PRAGMA schema_version", [], |_| Ok(()))?;
        } else if !private {
            // A file on read-only media keeps the journal mode it has.
            let wal =
                conn.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0));
            wal.or_else(|error| match error.sqlite_error_code() {
                Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen) => Ok(String::new()),
                _ => Err(error),
            })?;
            let level = match self.synchronous {
                Synchronous::Off => "OFF",
                Synchronous::Normal => "NORMAL",
                Synchronous::Full => "FULL",
                Synchronous::Extra => "EXTRA",
            };
            conn.pragma_update(None, "synchronous", level)?;
        }
        Ok(conn)
    }
}

/// The error with the name of the file, where SQLite does not give it.
fn named(error: rusqlite::Error, place: &Path) -> Error {
    let place = place.display().to_string();
    Error::Sqlite(match error {
        rusqlite::Error::SqliteFailure(code, sentence) => {
            let sentence = sentence.unwrap_or_else(|| code.to_string());
            let named = if sentence.contains(&place) { sentence } else { format!("{place}: {sentence}") };
            rusqlite::Error::SqliteFailure(code, Some(named))
        }
        other => other,
    })
}
