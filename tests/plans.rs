//! Which plan a filtered search takes, by what passes and where, and that each gives the nearest rows that pass.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Noise, blob, command, open_memory};
use nearlite::rusqlite::Connection;
use std::collections::BTreeSet;

const ROWS: usize = 26_000;
const DIM: usize = 12;

/// Two halves far apart, told by `side`; `dice` and `rare` have nothing to do with the vectors.
fn table() -> Connection {
    let conn = open_memory();
    conn.execute_batch(
        "CREATE VIRTUAL TABLE docs USING nearlite(side INTEGER, dice INTEGER, rare INTEGER, e VECTOR(12) METRIC l2);
         BEGIN",
    )
    .unwrap();
    let mut noise = Noise(41);
    let mut insert =
        conn.prepare("INSERT INTO docs(rowid, side, dice, rare, e) VALUES(?1, ?2, ?3, ?4, ?5)").unwrap();
    for rowid in 1..=ROWS {
        let side = rowid % 2;
        let mut vector = noise.vector(DIM);
        vector[0] += 8.0 * side as f32;
        let (dice, rare) = ((noise.next() * 50.0) as i64 + 50, (noise.next() * 5_000.0) as i64 + 5_000);
        insert.execute((rowid as i64, side as i64, dice, rare, blob(&vector))).unwrap();
    }
    drop(insert);
    conn.execute_batch("COMMIT").unwrap();
    command(&conn, "optimize");
    conn
}

/// The plan of the only segment, the number of fallbacks, and the rows found.
fn search(conn: &Connection, condition: &str, query: &[f32]) -> (String, u64, Vec<i64>) {
    let sql = format!(
        "SELECT rowid, explain FROM docs WHERE e MATCH ?1 AND {condition} ORDER BY distance LIMIT 10"
    );
    let mut statement = conn.prepare(&sql).unwrap();
    let rows: Vec<(i64, String)> = statement
        .query_map([blob(query)], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let told: serde_json::Value = serde_json::from_str(&rows.last().unwrap().1).unwrap();
    let plan = told["parts"][0]["plan"].as_str().unwrap().to_owned();
    (plan, told["fallbacks"].as_u64().unwrap(), rows.into_iter().map(|row| row.0).collect())
}

#[test]
fn each_filter_gets_its_plan_and_every_plan_the_nearest_rows() {
    let conn = table();
    let mut noise = Noise(77);
    // (condition, its plan, whether a walk came first)
    let cases = [
        ("1", "graph", false),
        ("rare >= 0", "graph", false),
        ("rare < 20", "scan", false),
        ("dice < 25", "scan", false),
        // Half of the rows, and half of those near the query.
        ("dice < 50", "filtered_graph", false),
        // All rows near the query, which is on side 0.
        ("side = 0", "filtered_graph", false),
        // None of them.
        ("side = 1", "scan", true),
    ];
    for (condition, wanted_plan, fallback) in cases {
        let (mut found, mut wanted) = (0, 0);
        for _ in 0..20 {
            let query = noise.vector(DIM);
            let (plan, fallbacks, rows) = search(&conn, condition, &query);
            assert_eq!(plan, wanted_plan, "{condition}");
            assert_eq!(fallbacks, u64::from(fallback), "{condition}");
            // Asked again, the rows that pass are known already.
            assert_eq!(search(&conn, condition, &query).2, rows, "{condition}");
            let (_, _, truth) = search(&conn, &format!("{condition} AND exact = 1"), &query);
            assert_eq!((rows.len(), truth.len()), (10, 10), "{condition}");
            assert_eq!(rows.iter().collect::<BTreeSet<_>>().len(), 10, "{condition}");
            found += rows.iter().filter(|row| truth.contains(row)).count();
            wanted += 10;
        }
        assert!(found * 100 >= wanted * 98, "{condition}: {found} of {wanted}");
    }
}
