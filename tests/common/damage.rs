//! A table of which every part can be damaged, every kind of statement on it, and what must be right afterwards.

use super::{Rng, blob, open};
use nearlite::rusqlite::{Connection, params};
use std::path::Path;

/// A vector among those of the table.
pub fn middle() -> String {
    format!("[5{}]", ",5".repeat(63))
}

/// Two segments with dead rows, a tile and single vectors, and a log of additions, removals and kills.
pub fn write_table(path: &Path) {
    let conn = open(path);
    conn.execute_batch(
        "CREATE VIRTUAL TABLE docs USING nearlite(
            id TEXT PRIMARY KEY, body TEXT FULLTEXT, lang TEXT, year INTEGER, embedding VECTOR(64) METRIC l2)",
    )
    .unwrap();
    super::set(&conn, "automerge", 0);
    let mut rng = Rng(5);
    let mut add = |rows: std::ops::RangeInclusive<i64>| {
        conn.execute_batch("BEGIN").unwrap();
        for at in rows {
            let vector: [f32; 64] = std::array::from_fn(|_| rng.below(1000) as f32 / 100.0);
            let lang = ["en", "de", "fr"][rng.below(3)];
            conn.execute(
                "INSERT INTO docs(rowid, id, body, lang, year, embedding) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
                params![at, format!("k{at}"), format!("all w{}", at % 7), lang, 2000 + at, blob(&vector)],
            )
            .unwrap();
        }
        conn.execute_batch("COMMIT").unwrap();
    };
    add(1..=40);
    super::command(&conn, "flush");
    add(41..=60);
    super::command(&conn, "flush");
    conn.execute_batch("DELETE FROM docs WHERE rowid IN (3, 7, 41, 60)").unwrap();
    super::command(&conn, "flush");
    add(61..=70);
    conn.execute_batch(
        "DELETE FROM docs WHERE rowid IN (5, 66); UPDATE docs SET year = 1999 WHERE rowid = 50",
    )
    .unwrap();
}

/// Nothing here is about power loss.
pub fn open_fast(path: &Path) -> Connection {
    let conn = open(path);
    conn.execute_batch("PRAGMA synchronous = OFF").unwrap();
    conn.query_row("PRAGMA journal_mode = MEMORY", [], |_| Ok(())).unwrap();
    conn
}

pub type Answer = Result<Vec<(i64, Option<f64>)>, String>;

/// Every kind of read.
pub fn read_all(conn: &Connection) -> Vec<(String, Answer)> {
    let middle = middle();
    let near = format!("embedding MATCH '{middle}'");
    let queries = [
        "SELECT rowid, NULL FROM docs ORDER BY rowid".to_owned(),
        "SELECT count(*), NULL FROM docs".to_owned(),
        "SELECT year, NULL FROM docs WHERE id = 'k50'".to_owned(),
        "SELECT length(embedding), NULL FROM docs WHERE rowid = 12".to_owned(),
        format!("SELECT rowid, distance FROM docs WHERE {near} ORDER BY distance LIMIT 10"),
        format!("SELECT rowid, distance FROM docs WHERE {near} AND exact = 1 ORDER BY distance"),
        format!("SELECT rowid, distance FROM docs WHERE {near} AND lang = 'en' AND year > 2010 ORDER BY distance LIMIT 5"),
        format!("SELECT rowid, distance FROM docs WHERE {near} AND distance < 9"),
        "SELECT rowid, NULL FROM docs WHERE docs MATCH 'all' ORDER BY rowid".to_owned(),
        "SELECT rowid, length(snippet(docs, 'body', '<', '>', '', 5)) FROM docs WHERE docs MATCH 'w3' AND lang <> 'de' \
         ORDER BY rowid"
            .to_owned(),
        format!("SELECT rowid, NULL FROM docs WHERE docs MATCH hybrid_query('w2', '{middle}') ORDER BY rank LIMIT 8"),
        "SELECT rows, delta FROM nearlite_info('docs')".to_owned(),
    ];
    queries
        .into_iter()
        .map(|sql| {
            let got = super::rows(conn, &sql, [], |r| Ok((r.get(0)?, r.get(1)?))).map_err(|e| e.to_string());
            (sql, got)
        })
        .collect()
}

/// Every kind of write; errors are fine, the caller looks at what is left.
pub fn write_all(conn: &Connection) {
    let run = |sql: &str| drop(conn.execute_batch(sql));
    let middle = middle();
    run(&format!("INSERT INTO docs(id, body, year, embedding) VALUES('n1', 'all new', 1, '{middle}')"));
    run(&format!(
        "INSERT OR REPLACE INTO docs(id, body, year, embedding) VALUES('k12', 'all new', 1, '{middle}')"
    ));
    run(&format!("UPDATE docs SET embedding = '{middle}' WHERE rowid = 21"));
    run("UPDATE docs SET body = 'all other' WHERE rowid = 20");
    run("UPDATE docs SET rowid = 900 WHERE id = 'k62'");
    run("DELETE FROM docs WHERE id = 'k30'");
    for command in ["flush", "merge", "optimize"] {
        run(&format!("INSERT INTO docs(docs) VALUES('{command}')"));
    }
    run("INSERT INTO docs(docs, rank) VALUES('delta_rows', 1)");
    run("DELETE FROM docs WHERE rowid IN (50, 69)");
    drop(conn.query_row("SELECT nearlite_recall('docs', 'embedding', 5, 5)", [], |_| Ok(())));
    drop(conn.query_row("PRAGMA integrity_check", [], |_| Ok(())));
}

/// What the rows themselves say, read without the extension.
fn truth(path: &Path) -> (Vec<i64>, Vec<i64>) {
    let plain = Connection::open(path).unwrap();
    let rows = super::integers(&plain, "SELECT rowid FROM docs_rows ORDER BY rowid", []);
    let text =
        super::integers(&plain, "SELECT rowid FROM docs_rows WHERE body LIKE '%all%' ORDER BY rowid", []);
    (rows, text)
}

/// After `'rebuild'` everything is right again.
pub fn check_healed(path: &Path) -> Result<(), String> {
    let conn = open_fast(path);
    conn.execute_batch("INSERT INTO docs(docs) VALUES('rebuild')").map_err(|e| format!("rebuild: {e}"))?;
    conn.execute_batch("INSERT INTO docs(docs) VALUES('integrity-check')")
        .map_err(|e| format!("after rebuild: {e}"))?;
    let (rows, text) = truth(path);
    let sql = format!("SELECT rowid FROM docs WHERE embedding MATCH '{}'", middle());
    let mut near = super::rows(&conn, &sql, [], |r| r.get::<_, i64>(0)).map_err(|e| e.to_string())?;
    near.sort_unstable();
    let sql = "SELECT rowid FROM docs WHERE docs MATCH 'all' ORDER BY rowid";
    let found = super::rows(&conn, sql, [], |r| r.get::<_, i64>(0)).map_err(|e| e.to_string())?;
    if near != rows || found != text {
        return Err(format!("after rebuild: {near:?} and {found:?} instead of {rows:?} and {text:?}"));
    }
    Ok(())
}
