//! Vectors near the ends of f32: the order is that of a brute force in f64, and the distances are its distances.
//!
//! Inner products of numbers beyond 10^19 overflow f32, those of numbers below 10^-22 vanish in it; squares of differences
//! do the same. Distances were once cut to the range of f32, so all such rows tied and came in order of rowid.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Rng, blob, command, env_number, open_memory, rows};
use nearlite::rusqlite::{Connection, params};
use nearlite::{Collection, Metric, VectorSpec, ann};
use std::collections::HashMap;

fn vector(rng: &mut Rng, dim: usize, scale: f64) -> Vec<f32> {
    (0..dim)
        .map(|_| {
            let unit = (rng.next() >> 11) as f64 / (1_u64 << 53) as f64 * 2.0 - 1.0;
            (unit * scale).clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32
        })
        .collect()
}

fn distance(metric: &str, a: &[f32], b: &[f32]) -> f64 {
    let pairs = || a.iter().zip(b).map(|(x, y)| (f64::from(*x), f64::from(*y)));
    match metric {
        "ip" => -pairs().map(|(x, y)| x * y).sum::<f64>(),
        "l2" => pairs().map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt(),
        _ => {
            let norm = |v: &[f32]| v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
            let (na, nb) = (norm(a), norm(b));
            if na == 0.0 || nb == 0.0 {
                1.0
            } else {
                1.0 - pairs().map(|(x, y)| x * y).sum::<f64>() / na / nb
            }
        }
    }
}

/// Whether the distances of an answer are those of the nearest rows, place by place. f32 sums on the fast path are off by
/// a few parts in a million of the lengths of the vectors, which `size` is.
fn assert_nearest(what: &str, got: &[(i64, f64)], truth: &[(f64, i64)], k: usize, size: f64) {
    assert_eq!(got.len(), k.min(truth.len()), "{what}");
    for (place, ((rowid, found), (due, _))) in got.iter().zip(truth).enumerate() {
        let right =
            truth.iter().find(|(_, id)| id == rowid).unwrap_or_else(|| panic!("{what}: row {rowid}")).0;
        assert!((found - right).abs() <= 1e-5 * size, "{what}: row {rowid} at {found}, should be {right}");
        assert!((right - due).abs() <= 1e-5 * size, "{what}: place {place} has {right}, due is {due}");
        assert!(found.is_finite() && !(*found == 0.0 && found.is_sign_negative()), "{what}: {found}");
    }
}

fn peak(vector: &[f32]) -> f64 {
    vector.iter().fold(0.0, |top: f64, x| top.max(f64::from(x.abs())))
}

fn nearest(conn: &Connection, query: &[f32], more: &str, k: usize) -> Vec<(i64, f64)> {
    let sql = format!("SELECT rowid, distance FROM docs WHERE e MATCH ?1 {more} ORDER BY distance LIMIT ?2");
    rows(conn, &sql, params![blob(query), k as i64], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

fn table(metric: &str, kind: &str, vectors: &[Vec<f32>]) -> Connection {
    let conn = open_memory();
    let dim = vectors[0].len();
    conn.execute_batch(&format!(
        "CREATE VIRTUAL TABLE docs USING nearlite(e VECTOR({dim}) METRIC {metric} {kind}); BEGIN"
    ))
    .unwrap();
    for (at, vector) in vectors.iter().enumerate() {
        conn.execute("INSERT INTO docs(rowid, e) VALUES(?1, ?2)", params![at as i64, blob(vector)]).unwrap();
    }
    conn.execute_batch("COMMIT").unwrap();
    conn
}

fn truth(metric: &str, query: &[f32], vectors: &[Vec<f32>]) -> Vec<(f64, i64)> {
    let mut all: Vec<(f64, i64)> =
        vectors.iter().enumerate().map(|(at, vector)| (distance(metric, query, vector), at as i64)).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    all
}

#[test]
fn distances_of_any_size_come_in_the_order_of_a_brute_force_in_f64() {
    let seed = env_number("NEARLITE_SEED", 1);
    println!("NEARLITE_SEED={seed}");
    let mut rng = Rng(seed);
    for metric in ["ip", "l2", "cosine"] {
        for (dim, kind) in [(4, ""), (64, ""), (64, "INDEX flat"), (256, "INDEX flat")] {
            for power in [-44, -40, -30, -24, -23, -22, -20, -15, 0, 15, 18, 19, 20, 30, 38] {
                let scale = 10_f64.powi(power);
                let vectors: Vec<_> = (0..300).map(|_| vector(&mut rng, dim, scale)).collect();
                // One query like the rows, one of usual size.
                let queries = [vector(&mut rng, dim, scale), vector(&mut rng, dim, 1.0)];
                let conn = table(metric, kind, &vectors);
                for stage in ["log", "segment", "resident"] {
                    match stage {
                        "segment" => common::command(&conn, "flush"),
                        "resident" => common::set(&conn, "resident_vectors", 1),
                        _ => {}
                    }
                    for query in &queries {
                        let truth = truth(metric, query, &vectors);
                        let longest = vectors.iter().map(|v| peak(v)).fold(0.0, f64::max);
                        let size = match metric {
                            "ip" => dim as f64 * peak(query) * longest,
                            "l2" => (dim as f64).sqrt() * (peak(query) + longest),
                            _ => 10.0,
                        };
                        let what = format!("{metric} {dim} {kind} 10^{power} {stage}");
                        assert_nearest(&what, &nearest(&conn, query, "", 10), &truth, 10, size);
                        assert_nearest(&what, &nearest(&conn, query, "AND exact = 1", 10), &truth, 10, size);
                        let docs = Collection::on(&conn, "docs").unwrap();
                        let hits = docs.search().nearest("e", query).limit(10).run().unwrap();
                        let same: Vec<i64> =
                            nearest(&conn, query, "", 10).iter().map(|(id, _)| *id).collect();
                        assert_eq!(hits.keys(), same, "{what}");
                        assert!(hits.iter().all(|hit| hit.distance.unwrap().is_finite()), "{what}");
                    }
                }
            }
        }
    }
}

#[test]
fn rows_of_very_different_size_in_one_column_are_in_exact_order() {
    let seed = env_number("NEARLITE_SEED", 1);
    println!("NEARLITE_SEED={seed}");
    let mut rng = Rng(seed);
    for metric in ["ip", "l2"] {
        let vectors: Vec<_> = (0..400)
            .map(|_| {
                let power = rng.below(75) as i32 - 37;
                vector(&mut rng, 40, 10_f64.powi(power))
            })
            .collect();
        let conn = table(metric, "", &vectors);
        for stage in ["log", "segment"] {
            if stage == "segment" {
                common::command(&conn, "flush");
            }
            for power in [-20, 0, 20, 37] {
                let query = vector(&mut rng, 40, 10_f64.powi(power));
                let truth = truth(metric, &query, &vectors);
                let of: HashMap<i64, f64> = truth.iter().map(|(distance, id)| (*id, *distance)).collect();
                // What the sums in f32 of a row are off by, at most.
                let slack = |id: i64| {
                    let row = peak(&vectors[id as usize]);
                    1e-6 * if metric == "ip" { 40.0 * peak(&query) * row } else { 7.0 * (peak(&query) + row) }
                };
                let got = nearest(&conn, &query, "AND exact = 1", 400);
                assert_eq!(got.len(), 400);
                for ((id, found), (due, other)) in got.iter().zip(&truth) {
                    let what = format!("{metric} {stage} 10^{power}: row {id} at {found}");
                    assert!((found - of[id]).abs() <= slack(*id), "{what}, should be {}", of[id]);
                    assert!(
                        (of[id] - due).abs() <= slack(*id) + slack(*other),
                        "{what}, due is {other} at {due}"
                    );
                }
            }
        }
    }
}

#[test]
fn largest_numbers_of_l2_come_nearest_first() {
    let rows = [[3e38_f32, 3e38], [2e38, 2e38], [0.0, 0.0]].map(|v| v.to_vec());
    let conn = table("l2", "", &rows);
    let ids: Vec<i64> = nearest(&conn, &[-3e38, -3e38], "", 3).iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, [2, 1, 0]);
    let same: f64 = conn
        .query_row(
            "SELECT max(abs(distance - vec_distance_l2(e, '[-3e38,-3e38]')) / distance) FROM docs
             WHERE e MATCH '[-3e38,-3e38]'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert!(same < 1e-9, "table and function differ by {same}");
}

#[test]
fn the_index_without_sqlite_ranks_in_f64_too() {
    let mut rng = Rng(7);
    for scale in [1e-23, 1e20] {
        let rows: Vec<_> = (0..500).map(|_| vector(&mut rng, 40, scale)).collect();
        let query = vector(&mut rng, 40, scale);
        let truth: Vec<u32> = truth("ip", &query, &rows).iter().take(10).map(|(_, id)| *id as u32).collect();
        let index = ann::Index::build(&VectorSpec::new(40, Metric::Ip), rows.concat(), 1).unwrap();
        assert_eq!(
            index.search(&query, 10, 64).unwrap().iter().map(|hit| hit.row).collect::<Vec<_>>(),
            truth
        );
        assert_eq!(index.exact(&query, 10).unwrap().iter().map(|hit| hit.row).collect::<Vec<_>>(), truth);
    }
}

/// All rows with the distances that the table reports, in the order that it promises.
fn reported(conn: &Connection, query: &[f32]) -> Vec<(i64, f64)> {
    let sql = "SELECT rowid, distance FROM docs WHERE e MATCH ?1 AND exact = 1";
    let mut all: Vec<(i64, f64)> =
        rows(conn, sql, [blob(query)], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    all.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
    all
}

/// The bound on the error of inner products by floats was once that of a query divided by its largest number.
#[test]
fn rows_that_are_nearly_equally_far_come_in_the_order_of_the_distances_reported() {
    let seed = env_number("NEARLITE_SEED", 1);
    println!("NEARLITE_SEED={seed}");
    let mut rng = Rng(seed);
    let known = [
        [75754, 61396, 23482],
        [75750, 61401, 23481],
        [75749, 61398, 23485],
        [75744, 61413, 23475],
        [75751, 61413, 23468],
    ];
    let known: Vec<Vec<f32>> = known.iter().map(|row| row.map(|x| x as f32).to_vec()).collect();
    let conn = table("ip", "", &known);
    command(&conn, "flush");
    let query = [1_000_000.0, 1_000_009.0, 1_000_003.0];
    assert_eq!(nearest(&conn, &query, "AND exact = 1", 1), reported(&conn, &query)[..1]);
    for metric in ["ip", "l2", "cosine"] {
        for (dim, kind) in [(3, ""), (24, ""), (48, ""), (48, "CODES none"), (256, "CODES bit")] {
            for size in [1e-3, 1.0, 1e6] {
                let base = vector(&mut rng, dim, size);
                let spread = [1e-6, 1e-3][rng.below(2)];
                let near: Vec<Vec<f32>> = (0..120)
                    .map(|_| {
                        base.iter().zip(vector(&mut rng, dim, size * spread)).map(|(x, y)| x + y).collect()
                    })
                    .collect();
                let conn = table(metric, kind, &near);
                command(&conn, "flush");
                for factor in [1e-3, 1.0, 1e6] {
                    let query: Vec<f32> = base.iter().map(|x| x / size as f32 * factor).collect();
                    for query in [query, vector(&mut rng, dim, f64::from(factor))] {
                        let all = reported(&conn, &query);
                        assert_eq!(all.len(), near.len());
                        let what = format!("{metric} {dim} {kind} {size} {factor}");
                        for k in [1, 5] {
                            assert_eq!(nearest(&conn, &query, "AND exact = 1", k), all[..k], "{what}");
                        }
                    }
                }
            }
        }
    }
}

/// The bound of all errors was once that of the coarsest row: a single one of another size had every vector read.
#[test]
fn a_row_of_another_size_does_not_make_exact_searches_read_all_vectors() {
    let mut rng = Rng(3);
    for metric in ["ip", "l2", "cosine"] {
        for (dim, kind) in [(8, ""), (48, ""), (48, "CODES none"), (256, "")] {
            let mut vectors: Vec<Vec<f32>> = (0..2_000)
                .map(|at| {
                    vector(&mut rng, dim, 0.2)
                        .iter()
                        .enumerate()
                        .map(|(i, x)| x + f32::from(i == at % dim) * 3.0)
                        .collect()
                })
                .collect();
            let most = if metric == "cosine" { 60.0 } else { 1e6 };
            vectors[700][3] = most;
            let conn = table(metric, kind, &vectors);
            command(&conn, "flush");
            let query = &vectors[12];
            let all = reported(&conn, query);
            let what = format!("{metric} {dim} {kind}");
            assert_eq!(nearest(&conn, query, "AND exact = 1", 5), all[..5], "{what}");
            let sql = "SELECT explain FROM docs WHERE e MATCH ?1 AND exact = 1 ORDER BY distance LIMIT 5";
            let explain: String = conn.query_row(sql, [blob(query)], |row| row.get(0)).unwrap();
            let told: serde_json::Value = serde_json::from_str(&explain).unwrap();
            let read = told["reranked"].as_u64().unwrap();
            assert!(read < 1_000, "{what}: {read} vectors read");
            let radius = all[9].1;
            let sql = format!("SELECT rowid FROM docs WHERE e MATCH ?1 AND distance <= {radius}");
            let within = common::integers(&conn, &sql, [blob(query)]);
            assert_eq!(within, all[..10].iter().map(|(id, _)| *id).collect::<Vec<_>>(), "{what}");
        }
    }
}
