//! Deleting a large share of the rows gives their room back.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Noise, assert_sound, blob, command, integers, open};
use nearlite::rusqlite::Connection;

const DIM: usize = 96;

fn one(conn: &Connection, sql: &str) -> i64 {
    conn.query_row(sql, [], |row| row.get(0)).unwrap_or_else(|e| panic!("{sql}: {e}"))
}

#[test]
fn deleting_most_rows_gives_their_room_back_to_the_file_system() {
    for mode in ["NONE", "INCREMENTAL"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("space.db");
        let conn = open(&path);
        conn.execute_batch(&format!(
            "PRAGMA auto_vacuum = {mode};
             CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT, year INTEGER, e VECTOR({DIM}) METRIC l2);
             CREATE TABLE plain(rowid INTEGER PRIMARY KEY, body, year, e)"
        ))
        .unwrap();
        let mut noise = Noise(11);
        conn.execute_batch("BEGIN").unwrap();
        for rowid in 1..=6_000_i64 {
            let (body, vector) = (format!("all w{}", rowid % 13), blob(&noise.vector(DIM)));
            for table in ["docs", "plain"] {
                let sql = format!("INSERT INTO {table}(rowid, body, year, e) VALUES(?1, ?2, ?3, ?4)");
                conn.prepare_cached(&sql).unwrap().execute((rowid, &body, rowid % 31, &vector)).unwrap();
            }
        }
        conn.execute_batch("COMMIT").unwrap();
        let space = |what: &str| one(&conn, &format!("SELECT {what} FROM nearlite_info('docs') LIMIT 1"));
        assert_eq!(space("dead_bytes"), 0);
        let before = std::fs::metadata(&path).unwrap().len();
        conn.execute_batch("DELETE FROM docs WHERE rowid % 5 <> 2; DELETE FROM plain WHERE rowid % 5 <> 2")
            .unwrap();
        // What a large transaction leaves to maintenance, and what it has done itself.
        let indexed = space("disk_bytes");
        assert!(space("dead_bytes") > 0 || indexed < 6_000 * DIM as i64);
        command(&conn, "maintain");
        assert_eq!(space("dead_bytes"), 0);
        let free = space("free_bytes");
        assert!(free as u64 > before / 2, "{free} of {before}");
        // Each step of `incremental_vacuum` gives back one page.
        let sql = if mode == "NONE" { "VACUUM" } else { "PRAGMA incremental_vacuum" };
        let mut statement = conn.prepare(sql).unwrap();
        let mut steps = statement.query([]).unwrap();
        while steps.next().unwrap().is_some() {}
        drop(steps);
        let after = std::fs::metadata(&path).unwrap().len();
        assert!(after * 10 < before * 4, "{before} before, {after} after");
        assert_eq!(space("free_bytes"), 0);
        assert_sound(&conn);
        let same = |searched: &str, plain: &str| {
            let query = blob(&vec![0.05; DIM]);
            let read = |sql: &str| match sql.contains("?1") {
                true => integers(&conn, sql, [&query]),
                false => integers(&conn, sql, []),
            };
            let found = read(searched);
            assert!(!found.is_empty());
            assert_eq!(found, read(plain));
        };
        same(
            "SELECT rowid FROM docs WHERE e MATCH ?1 AND exact = 1 AND year > 9 ORDER BY distance LIMIT 20",
            "SELECT rowid FROM plain WHERE year > 9 ORDER BY vec_distance_l2(e, ?1) LIMIT 20",
        );
        same(
            "SELECT rowid FROM docs WHERE docs MATCH 'w7' ORDER BY rowid",
            "SELECT rowid FROM plain WHERE body = 'all w7' ORDER BY rowid",
        );
    }
}
