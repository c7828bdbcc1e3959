//! `maintenance` = `background`: a thread with a connection of its own, where there can be one, and commits where not.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Noise, assert_sound, blob, command, open, set};
use nearlite::rusqlite::{Connection, ErrorCode, OpenFlags};
use nearlite::{Database, Metric, Schema, Synchronous};
use std::path::Path;
use std::time::{Duration, Instant};

const DIM: usize = 8;

fn create(conn: &Connection) {
    conn.execute_batch(&format!(
        "CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT, v VECTOR({DIM}) METRIC l2);
         INSERT INTO docs(docs, rank) VALUES('maintenance', 'background')"
    ))
    .unwrap();
    set(conn, "delta_rows", 300);
}

fn open_wal(path: &Path) -> Connection {
    let conn = open(path);
    conn.query_row("PRAGMA journal_mode = wal", [], |_| Ok(())).unwrap();
    conn.execute_batch("PRAGMA synchronous = off; PRAGMA busy_timeout = 10000").unwrap();
    conn
}

fn put(conn: &Connection, rows: std::ops::Range<i64>) {
    let mut noise = Noise(rows.start as u64 + 1);
    for row in rows {
        let sql = "INSERT INTO docs(rowid, body, v) VALUES(?1, 'all w' || (?1 % 9), ?2)";
        conn.prepare_cached(sql).unwrap().execute((row, blob(&noise.vector(DIM)))).unwrap();
    }
}

fn info<T: nearlite::rusqlite::types::FromSql>(conn: &Connection, what: &str) -> T {
    conn.query_row(&format!("SELECT {what} FROM nearlite_info('docs') LIMIT 1"), [], |row| row.get(0))
        .unwrap()
}

fn claims(conn: &Connection) -> i64 {
    conn.query_row("SELECT count(*) FROM docs_config WHERE name LIKE 'claim %'", [], |row| row.get(0))
        .unwrap()
}

fn eventually(what: &str, shown: impl Fn() -> String, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(120), "{what} does not come: {}", shown());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until the thread has nothing left to do.
fn settle(conn: &Connection) {
    let is_done = || info::<i64>(conn, "delta") < 300 / 16 && info::<i64>(conn, "segments") <= 2;
    let state = || {
        let counts: (i64, i64) = (info(conn, "delta"), info(conn, "segments"));
        format!("{counts:?}, {} claims, {:?}", claims(conn), info::<Option<String>>(conn, "maintenance"))
    };
    eventually("an end", state, || is_done() && claims(conn) == 0);
    assert_eq!(info::<Option<String>>(conn, "maintenance"), None);
}

fn found(conn: &Connection) -> i64 {
    conn.query_row("SELECT count(*) FROM docs WHERE docs MATCH 'all'", [], |row| row.get(0)).unwrap()
}

#[test]
fn a_thread_does_it_while_nobody_writes_and_the_wal_goes_with_the_last_connection() {
    for mode in ["wal", "delete"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grown.db");
        let conn = open_wal(&path);
        conn.query_row(&format!("PRAGMA journal_mode = {mode}"), [], |_| Ok(())).unwrap();
        create(&conn);
        put(&conn, 0..3_000);
        settle(&conn);
        assert_eq!(info::<Option<String>>(&conn, "maintenance"), None);
        assert_eq!(found(&conn), 3_000);
        assert_sound(&conn);
        // In the middle of something.
        put(&conn, 3_000..4_000);
        conn.close().unwrap();
        assert!(!folder.path().join("grown.db-wal").exists());
        let conn = open_wal(&path);
        assert_eq!(found(&conn), 4_000);
        put(&conn, 4_000..4_001);
        settle(&conn);
        command(&conn, "maintain");
        assert_eq!((info::<i64>(&conn, "segments"), claims(&conn), found(&conn)), (1, 0, 4_001));
        assert_sound(&conn);
    }
}

#[test]
fn a_transaction_that_reads_and_then_writes_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("left.db");
    create(&open_wal(&path));
    // One that can be asked by others, and one that cannot.
    for flags in [OpenFlags::SQLITE_OPEN_FULL_MUTEX, OpenFlags::SQLITE_OPEN_NO_MUTEX] {
        let conn = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_WRITE | flags).unwrap();
        nearlite::register(&conn).unwrap();
        conn.execute_batch("PRAGMA synchronous = off").unwrap();
        let next: i64 = conn.query_row("SELECT count(*) FROM docs", [], |row| row.get(0)).unwrap();
        let mut busy = 0;
        for at in 0..200 {
            // The thread has something to do nearly always.
            put(&conn, next + at * 20..next + at * 20 + 19);
            conn.execute_batch("BEGIN").unwrap();
            assert_eq!(found(&conn), next + at * 20 + 19);
            std::thread::sleep(Duration::from_millis(2));
            let sql = "INSERT INTO docs(rowid, body, v) VALUES(?1, 'all', ?2)";
            match conn.execute(sql, (next + at * 20 + 19, blob(&[0.5; DIM]))) {
                Ok(_) => conn.execute_batch("COMMIT").unwrap(),
                Err(error) => {
                    // Between the look at this connection and the lock there is a moment.
                    assert_eq!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy), "{error}");
                    busy += 1;
                    conn.execute_batch("ROLLBACK").unwrap();
                    put(&conn, next + at * 20 + 19..next + at * 20 + 20);
                }
            }
        }
        assert!(busy < 10, "{busy} of 200 transactions met the thread");
        assert_sound(&conn);
    }
}

#[test]
fn where_no_thread_may_have_a_connection_commits_do_it_and_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alone.db");
    let exclusive = open(&path);
    exclusive.query_row("PRAGMA locking_mode = exclusive", [], |_| Ok(())).unwrap();
    let unlocked = {
        let uri = format!("file:{}?nolock=1", folder.path().join("unlocked.db").display());
        let conn = Connection::open(&uri).unwrap();
        nearlite::register(&conn).unwrap();
        conn
    };
    let temporary = open(Path::new(""));
    let of_vfs = |vfs: &str| {
        let path = folder.path().join(format!("{vfs}.db"));
        let conn = Connection::open_with_flags_and_vfs(&path, OpenFlags::default(), vfs).unwrap();
        nearlite::register(&conn).unwrap();
        conn
    };
    // Their locks are none, or not those of a second connection.
    #[cfg(unix)]
    let [none, dotfile] = ["unix-none", "unix-dotfile"].map(of_vfs);
    for (conn, why) in [
        (&common::open_memory(), "not in a file"),
        (&temporary, "not in a file"),
        (&exclusive, "locking_mode is exclusive"),
        (&unlocked, "without locks"),
        #[cfg(unix)]
        (&none, "not SQLite's own"),
        #[cfg(unix)]
        (&dotfile, "not SQLite's own"),
    ] {
        conn.execute_batch("PRAGMA synchronous = off").unwrap();
        create(conn);
        assert_eq!(info::<Option<String>>(conn, "maintenance"), None, "before it is written");
        put(conn, 0..3_000);
        let told: String = info(conn, "maintenance");
        assert!(told.contains(why) && told.contains("commits do its work"), "{told}");
        assert!((1..=12).contains(&info::<i64>(conn, "segments")), "{why}");
        assert!(info::<i64>(conn, "delta") < 1_200, "{why}: {}", info::<i64>(conn, "delta"));
        assert_eq!(found(conn), 3_000);
        assert_sound(conn);
    }
}

#[test]
fn a_table_may_be_dropped_renamed_and_made_anew_under_the_thread() {
    let folder = tempfile::tempdir().unwrap();
    let conn = open_wal(&folder.path().join("moved.db"));
    let other = open_wal(&folder.path().join("moved.db"));
    for round in 0..6 {
        create(&conn);
        put(&conn, 0..700 + round * 50);
        for sql in [
            "ALTER TABLE docs RENAME TO papers",
            "CREATE TABLE x(y)",
            "ALTER TABLE papers RENAME TO docs",
            "DROP TABLE x",
        ] {
            change_schema(&other, sql);
        }
        put(&conn, 2_000..2_400);
        assert_eq!(found(&other), 1_100 + round * 50);
        settle(&conn);
        assert_sound(&conn);
        change_schema(&other, "DROP TABLE docs");
    }
}

/// Runs a statement, again where the thread changed the schema at the moment when it was prepared: SQLite itself tries only
/// twice, and the first time it may find out that what it knows of the schema is old.
fn change_schema(conn: &Connection, sql: &str) {
    for _ in 0..100 {
        match conn.execute_batch(sql) {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::SchemaChanged) => {}
            outcome => return outcome.unwrap_or_else(|error| panic!("{sql}: {error}")),
        }
    }
    panic!("{sql}: the schema changes all the time");
}

#[test]
fn the_thread_of_a_database_does_it_in_its_turn() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kept.db");
    let db = Database::options().synchronous(Synchronous::Off).open(&path).unwrap();
    let schema = Schema::new().integer_key("id").full_text("body").vector("v", DIM, Metric::L2);
    let docs = db.collection("docs").create(schema).unwrap();
    docs.set("maintenance", 3).unwrap();
    docs.set("delta_rows", 300).unwrap();
    let mut noise = Noise(8);
    for id in 0..1_500 {
        let row = serde_json::json!({"id": id, "body": "all", "v": noise.vector(DIM)});
        docs.insert(&row).unwrap();
    }
    // Through a closure the database does not see which tables are written, but the commit does.
    db.with_connection(|conn| {
        for id in 1_500..3_000 {
            conn.execute(
                "INSERT INTO docs(id, body, v) VALUES(?1, 'all', ?2)",
                (id, blob(&noise.vector(DIM))),
            )?;
        }
        Ok(())
    })
    .unwrap();
    let reader = open(&path);
    settle(&reader);
    assert_eq!(found(&reader), 3_000);
    docs.verify().unwrap();
}

/// A table with something to do that nobody has begun.
fn unkempt(conn: &Connection) {
    create(conn);
    conn.execute_batch("INSERT INTO docs(docs, rank) VALUES('maintenance', 'manual')").unwrap();
    put(conn, 0..900);
}

fn give_to_the_thread(conn: &Connection) {
    conn.execute_batch("INSERT INTO docs(docs, rank) VALUES('maintenance', 'background')").unwrap();
}

#[test]
fn a_file_that_others_keep_for_long_is_waited_for_and_the_wait_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kept.db");
    let conn = open_wal(&path);
    unkempt(&conn);
    // It knows no nearlite, as a connection of another process is not known.
    let other = Connection::open(&path).unwrap();
    other.busy_timeout(Duration::from_secs(60)).unwrap();
    give_to_the_thread(&conn);
    let mut next = 900;
    loop {
        put(&conn, next..next + 300);
        next += 300;
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        if info::<i64>(&conn, "delta") >= 300 {
            break;
        }
        other.execute_batch("COMMIT").unwrap();
    }
    let told = || info::<Option<String>>(&conn, "maintenance");
    eventually("a word", || format!("{:?}", told()), || told().is_some_and(|why| why.contains("waits")));
    assert_eq!(found(&conn), next, "searches go on");
    other.execute_batch("COMMIT").unwrap();
    settle(&conn);
    assert_eq!(found(&conn), next);
    assert_sound(&conn);
}

#[test]
fn a_full_disk_stops_the_thread_and_no_statement_and_it_goes_on_with_room() {
    let folder = tempfile::tempdir().unwrap();
    let conn = open_wal(&folder.path().join("full.db"));
    unkempt(&conn);
    let pages: i64 = conn.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    // The thread may not make the file larger than the connection that woke it.
    conn.query_row(&format!("PRAGMA max_page_count = {}", pages + 2), [], |_| Ok(())).unwrap();
    give_to_the_thread(&conn);
    conn.execute("DELETE FROM docs WHERE rowid = 1", []).unwrap();
    let told = || info::<Option<String>>(&conn, "maintenance");
    eventually("a word", || format!("{:?}", told()), || told().is_some_and(|why| why.contains("full")));
    assert_eq!(found(&conn), 899);
    conn.execute("DELETE FROM docs WHERE rowid = 2", []).unwrap();
    conn.query_row("PRAGMA max_page_count = 1000000", [], |_| Ok(())).unwrap();
    // The thread is told at every 64th commit.
    put(&conn, 900..1_000);
    settle(&conn);
    assert_eq!(found(&conn), 998);
    assert_sound(&conn);
}

/// The look whether there is something to do took the write lock, for as long as the busy timeout: closing the database waited
/// for it, and "database is locked" was told as the table's trouble.
#[test]
fn the_thread_of_a_database_waits_for_no_lock_and_ends_while_another_connection_writes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kept.db");
    let patience = Duration::from_secs(300);
    let db = Database::options().busy_timeout(patience).synchronous(Synchronous::Off).open(&path).unwrap();
    let schema = Schema::new().integer_key("id").full_text("body").vector("v", DIM, Metric::L2);
    let docs = db.collection("docs").create(schema).unwrap();
    docs.set("maintenance", 3).unwrap();
    docs.set("delta_rows", 300).unwrap();
    let (other, reader, mut noise, mut next) = (Connection::open(&path).unwrap(), open(&path), Noise(8), 0);
    other.busy_timeout(Duration::from_secs(60)).unwrap();
    loop {
        // Nothing of it is due until nobody has written for a second.
        let row = |id| serde_json::json!({"id": id, "body": "all", "v": noise.vector(DIM)});
        docs.insert(&(next..next + 100).map(row).collect::<Vec<_>>()).unwrap();
        next += 100;
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        if info::<i64>(&reader, "delta") >= 100 {
            break;
        }
        other.execute_batch("COMMIT").unwrap();
    }
    let told = || info::<Option<String>>(&reader, "maintenance");
    eventually("a word", || format!("{:?}", told()), || told().is_some_and(|why| why.contains("waits")));
    drop(docs);
    db.close().unwrap();
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(found(&reader), next);
}

/// The thread of a database begins with its first write; until then the commits of others had nobody to leave their work to.
#[test]
fn a_connection_beside_a_database_that_does_not_write_has_a_thread() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("beside.db");
    let db = Database::open(&path).unwrap();
    let conn = open_wal(&path);
    create(&conn);
    put(&conn, 0..900);
    settle(&conn);
    assert_eq!(db.collections().unwrap(), ["docs"]);
    assert_sound(&conn);
}

/// SQLite disconnects the tables of a file that was detached at the next statement, and until then the thread had it open.
#[test]
fn a_file_that_was_detached_is_let_go() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("attached.db");
    let wal = folder.path().join("attached.db-wal");
    for idle in [false, true] {
        let conn = open(&folder.path().join("main.db"));
        conn.execute_batch("PRAGMA busy_timeout = 60000").unwrap();
        conn.execute("ATTACH ?1 AS other", [path.to_str().unwrap()]).unwrap();
        conn.query_row("PRAGMA other.journal_mode = wal", [], |_| Ok(())).unwrap();
        let declaration = format!("docs USING nearlite(body TEXT FULLTEXT, v VECTOR({DIM}) METRIC l2)");
        conn.execute_batch(&format!("CREATE VIRTUAL TABLE other.{declaration}")).unwrap();
        conn.execute_batch("INSERT INTO docs(docs, rank) VALUES('maintenance', 'background')").unwrap();
        set(&conn, "delta_rows", 300);
        put(&conn, 0..900);
        if idle {
            settle(&conn);
        }
        assert!(wal.exists());
        conn.execute_batch("DETACH other").unwrap();
        eventually("the end of -wal", String::new, || !wal.exists());
        let again = open_wal(&path);
        assert_eq!(found(&again), 900);
        assert_sound(&again);
        again.execute_batch("DROP TABLE docs").unwrap();
    }
}
