//! `resident_vectors`: the same answers from memory, also around rollbacks.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Rng, blob, open_memory, rows, set};
use nearlite::Collection;
use nearlite::rusqlite::{Connection, params};

const DIM: usize = 64;

fn vector(rng: &mut Rng) -> Vec<f32> {
    (0..DIM).map(|_| rng.below(2000) as f32 / 100.0 - 10.0).collect()
}

fn table(declared: &str, count: i64) -> Connection {
    let conn = open_memory();
    conn.execute_batch(&format!(
        "CREATE VIRTUAL TABLE docs USING nearlite(year INTEGER, e VECTOR({DIM}) {declared}); BEGIN"
    ))
    .unwrap();
    let mut rng = Rng(1);
    for at in 1..=count {
        conn.execute(
            "INSERT INTO docs(rowid, year, e) VALUES(?1, ?2, ?3)",
            params![at, at % 10, blob(&vector(&mut rng))],
        )
        .unwrap();
    }
    conn.execute_batch("COMMIT; INSERT INTO docs(docs) VALUES('flush')").unwrap();
    conn
}

fn nearest(conn: &Connection, query: &[f32]) -> Vec<(i64, f64)> {
    let sql = "SELECT rowid, distance FROM docs WHERE e MATCH ?1 ORDER BY distance LIMIT 10";
    rows(conn, sql, [blob(query)], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

fn memory(conn: &Connection) -> i64 {
    conn.query_row("SELECT memory_bytes FROM nearlite_info('docs') WHERE kind = 'vector'", [], |row| {
        row.get(0)
    })
    .unwrap()
}

#[test]
fn answers_from_memory_are_those_from_the_file() {
    for declared in ["METRIC l2", "METRIC cosine", "METRIC ip STORE f16"] {
        let conn = table(declared, 500);
        let queries: Vec<Vec<f32>> = (0..20).map(|seed| vector(&mut Rng(100 + seed))).collect();
        let from_file: Vec<_> = queries.iter().map(|query| nearest(&conn, query)).collect();
        let without = memory(&conn);
        set(&conn, "resident_vectors", 1);
        let from_memory: Vec<_> = queries.iter().map(|query| nearest(&conn, query)).collect();
        assert_eq!(from_file, from_memory, "{declared}");
        let element = if declared.contains("f16") { 2 } else { 4 };
        assert!(memory(&conn) - without >= 500 * DIM as i64 * element, "{declared}: nothing is held");
        set(&conn, "resident_vectors", 0);
        assert_eq!(nearest(&conn, &queries[0]), from_file[0]);
        assert_eq!(memory(&conn), without, "{declared}: memory was not given back");
    }
}

#[test]
fn vectors_read_in_a_transaction_that_is_rolled_back_are_not_served() {
    let conn = table("METRIC l2", 300);
    set(&conn, "resident_vectors", 1);
    let old: Vec<u8> = conn.query_row("SELECT e FROM docs WHERE rowid = 7", [], |row| row.get(0)).unwrap();
    let old: Vec<f32> = old.as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word)).collect();
    let far = vec![50.0; DIM];
    conn.execute_batch("BEGIN").unwrap();
    conn.execute("UPDATE docs SET e = ?1 WHERE rowid = 7", [blob(&far)]).unwrap();
    conn.execute("DELETE FROM docs WHERE rowid = 8", []).unwrap();
    // Nothing was held before: this search reads the vectors of the segment.
    assert_eq!(nearest(&conn, &far)[0], (7, 0.0));
    conn.execute_batch("ROLLBACK").unwrap();
    assert_eq!(nearest(&conn, &old)[0], (7, 0.0));
    assert_eq!(nearest(&conn, &far).iter().filter(|(_, distance)| *distance == 0.0).count(), 0);
    let eighth: Vec<u8> = conn.query_row("SELECT e FROM docs WHERE rowid = 8", [], |row| row.get(0)).unwrap();
    let eighth: Vec<f32> = eighth.as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word)).collect();
    assert_eq!(nearest(&conn, &eighth)[0], (8, 0.0));
}

#[test]
fn a_search_of_an_older_view_does_not_load_newer_vectors() {
    let conn = table("METRIC l2", 300);
    set(&conn, "resident_vectors", 1);
    let query = vec![50.0; DIM];
    let right = nearest(&conn, &query);
    // What that search has read is given back.
    set(&conn, "resident_vectors", 0);
    assert_eq!(nearest(&conn, &query), right);
    set(&conn, "resident_vectors", 1);

    conn.execute_batch("BEGIN").unwrap();
    let docs = Collection::on(&conn, "docs").unwrap();
    let mut search = docs.search().nearest("e", query.clone()).iter().unwrap();
    // The search has its view and has read nothing; now a row of that view changes.
    conn.execute("UPDATE docs SET e = ?1 WHERE rowid = ?2", params![blob(&query), right[5].0]).unwrap();
    search.next().unwrap().unwrap();
    drop(search);
    conn.execute_batch("ROLLBACK").unwrap();
    assert_eq!(nearest(&conn, &query), right);
}
