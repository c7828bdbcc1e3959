//! A filter over JSON objects and over rows: inside a search and as a function, the same rows every time, or an error in both.
//!
//! Input: an even byte and the text of a filter, or an odd byte and choices that make one.

use super::bytes::Bytes;
use super::common::{self, rows};
use super::outcome::honest;
use nearlite::rusqlite::{Connection, params};
use nearlite::{Collection, Filter};

const OBJECTS: [&str; 12] = [
    "{}",
    r#"{"n": 1, "t": "en", "tags": ["a", "b"], "a": {"b": 3}}"#,
    r#"{"n": 1.0, "t": "EN", "tags": [], "a.b": 3}"#,
    r#"{"n": 9007199254740993, "t": "", "tags": "a", "a": [{"b": 3}, {"b": "x"}, 5]}"#,
    r#"{"n": 9007199254740992.0, "t": null, "tags": [null, 1, true]}"#,
    r#"{"n": true, "t": "t%_", "tags": [["a"]], "a": null}"#,
    r#"{"n": "1", "t": "ä", "a": {"b": {"c": 1}}, "a.b": {"c": 2}}"#,
    r#"{"n": null, "t": "e\u0301\n", "a": {"b.c": 4}}"#,
    r#"{"n": -0.0, "n": 7, "t": "\ud800", "": 1, "a": {"": 2}}"#,
    r#"{"n": 1e999, "t": "en ", "tags": [1, 1.0, "1"]}"#,
    r#"{"n": -9223372036854775808, "a": {"b": [1, [2], {"c": 3}]}}"#,
    r#"{"n": 9223372036854775808, "a": {"b": []}, "tags": {"0": "a"}}"#,
];
const PATHS: [&str; 14] =
    ["n", "t", "tags", "a", "a.b", "a.b.c", "", "a.", "meta.n", "meta.a.b", "meta", "year", "id", "rowid"];
const SCALARS: [&str; 16] = [
    "null",
    "true",
    "false",
    "0",
    "1",
    "1.0",
    "7",
    "3",
    "9007199254740993",
    "9007199254740992.0",
    "1e999",
    r#""en""#,
    r#""""#,
    r#""a""#,
    r#""1""#,
    r#""k3""#,
];
const TESTS: [&str; 8] = ["$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$contains", "$like"];
const LISTS: [&str; 5] = ["$in", "$nin", "$contains_any", "$contains_all", "$between"];
const DEEPEST: usize = 4;

thread_local! {
    static CONN: Connection = {
        let conn = common::open_memory();
        fill(&conn);
        conn
    };
}

/// Rows in two segments and in the log, some dead, some with another object than they were sealed with.
fn fill(conn: &Connection) {
    conn.execute_batch(
        "CREATE VIRTUAL TABLE docs USING nearlite(id TEXT PRIMARY KEY, year INTEGER, meta JSON, v VECTOR(1) METRIC l2);
         CREATE TABLE plain(meta TEXT);
         INSERT INTO docs(docs, rank) VALUES('automerge', 0)",
    )
    .unwrap();
    for at in 0..30_usize {
        let meta = (at % 13 != 12).then(|| OBJECTS[at % OBJECTS.len()]);
        let year = (at % 5 != 4).then_some(at as i64 % 8);
        let values = params![at as i64, format!("k{at}"), year, meta, common::blob(&[at as f32])];
        conn.execute("INSERT INTO docs(rowid, id, year, meta, v) VALUES(?1, ?2, ?3, ?4, ?5)", values)
            .unwrap();
        conn.execute("INSERT INTO plain(rowid, meta) VALUES(?1, ?2)", params![at as i64, meta]).unwrap();
        if at == 11 || at == 19 {
            common::command(conn, "flush");
        }
    }
    for table in ["docs", "plain"] {
        conn.execute_batch(&format!("DELETE FROM {table} WHERE rowid IN (5, 15, 26)")).unwrap();
        for (rowid, object) in [(3, 1), (14, 6), (24, 9)] {
            let sql = format!("UPDATE {table} SET meta = ?2 WHERE rowid = ?1");
            conn.execute(&sql, params![rowid, OBJECTS[object]]).unwrap();
        }
    }
}

pub fn run(data: &[u8]) {
    let mut bytes = Bytes(data);
    let text = if bytes.u8() % 2 == 0 {
        String::from_utf8_lossy(bytes.0).into_owned()
    } else {
        let mut text = String::new();
        grow(&mut bytes, 0, &mut text);
        text
    };
    CONN.with(|conn| check(conn, &text));
}

fn check(conn: &Connection, filter: &str) {
    let ids = |sql: &str| honest(rows(conn, sql, [filter], |row| row.get::<_, i64>(0)));
    let wanted = ids("SELECT rowid FROM plain WHERE json_matches(meta, ?1) ORDER BY rowid");
    let search = "SELECT rowid FROM docs WHERE v MATCH '[0]' AND";
    let same =
        |got: Result<Vec<i64>, String>, wanted: &Result<Vec<i64>, String>, what: &str| match (got, wanted) {
            (Ok(got), Ok(wanted)) => assert_eq!(&got, wanted, "{what}: {filter}"),
            (got, wanted) => {
                assert!(got.is_err() && wanted.is_err(), "{what}: {filter}: {got:?}, not {wanted:?}")
            }
        };
    same(ids(&format!("{search} json_matches(meta, ?1)")), &wanted, "in a search");
    let opposite = ids("SELECT rowid FROM plain WHERE NOT json_matches(meta, ?1) ORDER BY rowid");
    let docs = Collection::on(conn, "docs").unwrap();
    let typed = |filter: Filter| {
        let hits = honest(docs.search().filter(filter).nearest("v", [0.0]).limit(1000).run());
        hits.map(|hits| hits.into_iter().map(|hit| hit.rowid).collect::<Vec<i64>>())
    };
    same(typed(Filter::json("meta", filter)), &wanted, "typed");
    same(typed(Filter::json("meta", filter).not()), &opposite, "its opposite");

    let by_row = ids("SELECT rowid FROM docs WHERE row_matches(docs, ?1) ORDER BY rowid");
    same(ids(&format!("{search} row_matches(docs, ?1)")), &by_row, "of the row, in a search");
    same(typed(Filter::row(filter)), &by_row, "of the row, typed");
    let not_by_row = ids("SELECT rowid FROM docs WHERE NOT row_matches(docs, ?1) ORDER BY rowid");
    same(typed(Filter::row(filter).not()), &not_by_row, "of the row, its opposite");
    if let (Ok(some), Ok(others)) = (&by_row, &not_by_row) {
        assert_eq!(some.len() + others.len(), 27, "{filter}");
    }
}

/// Appends a filter.
fn grow(bytes: &mut Bytes<'_>, depth: usize, out: &mut String) {
    out.push('{');
    let kind = if depth < DEEPEST { bytes.below(10) } else { 9 };
    match kind {
        0 | 1 => {
            out.push_str(if kind == 0 { "\"$and\":[" } else { "\"$or\":[" });
            for at in 0..bytes.below(4) {
                if at > 0 {
                    out.push(',');
                }
                grow(bytes, depth + 1, out);
            }
            out.push(']');
        }
        2 => {
            out.push_str("\"$not\":");
            grow(bytes, depth + 1, out);
        }
        _ => {
            out.push_str(&format!("\"{}\":", bytes.pick(&PATHS)));
            test(bytes, out);
        }
    }
    out.push('}');
}

fn test(bytes: &mut Bytes<'_>, out: &mut String) {
    match bytes.below(8) {
        0 => out.push_str(bytes.pick(&SCALARS)),
        1 | 2 => {
            let list: Vec<&str> = (0..bytes.below(4)).map(|_| bytes.pick(&SCALARS)).collect();
            out.push_str(&format!("{{\"{}\":[{}]}}", bytes.pick(&LISTS), list.join(",")));
        }
        3 => out.push_str(&format!("{{\"$exists\":{}}}", bytes.pick(&["true", "false"]))),
        4 => {
            out.push_str("{\"$not\":");
            out.push_str(&format!("{{\"{}\":{}}}}}", bytes.pick(&TESTS), bytes.pick(&SCALARS)));
        }
        _ => out.push_str(&format!("{{\"{}\":{}}}", bytes.pick(&TESTS), bytes.pick(&SCALARS))),
    }
}
