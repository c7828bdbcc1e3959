//! Transactions of the Rust door over several collections and tables: their turn, their end, and who would wait for
//! himself.
#![allow(clippy::unwrap_used)]

use nearlite::rusqlite::Connection;
use nearlite::{Collection, Database, Error, Metric, OpenOptions, Schema};
use serde_json::{Value, json};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

fn schema() -> Schema {
    Schema::new().integer_key("id").integer("n").full_text("body").vector("v", 2, Metric::L2)
}

fn row(id: i64) -> Value {
    json!({"id": id, "n": 0, "body": format!("word number{id}"), "v": [id, 0]})
}

/// A database with two collections and a table, in a file and in memory. Whoever waits for himself there waits for an
/// hour.
fn each(test: impl Fn(&str, &Database, [&Collection; 2])) {
    let folder = tempfile::tempdir().unwrap();
    let hour = || OpenOptions::new().busy_timeout(Duration::from_secs(3600)).clone();
    let databases = [
        ("file", hour().open(folder.path().join("a.db")).unwrap()),
        ("memory", hour().open_in_memory().unwrap()),
    ];
    for (place, db) in &databases {
        let [one, two] = ["one", "two"].map(|name| db.collection(name).create(schema()).unwrap());
        one.insert(&row(1)).unwrap();
        db.with_connection(|conn| Ok(conn.execute_batch("CREATE TABLE own(x UNIQUE)")?)).unwrap();
        test(place, db, [&one, &two]);
    }
}

fn own_rows(db: &Database) -> i64 {
    db.with_connection(|conn| Ok(conn.query_row("SELECT count(*) FROM own", [], |row| row.get(0))?)).unwrap()
}

/// It is refused at once, by a sentence that says why.
fn refused<T: std::fmt::Debug>(place: &str, result: Result<T, Error>) {
    let error = result.unwrap_err();
    let why = if place == "memory" { "one connection" } else { "wait for itself" };
    let sentence = error.to_string();
    let known = sentence.contains(why) || sentence.contains("wait for itself");
    assert!(matches!(error, Error::Value(_)) && known, "{place}: {sentence}");
}

#[test]
fn two_threads_that_read_and_then_write_never_lose_a_race() {
    each(|place, db, _| {
        let round = || {
            for _ in 0..50 {
                db.transaction(|tx| {
                    let (one, two) = (tx.collection("one")?, Collection::on(tx, "two")?);
                    let n = one.get_one::<Value>(1)?.unwrap()["n"].as_i64().unwrap();
                    one.update(1, &json!({"n": n + 1}))?;
                    two.insert(&row(n + 1))?;
                    tx.execute("INSERT INTO own VALUES(?1)", [n])?;
                    Ok(())
                })
                .unwrap();
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(round);
            scope.spawn(round);
        });
        let n = |name: &str| db.collection(name).open().unwrap().len().unwrap();
        let one: Value = db.collection("one").open().unwrap().get_one(1).unwrap().unwrap();
        assert_eq!((&one["n"], n("two"), own_rows(db)), (&json!(100), 100, 100), "{place}");
    });
}

/// With a deferred transaction half of the rounds failed: the other thread had written between the read and the write.
#[test]
fn transactions_of_rusqlite_on_a_loan_lose_no_race_either() {
    each(|place, db, [one, _]| {
        let round = || {
            for _ in 0..50 {
                db.with_connection(|conn| {
                    let tx = conn.unchecked_transaction()?;
                    let one = Collection::on(&tx, "one")?;
                    let n = one.get_one::<Value>(1)?.unwrap()["n"].as_i64().unwrap();
                    one.update(1, &json!({"n": n + 1}))?;
                    Ok(tx.commit()?)
                })
                .unwrap();
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(round);
            scope.spawn(round);
        });
        assert_eq!(one.get_one::<Value>(1).unwrap().unwrap()["n"], json!(100), "{place}");
    });
}

#[test]
fn writers_of_every_kind_take_turns() {
    each(|place, db, [one, two]| {
        std::thread::scope(|scope| {
            for writer in 0..3 {
                scope.spawn(move || {
                    for at in 0..20 {
                        let id = 100 + writer * 20 + at;
                        match writer {
                            0 => drop(one.insert(&row(id)).unwrap()),
                            1 => drop(db.transaction(|tx| tx.collection("one")?.insert(&row(id))).unwrap()),
                            _ => drop(
                                two.rebuild_with(|_, _| true).and_then(|()| one.insert(&row(id))).unwrap(),
                            ),
                        }
                    }
                });
            }
        });
        assert_eq!(one.len().unwrap(), 61, "{place}");
        one.verify().unwrap();
    });
}

#[test]
fn an_error_or_a_panic_undoes_everything_and_goes_on() {
    each(|place, db, [one, two]| {
        let write = |tx: &Connection| {
            tx.execute("INSERT INTO own VALUES(1)", [])?;
            Collection::on(tx, "one")?.delete([1])?;
            Collection::on(tx, "two")?.insert(&row(7))
        };
        let error = db.transaction(|tx| {
            write(tx)?;
            Err::<(), _>(Error::Unknown("mine".into()))
        });
        assert_eq!(error.unwrap_err().to_string(), "mine");
        let panic = catch_unwind(AssertUnwindSafe(|| {
            db.transaction(|tx| {
                write(tx)?;
                if place.len() > 1 {
                    panic!("mine");
                }
                Ok(())
            })
        }));
        assert_eq!(panic.unwrap_err().downcast_ref::<&str>(), Some(&"mine"));
        assert_eq!((one.len().unwrap(), two.len().unwrap(), own_rows(db)), (1, 0, 0), "{place}");
        // The turn and the connection are free again.
        db.transaction(|tx| write(tx)).unwrap();
        two.insert(&row(8)).unwrap();
        assert_eq!((one.len().unwrap(), two.len().unwrap(), own_rows(db)), (0, 2, 1), "{place}");
        one.verify().unwrap();
    });
}

#[test]
fn a_commit_that_fails_undoes_everything() {
    each(|place, db, [one, _]| {
        let error = db.transaction(|tx| {
            tx.execute_batch(
                "CREATE TABLE parent(id INTEGER PRIMARY KEY);
                 CREATE TABLE child(of REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
                 PRAGMA defer_foreign_keys = ON;
                 INSERT INTO child VALUES(1);",
            )?;
            tx.collection("one")?.insert(&row(9))
        });
        assert!(matches!(error, Err(Error::Constraint(_))), "{place}: {error:?}");
        assert_eq!(one.len().unwrap(), 1);
        one.insert(&row(9)).unwrap();
    });
}

#[test]
fn searches_inside_see_what_was_written_and_others_do_not() {
    each(|place, db, [one, _]| {
        db.transaction(|tx| {
            let inside = tx.collection("one")?;
            inside.insert(&[row(2), row(3)])?;
            inside.update(1, &json!({"v": [50, 0]}))?;
            let near = |limit| inside.search().nearest("v", [0.0, 0.0]).limit(limit).run();
            assert_eq!(near(3)?.keys(), [2, 3, 1], "{place}");
            assert_eq!(inside.search().text("number3").run()?.keys(), [3]);
            inside.optimize()?;
            assert_eq!(near(3)?.keys(), [2, 3, 1], "{place}");
            if place == "file" {
                assert_eq!(one.search().nearest("v", [0.0, 0.0]).run()?.keys(), [1]);
            }
            Ok(())
        })
        .unwrap();
        assert_eq!(one.search().nearest("v", [0.0, 0.0]).run().unwrap().keys(), [2, 3, 1]);
    });
}

#[test]
fn a_write_inside_the_same_threads_transaction_is_refused_at_once() {
    each(|place, db, [one, two]| {
        // A second handle of the same file waits for the same lock.
        let name = format!("{db:?}");
        let again =
            name.split('"').nth(1).filter(|_| place == "file").map(|path| Database::open(path).unwrap());
        db.transaction(|tx| {
            if let Some(again) = &again {
                refused(place, again.transaction(|_| Ok(())));
                refused(place, again.collection("one").open()?.insert(&row(2)));
                assert_eq!(again.collection("one").open()?.len()?, 1);
            }
            refused(place, db.transaction(|_| Ok(())));
            refused(place, one.insert(&row(2)));
            refused(place, two.optimize());
            refused(place, db.drop_collection("two"));
            refused(place, db.collection("three").create(schema()));
            tx.collection("one")?.insert(&row(2))
        })
        .unwrap();
        assert_eq!(one.len().unwrap(), 2);
    });
}

#[test]
fn a_write_inside_the_same_threads_own_write_is_refused_at_once() {
    each(|place, db, [one, _]| {
        for begin in
            ["BEGIN IMMEDIATE", "BEGIN; INSERT OR IGNORE INTO own VALUES(5)", "SAVEPOINT s; DELETE FROM own"]
        {
            db.with_connection(|conn| {
                conn.execute_batch(begin)?;
                refused(place, one.upsert(&row(2)));
                refused(place, one.rebuild());
                refused(place, db.transaction(|_| Ok(())));
                Collection::on(conn, "one")?.upsert(&row(2))?;
                Ok(conn.execute_batch(if begin.starts_with("BEGIN") { "COMMIT" } else { "RELEASE s" })?)
            })
            .unwrap();
            // A panic takes the connection back, too.
            let panic = catch_unwind(AssertUnwindSafe(|| {
                db.with_connection::<()>(|conn| {
                    conn.execute_batch(begin)?;
                    panic!("mine")
                })
            }));
            assert!(panic.is_err());
            one.upsert(&row(2)).unwrap();
        }
    });
}

#[test]
fn a_write_inside_a_loan_that_does_not_write_works() {
    let folder = tempfile::tempdir().unwrap();
    let db = Database::open(folder.path().join("a.db")).unwrap();
    let other = Database::open(folder.path().join("b.db")).unwrap();
    let [one, two] = [&db, &other].map(|db| db.collection("one").create(schema()).unwrap());
    let count = |conn: &Connection| -> nearlite::Result<i64> {
        Ok(conn.query_row("SELECT count(*) FROM one", [], |row| row.get(0))?)
    };
    db.with_connection(|conn| {
        one.insert(&row(1))?;
        conn.execute_batch("BEGIN")?;
        assert_eq!(count(conn)?, 1);
        one.insert(&row(2))?;
        db.transaction(|tx| tx.collection("one")?.insert(&row(3)))?;
        assert_eq!(count(conn)?, 1, "its snapshot stays");
        conn.execute_batch("COMMIT; BEGIN IMMEDIATE")?;
        // Reading goes on beside a write, and another database has locks of its own.
        assert_eq!(one.len()?, 3);
        two.insert(&row(1))?;
        conn.execute_batch("ROLLBACK")?;
        one.insert(&row(4))?;
        // In a table of its own it writes to nothing that others write to.
        conn.execute_batch("BEGIN; CREATE TEMP TABLE t(x); INSERT INTO t VALUES(1)")?;
        one.insert(&row(5))
    })
    .unwrap();
    assert_eq!(one.len().unwrap(), 5);
}

#[test]
fn a_report_of_progress_that_writes_is_refused_at_once() {
    each(|place, db, [one, two]| {
        let mut reports = 0;
        one.rebuild_with(|_, _| {
            reports += 1;
            refused(place, two.insert(&row(1)));
            refused(place, db.transaction(|_| Ok(())));
            true
        })
        .unwrap();
        assert!(reports > 0);
        two.insert(&row(1)).unwrap();
    });
}

#[test]
fn a_second_loan_does_not_wait_for_the_write_of_its_own_thread() {
    let folder = tempfile::tempdir().unwrap();
    let db =
        OpenOptions::new().busy_timeout(Duration::from_secs(3600)).open(folder.path().join("a.db")).unwrap();
    db.with_connection(|outer| {
        outer.execute_batch("CREATE TABLE own(x); BEGIN IMMEDIATE")?;
        let error = db.with_connection(|inner| Ok(inner.execute_batch("INSERT INTO own VALUES(1)")?));
        assert_eq!(error.unwrap_err().to_string(), "database is locked");
        Ok(outer.execute_batch("COMMIT")?)
    })
    .unwrap();
}

#[test]
fn a_transaction_that_its_closure_ended_is_an_error() {
    each(|place, db, [one, _]| {
        for end in ["COMMIT", "ROLLBACK"] {
            let error = db.transaction(|tx| Ok(tx.execute_batch(end)?)).unwrap_err();
            assert!(error.to_string().contains("ended before its closure"), "{place}: {error}");
        }
        one.insert(&row(2)).unwrap();
    });
}

#[test]
fn who_waits_for_a_transaction_gives_up_after_the_busy_timeout() {
    for place in ["file", "memory"] {
        let folder = tempfile::tempdir().unwrap();
        let path = if place == "file" { folder.path().join("a.db") } else { ":memory:".into() };
        let db = OpenOptions::new().busy_timeout(Duration::from_millis(1)).open(path).unwrap();
        let one = db.collection("one").create(schema()).unwrap();
        db.transaction(|_| {
            let waits = || one.insert(&row(1)).unwrap_err().to_string();
            let sentence = std::thread::scope(|scope| scope.spawn(waits).join().unwrap());
            assert!(sentence.contains("database is locked"), "{place}: {sentence}");
            Ok(())
        })
        .unwrap();
        one.insert(&row(1)).unwrap();
    }
}
