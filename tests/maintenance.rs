//! A table that grows, changes and shrinks by small commits stays in few segments, loses nothing, and answers as it should,
//! whatever seals and merges are in progress meanwhile.
//!
//! `NEARLITE_SEED` gives other data.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Noise, Rng, assert_sound, blob, command, env_number, integers, open, open_memory, set};
use nearlite::rusqlite::Connection;
use nearlite::rusqlite::limits::Limit;
use nearlite::{Database, Metric, Schema, Synchronous};
use std::collections::BTreeMap;

const DIM: usize = 8;

/// What the table should hold: vector and word of each row.
type Rows = BTreeMap<i64, (Vec<f32>, i64)>;

fn create(conn: &Connection, mode: &str) {
    conn.execute_batch(&format!(
        "CREATE VIRTUAL TABLE docs USING nearlite(word INTEGER, body TEXT FULLTEXT, v VECTOR({DIM}) METRIC l2);
         INSERT INTO docs(docs, rank) VALUES('maintenance', '{mode}')"
    ))
    .unwrap();
    // Large enough for jobs, small enough for many of them.
    set(conn, "delta_rows", 300);
}

fn put(conn: &Connection, rows: &mut Rows, row: i64, vector: Vec<f32>, word: i64) {
    let sql = "INSERT OR REPLACE INTO docs(rowid, word, body, v) VALUES(?1, ?2, 'all w' || ?2, ?3)";
    conn.prepare_cached(sql).unwrap().execute((row, word, blob(&vector))).unwrap();
    rows.insert(row, (vector, word));
}

fn info(conn: &Connection, what: &str) -> i64 {
    conn.query_row(&format!("SELECT {what} FROM nearlite_info('docs') LIMIT 1"), [], |row| row.get(0))
        .unwrap()
}

/// Bytes of chunks that belong to no segment.
fn orphans(conn: &Connection) -> i64 {
    let stored: i64 =
        conn.query_row("SELECT ifnull(sum(length(data)), 0) FROM docs_chunks", [], |row| row.get(0)).unwrap();
    stored - info(conn, "disk_bytes")
}

fn claims(conn: &Connection) -> i64 {
    conn.query_row("SELECT count(*) FROM docs_config WHERE name LIKE 'claim %'", [], |row| row.get(0))
        .unwrap()
}

/// Rows, words and neighbours are those of the model.
fn check(conn: &Connection, rows: &Rows, what: &str) {
    assert_eq!(
        integers(conn, "SELECT rowid FROM docs ORDER BY rowid", []),
        rows.keys().copied().collect::<Vec<_>>(),
        "{what}"
    );
    let expected: Vec<i64> = rows.iter().filter(|(_, (_, word))| *word == 3).map(|(row, _)| *row).collect();
    assert_eq!(
        integers(conn, "SELECT rowid FROM docs WHERE docs MATCH 'w3' ORDER BY rowid", []),
        expected,
        "{what}"
    );
    assert_eq!(
        integers(conn, "SELECT rowid FROM docs WHERE word = 3 ORDER BY rowid", []),
        expected,
        "{what}"
    );
    let query = vec![0.1_f32; DIM];
    let distance =
        |vector: &[f32]| vector.iter().zip(&query).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
    let mut near: Vec<(f64, i64)> = rows.iter().map(|(row, (vector, _))| (distance(vector), *row)).collect();
    near.sort_by(|a, b| a.0.total_cmp(&b.0));
    let found = integers(
        conn,
        "SELECT rowid FROM docs WHERE v MATCH ?1 AND exact = 1 ORDER BY distance LIMIT 20",
        [blob(&query)],
    );
    assert_eq!(found.len(), near.len().min(20), "{what}");
    for (found, (expected, _)) in found.iter().zip(&near) {
        assert!((distance(&rows[found].0) - expected).abs() < 1e-4, "{what}: row {found}");
    }
}

/// One-row commits: most insert, some change, some delete, some are rolled back.
fn live(
    conn: &Connection,
    rows: &mut Rows,
    seed: u64,
    commits: usize,
    mut look: impl FnMut(&Connection, &Rows, usize),
) {
    let (mut rng, mut noise) = (Rng(seed), Noise(seed));
    for at in 0..commits {
        let any = rng.below(rows.len().max(1)) as i64;
        match rng.below(20) {
            0..=2 if !rows.is_empty() => {
                let row = *rows.keys().nth(any as usize).unwrap();
                let (vector, word) = (noise.vector(DIM), rng.below(9) as i64);
                let sql = "UPDATE docs SET v = ?2, word = ?3, body = 'all w' || ?3 WHERE rowid = ?1";
                conn.prepare_cached(sql).unwrap().execute((row, blob(&vector), word)).unwrap();
                rows.insert(row, (vector, word));
            }
            3 if !rows.is_empty() => {
                let row = *rows.keys().nth(any as usize).unwrap();
                conn.execute("DELETE FROM docs WHERE rowid = ?1", [row]).unwrap();
                rows.remove(&row);
            }
            4 => {
                conn.execute_batch("BEGIN").unwrap();
                let mut lost = rows.clone();
                for row in 1..=rng.below(40) as i64 {
                    put(conn, &mut lost, row, noise.vector(DIM), 3);
                }
                conn.execute_batch("ROLLBACK").unwrap();
            }
            _ => put(conn, rows, at as i64 + 1_000, noise.vector(DIM), rng.below(9) as i64),
        }
        look(conn, rows, at);
    }
}

#[test]
fn small_commits_leave_few_segments_and_lose_nothing() {
    let seed = env_number("NEARLITE_SEED", 1);
    for mode in ["auto", "commit"] {
        let folder = tempfile::tempdir().unwrap();
        let conn = open(&folder.path().join("grown.db"));
        conn.query_row("PRAGMA journal_mode = wal", [], |_| Ok(())).unwrap();
        conn.execute_batch("PRAGMA synchronous = off").unwrap();
        create(&conn, mode);
        let mut rows = Rows::new();
        let what = format!("seed {seed}, {mode}");
        live(&conn, &mut rows, seed, 9_000, |conn, rows, at| {
            if at % 1_500 == 1_499 {
                check(conn, rows, &format!("{what}, commit {at}"));
                assert_sound(conn);
            }
            if at % 100 == 0 {
                assert!(
                    info(conn, "segments") <= 16,
                    "{what}, commit {at}: {} segments",
                    info(conn, "segments")
                );
                assert!(
                    info(conn, "delta") <= 16 * 300,
                    "{what}, commit {at}: {} in the log",
                    info(conn, "delta")
                );
            }
        });
        assert!(info(&conn, "segments") > 0, "{what}: nothing was sealed");
        command(&conn, "maintain");
        assert_eq!((orphans(&conn), claims(&conn)), (0, 0), "{what}");
        assert!(info(&conn, "segments") <= 2, "{what}: {} segments", info(&conn, "segments"));
        assert_eq!(info(&conn, "delta"), 0, "{what}");
        check(&conn, &rows, &what);
        assert_sound(&conn);
    }
}

#[test]
fn a_table_in_memory_is_kept_in_order_too() {
    let seed = env_number("NEARLITE_SEED", 2);
    let conn = open_memory();
    create(&conn, "auto");
    let mut rows = Rows::new();
    live(&conn, &mut rows, seed, 4_000, |_, _, _| {});
    assert!((1..=16).contains(&info(&conn, "segments")));
    check(&conn, &rows, &format!("seed {seed}"));
    assert_sound(&conn);
}

#[test]
fn the_same_statements_leave_the_same_bytes_where_commits_do_the_work() {
    let seed = env_number("NEARLITE_SEED", 3);
    // What is in memory, because somebody searches, is no part of the statements that write.
    let bytes = |searches: bool| {
        let conn = open_memory();
        // Short chunks, so that a merge loads an input in many slices.
        conn.set_limit(Limit::SQLITE_LIMIT_LENGTH, 10_000).unwrap();
        create(&conn, "commit");
        let mut rows = Rows::new();
        live(&conn, &mut rows, seed, 4_000, |conn, rows, at| match at % 50 {
            0 if searches => check(conn, rows, "while it grows"),
            25 => conn.query_row("SELECT nearlite_release()", [], |_| Ok(())).unwrap(),
            _ => {}
        });
        let sql = "SELECT id, data FROM docs_chunks ORDER BY id";
        let chunks: Vec<(i64, Vec<u8>)> =
            common::rows(&conn, sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        // Text indexes are named at random inside.
        let lengths: Vec<(i64, usize)> = chunks.iter().map(|(id, data)| (*id, data.len())).collect();
        let sql = "SELECT seq, rows FROM docs_segments ORDER BY seq";
        let segments: Vec<(i64, i64)> =
            common::rows(&conn, sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        (lengths, segments)
    };
    assert_eq!(bytes(false), bytes(true), "seed {seed}");
}

#[test]
fn nothing_happens_by_itself_where_maintenance_is_manual() {
    let conn = open_memory();
    create(&conn, "manual");
    let mut rows = Rows::new();
    live(&conn, &mut rows, 4, 2_000, |_, _, _| {});
    assert_eq!((info(&conn, "segments"), claims(&conn)), (0, 0));
    command(&conn, "maintain");
    assert_eq!(info(&conn, "segments"), 1);
    check(&conn, &rows, "after 'maintain'");
}

#[test]
fn work_of_a_process_that_died_is_collected() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("a.db"), folder.path().join("b.db"));
    let conn = open(&path);
    conn.execute_batch("PRAGMA synchronous = off").unwrap();
    create(&conn, "auto");
    let (mut rows, mut at) = (Rows::new(), 0);
    let mut noise = Noise(5);
    // Until something is in progress.
    while claims(&conn) == 0 {
        at += 1;
        put(&conn, &mut rows, at, noise.vector(DIM), at % 9);
    }
    // To the copy the job is that of another process, which never goes on.
    conn.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
    let dead = open(&copy);
    dead.execute_batch("PRAGMA synchronous = off").unwrap();
    assert_eq!(claims(&dead), 1);
    for _ in 0..6_000 {
        at += 1;
        put(&dead, &mut rows, at, noise.vector(DIM), at % 9);
    }
    check(&dead, &rows, "after the other process had died");
    assert!(info(&dead, "segments") > 0);
    command(&dead, "maintain");
    assert_eq!((orphans(&dead), claims(&dead)), (0, 0));
    check(&dead, &rows, "after 'maintain'");
    assert_sound(&dead);
}

#[test]
fn two_connections_share_the_work() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shared.db");
    let (one, two) = (open(&path), open(&path));
    one.query_row("PRAGMA journal_mode = wal", [], |_| Ok(())).unwrap();
    one.execute_batch("PRAGMA synchronous = off").unwrap();
    two.execute_batch("PRAGMA synchronous = off").unwrap();
    create(&one, "auto");
    let (mut rows, mut noise) = (Rows::new(), Noise(6));
    for at in 0..5_000_i64 {
        let conn = if at % 3 == 0 { &one } else { &two };
        put(conn, &mut rows, at % 4_000, noise.vector(DIM), at % 9);
    }
    check(&one, &rows, "one");
    check(&two, &rows, "two");
    assert!((1..=16).contains(&info(&one, "segments")));
    assert_sound(&two);
}

#[test]
fn a_table_may_be_renamed_or_dropped_while_work_is_in_progress() {
    let conn = open_memory();
    create(&conn, "auto");
    let (mut rows, mut noise, mut at) = (Rows::new(), Noise(7), 0);
    while claims(&conn) == 0 {
        at += 1;
        put(&conn, &mut rows, at, noise.vector(DIM), at % 9);
    }
    conn.execute_batch("ALTER TABLE docs RENAME TO papers; ALTER TABLE papers RENAME TO docs").unwrap();
    for _ in 0..2_000 {
        at += 1;
        put(&conn, &mut rows, at, noise.vector(DIM), at % 9);
    }
    check(&conn, &rows, "renamed");
    assert!(info(&conn, "segments") > 0);
    while claims(&conn) == 0 {
        at += 1;
        put(&conn, &mut rows, at, noise.vector(DIM), at % 9);
    }
    conn.execute_batch("DROP TABLE docs").unwrap();
    create(&conn, "auto");
    rows.clear();
    for at in 1..2_000 {
        put(&conn, &mut rows, at, noise.vector(DIM), at % 9);
    }
    check(&conn, &rows, "made anew");
    assert_sound(&conn);
}

#[test]
fn the_thread_of_a_database_brings_to_an_end_what_commits_began() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kept.db");
    let db = Database::options().synchronous(Synchronous::Off).open(&path).unwrap();
    let schema = Schema::new().integer_key("id").full_text("body").vector("v", DIM, Metric::L2);
    let docs = db.collection("docs").create(schema).unwrap();
    docs.set("delta_rows", 300).unwrap();
    let mut noise = Noise(8);
    for id in 0..2_000 {
        let row = serde_json::json!({"id": id, "body": format!("all w{}", id % 9), "v": noise.vector(DIM)});
        docs.insert(&row).unwrap();
    }
    // Nobody writes any more; what is due happens all the same.
    let reader = open(&path);
    let patience = std::time::Instant::now();
    while claims(&reader) > 0 || info(&reader, "delta") >= 300 {
        assert!(patience.elapsed().as_secs() < 120, "{} in the log", info(&reader, "delta"));
        std::thread::yield_now();
    }
    assert_eq!(docs.search().text("w3").limit(1_000).run().unwrap().len(), 2_000 / 9);
    assert!(docs.maintain(None).unwrap());
    // A second one may be there that has a small share of the rows.
    assert!((1..=2).contains(&docs.info().unwrap().segments));
    assert_eq!((orphans(&reader), claims(&reader)), (0, 0));
    docs.verify().unwrap();
    // The thread goes with the database, and its connections with it: the last one takes the -wal along.
    drop((docs, reader));
    drop(db);
    assert!(!folder.path().join("kept.db-wal").exists());
}

#[test]
fn a_full_disk_stops_maintenance_and_no_statement() {
    let folder = tempfile::tempdir().unwrap();
    let conn = open(&folder.path().join("full.db"));
    conn.execute_batch("PRAGMA synchronous = off").unwrap();
    create(&conn, "auto");
    let (mut rows, mut noise) = (Rows::new(), Noise(9));
    for at in 1..=290 {
        put(&conn, &mut rows, at, noise.vector(DIM), at % 9);
    }
    let pages =
        |conn: &Connection| conn.query_row("PRAGMA page_count", [], |row| row.get::<_, i64>(0)).unwrap();
    let mut refused = 0;
    for at in 291..=3_000 {
        // Room for the row, never for a segment.
        let most = pages(&conn) + 6;
        conn.query_row(&format!("PRAGMA max_page_count = {most}"), [], |_| Ok(())).unwrap();
        put(&conn, &mut rows, at, noise.vector(DIM), at % 9);
        let trouble: Option<String> = conn
            .query_row("SELECT maintenance FROM nearlite_info('docs') LIMIT 1", [], |row| row.get(0))
            .unwrap();
        refused += i64::from(trouble.is_some_and(|why| why.contains("full")));
    }
    assert!(refused > 0, "nothing was refused");
    conn.query_row("PRAGMA max_page_count = 1000000", [], |_| Ok(())).unwrap();
    check(&conn, &rows, "after a full disk");
    command(&conn, "maintain");
    assert_eq!((orphans(&conn), claims(&conn)), (0, 0));
    assert!((1..=2).contains(&info(&conn, "segments")));
    check(&conn, &rows, "with room again");
    assert_sound(&conn);
}

#[test]
fn maintenance_on_demand_says_what_it_did() {
    let folder = tempfile::tempdir().unwrap();
    let conn = open(&folder.path().join("told.db"));
    create(&conn, "manual");
    let (mut rows, mut noise) = (Rows::new(), Noise(10));
    conn.execute_batch("BEGIN").unwrap();
    for at in 1..=700 {
        put(&conn, &mut rows, at, noise.vector(DIM), at % 9);
    }
    let maintain = |budget: Option<i64>| -> serde_json::Value {
        let told: String =
            conn.query_row("SELECT nearlite_maintain('docs', ?1)", [budget], |row| row.get(0)).unwrap();
        serde_json::from_str(&told).unwrap()
    };
    // Inside a transaction, one slice.
    assert_eq!(maintain(None), serde_json::json!({"slices": 1, "segments": 0, "finished": false}));
    conn.execute_batch("ROLLBACK").unwrap();
    rows.clear();
    assert_eq!(maintain(None)["finished"], true);
    for at in 1..=700 {
        put(&conn, &mut rows, at, noise.vector(DIM), at % 9);
    }
    assert_eq!(maintain(Some(0))["finished"], false);
    let told = maintain(None);
    assert_eq!((&told["segments"], &told["finished"]), (&1.into(), &true.into()));
    check(&conn, &rows, "maintained");
    assert_sound(&conn);
    conn.execute_batch("CREATE VIEW sly AS SELECT nearlite_maintain('docs')").unwrap();
    assert!(conn.query_row("SELECT * FROM sly", [], |_| Ok(())).is_err(), "a view may not call it");
    for wrong in ["nearlite_maintain('nothing')", "nearlite_maintain('docs', 'soon')", "nearlite_maintain(1)"]
    {
        assert!(conn.query_row(&format!("SELECT {wrong}"), [], |_| Ok(())).is_err(), "{wrong}");
    }
}
