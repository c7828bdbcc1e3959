//! Filtered searches of every sort beside an ordinary table that holds the same rows, while updates are in the log.
//!
//! A row that is written again before a seal has several slots in the log, all with its rowid, and only the last one is
//! alive. Short lists of rowids were once looked up by the first slot: updated rows were missing from every search
//! filtered by `rowid IN`, by `id IN` or by a text key, on connections that had seen the rows before.
//!
//! `NEARLITE_CASES` asks for more tables, `NEARLITE_SEED` for other ones.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Rng, env_number, open, rows};
use nearlite::rusqlite::{Connection, params};
use nearlite::{Collection, Filter, col};
use std::collections::BTreeSet;
use std::path::Path;

const WORDS: [&str; 4] = ["amber", "badger", "cobalt", "dahlia"];
const TAGS: [&str; 5] = ["ant", "ape", "bee", "Bat", "cat"];
const COLUMNS: &str = "(rowid, id, body, n, r, t, b, e)";

/// A condition in SQL, and the same for the Rust interface where that has it.
struct Condition {
    sql: String,
    filter: Option<Filter>,
}

impl Condition {
    fn new(sql: String, filter: Filter) -> Self {
        Self { sql, filter: Some(filter) }
    }

    fn any(rng: &mut Rng, rows: usize, depth: usize) -> Self {
        if depth > 0 && rng.below(3) == 0 {
            let (a, b) = (Self::any(rng, rows, depth - 1), Self::any(rng, rows, depth - 1));
            let and = rng.below(2) == 0;
            let filter = a.filter.zip(b.filter).map(|(a, b)| if and { a.and(b) } else { a.or(b) });
            return Self { sql: format!("({} {} {})", a.sql, if and { "AND" } else { "OR" }, b.sql), filter };
        }
        let ids = |rng: &mut Rng| -> Vec<i64> {
            // Mostly few: that is where a look-up replaces a scan.
            let most = if rng.below(4) == 0 { rows } else { 1 + rows / 16 };
            (0..1 + rng.below(most)).map(|_| rng.below(rows + rows / 8) as i64).collect()
        };
        let join = |list: &[String]| list.join(",");
        let n = rng.below(9) as i64;
        let tag = TAGS[rng.below(TAGS.len())];
        match rng.below(16) {
            0..3 => {
                let ids = ids(rng);
                let list = join(&ids.iter().map(i64::to_string).collect::<Vec<_>>());
                let sql = match rng.below(2) {
                    0 => format!("rowid IN ({list})"),
                    _ => format!("rowid IN (SELECT value FROM json_each('[{list}]'))"),
                };
                Self::new(sql, Filter::rowids(ids))
            }
            3 => {
                let ids = ids(rng);
                let list = join(&ids.iter().map(i64::to_string).collect::<Vec<_>>());
                Self::new(format!("rowid NOT IN ({list})"), Filter::rowids(ids).not())
            }
            4 | 5 => {
                let keys: Vec<String> = ids(rng).iter().map(|id| format!("k{id}")).collect();
                let quoted: Vec<String> = keys.iter().map(|key| format!("'{key}'")).collect();
                Self::new(format!("id IN ({})", join(&quoted)), Filter::keys(keys))
            }
            6 => {
                let key = format!("k{}", rng.below(rows));
                Self::new(format!("id = '{key}'"), col("id").eq(key))
            }
            7 => {
                let id = rng.below(rows) as i64;
                Self::new(format!("rowid = {id}"), col("rowid").eq(id))
            }
            8 => {
                let low = rng.below(rows) as i64;
                let high = low + rng.below(40) as i64;
                Self::new(format!("rowid BETWEEN {low} AND {high}"), col("rowid").between(low, high))
            }
            9 => Self::new(format!("n = {n}"), col("n").eq(n)),
            10 => Self::new(format!("n IN ({n}, {})", n + 3), col("n").is_in([n, n + 3])),
            11 => Self::new(format!("n <> {n}"), col("n").ne(n)),
            12 => Self::new("n IS NULL".into(), col("n").is_null()),
            13 => Self::new(format!("r >= {n}.5"), col("r").ge(n as f64 + 0.5)),
            14 => Self::new(format!("t = '{tag}'"), col("t").eq(tag)),
            _ => Self::new("t LIKE 'b%' AND b = 1".into(), col("t").like_prefix("b").and(col("b").eq(true))),
        }
    }
}

type Step = Result<(), String>;

fn set(conn: &Connection, sql: &str) -> Result<BTreeSet<i64>, String> {
    let list: Vec<i64> = rows(conn, sql, [], |row| row.get(0)).map_err(|e| format!("{sql}: {e}"))?;
    let set: BTreeSet<i64> = list.iter().copied().collect();
    if set.len() == list.len() { Ok(set) } else { Err(format!("{sql}: a row came twice")) }
}

fn same(what: &str, got: &BTreeSet<i64>, want: &BTreeSet<i64>) -> Step {
    if got == want {
        return Ok(());
    }
    let (missing, extra): (Vec<_>, Vec<_>) = (want.difference(got).collect(), got.difference(want).collect());
    Err(format!("{what}: missing {missing:?}, too many {extra:?}"))
}

struct World {
    conn: Connection,
    /// Has had views of the table since before the updates.
    reader: Connection,
    rows: usize,
    searches: usize,
}

impl World {
    fn new(path: &Path, rows: usize, rng: &mut Rng) -> Self {
        let conn = open(path);
        conn.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;
             CREATE VIRTUAL TABLE docs USING nearlite(id TEXT PRIMARY KEY, body TEXT FULLTEXT, n INTEGER, r REAL, t TEXT,
                 b BOOLEAN, e VECTOR(4) METRIC l2);
             CREATE TABLE truth(id TEXT UNIQUE, body TEXT, n INTEGER, r REAL, t TEXT, b INTEGER, e BLOB);",
        )
        .unwrap();
        let mut world = Self { reader: open(path), conn, rows, searches: 0 };
        world.conn.execute_batch("BEGIN").unwrap();
        for at in 0..rows as i64 {
            let values = values(rng);
            world.both(&format!("INSERT INTO {{}}{COLUMNS} VALUES({at}, 'k{at}', {values})")).unwrap();
        }
        world.conn.execute_batch("COMMIT").unwrap();
        world
    }

    /// Runs a statement on the collection and on the ordinary table; both must change as many rows, or both must fail.
    fn both(&mut self, sql: &str) -> Step {
        let run = |table: &str| self.conn.execute(&sql.replace("{}", table), []);
        match (run("docs"), run("truth")) {
            (Ok(got), Ok(want)) if got == want => Ok(()),
            (Err(_), Err(_)) => Ok(()),
            (got, want) => Err(format!("{sql}: {got:?} instead of {want:?}")),
        }
    }

    fn write(&mut self, rng: &mut Rng) -> Step {
        let at = rng.below(self.rows) as i64;
        let other = rng.below(self.rows + 20) as i64;
        let values = values(rng);
        let n = rng.below(9);
        match rng.below(14) {
            0 | 1 => self.both(&format!("UPDATE {{}} SET n = {n} WHERE rowid = {at}")),
            2 => self.both(&format!("UPDATE {{}} SET body = '{}' WHERE id = 'k{at}'", body(rng))),
            3 => self.both(&format!("UPDATE {{}} SET e = {} WHERE rowid = {at}", vector(rng))),
            4 => {
                self.both(&format!("INSERT OR REPLACE INTO {{}}{COLUMNS} VALUES({at}, 'k{other}', {values})"))
            }
            5 | 6 => {
                self.both(&format!("DELETE FROM {{}} WHERE rowid = {at}"))?;
                self.both(&format!("INSERT OR IGNORE INTO {{}}{COLUMNS} VALUES({at}, 'k{at}', {values})"))
            }
            7 => {
                let away = 1_000_000 + at;
                self.both(&format!("UPDATE {{}} SET rowid = {away} WHERE rowid = {at}"))?;
                self.both(&format!("UPDATE {{}} SET rowid = {at} WHERE rowid = {away}"))
            }
            8 => self.both(&format!("UPDATE OR REPLACE {{}} SET rowid = {other} WHERE rowid = {at}")),
            9 => self.both(&format!("UPDATE OR REPLACE {{}} SET id = 'k{other}' WHERE rowid = {at}")),
            10 => self.both(&format!("UPDATE {{}} SET n = n + 1 WHERE rowid % 7 = {n}")),
            11 => self.both(&format!("DELETE FROM {{}} WHERE rowid = {at}")),
            12 => {
                self.conn.execute_batch("BEGIN").unwrap();
                self.both(&format!("UPDATE {{}} SET t = 'ape', n = {n} WHERE rowid % 3 = 0"))?;
                let end = if rng.below(2) == 0 { "COMMIT" } else { "ROLLBACK" };
                self.conn.execute_batch(end).map_err(|e| format!("{end}: {e}"))
            }
            _ => {
                let words = ["flush", "optimize", "merge", "rebuild"];
                // Rarely: what is under test is the log.
                if rng.below(6) == 0 {
                    common::command(&self.conn, words[rng.below(words.len())]);
                }
                Ok(())
            }
        }
    }

    fn check(&mut self, rng: &mut Rng) -> Step {
        let condition = Condition::any(rng, self.rows, 2);
        let fresh;
        let conn = match rng.below(5) {
            0..3 => &self.conn,
            3 => &self.reader,
            _ => {
                fresh = open(Path::new(self.conn.path().unwrap()));
                &fresh
            }
        };
        self.searches += 1;
        compare(conn, &condition, rng).map_err(|e| format!("{}: {e}", condition.sql))
    }
}

fn compare(conn: &Connection, condition: &Condition, rng: &mut Rng) -> Step {
    let Condition { sql: cond, filter } = condition;
    let word = WORDS[rng.below(WORDS.len())];
    let query = vector(rng);
    let k = 1 + rng.below(12);
    let truth = |more: &str| set(conn, &format!("SELECT rowid FROM truth WHERE {cond} AND {more}"));
    let near = || -> Result<Vec<(i64, f64)>, String> {
        let sql = format!(
            "SELECT rowid, vec_distance_l2(e, {query}) AS d FROM truth WHERE {cond} AND e IS NOT NULL ORDER BY d, rowid"
        );
        rows(conn, &sql, [], |row| Ok((row.get(0)?, row.get(1)?))).map_err(|e| format!("{sql}: {e}"))
    };
    let has_word = format!("body LIKE '%{word}%'");
    match rng.below(9) {
        0 => {
            let exact = if rng.below(2) == 0 { " AND exact = 1" } else { "" };
            let sql = format!(
                "SELECT rowid, distance FROM docs WHERE e MATCH {query} AND {cond}{exact} ORDER BY distance LIMIT {k}"
            );
            let got: Vec<(i64, f64)> = rows(conn, &sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
                .map_err(|e| format!("{sql}: {e}"))?;
            nearest("nearest", &got, &near()?, k)
        }
        1 => {
            let all = near()?;
            let radius = all.get(all.len() / 2).map_or(1.0, |(_, d)| d + 1e-3);
            let want = all.iter().filter(|(_, d)| *d < radius).map(|(id, _)| *id).collect();
            let sql =
                format!("SELECT rowid FROM docs WHERE e MATCH {query} AND distance < {radius} AND {cond}");
            same("radius", &set(conn, &sql)?, &want)
        }
        2 => {
            let sql = format!("SELECT rowid FROM docs WHERE docs MATCH '{word}' AND {cond} ORDER BY rank");
            same("text", &set(conn, &sql)?, &truth(&has_word)?)
        }
        3 => {
            let sql = format!("SELECT count(*) FROM docs WHERE body MATCH '{word}' AND {cond}");
            let got: i64 = conn.query_row(&sql, [], |row| row.get(0)).map_err(|e| format!("{sql}: {e}"))?;
            let want = truth(&has_word)?.len() as i64;
            if got == want { Ok(()) } else { Err(format!("count {got} instead of {want}")) }
        }
        4 => {
            let sql =
                format!("SELECT rowid FROM docs WHERE docs MATCH hybrid_query('{word}', {query}) AND {cond}");
            same("hybrid", &set(conn, &sql)?, &truth(&format!("(e IS NOT NULL OR {has_word})"))?)
        }
        5 => {
            let sql =
                format!("SELECT rowid FROM docs WHERE e MATCH {query} AND docs MATCH '{word}' AND {cond}");
            same("vector and text", &set(conn, &sql)?, &truth(&has_word)?)
        }
        6 => {
            conn.execute_batch("SAVEPOINT undo").unwrap();
            let deleted = conn.execute(&format!("DELETE FROM docs WHERE docs MATCH '{word}' AND {cond}"), []);
            conn.execute_batch("ROLLBACK TO undo; RELEASE undo").unwrap();
            let (got, want) = (deleted.map_err(|e| format!("DELETE: {e}"))?, truth(&has_word)?.len());
            if got == want { Ok(()) } else { Err(format!("{got} rows deleted instead of {want}")) }
        }
        7 => same("scan", &set(conn, &format!("SELECT rowid FROM docs WHERE {cond}"))?, &truth("1")?),
        _ => {
            let Some(filter) = filter else { return Ok(()) };
            let docs = Collection::on(conn, "docs").unwrap();
            let vector: Vec<f32> = serde_json::from_str(query.trim_matches('\'')).unwrap();
            // Every row has a key: it leads back to the rowid.
            let rowid = |key: &nearlite::Key| -> i64 {
                conn.query_row("SELECT rowid FROM truth WHERE id = ?1", params![key.to_string()], |row| {
                    row.get(0)
                })
                .unwrap()
            };
            let run = |search: nearlite::Search<'_, &Connection>| {
                search.filter(filter.clone()).limit(usize::MAX).run().map_err(|e| e.to_string())
            };
            let set =
                |hits: &nearlite::Hits| hits.iter().map(|hit| rowid(hit.key())).collect::<BTreeSet<_>>();
            match rng.below(4) {
                0 => same("Rust: filter", &set(&run(docs.search())?), &truth("1")?),
                1 => same("Rust: text", &set(&run(docs.search().text(word))?), &truth(&has_word)?),
                2 => {
                    let want = truth(&format!("(e IS NOT NULL OR {has_word})"))?;
                    same("Rust: hybrid", &set(&run(docs.search().nearest("e", &vector).text(word))?), &want)
                }
                _ => {
                    let search = docs.search().nearest("e", &vector).filter(filter.clone()).limit(k);
                    let hits = search.run().map_err(|e| e.to_string())?;
                    let got: Vec<(i64, f64)> =
                        hits.iter().map(|hit| (rowid(hit.key()), f64::from(hit.distance.unwrap()))).collect();
                    nearest("Rust: nearest", &got, &near()?, k)
                }
            }
        }
    }
}

/// As many rows as there are, up to `k`, and at each place the distance that is due there.
fn nearest(what: &str, got: &[(i64, f64)], want: &[(i64, f64)], k: usize) -> Step {
    if got.len() != k.min(want.len()) {
        return Err(format!("{what}: {} rows instead of {}", got.len(), k.min(want.len())));
    }
    for ((rowid, distance), (_, due)) in got.iter().zip(want) {
        if !want.iter().any(|(known, _)| known == rowid) {
            return Err(format!("{what}: row {rowid} does not qualify"));
        }
        if (distance - due).abs() > 1e-4 {
            return Err(format!("{what}: row {rowid} at {distance} where {due} is due"));
        }
    }
    Ok(())
}

fn body(rng: &mut Rng) -> String {
    (0..rng.below(4)).map(|_| WORDS[rng.below(WORDS.len())]).collect::<Vec<_>>().join(" ")
}

fn vector(rng: &mut Rng) -> String {
    let value = |rng: &mut Rng| rng.below(2001) as f64 / 100.0 - 10.0;
    // As bytes in a literal, since `vec_distance_l2` and both tables take the same.
    format!("'[{},{},{},{}]'", value(rng), value(rng), value(rng), value(rng))
}

fn values(rng: &mut Rng) -> String {
    let n = if rng.below(8) == 0 { "NULL".to_owned() } else { rng.below(9).to_string() };
    let e = if rng.below(10) == 0 { "NULL".to_owned() } else { vector(rng) };
    let (body, tag) = (body(rng), TAGS[rng.below(TAGS.len())]);
    format!("'{body}', {n}, {}.25, '{tag}', {}, {e}", rng.below(9), rng.below(2))
}

#[test]
fn every_filter_finds_what_an_ordinary_table_finds_while_updates_are_in_the_log() {
    let seed = env_number("NEARLITE_SEED", 1);
    let cases = env_number("NEARLITE_CASES", 12);
    println!("NEARLITE_SEED={seed} NEARLITE_CASES={cases}");
    let mut searches = 0;
    for case in 0..cases {
        let mut rng = Rng(seed.wrapping_mul(1_000_003).wrapping_add(case));
        let dir = tempfile::tempdir().unwrap();
        let rows = 50 + rng.below(if case % 3 == 0 { 850 } else { 250 });
        let mut world = World::new(&dir.path().join("filtered.db"), rows, &mut rng);
        if rng.below(3) == 0 {
            common::set(&world.conn, "delta_rows", 64);
        }
        for step in 0..60 {
            let mut round = || -> Step {
                for _ in 0..1 + rng.below(4) {
                    world.write(&mut rng)?;
                }
                for _ in 0..4 {
                    world.check(&mut rng)?;
                }
                Ok(())
            };
            round()
                .unwrap_or_else(|e| panic!("NEARLITE_SEED={seed} case {case} step {step}, {rows} rows: {e}"));
        }
        common::assert_sound(&world.conn);
        searches += world.searches;
    }
    println!("{searches} searches agree");
}
