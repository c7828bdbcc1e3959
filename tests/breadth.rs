//! Searches are as broad as the data of each segment needs, unless somebody says how broad they are to be.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Noise, assert_sound, blob, command, integers, open, open_memory, set};
use nearlite::rusqlite::{Connection, params};
use serde_json::Value;

const DIM: usize = 96;

fn insert(conn: &Connection, first: i64, rows: &[Vec<f32>]) {
    conn.execute_batch("BEGIN").unwrap();
    for (rowid, row) in (first..).zip(rows) {
        conn.execute("INSERT INTO docs(rowid, e) VALUES(?1, ?2)", params![rowid, blob(row)]).unwrap();
    }
    conn.execute_batch("COMMIT").unwrap();
    command(conn, "flush");
}

/// Plan and breadth of each part of a search.
fn parts(conn: &Connection, query: &[f32], filter: &str) -> Vec<(String, Option<u64>)> {
    let sql = format!("SELECT explain FROM docs WHERE e MATCH ?1 {filter} ORDER BY distance LIMIT 10");
    let explain: String = conn.query_row(&sql, [blob(query)], |row| row.get(0)).unwrap();
    let explain: Value = serde_json::from_str(&explain).unwrap();
    let part = |part: &Value| (part["plan"].as_str().unwrap().to_owned(), part["ef"].as_u64());
    explain["parts"].as_array().unwrap().iter().map(part).collect()
}

fn info(conn: &Connection) -> Vec<Option<i64>> {
    let sql = "SELECT ef_search FROM nearlite_info('docs') ORDER BY kind = 'vector'";
    common::rows(conn, sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn each_segment_is_searched_as_broadly_as_its_rows_need() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.db");
    let conn = open(&path);
    conn.execute_batch("CREATE VIRTUAL TABLE docs USING nearlite(n INTEGER, e VECTOR(96) METRIC l2)")
        .unwrap();
    set(&conn, "automerge", 0);
    assert_eq!(info(&conn), [None, None, None]);
    let mut noise = Noise(11);
    let hard: Vec<Vec<f32>> = (0..10_000).map(|_| noise.vector(DIM)).collect();
    let centres: Vec<Vec<f32>> = (0..100).map(|_| noise.vector(DIM)).collect();
    let near = |(at, row): (usize, Vec<f32>)| -> Vec<f32> {
        row.iter().zip(&centres[at % 100]).map(|(x, c)| 5.0 + x * 0.1 + c).collect()
    };
    let easy: Vec<Vec<f32>> = (0..5_000).map(|_| noise.vector(DIM)).enumerate().map(near).collect();
    insert(&conn, 1, &hard);
    insert(&conn, 20_001, &easy);
    conn.execute("INSERT INTO docs(rowid, e) VALUES(30000, ?1)", [blob(&noise.vector(DIM))]).unwrap();
    let queries: Vec<Vec<f32>> = (0..50).map(|_| noise.vector(DIM)).collect();

    let conn = open(&path);
    let found = parts(&conn, &queries[0], "");
    let [(first, Some(hard)), (second, Some(easy)), (third, None)] = &found[..] else { panic!("{found:?}") };
    assert_eq!([first, second, third], ["graph", "graph", "delta"]);
    assert!(*hard > 128 && *easy == 128, "{found:?}");
    assert_eq!(info(&conn), [None, None, Some(*hard as i64)]);
    let nearest = |query: &[f32], more: &str| {
        let sql = format!("SELECT rowid FROM docs WHERE e MATCH ?1 {more} ORDER BY distance LIMIT 10");
        integers(&conn, &sql, [blob(query)])
    };
    let recall = |more: &str| {
        let right = |query: &Vec<f32>| {
            let exact = nearest(query, "AND exact = 1");
            nearest(query, more).iter().filter(|rowid| exact.contains(rowid)).count()
        };
        queries.iter().map(right).sum::<usize>() as f64 / (10 * queries.len()) as f64
    };
    let (usual, own) = (recall("AND ef_search = 128"), recall(""));
    assert!(own >= 0.97 && usual < own - 0.01, "recall {usual} at 128, {own} at {hard}");

    // A query goes before the table, the table before the segment.
    let breadths =
        |filter: &str| parts(&conn, &queries[0], filter).iter().map(|part| part.1).collect::<Vec<_>>();
    assert_eq!(breadths("AND ef_search = 200"), [Some(200), Some(200), None]);
    set(&conn, "ef_search", 150);
    assert_eq!(breadths(""), [Some(150), Some(150), None]);
    assert_eq!(breadths("AND ef_search = 200"), [Some(200), Some(200), None]);
    assert_eq!(info(&conn), [None, None, Some(150)]);
    set(&conn, "ef_search", 0);
    assert_eq!(breadths(""), [Some(*hard), Some(*easy), None]);

    // A merge measures again: half of the noise is gone, and the clusters are as many.
    conn.execute_batch("DELETE FROM docs WHERE rowid <= 9000").unwrap();
    command(&conn, "optimize");
    assert_eq!(breadths(""), [Some(128), None]);
    assert_sound(&conn);
}

#[test]
fn segments_that_share_the_nearest_rows_are_walked_less_broadly() {
    let conn = open_memory();
    conn.execute_batch("CREATE VIRTUAL TABLE docs USING nearlite(n INTEGER, e VECTOR(96) METRIC l2)")
        .unwrap();
    set(&conn, "automerge", 0);
    let mut noise = Noise(12);
    for first in [1, 10_001] {
        insert(&conn, first, &(0..10_000).map(|_| noise.vector(DIM)).collect::<Vec<_>>());
    }
    let measured = info(&conn).into_iter().flatten().max().unwrap() as u64;
    let (mut narrower, mut found) = (0, 0);
    for _ in 0..50 {
        let query = noise.vector(DIM);
        let nearest = |more: &str| {
            let sql = format!("SELECT rowid FROM docs WHERE e MATCH ?1 {more} ORDER BY distance LIMIT 10");
            integers(&conn, &sql, [blob(&query)])
        };
        let exact = nearest("AND exact = 1");
        found += nearest("").iter().filter(|rowid| exact.contains(rowid)).count();
        let walked = parts(&conn, &query, "").iter().filter_map(|part| part.1).max().unwrap();
        narrower += usize::from(walked < measured * 4 / 5);
    }
    assert!(narrower > 25, "{narrower} of 50 searches are narrower than {measured}");
    assert!(found >= 485, "{found} of 500 nearest rows");
}

#[test]
fn a_scan_is_made_where_so_broad_a_walk_would_cost_more() {
    let conn = open_memory();
    conn.execute_batch("CREATE VIRTUAL TABLE docs USING nearlite(e VECTOR(8) METRIC l2)").unwrap();
    let mut noise = Noise(12);
    insert(&conn, 1, &(0..6_000).map(|_| noise.vector(8)).collect::<Vec<_>>());
    let plan = |filter: &str| parts(&conn, &[0.0; 8], filter).remove(0);
    assert_eq!(plan(""), ("graph".to_owned(), Some(128)));
    assert_eq!(plan("AND ef_search = 250"), ("graph".to_owned(), Some(250)));
    assert_eq!(plan("AND ef_search = 300"), ("scan".to_owned(), None));
    // So many rows that a walk would have to hold more than it is planned to be broad.
    let sql = "SELECT explain FROM docs WHERE e MATCH ?1 ORDER BY distance LIMIT 200";
    let explain: String = conn.query_row(sql, [blob(&[0.0; 8])], |row| row.get(0)).unwrap();
    assert!(explain.contains(r#""plan":"scan""#), "{explain}");
}
