//! Rows that are equally far from a query come in order of rowid, wherever they lie and however few of them are asked for.
//!
//! Where many rows share one vector they share a node of the graph. The place of a row in its segment once decided which of
//! them a search returned, so they depended on the order in which they had been written.
#![allow(clippy::unwrap_used)]

mod common;

use common::{blob, command, integers, open_memory, set};
use nearlite::rusqlite::{Connection, params};

/// Rows 1 to 12,000 in three segments, those with the largest rowids first, merged into one.
fn table(vector: impl Fn(i64) -> Vec<f32>) -> Connection {
    let conn = open_memory();
    conn.execute_batch("CREATE VIRTUAL TABLE docs USING nearlite(n INTEGER, e VECTOR(4) METRIC l2)").unwrap();
    set(&conn, "automerge", 0);
    for first in [8_001, 4_001, 1] {
        conn.execute_batch("BEGIN").unwrap();
        for id in first..first + 4_000 {
            let sql = "INSERT INTO docs(rowid, n, e) VALUES(?1, ?1 % 10, ?2)";
            conn.prepare_cached(sql).unwrap().execute(params![id, blob(&vector(id))]).unwrap();
        }
        conn.execute_batch("COMMIT").unwrap();
        command(&conn, "flush");
    }
    command(&conn, "optimize");
    conn
}

fn first(conn: &Connection, query: &[f32], condition: &str, limit: usize) -> Vec<i64> {
    let sql = format!("SELECT rowid FROM docs WHERE e MATCH ?1 {condition} ORDER BY distance LIMIT {limit}");
    integers(conn, &sql, [blob(query)])
}

#[test]
fn of_rows_with_one_vector_those_with_the_smallest_rowids_are_found() {
    let conn = table(|_| vec![1.0, 0.5, 0.0, -0.25]);
    for condition in ["", "AND n <> 3", "AND rowid > 5000", "AND n < 9 AND rowid > 700", "AND exact = 1"] {
        for limit in [1, 3, 40] {
            let plain = format!("SELECT rowid FROM docs WHERE 1 {condition} ORDER BY rowid LIMIT {limit}");
            let due = integers(&conn, &plain.replace("AND exact = 1", ""), []);
            assert_eq!(first(&conn, &[1.0, 0.5, 0.0, 0.0], condition, limit), due, "{condition} {limit}");
        }
    }
    conn.execute_batch("DELETE FROM docs WHERE rowid < 100").unwrap();
    assert_eq!(first(&conn, &[0.0; 4], "", 3), [100, 101, 102]);
}

#[test]
fn nodes_that_are_equally_far_give_their_places_to_the_smallest_rowids() {
    // Eight directions from the query, 1,500 rows each: eight nodes at one distance.
    let corner = |id: i64| {
        (0..4).map(move |axis| if axis as i64 == id % 8 / 2 { 1.0 - 2.0 * (id % 2) as f32 } else { 0.0 })
    };
    let conn = table(|id| corner(id).collect());
    assert_eq!(first(&conn, &[0.0; 4], "", 5), [1, 2, 3, 4, 5]);
    assert_eq!(first(&conn, &[0.0; 4], "AND n <> 3", 5), [1, 2, 4, 5, 6]);
}
