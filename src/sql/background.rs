//! `maintenance` = `background`: a thread for each file that has such tables, with a connection of its own.
//!
//! It begins at the first commit that leaves it something to do, opens the file by the same name through the same VFS, and
//! does slices as commits would, each in a transaction of its own. It never waits for a lock: where somebody else has the
//! file, or a connection of this process is in a transaction, it tries again later. It ends before the last table of this
//! process that is in the file is let go, so that the connection which is closed last is the user's. SQLite lets the tables of
//! a file that is detached go later; so the thread has the file open only while there is something to do, and asks before.

mod manners;
mod seen;

use self::manners::{Adopted, Manners};
use self::seen::Seen;
use super::columns::command_sql;
use super::ddl;
use super::module::{Doing, Host, NoFork, Peer, Peers, obstacle};
use super::register;
use crate::collection::maintenance::policy::Zeal;
use crate::collection::maintenance::worker::{self, Attended, Hands, Signal, Tried};
use crate::collection::maintenance::{self, Place, Task};
use crate::error::{Error, Result};
use crate::schema::quoted;
use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags, Params};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::CString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

/// How long the last connection waits, when it is closed, for the slice that runs.
const LAST_SLICE: Duration = Duration::from_secs(5);

/// Transactions that only read keep the thread away for no longer than this.
const READERS: Duration = Duration::from_secs(10);

/// After it could not open the file the thread is not begun again for this long.
const REST: Duration = Duration::from_secs(60);

/// Commits between two looks at whether a thread may have a connection of its own.
const LOOKS: u32 = 64;

thread_local! {
    /// Whether this is such a thread.
    static IS_ONE: Cell<bool> = const { Cell::new(false) };
}

#[derive(Default)]
struct File {
    /// That its connections are of. A fork has the memory of its parent, and not its connections.
    process: u32,
    /// Connections with tables open.
    users: Peers<Arc<Seen>>,
    thread: Option<Thread>,
    /// Why there is none, and when it was tried.
    failed: Option<(String, Instant)>,
}

struct Thread {
    signal: Arc<Signal>,
    process: u32,
    /// What its next slice is done with.
    manners: Arc<Mutex<Manners>>,
}

static FILES: LazyLock<Mutex<HashMap<Place, File>>> = LazyLock::new(Mutex::default);

/// A table of a connection, as the threads know it.
pub struct Presence {
    place: Place,
    peer: Option<Peer>,
    schema: CString,
    seen: Arc<Seen>,
    /// Commits since the last look, and what it found.
    looks: Cell<u32>,
    alone: Cell<bool>,
    manners: RefCell<Manners>,
    wanted: Cell<bool>,
}

impl Presence {
    /// Of a table of `host`.
    pub fn new(host: &Host, place: &Place) -> Self {
        let mut seen = Arc::default();
        let schema = CString::new(host.schema()).unwrap_or_default();
        let peer = (!IS_ONE.get()).then(|| Peer::of(host));
        if let Some(peer) = peer {
            let (mut files, process) = (FILES.lock(), std::process::id());
            let file = files.entry(place.clone()).or_default();
            if file.process != process {
                *file = File { process, ..File::default() };
            }
            seen = Arc::clone(file.users.opened(peer, &schema));
        }
        let (looks, alone, wanted) = (Cell::new(0), Cell::new(true), Cell::new(false));
        Self { place: place.clone(), peer, schema, seen, looks, alone, manners: RefCell::default(), wanted }
    }

    /// The connection uses the table, inside a transaction or not.
    pub fn saw(&self, in_transaction: bool) {
        self.seen.note(in_transaction);
    }

    /// A commit asks for a thread. Returns whether it has to do without.
    pub fn asks(&self, host: &Host, table: &str) -> bool {
        if self.peer.is_none() || maintenance::poke(&self.place, None) {
            return false;
        }
        self.wanted.set(true);
        let looks = self.looks.get();
        self.looks.set(if looks + 1 < LOOKS { looks + 1 } else { 0 });
        if looks == 0 {
            let why = self.obstacle(host);
            maintenance::set_obstacle(&self.place, table, why.as_deref());
            self.alone.set(why.is_some());
            self.manners.replace(Manners::of(host));
            let files = FILES.lock();
            if let Some(thread) = files.get(&self.place).and_then(|file| file.thread.as_ref())
                && thread.process == std::process::id()
            {
                *thread.manners.lock() = self.manners.borrow().clone();
            }
        }
        self.alone.get()
    }

    fn obstacle(&self, host: &Host) -> Option<String> {
        let why = obstacle(host, host.schema()).map(str::to_owned);
        let why = why.or_else(|| {
            let sql = format!("PRAGMA {}.locking_mode", quoted(host.schema()));
            let mode = host.connection().query_row(&sql, [], |row| row.get::<_, String>(0));
            match mode {
                Ok(mode) if mode.eq_ignore_ascii_case("normal") => None,
                Ok(mode) => Some(format!("locking_mode is {mode}")),
                Err(error) => Some(error.to_string()),
            }
        });
        let why = why.or_else(|| {
            let files = FILES.lock();
            let (why, when) = files.get(&self.place)?.failed.as_ref()?;
            (when.elapsed() < REST).then(|| why.clone())
        });
        Some(format!("no thread in the background: {}; commits do its work", why?))
    }

    /// A transaction that wrote to the table was committed. Nothing is asked of the connection here: after a statement inside of a
    /// commit SQLite leaves the read transaction of that statement open, so the next write could not wait for a lock.
    pub fn committed(&self, table: &str) {
        self.saw(false);
        if self.peer.is_none() || maintenance::poke(&self.place, Some(table)) {
            return;
        }
        if self.wanted.replace(false) && !self.alone.get() {
            self.wake(table);
        }
    }

    fn wake(&self, table: &str) {
        let mut files = FILES.lock();
        let Some(file) = files.get_mut(&self.place) else { return };
        let is_there = file
            .thread
            .as_ref()
            .is_some_and(|thread| thread.process == std::process::id() && !thread.signal.has_ended());
        if !is_there {
            let signal: Arc<Signal> = Arc::default();
            let process = std::process::id();
            let manners = Arc::new(Mutex::new(self.manners.borrow().clone()));
            let (of, place, wanted) = (Arc::clone(&signal), self.place.clone(), Arc::clone(&manners));
            let run = move || work(&of, &place, wanted);
            match std::thread::Builder::new().name("nearlite background".into()).spawn(run) {
                Ok(_) => file.thread = Some(Thread { signal, process, manners }),
                Err(error) => {
                    file.failed = Some((format!("the system has no more threads ({error})"), Instant::now()));
                    self.looks.set(0);
                    return;
                }
            }
        }
        if let Some(thread) = &file.thread {
            thread.signal.wrote(table);
        }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let Some(peer) = self.peer else { return };
        let mut files = FILES.lock();
        let Some(file) = files.get_mut(&self.place) else { return };
        file.users.closed(peer, &self.schema);
        if !file.users.is_empty() {
            return;
        }
        let thread = files.remove(&self.place).and_then(|file| file.thread);
        drop(files);
        if let Some(thread) = thread.filter(|thread| thread.process == std::process::id()) {
            thread.signal.stop();
            thread.signal.wait_for_end(LAST_SLICE);
        }
    }
}

/// Runs a statement to its end, whether it returns rows or not.
fn run(conn: &Connection, sql: &str, params: impl Params) -> rusqlite::Result<()> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    while rows.next()?.is_some() {}
    Ok(())
}

/// What the thread does.
fn work(signal: &Signal, place: &Place, manners: Arc<Mutex<Manners>>) {
    IS_ONE.set(true);
    let ended = catch_unwind(AssertUnwindSafe(|| {
        let Some(mut hands) = Connected::patiently(signal, place, &manners)? else { return Ok(()) };
        worker::run(signal, &mut hands);
        let _guard = NoFork::enter();
        drop(hands);
        Ok(())
    }));
    let why = match ended {
        Ok(Ok(())) => None,
        Ok(Err::<_, Error>(error)) => Some(error.to_string()),
        Err(_) => Some("it panicked".to_owned()),
    };
    if let Some(why) = why {
        let _guard = NoFork::enter();
        if let Some(file) = FILES.lock().get_mut(place) {
            file.failed = Some((why, Instant::now()));
        }
    }
    signal.end();
}

struct Connected {
    /// Before the connection, which they use.
    known: HashMap<String, Attended>,
    /// None while there is nothing to do: a file that was detached is not kept open.
    conn: Option<Connection>,
    place: Place,
    /// Since when it has been kept away by transactions that only read.
    kept_away: Option<Instant>,
    manners: Adopted,
}

impl Connected {
    /// Opens the file, as often as somebody else has it at that moment; `None` when the thread is to end.
    fn patiently(signal: &Signal, place: &Place, manners: &Arc<Mutex<Manners>>) -> Result<Option<Self>> {
        loop {
            let guard = NoFork::enter();
            let conn = Self::open(place);
            drop(guard);
            match conn {
                Err(Error::Sqlite(error)) if worker::is_busy(&error) => {
                    if !signal.nap(worker::NAP) {
                        return Ok(None);
                    }
                }
                conn => {
                    let (conn, place, manners) = (Some(conn?), place.clone(), Adopted::none(manners));
                    return Ok(Some(Self { known: HashMap::new(), conn, place, kept_away: None, manners }));
                }
            }
        }
    }

    fn open(place: &Place) -> Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_PRIVATE_CACHE;
        let conn = Connection::open_with_flags(&place.0, flags)?;
        register(&conn)?;
        // Not by rusqlite's call, which needs SQLite 3.44.
        run(&conn, "PRAGMA busy_timeout = 0", [])?;
        // The first statement finds a file that is encrypted.
        conn.query_row("PRAGMA schema_version", [], |_| Ok(()))?;
        Ok(conn)
    }

    fn let_go(&mut self) {
        self.known.clear();
        self.manners.forget();
        self.conn = None;
    }

    /// Whether a connection of this process has the file, as far as they can be asked.
    fn is_wanted(&self) -> bool {
        let files = FILES.lock();
        let users = files.get(&self.place).map(|file| &file.users);
        users.is_some_and(|users| users.doing(&self.place.0).any(|(doing, _)| doing != Doing::Gone))
    }

    /// Whether the connections of this process leave the file to us.
    fn is_free(&mut self) -> bool {
        let (mut writing, mut reading) = (false, false);
        let files = FILES.lock();
        let Some(file) = files.get(&self.place) else { return false };
        for (doing, seen) in file.users.doing(&self.place.0) {
            match doing {
                Doing::Nothing | Doing::Gone => {}
                Doing::Reading => reading = true,
                Doing::Something | Doing::Writing => writing = true,
                Doing::Unknown => reading |= seen.is_recent(),
            }
        }
        drop(files);
        if writing {
            return false;
        }
        if !reading {
            self.kept_away = None;
            return true;
        }
        self.kept_away.get_or_insert_with(Instant::now).elapsed() >= READERS
    }
}

impl Hands for Connected {
    fn is_due(&mut self, table: &str, zeal: Zeal) -> Result<bool> {
        let _guard = NoFork::enter();
        if !self.is_wanted() {
            self.let_go();
            return Ok(false);
        }
        let conn = match self.conn.take() {
            Some(conn) => Ok(conn),
            None => Self::open(&self.place),
        };
        let due = conn.and_then(|conn| {
            let conn = self.conn.insert(conn);
            Attended::is_due(&mut self.known, conn, table, zeal)
        });
        match due {
            Err(Error::Sqlite(error)) if worker::is_busy(&error) => Ok(true),
            other => other,
        }
    }

    fn slice(&mut self, table: &str, zeal: Zeal) -> Result<Tried> {
        let _guard = NoFork::enter();
        if !self.is_free() {
            return Ok(Tried::Refused);
        }
        let Some(conn) = &self.conn else { return Ok(Tried::Refused) };
        match self.manners.keep_up(conn) {
            Err(Error::Sqlite(error)) if worker::is_busy(&error) => return Ok(Tried::Refused),
            outcome => outcome?,
        }
        let rank = Task::Keep(zeal).rank();
        let Some(attended) = self.known.get_mut(table) else { return Ok(Tried::Refused) };
        match run(conn, &command_sql(attended.collection()), ("maintain", rank)) {
            Ok(()) => {
                attended.tried(zeal, maintenance::last());
                Ok(Tried::Done(maintenance::last()))
            }
            Err(error) if worker::is_busy(&error) => Ok(Tried::Refused),
            Err(error) => Err(error.into()),
        }
    }

    fn forget(&mut self, table: &str, error: &Error) -> bool {
        let _guard = NoFork::enter();
        self.known.remove(table);
        // A table that is gone, or has another name, is in no trouble.
        let sql = "SELECT sql FROM main.sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE";
        let asked = self.conn.as_ref().map(|conn| conn.query_row(sql, [table], |row| row.get(0)));
        let is_gone = match asked {
            Some(Ok(sql)) => !Option::<String>::is_some_and(sql, |sql| ddl::is_declaration(&sql)),
            Some(Err(error)) => error == rusqlite::Error::QueryReturnedNoRows,
            None => false,
        };
        if !is_gone && !matches!(error, Error::Sqlite(error) if worker::is_busy(error)) {
            maintenance::set_trouble(&self.place, table, Some(error.to_string()));
        }
        !is_gone
    }

    fn note_wait(&mut self, table: &str, why: Option<&str>) {
        maintenance::set_obstacle(&self.place, table, why);
    }

    fn rest(&mut self) {
        let _guard = NoFork::enter();
        self.let_go();
    }
}
