//! A damaged file never crashes the host: every value of every shadow table is mutilated in every way, then everything
//! is read and written. An answer is right, or an error, or at least wrong in a way that `'integrity-check'` finds; and
//! as long as the rows and vectors themselves are whole, `'rebuild'` heals the table.
//!
//! `NEARLITE_SEED` picks other bits to flip, `NEARLITE_STEP=1` tries every kind of damage instead of every sixth.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Rng, blob, env_number, open};
use nearlite::rusqlite::types::Value;
use nearlite::rusqlite::{Connection, params};
use std::path::Path;
use std::sync::{Arc, Mutex};

const SHADOWS: [&str; 9] =
    ["config", "root", "rows", "vectors", "tiles", "delta", "segments", "chunks", "tombstones"];

/// A vector among those of the table.
fn middle() -> String {
    format!("[5{}]", ",5".repeat(63))
}

/// Two segments with dead rows, a tile and single vectors, and a log of additions, removals and kills.
fn write_table(path: &Path) {
    let conn = open(path);
    conn.execute_batch(
        "CREATE VIRTUAL TABLE docs USING nearlite(
            id TEXT PRIMARY KEY, body TEXT FULLTEXT, lang TEXT, year INTEGER, embedding VECTOR(64) METRIC l2)",
    )
    .unwrap();
    common::set(&conn, "automerge", 0);
    let mut rng = Rng(5);
    let mut add = |rows: std::ops::RangeInclusive<i64>| {
        conn.execute_batch("BEGIN").unwrap();
        for at in rows {
            let vector: [f32; 64] = std::array::from_fn(|_| rng.below(1000) as f32 / 100.0);
            let lang = ["en", "de", "fr"][rng.below(3)];
            conn.execute(
                "INSERT INTO docs(rowid, id, body, lang, year, embedding) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
                params![at, format!("k{at}"), format!("all w{}", at % 7), lang, 2000 + at, blob(&vector)],
            )
            .unwrap();
        }
        conn.execute_batch("COMMIT").unwrap();
    };
    add(1..=40);
    common::command(&conn, "flush");
    add(41..=60);
    common::command(&conn, "flush");
    conn.execute_batch("DELETE FROM docs WHERE rowid IN (3, 7, 41, 60)").unwrap();
    common::command(&conn, "flush");
    add(61..=70);
    conn.execute_batch(
        "DELETE FROM docs WHERE rowid IN (5, 66); UPDATE docs SET year = 1999 WHERE rowid = 50",
    )
    .unwrap();
}

/// Nothing here is about power loss.
fn open_fast(path: &Path) -> Connection {
    let conn = open(path);
    conn.execute_batch("PRAGMA synchronous = OFF").unwrap();
    conn.query_row("PRAGMA journal_mode = MEMORY", [], |_| Ok(())).unwrap();
    conn
}

type Answer = Result<Vec<(i64, Option<f64>)>, String>;

/// Every kind of read.
fn read_all(conn: &Connection) -> Vec<(String, Answer)> {
    let middle = middle();
    let near = format!("embedding MATCH '{middle}'");
    let queries = [
        "SELECT rowid, NULL FROM docs ORDER BY rowid".to_owned(),
        "SELECT count(*), NULL FROM docs".to_owned(),
        "SELECT year, NULL FROM docs WHERE id = 'k50'".to_owned(),
        "SELECT length(embedding), NULL FROM docs WHERE rowid = 12".to_owned(),
        format!("SELECT rowid, distance FROM docs WHERE {near} ORDER BY distance LIMIT 10"),
        format!("SELECT rowid, distance FROM docs WHERE {near} AND exact = 1 ORDER BY distance"),
        format!("SELECT rowid, distance FROM docs WHERE {near} AND lang = 'en' AND year > 2010 ORDER BY distance LIMIT 5"),
        format!("SELECT rowid, distance FROM docs WHERE {near} AND distance < 9"),
        "SELECT rowid, NULL FROM docs WHERE docs MATCH 'all' ORDER BY rowid".to_owned(),
        "SELECT rowid, length(snippet(docs, 'body', '<', '>', '', 5)) FROM docs WHERE docs MATCH 'w3' AND lang <> 'de' \
         ORDER BY rowid"
            .to_owned(),
        format!("SELECT rowid, NULL FROM docs WHERE docs MATCH hybrid_query('w2', '{middle}') ORDER BY rank LIMIT 8"),
        "SELECT rows, delta FROM nearlite_info('docs')".to_owned(),
    ];
    queries
        .into_iter()
        .map(|sql| {
            let got = common::rows(conn, &sql, [], |r| Ok((r.get(0)?, r.get(1)?))).map_err(|e| e.to_string());
            (sql, got)
        })
        .collect()
}

/// Every kind of write; errors are fine, the caller looks at what is left.
fn write_all(conn: &Connection) {
    let run = |sql: &str| drop(conn.execute_batch(sql));
    let middle = middle();
    run(&format!("INSERT INTO docs(id, body, year, embedding) VALUES('n1', 'all new', 1, '{middle}')"));
    run(&format!(
        "INSERT OR REPLACE INTO docs(id, body, year, embedding) VALUES('k12', 'all new', 1, '{middle}')"
    ));
    run(&format!("UPDATE docs SET embedding = '{middle}' WHERE rowid = 21"));
    run("UPDATE docs SET body = 'all other' WHERE rowid = 20");
    run("UPDATE docs SET rowid = 900 WHERE id = 'k62'");
    run("DELETE FROM docs WHERE id = 'k30'");
    for command in ["flush", "merge", "optimize"] {
        run(&format!("INSERT INTO docs(docs) VALUES('{command}')"));
    }
    run("INSERT INTO docs(docs, rank) VALUES('delta_rows', 1)");
    run("DELETE FROM docs WHERE rowid IN (50, 69)");
    drop(conn.query_row("SELECT nearlite_recall('docs', 'embedding', 5, 5)", [], |_| Ok(())));
    drop(conn.query_row("PRAGMA integrity_check", [], |_| Ok(())));
}

#[derive(Debug, Clone)]
enum Harm {
    Set { table: &'static str, column: String, rowid: i64, value: Value },
    Swap { table: &'static str, column: String, a: i64, b: i64 },
    Delete { table: &'static str, rowid: i64 },
    DeleteAll { table: &'static str },
}

impl Harm {
    /// Does the damage behind the extension's back; `false` where SQLite's own rules refuse it.
    fn apply(&self, conn: &Connection) -> bool {
        let done = match self {
            Self::Set { table, column, rowid, value } => conn.execute(
                &format!("UPDATE docs_{table} SET \"{column}\" = ?1 WHERE rowid = ?2"),
                params![value, rowid],
            ),
            Self::Swap { table, column, a, b } => conn.execute(
                &format!(
                    "UPDATE docs_{table} SET \"{column}\" =
                     (SELECT o.\"{column}\" FROM docs_{table} o WHERE o.rowid = ?1 + ?2 - docs_{table}.rowid)
                     WHERE rowid IN (?1, ?2)"
                ),
                [a, b],
            ),
            Self::Delete { table, rowid } => {
                conn.execute(&format!("DELETE FROM docs_{table} WHERE rowid = ?1"), [rowid])
            }
            Self::DeleteAll { table } => conn.execute(&format!("DELETE FROM docs_{table}"), []),
        };
        done.is_ok()
    }

    fn table(&self) -> &'static str {
        match self {
            Self::Set { table, .. }
            | Self::Swap { table, .. }
            | Self::Delete { table, .. }
            | Self::DeleteAll { table } => table,
        }
    }
}

/// Other values in place of `value`.
fn mutilated(value: &Value, rng: &mut Rng) -> Vec<Value> {
    let mut all = vec![
        Value::Null,
        Value::Integer(-1),
        Value::Integer(0),
        Value::Integer(i64::MAX),
        Value::Integer(i64::from(u32::MAX)),
        Value::Real(0.5),
        Value::Text("x".into()),
        Value::Blob(Vec::new()),
        Value::Blob(vec![0xFF; 16]),
    ];
    let wrap = |bytes: Vec<u8>| match value {
        Value::Text(_) => Value::Text(String::from_utf8_lossy(&bytes).into_owned()),
        _ => Value::Blob(bytes),
    };
    let bytes: &[u8] = match value {
        Value::Integer(number) => {
            all.extend([number ^ 1, number ^ (1 << 40), -number].map(Value::Integer));
            return all;
        }
        Value::Text(text) => text.as_bytes(),
        Value::Blob(bytes) => bytes,
        _ => return all,
    };
    if bytes.is_empty() {
        return all;
    }
    for _ in 0..6 {
        let mut flipped = bytes.to_vec();
        flipped[rng.below(bytes.len())] ^= 1 << rng.below(8);
        all.push(wrap(flipped));
    }
    let mut ends = bytes.to_vec();
    ends[0] ^= 0xFF;
    all.push(wrap(ends.clone()));
    *ends.last_mut().unwrap() ^= 0x80;
    all.push(wrap(ends));
    all.push(wrap(bytes[..bytes.len() - 1].to_vec()));
    all.push(wrap(bytes[..bytes.len() / 2].to_vec()));
    all.push(wrap([bytes, b"\0"].concat()));
    all.push(wrap([bytes, bytes].concat()));
    all.push(wrap(vec![0; bytes.len()]));
    all
}

fn harms(conn: &Connection, rng: &mut Rng) -> Vec<Harm> {
    let mut harms = Vec::new();
    for table in SHADOWS {
        let rowids = common::integers(conn, &format!("SELECT rowid FROM docs_{table} ORDER BY rowid"), []);
        let (first, last) = (rowids[0], rowids[rowids.len() - 1]);
        let columns =
            common::rows(conn, &format!("SELECT name FROM pragma_table_info('docs_{table}')"), [], |r| {
                r.get::<_, String>(0)
            })
            .unwrap();
        harms.push(Harm::DeleteAll { table });
        // A few rows stand for all; payload chunks and settings are all different.
        let few = matches!(table, "rows" | "vectors" | "delta");
        let step = if few { rowids.len().div_ceil(3) } else { 1 };
        for rowid in rowids.iter().copied().step_by(step).chain([last]) {
            harms.push(Harm::Delete { table, rowid });
            for column in &columns {
                let sql = format!("SELECT \"{column}\" FROM docs_{table} WHERE rowid = ?1");
                let value: Value = conn.query_row(&sql, [rowid], |r| r.get(0)).unwrap();
                for value in mutilated(&value, rng) {
                    harms.push(Harm::Set { table, column: column.clone(), rowid, value });
                }
            }
        }
        for column in columns.into_iter().skip(1) {
            harms.push(Harm::Swap { table, column, a: first, b: last });
        }
    }
    harms
}

/// What the rows themselves say, read without the extension.
fn truth(path: &Path) -> (Vec<i64>, Vec<i64>) {
    let plain = Connection::open(path).unwrap();
    let rows = common::integers(&plain, "SELECT rowid FROM docs_rows ORDER BY rowid", []);
    let text =
        common::integers(&plain, "SELECT rowid FROM docs_rows WHERE body LIKE '%all%' ORDER BY rowid", []);
    (rows, text)
}

/// After `'rebuild'` everything is right again.
fn check_healed(path: &Path) -> Result<(), String> {
    let conn = open_fast(path);
    conn.execute_batch("INSERT INTO docs(docs) VALUES('rebuild')").map_err(|e| format!("rebuild: {e}"))?;
    conn.execute_batch("INSERT INTO docs(docs) VALUES('integrity-check')")
        .map_err(|e| format!("after rebuild: {e}"))?;
    let (rows, text) = truth(path);
    let sql = format!("SELECT rowid FROM docs WHERE embedding MATCH '{}'", middle());
    let mut near = common::rows(&conn, &sql, [], |r| r.get::<_, i64>(0)).map_err(|e| e.to_string())?;
    near.sort_unstable();
    let sql = "SELECT rowid FROM docs WHERE docs MATCH 'all' ORDER BY rowid";
    let found = common::rows(&conn, sql, [], |r| r.get::<_, i64>(0)).map_err(|e| e.to_string())?;
    if near != rows || found != text {
        return Err(format!("after rebuild: {near:?} and {found:?} instead of {rows:?} and {text:?}"));
    }
    Ok(())
}

#[test]
fn a_damaged_file_gives_right_answers_or_errors_and_can_be_rebuilt() {
    let seed = env_number("NEARLITE_SEED", 1);
    println!("NEARLITE_SEED={seed}");
    // SQLite never sees a panic, the trampolines catch it; here it counts as a failure all the same.
    let panics: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&panics);
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| seen.lock().unwrap().push(info.to_string())));

    let dir = tempfile::tempdir().unwrap();
    let template = dir.path().join("template.db");
    let path = dir.path().join("damaged.db");
    write_table(&template);
    let right = read_all(&open(&template));
    let harms = harms(&Connection::open(&template).unwrap(), &mut Rng(seed));
    let (mut tried, mut failures) = (0, Vec::new());
    let mut found_late = std::collections::BTreeMap::<_, u32>::new();
    // Neighbours in the list are alike; another seed takes others.
    let step = env_number("NEARLITE_STEP", 6).max(1) as usize;
    for harm in harms.iter().skip(seed as usize % step).step_by(step) {
        std::fs::copy(&template, &path).unwrap();
        let plain = Connection::open(&path).unwrap();
        plain.execute_batch("PRAGMA synchronous = OFF; BEGIN").unwrap();
        // Payloads are cached by the segment's random name: new names make the process read the damaged bytes.
        plain.execute_batch("UPDATE docs_segments SET id = randomblob(16)").unwrap();
        if !harm.apply(&plain) {
            continue;
        }
        plain.execute_batch("COMMIT").unwrap();
        drop(plain);
        tried += 1;

        let conn = open_fast(&path);
        let wrong: Vec<String> = read_all(&conn)
            .into_iter()
            .zip(&right)
            .filter(|((_, got), (_, want))| got.is_ok() && got != want)
            .map(|((sql, _), _)| sql)
            .collect();
        let check = conn.execute_batch("INSERT INTO docs(docs) VALUES('integrity-check')");
        let whole = !matches!(harm.table(), "rows" | "vectors" | "tiles" | "config");
        if whole && !wrong.is_empty() && check.is_ok() {
            failures.push(format!("{harm:?}: integrity-check finds nothing, but wrong is {wrong:?}"));
        }
        if whole && !wrong.is_empty() {
            *found_late.entry(harm.table()).or_default() += 1;
        }
        write_all(&conn);
        drop(conn);
        let healed = check_healed(&path);
        if whole && let Err(error) = healed {
            failures.push(format!("{harm:?}: {error}"));
        }
        for panic in panics.lock().unwrap().drain(..) {
            failures.push(format!("{harm:?}: {panic}"));
        }
    }
    std::panic::set_hook(before);
    println!(
        "{tried} kinds of damage; answers that only integrity-check tells to be wrong, by table: {found_late:?}"
    );
    assert!(tried > 200, "only {tried} kinds of damage");
    let shown: Vec<&String> = failures.iter().take(40).collect();
    assert!(failures.is_empty(), "NEARLITE_SEED={seed}: {} of {tried} failed:\n{shown:#?}", failures.len());
}
