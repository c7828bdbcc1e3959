//! Any text as a full-text query, and any text as the options of a hybrid one. Rows in the log and rows in segments give
//! the same answer, the search the same as MATCH row by row, and only size is an error of a query text.
//!
//! Input: a letter that tells the role of the rest. `o` options, `h` hybrid, `t` one column, `m` a line of options that say how the words of
//! the text behind it are meant, else the whole table.

use super::common::{self, rows};
use super::outcome::honest;
use nearlite::rusqlite::{Connection, Params, params};
use std::collections::BTreeSet;

const TEXTS: [(&str, &str); 12] = [
    ("SQLite keeps rows", "a vector search in sqlite-vec, or another"),
    ("", "one two three four five six seven eight nine ten"),
    ("größe naïve Straße", "STRASSE groesse"),
    ("東京都の天気", "東京 京都 ไทยแลนด์"),
    ("a-b-c-d-e-f", "x_y z's don't 3.14 1e9"),
    ("emoji 🦀🦀 crab", "\u{0}\u{1}\u{feff}"),
    ("two words", "words two two words"),
    ("sqlite", "sqlite sqlite sqlite"),
    ("title:body", "AND OR NOT"),
    ("vectors", "search \"quoted\" (brackets) *star* ~2 ^3"),
    ("one", "two"),
    ("three", "four"),
];

const TABLES: [&str; 2] = ["log", "sealed"];

thread_local! {
    static CONN: Connection = {
        let conn = common::open_memory();
        for table in TABLES {
            fill(&conn, table);
        }
        conn.execute_batch("INSERT INTO sealed(sealed) VALUES('merge')").unwrap();
        conn
    };
}

fn fill(conn: &Connection, table: &str) {
    conn.execute_batch(&format!(
        "CREATE VIRTUAL TABLE {table} USING nearlite(
            title TEXT FULLTEXT WEIGHT 2, body TEXT FULLTEXT, lang TEXT, v VECTOR(2) METRIC l2)"
    ))
    .unwrap();
    let sql = format!("INSERT INTO {table}(title, body, lang, v) VALUES(?1, ?2, ?3, ?4)");
    for (at, (title, body)) in TEXTS.iter().enumerate() {
        let vector = (at % 4 != 3).then(|| format!("[{at}, 1]"));
        conn.execute(&sql, params![title, body, ["en", "de"][at % 2], vector]).unwrap();
        if table == "sealed" && at % 5 == 0 {
            conn.execute_batch("INSERT INTO sealed(sealed) VALUES('flush')").unwrap();
        }
    }
    conn.execute_batch(&format!("DELETE FROM {table} WHERE rowid IN (3, 11)")).unwrap();
}

pub fn run(data: &[u8]) {
    let (role, text) = data.split_first().unwrap_or((&b'd', data));
    let text = String::from_utf8_lossy(text);
    CONN.with(|conn| match role {
        b'o' => check_options(conn, &text),
        b'h' => check_hybrid(conn, &text),
        b'm' => check_modes(conn, &text),
        b't' => check_query(conn, "title", &text),
        _ => check_query(conn, "", &text),
    });
}

/// Row, and the value it is ordered by.
type Ranking = Vec<(i64, f64)>;

fn ranking(conn: &Connection, sql: &str, params: impl Params) -> Result<Ranking, String> {
    let found: Ranking = honest(rows(conn, sql, params, |r| Ok((r.get(0)?, r.get(1)?))))?;
    for pair in found.windows(2) {
        assert!(pair[0].1 <= pair[1].1, "{sql}: not in order: {found:?}");
        assert!(pair[0].1 < pair[1].1 || pair[0].0 < pair[1].0, "{sql}: not in order of rowid: {found:?}");
    }
    assert!(found.iter().all(|(_, rank)| rank.is_finite()), "{sql}: {found:?}");
    Ok(found)
}

fn set(found: &Ranking) -> BTreeSet<i64> {
    let set: BTreeSet<i64> = found.iter().map(|(rowid, _)| *rowid).collect();
    assert_eq!(set.len(), found.len(), "a row comes twice: {found:?}");
    set
}

/// The rows that a query finds in the table, or `None` for a text that is too large.
fn search(conn: &Connection, table: &str, column: &str, text: &str) -> Option<Ranking> {
    let column = if column.is_empty() { table } else { column };
    let sql = format!("SELECT rowid, rank FROM {table} WHERE {column} MATCH ?1 ORDER BY rank");
    match ranking(conn, &sql, [text]) {
        Ok(found) => Some(found),
        Err(error) => {
            assert!(error.contains("the limit is"), "{text:?} is an error: {error}");
            None
        }
    }
}

fn check_query(conn: &Connection, column: &str, text: &str) {
    let found = TABLES.map(|table| search(conn, table, column, text));
    assert_eq!(found[0].as_ref().map(set), found[1].as_ref().map(set), "log and segments differ on {text:?}");
    for (table, found) in TABLES.into_iter().zip(found) {
        let Some(found) = found else { continue };
        let column = if column.is_empty() { table } else { column };
        let alone = format!("SELECT rowid FROM {table} WHERE CASE WHEN {column} MATCH ?1 THEN 1 ELSE 0 END");
        let alone: BTreeSet<i64> = common::integers(conn, &alone, [text]).into_iter().collect();
        assert_eq!(set(&found), alone, "{table}: the search and MATCH row by row differ on {text:?}");

        let few = format!("SELECT rowid, rank FROM {table} WHERE {column} MATCH ?1 ORDER BY rank LIMIT 3");
        let few = ranking(conn, &few, [text]).unwrap();
        assert_eq!(few, found[..found.len().min(3)], "{table}: LIMIT changes the order of {text:?}");

        let filtered =
            format!("SELECT rowid, rank FROM {table} WHERE {column} MATCH ?1 AND lang = 'en' ORDER BY rank");
        let mut filtered = set(&ranking(conn, &filtered, [text]).unwrap());
        assert!(filtered.iter().all(|rowid| rowid % 2 == 1), "{table}: the filter lets others through");
        filtered.extend(set(&found).iter().filter(|rowid| *rowid % 2 == 0));
        assert_eq!(filtered, set(&found), "{table}: the filter loses rows of {text:?}");

        let marked = format!(
            "SELECT highlight({table}, 'body', '', '') = body AND replace(highlight({table}, 'title', '<|', ''), '<|', '')
                = title AND length(snippet({table}, NULL, '<', '>', '', 3)) >= 0 FROM {table} WHERE {column} MATCH ?1"
        );
        let marked = common::integers(conn, &marked, [text]);
        assert!(marked.iter().all(|kept| *kept == 1), "{table}: marks change the text, query {text:?}");
    }
}

fn check_hybrid(conn: &Connection, text: &str) {
    for table in TABLES {
        let Some(words) = search(conn, table, "", text) else { continue };
        let sql = format!(
            "SELECT rowid, rank FROM {table} WHERE {table} MATCH hybrid_query(?1, '[2, 2]') ORDER BY rank"
        );
        let found = ranking(conn, &sql, [text]).unwrap();
        let near = common::integers(conn, &format!("SELECT rowid FROM {table} WHERE v IS NOT NULL"), []);
        let near: BTreeSet<i64> = near.into_iter().collect();
        let both: BTreeSet<i64> = set(&words).union(&near).copied().collect();
        // A text of forbidden words only scores nothing: it restricts the vector leg, perhaps to no row at all.
        let restricts = words.iter().all(|(_, rank)| *rank == 0.0);
        let kept: BTreeSet<i64> = set(&words).intersection(&near).copied().collect();
        let found = set(&found);
        assert!(
            if words.is_empty() {
                found == near || found.is_empty()
            } else {
                found == if restricts { kept } else { both }
            },
            "{table}: rows of the hybrid query {text:?}: {found:?}"
        );
    }
}

/// A query whose options say how its words are meant: log and segments agree, the search and MATCH row by row, too, and what is no
/// option is one error in both.
fn check_modes(conn: &Connection, input: &str) {
    let (options, text) = input.split_once('\n').unwrap_or((input, "two words sqlite"));
    let found = TABLES.map(|table| {
        let query = format!("{table} MATCH text_query(?1, ?2)");
        let ranked = format!("SELECT rowid, rank FROM {table} WHERE {query} ORDER BY rank");
        let found = ranking(conn, &ranked, [text, options]).map(|found| set(&found));
        let alone = format!("SELECT rowid FROM {table} WHERE CASE WHEN {query} THEN 1 ELSE 0 END");
        let alone = honest(rows(conn, &alone, [text, options], |row| row.get::<_, i64>(0)));
        let alone = alone.map(|rows| rows.into_iter().collect::<BTreeSet<i64>>());
        assert_eq!(found, alone, "{table}: the search and MATCH row by row differ on {text:?} with {options:?}");
        if found.is_ok() {
            let marked = format!(
                "SELECT highlight({table}, 'body', '', '') = body AND highlight({table}, 'title', '', '') = title FROM {table} WHERE {query}"
            );
            let marked = common::integers(conn, &marked, [text, options]);
            assert!(marked.iter().all(|kept| *kept == 1), "{table}: marks change the text, query {text:?}");
        }
        found.ok()
    });
    assert_eq!(found[0], found[1], "log and segments differ on {text:?} with {options:?}");
}

fn check_options(conn: &Connection, options: &str) {
    let found = TABLES.map(|table| {
        let sql = format!(
            "SELECT rowid, rank FROM {table} WHERE {table} MATCH hybrid_query('sqlite', '[2, 2]', ?1) ORDER BY rank"
        );
        honest(rows(conn, &sql, [options], |r| Ok((r.get::<_, i64>(0)?, r.get::<_, f64>(1)?))))
    });
    let sets = found.map(|found| found.map(|found| set(&found)));
    assert_eq!(
        sets[0].as_ref().ok(),
        sets[1].as_ref().ok(),
        "log and segments differ on options {options:?}"
    );
    if let Ok(rows) = &sets[0] {
        assert_eq!(rows.len(), 8, "rows are missing with options {options:?}");
    }
}
