//! A full disk in the middle of any write leaves nothing half-done: the statement fails with "full", the table is what
//! it was before, and the next write works.
#![allow(clippy::unwrap_used)]

mod common;

use common::{blob, command, open};
use nearlite::rusqlite::{Connection, ErrorCode, params};

/// Rows, nearest rows and text matches: three indexes that must tell the same.
fn contents(conn: &Connection) -> (Vec<i64>, Vec<i64>, Vec<i64>) {
    let near = "SELECT rowid FROM docs WHERE embedding MATCH zeroblob(1536) AND exact = 1 ORDER BY rowid";
    (
        common::integers(conn, "SELECT rowid FROM docs ORDER BY rowid", []),
        common::integers(conn, near, []),
        common::integers(conn, "SELECT rowid FROM docs WHERE docs MATCH 'all' ORDER BY rowid", []),
    )
}

fn pages(conn: &Connection) -> i64 {
    conn.query_row("PRAGMA page_count", [], |r| r.get(0)).unwrap()
}

fn limit(conn: &Connection, pages: i64) {
    conn.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
}

fn insert(conn: &Connection, rows: std::ops::Range<i64>) -> nearlite::rusqlite::Result<()> {
    for at in rows {
        let vector: [f32; 384] = std::array::from_fn(|i| ((at * 31 + i as i64 * 17) % 101) as f32);
        conn.execute(
            "INSERT INTO docs(rowid, body, embedding) VALUES(?1, ?2, ?3)",
            params![at, format!("all the words of row {at}"), blob(&vector)],
        )?;
    }
    Ok(())
}

type Work = fn(&Connection) -> nearlite::rusqlite::Result<()>;

#[test]
fn a_full_disk_leaves_nothing_half_done() {
    let works: [(&str, Work); 6] = [
        ("rows in one transaction, sealed at its end", |conn| {
            let transaction = conn.unchecked_transaction()?;
            insert(conn, 1000..1060)?;
            transaction.commit()
        }),
        ("one statement of many rows", |conn| {
            let sql =
                "INSERT INTO docs(rowid, body, embedding) SELECT rowid + 5000, body, embedding FROM docs";
            conn.execute(sql, []).map(drop)
        }),
        ("flush", |conn| conn.execute_batch("INSERT INTO docs(docs) VALUES('flush')")),
        ("optimize", |conn| conn.execute_batch("INSERT INTO docs(docs) VALUES('optimize')")),
        ("rebuild", |conn| conn.execute_batch("INSERT INTO docs(docs) VALUES('rebuild')")),
        ("a new table", |conn| {
            conn.execute_batch(
                "CREATE VIRTUAL TABLE other USING nearlite(body TEXT FULLTEXT, embedding VECTOR(384));
                 INSERT INTO other(body, embedding) SELECT body, embedding FROM docs",
            )
        }),
    ];
    for (name, work) in works {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("full.db");
        let conn = open(&path);
        conn.execute_batch(
            "PRAGMA synchronous = OFF;
             CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT, embedding VECTOR(384) METRIC l2)",
        )
        .unwrap();
        common::set(&conn, "delta_rows", 50);
        common::set(&conn, "automerge", 2);
        insert(&conn, 1..40).unwrap();
        command(&conn, "flush");
        insert(&conn, 40..60).unwrap();
        conn.execute_batch("DELETE FROM docs WHERE rowid % 9 = 0").unwrap();

        let mut failed = 0;
        for spare in 0.. {
            assert!(spare < 2000, "{name} never has enough room");
            let before = contents(&conn);
            limit(&conn, pages(&conn) + spare);
            let outcome = work(&conn);
            limit(&conn, 1_000_000);
            match outcome {
                Ok(()) => break,
                Err(error) => {
                    assert_eq!(
                        error.sqlite_error_code(),
                        Some(ErrorCode::DiskFull),
                        "{name}, {spare} pages: {error}"
                    );
                    failed += 1;
                }
            }
            // The first statement of a script may have been done in full; a failed transaction is over.
            conn.execute_batch("DROP TABLE IF EXISTS other").unwrap();
            assert!(conn.is_autocommit(), "{name}, {spare} pages: a transaction is left open");
            assert_eq!(contents(&conn), before, "{name}, {spare} pages");
            command(&conn, "integrity-check");
            assert_eq!(contents(&open(&path)), before, "{name}, {spare} pages, seen by another connection");
        }
        // Maintenance may find all the room it needs in pages that were free.
        println!("{name}: {failed} limits were too low");
        let (rows, near, text) = contents(&conn);
        assert!(rows == near && rows == text, "{name}");
        insert(&conn, 20_000..20_003).unwrap();
        common::assert_sound(&conn);
    }
}
