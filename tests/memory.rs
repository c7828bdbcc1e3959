//! Where memory is short, what is large fails as SQLITE_NOMEM: the process lives, and what it had stored is as before.
#![allow(clippy::unwrap_used)]
#![cfg(target_os = "linux")]

mod common;

use common::{blob, open};
use nearlite::rusqlite::{Connection, Error, ErrorCode, params};
use std::path::Path;
use std::process::{Command, Stdio};

const DIM: usize = 256;

fn vector(at: i64) -> Vec<u8> {
    blob(&std::array::from_fn::<f32, DIM, _>(|i| ((at * 31 + i as i64 * 17 + at * at) % 101) as f32))
}

fn insert(conn: &Connection, rows: std::ops::Range<i64>) -> nearlite::rusqlite::Result<()> {
    let mut statement = conn.prepare("INSERT INTO docs(rowid, body, n, v, w) VALUES(?1, ?2, ?3, ?4, ?5)")?;
    for at in rows {
        let body = format!("all the words of row {at} and w{} with others {}", at % 50, at * 7919);
        let graph = (at % 12 == 0).then(|| vector(at));
        statement.execute(params![at, body, at, vector(at), graph])?;
    }
    Ok(())
}

/// A sealed segment of `rows` rows, and as many in the log.
fn write_table(path: &Path, rows: i64) {
    let conn = open(path);
    conn.execute_batch(&format!(
        "PRAGMA synchronous = OFF;
         CREATE VIRTUAL TABLE docs USING nearlite(
             body TEXT FULLTEXT, n INTEGER, v VECTOR({DIM}) INDEX flat, w VECTOR({DIM}))"
    ))
    .unwrap();
    common::set(&conn, "delta_rows", 1_000_000);
    conn.execute_batch("BEGIN").unwrap();
    insert(&conn, 1..rows + 1).unwrap();
    common::command(&conn, "flush");
    insert(&conn, rows + 1..rows + rows / 4).unwrap();
    conn.execute_batch("COMMIT").unwrap();
}

fn size_in_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

type Work = fn(&Connection) -> nearlite::rusqlite::Result<()>;

const WORKS: [(&str, Work); 8] = [
    ("opening", |_| Ok(())),
    ("a search by vector", |conn| {
        let sql = "SELECT rowid FROM docs WHERE v MATCH ?1 AND exact = 1 ORDER BY distance LIMIT 1";
        let found: i64 = conn.query_row(sql, [vector(77)], |row| row.get(0))?;
        assert_eq!(found, 77);
        Ok(())
    }),
    ("a search by text", |conn| {
        let mut statement = conn.prepare("SELECT rowid FROM docs WHERE docs MATCH '\"row 77\"'")?;
        let found = statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
        assert_eq!(found, [77]);
        Ok(())
    }),
    ("rows kept in memory", |conn| {
        conn.execute_batch("INSERT INTO docs(docs, rank) VALUES('resident_vectors', 1)")?;
        conn.query_row("SELECT rowid FROM docs WHERE v MATCH ?1 LIMIT 1", [vector(5)], |_| Ok(()))
    }),
    ("a commit that seals", |conn| {
        conn.execute_batch("INSERT INTO docs(docs, rank) VALUES('delta_rows', 1)")?;
        conn.execute_batch("DELETE FROM docs WHERE rowid = 5")
    }),
    // What is too large for memory here is a slice of maintenance, which is given up: the commit itself is not.
    ("commits that do a slice each", |conn| {
        conn.execute_batch("INSERT INTO docs(docs, rank) VALUES('delta_rows', 2000)")?;
        for rowid in 1..200 {
            let told = conn.execute("UPDATE docs SET n = -1 WHERE rowid = ?1", [rowid]);
            let n: i64 = conn.query_row("SELECT n FROM docs WHERE rowid = ?1", [rowid], |row| row.get(0))?;
            if told.is_ok() != (n == -1) {
                // A panic would need memory.
                return Err(Error::InvalidParameterName(format!("{told:?}, and n is {n}")));
            }
            told?;
        }
        Ok(())
    }),
    ("optimize", |conn| conn.execute_batch("INSERT INTO docs(docs) VALUES('optimize')")),
    ("rebuild", |conn| conn.execute_batch("INSERT INTO docs(docs) VALUES('rebuild')")),
];

/// Runs in a process of its own and tells how it went.
#[test]
#[ignore = "run by the other test"]
fn child() {
    let (Ok(path), Ok(name)) = (std::env::var("NEARLITE_FILE"), std::env::var("NEARLITE_WORK")) else {
        return;
    };
    let conn = open(Path::new(&path));
    conn.execute_batch("PRAGMA synchronous = OFF").unwrap();
    let work = WORKS.iter().find(|(known, _)| *known == name).unwrap().1;
    let outcome = match work(&conn) {
        Ok(()) => "done".to_owned(),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OutOfMemory) => "no memory".to_owned(),
        Err(error) => error.to_string(),
    };
    println!("\noutcome {outcome}\nsize {}", size_in_kib());
}

/// Runs a work with so many KiB of memory; answers the outcome and the size the process had.
fn run(path: &Path, work: &str, limit: Option<u64>) -> (String, u64) {
    let limit = limit.map_or("unlimited".to_owned(), |limit| limit.to_string());
    let done = Command::new("sh")
        .args(["-c", &format!("ulimit -v {limit}; exec \"$0\" \"$@\"")])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture", "--test-threads=1"])
        .env("NEARLITE_FILE", path)
        .env("NEARLITE_WORK", work)
        // One arena: what the limit counts is what is asked for.
        .env("MALLOC_ARENA_MAX", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    let said = |what: &str| text.lines().find_map(|line| line.strip_prefix(what)).map(str::to_owned);
    match (said("outcome "), said("size ")) {
        (Some(outcome), Some(size)) => (outcome, size.parse().unwrap()),
        _ => (format!("{}: {}", done.status, String::from_utf8_lossy(&done.stderr)), 0),
    }
}

#[test]
fn a_lack_of_memory_is_an_error_and_leaves_the_table_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let (template, path) = (dir.path().join("template.db"), dir.path().join("short.db"));
    write_table(&template, 12_000);
    let base = run(&template, "opening", None).1;
    let mut refused = 0;
    for (work, _) in &WORKS[1..] {
        let mut outcomes = String::new();
        // From hardly more than the start takes, in steps of 2 MiB, until there is enough.
        for spare in 1.. {
            assert!(spare < 400, "{work} never has enough memory");
            std::fs::copy(&template, &path).unwrap();
            let (outcome, _) = run(&path, work, Some(base + 12_288 + spare * 2_048));
            match outcome.as_str() {
                "done" => break,
                "no memory" => refused += 1,
                other => panic!("{work} with {} MiB to spare: {other}", 12 + spare * 2),
            }
            outcomes.push('.');
            let conn = open(&path);
            assert_eq!(common::integers(&conn, "SELECT count(*) FROM docs", []), [14_999]);
        }
        println!("{work}: {} limits were too low", outcomes.len());
    }
    assert!(refused > 5, "{refused}");
}
