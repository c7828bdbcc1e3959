//! What is rolled back was never there: not in the rows, not in an index, not in a cache, not in another connection.
#![allow(clippy::unwrap_used)]

mod common;

use common::{assert_sound, blob, command, integers, open, open_memory, set};
use nearlite::rusqlite::{Connection, params};

const CREATE: &str = "CREATE VIRTUAL TABLE docs USING nearlite(
    id TEXT PRIMARY KEY, body TEXT FULLTEXT, year INTEGER, embedding VECTOR(2) METRIC l2)";

fn table() -> Connection {
    let conn = open_memory();
    conn.execute_batch(CREATE).unwrap();
    conn
}

/// Row `at` lies at (at, 0) and has the word `w<at>` and `all`.
fn insert(conn: &Connection, at: i64) {
    conn.execute(
        "INSERT INTO docs(rowid, id, body, year, embedding) VALUES(?1, ?2, ?3, ?4, ?5)",
        params![at, format!("k{at}"), format!("all w{at}"), 2000 + at, blob(&[at as f32, 0.0])],
    )
    .unwrap();
}

fn fill(conn: &Connection, rows: std::ops::RangeInclusive<i64>) {
    rows.for_each(|at| insert(conn, at));
}

fn near(conn: &Connection, to: f32, k: i64) -> Vec<i64> {
    let sql = "SELECT rowid FROM docs WHERE embedding MATCH ?1 ORDER BY distance LIMIT ?2";
    integers(conn, sql, params![blob(&[to, 0.0]), k])
}

fn text(conn: &Connection, query: &str) -> Vec<i64> {
    integers(conn, "SELECT rowid FROM docs WHERE docs MATCH ?1 ORDER BY rowid", [query])
}

fn all(conn: &Connection) -> Vec<i64> {
    integers(conn, "SELECT rowid FROM docs ORDER BY rowid", [])
}

fn segments(conn: &Connection) -> i64 {
    conn.query_row("SELECT segments FROM nearlite_info('docs')", [], |r| r.get(0)).unwrap()
}

fn batch(conn: &Connection, sql: &str) {
    conn.execute_batch(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
}

/// Everything that can be asked says that exactly `want` is there.
fn assert_holds(conn: &Connection, want: &[i64]) {
    assert_eq!(all(conn), want);
    assert_eq!(text(conn, "all"), want);
    assert_eq!(near(conn, -1.0, 1000), want, "nearest to -1 is ascending rowids");
    assert_eq!(integers(conn, "SELECT count(*) FROM docs", []), [want.len() as i64]);
    for at in want {
        assert_eq!(integers(conn, "SELECT rowid FROM docs WHERE id = ?1", [format!("k{at}")]), [*at]);
    }
}

#[test]
fn rollback_restores_results() {
    for sealed in [false, true] {
        let conn = table();
        fill(&conn, 1..=20);
        if sealed {
            command(&conn, "flush");
        }
        let want: Vec<i64> = (1..=20).collect();
        for maintenance in ["", "flush", "merge", "optimize", "rebuild"] {
            batch(&conn, "BEGIN; DELETE FROM docs WHERE rowid <= 5");
            batch(&conn, "UPDATE docs SET embedding = '[-5, 0]', body = 'other' WHERE id = 'k20'");
            fill(&conn, 21..=30);
            if !maintenance.is_empty() {
                command(&conn, maintenance);
            }
            assert_eq!(near(&conn, -1.0, 2), [20, 6]);
            assert_eq!(text(&conn, "other"), [20]);
            batch(&conn, "ROLLBACK");
            assert_holds(&conn, &want);
            assert_eq!(text(&conn, "other"), [0_i64; 0]);
        }
        assert_sound(&conn);
    }
}

#[test]
fn rollback_to_nested_savepoints() {
    let conn = table();
    fill(&conn, 1..=3);
    batch(&conn, "SAVEPOINT a");
    insert(&conn, 4);
    batch(&conn, "SAVEPOINT b");
    insert(&conn, 5);
    command(&conn, "flush");
    batch(&conn, "SAVEPOINT c; DELETE FROM docs WHERE rowid = 1");
    assert_holds(&conn, &[2, 3, 4, 5]);
    batch(&conn, "ROLLBACK TO c");
    assert_holds(&conn, &[1, 2, 3, 4, 5]);
    insert(&conn, 6);
    batch(&conn, "RELEASE c");
    assert_holds(&conn, &[1, 2, 3, 4, 5, 6]);
    batch(&conn, "ROLLBACK TO b");
    assert_holds(&conn, &[1, 2, 3, 4]);
    insert(&conn, 7);
    assert_holds(&conn, &[1, 2, 3, 4, 7]);
    batch(&conn, "ROLLBACK TO a; RELEASE a");
    assert_holds(&conn, &[1, 2, 3]);
    assert_sound(&conn);
}

#[test]
fn failed_multirow_insert_leaves_nothing() {
    let conn = table();
    fill(&conn, 1..=3);
    for transaction in [false, true] {
        if transaction {
            batch(&conn, "BEGIN");
        }
        for bad in
            ["('k9', 'all', 1, '[1, 2, 3]')", "('k2', 'all', 1, '[1, 2]')", "('k9', 'all', 'x', '[1, 2]')"]
        {
            let sql = format!(
                "INSERT INTO docs(id, body, year, embedding)
                 VALUES('k7', 'all', 1, '[0, 0]'), ('k8', 'all', 1, '[0, 1]'), {bad}"
            );
            conn.execute(&sql, []).unwrap_err();
            assert_holds(&conn, &[1, 2, 3]);
        }
        conn.execute("UPDATE docs SET id = 'same'", []).unwrap_err();
        conn.execute("UPDATE docs SET embedding = CASE rowid WHEN 3 THEN '[1]' ELSE '[9, 9]' END", [])
            .unwrap_err();
        assert_holds(&conn, &[1, 2, 3]);
        if transaction {
            batch(&conn, "COMMIT");
        }
    }
    assert_sound(&conn);
}

#[test]
fn cache_never_serves_rolled_back_segment() {
    let conn = table();
    fill(&conn, 1..=4);
    // The same segment number, the same rowids, the same counts: only the random names differ.
    for round in 0..4 {
        batch(&conn, "BEGIN");
        for at in 5..=8 {
            conn.execute(
                "INSERT INTO docs(rowid, id, body, embedding) VALUES(?1, ?2, ?3, ?4)",
                params![
                    at,
                    format!("r{round}-{at}"),
                    format!("round{round}"),
                    blob(&[100.0 * f32::from(round as i16), at as f32])
                ],
            )
            .unwrap();
        }
        command(&conn, "flush");
        assert_eq!(text(&conn, &format!("round{round}")), [5, 6, 7, 8]);
        if round > 0 {
            assert_eq!(text(&conn, &format!("round{}", round - 1)), [0_i64; 0]);
            assert_eq!(near(&conn, 100.0 * f32::from(round as i16), 2), [5, 6]);
        }
        batch(&conn, "ROLLBACK");
        assert_holds(&conn, &[1, 2, 3, 4]);
    }
    assert_sound(&conn);
}

#[test]
fn reused_rowid_after_rollback() {
    let conn = table();
    fill(&conn, 1..=3);
    for (word, x) in [("first", 50.0_f32), ("second", 60.0), ("third", 70.0)] {
        batch(&conn, "BEGIN");
        conn.execute(
            "INSERT INTO docs(id, body, embedding) VALUES('new', ?1, ?2)",
            params![word, blob(&[x, 0.0])],
        )
        .unwrap();
        assert_eq!(conn.last_insert_rowid(), 4);
        assert_eq!(text(&conn, word), [4]);
        let sql = "SELECT distance FROM docs WHERE embedding MATCH ?1 AND rowid = 4";
        let distance: f64 = conn.query_row(sql, [blob(&[x, 0.0])], |r| r.get(0)).unwrap();
        assert_eq!(distance, 0.0);
        batch(&conn, if word == "third" { "COMMIT" } else { "ROLLBACK" });
    }
    assert_eq!(text(&conn, "first OR second"), [0_i64; 0]);
    assert_eq!(text(&conn, "third"), [4]);
    assert_eq!(near(&conn, 70.0, 1), [4]);
    assert_sound(&conn);
}

#[test]
fn read_your_writes() {
    let conn = table();
    batch(&conn, "BEGIN");
    for at in 1..=100 {
        insert(&conn, at);
        assert_eq!(near(&conn, at as f32 + 10.0, 1), [at]);
        assert_eq!(text(&conn, &format!("w{at}")), [at]);
        if at % 30 == 0 {
            command(&conn, "flush");
        }
        if at % 7 == 0 {
            conn.execute("DELETE FROM docs WHERE rowid = ?1", [at - 3]).unwrap();
            assert_eq!(text(&conn, &format!("w{}", at - 3)), [0_i64; 0]);
        }
    }
    batch(&conn, "COMMIT");
    let want: Vec<i64> = (1..=100).filter(|at| (at + 3) % 7 != 0).collect();
    assert_holds(&conn, &want);
    assert_sound(&conn);
}

#[test]
fn seal_inside_savepoint_then_rollback() {
    let conn = table();
    fill(&conn, 1..=10);
    command(&conn, "flush");
    fill(&conn, 11..=14);
    assert_eq!(segments(&conn), 1);
    batch(&conn, "BEGIN; SAVEPOINT s; DELETE FROM docs WHERE rowid IN (2, 12)");
    fill(&conn, 15..=16);
    command(&conn, "flush");
    assert_eq!(segments(&conn), 2);
    command(&conn, "optimize");
    assert_eq!(segments(&conn), 1);
    batch(&conn, "ROLLBACK TO s");
    let want: Vec<i64> = (1..=14).collect();
    assert_eq!(segments(&conn), 1);
    assert_holds(&conn, &want);
    batch(&conn, "RELEASE s; COMMIT");
    assert_holds(&conn, &want);
    assert_sound(&conn);
}

#[test]
fn create_table_rolled_back() {
    let conn = open_memory();
    for round in 0..3 {
        batch(&conn, "BEGIN");
        batch(&conn, CREATE);
        fill(&conn, 1..=5);
        command(&conn, "flush");
        assert_holds(&conn, &[1, 2, 3, 4, 5]);
        batch(&conn, "ROLLBACK");
        assert_eq!(integers(&conn, "SELECT count(*) FROM sqlite_schema", []), [0], "round {round}");
        conn.query_row("SELECT 1 FROM docs", [], |_| Ok(())).unwrap_err();
    }
    batch(&conn, CREATE);
    fill(&conn, 6..=7);
    batch(&conn, "BEGIN; DROP TABLE docs; ROLLBACK");
    assert_holds(&conn, &[6, 7]);
    assert_sound(&conn);
}

#[test]
fn trigger_writes_same_table() {
    let conn = table();
    batch(
        &conn,
        "CREATE TABLE articles(id INTEGER PRIMARY KEY, body TEXT);
         CREATE TRIGGER added AFTER INSERT ON articles BEGIN
            INSERT INTO docs(rowid, id, body, embedding) VALUES(new.id, 'k' || new.id, new.body, '[' || new.id || ', 0]');
            UPDATE docs SET year = (SELECT count(*) FROM docs) WHERE rowid = new.id;
            DELETE FROM docs WHERE rowid = new.id - 3;
         END",
    );
    batch(
        &conn,
        "INSERT INTO articles(body) VALUES('all one'), ('all two'), ('all three'), ('all four'), ('all five')",
    );
    assert_holds(&conn, &[3, 4, 5]);
    assert_eq!(conn.last_insert_rowid(), 5);
    batch(&conn, "BEGIN; INSERT INTO articles(body) VALUES('all six')");
    assert_holds(&conn, &[4, 5, 6]);
    batch(&conn, "ROLLBACK");
    assert_holds(&conn, &[3, 4, 5]);
    // A failure in the trigger undoes the row that fired it.
    conn.execute("INSERT INTO articles(id, body) VALUES(4000, 'x'), (-4, 5), (7, NULL), (4, 'clash')", [])
        .unwrap_err();
    assert_holds(&conn, &[3, 4, 5]);
    assert_eq!(integers(&conn, "SELECT count(*) FROM articles", []), [5]);
    assert_sound(&conn);
}

#[test]
fn two_tables_commit_atomically() {
    let conn = table();
    batch(&conn, "CREATE VIRTUAL TABLE notes USING nearlite(body TEXT FULLTEXT, v VECTOR(2))");
    set(&conn, "delta_rows", 2);
    batch(&conn, "INSERT INTO notes(notes, rank) VALUES('delta_rows', 2)");
    let notes = || integers(&conn, "SELECT rowid FROM notes WHERE notes MATCH 'note' ORDER BY rowid", []);
    for end in ["ROLLBACK", "COMMIT"] {
        batch(&conn, "BEGIN");
        fill(&conn, 1..=3);
        batch(
            &conn,
            "INSERT INTO notes(body, v) VALUES('note', '[1, 1]'), ('a note', '[1, 0]'), ('note', NULL)",
        );
        assert_eq!(notes(), [1, 2, 3]);
        batch(&conn, end);
        let want: &[i64] = if end == "COMMIT" { &[1, 2, 3] } else { &[] };
        assert_holds(&conn, want);
        assert_eq!(notes(), want);
    }
    assert_sound(&conn);
}

#[test]
fn reader_snapshot_survives_merge() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wal.db");
    let writer = open(&path);
    writer.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
    batch(&writer, CREATE);
    set(&writer, "automerge", 0);
    fill(&writer, 1..=10);
    command(&writer, "flush");
    fill(&writer, 11..=20);
    command(&writer, "flush");
    fill(&writer, 21..=25);
    let old: Vec<i64> = (1..=25).collect();

    let reader = open(&path);
    batch(&reader, "BEGIN");
    // Only the snapshot is taken: its payloads are loaded after the merge dropped them.
    assert_eq!(all(&reader), old);
    batch(&writer, "DELETE FROM docs WHERE rowid <= 12");
    command(&writer, "optimize");
    fill(&writer, 26..=30);
    let new: Vec<i64> = (13..=30).collect();
    assert_holds(&writer, &new);
    assert_holds(&reader, &old);
    command(&writer, "rebuild");
    assert_holds(&reader, &old);
    batch(&reader, "COMMIT");
    assert_holds(&reader, &new);
    drop(writer);
    assert_sound(&reader);
}

#[test]
fn cursor_open_while_writing() {
    for k in ["LIMIT 40", ""] {
        let conn = table();
        fill(&conn, 1..=30);
        command(&conn, "flush");
        fill(&conn, 31..=40);
        batch(&conn, "BEGIN");
        let sql = format!("SELECT rowid FROM docs WHERE embedding MATCH '[-1, 0]' ORDER BY distance {k}");
        let mut statement = conn.prepare(&sql).unwrap();
        let mut rows = statement.query([]).unwrap();
        let mut seen = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            let at: i64 = row.get(0).unwrap();
            seen.push(at);
            // Rows behind the cursor change, and the index under it is made anew.
            batch(&conn, &format!("UPDATE docs SET embedding = '[-9, 0]' WHERE rowid = {at}"));
            if at % 10 == 5 {
                command(&conn, if at < 20 { "optimize" } else { "rebuild" });
            }
        }
        drop(rows);
        drop(statement);
        let want: Vec<i64> = (1..=40).collect();
        assert_eq!(seen, want, "a cursor keeps the view it started with");
        batch(&conn, "ROLLBACK");
        assert_holds(&conn, &want);
        assert_sound(&conn);
    }
}

#[test]
fn last_insert_rowid_is_a_row_of_the_user() {
    // Sealing inside the commit left the number of a shadow row here.
    let conn = table();
    set(&conn, "delta_rows", 1);
    for at in [7, 3, 1000] {
        insert(&conn, at);
        assert_eq!(conn.last_insert_rowid(), at);
        conn.execute("UPDATE docs SET year = 1", []).unwrap();
        conn.execute("DELETE FROM docs WHERE year = 2", []).unwrap();
        command(&conn, "optimize");
        set(&conn, "automerge", 2);
        assert_eq!(conn.last_insert_rowid(), at);
    }
}

/// Cursors noticed that the connection had changed something, and not that it had taken it back: they went on with rows that
/// had never been there.
#[test]
fn a_cursor_that_is_open_at_a_rollback_gives_no_row_that_was_taken_back() {
    let whole = ["BEGIN", "ROLLBACK"];
    let part = ["BEGIN; SAVEPOINT s", "ROLLBACK TO s"];
    for [begin, undo] in [whole, part] {
        for sealed in [false, true] {
            for sql in [
                "SELECT rowid FROM docs ORDER BY rowid",
                "SELECT rowid FROM docs ORDER BY rowid DESC",
                "SELECT rowid FROM docs WHERE docs MATCH 'all'",
                "SELECT rowid FROM docs WHERE docs MATCH 'all' ORDER BY rowid",
                "SELECT rowid FROM docs WHERE docs MATCH 'all' ORDER BY rank",
                "SELECT rowid FROM docs WHERE embedding MATCH '[0,0]'",
                "SELECT rowid FROM docs WHERE docs MATCH hybrid_query('all', near('embedding', '[0,0]'))",
            ] {
                let conn = table();
                fill(&conn, 1..=5);
                command(&conn, "flush");
                batch(&conn, begin);
                fill(&conn, 6..=60);
                conn.execute_batch("DELETE FROM docs WHERE rowid = 3").unwrap();
                if sealed {
                    command(&conn, "flush");
                }
                let mut statement = conn.prepare(sql).unwrap();
                let mut rows = statement.query([]).unwrap();
                rows.next().unwrap().unwrap();
                batch(&conn, undo);
                while let Some(row) = rows.next().unwrap_or_else(|error| panic!("{sql}, {undo}: {error}")) {
                    let rowid: i64 = row.get(0).unwrap();
                    assert!(rowid <= 5, "{sql}, {undo}: row {rowid} was taken back");
                }
                drop(rows);
                assert_holds(&conn, &[1, 2, 3, 4, 5]);
            }
        }
    }
}

#[test]
fn a_search_that_only_counts_does_not_count_what_was_taken_back() {
    let conn = table();
    fill(&conn, 1..=30);
    let mut statement = conn.prepare("SELECT 1 FROM docs WHERE docs MATCH 'all'").unwrap();
    batch(&conn, "SAVEPOINT s");
    fill(&conn, 31..=90);
    let mut rows = statement.query([]).unwrap();
    for _ in 0..25 {
        rows.next().unwrap().unwrap();
    }
    batch(&conn, "ROLLBACK TO s");
    let mut more = 0;
    while rows.next().unwrap().is_some() {
        more += 1;
    }
    assert!(more <= 30, "{more} rows more");
}
