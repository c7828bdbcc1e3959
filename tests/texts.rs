//! Texts that SQLite and the search do not read alike: in another encoding than UTF-8, with a NUL in them, of bytes that are no
//! UTF-8. Searches, filters and changes find the rows that they find in an ordinary table.
#![allow(clippy::unwrap_used)]

mod common;

use common::{command, open_memory, rows};
use nearlite::rusqlite::types::{ToSqlOutput, ValueRef};
use nearlite::rusqlite::{Connection, Params, ToSql, params};
use nearlite::{Collection, Filter, col};

/// In UTF-16 some of them have another order than in UTF-8.
const TEXTS: [&str; 8] = ["a", "a\u{fffd}b", "z", "é", "ā", "中", "\u{ffee}", "😀"];

/// A collection and an ordinary table with the same rows, half of them in a segment.
fn tables(encoding: &str) -> Connection {
    let conn = open_memory();
    conn.execute_batch(&format!(
        "PRAGMA encoding = '{encoding}';
         CREATE VIRTUAL TABLE docs USING nearlite(key TEXT PRIMARY KEY, lang TEXT, n INTEGER, v VECTOR(2));
         CREATE TABLE plain(key TEXT PRIMARY KEY, lang TEXT, n INTEGER)"
    ))
    .unwrap();
    assert_eq!(texts(&conn, "PRAGMA encoding", []), [encoding]);
    for (n, text) in (0_i64..).zip(TEXTS) {
        conn.execute("INSERT INTO docs(key, lang, n, v) VALUES(?1, ?1, ?2, '[1,0]')", params![text, n])
            .unwrap();
        conn.execute("INSERT INTO plain VALUES(?1, ?1, ?2)", params![text, n]).unwrap();
        if n == 4 {
            command(&conn, "flush");
        }
    }
    conn
}

fn texts(conn: &Connection, sql: &str, params: impl Params) -> Vec<String> {
    rows(conn, sql, params, |row| row.get(0)).unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// The keys of the rows that pass a condition of SQL, in the table of this name, by number.
fn passing(conn: &Connection, table: &str, condition: &str, params: impl Params) -> Vec<String> {
    texts(conn, &format!("SELECT key FROM {table} WHERE {condition} ORDER BY n"), params)
}

/// Those that pass a filter: by a search, by a scan, and as they are counted.
fn filtered(docs: &Collection<&Connection>, filter: &Filter) -> Vec<String> {
    let found = |search: nearlite::Search<'_, &Connection>| {
        let hits = search.filter(filter.clone()).limit(100).run().unwrap();
        let mut keys: Vec<String> = hits.iter().map(|hit| hit.key().to_string()).collect();
        keys.sort_unstable();
        keys
    };
    let keys = found(docs.search().nearest("v", [1.0, 0.0]));
    assert_eq!(found(docs.search()), keys, "{filter:?}");
    assert_eq!(docs.count(filter.clone()).unwrap(), keys.len(), "{filter:?}");
    keys
}

#[test]
fn ranges_of_texts_find_the_same_rows_in_every_encoding() {
    for encoding in ["UTF-8", "UTF-16le", "UTF-16be"] {
        let conn = tables(encoding);
        let docs = Collection::on(&conn, "docs").unwrap();
        for (bound, op) in
            TEXTS.iter().flat_map(|bound| ["<", "<=", ">", ">=", "=", "<>"].map(|op| (bound, op)))
        {
            for column in ["key", "lang"] {
                for condition in
                    [format!("{column} {op} '{bound}'"), format!("{column} {op} (SELECT '{bound}')")]
                {
                    let expected = passing(&conn, "plain", &condition, []);
                    let place = format!("{encoding}: {condition}");
                    assert_eq!(passing(&conn, "docs", &condition, []), expected, "{place}");
                    let search = format!("v MATCH '[1,0]' AND {condition}");
                    assert_eq!(passing(&conn, "docs", &search, []), expected, "{place}");
                }
                // Filters go by the bytes of UTF-8, whatever the file has.
                let holds = |text: &&&str| match op {
                    "<" => *text < bound,
                    "<=" => *text <= bound,
                    ">" => *text > bound,
                    ">=" => *text >= bound,
                    "=" => *text == bound,
                    _ => *text != bound,
                };
                let mut expected: Vec<&str> = TEXTS.iter().filter(holds).copied().collect();
                let (name, of) = match op {
                    "<" => ("$lt", col(column).lt(*bound)),
                    "<=" => ("$lte", col(column).le(*bound)),
                    ">" => ("$gt", col(column).gt(*bound)),
                    ">=" => ("$gte", col(column).ge(*bound)),
                    "=" => ("$eq", col(column).eq(*bound)),
                    _ => ("$ne", col(column).ne(*bound)),
                };
                let place = format!("{encoding}: {of:?}");
                let filter = serde_json::json!({column: {name: bound}}).to_string();
                for search in ["", "v MATCH '[1,0]' AND "] {
                    let condition = format!("{search}row_matches(docs, ?1)");
                    assert_eq!(passing(&conn, "docs", &condition, [&filter]), expected, "{place}");
                }
                expected.sort_unstable();
                assert_eq!(filtered(&docs, &of), expected, "{place}");
            }
        }
        let prefixed = col("key").starts_with("a");
        assert_eq!(filtered(&docs, &prefixed), ["a", "a\u{fffd}b"], "{encoding}");
        let mut sorted = TEXTS;
        sorted.sort_unstable();
        for column in ["key", "lang"] {
            let hits = docs.search().order_by(column).limit(100).run().unwrap();
            let keys: Vec<String> = hits.iter().map(|hit| hit.key().to_string()).collect();
            assert_eq!(keys, sorted, "{encoding}: by {column}");
        }
        assert_eq!(docs.delete_where(col("lang").lt("é")).unwrap(), 3, "{encoding}");
        command(&conn, "integrity-check");
    }
}

/// A text of bytes that are no UTF-8.
struct Bytes(&'static [u8]);

impl ToSql for Bytes {
    fn to_sql(&self) -> nearlite::rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(self.0)))
    }
}

#[test]
fn a_text_that_is_no_utf_8_is_compared_by_its_bytes() {
    let conn = tables("UTF-8");
    for bytes in [&b"\xff"[..], b"a\xff", b"a\xffb", b"\xf0\x9f", b"a\xef\xbf\xbdb"] {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        for op in ["<", "<=", ">", ">=", "=", "<>", "IN", "GLOB", "LIKE"] {
            for column in ["key", "lang"] {
                let literal = format!("CAST(x'{hex}' AS TEXT)");
                for value in [literal.clone(), format!("(SELECT {literal})"), "?1".into()] {
                    let value = match op {
                        "IN" => format!("('none', {value})"),
                        "GLOB" => format!("{value} || '*'"),
                        "LIKE" => format!("{value} || '%'"),
                        _ => value,
                    };
                    let condition = format!("{column} {op} {value} AND ?1 IS NOT NULL");
                    let expected = passing(&conn, "plain", &condition, [Bytes(bytes)]);
                    let search = format!("v MATCH '[1,0]' AND {condition}");
                    assert_eq!(
                        passing(&conn, "docs", &search, [Bytes(bytes)]),
                        expected,
                        "{condition}: {hex}"
                    );
                }
            }
        }
    }
}

/// SQLite reads a pattern up to its first NUL: `delete_where` once deleted every row whose text begins like that.
#[test]
fn a_nul_in_a_filter_is_a_character_like_others() {
    let texts = ["ab", "ab\0c", "AB\0cd", "ab\0d", "a", "b"];
    let many = |text: &str| (0..100).map(|n| format!("x{n}")).chain([text.to_owned()]).collect::<Vec<_>>();
    for column in ["key", "lang"] {
        let of = || col(column);
        for (filter, found) in [
            (of().starts_with("ab\0c"), vec![1]),
            (of().like_prefix("ab\0c"), vec![1, 2]),
            (of().like("AB\0_"), vec![1, 3]),
            (of().contains("b\0c"), vec![1]),
            (of().is_in(many("ab\0c")), vec![1]),
            (of().eq("ab\0c"), vec![1]),
            (of().starts_with("ab\0c").not().and(of().ne("b")), vec![0, 2, 3, 4]),
            (of().like("ab\0%").or(of().eq("b")), vec![1, 2, 3, 5]),
        ] {
            let conn = open_memory();
            conn.execute_batch(
                "CREATE VIRTUAL TABLE docs USING nearlite(key TEXT PRIMARY KEY, lang TEXT, v VECTOR(2))",
            )
            .unwrap();
            for text in texts {
                conn.execute("INSERT INTO docs(key, lang, v) VALUES(?1, ?1, '[1,0]')", [text]).unwrap();
            }
            let docs = Collection::on(&conn, "docs").unwrap();
            let mut expected: Vec<&str> = found.iter().map(|at| texts[*at]).collect();
            expected.sort_unstable();
            assert_eq!(filtered(&docs, &filter), expected, "{filter:?}");
            let changed = docs.update_where(filter.clone(), &serde_json::json!({"v": [0.0, 1.0]})).unwrap();
            assert_eq!(changed, found.len(), "{filter:?}");
            assert_eq!(docs.delete_where(filter.clone()).unwrap(), found.len(), "{filter:?}");
            assert_eq!(docs.len().unwrap(), texts.len() - found.len(), "{filter:?}");
            assert_eq!(docs.count(filter).unwrap(), 0);
        }
    }
}
