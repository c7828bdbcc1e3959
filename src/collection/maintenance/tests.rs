//! Two processes on one table, each of them a [`Memo`] at a place of its own.

use super::*;
use crate::collection::OpenCollection;
use crate::storage::{Claim, Storage};

/// A table of two segments.
fn table() -> (Connection, OpenCollection) {
    let conn = Connection::open_in_memory().unwrap();
    crate::sql::register(&conn).unwrap();
    conn.execute_batch(
        "CREATE VIRTUAL TABLE docs USING nearlite(v VECTOR(4));
         INSERT INTO docs(docs, rank) VALUES('maintenance', 'manual');
         INSERT INTO docs(docs, rank) VALUES('automerge', 0)",
    )
    .unwrap();
    for first in [1, 801] {
        conn.execute_batch(&format!(
            "WITH RECURSIVE n(at) AS (SELECT {first} UNION ALL SELECT at + 1 FROM n WHERE at < {first} + 799)
             INSERT INTO docs(rowid, v)
             SELECT at, '[' || (at % 97) || ',' || (at % 89) || ',' || (at % 83) || ',' || at || ']' FROM n;
             INSERT INTO docs(docs) VALUES('flush')"
        ))
        .unwrap();
    }
    conn.execute_batch("INSERT INTO docs(docs, rank) VALUES('maintenance', 'commit')").unwrap();
    let collection = OpenCollection::open(&conn, "main", "docs").unwrap();
    (conn, collection)
}

/// One slice in a transaction of its own.
fn slice(conn: &Connection, collection: &OpenCollection, memo: &mut Memo, task: Task) -> Done {
    conn.execute_batch("BEGIN IMMEDIATE").unwrap();
    let settings = collection.settings(conn).unwrap();
    let done = memo.slice(&Site { on: collection.on(conn), settings: &settings }, task).unwrap();
    conn.execute_batch("COMMIT").unwrap();
    memo.committed("docs");
    done
}

fn segments(storage: &Storage, conn: &Connection) -> usize {
    storage.segment_count(conn).unwrap()
}

#[test]
fn a_job_outlives_any_number_of_looks_of_others_as_long_as_its_process_goes_on() {
    let (conn, docs) = table();
    let [mut own, mut other] = ["own", "other"].map(|place| Memo::new(Place(place.into())));
    assert_eq!(slice(&conn, &docs, &mut own, Task::Whole), Done::Worked);
    let mut slices = 1;
    while segments(&docs.storage, &conn) > 1 {
        for _ in 0..200 {
            assert_eq!(slice(&conn, &docs, &mut other, Task::Finish), Done::Waits);
        }
        assert_eq!(slice(&conn, &docs, &mut own, Task::Finish), Done::Worked, "after {slices} slices");
        slices += 1;
    }
    assert!(slices > 5, "{slices} slices are too few to mean anything");
}

#[test]
fn a_job_of_a_process_that_does_not_go_on_is_given_up() {
    let (conn, docs) = table();
    let [mut own, mut other] = ["own", "other"].map(|place| Memo::new(Place(place.into())));
    assert_eq!(slice(&conn, &docs, &mut own, Task::Whole), Done::Worked);
    let looks =
        (0..1_000).take_while(|_| slice(&conn, &docs, &mut other, Task::Finish) == Done::Waits).count();
    assert!((100..500).contains(&looks), "{looks}");
    assert!(docs.storage.claims(&conn).unwrap().iter().all(Claim::is_trash));
    assert_eq!(slice(&conn, &docs, &mut other, Task::Whole), Done::Worked);
    while slice(&conn, &docs, &mut other, Task::Finish) == Done::Worked {}
    assert_eq!(segments(&docs.storage, &conn), 1);
    assert!(docs.storage.claims(&conn).unwrap().is_empty());
}
