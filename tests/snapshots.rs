//! A statement or a call sees one state of the file, whatever others write while it runs.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Noise, blob, command, open, rows};
use nearlite::rusqlite::functions::FunctionFlags;
use nearlite::rusqlite::{Connection, Error};
use nearlite::{Database, Metric, Schema};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

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

/// The filter told which rows pass in one snapshot, and the queries were run in others.
#[test]
fn many_queries_with_a_filter_of_sql_see_the_state_that_the_filter_saw() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("filtered.db");
    let schema = Schema::new().integer_key("id").integer("n").vector("v", DIM, Metric::L2);
    let (calls, place) = (Arc::new(AtomicUsize::new(0)), path.clone());
    let db = Database::options()
        .on_connect(move |conn| {
            let (calls, place) = (Arc::clone(&calls), place.clone());
            // Another connection writes while the filter is evaluated.
            conn.create_scalar_function("written", 0, FunctionFlags::SQLITE_UTF8, move |_| {
                if calls.fetch_add(1, Ordering::Relaxed) == 0 {
                    let other = open(&place);
                    other.busy_timeout(Duration::from_secs(60))?;
                    other.execute_batch("UPDATE docs SET n = 2 WHERE n = 1")?;
                }
                Ok(true)
            })?;
            Ok(())
        })
        .open(&path)
        .unwrap();
    let docs = db.collection("docs").create(schema).unwrap();
    let mut noise = Noise(4);
    let row = |id| serde_json::json!({"id": id, "n": id % 3, "v": noise.vector(DIM)});
    docs.insert(&(0..60).map(row).collect::<Vec<_>>()).unwrap();
    let queries = vec![vec![0.25_f32; DIM]; 8];
    let search = docs.search().nearest("v", vec![0.0; DIM]).filter_sql("n = 1 AND written()", []).limit(5);
    for hits in search.search_many(&queries).unwrap() {
        assert_eq!(hits.len(), 5);
        for hit in &hits {
            let row: serde_json::Value = hit.row().unwrap();
            assert_eq!(row["n"], 1, "row {} does not pass the filter", hit.rowid);
        }
    }
}
