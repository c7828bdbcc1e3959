//! The budget of the cache. It is one for the process, so this test has a process of its own.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Rng, blob, open_memory, rows, set};
use nearlite::Collection;
use nearlite::rusqlite::Connection;

fn nearest(conn: &Connection, query: &[f32]) -> Vec<(i64, f64)> {
    let sql = "SELECT rowid, distance FROM docs WHERE e MATCH ?1 ORDER BY distance LIMIT 10";
    rows(conn, sql, [blob(query)], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

fn memory(conn: &Connection) -> i64 {
    let sql = "SELECT memory_bytes FROM nearlite_info('docs') WHERE kind = 'vector'";
    conn.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn what_does_not_fit_into_the_cache_stays_in_the_file() {
    let conn = open_memory();
    conn.execute_batch("CREATE VIRTUAL TABLE docs USING nearlite(e VECTOR(1024) METRIC l2)").unwrap();
    let mut rng = Rng(3);
    conn.execute_batch("BEGIN").unwrap();
    for _ in 0..400 {
        let vector: Vec<f32> = (0..1024).map(|_| rng.below(100) as f32).collect();
        conn.execute("INSERT INTO docs(e) VALUES(?1)", [blob(&vector)]).unwrap();
    }
    conn.execute_batch("COMMIT; INSERT INTO docs(docs) VALUES('flush')").unwrap();
    let query = vec![50.0; 1024];
    let right = nearest(&conn, &query);
    let without = memory(&conn);
    set(&conn, "cache_mb", 1);
    Collection::on(&conn, "docs").unwrap().set("resident_vectors", 1).unwrap();
    assert_eq!(nearest(&conn, &query), right);
    assert!(memory(&conn) <= without, "{} after {without}", memory(&conn));
    set(&conn, "cache_mb", 100);
    assert_eq!(nearest(&conn, &query), right);
    assert!(memory(&conn) >= without + 400 * 4096);
}
