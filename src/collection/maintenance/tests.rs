//! Two processes on one table, each of them a [`Memo`] at a place of its own. Tests run at the same time, so none has the places of
//! another.

use super::super::cache;
use super::super::sealed::Segment;
use super::*;
use crate::collection::OpenCollection;
use crate::storage::{Claim, PayloadKind, Storage};
use rusqlite::limits::Limit;

/// A table of two segments.
fn table() -> (Connection, OpenCollection) {
    table_in(Connection::open_in_memory().unwrap())
}

fn table_in(conn: Connection) -> (Connection, OpenCollection) {
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
    let [mut own, mut other] = ["dead", "alive"].map(|place| Memo::new(Place(place.into())));
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

#[test]
fn a_payload_is_loaded_in_pieces_and_checked_as_a_whole() {
    let conn = Connection::open_in_memory().unwrap();
    // Chunks are as short as values have to be.
    conn.set_limit(Limit::SQLITE_LIMIT_LENGTH, 10_000).unwrap();
    let (conn, docs) = table_in(conn);
    let record = docs.storage.segments(&conn).unwrap().remove(0);
    let (kind, id) = (PayloadKind::Vector(0), record.id);
    let entry = record.payload(kind).unwrap().clone();
    assert!(entry.chunks > 8, "{} chunks are too few to mean anything", entry.chunks);
    let fresh = || {
        cache::forget(id);
        Segment::new(record.clone(), docs.on(&conn).schema, 0)
    };
    let by_pieces = |segment: &Segment| {
        let (mut loading, mut end) = (None, 2);
        while !segment.load_some(docs.on(&conn), kind, &mut loading, end)? {
            assert!(!segment.is_loaded(kind) && loading.is_some());
            end += 2;
        }
        Ok::<usize, Error>(end)
    };
    let segment = fresh();
    assert_eq!(by_pieces(&segment).unwrap(), (entry.chunks as usize).next_multiple_of(2));
    let index = segment.loaded_vector(0).unwrap();
    assert_eq!(index.encode(), fresh().vector(docs.on(&conn), 0).unwrap().encode());
    // What is in memory is not read again.
    assert_eq!(by_pieces(&segment).unwrap(), 2);

    let last = entry.first + i64::from(entry.chunks) - 1;
    conn.execute("UPDATE docs_chunks SET data = CAST(zeroblob(length(data)) AS BLOB) WHERE id = ?1", [last])
        .unwrap();
    let error = by_pieces(&fresh()).unwrap_err();
    assert!(matches!(&error, Error::Corrupt { what, .. } if what.contains("checksum")), "{error}");
    cache::forget(id);
}
