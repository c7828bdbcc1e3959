//! The Rust door: typed rows, keys, transactions, errors, and the same answers as the SQL door.
#![allow(clippy::unwrap_used)]

use nearlite::rusqlite::{Connection, params};
use nearlite::{Access, Collection, Database, Error, Fusion, Key, Metric, Mmr, Schema, col};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
struct Note {
    id: String,
    title: String,
    body: Option<String>,
    lang: String,
    year: i64,
    price: f64,
    read: bool,
    data: Vec<u8>,
    embedding: Vec<f32>,
}

const DIM: usize = 8;

fn schema() -> Schema {
    Schema::new()
        .key("id")
        .full_text_weighted("title", 2.0)
        .full_text("body")
        .text("lang")
        .integer("year")
        .real("price")
        .boolean("read")
        .unindexed("data")
        .vector("embedding", DIM, Metric::Cosine)
}

/// A small generator, so that every run has the same data.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    fn float(&mut self) -> f32 {
        (self.next() % 2_000_001) as f32 / 1_000_000.0 - 1.0
    }
    fn vector(&mut self) -> Vec<f32> {
        (0..DIM).map(|_| self.float()).collect()
    }
    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.next() as usize % words.len()]
    }
}

const WORDS: [&str; 8] = ["sqlite", "vector", "search", "index", "graph", "text", "row", "page"];

fn notes(count: usize, seed: u64) -> Vec<Note> {
    let mut random = Random(seed);
    (0..count)
        .map(|i| Note {
            id: format!("n{i}"),
            title: format!("{} {}", random.pick(&WORDS), random.pick(&WORDS)),
            body: (i % 7 != 0).then(|| (0..6).map(|_| random.pick(&WORDS)).collect::<Vec<_>>().join(" ")),
            lang: random.pick(&["en", "de", "fr"]).to_owned(),
            year: 2000 + (random.next() % 30) as i64,
            price: f64::from(random.float()).abs(),
            read: random.next().is_multiple_of(2),
            data: vec![i as u8, 255],
            embedding: random.vector(),
        })
        .collect()
}

fn filled(count: usize) -> (Database, Collection) {
    let db = Database::in_memory().unwrap();
    let collection = db.collection("notes").create(schema()).unwrap();
    collection.insert(&notes(count, 7)).unwrap();
    (db, collection)
}

fn keys<D: Access>(search: nearlite::Search<'_, D>) -> Vec<String> {
    search.run().unwrap().iter().map(|hit| hit.key().to_string()).collect()
}

fn sql(db: &Database, sql: &str, params: impl nearlite::rusqlite::Params) -> Vec<String> {
    db.with_connection(|conn| {
        let mut statement = conn.prepare(sql)?;
        let rows = statement.query_map(params, |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    })
    .unwrap()
}

fn json_of(vector: &[f32]) -> String {
    serde_json::to_string(vector).unwrap()
}

#[test]
fn the_example_of_the_contract_works_on_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notes.db");
    let all = notes(300, 3);
    {
        let db = Database::open(&path).unwrap();
        let notes = db.collection("notes").create_if_missing(schema()).unwrap();
        notes.upsert(&all).unwrap();
        notes.upsert(&all[0]).unwrap();
        notes.upsert(&all[..2]).unwrap();
        assert_eq!(notes.len().unwrap(), 300);
    }
    let db = Database::open(&path).unwrap();
    let notes = db.collection("notes").create_if_missing(schema()).unwrap();
    let query = Random(99).vector();
    let hits = notes
        .search()
        .nearest("embedding", &query)
        .text("sqlite vector search")
        .filter(col("lang").eq("en").and(col("year").ge(2010)))
        .fuse(Fusion::rrf())
        .limit(10)
        .run()
        .unwrap();
    assert_eq!(hits.len(), 10);
    for hit in &hits {
        assert!(!format!("{} {:.3} {:?}", hit.key(), hit.score, hit.distance).is_empty());
        assert!(hit.vector_rank.is_some() || hit.text_rank.is_some());
    }
    let rows: Vec<Note> = hits.rows().unwrap();
    assert!(rows.iter().all(|note| note.lang == "en" && note.year >= 2010));
    assert!(rows.iter().all(|note| all.contains(note)));
    notes.verify().unwrap();
}

#[test]
fn both_doors_answer_the_same_before_and_after_optimize() {
    // Enough rows for graph walks after optimize.
    let (db, collection) = filled(2500);
    let mut random = Random(41);
    for round in 0..3 {
        match round {
            1 => collection.optimize().unwrap(),
            2 => {
                collection.delete_where(col("price").lt(0.1)).unwrap();
                collection.update("n5", &json!({"lang": "en", "embedding": vec![0.5; DIM]})).unwrap();
            }
            _ => {}
        }
        for _ in 0..5 {
            let query = random.vector();
            let vector = json_of(&query);
            let (word, other) = (random.pick(&WORDS), random.pick(&WORDS));
            let from = 2000 + (random.next() % 30) as i64;
            assert_eq!(
                keys(collection.search().nearest("embedding", &query).limit(7).offset(3)),
                sql(
                    &db,
                    "SELECT id FROM notes WHERE embedding MATCH ?1 ORDER BY distance LIMIT 7 OFFSET 3",
                    [&vector]
                ),
            );
            assert_eq!(
                keys(
                    collection
                        .search()
                        .nearest("embedding", &query)
                        .filter(col("lang").eq("en").and(col("year").ge(from)))
                        .limit(20)
                ),
                sql(
                    &db,
                    "SELECT id FROM notes WHERE embedding MATCH ?1 AND lang = 'en' AND year >= ?2 ORDER BY distance LIMIT 20",
                    params![vector, from]
                ),
            );
            assert_eq!(
                keys(
                    collection
                        .search()
                        .nearest("embedding", &query)
                        .filter_sql("price * 2 < ?", [0.9])
                        .limit(9)
                ),
                sql(
                    &db,
                    "SELECT id FROM notes WHERE embedding MATCH ?1 AND price * 2 < 0.9 ORDER BY distance LIMIT 9",
                    [&vector]
                ),
            );
            assert_eq!(
                keys(collection.search().nearest("embedding", &query).within(0.5).limit(1000)),
                sql(
                    &db,
                    "SELECT id FROM notes WHERE embedding MATCH ?1 AND distance <= 0.5 ORDER BY distance",
                    [&vector]
                ),
            );
            let text = format!("{word} AND {other}");
            assert_eq!(
                keys(collection.search().text(&text).filter(col("read").eq(true)).limit(15)),
                sql(
                    &db,
                    "SELECT id FROM notes WHERE notes MATCH ?1 AND read = 1 ORDER BY rank LIMIT 15",
                    [&text]
                ),
            );
            assert_eq!(
                keys(collection.search().text_in("title", word).limit(15)),
                sql(&db, "SELECT id FROM notes WHERE title MATCH ?1 ORDER BY rank LIMIT 15", [word]),
            );
            assert_eq!(
                keys(collection.search().nearest("embedding", &query).text(word).matching(word).limit(9)),
                sql(
                    &db,
                    "SELECT id FROM notes WHERE embedding MATCH ?1 AND notes MATCH ?2 ORDER BY rank LIMIT 9",
                    [&vector, word]
                ),
            );
            let matching = collection.search().text(word).limit(3000).run().unwrap().keys();
            let near =
                collection.search().nearest("embedding", &query).matching(word).limit(50).run().unwrap();
            assert!(near.is_sorted_by_key(|hit| hit.distance.unwrap()));
            assert!(near.iter().all(|hit| matching.contains(hit.key())) && near.len() == 50);
            for (fusion, options) in [
                (Fusion::rrf(), r#"{"fusion":"rrf"}"#),
                (Fusion::convex(0.3), r#"{"fusion":"convex","alpha":0.3}"#),
                (Fusion::dbsf(), r#"{"fusion":"dbsf"}"#),
            ] {
                assert_eq!(
                    keys(
                        collection
                            .search()
                            .nearest("embedding", &query)
                            .text(word)
                            .filter(col("lang").ne("de"))
                            .fuse(fusion)
                            .limit(12)
                            .offset(2)
                    ),
                    sql(
                        &db,
                        "SELECT id FROM notes WHERE notes MATCH hybrid_query(?1, ?2, ?3) AND lang <> 'de' \
                         ORDER BY rank LIMIT 12 OFFSET 2",
                        [word, &vector, options]
                    ),
                );
            }
            assert_eq!(
                keys(collection.search().filter(col("lang").is_in(["de", "fr"])).limit(8).offset(1)),
                sql(
                    &db,
                    "SELECT id FROM notes WHERE lang IN ('de', 'fr') ORDER BY rowid LIMIT 8 OFFSET 1",
                    []
                ),
            );
        }
    }
    collection.verify().unwrap();
}

#[test]
fn rows_come_back_as_they_were_given() {
    let (_db, collection) = filled(20);
    let all = notes(20, 7);
    assert_eq!(collection.get::<Note>(all.iter().map(|note| &note.id)).unwrap(), all);
    assert_eq!(collection.get_one::<Note>("n3").unwrap().as_ref(), all.get(3));
    assert_eq!(collection.get_one::<Note>("none").unwrap(), None);
    let any: serde_json::Value = collection.get_one("n7").unwrap().unwrap();
    assert_eq!(any["body"], json!(null));
    assert_eq!(any["read"], json!(all[7].read));

    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Lang {
        En,
        De,
    }
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    struct Other {
        id: String,
        lang: Lang,
        year: Option<u16>,
        price: f32,
        embedding: [f32; DIM],
    }
    let other = Other { id: "x".into(), lang: Lang::De, year: None, price: 0.1, embedding: [0.25; DIM] };
    collection.insert(&[&other]).unwrap();
    assert_eq!(collection.get::<Other>(["x"]).unwrap(), [other]);
    type Dynamic = std::collections::BTreeMap<String, nearlite::Value>;
    let mut dynamic: Dynamic = collection.get_one("n7").unwrap().unwrap();
    assert_eq!(dynamic["year"], nearlite::Value::Integer(all[7].year));
    assert_eq!(dynamic["body"], nearlite::Value::Null);
    dynamic.insert("id".into(), "copy".into());
    collection.insert(&dynamic).unwrap();
    assert_eq!(collection.get::<Dynamic>(["copy"]).unwrap(), [dynamic]);
    let copy = collection.get_one::<Note>("copy").unwrap().unwrap();
    assert_eq!((copy.embedding, copy.data), (all[7].embedding.clone(), all[7].data.clone()));
    collection.delete(["copy"]).unwrap();
    let map = std::collections::BTreeMap::from([("id", "y"), ("lang", "en")]);
    collection.insert(&map).unwrap();
    assert_eq!(collection.len().unwrap(), 22);
    assert!(!collection.is_empty().unwrap());
}

#[test]
fn a_collection_without_a_text_key_goes_by_rowid() {
    let db = Database::in_memory().unwrap();
    let points =
        db.collection("points").create(Schema::new().integer_key("id").vector("xy", 2, Metric::L2)).unwrap();
    let given = points.insert(&[json!({"id": 7, "xy": [1, 2]}), json!({"id": 3, "xy": [3, 4]})]).unwrap();
    assert_eq!(given, [7, 3]);
    assert!(points.update(3, &json!({"xy": [0, 0]})).unwrap());
    assert!(!points.update(4, &json!({"xy": [0, 0]})).unwrap());
    let hits = points.search().nearest("xy", [0.0, 0.0]).run().unwrap();
    assert_eq!(hits.keys(), [Key::Rowid(3), Key::Rowid(7)]);
    assert_eq!(hits[0].distance, Some(0.0));
    assert_eq!(points.delete([7_i64, 8]).unwrap(), 1);

    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    struct Line {
        #[serde(default)]
        rowid: Option<i64>,
        body: String,
    }
    let lines = db.collection("lines").create(Schema::new().full_text("body")).unwrap();
    let ids = lines
        .insert(&[Line { rowid: None, body: "a".into() }, Line { rowid: Some(9), body: "b".into() }])
        .unwrap();
    assert_eq!(ids, [1, 9]);
    let found: Vec<Line> = lines.search().text("b").run().unwrap().rows().unwrap();
    assert_eq!(found, [Line { rowid: Some(9), body: "b".into() }]);
    assert!(matches!(lines.delete(["a"]), Err(Error::Value(_))));
    db.with_connection(|conn| {
        Ok(conn.execute_batch("CREATE VIRTUAL TABLE nearlite_fts USING fts5(nearlite)")?)
    })
    .unwrap();
    assert_eq!(db.collections().unwrap(), ["lines", "points"]);
    db.drop_collection("lines").unwrap();
    assert!(matches!(db.collection("lines").open(), Err(Error::Unknown(_))));
}

#[test]
fn a_failed_batch_leaves_nothing() {
    let (_db, collection) = filled(10);
    let mut batch = notes(15, 8);
    batch.swap(0, 14);
    assert!(matches!(collection.insert(&batch), Err(Error::Constraint(_))));
    assert_eq!(collection.len().unwrap(), 10);
    batch[14].embedding.pop();
    let error = collection.upsert(&batch).unwrap_err();
    assert_eq!(error.to_string(), "notes.embedding: expected 8 dimensions, got 7");
    assert_eq!(collection.get::<Note>(["n3"]).unwrap(), notes(10, 7)[3..4]);
    collection.verify().unwrap();
}

#[test]
fn writes_on_the_users_transaction_stand_and_fall_with_it() {
    let mut conn = Connection::open_in_memory().unwrap();
    nearlite::register(&conn).unwrap();
    conn.execute_batch(
        "CREATE TABLE authors(name TEXT);
         CREATE VIRTUAL TABLE notes USING nearlite(id TEXT PRIMARY KEY, body TEXT FULLTEXT, embedding VECTOR(2))",
    )
    .unwrap();
    let note = json!({"id": "a", "body": "hello", "embedding": [1.0, 0.0]});
    for commit in [false, true] {
        let tx = conn.transaction().unwrap();
        tx.execute("INSERT INTO authors VALUES('Ada')", []).unwrap();
        let notes = Collection::on(&tx, "notes").unwrap();
        notes.insert(&note).unwrap();
        assert!(notes.insert(&note).is_err(), "the key exists");
        assert_eq!(
            notes.search().text("hello").run().unwrap().len(),
            1,
            "the failed insert undid itself only"
        );
        assert_eq!(notes.search().nearest("embedding", [1.0, 0.0]).run().unwrap()[0].key(), "a");
        if commit {
            tx.commit().unwrap()
        } else {
            tx.rollback().unwrap()
        }
        let notes = Collection::on(&conn, "notes").unwrap();
        assert_eq!(notes.len().unwrap(), usize::from(commit));
        assert_eq!(notes.search().text("hello").run().unwrap().len(), usize::from(commit));
        let authors: i64 = conn.query_row("SELECT count(*) FROM authors", [], |row| row.get(0)).unwrap();
        assert_eq!(authors, i64::from(commit));
    }
    conn.execute_batch("SAVEPOINT s").unwrap();
    Collection::on(&conn, "notes").unwrap().delete(["a"]).unwrap();
    conn.execute_batch("ROLLBACK TO s; RELEASE s").unwrap();
    assert_eq!(Collection::on(&conn, "notes").unwrap().len().unwrap(), 1);
}

#[test]
fn mistakes_are_errors_that_name_what_is_wrong() {
    let (db, collection) = filled(5);
    let says = |error: Error, words: &[&str]| {
        let text = error.to_string();
        for word in words {
            assert!(text.contains(word), "{text:?} does not name {word}");
        }
    };
    let search = || collection.search();
    says(db.collection("nots").open().unwrap_err(), &["nots", "notes"]);
    says(search().nearest("embeding", [0.0; DIM]).run().unwrap_err(), &["embeding", "embedding"]);
    says(search().nearest("embedding", [0.0; 3]).run().unwrap_err(), &["notes.embedding", "8", "3"]);
    let mut bad = vec![0.0; DIM];
    bad[2] = f32::NAN;
    says(search().nearest("embedding", &bad).run().unwrap_err(), &["embedding", "NaN", "2"]);
    says(search().filter(col("colour").eq(1)).run().unwrap_err(), &["colour", "lang"]);
    says(search().filter(col("body").eq("x")).run().unwrap_err(), &["body"]);
    says(search().filter_sql("no_such > 1", []).run().unwrap_err(), &["no_such"]);
    says(search().text_in("lang", "x").run().unwrap_err(), &["lang", "title"]);
    says(search().text("x").fuse(Fusion::convex(7.0)).run().unwrap_err(), &["alpha", "7"]);
    says(collection.insert(&json!({"id": "z", "colour": 1})).unwrap_err(), &["colour", "embedding"]);
    says(
        collection.insert(&json!({"id": "z", "year": "new"})).unwrap_err(),
        &["notes.year", "INTEGER", "new"],
    );
    says(
        collection.insert(&json!({"id": "z", "embedding": [1, 2, "x", 4]})).unwrap_err(),
        &["embedding", "text"],
    );
    says(
        collection.insert(&json!({"id": "z", "lang": f64::NAN, "read": 2})).unwrap_err(),
        &["read", "BOOLEAN"],
    );
    says(collection.insert(&json!({"lang": "en"})).unwrap_err(), &["id"]);
    says(collection.insert(&42).unwrap_err(), &["row", "number"]);
    says(collection.get::<u8>(["n1"]).unwrap_err(), &["map"]);
    says(collection.get::<Note>([1]).unwrap_err(), &["text key", "1"]);
    says(db.collection("notes").create(schema()).unwrap_err(), &["notes", "already"]);
    let other = Schema::new().key("id").full_text("title");
    says(db.collection("notes").create_if_missing(other).unwrap_err(), &["notes", "WEIGHT 2"]);
    let longer = schema().text("more");
    says(db.collection("notes").create_if_missing(longer).unwrap_err(), &["more"]);
    says(collection.recall_of("lang", 1, 1).unwrap_err(), &["lang", "embedding"]);
    assert!(collection.search().limit(0).run().unwrap().is_empty());
    assert_eq!(collection.len().unwrap(), 5);
}

#[test]
fn the_iterator_gives_every_row_once_and_keeps_its_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let on_disk = Database::open(dir.path().join("t.db")).unwrap();
    for db in [on_disk, Database::in_memory().unwrap()] {
        let collection = db.collection("notes").create(schema()).unwrap();
        collection.insert(&notes(400, 5)).unwrap();
        collection.optimize().unwrap();
        let query = Random(12).vector();
        let all = keys(collection.search().nearest("embedding", &query).limit(400));
        let mut seen = Vec::new();
        for (at, hit) in collection.search().nearest("embedding", &query).limit(3).iter().unwrap().enumerate()
        {
            seen.push(hit.unwrap().key().to_string());
            if at == 5 && dir.path().join("t.db-wal").exists() && db.collections().is_ok() {
                collection
                    .insert(&json!({"id": format!("later{}", seen.len()), "embedding": query}))
                    .unwrap();
            }
        }
        assert_eq!(seen, all);
    }
}

#[test]
fn many_queries_on_many_threads_answer_like_single_ones() {
    let dir = tempfile::tempdir().unwrap();
    let db = Database::open(dir.path().join("t.db")).unwrap();
    let collection = db.collection("notes").create(schema()).unwrap();
    collection.insert(&notes(500, 5)).unwrap();
    let mut random = Random(77);
    let queries: Vec<Vec<f32>> = (0..40).map(|_| random.vector()).collect();
    let filter = col("lang").eq("en");
    let answers = collection.search().filter(filter.clone()).limit(5).search_many(&queries).unwrap();
    assert_eq!(answers.len(), queries.len());
    let none: [[f32; DIM]; 0] = [];
    assert!(collection.search().search_many(&none).unwrap().is_empty());
    let matching = collection.search().matching("sqlite").limit(5).search_many(&queries[..2]).unwrap();
    assert!(matching.iter().flatten().all(|hit| hit.distance.is_some() && hit.text_rank.is_none()));
    std::thread::scope(|scope| {
        for (query, answer) in queries.iter().zip(&answers).step_by(5) {
            let (collection, filter) = (&collection, filter.clone());
            scope.spawn(move || {
                let one =
                    collection.search().nearest("embedding", query).filter(filter).limit(5).run().unwrap();
                assert_eq!(one.keys(), answer.keys());
            });
        }
    });
}

#[test]
fn rerank_and_groups_spread_the_answer() {
    let db = Database::in_memory().unwrap();
    let chunks = db
        .collection("chunks")
        .create(Schema::new().integer_key("id").text("doc").vector("v", 2, Metric::Cosine))
        .unwrap();
    let rows: Vec<_> = (0..60)
        .map(|i| {
            let angle = i as f32 * 0.02;
            json!({"id": i + 1, "doc": format!("d{}", i / 10), "v": [angle.cos(), angle.sin()]})
        })
        .collect();
    chunks.insert(&rows).unwrap();
    let docs = chunks.search().nearest("v", [1.0, 0.0]).group_by("doc", 1).limit(4).run().unwrap();
    assert_eq!(docs.iter().map(|hit| hit.rowid).collect::<Vec<_>>(), [1, 11, 21, 31]);
    let plain = chunks.search().nearest("v", [1.0, 0.0]).limit(4).run().unwrap();
    let same = chunks.search().nearest("v", [1.0, 0.0]).rerank(Mmr::lambda(1.0)).limit(4).run().unwrap();
    assert_eq!(plain.keys(), same.keys());
    let spread = chunks.search().nearest("v", [1.0, 0.0]).rerank(Mmr::lambda(0.3)).limit(4).run().unwrap();
    assert_eq!(spread[0].rowid, 1);
    assert!(spread.iter().any(|hit| hit.rowid > 4));
}

#[test]
fn several_vectors_are_fused_by_their_ranks() {
    let db = Database::in_memory().unwrap();
    let things = db
        .collection("things")
        .create(Schema::new().key("id").full_text("body").vector("shape", 1, Metric::L2).vector(
            "colour",
            1,
            Metric::L2,
        ))
        .unwrap();
    let thing = |id: &str, shape: f32, colour: f32| json!({"id": id, "body": id, "shape": [shape], "colour": [colour]});
    things
        .insert(&[thing("a", 0.0, 9.0), thing("b", 1.0, 1.0), thing("c", 9.0, 0.0), thing("d", 5.0, 5.0)])
        .unwrap();
    let search = || things.search().nearest("shape", [0.0]).nearest("colour", [0.0]).fuse(Fusion::rrf());
    let hits = search().limit(2).run().unwrap();
    assert_eq!(hits[0].key(), "b", "second twice beats first once");
    assert_eq!(hits[0].vector_rank, Some(2));
    assert!((hits[0].score - 2.0 / 62.0).abs() < 1e-6);
    let hits = search().text("d").limit(1).run().unwrap();
    assert_eq!((hits[0].key().to_string().as_str(), hits[0].text_rank), ("d", Some(1)));
    for fusion in [Fusion::convex(0.5), Fusion::dbsf()] {
        assert_eq!(search().fuse(fusion).limit(4).run().unwrap().len(), 4);
    }
    let one_by_one: Vec<_> = search().iter().unwrap().map(|hit| hit.unwrap().key().to_string()).collect();
    assert_eq!(one_by_one[0], "b");
    assert_eq!(one_by_one.len(), 4);
}

#[test]
fn long_work_reports_and_can_be_stopped() {
    let (_db, collection) = filled(3000);
    let mut calls = 0;
    let stopped = collection.rebuild_with(|_, _| {
        calls += 1;
        false
    });
    assert!(calls == 0 || matches!(stopped, Err(Error::Interrupted)));
    collection.verify().unwrap();
    let mut last = (0, 0);
    collection
        .rebuild_with(|done, total| {
            last = (done, total);
            true
        })
        .unwrap();
    assert!(last.0 <= last.1);
    collection.optimize_with(|_, _| true).unwrap();
    assert_eq!(collection.info().unwrap().segments, 1);
    assert!(collection.recall(20, 10).unwrap() > 0.9);
    collection.verify().unwrap();
}

#[test]
fn writers_and_readers_on_many_threads_do_not_disturb_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let db = Database::open(dir.path().join("t.db")).unwrap();
    let collection = db.collection("notes").create(schema()).unwrap();
    let all = notes(400, 9);
    std::thread::scope(|scope| {
        for part in all.chunks(100) {
            let collection = &collection;
            scope.spawn(move || part.chunks(10).for_each(|rows| drop(collection.upsert(rows).unwrap())));
            scope.spawn(move || {
                for note in part.iter().step_by(5) {
                    let before = collection.len().unwrap();
                    let hits =
                        collection.search().nearest("embedding", &note.embedding).limit(1000).run().unwrap();
                    assert!(
                        hits.len() >= before && hits.len() % 10 == 0,
                        "a batch is seen whole or not at all"
                    );
                }
            });
        }
    });
    assert_eq!(collection.len().unwrap(), 400);
    collection.verify().unwrap();
}

#[test]
fn a_table_made_anew_with_other_columns_is_noticed() {
    let (db, collection) = filled(3);
    db.drop_collection("notes").unwrap();
    assert!(collection.search().text("sqlite").run().is_err());
    let other = db.collection("notes").create(Schema::new().key("id").full_text("body")).unwrap();
    other.insert(&json!({"id": "a", "body": "sqlite"})).unwrap();
    let error = collection.search().text("sqlite").run().unwrap_err();
    assert!(error.to_string().contains("open the collection again"), "{error}");
    let conn = Connection::open_in_memory().unwrap();
    assert!(matches!(Collection::on(&conn, "notes"), Err(Error::Unknown(_))));
}

#[test]
fn explain_shows_the_plan_and_what_each_leg_gave() {
    let (_db, collection) = filled(200);
    let explain =
        collection.search().nearest("embedding", [0.1; DIM]).text("sqlite").limit(5).explain().unwrap();
    assert_eq!(explain.plan["kind"], "hybrid");
    assert_eq!(explain.hits.len(), 5);
    for explained in &explain.hits {
        let legs = [&explained.vector, &explained.text];
        let sum: f32 = legs.into_iter().flatten().map(|leg| leg.contribution).sum();
        assert!((sum - explained.hit.score).abs() < 1e-6);
    }
    // Texts that are equally good share a rank.
    let mut ranks: Vec<_> =
        explain.hits.iter().filter_map(|e| Some((e.hit.text_rank?, e.hit.bm25?))).collect();
    ranks.dedup_by(|a, b| a.0 == b.0 && a.1 == b.1);
    assert!(
        !ranks.is_empty()
            && ranks.windows(2).all(|pair| (pair[0].0 == pair[1].0) == (pair[0].1 == pair[1].1))
    );
    assert!(explain.to_string().contains(&format!("text: rank {}", ranks[0].0)), "{explain}");
}

#[test]
fn the_types_can_be_shared_between_threads() {
    fn shared<T: Send + Sync + Clone>() {}
    shared::<Database>();
    shared::<Collection>();
    shared::<nearlite::Hits>();
}

#[test]
fn a_defensive_connection_and_an_attached_database_work() {
    use nearlite::rusqlite::config::DbConfig;
    let conn = Connection::open_in_memory().unwrap();
    nearlite::register(&conn).unwrap();
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true).unwrap();
    conn.execute_batch(
        "ATTACH ':memory:' AS other;
         CREATE VIRTUAL TABLE other.\"my notes\" USING nearlite(id TEXT PRIMARY KEY, body TEXT FULLTEXT, v VECTOR(1) METRIC l2)",
    )
    .unwrap();
    assert!(Collection::on(&conn, "my notes").is_err());
    let notes = Collection::on_database(&conn, "other", "My Notes").unwrap();
    assert_eq!(notes.name(), "my notes");
    notes
        .insert(&[json!({"id": "a", "body": "x", "v": [1]}), json!({"id": "b", "body": "y", "v": [2]})])
        .unwrap();
    notes.update("a", &json!({"v": [5]})).unwrap();
    notes.optimize_with(|_, _| true).unwrap();
    notes.rebuild().unwrap();
    notes.set("ef_search", 100).unwrap();
    assert_eq!(notes.search().nearest("v", [5.0]).run().unwrap().keys(), ["a", "b"].map(Key::from));
    assert_eq!(notes.search().text("y").filter_sql("length(id) = ?", [1]).run().unwrap().len(), 1);
    assert_eq!(notes.search().ids(["b", "none"]).run().unwrap().keys(), ["b"].map(Key::from));
    assert_eq!(notes.delete(["a", "b", "c"]).unwrap(), 2);
    notes.verify().unwrap();
}
