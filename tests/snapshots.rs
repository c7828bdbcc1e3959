//! A statement or a call sees one state of the file, whatever others write while it runs.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Noise, blob, command, open, rows};
use nearlite::rusqlite::{Connection, Error};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

const DIM: usize = 8;
const ROWS: i64 = 300;

fn filled(path: &Path) -> Connection {
    let conn = open(path);
    conn.query_row("PRAGMA journal_mode = wal", [], |_| Ok(())).unwrap();
    conn.execute_batch(&format!(
        "PRAGMA synchronous = off;
         CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT, v VECTOR({DIM}) METRIC l2)"
    ))
    .unwrap();
    rewrite(&conn, 0);
    conn
}

/// Other rows, in another segment.
fn rewrite(conn: &Connection, first: i64) {
    let mut noise = Noise(first as u64 + 1);
    conn.execute_batch("BEGIN; DELETE FROM docs").unwrap();
    for row in first..first + ROWS {
        let sql = "INSERT INTO docs(rowid, body, v) VALUES(?1, 'all w' || ?1, ?2)";
        conn.prepare_cached(sql).unwrap().execute((row, blob(&noise.vector(DIM)))).unwrap();
    }
    conn.execute_batch("COMMIT").unwrap();
    command(conn, "optimize");
}

/// They read the table in one snapshot for each of their inner statements, where the statement that called them read nothing
/// of the file itself. What they met was taken for damage.
#[test]
fn what_functions_tell_of_a_table_is_of_one_state_while_others_write() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("written.db");
    let (writer, mut conn) = (filled(&path), open(&folder.path().join("main.db")));
    conn.execute("ATTACH ?1 AS other", [path.to_str().unwrap()]).unwrap();
    let writer = Arc::new(Mutex::new(writer));
    for sql in [
        "SELECT nearlite_recall('other.docs', 'v', 20, 5) > 0.5",
        "SELECT recall > 0.5 FROM nearlite_recall('other.docs', 'v', 20, 5)",
        "SELECT rows = 300 FROM nearlite_info('other.docs') WHERE kind = 'table'",
        "SELECT count(*) = 301 FROM nearlite_terms('other.docs', 'body')",
        "SELECT count(*) = 2 FROM nearlite_schema('other.docs')",
        "SELECT nearlite_warnings('other.docs', 'all') = '[]'",
        "SELECT nearlite_release('other') >= 0",
    ] {
        // The writer comes in the first time after so many steps, then each time after as many more.
        for steps in [3, 10, 40, 150, 600] {
            let (writer, times) = (Arc::clone(&writer), AtomicUsize::new(0));
            let write = move || {
                let at = times.fetch_add(1, Ordering::Relaxed);
                if at < 6 {
                    rewrite(&writer.lock().unwrap(), (at as i64 + 1) * 1_000);
                }
                false
            };
            conn.progress_handler(steps, Some(write)).unwrap();
            let told: Result<Vec<bool>, Error> = rows(&conn, sql, [], |row| row.get(0));
            conn.progress_handler(0, None::<fn() -> bool>).unwrap();
            assert_eq!(told.unwrap_or_else(|error| panic!("{sql}: {error}")), [true], "{sql}, {steps} steps");
        }
    }
}
