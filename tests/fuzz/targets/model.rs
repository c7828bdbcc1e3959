//! A sequence of writes, transactions and maintenance against a `BTreeMap`: the same rows, exact searches and text
//! matches, whenever asked and at the end, and a sound file.
//!
//! Input: the table's make, then operations.

use super::bytes::Bytes;
use super::common::model::{self, Model, ModelRow};
use super::common::oracle;
use super::common::{self, Rng, rows};
use super::outcome::honest;
use nearlite::rusqlite::{Connection, Params, params};
use std::path::{Path, PathBuf};

const MOST_OPERATIONS: usize = 80;
const INSERT: &str = "INTO docs(id, body, lang, year, embedding) VALUES(?1, ?2, ?3, ?4, ?5)";
const INSERT_AT: &str = "INTO docs(id, body, lang, year, embedding, rowid) VALUES(?1, ?2, ?3, ?4, ?5, ?6)";

pub fn run(data: &[u8]) {
    let dir = tempfile::tempdir().unwrap();
    let mut bytes = Bytes(data);
    let mut world = World::new(&mut bytes, &dir.path().join("model.db"));
    for _ in 0..MOST_OPERATIONS {
        if bytes.is_empty() {
            break;
        }
        world.apply(&mut bytes);
        world.model.after_statement();
    }
    world.check(&mut bytes);
    // What the file itself holds.
    world.reopen();
    world.check(&mut bytes);
    common::assert_sound(&world.conn);
}

struct World {
    path: PathBuf,
    conn: Connection,
    model: Model,
    metric: &'static str,
}

fn open(path: &Path) -> Connection {
    let conn = common::open(path);
    conn.execute_batch("PRAGMA synchronous = OFF").unwrap();
    conn.query_row("PRAGMA journal_mode = MEMORY", [], |_| Ok(())).unwrap();
    conn
}

fn stored(row: &ModelRow) -> impl Params {
    (row.key.clone(), row.body.clone(), row.lang, row.year, row.vector.map(|v| common::blob(&v)))
}

fn stored_at(row: &ModelRow, at: i64) -> impl Params {
    (row.key.clone(), row.body.clone(), row.lang, row.year, row.vector.map(|v| common::blob(&v)), at)
}

impl World {
    fn new(bytes: &mut Bytes<'_>, path: &Path) -> Self {
        let metric = bytes.pick(&["l2", "cosine", "ip"]);
        let make = bytes.pick(&["", "INDEX flat", "CODES none", "CODES bit", "STORE f16"]);
        let conn = open(path);
        conn.execute_batch(&format!(
            "CREATE VIRTUAL TABLE docs USING nearlite(id TEXT PRIMARY KEY, body TEXT FULLTEXT, lang TEXT,
                year INTEGER, embedding VECTOR({}) METRIC {metric} {make})",
            common::DIM
        ))
        .unwrap();
        common::set(&conn, "delta_rows", bytes.pick(&[1000, 1, 4, 8]));
        common::set(&conn, "automerge", bytes.pick(&[2, 0, 4]));
        Self { path: path.to_owned(), conn, model: Model::default(), metric }
    }

    fn apply(&mut self, bytes: &mut Bytes<'_>) {
        match bytes.below(22) {
            0 | 1 => self.insert(bytes, "INSERT"),
            2 => self.insert(bytes, "INSERT OR REPLACE"),
            3 => self.insert_at(bytes, "INSERT"),
            4 => self.insert_at(bytes, "INSERT OR REPLACE"),
            5 => self.update(bytes, "embedding = ?2", |row, new| row.vector = new.vector),
            6 => self.update(bytes, "year = ?3, lang = ?4", |row, new| {
                (row.year, row.lang) = (new.year, new.lang);
            }),
            7 => self.update(bytes, "body = ?5", |row, new| row.body.clone_from(&new.body)),
            8 => self.update_key(bytes),
            9 => self.update_rowid(bytes),
            10 | 11 => {
                if let Some(rowid) = self.model.pick(bytes.u8().into()) {
                    self.expect("DELETE FROM docs WHERE rowid = ?1", [rowid], true);
                    self.model.now.remove(&rowid);
                }
            }
            12 => {
                if !self.model.in_transaction() {
                    self.batch("BEGIN");
                    self.model.begin();
                }
            }
            13 => {
                let name = bytes.below(3) as u8;
                self.batch(&format!("SAVEPOINT s{name}"));
                self.model.savepoint(name);
            }
            14 => {
                if self.model.in_transaction() {
                    self.batch("ROLLBACK");
                    self.model.rollback();
                }
            }
            15 => {
                let name = bytes.below(3) as u8;
                if self.model.has_savepoint(name) {
                    self.batch(&format!("ROLLBACK TO s{name}"));
                    self.model.rollback_to(name);
                }
            }
            16 => {
                let name = bytes.below(3) as u8;
                if self.model.has_savepoint(name) {
                    self.batch(&format!("RELEASE s{name}"));
                    self.model.release(name);
                }
            }
            17 => {
                if self.model.in_transaction() {
                    self.batch("COMMIT");
                    self.model.commit();
                }
            }
            18 => {
                let command = bytes.pick(&["flush", "merge", "optimize", "rebuild", "integrity-check"]);
                self.expect("INSERT INTO docs(docs) VALUES(?1)", [command], true);
            }
            19 => self.reopen(),
            20 => {
                let rows = bytes.pick(&[1, 3, 1000]);
                self.expect("INSERT INTO docs(docs, rank) VALUES('delta_rows', ?1)", [rows], true);
            }
            _ => self.check(bytes),
        }
    }

    fn insert(&mut self, bytes: &mut Bytes<'_>, verb: &str) {
        let row = ModelRow::from_seed(bytes.u16().into());
        let succeeds = verb != "INSERT" || self.model.rowid_of(&row.key).is_none();
        self.expect(&format!("{verb} {INSERT}"), stored(&row), succeeds);
        if succeeds {
            let sql = "SELECT rowid FROM docs WHERE id = ?1";
            let rowid = common::integers(&self.conn, sql, [&row.key]);
            assert_eq!(rowid, [self.conn.last_insert_rowid()], "row {}", row.key);
            let taken = self.model.now.get(&rowid[0]);
            assert!(taken.is_none_or(|old| old.key == row.key), "{} took the rowid of {taken:?}", row.key);
            self.model.replace(rowid[0], row);
        }
    }

    fn insert_at(&mut self, bytes: &mut Bytes<'_>, verb: &str) {
        let (row, at) = (ModelRow::from_seed(bytes.u16().into()), i64::from(bytes.u8()) - 5);
        let free = self.model.rowid_of(&row.key).is_none() && !self.model.now.contains_key(&at);
        let succeeds = verb != "INSERT" || free;
        self.expect(&format!("{verb} {INSERT_AT}"), stored_at(&row, at), succeeds);
        if succeeds {
            self.model.replace(at, row);
        }
    }

    fn update(&mut self, bytes: &mut Bytes<'_>, set: &str, change: impl FnOnce(&mut ModelRow, &ModelRow)) {
        let (pick, new) = (bytes.u8(), ModelRow::from_seed(bytes.u16().into()));
        let Some(rowid) = self.model.pick(pick.into()) else { return };
        let vector = new.vector.map(|v| common::blob(&v));
        // Names every parameter, so that all of them can be bound.
        let sql =
            format!("UPDATE docs SET {set} WHERE rowid = ?1 AND coalesce(?2, ?3, ?4, ?5, 1) IS NOT NULL");
        self.expect(&sql, params![rowid, vector, new.year, new.lang, new.body], true);
        change(self.model.now.get_mut(&rowid).unwrap(), &new);
    }

    fn update_key(&mut self, bytes: &mut Bytes<'_>) {
        let (pick, replace) = (bytes.u8(), bytes.below(2) == 1);
        let key = model::key_from(&mut Rng(bytes.u8().into()));
        let Some(rowid) = self.model.pick(pick.into()) else { return };
        let clash = self.model.rowid_of(&key).filter(|other| *other != rowid);
        let succeeds = replace || clash.is_none();
        let verb = if replace { "UPDATE OR REPLACE" } else { "UPDATE" };
        self.expect(&format!("{verb} docs SET id = ?2 WHERE rowid = ?1"), params![rowid, key], succeeds);
        if succeeds {
            clash.map(|other| self.model.now.remove(&other));
            self.model.now.get_mut(&rowid).unwrap().key = key;
        }
    }

    fn update_rowid(&mut self, bytes: &mut Bytes<'_>) {
        let (pick, replace, to) = (bytes.u8(), bytes.below(2) == 1, i64::from(bytes.u8()) - 5);
        let Some(rowid) = self.model.pick(pick.into()) else { return };
        let succeeds = replace || to == rowid || !self.model.now.contains_key(&to);
        let verb = if replace { "UPDATE OR REPLACE" } else { "UPDATE" };
        self.expect(&format!("{verb} docs SET rowid = ?2 WHERE rowid = ?1"), [rowid, to], succeeds);
        if succeeds {
            let row = self.model.now.remove(&rowid).unwrap();
            self.model.now.insert(to, row);
        }
    }

    /// Closing in the middle of a transaction undoes it.
    fn reopen(&mut self) {
        self.conn = Connection::open_in_memory().unwrap();
        self.conn = open(&self.path);
        self.model.rollback();
    }

    fn expect(&self, sql: &str, params: impl Params, succeeds: bool) {
        let outcome = honest(self.conn.execute(sql, params));
        assert_eq!(outcome.is_ok(), succeeds, "{sql}: {outcome:?}");
    }

    fn batch(&self, sql: &str) {
        self.conn.execute_batch(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    fn check(&self, bytes: &mut Bytes<'_>) {
        let state = &self.model.now;
        oracle::check_contents(&self.conn, state, common::DIM).unwrap();
        let mut rng = Rng(bytes.u8().into());
        // Not one of the small whole numbers, so that ties come from equal rows only.
        let base = model::vector_from(&mut rng).unwrap_or([1.0; common::DIM]);
        let query = std::array::from_fn(|i| base[i] + 0.01 * (i as f32 + 1.0));
        let (k, year) = (1 + rng.below(9), model::year_from(&mut rng));
        for filter in ["", " AND year >= ?2"] {
            let sql = format!(
                "SELECT rowid, distance FROM docs WHERE embedding MATCH ?1{filter} AND exact = 1 AND ?2 > 0
                 ORDER BY distance LIMIT {k}"
            );
            let got =
                rows(&self.conn, &sql, params![common::blob(&query), year], |r| Ok((r.get(0)?, r.get(1)?)));
            let want =
                oracle::nearest(state, self.metric, &query, |_, row| filter.is_empty() || row.year >= year);
            oracle::check_ranking(state, &honest(got).unwrap(), &want, k, true)
                .unwrap_or_else(|error| panic!("{sql} for {query:?}, {year}: {error}"));
        }
        let (a, b) = (rng.below(model::WORDS.len()), 1 + rng.below(model::WORDS.len() - 1));
        let (a, b) = (model::WORDS[a], model::WORDS[(a + b) % model::WORDS.len()]);
        let shape = rng.below(6);
        let text = oracle::text_query(shape, a, b);
        let got = common::integers(
            &self.conn,
            "SELECT rowid FROM docs WHERE docs MATCH ?1 ORDER BY rowid",
            [&text],
        );
        let want: Vec<i64> = state
            .iter()
            .filter(|(_, row)| oracle::text_matches(row.body.as_deref(), shape, a, b))
            .map(|(rowid, _)| *rowid)
            .collect();
        assert_eq!(got, want, "text '{text}'");
    }
}
