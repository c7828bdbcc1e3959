//! Views and triggers where a table keeps its data: SQLite runs each of them as a statement of its own and counts no
//! depth, so a file could send the host round in circles until its stack ends. Every way round is an error.
#![allow(clippy::unwrap_used)]

mod common;

use common::{open, open_memory};
use nearlite::rusqlite::Connection;

const TABLE: &str = "CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT, n INTEGER, v VECTOR(2));
     INSERT INTO docs VALUES('all one', 1, '[1,2]'), ('all two', 2, '[2,1]');
     INSERT INTO docs(docs) VALUES('flush');
     INSERT INTO docs VALUES('all three', 3, '[3,1]');
     DELETE FROM docs WHERE n = 1;";

/// Every kind of statement that reads or writes the table.
const STATEMENTS: [&str; 16] = [
    "SELECT count(*) FROM docs",
    "SELECT body, v FROM docs",
    "SELECT rowid FROM docs WHERE v MATCH '[1,1]' LIMIT 3",
    "SELECT rowid FROM docs WHERE docs MATCH 'all' LIMIT 3",
    "SELECT rowid FROM docs WHERE docs MATCH hybrid_query('all', '[1,1]') AND n > 1 LIMIT 3",
    "SELECT * FROM nearlite_info('docs')",
    "SELECT nearlite_recall('docs', 'v', 2, 2)",
    "INSERT INTO docs VALUES('all four', 4, '[4,1]')",
    "UPDATE docs SET v = '[5,5]' WHERE rowid = 2",
    "UPDATE docs SET body = 'all' WHERE rowid = 3",
    "DELETE FROM docs WHERE rowid = 2",
    "INSERT INTO docs(docs) VALUES('integrity-check')",
    "INSERT INTO docs(docs) VALUES('flush')",
    "INSERT INTO docs(docs) VALUES('optimize')",
    "INSERT INTO docs(docs) VALUES('rebuild')",
    "INSERT INTO docs(docs, rank) VALUES('ef_search', 40)",
];

/// Columns of a shadow table, and a value of the right kind for each.
const SHADOWS: [(&str, &[(&str, &str)]); 8] = [
    ("config", &[("id", "1"), ("name", "'format'"), ("value", "2")]),
    ("rows", &[("rowid", "2"), ("body", "'all'"), ("n", "2")]),
    ("vectors", &[("rowid", "2"), ("v0", "zeroblob(8)")]),
    ("delta", &[("seq", "1"), ("op", "1"), ("row", "2"), ("segment", "1"), ("ord", "1"), ("stamp", "7")]),
    ("segments", &[("seq", "1"), ("id", "zeroblob(16)"), ("rows", "2"), ("directory", "zeroblob(1)")]),
    ("chunks", &[("id", "1"), ("data", "zeroblob(9)")]),
    ("tombstones", &[("segment", "1"), ("dead", "zeroblob(8)"), ("checksum", "0")]),
    ("tiles", &[("id", "1"), ("data", "zeroblob(9)")]),
];

/// Conditions that lead back to the table.
const WAYS: [&str; 7] = [
    "FROM docs",
    "FROM docs WHERE v MATCH '[1,1]' LIMIT 2",
    "FROM docs WHERE docs MATCH 'all' LIMIT 2",
    "FROM nearlite_info('docs')",
    "FROM other WHERE v MATCH '[1,1]'",
    "FROM w2",
    "WHERE nearlite_recall('docs', 'v', 2, 2) >= 0",
];

/// Runs every statement in a transaction that is rolled back; answers the errors.
fn run_all(conn: &Connection) -> Vec<String> {
    let run = |sql: &&str| {
        conn.execute_batch("BEGIN").unwrap();
        let outcome = common::rows(conn, sql, [], |row| row.get::<_, nearlite::rusqlite::types::Value>(0));
        if !conn.is_autocommit() {
            conn.execute_batch("ROLLBACK").unwrap();
        }
        outcome.err().map(|error| error.to_string())
    };
    STATEMENTS.iter().filter_map(run).collect()
}

#[test]
fn a_view_in_place_of_a_shadow_table_is_an_error_however_it_leads_back() {
    let dir = tempfile::tempdir().unwrap();
    let template = dir.path().join("template.db");
    open(&template).execute_batch(TABLE).unwrap();
    let (mut tried, mut circles) = (0, 0);
    for (suffix, columns) in SHADOWS {
        for way in WAYS {
            let path = dir.path().join("hostile.db");
            std::fs::copy(&template, &path).unwrap();
            let conn = open(&path);
            conn.execute_batch(
                "PRAGMA trusted_schema = 0; PRAGMA synchronous = OFF; PRAGMA legacy_alter_table = 1;
                 CREATE VIRTUAL TABLE other USING nearlite(v VECTOR(2));
                 INSERT INTO other VALUES('[1,1]');
                 CREATE VIEW w1 AS SELECT rowid AS r FROM docs WHERE v MATCH '[2,2]';
                 CREATE VIEW w2 AS SELECT r FROM w1 UNION ALL SELECT 7;
                 ALTER TABLE other_rows RENAME TO hidden;
                 CREATE VIEW other_rows AS SELECT rowid FROM hidden WHERE (SELECT count(*) FROM docs) > 0;",
            )
            .unwrap();
            let listed: Vec<String> =
                columns.iter().map(|(name, value)| format!("{value} AS {name}")).collect();
            let sql = format!(
                "DROP TABLE docs_{suffix}; CREATE VIEW docs_{suffix} AS SELECT {} {way};",
                listed.join(", ")
            );
            // This connection has the table open and goes on with it; another one finds the view when it opens the table.
            // It has searched, so it does not look at the table as a whole again before the root says that it has changed.
            common::rows(&conn, STATEMENTS[2], [], |_| Ok(())).unwrap();
            conn.execute_batch(&sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
            let errors = run_all(&conn);
            circles += errors.iter().filter(|error| error.contains("recursively defined")).count();
            assert!(!errors.is_empty(), "{suffix}, {way}");
            assert!(
                errors.iter().all(|error| !error.contains("internal error")),
                "{suffix}, {way}: {errors:#?}"
            );
            let errors = run_all(&open(&path));
            assert_eq!(errors.len(), STATEMENTS.len(), "{suffix}, {way}: {errors:#?}");
            for error in errors {
                assert!(error.contains(&format!("docs_{suffix} is a view")), "{suffix}, {way}: {error}");
            }
            tried += 1;
        }
    }
    println!("{tried} views, {circles} statements went in circles");
    assert!(tried == 56 && circles > 40, "{circles}");
}

#[test]
fn a_trigger_on_a_shadow_table_that_leads_back_is_an_error() {
    let events = ["AFTER INSERT", "AFTER UPDATE", "BEFORE DELETE"];
    let bodies = [
        "INSERT INTO docs(body) VALUES('x')",
        "DELETE FROM docs",
        "UPDATE docs SET body = body || 'x', v = '[9,9]'",
        "INSERT INTO docs(docs) VALUES('optimize')",
        "INSERT INTO docs(docs) VALUES('rebuild')",
        "INSERT INTO other VALUES('[1,1]')",
        "INSERT INTO door VALUES(1)",
        "SELECT count(*) FROM docs WHERE docs MATCH 'all'",
    ];
    let mut circles = 0;
    for suffix in ["rows", "delta", "segments", "chunks", "config"] {
        for event in events {
            for body in bodies {
                let conn = open_memory();
                conn.execute_batch(TABLE).unwrap();
                conn.execute_batch(&format!(
                    "CREATE VIRTUAL TABLE other USING nearlite(v VECTOR(2));
                     CREATE TRIGGER back AFTER INSERT ON other_delta BEGIN INSERT INTO docs(body) VALUES('y'); END;
                     CREATE VIEW door AS SELECT 1 AS n;
                     CREATE TRIGGER knock INSTEAD OF INSERT ON door BEGIN INSERT INTO docs(body) VALUES('z'); END;
                     CREATE TRIGGER evil {event} ON docs_{suffix} BEGIN {body}; END;"
                ))
                .unwrap();
                let errors = run_all(&conn);
                circles += errors.iter().filter(|error| error.contains("recursively defined")).count();
                let internal = errors.iter().find(|error| error.contains("internal error"));
                assert!(internal.is_none(), "{suffix}, {event}, {body}: {errors:#?}");
            }
        }
    }
    println!("{circles} statements went in circles");
    assert!(circles > 0);
}

#[test]
fn nothing_but_an_ordinary_table_may_hold_the_data() {
    let kinds = [
        ("CREATE VIEW docs_{} AS SELECT 1", "is a view"),
        ("CREATE VIRTUAL TABLE docs_{} USING nearlite(v VECTOR(2))", "is a virtual table"),
        ("CREATE VIRTUAL TABLE docs_{} USING fts5(body)", "is a virtual table"),
        ("CREATE TABLE docs_{}(id INTEGER PRIMARY KEY, data) WITHOUT ROWID", "is a table without rowid"),
    ];
    for (suffix, _) in SHADOWS {
        for (kind, said) in kinds {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("hostile.db");
            let conn = open(&path);
            conn.execute_batch(TABLE).unwrap();
            let sql = format!("ALTER TABLE docs_{suffix} RENAME TO gone; {}", kind.replace("{}", suffix));
            if let Err(error) = conn.execute_batch(&sql) {
                assert!(error.to_string().contains("fts5"), "{sql}: {error}");
                continue;
            }
            drop(conn);
            let conn = open(&path);
            for sql in STATEMENTS {
                let error = common::rows(&conn, sql, [], |_| Ok(())).unwrap_err().to_string();
                assert!(error.contains(&format!("docs_{suffix} {said}")), "{suffix}, {kind}: {error}");
            }
            // What is wrong can be taken away; then the table can be dropped.
            let drop_it = if kind.contains("VIEW") { "VIEW" } else { "TABLE" };
            conn.execute_batch(&format!(
                "DROP {drop_it} docs_{suffix}; ALTER TABLE gone RENAME TO docs_{suffix}"
            ))
            .unwrap();
            assert_eq!(common::integers(&conn, "SELECT count(*) FROM docs", []), [2]);
            conn.execute_batch("DROP TABLE docs").unwrap();
        }
    }
}

#[test]
fn searches_within_searches_and_triggers_of_the_user_are_no_circle() {
    let conn = open_memory();
    conn.execute_batch(TABLE).unwrap();
    conn.execute_batch(
        "CREATE VIRTUAL TABLE copy USING nearlite(body TEXT FULLTEXT, v VECTOR(2));
         CREATE TABLE inbox(body, v);
         CREATE VIEW near AS SELECT rowid, body, v FROM docs WHERE v MATCH '[1,1]';
         CREATE TRIGGER a AFTER INSERT ON inbox BEGIN
             INSERT INTO docs(body, v) VALUES(new.body, new.v);
             INSERT INTO copy(body, v) SELECT body, v FROM docs WHERE rowid = last_insert_rowid();
             INSERT INTO copy(body, v) SELECT body, v FROM near;
         END;
         CREATE TRIGGER b INSTEAD OF INSERT ON near BEGIN INSERT INTO inbox VALUES(new.body, new.v); END;
         INSERT INTO near(body, v) VALUES('all via', '[7,7]');",
    )
    .unwrap();
    assert_eq!(common::integers(&conn, "SELECT count(*) FROM copy", []), [4]);
    // Each level is a search of its own, all of them open at once.
    let mut sql = "SELECT min(rowid) FROM docs WHERE v MATCH '[1,1]'".to_owned();
    for _ in 0..12 {
        sql = format!(
            "SELECT min(d.rowid) FROM docs d WHERE d.v MATCH (SELECT v FROM docs e WHERE e.rowid IN
             (SELECT rowid FROM docs WHERE docs MATCH 'all') AND e.rowid >= ({sql}) LIMIT 1)"
        );
    }
    assert_eq!(common::integers(&conn, &sql, []), [2]);
}
