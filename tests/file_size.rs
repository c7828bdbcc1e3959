//! What a command replaces makes room for what it writes.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Noise, assert_sound, blob, command, integers, open, open_memory, set};
use nearlite::rusqlite::{Connection, params};

const DIM: usize = 64;
const ROWS: i64 = 3_000;

fn pages(conn: &Connection) -> i64 {
    integers(conn, "SELECT page_count FROM pragma_page_count", [])[0]
}

fn load(conn: &Connection) {
    conn.execute_batch(
        "CREATE VIRTUAL TABLE docs USING nearlite(body FULLTEXT, n INTEGER, e VECTOR(64) METRIC l2)",
    )
    .unwrap();
    // Commands alone write segments: one that a commit seals may be as it should be without a graph.
    set(conn, "delta_rows", 1_000_000);
    conn.execute_batch("BEGIN").unwrap();
    let mut noise = Noise(3);
    for rowid in 1..=ROWS {
        let sql = "INSERT INTO docs(rowid, body, n, e) VALUES(?1, 'all w' || ?1, ?1, ?2)";
        conn.execute(sql, params![rowid, blob(&noise.vector(DIM))]).unwrap();
    }
    conn.execute_batch("COMMIT").unwrap();
    command(conn, "optimize");
}

fn assert_found(conn: &Connection) {
    let all = integers(conn, "SELECT count(*) FROM docs WHERE docs MATCH 'all'", []);
    assert_eq!(all, [ROWS]);
    let mut noise = Noise(3);
    for rowid in 1..=50 {
        let near = "SELECT rowid FROM docs WHERE e MATCH ?1 ORDER BY distance LIMIT 1";
        assert_eq!(integers(conn, near, [blob(&noise.vector(DIM))]), [rowid]);
    }
}

#[test]
fn a_merge_is_written_into_the_pages_of_what_it_replaces() {
    let dir = tempfile::tempdir().unwrap();
    let conn = open(&dir.path().join("t.db"));
    load(&conn);
    let loaded = pages(&conn);
    for round in 1..=3 {
        conn.execute("UPDATE docs SET body = body || ' again', n = n + ?1 WHERE rowid % 5 = ?1", [round])
            .unwrap();
        command(&conn, "optimize");
        assert!(pages(&conn) * 100 < loaded * 115, "{} pages after {loaded}", pages(&conn));
        assert_sound(&conn);
        assert_found(&conn);
    }
}

#[test]
fn a_merge_that_is_taken_back_leaves_what_it_would_have_replaced() {
    let dir = tempfile::tempdir().unwrap();
    for conn in [open(&dir.path().join("t.db")), open_memory()] {
        load(&conn);
        conn.execute_batch("BEGIN; UPDATE docs SET n = 0 WHERE rowid % 3 = 0; SAVEPOINT here").unwrap();
        command(&conn, "optimize");
        assert_found(&conn);
        conn.execute_batch("ROLLBACK TO here").unwrap();
        assert_found(&conn);
        assert_sound(&conn);
        command(&conn, "optimize");
        conn.execute_batch("ROLLBACK").unwrap();
        assert_found(&conn);
        assert_sound(&conn);
    }
}
