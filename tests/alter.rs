//! Columns that come and go: by the Rust API, and at random beside an ordinary table that is altered in the same way.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Rng, assert_sound, command, env_number, open, rows, set};
use nearlite::rusqlite::Connection;
use nearlite::rusqlite::types::Value;
use nearlite::{Collection, ColumnKind, ColumnType, Database, Error, Metric, Schema, col, json};
use std::path::PathBuf;

#[test]
fn columns_are_added_dropped_and_renamed_by_a_handle() {
    let folder = tempfile::tempdir().unwrap();
    let db = Database::open(folder.path().join("a.db")).unwrap();
    let schema = || Schema::new().key("id").full_text("body").integer("year").vector("e", 2, Metric::L2);
    let mut notes = db.collection("notes").create(schema()).unwrap();
    let row =
        |n: i64| serde_json::json!({"id": format!("n{n}"), "body": "owl", "year": 2000 + n, "e": [n, 1]});
    notes.insert(&(0..30).map(row).collect::<Vec<_>>()).unwrap();
    notes.flush().unwrap();
    let other = notes.clone();

    let added = Schema::new()
        .text("lang")
        .default_value("en")
        .real("price")
        .not_null()
        .default_value(0.5)
        .json("meta")
        .unindexed("raw")
        .default_value(7);
    notes.add_columns(added).unwrap();
    let names: Vec<_> = notes.schema().columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["id", "body", "year", "e", "lang", "price", "meta", "raw"]);
    assert_eq!(notes.count(col("lang").eq("en").and(col("price").eq(0.5))).unwrap(), 30);

    // A row that lacks a column has the default where NULL is refused, NULL elsewhere.
    notes.insert(&serde_json::json!({"id": "new", "e": [5, 5], "meta": {"a": {"b": 1}}})).unwrap();
    let new: serde_json::Value = notes.get_one("new").unwrap().unwrap();
    assert_eq!((&new["lang"], &new["price"], &new["raw"]), (&().into(), &0.5.into(), &().into()));
    let old: serde_json::Value = notes.get_one("n3").unwrap().unwrap();
    assert_eq!((&old["lang"], &old["price"], &old["raw"]), (&"en".into(), &0.5.into(), &7.into()));
    let hits = notes.search().nearest("e", [5.0, 5.0]).filter(json("meta").path("a.b").eq(1)).run().unwrap();
    assert_eq!(hits.keys(), ["new"]);

    // Another handle says that it has to be opened again, and then it works.
    let error = other.len().unwrap_err().to_string();
    assert!(error.contains("notes has other columns now"), "{error}");
    let mut other = db.collection("notes").open().unwrap();
    other.drop_column("year").unwrap();
    other.rename_column("lang", "tongue").unwrap();
    assert_eq!(other.count(col("tongue").eq("en")).unwrap(), 30);
    assert!(notes.insert(&row(99)).is_err());
    let asked = Schema::new()
        .key("id")
        .full_text("body")
        .vector("e", 2, Metric::L2)
        .text("tongue")
        .real("price")
        .not_null()
        .default_value(0.5)
        .json("meta")
        .unindexed("raw");
    let same = db.collection("notes").create_if_missing(asked).unwrap();
    assert_eq!(same.schema().find("tongue").unwrap().1.kind, ColumnKind::Metadata(ColumnType::Text));
    same.optimize().unwrap();
    same.verify().unwrap();
    assert_eq!(same.search().text("owl").filter(col("tongue").eq("en")).limit(100).run().unwrap().len(), 30);
}

#[test]
fn an_alteration_is_part_of_the_transaction() {
    let db = Database::in_memory().unwrap();
    let notes = db.collection("notes").create(Schema::new().key("id").integer("year")).unwrap();
    notes.insert(&serde_json::json!({"id": "a", "year": 1})).unwrap();
    let failed = db.transaction(|tx| {
        let mut notes = tx.collection("notes")?;
        notes.add_columns(Schema::new().text("lang").default_value("en"))?;
        notes.drop_column("year")?;
        assert_eq!(notes.count(col("lang").eq("en"))?, 1);
        Err::<(), _>(Error::Value("no".into()))
    });
    assert!(failed.is_err());
    assert_eq!(notes.count(col("year").eq(1)).unwrap(), 1);
    db.transaction(|tx| tx.collection("notes")?.add_columns(Schema::new().text("lang").default_value("en")))
        .unwrap();
    let notes = db.collection("notes").open().unwrap();
    assert_eq!(notes.count(col("lang").eq("en").and(col("year").eq(1))).unwrap(), 1);
}

#[test]
fn what_cannot_be_altered_says_what_to_do() {
    let db = Database::in_memory().unwrap();
    let schema = Schema::new().key("id").full_text("body").integer("year").vector("e", 2, Metric::L2);
    let mut notes = db.collection("notes").create(schema).unwrap();
    let refused = |outcome: nearlite::Result<()>, part: &str| {
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    refused(
        notes.add_columns(Schema::new().vector("v", 3, Metric::L2)),
        "notes.v: a VECTOR column cannot be added",
    );
    refused(notes.add_columns(Schema::new().full_text("t")), "in one transaction");
    refused(notes.add_columns(Schema::new().text("t").not_null()), "needs a DEFAULT");
    refused(notes.add_columns(Schema::new().real("t").default_value("x")), "not of type REAL");
    refused(notes.add_columns(Schema::new().text("t").tokenizer("raw")), "options");
    refused(notes.add_columns(Schema::new().default_value(1)), "default_value()");
    refused(notes.add_columns(Schema::new().text("x").text("year")), "already");
    refused(notes.drop_column("e"), "a VECTOR column cannot be dropped");
    refused(notes.drop_column("no"), "no column no");
    refused(notes.rename_column("year", "score"), "reserved");
    // Nothing of a call that failed stays.
    assert_eq!(notes.schema().columns.len(), 4);
    assert!(db.collection("notes").open().unwrap().schema().find("x").is_none());
    let created = db.collection("more").create(Schema::new().integer("a").default_value(1));
    assert!(created.unwrap_err().to_string().contains("NOT NULL"));
    for (default, fits) in [("{}", true), ("[1]", false), ("1", false), ("{", false)] {
        let schema = Schema::new().json("meta").not_null().default_value(default);
        assert_eq!(schema.validate("more").is_ok(), fits, "{default}");
    }
}

#[test]
fn a_collection_on_a_connection_of_ones_own_is_altered_too() {
    let conn = common::open_memory();
    conn.execute_batch(
        "CREATE VIRTUAL TABLE docs USING nearlite(year INTEGER, e VECTOR(2));
         INSERT INTO docs(year, e) VALUES(1, '[1,1]')",
    )
    .unwrap();
    let mut docs = Collection::on(&conn, "docs").unwrap();
    docs.add_columns(Schema::new().boolean("free").default_value(true)).unwrap();
    assert_eq!(docs.count(col("free").eq(true)).unwrap(), 1);
    let found = common::integers(&conn, "SELECT rowid FROM docs WHERE e MATCH '[1,1]' AND free = 1", []);
    assert_eq!(found, [1]);
}

/// A column of both tables.
#[derive(Clone, Debug)]
struct Declared {
    name: String,
    kind: &'static str,
    not_null: bool,
}

const KINDS: [&str; 6] = ["TEXT", "INTEGER", "REAL", "BOOLEAN", "JSON", "UNINDEXED"];

fn literal(rng: &mut Rng, kind: &str, null: bool) -> String {
    let n = rng.below(4);
    match kind {
        _ if null && rng.below(5) == 0 => "NULL".into(),
        "TEXT" => format!("'t{n}'"),
        "INTEGER" => (n as i64 - 2).to_string(),
        "REAL" => format!("{}.5", n as i64 - 2),
        "BOOLEAN" => (n % 2).to_string(),
        "JSON" => format!("'{{\"k\": {n}, \"l\": [{n}, \"x\"]}}'"),
        _ => [format!("'raw {n}'"), n.to_string()][n % 2].clone(),
    }
}

/// `docs`, `plain`, and what both are made of.
struct Both {
    path: PathBuf,
    conn: Connection,
    columns: Vec<Declared>,
    /// The columns when the transaction and its savepoint began.
    saved: Vec<Vec<Declared>>,
    next: i64,
    named: usize,
}

impl Both {
    fn new(path: PathBuf) -> Self {
        let conn = open(&path);
        conn.execute_batch(
            "CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT, year INTEGER, e VECTOR(2) METRIC l2);
             CREATE TABLE plain(body TEXT, e, year INTEGER)",
        )
        .unwrap();
        set(&conn, "delta_rows", 40);
        conn.execute("INSERT INTO docs(docs, rank) VALUES('maintenance', 'commit')", []).unwrap();
        let year = Declared { name: "year".into(), kind: "INTEGER", not_null: false };
        Self { path, conn, columns: vec![year], saved: Vec::new(), next: 1, named: 0 }
    }

    fn run(&self, sql: &str) {
        self.conn.execute_batch(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// Runs a statement on both tables.
    fn both(&self, sql: &str) {
        self.run(&sql.replace("TABLE", "docs"));
        self.run(&sql.replace("TABLE", "plain"));
    }

    fn insert(&mut self, rng: &mut Rng, count: usize) {
        for _ in 0..count {
            // Where NULL is refused, a value may be left to its default.
            let given: Vec<_> =
                self.columns.iter().filter(|column| !column.not_null || rng.below(2) == 0).cloned().collect();
            let names: String = given.iter().map(|column| format!(", \"{}\"", column.name)).collect();
            let values: String = given
                .iter()
                .map(|column| format!(", {}", literal(rng, column.kind, !column.not_null)))
                .collect();
            let (rowid, x) = (self.next, rng.below(50));
            self.both(&format!(
                "INSERT INTO TABLE(rowid, body, e{names}) VALUES({rowid}, 'word{}', '[{x},1]'{values})",
                x % 3
            ));
            self.next += 1;
        }
    }

    fn change(&self, rng: &mut Rng) {
        let row = rng.below(self.next as usize) + 1;
        if self.columns.is_empty() || rng.below(3) == 0 {
            self.both(&format!("DELETE FROM TABLE WHERE rowid IN ({row}, {})", row / 2));
            return;
        }
        let column = &self.columns[rng.below(self.columns.len())];
        let value = literal(rng, column.kind, !column.not_null);
        self.both(&format!(
            "UPDATE TABLE SET \"{}\" = {value} WHERE rowid BETWEEN {row} AND {}",
            column.name,
            row + 3
        ));
    }

    fn alter(&self, rng: &mut Rng, docs: &str, plain: &str) {
        if rng.below(2) == 0 {
            self.conn.query_row("SELECT nearlite_alter('docs', ?1)", [docs], |_| Ok(())).unwrap();
        } else {
            self.conn.execute("INSERT INTO docs(docs, rank) VALUES('alter', ?1)", [docs]).unwrap();
        }
        self.run(&format!("ALTER TABLE plain {plain}"));
    }

    fn add(&mut self, rng: &mut Rng) {
        // Few names, so that they come back.
        self.named += 1;
        let name = format!("c{}", rng.below(5));
        if self.columns.iter().any(|column| column.name == name) {
            return;
        }
        let kind = KINDS[rng.below(KINDS.len())];
        let not_null = rng.below(3) == 0;
        let default = if not_null || rng.below(2) == 0 {
            format!(" DEFAULT {}", literal(rng, kind, false))
        } else {
            String::new()
        };
        let refused = if not_null { " NOT NULL" } else { "" };
        let plain_kind = if matches!(kind, "JSON") {
            "TEXT"
        } else if kind == "UNINDEXED" {
            "BLOB"
        } else {
            kind
        };
        let docs = format!("ADD COLUMN {name} {kind}{refused}{default}");
        self.alter(rng, &docs, &format!("ADD COLUMN {name} {plain_kind}{refused}{default}"));
        self.columns.push(Declared { name, kind, not_null });
    }

    fn drop_or_rename(&mut self, rng: &mut Rng) {
        if self.columns.is_empty() {
            return;
        }
        let at = rng.below(self.columns.len());
        let name = self.columns[at].name.clone();
        if rng.below(2) == 0 {
            self.alter(rng, &format!("DROP COLUMN {name}"), &format!("DROP COLUMN {name}"));
            self.columns.remove(at);
            return;
        }
        let new = format!("c{}", rng.below(5));
        if self.columns.iter().all(|column| column.name != new) {
            let text = format!("RENAME COLUMN {name} TO {new}");
            self.alter(rng, &text, &text);
            self.columns[at].name = new;
        }
    }

    fn transact(&mut self, rng: &mut Rng) {
        match (self.saved.len(), rng.below(2)) {
            (0, _) => {
                self.run("BEGIN");
                self.saved.push(self.columns.clone());
            }
            (1, 0) => {
                self.run("SAVEPOINT s");
                self.saved.push(self.columns.clone());
            }
            (1, _) => {
                let begun = self.saved.pop().unwrap();
                if rng.below(2) == 0 {
                    self.run("ROLLBACK");
                    self.columns = begun;
                } else {
                    self.run("COMMIT");
                }
            }
            (_, 0) => {
                self.run("ROLLBACK TO s; RELEASE s");
                self.columns = self.saved.pop().unwrap();
            }
            _ => {
                self.run("RELEASE s");
                self.saved.pop();
            }
        }
    }

    fn check(&self, conn: &Connection, rng: &mut Rng) {
        let names: String = self.columns.iter().map(|column| format!(", {}", column.name)).collect();
        let read = |table: &str| -> Vec<Vec<Value>> {
            let sql = format!("SELECT rowid, body{names} FROM {table} ORDER BY rowid");
            let width = self.columns.len() + 2;
            rows(conn, &sql, [], |row| (0..width).map(|at| row.get(at)).collect()).unwrap()
        };
        assert_eq!(read("docs"), read("plain"));
        let mut conditions = vec!["1".to_owned()];
        for column in &self.columns {
            let (name, kind) = (&column.name, column.kind);
            conditions.push(format!("{name} IS NULL"));
            conditions.push(match kind {
                "JSON" => format!("json_matches({name}, '{{\"k\": {{\"$gt\": {}}}}}')", rng.below(4)),
                "UNINDEXED" => format!("{name} = {}", literal(rng, kind, false)),
                _ => format!("{name} {} {}", ["=", "<>", "<", ">="][rng.below(4)], literal(rng, kind, false)),
            });
        }
        for pair in conditions.windows(2).chain(conditions.chunks(1)) {
            let condition = pair.join(" AND ");
            let expected =
                common::integers(conn, &format!("SELECT rowid FROM plain WHERE {condition} ORDER BY 1"), []);
            for search in ["e MATCH '[9,1]'", "docs MATCH 'word0 word1 word2'"] {
                let sql = format!("SELECT rowid FROM docs WHERE {search} AND {condition} ORDER BY rank");
                let mut found = common::integers(conn, &sql, []);
                found.sort_unstable();
                assert_eq!(found, expected, "{sql}");
            }
        }
    }
}

#[test]
fn an_altered_table_is_as_an_ordinary_one_that_was_altered_alike() {
    let seed = env_number("NEARLITE_SEED", 1);
    for case in 0..env_number("NEARLITE_CASES", 4) {
        let mut rng = Rng(seed * 1_000 + case);
        let folder = tempfile::tempdir().unwrap();
        let mut both = Both::new(folder.path().join("a.db"));
        println!("NEARLITE_SEED={seed}, case {case}");
        for step in 0..120 {
            match rng.below(16) {
                0..4 => both.insert(&mut rng, 9),
                4..7 => both.change(&mut rng),
                7..9 => both.add(&mut rng),
                9 | 10 => both.drop_or_rename(&mut rng),
                11 => command(&both.conn, ["flush", "merge"][rng.below(2)]),
                12 => command(&both.conn, ["optimize", "rebuild", "maintain"][rng.below(3)]),
                13 | 14 => both.transact(&mut rng),
                _ if both.saved.is_empty() => both.conn = open(&both.path),
                _ => {}
            }
            if step % 3 == 0 {
                both.check(&both.conn, &mut rng);
            }
            if step % 20 == 19 && both.saved.is_empty() {
                let other = open(&both.path);
                both.check(&other, &mut rng);
                assert_sound(&both.conn);
            }
        }
        assert!(both.named > 3);
    }
}
