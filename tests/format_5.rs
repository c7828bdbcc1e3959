//! A table of format version 5 is read, searched, written, merged, altered, renamed and dropped by this build.
#![allow(clippy::unwrap_used)]

mod common;

use common::{assert_sound, blob, command, integers, open, rows};
use nearlite::rusqlite::types::Value;
use nearlite::rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};

/// A copy of the file that a build of version 5 wrote.
fn fixture(dir: &Path) -> PathBuf {
    let path = dir.join("format5.db");
    std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format5.db"), &path).unwrap();
    path
}

fn vector(rowid: i64, dim: i64) -> Vec<f32> {
    (0..dim).map(|i| ((rowid * 31 + i * 17) % 101) as f32 / 8.0).collect()
}

fn tables(conn: &Connection, like: &str) -> Vec<String> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE ?1 ORDER BY name";
    rows(conn, sql, [like], |row| row.get(0)).unwrap()
}

/// Rows 1 to 308: two segments, one of them with a graph and a patch, dead rows, a log, tiles, columns that were renamed and
/// added. Everything is found that the rows say.
fn assert_found(conn: &Connection, table: &str) {
    let alive: Vec<i64> = (1..309).filter(|rowid| ![3, 4, 5, 302].contains(rowid)).collect();
    let kept =
        |keep: &dyn Fn(i64) -> bool| alive.iter().copied().filter(|rowid| keep(*rowid)).collect::<Vec<_>>();
    let bare = |rowid: i64| rowid <= 300 && rowid % 50 == 0;
    let sql = format!("SELECT rowid, e FROM {table} ORDER BY rowid");
    let stored: Vec<(i64, Value)> = rows(conn, &sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let right = |rowid: i64| if bare(rowid) { Value::Null } else { blob(&vector(rowid, 64)).into() };
    assert_eq!(stored, alive.iter().map(|rowid| (*rowid, right(*rowid))).collect::<Vec<_>>());
    // Up to four rows have the same vector, and others one that is nearly as near.
    let near = format!("SELECT rowid FROM {table} WHERE e MATCH ?1 AND exact = 1 ORDER BY distance LIMIT 4");
    for rowid in kept(&|rowid| !bare(rowid)) {
        assert!(integers(conn, &near, [blob(&vector(rowid, 64))]).contains(&rowid), "{rowid}");
    }
    let sql = format!("SELECT rowid FROM {table} WHERE {table} MATCH ?1 ORDER BY rowid");
    let found = |text: &str| integers(conn, &sql, [text]);
    assert_eq!(found("all"), alive);
    assert_eq!(found("anew"), [11]);
    // The words of a query have to be there together: a setting.
    assert_eq!(found("all word2"), kept(&|rowid| rowid % 5 == 2));
    let filtered = |filter: &str| {
        let sql = format!("SELECT rowid FROM {table} WHERE {table} MATCH 'all' AND {filter} ORDER BY rowid");
        integers(conn, &sql, [])
    };
    assert_eq!(filtered("language = 'l2'"), kept(&|rowid| rowid <= 300 && rowid % 9 != 0 && rowid % 4 == 2));
    assert_eq!(filtered("shelf = 's1'"), kept(&|rowid| rowid > 300));
    assert_eq!(filtered("shelf = 's0'"), kept(&|rowid| rowid <= 300));
    assert_eq!(filtered("n > 300"), kept(&|rowid| rowid > 300 || [7, 20, 21].contains(&rowid)));
    assert_eq!(filtered("id = 'k77'"), [77]);
    assert_eq!(integers(conn, "SELECT rowid FROM notes WHERE notes MATCH 'one'", []), [1]);
}

#[test]
fn a_table_of_version_5_is_searched_as_it_is_and_written_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = fixture(dir.path());
    let bytes = std::fs::read(&path).unwrap();
    let reader = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    nearlite::register(&reader).unwrap();
    let counts = "SELECT count(*) > 0 FROM docs_tiles UNION ALL SELECT count(*) FROM docs_segments
        UNION ALL SELECT count(*) > 0 FROM docs_delta UNION ALL SELECT count(*) FROM docs_root";
    assert_eq!(integers(&reader, counts, []), [1, 2, 1, 1]);
    assert_found(&reader, "docs");
    drop(reader);
    let conn = open(&path);
    assert_found(&conn, "docs");
    assert_sound(&conn);
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    conn.execute_batch("UPDATE docs SET language = language || '' WHERE rowid = 8").unwrap();
    for step in ["flush", "merge", "optimize", "rebuild"] {
        command(&conn, step);
        assert_found(&conn, "docs");
        assert_sound(&conn);
        assert_found(&open(&path), "docs");
    }
    // The root stays where it is, and so an older build of that version can read the file.
    assert_eq!(integers(&conn, "SELECT value FROM docs_config WHERE name = 'format'", []), [5]);
    assert_eq!(tables(&conn, "docs_%").len(), 9);
    // Tables that had no segment yet.
    conn.execute_batch(
        "INSERT INTO notes(notes) VALUES('optimize'); INSERT INTO bare(n) VALUES(1), (2);
         INSERT INTO bare(bare) VALUES('flush'); INSERT INTO notes(notes) VALUES('integrity-check');
         INSERT INTO bare(bare) VALUES('integrity-check')",
    )
    .unwrap();
    assert_found(&conn, "docs");
    assert_eq!(integers(&conn, "SELECT n FROM bare ORDER BY n", []), [1, 2]);
}

#[test]
fn a_table_of_version_5_is_altered_renamed_and_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let conn = open(&fixture(dir.path()));
    let other = open(&dir.path().join("format5.db"));
    assert_found(&other, "docs");
    for change in ["RENAME COLUMN body TO content", "ADD COLUMN more INTEGER", "DROP COLUMN more"] {
        conn.query_row("SELECT nearlite_alter('docs', ?1)", [change], |_| Ok(())).unwrap();
        assert_found(&conn, "docs");
        // It reads the declaration again.
        assert_found(&other, "docs");
    }
    drop(other);
    conn.execute_batch("ALTER TABLE docs RENAME TO papers").unwrap();
    assert_found(&conn, "papers");
    assert!(tables(&conn, "docs%").is_empty());
    assert_eq!(tables(&conn, "papers%").len(), 10);
    conn.execute_batch("DROP TABLE papers; DROP TABLE notes; DROP TABLE bare").unwrap();
    assert!(tables(&conn, "%").is_empty());
}
