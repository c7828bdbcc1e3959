//! Settings as SQL reads them, and defaults of columns beside the rules of ordinary tables.
#![allow(clippy::unwrap_used)]

mod common;

use common::{open_memory, set};
use nearlite::{Database, Schema};

#[test]
fn sql_reads_every_setting() {
    let conn = open_memory();
    conn.execute_batch(
        "CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT, v VECTOR(2), operator = 'or')",
    )
    .unwrap();
    set(&conn, "automerge", 5);
    let all = || -> serde_json::Value {
        let told: String = conn
            .query_row("SELECT settings FROM nearlite_info('docs') LIMIT 1", [], |row| row.get(0))
            .unwrap();
        serde_json::from_str(&told).unwrap()
    };
    assert_eq!((&all()["automerge"], &all()["delta_rows"]), (&5.into(), &1024.into()));
    assert_eq!((&all()["maintenance"], &all()["fuzzy"]), (&"auto".into(), &serde_json::Value::Null));
    assert_eq!(all()["operator"], "or");
    conn.execute_batch("INSERT INTO docs(docs, rank) VALUES('maintenance', 'commit')").unwrap();
    assert_eq!(all()["maintenance"], "commit");
    // In the row of the table, and in no other.
    let rows: i64 = conn
        .query_row("SELECT count(*) - count(settings) FROM nearlite_info('docs')", [], |row| row.get(0))
        .unwrap();
    assert!(rows > 1);
}

#[test]
fn an_unknown_setting_is_told_all_that_there_are() {
    let db = Database::in_memory().unwrap();
    let notes = db.collection("notes").create(Schema::new().key("id").full_text("body")).unwrap();
    let error = notes.setting("fuzy").unwrap_err().to_string();
    for name in ["automerge", "fuzzy", "stop_words", "threads"] {
        assert!(error.contains(name), "{error}");
    }
}

#[test]
fn update_or_replace_puts_the_default_in_place_of_null() {
    let conn = open_memory();
    conn.execute_batch(
        "CREATE VIRTUAL TABLE docs USING nearlite(lang TEXT NOT NULL DEFAULT 'en', year INTEGER NOT NULL, body TEXT FULLTEXT);
         CREATE TABLE plain(lang TEXT NOT NULL DEFAULT 'en', year INTEGER NOT NULL, body TEXT)",
    )
    .unwrap();
    for table in ["docs", "plain"] {
        conn.execute_batch(&format!("INSERT INTO {table}(rowid, lang, year, body) VALUES(1, 'de', 3, 'x')"))
            .unwrap();
        assert!(conn.execute(&format!("UPDATE {table} SET lang = NULL"), []).is_err(), "{table}");
        assert!(conn.execute(&format!("UPDATE OR REPLACE {table} SET year = NULL"), []).is_err(), "{table}");
        conn.execute(&format!("UPDATE OR REPLACE {table} SET lang = NULL"), []).unwrap();
        let lang: String =
            conn.query_row(&format!("SELECT lang FROM {table}"), [], |row| row.get(0)).unwrap();
        assert_eq!(lang, "en", "{table}");
    }
    let found: i64 =
        conn.query_row("SELECT count(*) FROM docs WHERE lang = 'en'", [], |row| row.get(0)).unwrap();
    assert_eq!(found, 1);
}

#[test]
fn a_default_that_cannot_be_is_shown_short() {
    let sql = "CREATE VIRTUAL TABLE docs USING nearlite(r REAL NOT NULL DEFAULT 1e300, v VECTOR(2))";
    let error = open_memory().execute_batch(sql).unwrap_err().to_string();
    assert!(error.contains("DEFAULT 1e300 ") && error.len() < 300, "{error}");
}
