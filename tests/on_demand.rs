//! `nearlite_maintain` beside other connections: it waits as long as it may, does what it can, and never fails for them.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Noise, assert_sound, blob, integers, open, set};
use nearlite::rusqlite::{Connection, ErrorCode};
use serde_json::Value;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const DIM: usize = 8;

fn open_wal(path: &Path) -> Connection {
    let conn = open(path);
    conn.query_row("PRAGMA journal_mode = wal", [], |_| Ok(())).unwrap();
    conn.execute_batch("PRAGMA synchronous = off").unwrap();
    conn.busy_timeout(Duration::from_secs(60)).unwrap();
    conn
}

fn create(conn: &Connection) {
    conn.execute_batch(&format!(
        "CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT, v VECTOR({DIM}) METRIC l2);
         INSERT INTO docs(docs, rank) VALUES('maintenance', 'manual')"
    ))
    .unwrap();
}

fn put(conn: &Connection, rows: std::ops::Range<i64>) {
    let mut noise = Noise(rows.start as u64 + 1);
    for row in rows {
        let sql = "INSERT INTO docs(rowid, body, v) VALUES(?1, 'all w' || (?1 % 9), ?2)";
        conn.prepare_cached(sql).unwrap().execute((row, blob(&noise.vector(DIM)))).unwrap();
    }
}

fn maintain(conn: &Connection, budget: Option<i64>) -> Value {
    let told: String =
        conn.query_row("SELECT nearlite_maintain('docs', ?1)", [budget], |row| row.get(0)).unwrap();
    serde_json::from_str(&told).unwrap()
}

fn trouble(conn: &Connection) -> Option<String> {
    conn.query_row("SELECT maintenance FROM nearlite_info('docs') LIMIT 1", [], |row| row.get(0)).unwrap()
}

fn says(told: &Value, what: &str) -> bool {
    told["finished"] == false && told["stopped"].as_str().is_some_and(|why| why.contains(what))
}

#[test]
fn a_lock_of_others_is_waited_for_within_the_budget() {
    let folder = tempfile::tempdir().unwrap();
    let (conn, other) = (open_wal(&folder.path().join("l.db")), open_wal(&folder.path().join("l.db")));
    create(&conn);
    put(&conn, 0..300);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    for budget in [0, 20] {
        let told = maintain(&conn, Some(budget));
        assert!(says(&told, "SQLITE_BUSY") && told["slices"] == 0, "{told}");
    }
    assert_eq!(integers(&conn, "PRAGMA busy_timeout", []), [60_000], "the patience of others is as it was");
    conn.busy_timeout(Duration::from_millis(20)).unwrap();
    let told = maintain(&conn, None);
    assert!(says(&told, "SQLITE_BUSY") && told["segments"] == 0, "{told}");
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(trouble(&conn), None, "it has not even begun");
    assert_eq!(maintain(&conn, None)["finished"], true);
    assert_sound(&conn);
}

#[test]
fn a_statement_that_still_reads_an_older_state_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (conn, other) = (open_wal(&folder.path().join("s.db")), open_wal(&folder.path().join("s.db")));
    create(&conn);
    put(&conn, 0..300);
    let mut reading = conn.prepare("SELECT rowid FROM docs").unwrap();
    let mut rows = reading.query([]).unwrap();
    assert!(rows.next().unwrap().is_some());
    // While nobody else has written, reading is in no way of it.
    assert_eq!(maintain(&conn, None)["finished"], true);
    put(&other, 300..301);
    let told = maintain(&conn, Some(100));
    assert!(says(&told, "SQLITE_BUSY_SNAPSHOT") && told["slices"] == 0, "{told}");
    let mut left = 1;
    while rows.next().unwrap().is_some() {
        left += 1;
    }
    assert_eq!(left, 300);
    drop(rows);
    assert_eq!(maintain(&conn, None)["finished"], true);
    // The same of a transaction that has read.
    conn.execute_batch("BEGIN; SELECT count(*) FROM docs").unwrap();
    assert_eq!(integers(&conn, "SELECT count(*) FROM docs", []), [301]);
    put(&other, 301..302);
    let told = maintain(&conn, None);
    assert!(says(&told, "SQLITE_BUSY_SNAPSHOT"), "{told}");
    assert_eq!(integers(&conn, "SELECT count(*) FROM docs", []), [301]);
    conn.execute_batch("COMMIT").unwrap();
    assert_eq!(trouble(&conn), None);
    assert_sound(&conn);
}

#[test]
fn a_full_disk_is_told_and_is_no_end() {
    let folder = tempfile::tempdir().unwrap();
    let conn = open_wal(&folder.path().join("f.db"));
    create(&conn);
    put(&conn, 0..900);
    let pages = integers(&conn, "PRAGMA page_count", [])[0];
    conn.query_row(&format!("PRAGMA max_page_count = {}", pages + 1), [], |_| Ok(())).unwrap();
    let told = maintain(&conn, None);
    assert!(says(&told, "full"), "{told}");
    assert!(trouble(&conn).is_some_and(|why| why.contains("full")));
    conn.query_row("PRAGMA max_page_count = 1000000", [], |_| Ok(())).unwrap();
    let told = maintain(&conn, None);
    assert_eq!((&told["finished"], &told["segments"]), (&true.into(), &1.into()), "{told}");
    assert_eq!(trouble(&conn), None);
    assert_sound(&conn);
}

#[test]
fn two_writers_without_a_pause_and_an_open_statement_never_make_it_fail() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.db");
    let conn = open_wal(&path);
    create(&conn);
    set(&conn, "maintenance", 0);
    set(&conn, "delta_rows", 5);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..2)
            .map(|writer: i64| {
                let path = &path;
                scope.spawn(move || put(&open_wal(path), writer * 10_000..writer * 10_000 + 2_500))
            })
            .collect();
        let mut reading = conn.prepare("SELECT rowid FROM docs").unwrap();
        while !stop.load(Ordering::Relaxed) {
            let mut rows = reading.query([]).unwrap();
            rows.next().unwrap();
            let told = maintain(&conn, Some(100));
            assert!(told["stopped"].is_null() || says(&told, "SQLITE_BUSY"), "{told}");
            drop(rows);
            let told = maintain(&conn, Some(100));
            assert!(told["stopped"].is_null() || says(&told, "SQLITE_BUSY"), "{told}");
            stop.store(writers.iter().all(std::thread::ScopedJoinHandle::is_finished), Ordering::Relaxed);
        }
        for writer in writers {
            writer.join().unwrap();
        }
    });
    // A small segment may stay beside one of 32 times its rows.
    let told = maintain(&conn, None);
    assert_eq!(told["finished"], true, "{told}");
    assert!(told["segments"].as_i64().is_some_and(|segments| (1..=2).contains(&segments)), "{told}");
    assert_eq!(integers(&conn, "SELECT count(*) FROM docs WHERE docs MATCH 'all'", []), [5_000]);
    assert_sound(&conn);
    // A statement of the user's own fails as it ever did.
    let other = open_wal(&path);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    conn.busy_timeout(Duration::ZERO).unwrap();
    let error = conn.execute("DELETE FROM docs WHERE rowid = 1", []).unwrap_err();
    assert_eq!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy));
}
