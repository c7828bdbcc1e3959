//! Several processes that write one table without a pause: it stays in few segments while they do.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Noise, assert_sound, blob, integers, open, rows, set};
use nearlite::rusqlite::Connection;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const DIM: usize = 8;
const WRITERS: i64 = 3;
const ROWS: i64 = 3_000;

/// As many segments may be left, and as many again while a merge is awaited; each writer may have seen one seal more.
const MOST: i64 = 24 + WRITERS;

fn connect(path: &Path) -> Connection {
    let conn = open(path);
    conn.busy_timeout(Duration::from_secs(120)).unwrap();
    conn.execute_batch("PRAGMA synchronous = off").unwrap();
    conn
}

/// The body of a writing process; returns nothing to anyone else.
#[test]
fn writer() {
    let Ok(path) = std::env::var("NEARLITE_PROCESS") else { return };
    let number: i64 = std::env::var("NEARLITE_NUMBER").unwrap().parse().unwrap();
    let (conn, mut noise) = (connect(Path::new(&path)), Noise(number as u64));
    for row in 0..ROWS {
        let sql = "INSERT INTO docs(rowid, body, v) VALUES(?1, 'all w' || (?1 % 9), ?2)";
        let values = (number * ROWS + row, blob(&noise.vector(DIM)));
        conn.prepare_cached(sql).unwrap().execute(values).unwrap();
    }
}

#[test]
fn writers_of_several_processes_leave_few_segments() {
    for (mode, delta_rows) in [("auto", 5), ("auto", 300), ("background", 5), ("background", 300)] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shared.db");
        let conn = connect(&path);
        conn.query_row("PRAGMA journal_mode = wal", [], |_| Ok(())).unwrap();
        conn.execute_batch(&format!(
            "CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT, v VECTOR({DIM}) METRIC l2);
             INSERT INTO docs(docs, rank) VALUES('maintenance', '{mode}')"
        ))
        .unwrap();
        set(&conn, "delta_rows", delta_rows);
        let start = |number: i64| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "writer", "--nocapture"])
                .env("NEARLITE_PROCESS", &path)
                .env("NEARLITE_NUMBER", number.to_string())
                .spawn()
                .unwrap()
        };
        let mut writers: Vec<_> = (0..WRITERS).map(start).collect();
        let mut most = 0;
        while writers.iter_mut().any(|writer| writer.try_wait().unwrap().is_none()) {
            // The table is made with the first segment.
            let segments = rows(&conn, "SELECT count(*) FROM docs_segments", [], |row| row.get::<_, i64>(0));
            most = most.max(segments.map_or(0, |counts| counts[0]));
            std::thread::sleep(Duration::from_millis(1));
        }
        for mut writer in writers {
            assert!(writer.wait().unwrap().success());
        }
        println!("{mode}, delta_rows {delta_rows}: {most} segments at most");
        assert!(most <= MOST, "{mode}, delta_rows {delta_rows}: {most} segments");
        let found = integers(&conn, "SELECT count(*) FROM docs WHERE docs MATCH 'all'", []);
        assert_eq!(found, [WRITERS * ROWS], "{mode}, {delta_rows}");
        assert_sound(&conn);
    }
}
