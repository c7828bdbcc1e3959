//! `'integrity-check'` compares the index with every row: a row that was changed behind the table's back is named.
#![allow(clippy::unwrap_used)]

mod common;

use common::{assert_sound, blob, command, open_memory};
use nearlite::rusqlite::Connection;

const DIM: usize = 40;

fn vector(seed: i64) -> Vec<f32> {
    (0..DIM as i64).map(|i| ((seed * 37 + i * 11) % 101) as f32 / 50.0 - 1.0).collect()
}

/// 700 rows in segments with dead rows, and some more in memory.
fn filled(metric: &str, store: &str) -> Connection {
    let conn = open_memory();
    conn.execute_batch(&format!(
        "CREATE VIRTUAL TABLE docs USING nearlite(id TEXT PRIMARY KEY, title TEXT FULLTEXT, body TEXT FULLTEXT, lang TEXT,
           year INTEGER, price REAL, free BOOLEAN, raw UNINDEXED, v VECTOR({DIM}) METRIC {metric} STORE {store})"
    ))
    .unwrap();
    let sql = "INSERT INTO docs(rowid, id, title, body, lang, year, price, free, raw, v)
               VALUES(?1, 'k' || ?1, ?2, ?3, ?4, ?1 % 30, ?1 / 7.0, ?1 % 2, x'00', ?5)";
    for at in 1..=750_i64 {
        let title = (at % 9 != 0).then(|| format!("Title {} zürich 日本語のテキスト", at % 50));
        let body = (at % 8 != 0).then(|| "words and more words ".repeat((at % 5) as usize));
        let lang = ["en", "de", "fr"].get((at % 4) as usize);
        let v = (at % 10 != 0).then(|| blob(&vector(at)));
        conn.execute(sql, (at, title, body, lang, v)).unwrap();
        if at == 300 || at == 700 {
            command(&conn, "flush");
            conn.execute("DELETE FROM docs WHERE rowid % 13 = 5", []).unwrap();
        }
    }
    conn
}

#[test]
fn sound_tables_pass_whatever_metric_and_store() {
    for metric in ["cosine", "l2", "ip"] {
        for store in ["f32", "f16"] {
            let conn = filled(metric, store);
            assert_sound(&conn);
            command(&conn, "optimize");
            assert_sound(&conn);
        }
    }
}

#[test]
fn a_row_that_does_not_fit_its_index_is_named_and_rebuild_heals_it() {
    let far = blob(&vector(1).iter().map(|x| -3.0 * x).collect::<Vec<_>>());
    for (column, change) in [
        ("year", "UPDATE docs_rows SET year = 77 WHERE rowid = 103".to_owned()),
        ("lang", "UPDATE docs_rows SET lang = 'xx' WHERE rowid = 103".into()),
        ("price", "UPDATE docs_rows SET price = 1.25 WHERE rowid = 103".into()),
        ("free", "UPDATE docs_rows SET free = 0 WHERE rowid = 103".into()),
        ("title", "UPDATE docs_rows SET title = 'another word' WHERE rowid = 103".into()),
        ("body", "UPDATE docs_rows SET body = NULL WHERE rowid = 103".into()),
        ("body", "UPDATE docs_rows SET body = body || ' words' WHERE rowid = 103".into()),
        ("v", format!("UPDATE docs_vectors SET v0 = x'{}' WHERE rowid = 103", hex(&far))),
        ("v", "UPDATE docs_vectors SET v0 = NULL WHERE rowid = 103".into()),
    ] {
        for optimized in [false, true] {
            let conn = filled("l2", "f32");
            if optimized {
                command(&conn, "optimize");
            }
            assert_eq!(conn.execute(&change, []).unwrap(), 1, "{change}");
            let check = conn.execute("INSERT INTO docs(docs) VALUES('integrity-check')", []);
            let error = check.expect_err(&change).to_string();
            assert!(error.contains("row 103") && error.contains(column), "{change}: {error}");
            let verdict: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
            assert!(verdict.contains("row 103"), "{change}: {verdict}");
            command(&conn, "rebuild");
            assert_sound(&conn);
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
