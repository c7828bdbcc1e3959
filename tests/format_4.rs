//! A table of format version 4 is read, searched, written and merged by this build.
#![allow(clippy::unwrap_used)]

mod common;

use common::{assert_sound, blob, command, integers, open, rows};
use nearlite::rusqlite::types::Value;
use nearlite::rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};

/// A copy of the file that a build of version 4 wrote.
fn fixture(dir: &Path) -> PathBuf {
    let path = dir.join("format4.db");
    std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format4.db"), &path).unwrap();
    path
}

fn vector(rowid: i64, dim: i64) -> Vec<f32> {
    (0..dim).map(|i| ((rowid * 31 + i * 17) % 101) as f32 / 8.0).collect()
}

fn format_of(conn: &Connection) -> i64 {
    integers(conn, "SELECT value FROM docs_config WHERE name = 'format'", [])[0]
}

/// Rows 1 to 308: a segment with a graph, two smaller ones, dead rows in both, a log, tiles, JSON. Everything is found that
/// the rows say.
fn assert_found(conn: &Connection) {
    let alive: Vec<i64> = (1..309).filter(|rowid| ![3, 4, 275, 305].contains(rowid)).collect();
    let kept =
        |keep: &dyn Fn(i64) -> bool| alive.iter().copied().filter(|rowid| keep(*rowid)).collect::<Vec<_>>();
    let bare = |rowid: i64| rowid % 50 == 0;
    let stored: Vec<(i64, Value)> =
        rows(conn, "SELECT rowid, e FROM docs ORDER BY rowid", [], |r| Ok((r.get(0)?, r.get(1)?))).unwrap();
    let right = |rowid: i64| if bare(rowid) { Value::Null } else { blob(&vector(rowid, 64)).into() };
    assert_eq!(stored, alive.iter().map(|rowid| (*rowid, right(*rowid))).collect::<Vec<_>>());
    // Up to four rows have the same vector.
    for rowid in kept(&|rowid| !bare(rowid)) {
        let near = "SELECT rowid FROM docs WHERE e MATCH ?1 ORDER BY distance LIMIT 4";
        assert!(integers(conn, near, [blob(&vector(rowid, 64))]).contains(&rowid), "{rowid}");
    }
    let found =
        |text: &str| integers(conn, "SELECT rowid FROM docs WHERE docs MATCH ?1 ORDER BY rowid", [text]);
    assert_eq!(found("all"), alive);
    assert_eq!(found("anew"), [11]);
    // Words 0 to 2 of five in turn are informação, informações, informacao. Row 11 lost its word.
    assert_eq!(found("informação"), kept(&|rowid| rowid % 5 < 2 && rowid != 11));
    assert_eq!(found("informacao"), kept(&|rowid| [0, 2].contains(&(rowid % 5))));
    let filtered = |filter: &str| {
        let sql = format!("SELECT rowid FROM docs WHERE e MATCH ?1 AND {filter} ORDER BY rowid");
        integers(conn, &sql, [blob(&vector(9, 64))])
    };
    let by_json = |filter: &str| filtered(&format!("json_matches(meta, '{filter}')"));
    let object = |rowid: i64| rowid % 10 != 0;
    assert_eq!(by_json(r#"{"tag": "t3"}"#), kept(&|rowid| object(rowid) && rowid % 6 == 3));
    assert_eq!(by_json(r#"{"deep.n": {"$gt": 290}}"#), kept(&|rowid| object(rowid) && rowid > 290));
    assert_eq!(by_json(r#"{"rare": true}"#), [5]);
    assert_eq!(filtered("lang = 'l2'"), kept(&|rowid| !bare(rowid) && rowid % 9 != 0 && rowid % 4 == 2));
    assert_eq!(filtered("n > 300"), kept(&|rowid| rowid > 300 || rowid == 7));
    // The other table: two vectors a row, one of them as halves, the other with codes of single bits; and a log.
    let notes = integers(conn, "SELECT rowid FROM notes WHERE notes MATCH 'ångström' ORDER BY rowid", []);
    assert_eq!(notes, [1, 2, 3, 4]);
    for (column, dim) in [("v", 192), ("b", 256)] {
        let near = format!("SELECT rowid FROM notes WHERE {column} MATCH ?1 ORDER BY distance LIMIT 1");
        assert_eq!(integers(conn, &near, [blob(&vector(5, dim))]), [5]);
        assert_eq!(integers(conn, &near, [blob(&vector(3, dim))]), [3]);
    }
}

#[test]
fn a_table_of_version_4_is_searched_as_it_is_and_written_by_this_build() {
    let dir = tempfile::tempdir().unwrap();
    let path = fixture(dir.path());
    let bytes = std::fs::read(&path).unwrap();
    let reader = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    nearlite::register(&reader).unwrap();
    let counts = "SELECT count(*) FROM docs_tiles UNION ALL SELECT count(*) FROM docs_segments
        UNION ALL SELECT count(*) FROM docs_tombstones UNION ALL SELECT count(*) FROM docs_delta";
    assert_eq!(integers(&reader, counts, []), [15, 3, 2, 12]);
    assert_found(&reader);
    drop(reader);
    let conn = open(&path);
    assert_found(&conn);
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    conn.execute_batch("UPDATE docs SET lang = lang || '' WHERE rowid = 8").unwrap();
    assert_eq!(format_of(&conn), 4);
    for step in ["flush", "merge", "optimize", "rebuild"] {
        command(&conn, step);
        assert_found(&conn);
        assert_sound(&conn);
        assert_found(&open(&path));
    }
    conn.execute("INSERT INTO notes(notes) VALUES('optimize')", []).unwrap();
    assert_found(&conn);
}

#[test]
fn a_table_of_version_4_that_is_altered_becomes_one_of_version_5() {
    let dir = tempfile::tempdir().unwrap();
    let conn = open(&fixture(dir.path()));
    conn.query_row("SELECT nearlite_alter('docs', 'ADD COLUMN shelf TEXT')", [], |_| Ok(())).unwrap();
    assert_eq!(format_of(&conn), 5);
    assert_found(&conn);
    assert_sound(&conn);
}
