//! Rows taken one by one: whatever the caller stops at, they come in order, none twice, and in the end every one.
//!
//! The graph is walked with a beam far too narrow, so that walks miss rows: what is under test is that the stages after
//! them find these rows, and where they put them.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Noise, blob, command, open_memory, set};
use nearlite::rusqlite::Connection;
use nearlite::{Collection, Database, col};
use std::sync::LazyLock;

const ROWS: usize = 8_000;
const DIM: usize = 32;

/// Vectors by rowid - 1; every fifth is a copy of another one, so that there are equal distances.
fn vectors() -> Vec<Vec<f32>> {
    let mut noise = Noise(11);
    let mut all: Vec<Vec<f32>> = Vec::new();
    for at in 0..ROWS {
        all.push(if at % 5 == 4 { all[at / 2].clone() } else { noise.vector(DIM) });
    }
    all
}

fn fill(conn: &Connection, parts: usize) {
    conn.execute_batch(&format!(
        "CREATE VIRTUAL TABLE docs USING nearlite(n INTEGER, v VECTOR({DIM}) METRIC l2 INDEX hnsw(m=8, ef_construction=40))"
    ))
    .unwrap();
    set(conn, "automerge", 0);
    let vectors = vectors();
    for (part, rows) in vectors.chunks(ROWS / parts).enumerate() {
        conn.execute_batch("BEGIN").unwrap();
        let mut insert = conn.prepare_cached("INSERT INTO docs(rowid, n, v) VALUES(?1, ?2, ?3)").unwrap();
        for (at, vector) in rows.iter().enumerate() {
            let rowid = (part * (ROWS / parts) + at + 1) as i64;
            insert.execute((rowid, rowid % 7, blob(vector))).unwrap();
        }
        // The last part stays in memory, if there are several.
        if parts > 1 && part == parts - 1 {
            set(conn, "delta_rows", 1_000_000);
        }
        conn.execute_batch("COMMIT").unwrap();
        if parts == 1 || part < parts - 1 {
            command(conn, "flush");
        }
    }
    conn.execute_batch("DELETE FROM docs WHERE rowid % 11 = 0").unwrap();
}

/// A collection of one segment without dead rows, and one of three segments and rows in memory. They are only read.
static COLLECTIONS: LazyLock<[Database; 2]> = LazyLock::new(|| {
    [1, 4].map(|parts| {
        let db = Database::in_memory().unwrap();
        db.with_connection(|conn| {
            fill(conn, parts);
            if parts == 1 {
                command(conn, "optimize");
            }
            Ok(())
        })
        .unwrap();
        db
    })
});

fn docs(db: &Database) -> Collection {
    db.collection("docs").open().unwrap()
}

/// Two columns of a query of the SQL door.
fn sql(db: &Database, sql: &str, params: impl nearlite::rusqlite::Params) -> Vec<(i64, f32)> {
    let read = |row: &nearlite::rusqlite::Row<'_>| Ok((row.get(0)?, row.get::<_, f64>(1)? as f32));
    db.with_connection(|conn| Ok(common::rows(conn, sql, params, read)?)).unwrap()
}

fn kept(rowid: i64) -> bool {
    rowid % 11 != 0
}

/// Every living row for which `keep` answers true, nearest first, by plain loops.
fn truth(vectors: &[Vec<f32>], query: &[f32], keep: impl Fn(i64) -> bool) -> Vec<(i64, f64)> {
    let distance = |v: &[f32]| -> f64 {
        v.iter().zip(query).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>().sqrt()
    };
    let rows = vectors.iter().enumerate().map(|(at, vector)| (at as i64 + 1, distance(vector)));
    let mut rows: Vec<_> = rows.filter(|(rowid, _)| kept(*rowid) && keep(*rowid)).collect();
    rows.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
    rows
}

fn taken(search: nearlite::Search<'_>, count: usize) -> Vec<(i64, f32)> {
    let rows = search.columns(["n"]).iter().unwrap().take(count);
    rows.map(|hit| hit.map(|hit| (hit.rowid, hit.distance.unwrap())).unwrap()).collect()
}

/// Checks the distances, that no row comes twice, and the order; answers how many rows stand at the end, out of order,
/// because walks had missed them.
fn check(got: &[(i64, f32)], truth: &[(i64, f64)]) -> usize {
    let exact: std::collections::HashMap<i64, f64> = truth.iter().copied().collect();
    for (rowid, distance) in got {
        let expected = exact.get(rowid).unwrap_or_else(|| panic!("row {rowid} does not qualify"));
        assert!((f64::from(*distance) - expected).abs() < 1e-5, "row {rowid}: {distance} is not {expected}");
    }
    let distinct: std::collections::HashSet<i64> = got.iter().map(|row| row.0).collect();
    assert_eq!(distinct.len(), got.len(), "a row came twice");
    let ordered = |rows: &[(i64, f32)]| rows.is_sorted_by(|a, b| (a.1, a.0) < (b.1, b.0));
    let late = got
        .windows(2)
        .position(|two| (two[0].1, two[0].0) > (two[1].1, two[1].0))
        .map_or(got.len(), |at| at + 1);
    assert!(ordered(&got[..late]) && ordered(&got[late..]), "the order breaks more than once");
    got.len() - late
}

#[test]
fn every_row_comes_once_in_order_and_missed_rows_come_last() {
    let vectors = vectors();
    let mut noise = Noise(5);
    let mut missed = 0;
    for db in &*COLLECTIONS {
        for round in 0..6 {
            let query = noise.vector(DIM);
            let keep = |rowid: i64| round % 2 == 0 || rowid % 7 < 4;
            let filter = if round % 2 == 0 { col("n").ge(0) } else { col("n").lt(4) };
            let truth = truth(&vectors, &query, keep);
            let docs = docs(db);
            let search = docs.search().nearest("v", &query).filter(filter).ef_search(4).limit(1);
            let got = taken(search, usize::MAX);
            assert_eq!(got.len(), truth.len());
            missed += check(&got, &truth);
        }
    }
    assert!(missed > 0, "the walks missed nothing: the beam is not narrow enough for this test");
}

#[test]
fn a_caller_may_stop_anywhere() {
    let vectors = vectors();
    let mut noise = Noise(6);
    for db in &*COLLECTIONS {
        for count in [1, 2, 7, 40, 41, 170, 700, 3_000] {
            let query = noise.vector(DIM);
            let truth = truth(&vectors, &query, |_| true);
            let got = taken(docs(db).search().nearest("v", &query).limit(5), count);
            assert_eq!(got.len(), count);
            assert_eq!(check(&got, &truth), 0, "rows that were missed came before the end");
            let near = got.iter().filter(|row| f64::from(row.1) <= truth[count - 1].1 + 1e-6).count();
            assert!(near * 2 >= count, "{near} of the {count} nearest");
        }
    }
}

#[test]
fn more_rows_are_looked_for_by_wider_walks_before_all_codes_are_scanned() {
    let explain = |count: i64| -> serde_json::Value {
        let query = blob(&Noise(7).vector(DIM));
        // The LIMIT is hidden from the table by a condition that SQLite checks itself.
        let sql = "SELECT max(explain) FROM (SELECT explain FROM docs WHERE v MATCH ?1 AND ef_search = 20
                   AND +rowid > 0 ORDER BY distance LIMIT 1 OFFSET ?2)";
        let text: String = COLLECTIONS[0]
            .with_connection(|conn| Ok(conn.query_row(sql, (query, count - 1), |row| row.get(0))?))
            .unwrap();
        serde_json::from_str(&text).unwrap()
    };
    let scanned = ROWS as u64 / 11 * 10;
    let few = explain(20);
    assert_eq!((few["stages"].as_u64(), few["full"].as_bool()), (Some(1), Some(false)), "{few}");
    let more = explain(60);
    assert_eq!((more["stages"].as_u64(), more["full"].as_bool()), (Some(2), Some(false)), "{more}");
    assert!(more["distances"].as_u64().unwrap() < scanned, "{more}");
    let many = explain(5_000);
    assert_eq!(many["full"].as_bool(), Some(true), "{many}");
    assert!(many["distances"].as_u64().unwrap() > scanned, "{many}");
}

#[test]
fn a_range_search_gives_every_row_within_the_radius_in_order() {
    let vectors = vectors();
    let mut noise = Noise(8);
    for db in &*COLLECTIONS {
        for count in [0, 1, 3, 19, 21, 37, 150, 2_000] {
            let query = noise.vector(DIM);
            let truth = truth(&vectors, &query, |_| true);
            // Between two distances, so that rounding does not decide.
            let at =
                (count..).find(|at| truth[*at].1 - truth[(*at).max(1) - 1].1 > 1e-4 || *at == 0).unwrap();
            let radius = if at == 0 { truth[0].1 - 1e-3 } else { (truth[at].1 + truth[at - 1].1) / 2.0 };
            let within: Vec<i64> = truth[..at].iter().map(|row| row.0).collect();
            let sql = |condition: &str, tail: &str| {
                let text = format!(
                    "SELECT rowid, distance FROM docs
                     WHERE v MATCH ?1 AND distance < ?2 {condition} ORDER BY distance {tail}"
                );
                sql(db, &text, (blob(&query), radius))
            };
            for (what, got) in [
                ("all", sql("", "")),
                ("a hidden limit", sql("AND +rowid > 0", "LIMIT 3000")),
                ("a limit that is not reached", sql("", "LIMIT 2500")),
            ] {
                assert_eq!(check(&got, &truth), 0, "{what}: out of order");
                assert_eq!(got.len(), at, "{what}: {at} rows are within {radius}");
                let mut ids: Vec<i64> = got.iter().map(|row| row.0).collect();
                let mut expected = within.clone();
                ids.sort_unstable();
                expected.sort_unstable();
                assert_eq!(ids, expected, "{what}");
            }
            let few = sql("", "LIMIT 5");
            assert_eq!((few.len(), check(&few, &truth)), (at.min(5), 0));
            let by_rust =
                taken(docs(db).search().nearest("v", &query).within(radius as f32).limit(3), usize::MAX);
            check(&by_rust, &truth);
            assert_eq!(by_rust.len(), at, "iter() with a limit that is only a hint");
        }
    }
}

#[test]
fn a_range_search_with_k_or_a_breadth_is_cut_from_the_walk() {
    let (vectors, db) = (vectors(), &COLLECTIONS[0]);
    let query = Noise(9).vector(DIM);
    let truth = truth(&vectors, &query, |_| true);
    let radius = truth[30].1 + 1e-5;
    for knob in ["k = 1000", "k = 10", "ef_search = 100"] {
        let ask = |column: &str| {
            let text = format!(
                "SELECT rowid, {column} FROM docs
                 WHERE v MATCH ?1 AND distance < ?2 AND {knob} ORDER BY distance"
            );
            sql(db, &text, (blob(&query), radius))
        };
        let rows = ask("distance");
        assert_eq!(check(&rows, &truth), 0);
        let most = if knob == "k = 10" { 10 } else { 31 };
        assert!(rows.len() <= most && rows.len() * 2 >= most, "{knob}: {} rows", rows.len());
        let full = ask("explain ->> 'full'");
        assert!(full.iter().all(|row| row.1 == 0.0), "{knob} led to a scan");
    }
}

#[test]
fn rows_at_one_distance_come_in_order_of_rowid_across_the_stages() {
    let conn = open_memory();
    conn.execute_batch("CREATE VIRTUAL TABLE docs USING nearlite(v VECTOR(32) METRIC l2)").unwrap();
    // In one segment: those of others may have the same vector at another distance by code.
    set(&conn, "delta_rows", 1_000_000);
    let mut noise = Noise(10);
    let kinds: Vec<Vec<f32>> = (0..20).map(|_| noise.vector(DIM)).collect();
    for rowid in 1..=5_000_i64 {
        conn.execute(
            "INSERT INTO docs(rowid, v) VALUES(?1, ?2)",
            (rowid, blob(&kinds[(rowid * 7 % 20) as usize])),
        )
        .unwrap();
    }
    for state in ["delta", "flush", "optimize"] {
        if state != "delta" {
            command(&conn, state);
        }
        let query = blob(&noise.vector(DIM));
        let sql = "SELECT rowid, distance FROM docs WHERE v MATCH ?1 AND ef_search = 5 AND +rowid > 0 ORDER BY distance";
        let got: Vec<(i64, f64)> =
            common::rows(&conn, sql, [query], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        assert_eq!(got.len(), 5_000);
        let wrong = got.windows(2).position(|two| (two[0].1, two[0].0) > (two[1].1, two[1].0));
        assert_eq!(wrong.map(|at| &got[at.saturating_sub(3)..at + 4]), None, "{state}: rows at {wrong:?}");
    }
}

#[test]
fn single_bits_give_every_row_in_order_too() {
    const WIDE: usize = 256;
    let conn = open_memory();
    conn.execute_batch(&format!(
        "CREATE VIRTUAL TABLE docs USING nearlite(v VECTOR({WIDE}) METRIC l2 CODES bit)"
    ))
    .unwrap();
    let mut noise = Noise(12);
    // Pairs of near rows among rows that are far from each other: single bits are fine enough for that.
    let mut vectors: Vec<Vec<f32>> = Vec::new();
    for at in 0..4_200 {
        let far = (0..WIDE).map(|_| noise.next()).collect();
        let near = |of: &Vec<f32>, noise: &mut Noise| of.iter().map(|x| x + 0.2 * noise.next()).collect();
        let vector = if at % 2 == 0 { far } else { near(&vectors[at - 1], &mut noise) };
        vectors.push(vector);
    }
    conn.execute_batch("BEGIN").unwrap();
    for (at, vector) in vectors.iter().enumerate() {
        conn.execute("INSERT INTO docs(rowid, v) VALUES(?1, ?2)", (at as i64 + 1, blob(vector))).unwrap();
    }
    conn.execute_batch("COMMIT").unwrap();
    command(&conn, "optimize");
    let query: Vec<f32> = vectors[77].iter().map(|x| x + 0.1 * noise.next()).collect();
    let all: Vec<(i64, f64)> = {
        let distance = |v: &Vec<f32>| {
            v.iter().zip(&query).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>().sqrt()
        };
        vectors.iter().enumerate().map(|(at, vector)| (at as i64 + 1, distance(vector))).collect()
    };
    let sql = "SELECT rowid, distance FROM docs WHERE v MATCH ?1 AND +rowid > 0 ORDER BY distance";
    let got: Vec<(i64, f32)> =
        common::rows(&conn, sql, [blob(&query)], |row| Ok((row.get(0)?, row.get::<_, f64>(1)? as f32)))
            .unwrap();
    assert_eq!((got.len(), got[0].0.min(got[1].0)), (vectors.len(), 77));
    check(&got, &all);
}

/// A table of 300 rows: some in a segment, some in the log, five of them updated there.
fn some_rows() -> Connection {
    let conn = open_memory();
    conn.execute_batch(
        "CREATE VIRTUAL TABLE docs USING nearlite(b TEXT FULLTEXT, n INTEGER, v VECTOR(2) METRIC l2)",
    )
    .unwrap();
    for rowid in 1..=300_i64 {
        conn.execute(
            "INSERT INTO docs(rowid, b, n, v) VALUES(?1, 'all', ?1, ?2)",
            (rowid, blob(&[rowid as f32, 0.0])),
        )
        .unwrap();
        if rowid == 200 {
            command(&conn, "flush");
        }
    }
    conn.execute_batch("UPDATE docs SET n = n WHERE rowid % 60 = 0").unwrap();
    conn
}

/// The rows of `sql` with rowid, n and the length of the vector; while the `at`-th is the current one, `then` runs.
fn with_deletion(
    conn: &Connection,
    sql: &str,
    at: usize,
    then: &str,
) -> Vec<(i64, Option<i64>, Option<i64>)> {
    let mut select = conn.prepare(sql).unwrap();
    let mut rows = select.query([]).unwrap();
    let mut seen = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        seen.push((row.get(0).unwrap(), row.get(1).unwrap(), row.get(2).unwrap()));
        if seen.len() == at {
            conn.execute_batch(then).unwrap();
        }
    }
    seen
}

/// Rows came with NULL columns, or half with what they had been, once they were deleted under an open statement.
#[test]
fn rows_that_are_deleted_while_a_statement_reads_are_skipped_and_the_others_come() {
    let columns = "SELECT rowid, n, length(v) FROM docs";
    let whole = |rowid: i64| (rowid, Some(rowid), Some(8));
    for source in [
        "WHERE v MATCH '[0,0]' ORDER BY distance",
        "WHERE docs MATCH 'all' ORDER BY rank",
        "WHERE docs MATCH hybrid_query('all', '[0,0]') ORDER BY rank",
        "",
        "ORDER BY rowid DESC",
        "WHERE rowid IN (SELECT value FROM json_each('[2,4,6,8,10,250,252,254]'))",
    ] {
        let conn = some_rows();
        let sql = format!("{columns} {source}");
        let all = with_deletion(&conn, &sql, 0, "");
        let even = with_deletion(&conn, &sql, 3, "DELETE FROM docs WHERE rowid % 2 = 1 OR rowid = 8");
        let right: Vec<_> = all
            .iter()
            .enumerate()
            .filter(|(at, (rowid, ..))| *at < 3 || rowid % 2 == 0 && *rowid != 8)
            .map(|(_, row)| *row)
            .collect();
        let mut sorted = even.clone();
        sorted.sort_unstable();
        let mut wanted = right.clone();
        wanted.sort_unstable();
        assert_eq!(sorted, wanted, "{source}");
        assert!(even.iter().all(|row| *row == whole(row.0)), "{source}");
        assert_eq!(with_deletion(&conn, &sql, 2, "DELETE FROM docs").len(), 2, "{source}");
    }
}

#[test]
fn a_search_goes_on_to_k_rows_when_some_are_deleted_meanwhile() {
    let odd_ones_gone = "DELETE FROM docs WHERE rowid % 2 = 1";
    for limit in
        ["AND k = 20", "AND k = 20 AND exact = 1", "ORDER BY distance LIMIT 20", "AND k = 20 AND n < 150"]
    {
        let conn = some_rows();
        let sql = format!("SELECT rowid, n, length(v) FROM docs WHERE v MATCH '[0,0]' {limit}");
        let seen = with_deletion(&conn, &sql, 1, odd_ones_gone);
        let right: Vec<i64> = std::iter::once(1).chain((1..20).map(|i| 2 * i)).collect();
        assert_eq!(seen.iter().map(|row| row.0).collect::<Vec<_>>(), right, "{limit}");
    }
}

#[test]
fn a_scan_that_changes_what_it_reads_sees_the_new_values() {
    let conn = some_rows();
    let seen =
        with_deletion(&conn, "SELECT rowid, n, length(v) FROM docs", 10, "UPDATE docs SET n = -n, v = NULL");
    let right =
        |rowid: i64| if rowid <= 10 { (rowid, Some(rowid), Some(8)) } else { (rowid, Some(-rowid), None) };
    assert_eq!(seen, (1..=300).map(right).collect::<Vec<_>>());
}
