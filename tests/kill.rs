//! A writer that is killed at any moment loses no acknowledged commit, leaves no half of one, and an index that answers.
//!
//! The writer is this test program itself, started as another process. What its n-th transaction does follows from the
//! seed and n, so the state after any number of them is known without asking it. `NEARLITE_KILLS` is the number of
//! kills in each journal mode and size of the table, `NEARLITE_SEED` the seed. A small table is sealed and merged by its
//! commits, a larger one is always in the middle of jobs.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Rng, assert_sound, blob, env_number, integers, open};
use nearlite::rusqlite::Connection;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Vector, word and year of each row.
type Rows = BTreeMap<i64, ([f32; 2], i64, i64)>;

/// Rows of a small table.
const SMALL: usize = 150;

enum Step {
    Put(i64, [f32; 2], i64),
    /// Changes the year of these rows alone.
    Revise(i64, i64, i64),
    Delete(i64),
    Maintain(&'static str),
}

/// What the transaction `at` does to a table of up to `most` rows.
fn steps(seed: u64, most: usize, at: u64) -> Vec<Step> {
    let mut rng =
        Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (at + 1).wrapping_mul(0xd134_2543_de82_ef95) | 1);
    let mut steps = Vec::new();
    for _ in 0..1 + rng.below(12) {
        let row = rng.below(most) as i64 + 1;
        steps.push(match rng.below(10) {
            0..5 => Step::Put(row, [rng.below(1000) as f32, rng.below(1000) as f32], rng.below(20) as i64),
            5..8 => Step::Revise(row, row + rng.below(4) as i64, rng.below(20) as i64),
            _ => Step::Delete(row),
        });
    }
    match rng.below(if most > SMALL { 240 } else { 12 }) {
        0 => steps.push(Step::Maintain("flush")),
        1 => steps.push(Step::Maintain("optimize")),
        2 => steps.push(Step::Maintain("merge")),
        3..=20 => steps.push(Step::Maintain("maintain")),
        _ => {}
    }
    steps
}

fn apply(rows: &mut Rows, steps: &[Step]) {
    for step in steps {
        match step {
            Step::Put(row, vector, word) => {
                rows.insert(*row, (*vector, *word, *word));
            }
            Step::Revise(low, high, year) => {
                rows.range_mut(low..=high).for_each(|(_, row)| row.2 = *year);
            }
            Step::Delete(row) => {
                rows.remove(row);
            }
            Step::Maintain(_) => {}
        }
    }
}

fn execute(conn: &Connection, steps: &[Step]) -> nearlite::rusqlite::Result<()> {
    conn.execute_batch("BEGIN IMMEDIATE")?;
    for step in steps {
        match step {
            Step::Put(row, vector, word) => conn.execute(
                "INSERT OR REPLACE INTO docs(id, word, year, body, v) VALUES(?1, ?2, ?2, 'w' || ?2, ?3)",
                (row, word, blob(vector)),
            ),
            Step::Revise(low, high, year) => {
                conn.execute("UPDATE docs SET year = ?3 WHERE id BETWEEN ?1 AND ?2", (low, high, year))
            }
            Step::Delete(row) => conn.execute("DELETE FROM docs WHERE id = ?1", [row]),
            Step::Maintain(command) => conn.execute("INSERT INTO docs(docs) VALUES(?1)", [command]),
        }?;
    }
    conn.execute_batch("COMMIT")
}

/// The writer. Run by [`every_acknowledged_commit_survives`] alone; without its variables there is nothing to do.
#[test]
fn writer() {
    let Ok(path) = std::env::var("NEARLITE_KILL_FILE") else { return };
    let (seed, mut at) = (env_number("NEARLITE_SEED", 1), env_number("NEARLITE_KILL_FROM", 0));
    let most = env_number("NEARLITE_KILL_ROWS", 0) as usize;
    let conn = open(Path::new(&path));
    conn.busy_timeout(Duration::from_secs(5)).unwrap();
    loop {
        execute(&conn, &steps(seed, most, at)).unwrap();
        at += 1;
        // Past the test runner, which would keep the line to itself.
        // In one piece: a kill may come between two.
        std::io::stderr().write_all(format!("done {at}\n").as_bytes()).unwrap();
    }
}

/// Starts a writer at a transaction, kills it, and answers how many transactions it has told of.
fn run_and_kill(path: &Path, seed: u64, most: usize, from: u64, patience: Duration) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "writer", "--nocapture", "--test-threads=1"])
        .env("NEARLITE_KILL_FILE", path)
        .env("NEARLITE_KILL_FROM", from.to_string())
        .env("NEARLITE_KILL_ROWS", most.to_string())
        .env("NEARLITE_SEED", seed.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut done = from;
    let mut other = Vec::new();
    let mut take = |line: std::io::Result<String>| {
        let line = line.unwrap();
        match line.strip_prefix("done ").and_then(|number| number.parse().ok()) {
            Some(number) => done = number,
            None => other.push(line),
        }
    };
    // From its first commit on the writer is at work; the moment after that is a random one.
    lines.next().into_iter().for_each(&mut take);
    std::thread::sleep(patience);
    child.kill().unwrap();
    child.wait().unwrap();
    lines.for_each(take);
    assert!(other.is_empty(), "the writer failed:\n{}", other.join("\n"));
    done
}

fn stored(conn: &Connection) -> Rows {
    let mut statement = conn.prepare("SELECT id, word, vec_to_json(v), year FROM docs").unwrap();
    let row = |row: &nearlite::rusqlite::Row<'_>| {
        let vector: String = row.get(2)?;
        let numbers: Vec<f32> =
            vector.trim_matches(['[', ']']).split(',').map(|x| x.parse().unwrap()).collect();
        Ok((row.get(0)?, ([numbers[0], numbers[1]], row.get(1)?, row.get(3)?)))
    };
    statement.query_map([], row).unwrap().map(Result::unwrap).collect()
}

fn check(conn: &Connection, rows: &Rows, what: &str) {
    assert_sound(conn);
    let words = integers(conn, "SELECT id FROM docs WHERE docs MATCH 'w7' ORDER BY id", []);
    let expected: Vec<i64> = rows.iter().filter(|(_, (_, word, _))| *word == 7).map(|(id, _)| *id).collect();
    assert_eq!(words, expected, "{what}");
    let years = integers(conn, "SELECT id FROM docs WHERE v MATCH '[500,500]' AND year = 7 ORDER BY id", []);
    let expected: Vec<i64> = rows.iter().filter(|(_, (.., year))| *year == 7).map(|(id, _)| *id).collect();
    assert_eq!(years, expected, "{what}");
    let mut near: Vec<(f64, i64)> = rows
        .iter()
        .map(|(id, ([x, y], ..))| ((f64::from(*x) - 500.0).hypot(f64::from(*y) - 500.0), *id))
        .collect();
    near.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let expected: Vec<i64> = near.iter().take(10).map(|(_, id)| *id).collect();
    let found =
        integers(conn, "SELECT id FROM docs WHERE v MATCH '[500,500]' ORDER BY distance LIMIT 10", []);
    assert_eq!(found.len(), expected.len(), "{what}");
    let distance = |id: &i64| {
        let ([x, y], ..) = rows[id];
        (x - 500.0).hypot(y - 500.0)
    };
    for (found, expected) in found.iter().zip(&expected) {
        assert!((distance(found) - distance(expected)).abs() < 1e-3, "{what}: {found} {expected}");
    }
}

/// Bytes of chunks that belong to no segment, and jobs in progress.
fn left_over(conn: &Connection) -> (i64, i64) {
    let one = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    if one("SELECT count(*) FROM sqlite_schema WHERE name = 'docs_chunks'") == 0 {
        return (0, 0);
    }
    let indexed = one("SELECT disk_bytes FROM nearlite_info('docs') LIMIT 1");
    let stored = one("SELECT ifnull(sum(length(data)), 0) FROM docs_chunks");
    (stored - indexed, one("SELECT count(*) FROM docs_config WHERE name LIKE 'claim %'"))
}

#[test]
fn every_acknowledged_commit_survives() {
    let (seed, kills) = (env_number("NEARLITE_SEED", 1), env_number("NEARLITE_KILLS", 8));
    println!("seed {seed}, {kills} kills");
    for (mode, most) in [("delete", SMALL), ("wal", SMALL), ("delete", 3_000), ("wal", 3_000)] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("killed.db");
        let conn = open(&path);
        conn.query_row(&format!("PRAGMA journal_mode = {mode}"), [], |_| Ok(())).unwrap();
        conn.execute_batch(
            "CREATE VIRTUAL TABLE docs USING nearlite(id INTEGER PRIMARY KEY, word INTEGER, year INTEGER, body TEXT FULLTEXT, v VECTOR(2) METRIC l2)",
        )
        .unwrap();
        // Few enough for the commits to seal it, or just too many.
        common::set(&conn, "delta_rows", if most > SMALL { 257 } else { 64 });
        drop(conn);
        let mut rng = Rng(seed | 1);
        let (mut rows, mut at, mut in_progress) = (Rows::new(), 0, 0);
        for kill in 0..kills {
            let moment = rng.below(if most > SMALL { 300_000 } else { 60_000 });
            let told = run_and_kill(&path, seed, most, at, Duration::from_micros(moment as u64));
            let what = format!("{mode}, {most} rows, seed {seed}, kill {kill}: {told} transactions told of");
            (at..told).for_each(|at| apply(&mut rows, &steps(seed, most, at)));
            at = told;
            let conn = open(&path);
            let found = stored(&conn);
            if found != rows {
                // The commit that was not told of any more.
                apply(&mut rows, &steps(seed, most, at));
                at += 1;
                assert!(found == rows, "{what}: the rows are those of no transaction");
            }
            check(&conn, &rows, &what);
            in_progress += left_over(&conn).1;
            // What a dead process has begun is collected by the next one that is asked to.
            if kill % 2 == 1 {
                common::command(&conn, "maintain");
                assert_eq!(left_over(&conn), (0, 0), "{what}");
                check(&conn, &rows, &what);
            }
        }
        assert!(at > kills, "the writer was killed before it wrote anything");
        assert!(most == SMALL || in_progress > 0, "no kill has met a job");
    }
}

/// The tables of the index are made by the commit that first seals. A writer is killed before, in and after it.
#[test]
fn a_writer_that_is_killed_about_its_first_seal_leaves_a_whole_table() {
    let (seed, kills) = (env_number("NEARLITE_SEED", 1), env_number("NEARLITE_KILLS", 8));
    let mut rng = Rng(seed | 1);
    let (mut with, mut without) = (0, 0);
    for (mode, kill) in
        ["delete", "wal"].into_iter().flat_map(|mode| (0..kills).map(move |kill| (mode, kill)))
    {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("killed.db");
        let conn = open(&path);
        conn.query_row(&format!("PRAGMA journal_mode = {mode}"), [], |_| Ok(())).unwrap();
        conn.execute_batch(
            "CREATE VIRTUAL TABLE docs USING nearlite(id INTEGER PRIMARY KEY, word INTEGER, year INTEGER, body TEXT FULLTEXT, v VECTOR(2) METRIC l2)",
        )
        .unwrap();
        common::set(&conn, "delta_rows", 40);
        drop(conn);
        let (seed, moment) = (seed + kill, rng.below(8_000));
        let told = run_and_kill(&path, seed, SMALL, 0, Duration::from_micros(moment as u64));
        let what = format!("{mode}, seed {seed}: {told} transactions told of");
        let mut rows = Rows::new();
        (0..told).for_each(|at| apply(&mut rows, &steps(seed, SMALL, at)));
        let conn = open(&path);
        if stored(&conn) != rows {
            apply(&mut rows, &steps(seed, SMALL, told));
            assert!(stored(&conn) == rows, "{what}: the rows are those of no transaction");
        }
        check(&conn, &rows, &what);
        let made = integers(
            &conn,
            "SELECT count(*) FROM sqlite_schema WHERE name IN ('docs_segments', 'docs_chunks', 'docs_tombstones', 'docs_tiles')",
            [],
        )[0];
        assert!(made == 0 || made == 4, "{what}: {made} tables");
        if made == 4 {
            with += 1
        } else {
            without += 1
        }
        common::command(&conn, "optimize");
        check(&conn, &rows, &what);
    }
    println!("seed {seed}: {with} were killed after their first seal, {without} before");
}
