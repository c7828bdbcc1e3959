//! Memory and threads that a process gives to its tables, and takes back.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Noise, assert_sound, blob, command, open, open_memory, set};
use nearlite::rusqlite::Connection;
use nearlite::{Database, Metric, OpenOptions, Schema};

const DIM: usize = 16;

fn filled(conn: &Connection) {
    conn.execute_batch(&format!(
        "CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT, v VECTOR({DIM}))"
    ))
    .unwrap();
    let mut noise = Noise(4);
    conn.execute_batch("BEGIN").unwrap();
    for row in 1..=600 {
        let sql = "INSERT INTO docs(rowid, body, v) VALUES(?1, 'all w' || (?1 % 9), ?2)";
        conn.execute(sql, (row, blob(&noise.vector(DIM)))).unwrap();
    }
    conn.execute_batch("COMMIT").unwrap();
    command(conn, "optimize");
}

fn found(conn: &Connection) -> (i64, i64) {
    let near: i64 = conn
        .query_row(
            "SELECT count(*) FROM (SELECT rowid FROM docs WHERE v MATCH ?1 LIMIT 10)",
            [blob(&[0.1; DIM])],
            |row| row.get(0),
        )
        .unwrap();
    let words = conn.query_row("SELECT count(*) FROM docs WHERE docs MATCH 'w3'", [], |row| row.get(0));
    (near, words.unwrap())
}

fn memory(conn: &Connection) -> i64 {
    let sql = "SELECT sum(memory_bytes) FROM nearlite_info('docs') WHERE kind <> 'table'";
    conn.query_row(sql, [], |row| row.get(0)).unwrap()
}

fn release(conn: &Connection, name: &str) -> i64 {
    conn.query_row("SELECT nearlite_release(?1)", [name], |row| row.get(0)).unwrap()
}

#[test]
fn the_memory_of_one_file_is_released_and_searches_load_it_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("one.db");
    let (conn, other) = (open(&path), open_memory());
    for conn in [&conn, &other] {
        filled(conn);
        assert_eq!(found(conn), (10, 67));
    }
    let (held, beside) = (memory(&conn), memory(&other));
    assert!(held > 0 && beside > 0);
    assert_eq!(release(&conn, "main"), held);
    assert_eq!((memory(&conn), memory(&other)), (0, beside));
    assert_eq!(found(&conn), (10, 67));
    assert_eq!(memory(&conn), held);
    // By the name of the file, and inside a transaction.
    conn.execute_batch("BEGIN; INSERT INTO docs(body) VALUES('all w3')").unwrap();
    assert_eq!(release(&conn, path.canonicalize().unwrap().to_str().unwrap()), held);
    assert_eq!(found(&conn), (10, 68));
    conn.execute_batch("ROLLBACK").unwrap();
    assert_eq!(found(&conn), (10, 67));
    assert_sound(&conn);
    let wrong = conn.query_row("SELECT nearlite_release('nothing')", [], |_| Ok(())).unwrap_err();
    assert!(wrong.to_string().contains("no database 'nothing'"), "{wrong}");
    conn.execute_batch("CREATE VIEW sly AS SELECT nearlite_release()").unwrap();
    assert!(conn.query_row("SELECT * FROM sly", [], |_| Ok(())).is_err(), "a view may not call it");
}

#[test]
fn one_thread_builds_what_many_build() {
    let _one = OpenOptions::new().threads(1).open_in_memory().unwrap();
    let conn = open_memory();
    filled(&conn);
    set(&conn, "threads", 1);
    command(&conn, "rebuild");
    assert_eq!(found(&conn), (10, 67));
    let error = conn.execute("INSERT INTO docs(docs, rank) VALUES('threads', 2000)", []).unwrap_err();
    assert!(error.to_string().contains("threads must be 0 to 1024"), "{error}");
    OpenOptions::new().threads(0).open_in_memory().unwrap();
    assert_sound(&conn);
}

#[test]
fn ten_tables_that_are_built_at_once_are_all_right() {
    let folder = tempfile::tempdir().unwrap();
    let db = Database::open(folder.path().join("ten.db")).unwrap();
    let schema = || Schema::new().integer_key("id").vector("v", DIM, Metric::L2);
    std::thread::scope(|scope| {
        for table in 0..10 {
            let docs = db.collection(format!("docs{table}")).create(schema()).unwrap();
            scope.spawn(move || {
                let mut noise = Noise(table);
                let rows: Vec<_> =
                    (0..2_200).map(|id| serde_json::json!({"id": id, "v": noise.vector(DIM)})).collect();
                docs.insert(&rows).unwrap();
                docs.optimize().unwrap();
                docs.verify().unwrap();
            });
        }
    });
    assert!(db.release().unwrap() > 0);
}
