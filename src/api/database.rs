//! A database, and the collections in it.

use super::access::{Access, Pooled, sealed};
use super::atomic::{reading, writing};
use super::catalog;
use super::collection::Collection;
use super::connection_pool::ConnectionPool;
use super::keeper::Keeper;
use super::loan;
use super::options::OpenOptions;
use super::queue::Use;
use super::statement::error_of;
use crate::collection::{OpenCollection, permits};
use crate::error::{Error, Result};
use crate::schema::{Schema, quoted};
use crate::sql;
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A database: cheap to clone, and used from any number of threads.
///
/// A file is opened in WAL mode, so readers and one writer do not wait for each other; a write is on the disk when
/// its call returns (`synchronous = FULL`). Writers of one `Database` take turns in the order in which they came, however
/// long the calls before them take; for a transaction of another process, or for a closure of
/// [`transaction`](Self::transaction), they wait up to 30 seconds. Every clone shares one pool of connections, which
/// grows as long as all of them are in use. [`OpenOptions`] changes these numbers.
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
    /// Before the pool, since its thread uses connections of the pool.
    pub(super) keeper: Option<Arc<Keeper>>,
    pool: Arc<ConnectionPool>,
}

impl Database {
    /// Opens a file, or creates it.
    ///
    /// # Errors
    /// [`Error::Sqlite`] naming the file when it cannot be opened or is not a SQLite database.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::options().open(path)
    }

    /// The options to open a database with.
    ///
    /// ```
    /// # use nearlite::Database;
    /// let db = Database::options().pool_size(2).open_in_memory()?;
    /// # assert!(db.collections()?.is_empty());
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    /// A database that lives in memory until its last clone is dropped. It has one connection, so its users take
    /// turns; a call from inside [`with_connection`](Self::with_connection) or a progress report is an error.
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
        Self::open(":memory:")
    }

    /// The collection called `name`: then say [`open`](CollectionBuilder::open), [`create`](CollectionBuilder::create)
    /// or [`create_if_missing`](CollectionBuilder::create_if_missing).
    pub fn collection(&self, name: impl Into<String>) -> CollectionBuilder {
        CollectionBuilder { database: self.clone(), name: name.into() }
    }

    /// Opens with these options.
    pub(super) fn open_as(options: &OpenOptions, path: &Path) -> Result<Self> {
        let pool = ConnectionPool::open(path, options, prepare)?;
        if let Some(threads) = options.process_threads() {
            permits::set_total(threads);
        }
        let keeper = (options.keeps() && !pool.is_private()).then(|| Arc::new(Keeper::new(&pool)));
        Ok(Self { keeper, pool })
    }

    /// Collections may be written.
    pub(super) fn writes(&self) {
        if let Some(keeper) = &self.keeper {
            keeper.start(&self.pool);
        }
    }

    pub(super) fn pool(&self) -> &Arc<ConnectionPool> {
        &self.pool
    }
}

impl OpenOptions {
    /// Opens a file, or creates it.
    ///
    /// # Errors
    /// [`Error::Sqlite`] naming the file when it cannot be opened or is not a SQLite database, [`Error::Value`] for an
    /// option that makes no sense, and those of a hook.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Database> {
        Database::open_as(self, path.as_ref())
    }

    /// A database in memory, see [`Database::in_memory`].
    ///
    /// # Errors
    /// Those of [`open`](Self::open); [`Error::Value`] with [`read_only`](Self::read_only), since it would stay empty.
    pub fn open_in_memory(&self) -> Result<Database> {
        self.open(":memory:")
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("path", &self.pool.path()).finish()
    }
}

impl sealed::Sealed for Database {}

impl Access for Database {
    fn with<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        work(ConnectionPool::lease(&self.pool)?.get()?)
    }

    fn write<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let _turn = loan::turn(&self.pool, Use::Call)?;
        self.writes();
        self.with(|conn| writing(conn, || work(conn)))
    }

    fn wrote(&self, table: &str) {
        if let Some(keeper) = &self.keeper {
            keeper.wrote(table);
        }
    }

    fn width(&self) -> usize {
        self.pool.width()
    }

    fn lets_others_in(&self) -> bool {
        !self.pool.is_private()
    }

    type Held<'c> = Pooled;

    fn hold(&self) -> Result<Pooled> {
        if self.pool.is_private() {
            return Ok(Pooled::OnlyOne(Arc::clone(&self.pool)));
        }
        ConnectionPool::lease(&self.pool).map(Pooled::Lease)
    }

    fn spread<T: Send>(
        &self,
        count: usize,
        work: &(dyn Fn(&Connection, usize) -> Result<T> + Sync),
    ) -> Result<Vec<T>> {
        let threads = permits::total().min(self.width()).min(count);
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

fn prepare(conn: &Connection) -> Result<()> {
    sql::register(conn)
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
        let opened = self.database.with(|conn| catalog::open(conn, "main", &self.name))?;
        Ok(Collection::new(self.database.clone(), opened))
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
        if may_exist {
            // The usual case needs no write lock.
            let found = self.database.with(|conn| {
                reading(conn, || match catalog::declared_name(conn, "main", &self.name)? {
                    Some(table) => OpenCollection::open(conn, "main", &table).map(Some),
                    None => Ok(None),
                })
            })?;
            if let Some(opened) = found {
                check_same(&opened, &schema)?;
                return Ok(Collection::new(self.database.clone(), opened));
            }
        }
        let opened = self.database.write(|conn| {
            if let Some(table) = catalog::declared_name(conn, "main", &self.name)? {
                if !may_exist {
                    return Err(Error::Schema(format!(
                        "there is a collection {table} already; open it instead"
                    )));
                }
                let opened = OpenCollection::open(conn, "main", &table)?;
                check_same(&opened, &schema)?;
                return Ok(opened);
            }
            if let Some(kind) = catalog::other_object(conn, &self.name)? {
                let name = &self.name;
                return Err(Error::Schema(format!(
                    "there is {kind} {name} already; choose another name for the collection"
                )));
            }
            let columns = sql::write_schema(&schema);
            conn.execute_batch(&format!(
                "CREATE VIRTUAL TABLE main.{} USING nearlite({columns})",
                quoted(&self.name)
            ))
            .map_err(error_of)?;
            OpenCollection::open(conn, "main", &self.name)
        })?;
        Ok(Collection::new(self.database.clone(), opened))
    }
}

/// The columns of a schema as SQL declares them; `None` when it has options, too.
pub(super) fn declarations(schema: &Schema) -> Option<Vec<String>> {
    if !sql::write_options(schema).is_empty() {
        return None;
    }
    let mut columns = Vec::with_capacity(schema.columns.len());
    for column in &schema.columns {
        columns.push(sql::write_column(column));
    }
    Some(columns)
}

/// Whether the stored schema is the one asked for.
fn check_same(collection: &OpenCollection, asked: &Schema) -> Result<()> {
    let (table, stored) = (&collection.storage.table, &collection.schema);
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
    if stored.hidden_prefix != asked.hidden_prefix {
        let (old, new) = (option(&stored.hidden_prefix), option(&asked.hidden_prefix));
        return differs(format!("its hidden_prefix is {old}, asked for is {new}"));
    }
    if stored.text != asked.text {
        let shown = |schema: &Schema| match schema.text.declared().as_slice() {
            [] => "none".to_owned(),
            all => all.iter().map(|(name, value)| format!("{name} = {value}")).collect::<Vec<_>>().join(", "),
        };
        let (old, new) = (shown(stored), shown(asked));
        return differs(format!("its options of texts are {old}, asked for are {new}"));
    }
    differs(format!("its model is {}, asked for is {}", option(&stored.model), option(&asked.model)))
}
