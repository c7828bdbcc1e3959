//! `Database::close`: what is left of a database, in memory and on the disk, and what others notice of it.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Noise, open};
use nearlite::rusqlite::Connection;
use nearlite::{Collection, Database, Metric, Schema};
use std::path::Path;
use std::time::Duration;

const DIM: usize = 8;

fn filled(path: &Path) -> (Database, Collection) {
    filled_for(path, Duration::from_secs(60))
}

fn filled_for(path: &Path, patience: Duration) -> (Database, Collection) {
    let db = Database::options().busy_timeout(patience).open(path).unwrap();
    let schema = Schema::new().integer_key("id").full_text("body").vector("v", DIM, Metric::L2);
    let docs = db.collection("docs").create_if_missing(schema).unwrap();
    if docs.len().unwrap() == 0 {
        let mut noise = Noise(1);
        let row = |id| serde_json::json!({"id": id, "body": "all", "v": noise.vector(DIM)});
        docs.insert(&(0..600).map(row).collect::<Vec<_>>()).unwrap();
        docs.optimize().unwrap();
    }
    assert_eq!(docs.search().nearest("v", vec![0.1_f32; DIM]).limit(5).run().unwrap().len(), 5);
    assert_eq!(docs.search().text("all").limit(5).run().unwrap().len(), 5);
    (db, docs)
}

/// Bytes that the cache has of the collection.
fn cached(conn: &Connection) -> i64 {
    // The table's own row counts the log as well, which a connection holds.
    let sql = "SELECT sum(memory_bytes) FROM nearlite_info('docs') WHERE kind <> 'table'";
    conn.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn it_leaves_no_wal_and_no_memory_and_dropping_leaves_the_indexes_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("closed.db");
    let (db, docs) = filled(&path);
    drop((db, docs));
    assert!(cached(&open(&path)) > 0, "a file that is opened again is warm");
    let (db, docs) = filled(&path);
    docs.insert(&serde_json::json!({"id": 1_000, "body": "all", "v": vec![0.5_f32; DIM]})).unwrap();
    assert!(folder.path().join("closed.db-wal").exists());
    db.close().unwrap();
    for suffix in ["-wal", "-shm"] {
        assert!(!folder.path().join(format!("closed.db{suffix}")).exists(), "{suffix}");
    }
    let reader = open(&path);
    assert_eq!(cached(&reader), 0);
    drop(reader);
    // Others have it open: they keep what is loaded.
    let (db, _) = filled(&path);
    let (other, _) = filled(&path);
    db.close().unwrap();
    assert!(cached(&open(&path)) > 0);
    other.close().unwrap();
    assert_eq!(cached(&open(&path)), 0);
}

#[test]
fn later_calls_of_clones_and_collections_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clones.db");
    let (db, docs) = filled(&path);
    let other = db.clone();
    db.close().unwrap();
    let row = serde_json::json!({"id": 2_000, "body": "all", "v": vec![0.5_f32; DIM]});
    for error in [
        docs.len().unwrap_err(),
        docs.insert(&row).unwrap_err(),
        docs.search().text("all").run().unwrap_err(),
        other.collections().unwrap_err(),
        other.with_connection(|_| Ok(())).unwrap_err(),
        other.transaction(|_| Ok(())).unwrap_err(),
        docs.maintain(None).unwrap_err(),
    ] {
        assert!(error.to_string().contains("the database was closed"), "{error}");
    }
    other.close().unwrap();
    drop(docs);
    let (again, docs) = filled(&path);
    assert_eq!(docs.len().unwrap(), 600);
    again.close().unwrap();
    // In memory, too.
    let (db, docs) = filled(Path::new(":memory:"));
    db.close().unwrap();
    assert!(docs.len().unwrap_err().to_string().contains("was closed"));
}

#[test]
fn it_waits_for_calls_of_other_threads_and_says_who_does_not_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("used.db");
    let (db, docs) = filled(&path);
    // A closure would wait for itself.
    let inside = db.clone();
    let told = db.with_connection(|_| Ok(inside.close().unwrap_err().to_string())).unwrap();
    assert!(told.contains("after the closure"), "{told}");
    assert_eq!(docs.len().unwrap(), 600);
    // A call that runs comes to its end.
    let (started, has_started) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let docs = docs.clone();
        let call = scope.spawn(move || {
            let mut reports = 0;
            docs.rebuild_with(|_, _| {
                reports += 1;
                if reports == 1 {
                    started.send(()).unwrap();
                    std::thread::sleep(Duration::from_millis(20));
                }
                true
            })
        });
        has_started.recv().unwrap();
        db.close().unwrap();
        // It ended, or met the closed database at its next turn.
        drop(call.join().unwrap());
    });
    assert!(!folder.path().join("used.db-wal").exists());
    // An iterator that nobody goes on with.
    let (db, docs) = filled_for(&path, Duration::from_millis(200));
    let mut hits = docs.search().text("all").iter().unwrap();
    assert!(hits.next().is_some());
    let told = db.close().unwrap_err().to_string();
    assert!(told.contains("1 connections of the database are still in use"), "{told}");
    drop(hits);
    assert!(!folder.path().join("used.db-wal").exists());
}

#[test]
fn a_patience_without_a_bound_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("patient.db");
    let (db, docs) = filled_for(&path, Duration::MAX);
    docs.insert(&serde_json::json!({"id": 1_000, "body": "all", "v": vec![0.5_f32; DIM]})).unwrap();
    assert!(docs.maintain(Some(Duration::MAX)).unwrap());
    db.transaction(|tx| tx.collection("docs")?.delete([1_000]).map(drop)).unwrap();
    db.close().unwrap();
    assert!(!folder.path().join("patient.db-wal").exists());
}
