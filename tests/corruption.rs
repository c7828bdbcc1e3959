//! A damaged file never crashes the host: every value of every shadow table is mutilated in every way, then everything
//! is read and written. An answer is right, or an error, or at least wrong in a way that `'integrity-check'` finds; and
//! as long as the rows and vectors themselves are whole, `'rebuild'` heals the table.
//!
//! `NEARLITE_SEED` picks other bits to flip, `NEARLITE_STEP=1` tries every kind of damage instead of every sixth.
#![allow(clippy::unwrap_used)]

mod common;

use common::damage::{check_healed, open_fast, read_all, write_all, write_table};
use common::{Rng, env_number, open};
use nearlite::rusqlite::types::Value;
use nearlite::rusqlite::{Connection, params};
use std::sync::{Arc, Mutex};

const SHADOWS: [&str; 8] =
    ["config", "rows", "vectors", "tiles", "delta", "segments", "chunks", "tombstones"];

/// The row of `docs_config` that is the root.
const ROOT: i64 = 3;

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

    /// Whether `'rebuild'` makes it good.
    fn leaves_rows_whole(&self) -> bool {
        match self {
            Self::Delete { table: "config", rowid: ROOT } => true,
            Self::Set { table: "config", column, rowid: ROOT, .. } => column == "value",
            _ => !matches!(self.table(), "rows" | "vectors" | "tiles" | "config"),
        }
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
        let whole = harm.leaves_rows_whole();
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
