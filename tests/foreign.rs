//! Other connections see no error that they would not see without maintenance: `auto` has no second writer.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Noise, assert_sound, blob, integers, open, set};
use nearlite::rusqlite::Connection;

const DIM: usize = 8;

/// Without patience, as another application may be.
fn impatient(path: &std::path::Path) -> Connection {
    let conn = open(path);
    conn.execute_batch("PRAGMA busy_timeout = 0; PRAGMA synchronous = off").unwrap();
    conn
}

#[test]
fn neither_one_without_patience_nor_one_that_reads_before_it_writes_meets_maintenance() {
    for mode in ["auto", "commit"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("foreign.db");
        let (own, brief, reads) = (impatient(&path), impatient(&path), impatient(&path));
        own.query_row("PRAGMA journal_mode = wal", [], |_| Ok(())).unwrap();
        own.execute_batch(&format!(
            "CREATE TABLE mine(x);
             CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT, v VECTOR({DIM}));
             INSERT INTO docs(docs, rank) VALUES('maintenance', '{mode}')"
        ))
        .unwrap();
        set(&own, "delta_rows", 300);
        let (mut noise, mut in_progress) = (Noise(2), 0);
        for at in 0..4_000_i64 {
            let sql = "INSERT INTO docs(rowid, body, v) VALUES(?1, 'all', ?2)";
            own.prepare_cached(sql).unwrap().execute((at, blob(&noise.vector(DIM)))).unwrap();
            if at % 5 == 0 {
                let claims = "SELECT count(*) FROM docs_config WHERE name LIKE 'claim %'";
                in_progress += integers(&own, claims, [])[0];
                brief.execute("INSERT INTO mine VALUES(?1)", [at]).unwrap();
                // In a snapshot that anything written since would make too old to write in.
                reads.execute_batch("BEGIN").unwrap();
                let sql = "SELECT count(*) FROM docs WHERE docs MATCH 'all'";
                assert_eq!(integers(&reads, sql, []), [at + 1]);
                reads.execute("INSERT INTO mine VALUES(?1)", [at]).unwrap();
                reads.execute_batch("COMMIT").unwrap();
            }
        }
        assert!(in_progress > 100, "{mode}: nothing was in progress");
        assert_eq!(integers(&own, "SELECT count(*) FROM mine", []), [1_600]);
        assert_sound(&own);
    }
}
