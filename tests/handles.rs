//! Handles of the Rust door that outlive, share or exhaust what they stand on.
#![allow(clippy::unwrap_used)]

use nearlite::rusqlite::types::ToSqlOutput;
use nearlite::rusqlite::{Connection, InterruptHandle, ToSql};
use nearlite::{Collection, Database, Error, Metric, Schema, col};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};

fn points() -> Schema {
    Schema::new().integer_key("id").integer("doc").real("r").full_text("body").vector("v", 2, Metric::L2)
}

fn fill(points: &Collection, count: i64) {
    let row = |i: i64| json!({"id": i, "doc": i / 10, "r": i as f64 / 2.0, "body": "word", "v": [i, 0]});
    points.insert(&(1..=count).map(row).collect::<Vec<_>>()).unwrap();
}

fn memory(count: i64) -> (Database, Collection) {
    let db = Database::in_memory().unwrap();
    let collection = db.collection("points").create(points()).unwrap();
    fill(&collection, count);
    (db, collection)
}

fn says<T: std::fmt::Debug>(result: Result<T, Error>, word: &str) {
    let message = result.unwrap_err().to_string();
    assert!(message.contains(word), "{message}");
}

#[test]
fn no_call_touches_a_collection_that_was_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("a.db"), folder.path().join("a.db"));
    let (one, two) = (Database::open(one).unwrap(), Database::open(two).unwrap());
    let people = one.collection("people").create(Schema::new().integer_key("id").integer("age")).unwrap();
    people.insert(&json!({"id": 1, "age": 5})).unwrap();
    two.drop_collection("people").unwrap();
    let fresh = two.collection("people").create(Schema::new().integer_key("id").text("city")).unwrap();
    fresh.insert(&[json!({"id": 1, "city": "Berlin"}), json!({"id": 2, "city": "Rome"})]).unwrap();
    says(people.get::<Value>([1]), "made again");
    says(people.len(), "made again");
    says(people.search().filter(col("age").gt(1000)).run(), "made again");
    says(people.search().iter().map(|_| ()), "made again");
    says(people.delete_where(col("age").ge(1000)), "made again");
    says(people.delete([1]), "made again");
    says(people.update(1, &json!({"age": 6})), "made again");
    says(people.update(1, &json!({})), "made again");
    says(people.insert(&json!({"id": 3})), "made again");
    says(people.optimize_with(|_, _| true), "made again");
    says(people.set("ef_search", 77), "made again");
    says(people.flush(), "made again");
    says(people.info(), "made again");
    assert_eq!(fresh.len().unwrap(), 2);
    assert_eq!(fresh.setting("ef_search").unwrap(), nearlite::Value::Integer(0));
}

#[test]
fn every_one_of_many_small_writers_gets_its_turn() {
    let folder = tempfile::tempdir().unwrap();
    let db = Database::open(folder.path().join("a.db")).unwrap();
    let collection = db.collection("points").create(points()).unwrap();
    let next = AtomicUsize::new(1);
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let id = next.fetch_add(1, Ordering::Relaxed);
                    collection.insert(&json!({"id": id, "v": [id, 0]})).unwrap();
                }
            });
        }
    });
    assert_eq!(collection.len().unwrap(), 240);
}

#[test]
fn iterators_do_not_use_up_the_connections() {
    let folder = tempfile::tempdir().unwrap();
    let db = Database::open(folder.path().join("a.db")).unwrap();
    let collection = db.collection("points").create(points()).unwrap();
    fill(&collection, 50);
    let search = || collection.search().nearest("v", [0.0, 0.0]).iter().unwrap();
    let mut held: Vec<_> = (0..20).map(|_| search()).collect();
    assert_eq!(collection.len().unwrap(), 50);
    collection.delete([1]).unwrap();
    for hits in &mut held {
        assert_eq!(hits.next().unwrap().unwrap().rowid, 1, "each has its snapshot");
    }
    drop(held);
    assert_eq!(search().next().unwrap().unwrap().rowid, 2);
}

#[test]
fn a_call_that_would_wait_for_itself_is_an_error() {
    let (db, collection) = memory(30);
    says(db.with_connection(|_| collection.len()), "one connection");
    says(db.with_connection(|_| collection.delete([1])), "one connection");
    let other = collection.clone();
    says(collection.rebuild_with(|_, _| other.len().is_ok()), "interrupted");
    assert_eq!(collection.len().unwrap(), 30);
    assert_eq!(db.with_connection(|conn| Collection::on(conn, "points")?.len()).unwrap(), 30);
    let beside = std::thread::scope(|scope| scope.spawn(|| collection.len().unwrap()).join().unwrap());
    assert_eq!(beside, 30);
}

#[test]
fn a_name_of_a_database_in_memory_is_one_database() {
    for name in [":memory:", "", "file::memory:", "file:some?mode=memory"] {
        let db = Database::open(name).unwrap();
        let collection = db.collection("points").create(points()).unwrap();
        fill(&collection, 3);
        let count = || collection.len().unwrap();
        let counts =
            std::thread::scope(|scope| [scope.spawn(count), scope.spawn(count)].map(|t| t.join().unwrap()));
        assert_eq!(counts, [3, 3], "{name}");
    }
}

#[test]
fn recall_of_more_rows_than_there_are_is_that_of_all() {
    let (_db, collection) = memory(30);
    for k in [1, 30, 31, 1_000_000_000_000, usize::MAX] {
        assert_eq!(collection.recall(5, k).unwrap(), 1.0);
    }
    says(collection.recall(5, 0), "1 or more");
    says(collection.recall(0, 5), "1 or more");
}

#[test]
fn groups_are_filled_from_as_deep_as_it_takes() {
    let db = Database::in_memory().unwrap();
    let collection = db.collection("points").create(points()).unwrap();
    // The nearest 600 rows are of one group.
    let row = |i: i64| json!({"id": i, "doc": if i <= 600 { 0 } else { i }, "body": "word", "v": [i, 0]});
    collection.insert(&(1..=650).map(row).collect::<Vec<_>>()).unwrap();
    let one = collection.search().nearest("v", [0.0, 0.0]);
    let two = collection.search().nearest("v", [0.0, 0.0]).nearest("v", [1.0, 0.0]);
    for search in [one, two] {
        let hits = search.group_by("doc", 1).limit(10).run().unwrap();
        let mut found: Vec<i64> = hits.iter().map(|hit| hit.rowid).collect();
        found[1..].sort_unstable();
        assert_eq!(found[1..], (601..=609).collect::<Vec<_>>());
        assert!(found[0] <= 2);
    }
}

#[test]
fn a_radius_holds_for_every_row() {
    let (_db, collection) = memory(500);
    let near = |hits: nearlite::Hits| {
        let mut ids: Vec<i64> = hits.iter().map(|hit| hit.rowid).collect();
        ids.sort_unstable();
        assert!(hits.iter().all(|hit| hit.distance.is_some_and(|distance| distance <= 5.0)));
        ids
    };
    let search = || collection.search().nearest("v", [0.0, 0.0]).within(5.0).limit(20);
    assert_eq!(near(search().run().unwrap()), [1, 2, 3, 4, 5]);
    assert_eq!(near(search().text("word").run().unwrap()), [1, 2, 3, 4, 5]);
    assert_eq!(near(search().nearest("v", [0.0, 0.0]).text("word").run().unwrap()), [1, 2, 3, 4, 5]);
    says(collection.search().text("word").within(5.0).run(), "nearest");
    says(collection.search().within(5.0).run(), "nearest");
    says(search().within(f32::NAN).run(), "NaN");
}

#[test]
fn every_hit_of_a_hybrid_search_has_its_distance() {
    let (_db, collection) = memory(500);
    let hits = collection.search().nearest("v", [500.0, 0.0]).text("word").limit(400).run().unwrap();
    assert_eq!(hits.len(), 400);
    for hit in &hits {
        assert_eq!(hit.distance, Some((500 - hit.rowid) as f32));
    }
}

#[test]
fn a_filter_may_be_longer_than_sqlite_takes_parameters() {
    let (_db, collection) = memory(100);
    let halves = || col("r").is_in((2..40_000).map(|i| f64::from(i) * 0.5));
    let found = collection.search().filter(halves()).limit(1000).run().unwrap();
    assert_eq!(found.iter().map(|hit| hit.rowid).collect::<Vec<_>>(), (2..=100).collect::<Vec<_>>());
    assert_eq!(collection.delete_where(halves()).unwrap(), 99);
    assert_eq!(collection.len().unwrap(), 1);
}

#[test]
fn explain_tells_of_every_leg() {
    let (_db, collection) = memory(50);
    let near = || collection.search().nearest("v", [0.0, 0.0]);
    for (at, found) in near().limit(3).explain().unwrap().hits.iter().enumerate() {
        let leg = found.vector.as_ref().unwrap();
        assert_eq!((leg.rank, leg.raw, leg.weight), (Some(at as u32 + 1), (at + 1) as f32, 1.0));
        assert_eq!(leg.contribution, found.hit.score);
        assert!(found.text.is_none());
    }
    for found in collection.search().text("word").limit(3).explain().unwrap().hits {
        assert_eq!(found.text.unwrap().contribution, found.hit.score);
        assert!(found.vector.is_none());
    }
    for found in near().nearest("v", [9.0, 0.0]).text("word").limit(5).explain().unwrap().hits {
        let legs = [found.vector.as_ref(), found.text.as_ref()];
        let sum: f32 = legs.into_iter().flatten().map(|leg| leg.contribution).sum();
        assert!((sum - found.hit.score).abs() < 1e-6, "{found:?}");
    }
}

/// Asks for an end when it is bound to a statement: at that moment no statement runs.
struct Interrupting(InterruptHandle);

impl ToSql for Interrupting {
    fn to_sql(&self) -> nearlite::rusqlite::Result<ToSqlOutput<'_>> {
        self.0.interrupt();
        Ok(0.into())
    }
}

/// The next statement of the search forgot what was asked of it, or the very look whether it was.
#[test]
fn an_interrupt_between_the_statements_of_a_search_ends_it() {
    let conn = Connection::open_in_memory().unwrap();
    nearlite::register(&conn).unwrap();
    conn.execute_batch(
        "CREATE VIRTUAL TABLE points USING nearlite(n INTEGER, v VECTOR(2)); INSERT INTO points VALUES(1, '[1,0]')",
    )
    .unwrap();
    let points = Collection::on(&conn, "points").unwrap();
    let search = || points.search().nearest("v", [1.0, 0.0]);
    let interrupted = search().filter_sql("n > ?", [Interrupting(conn.get_interrupt_handle())]);
    says(interrupted.run(), "interrupted");
    assert!(conn.is_autocommit());
    assert_eq!(search().filter_sql("n > ?", [0]).run().unwrap().len(), 1);
}
