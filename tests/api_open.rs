//! How a database is opened, and that every connection of its pool is as it was opened, whoever used it before.
#![allow(clippy::unwrap_used)]

use nearlite::rusqlite::Connection;
use nearlite::rusqlite::config::DbConfig;
use nearlite::rusqlite::functions::FunctionFlags;
use nearlite::{Collection, Database, Error, OpenOptions, Schema, Synchronous};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn points(db: &Database) -> Collection {
    db.collection("points").create_if_missing(Schema::new().integer_key("id").integer("x")).unwrap()
}

fn odd(conn: &Connection) -> nearlite::Result<()> {
    Ok(conn.create_scalar_function("is_odd", 1, FunctionFlags::SQLITE_UTF8, |context| {
        Ok(context.get::<i64>(0)? % 2 != 0)
    })?)
}

fn number(db: &Database, sql: &str) -> nearlite::Result<i64> {
    db.with_connection(|conn| Ok(conn.query_row(sql, [], |row| row.get(0))?))
}

#[test]
fn nothing_that_a_closure_does_to_its_connection_reaches_the_next_user() {
    let sql = [
        "PRAGMA query_only = ON",
        "PRAGMA foreign_keys = OFF; PRAGMA recursive_triggers = ON; PRAGMA ignore_check_constraints = ON",
        "PRAGMA reverse_unordered_selects = ON; PRAGMA count_changes = ON; PRAGMA cache_size = 3",
        "PRAGMA busy_timeout = 1; PRAGMA trusted_schema = OFF; PRAGMA writable_schema = ON",
        "PRAGMA max_page_count = 1000; PRAGMA secure_delete = ON; PRAGMA locking_mode = EXCLUSIVE",
        "CREATE TEMP TABLE points(x); CREATE TEMP TABLE t(x); CREATE INDEX temp.i ON t(x)",
        "CREATE TEMP TRIGGER g AFTER DELETE ON own BEGIN SELECT raise(ABORT, 'no'); END",
        "CREATE TEMP VIEW own AS SELECT 7 AS x",
        "ATTACH ':memory:' AS other; CREATE TABLE other.t(x)",
        "BEGIN; INSERT INTO own VALUES(9)",
        "BEGIN IMMEDIATE; CREATE TEMP TABLE t(x); PRAGMA query_only = ON",
        "SAVEPOINT s; DELETE FROM own",
    ];
    let asked = [
        "SELECT group_concat(x) FROM (SELECT x FROM own)",
        "SELECT count(*) FROM pragma_database_list",
        "SELECT count(*) FROM sqlite_temp_schema",
        "PRAGMA query_only",
        "PRAGMA foreign_keys",
        "PRAGMA recursive_triggers",
        "PRAGMA ignore_check_constraints",
        "PRAGMA reverse_unordered_selects",
        "PRAGMA cache_size",
        "PRAGMA busy_timeout",
        "PRAGMA trusted_schema",
        "PRAGMA writable_schema",
        "PRAGMA temp_store",
        "PRAGMA max_page_count",
        "PRAGMA secure_delete",
    ];
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().join("a.db"), ":memory:".into()] {
        let db = OpenOptions::new()
            .on_connect(|conn| {
                Ok(conn.execute_batch(
                    "PRAGMA cache_size = 77; PRAGMA recursive_triggers = OFF; CREATE TEMP TABLE mine AS SELECT 5 AS x;
                     ATTACH ':memory:' AS kept",
                )?)
            })
            .open(&path)
            .unwrap();
        let collection = points(&db);
        db.with_connection(|conn| Ok(conn.execute_batch("CREATE TABLE own(x); INSERT INTO own VALUES(1)")?))
            .unwrap();
        let state = || {
            let ask = |sql: &&str| {
                db.with_connection(|conn| {
                    Ok(conn.query_row(sql, [], |row| row.get::<_, nearlite::rusqlite::types::Value>(0))?)
                })
            };
            asked.iter().map(ask).collect::<nearlite::Result<Vec<_>>>().unwrap()
        };
        let before = state();
        assert_eq!(before[8], nearlite::rusqlite::types::Value::Integer(77));
        for (at, sql) in sql.iter().enumerate() {
            db.with_connection(|conn| Ok(conn.execute_batch(sql)?)).unwrap();
            assert_eq!(state(), before, "{} after {sql}", path.display());
            collection.insert(&json!({"id": at})).unwrap();
            db.transaction(|tx| Ok(tx.execute_batch("DELETE FROM own; INSERT INTO own VALUES(1)")?)).unwrap();
            assert_eq!(number(&db, "SELECT x FROM mine").unwrap(), 5, "what on_connect made stays");
        }
        // The same from inside a transaction, whose connection a closure has too.
        for sql in ["PRAGMA query_only = ON", "CREATE TEMP TABLE points(x)", "PRAGMA cache_size = 4"] {
            let _ = db.transaction(|tx| Ok(tx.execute_batch(sql)?));
            assert_eq!(state(), before, "{} after {sql} in a transaction", path.display());
        }
        assert_eq!(collection.len().unwrap(), sql.len());
    }
}

#[test]
fn functions_and_switches_of_a_closure_end_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let db = Database::open(folder.path().join("a.db")).unwrap();
    let collection = points(&db);
    collection.insert(&[json!({"id": 1}), json!({"id": 2})]).unwrap();
    db.with_connection(|conn| {
        odd(conn)?;
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        Ok(conn.execute_batch("PRAGMA case_sensitive_like = ON")?)
    })
    .unwrap();
    for _ in 0..3 {
        let error = number(&db, "SELECT is_odd(1)").unwrap_err().to_string();
        assert!(error.contains("no such function"), "{error}");
        assert_eq!(number(&db, "SELECT 'a' LIKE 'A'").unwrap(), 1);
        let defensive = |conn: &Connection| Ok(conn.db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE)?);
        assert!(!db.with_connection(defensive).unwrap());
        let by_search = collection.search().filter_sql("is_odd(id)", []).run().unwrap_err().to_string();
        assert!(by_search.contains("no such function"), "{by_search}");
    }
}

#[test]
fn a_hook_reaches_every_connection() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().join("a.db"), ":memory:".into()] {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let db = OpenOptions::new()
            .pool_size(2)
            .on_connect(move |conn| {
                counted.fetch_add(1, Ordering::Relaxed);
                odd(conn)
            })
            .on_connect(|conn| {
                Ok(conn.execute_batch("CREATE TEMP TABLE mine AS SELECT is_odd(3) AS x; BEGIN")?)
            })
            .open(path)
            .unwrap();
        let collection = points(&db);
        collection.insert(&(1..=9).map(|id| json!({"id": id})).collect::<Vec<_>>()).unwrap();
        let odds =
            || collection.search().filter_sql("is_odd(id) AND (SELECT x FROM mine)", []).run().unwrap().len();
        let held: Vec<_> = (0..4).map(|_| collection.search().iter().unwrap()).collect();
        assert_eq!(odds(), 5);
        let counts = std::thread::scope(|scope| {
            [(); 4].map(|()| scope.spawn(odds)).map(|thread| thread.join().unwrap())
        });
        assert_eq!(counts, [5; 4]);
        assert_eq!(number(&db, "SELECT is_odd(3)").unwrap(), 1);
        assert_eq!(
            db.transaction(|tx| Ok(tx.query_row("SELECT is_odd(3)", [], |row| row.get(0))?)).ok(),
            Some(1)
        );
        drop(held);
        let calls = calls.load(Ordering::Relaxed);
        assert!(if db.collections().is_ok() && calls == 1 {
            format!("{db:?}").contains("memory")
        } else {
            calls > 4
        });
    }
}

#[test]
fn an_error_of_a_hook_is_that_of_who_needs_the_connection() {
    let fails = |_: &Connection| Err(Error::Unknown("no key for this file".into()));
    let error = OpenOptions::new().on_connect(fails).open_in_memory().unwrap_err();
    assert_eq!(error.to_string(), "no key for this file");
    let folder = tempfile::tempdir().unwrap();
    let left = AtomicUsize::new(2);
    let later = move |_: &Connection| match left.fetch_sub(1, Ordering::Relaxed) {
        0 => Err(Error::Unknown("not now".into())),
        _ => Ok(()),
    };
    let db = OpenOptions::new().on_connect(later).open(folder.path().join("a.db")).unwrap();
    assert_eq!(number(&db, "SELECT 1").unwrap(), 1);
    assert_eq!(number(&db, "SELECT 1").unwrap_err().to_string(), "not now");
    assert_eq!(number(&db, "SELECT 1").unwrap(), 1, "the pool is whole");
}

#[test]
fn options_are_those_of_every_connection() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    for (at, level) in
        [Synchronous::Off, Synchronous::Normal, Synchronous::Full, Synchronous::Extra].into_iter().enumerate()
    {
        let db = Database::options().synchronous(level).open(&path).unwrap();
        assert_eq!(number(&db, "PRAGMA synchronous").unwrap(), at as i64);
        let inside =
            db.transaction(|tx| Ok(tx.query_row("PRAGMA synchronous", [], |row| row.get::<_, i64>(0))?));
        assert_eq!(inside.unwrap(), at as i64);
    }
    for (seconds, milliseconds) in [(0, 0), (7, 7000), (u64::MAX, i64::from(i32::MAX))] {
        let patience = std::time::Duration::from_secs(seconds);
        let db = Database::options().busy_timeout(patience).open(&path).unwrap();
        assert_eq!(number(&db, "PRAGMA busy_timeout").unwrap(), milliseconds);
        points(&db).upsert(&json!({"id": 1})).unwrap();
    }
    let refused = |options: &mut OpenOptions, word: &str| {
        let error = options.open_in_memory().unwrap_err();
        assert!(matches!(error, Error::Value(_)) && error.to_string().contains(word), "{error}");
    };
    refused(OpenOptions::new().pool_size(0), "pool_size");
    refused(OpenOptions::new().read_only(true), "read_only");
}

#[test]
fn a_pool_of_one_connection_serves_iterators_and_loans() {
    let folder = tempfile::tempdir().unwrap();
    let db = Database::options().pool_size(1).open(folder.path().join("a.db")).unwrap();
    let collection = points(&db);
    collection.insert(&[json!({"id": 1}), json!({"id": 2})]).unwrap();
    let mut held = collection.search().iter().unwrap();
    collection.delete([1]).unwrap();
    assert_eq!(held.next().unwrap().unwrap().rowid, 1, "it has its snapshot");
    let nested =
        db.with_connection(|_| db.with_connection(|_| db.transaction(|tx| tx.collection("points")?.len())));
    assert_eq!(nested.unwrap(), 1);
}

#[test]
fn a_database_opened_for_reading_is_not_written_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let reading = || OpenOptions::new().read_only(true).open(&path);
    assert!(reading().is_err() && !path.exists(), "it creates no file");
    let writer = Database::open(&path).unwrap();
    points(&writer).insert(&[json!({"id": 1, "x": 5}), json!({"id": 2})]).unwrap();
    let reader = reading().unwrap();
    let collection = points(&reader);
    assert_eq!(collection.search().filter_sql("x = 5", []).run().unwrap().keys(), [1]);
    for error in [
        collection.insert(&json!({"id": 3})).unwrap_err(),
        collection.optimize().unwrap_err(),
        reader.transaction(|tx| tx.collection("points")?.delete([1])).unwrap_err(),
        reader.drop_collection("points").unwrap_err(),
        reader.with_connection(|conn| Ok(conn.execute_batch("CREATE TABLE t(x)")?)).unwrap_err(),
    ] {
        assert!(error.to_string().contains("readonly database"), "{error}");
    }
    points(&writer).insert(&json!({"id": 3})).unwrap();
    assert_eq!(collection.len().unwrap(), 3, "it sees what others write");
    drop((writer, collection, reader));
    assert_eq!(points(&reading().unwrap()).len().unwrap(), 3);
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("passwd.txt");
    std::fs::write(&text, "root:x:0:0:root:/root:/bin/sh\n".repeat(200)).unwrap();
    let missing = folder.path().join("no such folder").join("a.db");
    for (path, what) in [(&text, "file is not a database"), (&missing, "unable to open")] {
        for options in [OpenOptions::new(), OpenOptions::new().read_only(true).clone()] {
            let error = options.open(path).unwrap_err();
            let sentence = error.to_string();
            let named = sentence.matches(&*path.to_string_lossy()).count();
            assert!(matches!(error, Error::Sqlite(_)) && named == 1 && sentence.contains(what), "{sentence}");
        }
    }
}
