//! `optimize` and `rebuild` of a `Database` let other writers in, lose nothing of what these write, and can be stopped or
//! die in the middle.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Noise, assert_sound, open};
use nearlite::rusqlite::Connection;
use nearlite::{Collection, Database, Error, Metric, Schema, Synchronous};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

const DIM: usize = 24;
const ROWS: i64 = 6_000;

fn filled(path: &Path) -> (Database, Collection) {
    let db = Database::options().synchronous(Synchronous::Off).maintenance(false).open(path).unwrap();
    let schema = Schema::new().integer_key("id").full_text("body").integer("n").vector("v", DIM, Metric::L2);
    let docs = db.collection("docs").create(schema).unwrap();
    // Nothing is in progress that would have to come to its end before.
    docs.set("maintenance", 2).unwrap();
    let mut noise = Noise(3);
    let ids: Vec<i64> = (1..=ROWS).collect();
    // Several segments, each with dead rows, and a log.
    for part in ids.chunks(1_700) {
        let rows: Vec<_> = part.iter().map(|id| row(*id, 0, &mut noise)).collect();
        docs.insert(&rows).unwrap();
        if part.len() == 1_700 {
            docs.flush().unwrap();
        }
    }
    docs.delete(ids.iter().filter(|id| **id % 10 == 0).copied().collect::<Vec<_>>()).unwrap();
    (db, docs)
}

fn row(id: i64, n: i64, noise: &mut Noise) -> serde_json::Value {
    serde_json::json!({"id": id, "body": format!("all w{}", n % 7), "n": n, "v": noise.vector(DIM)})
}

/// Segments, rows of the log, dead rows, bytes of chunks that belong to no segment, claims.
fn state(conn: &Connection) -> [i64; 5] {
    let sql =
        "SELECT segments, delta, dead, (SELECT ifnull(sum(length(data)), 0) FROM docs_chunks) - disk_bytes,
                      (SELECT count(*) FROM docs_config WHERE name LIKE 'claim %')
               FROM nearlite_info('docs') LIMIT 1";
    conn.query_row(sql, [], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?]))
        .unwrap()
}

fn check(docs: &Collection, conn: &Connection, expected: &BTreeMap<i64, i64>, what: &str) {
    assert_eq!(docs.len().unwrap(), expected.len(), "{what}");
    for word in 0..7 {
        let mut found: Vec<i64> = docs
            .search()
            .text(format!("w{word}"))
            .limit(10_000)
            .run()
            .unwrap()
            .iter()
            .map(|hit| hit.key().to_string().parse().unwrap())
            .collect();
        found.sort_unstable();
        let rows: Vec<i64> = expected.iter().filter(|(_, n)| **n % 7 == word).map(|(id, _)| *id).collect();
        assert_eq!(found, rows, "{what}, w{word}");
    }
    assert_sound(conn);
}

fn at_first() -> BTreeMap<i64, i64> {
    (1..=ROWS).filter(|id| id % 10 != 0).map(|id| (id, 0)).collect()
}

#[test]
fn others_write_meanwhile_and_nothing_of_it_is_lost() {
    for work in ["optimize", "rebuild"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long.db");
        let (db, docs) = filled(&path);
        let reader = open(&path);
        let (over, commits, mut expected) = (AtomicBool::new(false), AtomicI64::new(0), at_first());
        let mut reports = 0;
        std::thread::scope(|scope| {
            let docs = &docs;
            let writer = scope.spawn(|| {
                let (mut noise, mut written) = (Noise(5), BTreeMap::new());
                // Rows are made, changed, changed twice and deleted.
                for at in 1_i64.. {
                    if over.load(Ordering::Acquire) {
                        break;
                    }
                    match at % 4 {
                        0 => docs.delete([at * 3 + 1]).unwrap(),
                        1 => docs.insert(&row(ROWS + at, at, &mut noise)).map(|_| ()).map(|()| 1).unwrap(),
                        2 => docs.upsert(&row(at + 4, at, &mut noise)).map(|_| 1).unwrap(),
                        _ => {
                            docs.update(at + 3, &row(at + 3, at, &mut noise)).unwrap();
                            1
                        }
                    };
                    match at % 4 {
                        0 => written.insert(at * 3 + 1, None),
                        1 => written.insert(ROWS + at, Some(at)),
                        2 => written.insert(at + 4, Some(at)),
                        _ => written.insert(at + 3, Some(at)),
                    };
                    commits.fetch_add(1, Ordering::Relaxed);
                }
                written
            });
            let mut progress = |done, total| {
                assert!(done <= total);
                reports += 1;
                true
            };
            let before = commits.load(Ordering::Relaxed);
            match work {
                "optimize" => docs.optimize_with(&mut progress).unwrap(),
                _ => docs.rebuild_with(&mut progress).unwrap(),
            }
            assert!(commits.load(Ordering::Relaxed) > before + 3, "{work}: nobody was let in");
            over.store(true, Ordering::Release);
            for (id, n) in writer.join().unwrap() {
                match n {
                    Some(n) => expected.insert(id, n),
                    None => expected.remove(&id),
                };
            }
        });
        assert!(reports > 0);
        check(&docs, &reader, &expected, work);
        // Alone it leaves what the SQL command leaves.
        match work {
            "optimize" => docs.optimize().unwrap(),
            _ => docs.rebuild().unwrap(),
        }
        assert_eq!(state(&reader), [1, 0, 0, 0, 0], "{work}");
        check(&docs, &reader, &expected, work);
        assert!(docs.recall(50, 10).unwrap() > 0.9);
        drop(db);
    }
}

#[test]
fn it_can_be_stopped_and_leaves_nothing() {
    for work in ["optimize", "rebuild"] {
        // Before it has begun, while it reads, while it builds or writes.
        for stop_at in [1, 4, 12, 30] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("stopped.db");
            let (_db, docs) = filled(&path);
            let reader = open(&path);
            let mut reports = 0;
            let stops = |_: usize, _: usize| {
                reports += 1;
                reports < stop_at
            };
            let stopped = match work {
                "optimize" => docs.optimize_with(stops),
                _ => docs.rebuild_with(stops),
            };
            assert!(matches!(stopped, Err(Error::Interrupted)), "{work}, {stop_at}: {stopped:?}");
            assert_eq!(state(&reader)[3..], [0, 0], "{work}, {stop_at}");
            check(&docs, &reader, &at_first(), &format!("{work}, {stop_at}"));
        }
    }
}

#[test]
fn a_process_that_dies_in_the_middle_loses_nothing() {
    for work in ["optimize", "rebuild"] {
        for die_at in [2, 8, 20, 60] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("dying.db");
            let (_db, docs) = filled(&path);
            let dead = folder.path().join("dead.db");
            let mut reports = 0;
            let mut progress = |_: usize, _: usize| {
                reports += 1;
                if reports == die_at {
                    // As a crash leaves it: what the transaction of this moment has written is in no commit.
                    for suffix in ["", "-wal"] {
                        let of = |path: &Path| format!("{}{suffix}", path.display());
                        std::fs::copy(of(&path), of(&dead)).unwrap();
                    }
                }
                true
            };
            match work {
                "optimize" => docs.optimize_with(&mut progress).unwrap(),
                _ => docs.rebuild_with(&mut progress).unwrap(),
            }
            if reports < die_at {
                continue;
            }
            let conn = open(&dead);
            let db = Database::options().maintenance(false).open(&dead).unwrap();
            let docs = db.collection("docs").open().unwrap();
            check(&docs, &conn, &at_first(), &format!("{work}, {die_at}"));
            docs.optimize().unwrap();
            check(&docs, &conn, &at_first(), &format!("{work}, {die_at}, optimized"));
            docs.rebuild().unwrap();
            assert_eq!(state(&conn), [1, 0, 0, 0, 0], "{work}, {die_at}");
        }
    }
}
