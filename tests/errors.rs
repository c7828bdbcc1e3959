//! What SQLite reports while a table is read or written reaches the caller as it is: an I/O error, a lack of memory or an
//! interrupt is never told as damage, which would send the user to rebuild a sound table.
#![allow(clippy::unwrap_used)]

mod common;

use common::damage::{middle, open_fast, write_table};
use nearlite::rusqlite::{Connection, ffi};
use std::ffi::{c_int, c_void};
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicPtr, Ordering};
use std::sync::{Mutex, Once};

/// Faults are counted by the process, so one test runs at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Reads of database files until one fails; none does while it is negative.
static READS: AtomicI64 = AtomicI64::new(-1);
static METHODS: AtomicPtr<ffi::sqlite3_io_methods> = AtomicPtr::new(std::ptr::null_mut());
static REAL: AtomicPtr<ffi::sqlite3_vfs> = AtomicPtr::new(std::ptr::null_mut());

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, to: *mut c_void, count: c_int, at: i64) -> c_int {
    if READS.load(Ordering::Relaxed) >= 0 && READS.fetch_sub(1, Ordering::Relaxed) == 0 {
        return ffi::SQLITE_IOERR_READ;
    }
    // SAFETY: `open` stored the methods of the system's files before it gave any file this function.
    unsafe { ((*METHODS.load(Ordering::Relaxed)).xRead.unwrap())(file, to, count, at) }
}

/// Opens a file as the system does and puts `read` in the place of its reads.
unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    got: *mut c_int,
) -> c_int {
    static MINE: AtomicPtr<ffi::sqlite3_io_methods> = AtomicPtr::new(std::ptr::null_mut());
    // SAFETY: SQLite's own arguments, passed on to the system's VFS, whose methods live as long as the process.
    unsafe {
        let real = REAL.load(Ordering::Relaxed);
        let code = ((*real).xOpen.unwrap())(real, name, file, flags, got);
        if code == ffi::SQLITE_OK && flags & ffi::SQLITE_OPEN_MAIN_DB != 0 {
            static COPY: Once = Once::new();
            COPY.call_once(|| {
                METHODS.store((*file).pMethods.cast_mut(), Ordering::Relaxed);
                let mut mine = *(*file).pMethods;
                mine.xRead = Some(read);
                MINE.store(Box::leak(Box::new(mine)), Ordering::Relaxed);
            });
            assert_eq!((*file).pMethods.cast_mut(), METHODS.load(Ordering::Relaxed));
            (*file).pMethods = MINE.load(Ordering::Relaxed);
        }
        code
    }
}

/// Makes `open` the way to open files from now on.
fn install() {
    static INSTALLED: Once = Once::new();
    // SAFETY: the copy of the default VFS is leaked, so that it lives as long as SQLite may call it.
    INSTALLED.call_once(|| unsafe {
        let real = ffi::sqlite3_vfs_find(std::ptr::null());
        REAL.store(real, Ordering::Relaxed);
        let mut mine = *real;
        mine.zName = c"faulty".as_ptr();
        mine.xOpen = Some(open);
        assert_eq!(ffi::sqlite3_vfs_register(Box::leak(Box::new(mine)), 1), ffi::SQLITE_OK);
    });
}

/// All that can be asked of the table, each on a connection of its own.
fn works() -> Vec<String> {
    let near = format!("embedding MATCH '{}'", middle());
    vec![
        "SELECT rowid, body, embedding FROM docs".into(),
        format!("SELECT rowid FROM docs WHERE {near} LIMIT 5"),
        format!("SELECT rowid FROM docs WHERE {near} AND lang = 'en' AND exact = 1"),
        "SELECT rowid, snippet(docs, 'body', '<', '>', '', 5) FROM docs WHERE docs MATCH 'all'".into(),
        format!("SELECT rowid FROM docs WHERE docs MATCH hybrid_query('w2', '{}')", middle()),
        "SELECT * FROM nearlite_info('docs')".into(),
        "SELECT nearlite_recall('docs', 'embedding', 5, 5)".into(),
        format!("INSERT INTO docs(id, body, embedding) VALUES('new', 'all', '{}')", middle()),
        format!("UPDATE docs SET body = 'all', embedding = '{}' WHERE rowid IN (12, 65)", middle()),
        "DELETE FROM docs WHERE rowid IN (12, 65)".into(),
        "INSERT INTO docs(docs) VALUES('integrity-check')".into(),
        "INSERT INTO docs(docs) VALUES('flush')".into(),
        "INSERT INTO docs(docs) VALUES('optimize')".into(),
        "INSERT INTO docs(docs) VALUES('rebuild')".into(),
    ]
}

/// Gives the payloads names that no cache knows.
fn fresh(template: &Path, path: &Path) {
    std::fs::copy(template, path).unwrap();
    Connection::open(path).unwrap().execute_batch("UPDATE docs_segments SET id = randomblob(16)").unwrap();
}

/// Lets every work meet the fault that `arm` prepares for the n-th occasion, n = 0, `step`, 2 `step` ... until it is met no
/// more. Returns how many errors came of it, all of which have this code.
fn meet(code: c_int, step: usize, arm: impl Fn(&Connection, i64), disarm: impl Fn(&Connection)) -> usize {
    let dir = tempfile::tempdir().unwrap();
    let (template, path) = (dir.path().join("template.db"), dir.path().join("faulty.db"));
    write_table(&template);
    let mut met = 0;
    for sql in works() {
        for nth in (0..).step_by(step) {
            assert!(nth < 2_000_000, "{sql} never gets through");
            fresh(&template, &path);
            let conn = open_fast(&path);
            conn.execute_batch("PRAGMA cache_size = 2").unwrap();
            arm(&conn, nth);
            let outcome = common::rows(&conn, &sql, [], |row| row.get_ref(0).map(drop));
            disarm(&conn);
            let Err(error) = outcome else { break };
            let got = error.sqlite_error().map_or(0, |cause| cause.extended_code);
            assert_eq!(got & 0xff, code, "{sql}, {nth}: {error}");
            assert!(!error.to_string().contains("damaged"), "{sql}, {nth}: {error}");
            met += 1;
            common::command(&conn, "integrity-check");
        }
    }
    met
}

#[test]
fn an_io_error_is_not_told_as_damage() {
    let _alone = ALONE.lock();
    install();
    let met = meet(
        ffi::SQLITE_IOERR,
        5,
        |_, nth| READS.store(nth, Ordering::Relaxed),
        |_| READS.store(-1, Ordering::Relaxed),
    );
    println!("{met} reads failed");
    assert!(met > 100, "{met}");
}

/// Calls of the progress handler until it interrupts.
static CALLS: AtomicI64 = AtomicI64::new(-1);

unsafe extern "C" fn progress(_: *mut c_void) -> c_int {
    c_int::from(CALLS.fetch_sub(1, Ordering::Relaxed) == 0)
}

#[test]
fn an_interrupt_is_not_told_as_damage() {
    let _alone = ALONE.lock();
    // SAFETY: the handle is open, and the handler reads nothing but a static.
    let handler = |conn: &Connection, on: bool| unsafe {
        let call = on.then_some(progress as unsafe extern "C" fn(*mut c_void) -> c_int);
        ffi::sqlite3_progress_handler(conn.handle(), 5, call, std::ptr::null_mut());
    };
    let arm = |conn: &Connection, nth| {
        CALLS.store(nth, Ordering::Relaxed);
        handler(conn, true);
    };
    let met = meet(ffi::SQLITE_INTERRUPT, 7, arm, |conn| handler(conn, false));
    println!("{met} interrupts");
    assert!(met > 100, "{met}");
}

#[test]
fn a_lack_of_memory_in_sqlite_is_not_told_as_damage() {
    let _alone = ALONE.lock();
    // The limit is on what SQLite has allocated in the process.
    // SAFETY: both functions have no preconditions.
    let limit = |bytes: i64| unsafe { ffi::sqlite3_hard_heap_limit64(bytes) };
    let arm = |_: &Connection, nth| {
        // SAFETY: as above.
        limit(unsafe { ffi::sqlite3_memory_used() } + nth);
    };
    let met = meet(ffi::SQLITE_NOMEM, 3_001, arm, |_| {
        limit(0);
    });
    println!("{met} allocations failed");
    assert!(met > 20, "{met}");
}
