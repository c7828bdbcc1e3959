//! Changes of metadata alone: whatever they are mixed with, every search sees them, and nothing that they leave alone is
//! written again.
//!
//! The oracle is an ordinary table of the same file, changed by the same statements in the same transactions. `NEARLITE_SEED`
//! gives other data, `NEARLITE_CASES` more of them.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Noise, Rng, assert_sound, blob, command, env_number, open, rows};
use nearlite::rusqlite::Connection;
use nearlite::rusqlite::types::Value;
use std::path::{Path, PathBuf};

const DIM: usize = 4;
const LANGS: [&str; 5] = ["de", "en", "English", "pt", "ENG"];

/// Both tables.
struct Pair {
    path: PathBuf,
    conn: Connection,
    /// A second connection to the file.
    other: Connection,
    rng: Rng,
    noise: Noise,
    savepoints: usize,
}

impl Pair {
    fn create(path: &Path, seed: u64, delta_rows: i64, maintenance: &str) -> Self {
        let conn = open(path);
        conn.query_row("PRAGMA journal_mode = wal", [], |_| Ok(())).unwrap();
        conn.execute_batch(&format!(
            "PRAGMA synchronous = OFF;
             CREATE VIRTUAL TABLE docs USING nearlite(id TEXT PRIMARY KEY, body TEXT FULLTEXT, year INTEGER, lang TEXT,
                 price REAL, flag BOOLEAN, meta JSON, note UNINDEXED, e VECTOR({DIM}) METRIC l2);
             CREATE TABLE plain(rowid INTEGER PRIMARY KEY, id TEXT UNIQUE, body, year, lang, price, flag, meta, note, e);
             INSERT INTO docs(docs, rank) VALUES('maintenance', '{maintenance}');
             INSERT INTO docs(docs, rank) VALUES('delta_rows', {delta_rows})"
        ))
        .unwrap();
        let (rng, noise) = (Rng(seed), Noise(seed));
        let path = path.to_owned();
        Self { other: open(&path), path, conn, rng, noise, savepoints: 0 }
    }

    /// Runs a statement on both tables.
    fn both(&self, sql: &str, params: &[Value]) {
        for table in ["docs", "plain"] {
            let sql = sql.replace("{}", table);
            let params = nearlite::rusqlite::params_from_iter(params.iter().take(sql.matches('?').count()));
            self.conn.prepare_cached(&sql).unwrap().execute(params).unwrap_or_else(|e| panic!("{sql}: {e}"));
        }
    }

    fn maybe(&mut self, value: impl Into<Value>) -> Value {
        if self.rng.below(9) == 0 { Value::Null } else { value.into() }
    }

    fn body(&mut self) -> Value {
        let words: Vec<String> = (0..4).map(|_| format!("w{}", self.rng.below(12))).collect();
        format!(" {} ", words.join(" ")).into()
    }

    fn vector(&mut self) -> Value {
        let vector = blob(&self.noise.vector(DIM));
        self.maybe(vector)
    }

    /// A column of metadata, and a value for it.
    fn metadata(&mut self, column: usize) -> (&'static str, Value) {
        let number = self.rng.below(30) as i64;
        match column {
            0 => ("year", self.maybe(1990 + number)),
            1 => ("lang", self.maybe(LANGS[number as usize % 5].to_owned())),
            2 => ("price", self.maybe(number as f64 / 4.0)),
            3 => ("flag", self.maybe(number % 2)),
            _ => {
                let odd = if number == 7 { r#","x":{"y":1},"x.y":2"# } else { "" };
                let rare = if number % 5 == 0 {
                    format!(r#","p{}":{number}"#, self.rng.below(99))
                } else {
                    String::new()
                };
                let text = format!(r#"{{"k":{},"tags":["t{}"]{odd}{rare}}}"#, number % 6, number % 4);
                ("meta", self.maybe(text))
            }
        }
    }

    fn insert(&mut self, rowid: i64) {
        let (body, vector) = (self.body(), self.vector());
        let mut values = vec![rowid.into(), format!("k{rowid}").into(), body];
        values.extend((0..5).map(|column| self.metadata(column).1));
        values.extend(["note".to_owned().into(), vector]);
        let sql = "INSERT OR REPLACE INTO {}(rowid, id, body, year, lang, price, flag, meta, note, e)
                   VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        self.both(sql, &values);
    }

    /// One change of one or many rows.
    fn change(&mut self, most: i64) {
        let rowid = 1 + self.rng.below(most as usize) as i64;
        match self.rng.below(20) {
            0..=3 => self.insert(rowid),
            4..=9 => {
                let column = self.rng.below(5);
                let (name, value) = self.metadata(column);
                self.both(&format!("UPDATE {{}} SET {name} = ? WHERE rowid = ?"), &[value, rowid.into()]);
            }
            10 => {
                // Of many rows, with what SQLite hands over as it was read beside it.
                let column = self.rng.below(5);
                let ((name, value), low) = (self.metadata(column), rowid);
                let range = format!("rowid BETWEEN {low} AND {}", low + self.rng.below(90) as i64);
                let sql =
                    format!("UPDATE {{}} SET {name} = ?, e = e, body = body, note = rowid WHERE {range}");
                self.both(&sql, &[value]);
            }
            11 => {
                // As a whole, with only the metadata another one.
                let ((_, lang), (_, year)) = (self.metadata(1), self.metadata(0));
                let columns = "body, year, lang, price, flag, meta, note, e";
                let sql = format!(
                    "INSERT OR REPLACE INTO {{}}(rowid, id, {columns})
                     SELECT rowid, id, body, ?, ?, price, flag, meta, note, e FROM plain WHERE rowid BETWEEN ? AND ? + 3"
                );
                self.both(&sql, &[year, lang, rowid.into(), rowid.into()]);
            }
            12 => {
                let (body, (name, value)) = (self.body(), self.metadata(4));
                let sql = format!("UPDATE {{}} SET body = ?, {name} = ? WHERE rowid = ?");
                self.both(&sql, &[body, value, rowid.into()]);
            }
            13 => {
                let (vector, (name, value)) = (self.vector(), self.metadata(0));
                let sql = format!("UPDATE {{}} SET e = ?, {name} = ? WHERE rowid = ?");
                self.both(&sql, &[vector, value, rowid.into()]);
            }
            14 => {
                let (to, (name, value)) = (rowid + 7, self.metadata(2));
                let sql = format!("UPDATE OR REPLACE {{}} SET rowid = ?, {name} = ? WHERE rowid = ?");
                self.both(&sql, &[to.into(), value, rowid.into()]);
            }
            15 => {
                let sql = "UPDATE OR REPLACE {} SET id = ?, flag = 1 WHERE rowid = ?";
                self.both(sql, &[format!("k{}", rowid + 3).into(), rowid.into()]);
            }
            16 => self.both("UPDATE {} SET year = year + 1, flag = 1 - flag WHERE lang = 'en'", &[]),
            17 if self.rng.below(12) == 0 => self.both("UPDATE {} SET price = price + 1", &[]),
            18 if self.rng.below(40) == 0 => {
                self.both("DELETE FROM {} WHERE rowid BETWEEN ? AND ? + 60", &[rowid.into(), rowid.into()]);
            }
            _ => self.both("DELETE FROM {} WHERE rowid = ?", &[rowid.into()]),
        }
    }

    /// A change, a step of a transaction, or something of the table's upkeep.
    fn step(&mut self, most: i64) {
        let run =
            |pair: &Self, sql: &str| pair.conn.execute_batch(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
        match self.rng.below(90) {
            0..=5 if self.conn.is_autocommit() => run(self, "BEGIN"),
            0..=3 if self.savepoints == 0 => run(self, "COMMIT"),
            4 => {
                run(self, "ROLLBACK");
                self.savepoints = 0;
            }
            6..=8 if !self.conn.is_autocommit() => {
                self.savepoints += 1;
                run(self, &format!("SAVEPOINT s{}", self.savepoints));
            }
            9..=12 if self.savepoints > 0 => {
                let to = 1 + self.rng.below(self.savepoints);
                run(self, &format!("ROLLBACK TO s{to}"));
                self.savepoints = to;
            }
            13..=16 if self.savepoints > 0 => {
                run(self, &format!("RELEASE s{}", self.savepoints));
                self.savepoints -= 1;
            }
            17 => command(&self.conn, "flush"),
            18..=20 => command(&self.conn, "maintain"),
            21 if self.rng.below(4) == 0 => command(&self.conn, "optimize"),
            22 if self.rng.below(2) == 0 => command(&self.conn, "merge"),
            23 => {
                let slice = "INSERT INTO docs(docs, rank) VALUES('maintain', 0)";
                run(self, slice);
            }
            24 if self.conn.is_autocommit() => self.conn = open(&self.path),
            25..=28 if self.conn.is_autocommit() => std::mem::swap(&mut self.conn, &mut self.other),
            _ => self.change(most),
        }
    }

    fn filter(&mut self) -> String {
        let n = self.rng.below(30) as i64;
        let lang = LANGS[n as usize % 5];
        match self.rng.below(14) {
            0 => format!("year = {}", 1990 + n),
            1 => format!("year >= {}", 1985 + n),
            2 => format!("year IN ({}, {}, {})", 1990 + n, 1991 + n, 2000),
            3 => format!("lang = '{lang}'"),
            4 => "lang LIKE 'en%'".to_owned(),
            5 => format!("price < {}", n as f64 / 3.0),
            6 => "flag = 1".to_owned(),
            7 => "meta IS NULL".to_owned(),
            8 => format!("lang IS NULL AND year < {}", 2000 + n),
            9 => format!("NOT (flag = 0 OR lang = '{lang}')"),
            10 => format!("json_matches(meta, '{{\"k\": {}}}')", n % 6),
            11 => format!(
                "json_matches(meta, '{{\"tags\": {{\"$contains\": \"t{}\"}}, \"k\": {{\"$gte\": 2}}}}')",
                n % 4
            ),
            12 => format!("json_matches(meta, '{{\"x.y\": {{\"$exists\": true}}}}') AND year > {}", 1990 + n),
            _ => format!("rowid > {n} AND price BETWEEN 1 AND {} AND lang <> 'pt'", n / 2),
        }
    }

    /// Every kind of search gives what brute force over the ordinary table gives.
    fn check(&mut self, conn: &Connection, what: &str) {
        let filter = self.filter();
        let what = format!("{what}: {filter}");
        let query = self.noise.vector(DIM);
        let query: &dyn nearlite::rusqlite::ToSql = &blob(&query);
        let both = |searched: &str, plain: &str, params: &[&dyn nearlite::rusqlite::ToSql]| {
            let read = |sql: &str| {
                let params = params.iter().take(usize::from(sql.contains("?1"))).copied();
                let row = |row: &nearlite::rusqlite::Row<'_>| {
                    Ok(format!("{:?} {:?}", row.get_ref(0)?, row.get_ref(1)?))
                };
                rows(conn, sql, nearlite::rusqlite::params_from_iter(params), row)
                    .unwrap_or_else(|e| panic!("{what}: {sql}: {e}"))
            };
            assert_eq!(read(searched), read(plain), "{what}: {searched}");
        };
        both(
            &format!("SELECT rowid, lang FROM docs WHERE {filter} ORDER BY rowid"),
            &format!("SELECT rowid, lang FROM plain WHERE {filter} ORDER BY rowid"),
            &[],
        );
        both(
            &format!(
                "SELECT rowid, year FROM docs WHERE e MATCH ?1 AND exact = 1 AND {filter} ORDER BY distance, rowid LIMIT 12"
            ),
            &format!(
                "SELECT rowid, year FROM plain WHERE e IS NOT NULL AND {filter} ORDER BY vec_distance_l2(e, ?1), rowid LIMIT 12"
            ),
            &[query],
        );
        both(
            &format!("SELECT count(*), 0 FROM docs WHERE e MATCH ?1 AND {filter}"),
            &format!("SELECT count(*), 0 FROM plain WHERE e IS NOT NULL AND {filter}"),
            &[query],
        );
        both(
            &format!(
                "SELECT rowid, price FROM docs WHERE docs MATCH 'w3' AND {filter} ORDER BY year DESC, rowid"
            ),
            &format!(
                "SELECT rowid, price FROM plain WHERE body LIKE '% w3 %' AND {filter} ORDER BY year DESC, rowid"
            ),
            &[],
        );
        both(
            &format!(
                "SELECT lang, count(*) FROM docs WHERE e MATCH ?1 AND {filter} GROUP BY lang ORDER BY lang"
            ),
            &format!(
                "SELECT lang, count(*) FROM plain WHERE e IS NOT NULL AND {filter} GROUP BY lang ORDER BY lang"
            ),
            &[query],
        );
        if filter.contains("NOT") || filter.contains("<>") {
            // SQLite checks these itself, after the best of each group were taken.
            return;
        }
        both(
            &format!(
                "SELECT rowid, lang FROM docs
                     WHERE docs MATCH hybrid_query(near('e', ?1), '{{\"group_by\":\"lang\"}}') AND {filter} ORDER BY lang"
            ),
            &format!(
                "SELECT rowid, lang FROM (SELECT rowid, lang,
                     row_number() OVER (PARTITION BY lang ORDER BY vec_distance_l2(e, ?1), rowid) AS nth
                     FROM plain WHERE e IS NOT NULL AND {filter}) WHERE nth = 1 ORDER BY lang"
            ),
            &[query],
        );
    }
}

#[test]
fn every_search_sees_changed_metadata_whatever_else_happens() {
    let (seed, cases) = (env_number("NEARLITE_SEED", 1), env_number("NEARLITE_CASES", 1));
    for case in 0..cases {
        for (delta_rows, maintenance, most) in [
            (16, "auto", 120),
            (64, "auto", 300),
            (300, "auto", 700),
            (260, "commit", 700),
            (16, "manual", 200),
        ] {
            let seed = seed.wrapping_add(case * 1_000);
            println!("seed {seed}, delta_rows {delta_rows}, maintenance {maintenance}");
            let folder = tempfile::tempdir().unwrap();
            let mut pair = Pair::create(&folder.path().join("revised.db"), seed, delta_rows, maintenance);
            pair.conn.execute_batch("BEGIN").unwrap();
            (1..=most).for_each(|rowid| pair.insert(rowid));
            pair.conn.execute_batch("COMMIT").unwrap();
            // A reader that stays where it is for a while.
            let reader = open(&folder.path().join("revised.db"));
            // Steps that found a job under way, and revisions in the log.
            let mut met = (0, 0);
            for at in 0..600 {
                pair.step(most);
                let count = |sql: &str| pair.conn.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
                met.0 += i64::from(count("SELECT count(*) FROM docs_config WHERE name LIKE 'claim %'") > 0);
                met.1 += i64::from(count("SELECT count(*) FROM docs_delta WHERE op = 4") > 0);
                let what = format!("seed {seed}, {delta_rows} {maintenance}, step {at}");
                let mine = std::mem::replace(&mut pair.conn, Connection::open_in_memory().unwrap());
                if at % 7 == 0 {
                    pair.check(&mine, &what);
                }
                if at % 61 == 0 {
                    assert_sound(&mine);
                }
                pair.conn = mine;
                if at % 11 == 0 {
                    pair.check(&reader, &what);
                }
                if at % 97 == 0 {
                    reader.execute_batch(if reader.is_autocommit() { "BEGIN" } else { "COMMIT" }).unwrap();
                }
            }
            if !pair.conn.is_autocommit() {
                pair.conn.execute_batch("COMMIT").unwrap();
            }
            drop(reader);
            assert!(met.1 > 100 && (met.0 > 20 || delta_rows < 257), "seed {seed}: {met:?}");
            for last in ["", "maintain", "optimize"] {
                if !last.is_empty() {
                    command(&pair.conn, last);
                }
                assert_sound(&pair.conn);
                let other = open(&folder.path().join("revised.db"));
                (0..20).for_each(|_| pair.check(&other, &format!("seed {seed}, after '{last}'")));
            }
        }
    }
}

/// The seal of a job ends at the last row that came or went in the log; what dies behind it in a segment stays there.
#[test]
fn a_row_that_was_revised_and_deleted_behind_the_end_of_a_seal_is_no_damage() {
    let folder = tempfile::tempdir().unwrap();
    let conn = common::open(&folder.path().join("r.db"));
    conn.execute_batch(
        "CREATE VIRTUAL TABLE docs USING nearlite(year INTEGER, v VECTOR(2));
         INSERT INTO docs(docs, rank) VALUES('maintenance', 'manual');
         INSERT INTO docs(rowid, year, v)
           WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50)
           SELECT i, i, '[1, ' || i || ']' FROM n;
         INSERT INTO docs(docs) VALUES('flush');
         UPDATE docs SET year = 2000 WHERE rowid IN (7, 8);
         INSERT INTO docs(rowid, year, v) VALUES(51, 51, '[2, 2]');
         DELETE FROM docs WHERE rowid = 7;",
    )
    .unwrap();
    let told: String = conn.query_row("SELECT nearlite_maintain('docs')", [], |row| row.get(0)).unwrap();
    assert!(told.contains("\"finished\":true") && !told.contains("stopped"), "{told}");
    assert_eq!(common::integers(&conn, "SELECT rowid FROM docs WHERE year = 2000", []), [8]);
    assert_eq!(common::integers(&conn, "SELECT count(*) FROM docs", []), [50]);
    common::assert_sound(&conn);
}
