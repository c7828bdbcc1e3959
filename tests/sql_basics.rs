//! The contract of the SQL door on the library's own SQLite: create, write, search, filter, undo.
#![allow(clippy::unwrap_used)]

use nearlite::rusqlite::{Connection, params};

fn open() -> Connection {
    let conn = Connection::open_in_memory().unwrap();
    nearlite::register(&conn).unwrap();
    conn.execute_batch(
        "CREATE VIRTUAL TABLE docs USING nearlite(
            id TEXT PRIMARY KEY, title TEXT FULLTEXT WEIGHT 2.0, body TEXT FULLTEXT,
            lang TEXT, year INTEGER, payload TEXT UNINDEXED, embedding VECTOR(2))",
    )
    .unwrap();
    conn
}

fn fill(conn: &Connection, rows: i64) {
    for i in 1..=rows {
        let angle = i as f32 / rows as f32;
        conn.execute(
            "INSERT INTO docs(id, title, body, lang, year, payload, embedding) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                format!("d{i}"),
                format!("title {i}"),
                if i % 3 == 0 { "sqlite vector search" } else { "something else" },
                if i % 2 == 0 { "en" } else { "de" },
                2000 + i,
                "p",
                format!("[{}, {}]", angle.cos(), angle.sin()),
            ],
        )
        .unwrap();
    }
}

fn ids(conn: &Connection, sql: &str) -> Vec<String> {
    let mut statement = conn.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn every_kind_of_search_answers_before_and_after_sealing() {
    let conn = open();
    fill(&conn, 100);
    for command in ["", "flush", "optimize", "rebuild"] {
        if !command.is_empty() {
            conn.execute("INSERT INTO docs(docs) VALUES(?1)", [command]).unwrap();
        }
        let near = ids(&conn, "SELECT id FROM docs WHERE embedding MATCH '[1,0]' ORDER BY distance LIMIT 3");
        assert_eq!(near, ["d1", "d2", "d3"], "after '{command}'");
        let sql = "SELECT id FROM docs WHERE embedding MATCH '[1,0]' AND lang = 'en' AND year > 2010 \
                   ORDER BY distance LIMIT 3 OFFSET 1";
        assert_eq!(ids(&conn, sql), ["d14", "d16", "d18"]);
        let text =
            ids(&conn, "SELECT id FROM docs WHERE docs MATCH 'sqlite' AND lang = 'de' ORDER BY rank LIMIT 2");
        assert_eq!(text, ["d3", "d9"]);
        let sql =
            "SELECT id FROM docs WHERE docs MATCH hybrid_query('sqlite', '[1,0]') ORDER BY rank LIMIT 1";
        assert_eq!(ids(&conn, sql), ["d3"]);
        let sql =
            "SELECT snippet(docs, 'body', '<b>', '</b>', '…', 8) FROM docs WHERE docs MATCH 'sqlite' LIMIT 1";
        assert_eq!(ids(&conn, sql), ["<b>sqlite</b> vector search"]);
        let all: i64 = conn
            .query_row("SELECT count(*) FROM docs WHERE embedding MATCH '[1,0]'", [], |r| r.get(0))
            .unwrap();
        assert_eq!(all, 100);
        conn.execute("INSERT INTO docs(docs) VALUES('integrity-check')", []).unwrap();
    }
}

#[test]
fn updates_deletes_and_rollbacks_are_seen_at_once() {
    let conn = open();
    fill(&conn, 50);
    conn.execute_batch("INSERT INTO docs(docs) VALUES('flush')").unwrap();
    let nearest = "SELECT id FROM docs WHERE embedding MATCH '[1,0]' ORDER BY distance LIMIT 2";
    conn.execute_batch("BEGIN; DELETE FROM docs WHERE id = 'd1'").unwrap();
    assert_eq!(ids(&conn, nearest), ["d2", "d3"]);
    conn.execute_batch("SAVEPOINT s; UPDATE docs SET embedding = '[-1,0]' WHERE id = 'd2'").unwrap();
    assert_eq!(ids(&conn, nearest), ["d3", "d4"]);
    conn.execute_batch("INSERT INTO docs(docs) VALUES('optimize')").unwrap();
    assert_eq!(ids(&conn, nearest), ["d3", "d4"]);
    conn.execute_batch("ROLLBACK TO s").unwrap();
    assert_eq!(ids(&conn, nearest), ["d2", "d3"]);
    conn.execute_batch("ROLLBACK").unwrap();
    assert_eq!(ids(&conn, nearest), ["d1", "d2"]);
    conn.execute_batch("INSERT INTO docs(docs) VALUES('integrity-check')").unwrap();
}

#[test]
fn info_and_recall_describe_the_table() {
    let conn = open();
    fill(&conn, 30);
    conn.execute_batch("INSERT INTO docs(docs) VALUES('flush'); DELETE FROM docs WHERE id IN ('d1', 'd2')")
        .unwrap();
    fill_one_more(&conn);
    let counters: (i64, i64, i64, i64) = conn
        .query_row("SELECT rows, delta, segments, dead FROM nearlite_info('docs')", [], |r| {
            Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?))
        })
        .unwrap();
    assert_eq!(counters, (29, 1, 1, 2));
    let recall: f64 =
        conn.query_row("SELECT nearlite_recall('docs', 'embedding', 10, 5)", [], |r| r.get(0)).unwrap();
    assert_eq!(recall, 1.0);
    let error = conn.query_row("SELECT nearlite_recall('docs', 'nope', 10, 5)", [], |_| Ok(())).unwrap_err();
    assert!(error.to_string().contains("no vector column 'nope'"), "{error}");
}

fn fill_one_more(conn: &Connection) {
    conn.execute("INSERT INTO docs(id, body, embedding) VALUES('x', 'new', '[0,1]')", []).unwrap();
}

#[test]
fn rows_at_one_distance_come_in_order_of_rowid_however_they_were_written() {
    let conn = open();
    for rowid in [30, 10, 20, 50, 40, 5, 60, 70, 15, 25, 35, 45] {
        let sql = "INSERT INTO docs(rowid, id, embedding) VALUES(?1, ?2, '[0.6, 0.8]')";
        conn.execute(sql, params![rowid, format!("d{rowid:02}")]).unwrap();
    }
    let nearest = "SELECT id FROM docs WHERE embedding MATCH '[1,0]' ORDER BY distance LIMIT 3";
    for command in ["", "flush", "optimize"] {
        if !command.is_empty() {
            conn.execute("INSERT INTO docs(docs) VALUES(?1)", [command]).unwrap();
        }
        assert_eq!(ids(&conn, nearest), ["d05", "d10", "d15"], "after '{command}'");
        assert_eq!(ids(&conn, &nearest.replace(" LIMIT 3", "")).len(), 12);
    }
}
