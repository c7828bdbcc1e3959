//! Pages of one size: each row is on one of them.
#![allow(clippy::unwrap_used)]

use nearlite::{Collection, Database, Filter, Metric, Schema, col};
use serde_json::json;
use std::collections::HashSet;

const DIM: usize = 48;
const ROWS: usize = 6_000;

/// Numbers between -1 and 1 that are always the same.
fn numbers(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

/// Noise, in which a search finds other rows the further it looks.
fn noise(db: &Database) -> Collection {
    let schema = Schema::new().integer_key("id").integer("n").vector("v", DIM, Metric::L2);
    let points = db.collection("points").create(schema).unwrap();
    let mut next = numbers(3);
    for part in 0..2 {
        let rows: Vec<_> = (0..ROWS / 2)
            .map(|at| json!({"id": part * ROWS / 2 + at, "n": at % 3, "v": (0..DIM).map(|_| next()).collect::<Vec<_>>()}))
            .collect();
        points.insert(&rows).unwrap();
    }
    points.optimize().unwrap();
    points.set("ef_search", 20).unwrap();
    points
}

/// The rows of all pages, and how many differ.
fn counted(pages: impl Iterator<Item = Vec<i64>>) -> (usize, usize) {
    let rows: Vec<i64> = pages.flatten().collect();
    (rows.len(), rows.iter().collect::<HashSet<_>>().len())
}

#[test]
fn no_row_is_on_two_pages_of_a_search_for_near_rows() {
    let db = Database::in_memory().unwrap();
    let points = noise(&db);
    let (size, pages) = (10, 40);
    for seed in 0..4 {
        let mut next = numbers(100 + seed);
        let query: Vec<f32> = (0..DIM).map(|_| next()).collect();
        for (filter, condition) in [(Filter::All, "1"), (col("n").eq(1), "n = 1")] {
            let by_rust = (0..pages).map(|page| {
                let search = points.search().nearest("v", &query).filter(filter.clone());
                let hits = search.limit(size).offset(page * size).run().unwrap();
                hits.iter().map(|hit| hit.rowid).collect()
            });
            assert_eq!(counted(by_rust), (pages * size, pages * size), "seed {seed} {condition}");
            let sql = format!(
                "SELECT id FROM points WHERE v MATCH ?1 AND {condition} ORDER BY distance LIMIT ?2 OFFSET ?3"
            );
            let vector = json!(query).to_string();
            let by_sql = (0..pages).map(|page| {
                db.with_connection(|conn| {
                    let mut statement = conn.prepare(&sql)?;
                    let rows = statement.query_map((&vector, size as i64, (page * size) as i64), |row| {
                        row.get::<_, i64>(0)
                    })?;
                    Ok(rows.collect::<Result<Vec<_>, _>>()?)
                })
                .unwrap()
            });
            assert_eq!(counted(by_sql), (pages * size, pages * size), "seed {seed} {condition}");
        }
    }
}
