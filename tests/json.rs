//! JSON columns: filters inside the search and as a function give what a plain reading of each object gives.
#![allow(clippy::unwrap_used)]

mod common;

use common::{assert_sound, blob, command, integers, open, open_memory, rows};
use nearlite::rusqlite::{Connection, params};
use serde_json::{Map, Value, json};
use std::cmp::Ordering;

/// xorshift64*.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize) % below
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.next(from.len())]
    }
}

fn seed() -> u64 {
    let seed = std::env::var("NEARLITE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_240_917);
    println!("NEARLITE_SEED={seed}");
    seed
}

const KEYS: [&str; 9] = ["a", "b", "c", "a.b", "a.b.c", "tags", "", "ü", "$x"];
const PATHS: [&str; 13] =
    ["a", "b", "c", "a.b", "a.b.c", "a.a", "tags", "tags.a", "", "a.", "ü", "nothing", "c.a.b"];

fn scalar(random: &mut Random) -> Value {
    match random.next(16) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(false),
        3..=6 => json!(random.next(5) as i64 - 1),
        7 => json!(random.next(4) as f64 / 2.0),
        8 => json!(9_007_199_254_740_993_i64),
        9 => json!(9_007_199_254_740_992.0),
        10 => json!(u64::MAX),
        11 => json!(1e300),
        _ => json!(random.pick(&["", "a", "A", "ab", "b", "1", "é", "a\u{0}b"])),
    }
}

fn value(random: &mut Random, depth: usize) -> Value {
    match random.next(10) {
        0 | 1 if depth < 3 => object(random, depth + 1),
        2 | 3 if depth < 3 => {
            let count = random.next(4);
            Value::Array((0..count).map(|_| value(random, depth + 1)).collect())
        }
        _ => scalar(random),
    }
}

fn object(random: &mut Random, depth: usize) -> Value {
    let count = random.next(5);
    let keys: Vec<String> = (0..count).map(|_| (*random.pick(&KEYS)).to_owned()).collect();
    Value::Object(keys.into_iter().map(|key| (key, value(random, depth))).collect())
}

fn bound(random: &mut Random) -> Value {
    loop {
        match scalar(random) {
            Value::Null | Value::Bool(_) => {}
            found => return found,
        }
    }
}

fn list(random: &mut Random) -> Value {
    let count = random.next(4);
    Value::Array((0..count).map(|_| scalar(random)).collect())
}

fn operators(random: &mut Random, depth: usize) -> Value {
    let mut all = Map::new();
    for _ in 0..1 + random.next(2) {
        let (name, operand) = match random.next(15) {
            0 => ("$eq", scalar(random)),
            1 => ("$ne", scalar(random)),
            2 => ("$gt", bound(random)),
            3 => ("$gte", bound(random)),
            4 => ("$lt", bound(random)),
            5 => ("$lte", bound(random)),
            6 => ("$in", list(random)),
            7 => ("$nin", list(random)),
            8 => (
                "$between",
                loop {
                    let (low, high) = (bound(random), bound(random));
                    if low.is_string() == high.is_string() {
                        break json!([low, high]);
                    }
                },
            ),
            9 => ("$exists", json!(random.next(2) == 0)),
            10 => ("$contains", scalar(random)),
            11 => ("$contains_any", list(random)),
            12 => ("$contains_all", list(random)),
            13 => ("$like", json!(random.pick(&["%", "a%", "_", "%b", "A_", ""]))),
            _ if depth < 2 => ("$not", operators(random, depth + 1)),
            _ => ("$exists", json!(true)),
        };
        all.insert(name.to_owned(), operand);
    }
    Value::Object(all)
}

fn filter(random: &mut Random, depth: usize) -> Value {
    let mut all = Map::new();
    for _ in 0..random.next(3) + usize::from(depth == 0) {
        let (key, condition) = match random.next(8) {
            0 | 1 if depth < 2 => {
                let count = random.next(3);
                let inner: Vec<Value> = (0..count).map(|_| filter(random, depth + 1)).collect();
                ((*random.pick(&["$and", "$or"])).to_owned(), Value::Array(inner))
            }
            2 if depth < 2 => ("$not".to_owned(), filter(random, depth + 1)),
            3 | 4 => ((*random.pick(&PATHS)).to_owned(), scalar(random)),
            _ => ((*random.pick(&PATHS)).to_owned(), operators(random, 0)),
        };
        all.insert(key, condition);
    }
    Value::Object(all)
}

/// The values at a path, by trying every way to read it, the longest first key first.
fn at(object: &Map<String, Value>, path: &str) -> Vec<Value> {
    let parts: Vec<&str> = path.split('.').collect();
    for taken in (1..=parts.len()).rev() {
        let key = parts[..taken].join(".");
        let rest = parts[taken..].join(".");
        let found = match object.get(&key) {
            None => vec![],
            Some(value) if taken == parts.len() => vec![value.clone()],
            Some(Value::Object(inner)) => at(inner, &rest),
            Some(Value::Array(values)) => {
                values.iter().filter_map(Value::as_object).flat_map(|inner| at(inner, &rest)).collect()
            }
            Some(_) => vec![],
        };
        if !found.is_empty() {
            return found;
        }
    }
    vec![]
}

/// Exact comparison of two numbers by their decimal digits would be long; these are the few kinds in the data.
fn numbers(a: &Value, b: &Value) -> Ordering {
    let whole = |value: &Value| {
        value.as_i64().map(i128::from).or(value.as_u64().map(|big| big as f64 as i128)).or(value
            .as_f64()
            .filter(|real| real.fract() == 0.0 && real.abs() < 1e30)
            .map(|real| real as i128))
    };
    match (whole(a), whole(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        _ => a.as_f64().unwrap().partial_cmp(&b.as_f64().unwrap()).unwrap(),
    }
}

fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Null, Value::Null) => Some(Ordering::Equal),
        (Value::Bool(a), Value::Bool(b)) => (a == b).then_some(Ordering::Equal),
        (Value::Number(_), Value::Number(_)) => Some(numbers(a, b)),
        (Value::String(a), Value::String(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        _ => None,
    }
}

fn like(pattern: &[char], text: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some(('%', rest)) => (0..=text.len()).any(|skipped| like(rest, &text[skipped..])),
        Some((sign, rest)) => text.split_first().is_some_and(|(first, after)| {
            (*sign == '_' || sign.eq_ignore_ascii_case(first)) && like(rest, after)
        }),
    }
}

fn operator(found: &[Value], name: &str, operand: &Value) -> bool {
    let items: Vec<&Value> = found
        .iter()
        .flat_map(|value| value.as_array().map_or_else(|| vec![value], |list| list.iter().collect()))
        .collect();
    let elements: Vec<&Value> = found.iter().filter_map(Value::as_array).flatten().collect();
    let lists = found.iter().any(Value::is_array);
    let is = |value: &Value, other: &Value| compare(value, other) == Some(Ordering::Equal);
    let equal =
        |other: &Value| items.iter().any(|value| is(value, other)) || other.is_null() && found.is_empty();
    let ordered = |accepts: fn(Ordering) -> bool| {
        items.iter().any(|value| compare(value, operand).is_some_and(accepts))
    };
    let listed = || operand.as_array().unwrap().iter();
    let has = |other: &Value| elements.iter().any(|value| is(value, other));
    match name {
        "$eq" => equal(operand),
        "$ne" => !equal(operand),
        "$gt" => ordered(Ordering::is_gt),
        "$gte" => ordered(Ordering::is_ge),
        "$lt" => ordered(Ordering::is_lt),
        "$lte" => ordered(Ordering::is_le),
        "$in" => listed().any(equal),
        "$nin" => !listed().any(equal),
        "$between" => items.iter().any(|value| {
            compare(value, &operand[0]).is_some_and(Ordering::is_ge)
                && compare(value, &operand[1]).is_some_and(Ordering::is_le)
        }),
        "$exists" => found.is_empty() != operand.as_bool().unwrap(),
        "$contains" => has(operand),
        "$contains_any" => listed().any(has),
        "$contains_all" => lists && listed().all(has),
        "$like" => {
            let pattern: Vec<char> = operand.as_str().unwrap().chars().collect();
            let matches = |value: &&Value| {
                value.as_str().is_some_and(|text| like(&pattern, &text.chars().collect::<Vec<_>>()))
            };
            items.iter().any(matches)
        }
        "$not" => !operand.as_object().unwrap().iter().all(|(name, operand)| operator(found, name, operand)),
        other => panic!("{other}"),
    }
}

fn passes(object: &Map<String, Value>, filter: &Value) -> bool {
    filter.as_object().unwrap().iter().all(|(key, condition)| {
        let inner = || condition.as_array().unwrap().iter();
        match (key.as_str(), condition) {
            ("$and", _) => inner().all(|filter| passes(object, filter)),
            ("$or", _) => inner().any(|filter| passes(object, filter)),
            ("$not", _) => !passes(object, condition),
            (path, Value::Object(operators)) => {
                let found = at(object, path);
                operators.iter().all(|(name, operand)| operator(&found, name, operand))
            }
            (path, scalar) => operator(&at(object, path), "$eq", scalar),
        }
    })
}

fn vector(rowid: i64) -> Vec<f32> {
    (0..8).map(|i| ((rowid * 31 + i * 17) % 101) as f32 / 8.0).collect()
}

/// The objects that rows have; `None` is NULL.
type Model = std::collections::BTreeMap<i64, Option<Value>>;

fn put(conn: &Connection, rowid: i64, object: Option<&Value>) {
    conn.execute(
        "INSERT OR REPLACE INTO docs(rowid, body, meta, e) VALUES(?1, 'all', ?2, ?3)",
        params![rowid, object.map(Value::to_string), blob(&vector(rowid))],
    )
    .unwrap();
}

const INSIDE: [&str; 3] = [
    "SELECT rowid FROM docs WHERE e MATCH ?2 AND json_matches(meta, ?1) ORDER BY rowid",
    "SELECT rowid FROM docs WHERE docs MATCH 'all' AND json_matches(meta, ?1) AND ?2 IS NOT NULL ORDER BY rowid",
    "SELECT rowid FROM docs WHERE docs MATCH hybrid_query('all', ?2) AND json_matches(docs.meta, ?1) ORDER BY rowid",
];
const BY_ROW: [&str; 4] = [
    "SELECT rowid FROM docs WHERE json_matches(meta, ?1) AND ?2 IS NOT NULL ORDER BY rowid",
    "SELECT rowid FROM docs WHERE e MATCH ?2 AND json_matches(meta, ?1) = 1 ORDER BY rowid",
    "SELECT rowid FROM docs WHERE e MATCH ?2 AND (rowid < -1 OR json_matches(meta, ?1)) ORDER BY rowid",
    "SELECT rowid FROM plain WHERE json_matches(meta, ?1) AND ?2 IS NOT NULL ORDER BY rowid",
];

fn check(conn: &Connection, model: &Model, filters: &[Value], place: &str) {
    conn.execute_batch("DROP TABLE IF EXISTS temp.plain; CREATE TEMP TABLE plain(meta); INSERT INTO temp.plain(rowid, meta) SELECT rowid, meta FROM docs")
        .unwrap();
    for filter in filters {
        let right: Vec<i64> = model
            .iter()
            .filter(|(_, object)| {
                object.as_ref().is_some_and(|object| passes(object.as_object().unwrap(), filter))
            })
            .map(|(rowid, _)| *rowid)
            .collect();
        let text = filter.to_string();
        for sql in INSIDE.iter().chain(&BY_ROW) {
            let got = integers(conn, sql, params![text, blob(&vector(3))]);
            assert_eq!(got, right, "{place}: {sql}\n{text}");
        }
        let sql =
            "SELECT rowid FROM docs WHERE e MATCH ?2 AND json_matches(meta, ?1) ORDER BY distance LIMIT 5";
        let got = integers(conn, sql, params![text, blob(&vector(3))]);
        assert_eq!(got.len(), right.len().min(5), "{place}: {sql}\n{text}");
    }
}

#[test]
fn filters_inside_and_by_row_are_those_of_a_plain_reading() {
    let mut random = Random(seed());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("json.db");
    let conn = open(&path);
    conn.execute_batch(
        "CREATE VIRTUAL TABLE docs USING nearlite(body FULLTEXT, meta JSON, e VECTOR(8) METRIC l2)",
    )
    .unwrap();
    let filters: Vec<Value> = (0..40).map(|_| filter(&mut random, 0)).collect();
    let mut model = Model::new();
    let mut change = |conn: &Connection, model: &mut Model, low: i64, high: i64| {
        conn.execute_batch("BEGIN").unwrap();
        for rowid in low..high {
            let object = (random.next(20) > 0).then(|| object(&mut random, 0));
            put(conn, rowid, object.as_ref());
            model.insert(rowid, object);
        }
    };
    change(&conn, &mut model, 0, 300);
    conn.execute_batch("COMMIT").unwrap();
    check(&conn, &model, &filters, "log");
    command(&conn, "flush");
    check(&conn, &model, &filters, "segment");
    change(&conn, &mut model, 250, 500);
    check(&conn, &model, &filters, "segment and log, in a transaction");
    conn.execute_batch("COMMIT").unwrap();
    let before = model.clone();
    change(&conn, &mut model, 0, 80);
    check(&conn, &model, &filters, "updated");
    conn.execute_batch("ROLLBACK").unwrap();
    model = before;
    check(&conn, &model, &filters, "rolled back");
    command(&conn, "flush");
    conn.execute_batch("DELETE FROM docs WHERE rowid % 7 = 3").unwrap();
    model.retain(|rowid, _| rowid % 7 != 3);
    check(&conn, &model, &filters, "two segments with dead rows");
    command(&conn, "optimize");
    check(&conn, &model, &filters, "merged");
    assert_sound(&conn);
    let other = open(&path);
    check(&other, &model, &filters, "another connection");
    command(&other, "rebuild");
    check(&conn, &model, &filters, "rebuilt");
    for (rowid, object) in &model {
        let stored: Option<String> =
            rows(&conn, "SELECT meta FROM docs WHERE rowid = ?1", [rowid], |row| row.get(0))
                .unwrap()
                .remove(0);
        assert_eq!(stored, object.as_ref().map(Value::to_string));
    }
}

fn explain(conn: &Connection, filter: &str) -> Value {
    let sql =
        "SELECT explain FROM docs WHERE e MATCH ?1 AND json_matches(meta, ?2) ORDER BY distance LIMIT 1";
    let text: String = conn.query_row(sql, params![blob(&vector(3)), filter], |row| row.get(0)).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Rows with many rare paths: frequent ones stay columns, the others are read row by row.
#[test]
fn paths_beyond_the_bound_are_checked_by_row_and_never_missed() {
    let conn = open_memory();
    conn.execute_batch(
        "CREATE VIRTUAL TABLE docs USING nearlite(body FULLTEXT, meta JSON, e VECTOR(8) METRIC l2); BEGIN",
    )
    .unwrap();
    let mut model = Model::new();
    for rowid in 0..700_i64 {
        let mut object = Map::new();
        for key in 0..20 {
            object.insert(format!("rare{}", rowid * 20 + key), json!(key));
        }
        object.insert("year".into(), json!(2000 + rowid % 20));
        if rowid % 3 == 0 {
            object.insert("long".into(), json!("x".repeat(8000)));
        }
        put(&conn, rowid, Some(&Value::Object(object.clone())));
        model.insert(rowid, Some(Value::Object(object)));
    }
    conn.execute_batch("COMMIT").unwrap();
    let filters = [
        json!({"year": 2003}),
        json!({"rare207": 7}),
        json!({"rare13999": 19, "year": {"$gte": 2000}}),
        json!({"$or": [{"rare1": 1}, {"rare13000": 0}, {"year": 2001}]}),
        json!({"rare1": {"$exists": false}}),
        json!({"$not": {"rare5000": {"$lt": 100}}}),
        json!({"long": {"$like": "x%"}}),
        json!({"unheard of": 1}),
        json!({"unheard of": null}),
    ];
    for step in ["flush", "optimize", "rebuild"] {
        command(&conn, step);
        check(&conn, &model, &filters, step);
        let exact = explain(&conn, r#"{"year": 2003}"#);
        assert_eq!((&exact["passing"], &exact["checked_by_row"]), (&json!(35), &Value::Null), "{exact}");
        assert_sound(&conn);
    }
    let first = explain(&conn, r#"{"rare300": {"$lt": 100}}"#);
    assert_eq!(first["passing"], json!(1), "{first}");
    assert!(first["checked_by_row"].as_u64().unwrap() > 600, "{first}");
    // What was read is remembered for the segment.
    assert_eq!(explain(&conn, r#"{"rare300": {"$lt": 100}}"#)["checked_by_row"], Value::Null);
    for rowid in 700..900_i64 {
        let object = json!({"rare3": rowid, "year": 2003});
        put(&conn, rowid, Some(&object));
        model.insert(rowid, Some(object));
    }
    command(&conn, "flush");
    check(&conn, &model, &filters, "a segment without and one with bounds");
    command(&conn, "optimize");
    check(&conn, &model, &filters, "both merged");
    assert_sound(&conn);
}

/// Merges beside the writers make the same columns: some inputs keep a path that others left out.
#[test]
fn segments_merged_step_by_step_give_the_same() {
    let conn = open_memory();
    conn.execute_batch(
        "CREATE VIRTUAL TABLE docs USING nearlite(body FULLTEXT, meta JSON, e VECTOR(8) METRIC l2)",
    )
    .unwrap();
    conn.execute_batch("INSERT INTO docs(docs, rank) VALUES('automerge', 2)").unwrap();
    let mut model = Model::new();
    let filters = [
        json!({"often": {"$lt": 1000}}),
        json!({"rare100": {"$exists": true}}),
        json!({"$not": {"rare1100": 1}}),
        json!({"nothing": null}),
    ];
    for batch in 0..6_i64 {
        conn.execute_batch("BEGIN").unwrap();
        for rowid in batch * 150..(batch + 1) * 150 {
            let mut object = Map::new();
            // Every second segment has too many paths.
            for key in 0..if batch % 2 == 0 { 12 } else { 1 } {
                object.insert(format!("rare{}", rowid * 12 + key), json!(key));
            }
            if rowid % 3 > 0 {
                object.insert("often".into(), json!(rowid));
            }
            put(&conn, rowid, Some(&Value::Object(object.clone())));
            model.insert(rowid, Some(Value::Object(object)));
        }
        conn.execute_batch("COMMIT").unwrap();
        command(&conn, "flush");
        for _ in 0..20 {
            conn.execute_batch("INSERT INTO docs(docs, rank) VALUES('maintain', 200)").unwrap();
        }
        check(&conn, &model, &filters, &format!("batch {batch}"));
        assert_sound(&conn);
    }
    command(&conn, "maintain");
    check(&conn, &model, &filters, "maintained");
    assert_sound(&conn);
    let segments = integers(&conn, "SELECT segments FROM nearlite_info('docs') LIMIT 1", []);
    assert!(segments[0] < 4, "{segments:?}");
}

#[test]
fn many_open_rows_are_read_as_the_search_finds_them() {
    let conn = open_memory();
    conn.execute_batch(
        "CREATE VIRTUAL TABLE docs USING nearlite(body FULLTEXT, meta JSON, e VECTOR(8) METRIC l2); BEGIN",
    )
    .unwrap();
    for rowid in 0..9600_i64 {
        let text = format!(r#"{{"pad{rowid}": 1, "long{}": "{}"}}"#, rowid % 2, "y".repeat(700));
        conn.execute(
            "INSERT INTO docs(rowid, body, meta, e) VALUES(?1, 'all', ?2, ?3)",
            params![rowid, text, blob(&vector(rowid))],
        )
        .unwrap();
    }
    conn.execute_batch("COMMIT").unwrap();
    command(&conn, "optimize");
    let filter = r#"{"pad4321": {"$exists": false}, "pad17": {"$exists": false}}"#;
    let said = explain(&conn, filter);
    assert_eq!(said["passing_at_most"], json!(true), "{said}");
    assert!(said["checked_by_row"].as_u64().unwrap() < 100, "{said}");
    let near = "SELECT rowid FROM docs WHERE e MATCH ?1 AND json_matches(meta, ?2) ORDER BY distance LIMIT 9";
    let got = integers(&conn, near, params![blob(&vector(17)), filter]);
    assert_eq!(got.len(), 9);
    assert!(!got.contains(&17));
    for sql in INSIDE {
        let got = integers(&conn, sql, params![filter, blob(&vector(17))]);
        assert_eq!(got.len(), 9598, "{sql}");
        assert!(!got.contains(&4321));
    }
    let count = "SELECT count(*) FROM docs WHERE docs MATCH 'all' AND json_matches(meta, ?1)";
    assert_eq!(integers(&conn, count, [filter]), [9598]);
}

fn refused(conn: &Connection, sql: &str, value: &dyn nearlite::rusqlite::ToSql) -> String {
    match conn.execute(sql, [value]) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("accepted: {sql}"),
    }
}

#[test]
fn bad_input_gets_one_clear_sentence_or_a_defined_answer() {
    let conn = open_memory();
    conn.execute_batch(
        "CREATE VIRTUAL TABLE docs USING nearlite(body FULLTEXT, meta JSON, e VECTOR(8) METRIC l2)",
    )
    .unwrap();
    let insert = "INSERT INTO docs(meta) VALUES(?1)";
    for (text, why) in [
        ("{\"a\": 1", "docs.meta: not valid JSON: expected ',' or '}', got the end at byte 7"),
        ("[1]", "docs.meta: expected a JSON object, got a list"),
        (
            "null",
            "docs.meta: expected a JSON object, got null; for no object insert NULL, not the text 'null'",
        ),
        ("5", "docs.meta: expected a JSON object, got a number"),
        ("{\"a\": NaN}", "docs.meta: not valid JSON: expected a JSON value, got NaN at byte 6"),
    ] {
        assert_eq!(refused(&conn, insert, &text), why);
    }
    assert!(
        refused(&conn, insert, &vec![0x1b_u8, 1, 2])
            .contains("got a BLOB of 3 bytes (of jsonb() take json()")
    );
    assert!(refused(&conn, insert, &5).ends_with("got INTEGER"));
    assert!(
        conn.execute_batch("INSERT INTO docs(meta) VALUES(CAST(x'7b2261223a22ff227d' AS TEXT))").is_err()
    );
    assert_eq!(integers(&conn, "SELECT count(*) FROM docs", []), [0]);

    // 1 MB, 100,000 distinct keys, 60 levels, a key twice, a huge list, numbers beyond their types.
    let keys: Vec<String> = (0..100_000).map(|key| format!("\"key{key}\":{key}")).collect();
    let deep = format!("{}1{}", "{\"d\":".repeat(60), "}".repeat(60));
    let list: Vec<String> = (0..200_000).map(|at| at.to_string()).collect();
    let texts = [
        format!("{{\"text\":\"{}\"}}", "z".repeat(1 << 20)),
        format!("{{{}}}", keys.join(",")),
        deep,
        r#" {"k":1,"k":2} "#.to_owned(),
        format!("{{\"list\":[{}]}}", list.join(",")),
        r#"{"big":1e999,"whole":18446744073709551616,"zero":-0.0}"#.to_owned(),
        "{}".to_owned(),
    ];
    let path = ["d"; 60].join(".");
    let filters = [
        (json!({"text": {"$like": "%zz"}}), 0),
        (json!({"key99999": 99_999}), 1),
        (json!({"key5": {"$between": [5, 5]}}), 1),
        (json!({ path: 1 }), 2),
        (json!({"k": 2}), 3),
        (json!({"list": {"$contains_all": [0, 199_999]}}), 4),
        (json!({"big": {"$gt": 1e308}, "zero": 0}), 5),
        (json!({"whole": 18_446_744_073_709_551_616.0}), 5),
    ];
    for (rowid, text) in texts.iter().enumerate() {
        conn.execute(
            "INSERT INTO docs(rowid, body, meta, e) VALUES(?1, 'all', ?2, ?3)",
            params![rowid as i64, text, blob(&vector(rowid as i64))],
        )
        .unwrap();
    }
    for step in ["", "flush", "optimize", "rebuild"] {
        if !step.is_empty() {
            command(&conn, step);
        }
        for (filter, right) in &filters {
            for sql in INSIDE.iter().chain(&BY_ROW[..3]) {
                let got = integers(&conn, sql, params![filter.to_string(), blob(&vector(1))]);
                assert_eq!(got, [*right], "{step}: {sql} {filter}");
            }
        }
        let none = integers(&conn, INSIDE[0], params![r#"{"k":1}"#, blob(&vector(1))]);
        assert_eq!(none, [] as [i64; 0]);
    }
    let stored: Vec<String> =
        rows(&conn, "SELECT meta FROM docs ORDER BY rowid", [], |row| row.get(0)).unwrap();
    assert_eq!(stored, texts);
    assert_sound(&conn);

    for (filter, why) in [
        ("{", "json_matches: the filter is not valid JSON"),
        ("[]", "json_matches: the filter must be a JSON object"),
        (r#"{"k":{"$gtx":1}}"#, "json_matches: \"k\": unknown operator \"$gtx\"; known are $eq, $ne"),
    ] {
        for sql in INSIDE.iter().chain(&BY_ROW[..3]) {
            let error =
                rows(&conn, sql, params![filter, blob(&vector(1))], |row| row.get::<_, i64>(0)).unwrap_err();
            assert!(error.to_string().contains(why), "{sql}: {error}");
        }
    }
    let whole = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, Option<i64>>(0));
    assert_eq!(whole("SELECT json_matches(NULL, '{}')").unwrap(), None);
    assert_eq!(whole("SELECT json_matches('{}', NULL)").unwrap(), None);
    assert_eq!(whole("SELECT json_matches('[1]', '{\"a\":null}')").unwrap(), Some(1));
    assert!(whole("SELECT json_matches('{', '{}')").unwrap_err().to_string().contains("byte 1"));
    assert_eq!(integers(&conn, INSIDE[0], params![None::<String>, blob(&vector(1))]), [] as [i64; 0]);
}

#[test]
fn the_filter_reaches_the_search_bare_and_in_the_on_clause_of_an_outer_join() {
    let conn = open_memory();
    conn.execute_batch(
        "CREATE VIRTUAL TABLE docs USING nearlite(meta JSON, e VECTOR(8) METRIC l2);
         CREATE TABLE queries(q, f);",
    )
    .unwrap();
    for rowid in 0..10 {
        conn.execute(
            "INSERT INTO docs(rowid, meta, e) VALUES(?1, json_object('n', ?1), ?2)",
            params![rowid, blob(&vector(rowid))],
        )
        .unwrap();
    }
    let put = "INSERT INTO queries VALUES(?1, ?2)";
    conn.execute(put, params![blob(&vector(4)), r#"{"n":{"$gt":6}}"#]).unwrap();
    conn.execute(put, params![blob(&vector(4)), r#"{"n":77}"#]).unwrap();
    let plan = |sql: &str| {
        rows(&conn, &format!("EXPLAIN QUERY PLAN {sql}"), [], |row| row.get::<_, String>(3))
            .unwrap()
            .join("\n")
    };
    let joined = "SELECT q.rowid, d.rowid FROM queries q LEFT JOIN docs d ON d.e MATCH q.q AND json_matches(d.meta, q.f) AND d.k = 2";
    assert!(plan(joined).contains("filter json_matches(meta, ?)"), "{}", plan(joined));
    let got: Vec<(i64, Option<i64>)> = rows(&conn, joined, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(got.iter().filter(|(query, row)| *query == 1 && row.unwrap() > 6).count(), 2);
    assert_eq!(got.iter().filter(|(query, row)| *query == 2 && row.is_none()).count(), 1);
    assert_eq!(got.len(), 3);
    let by_row =
        "SELECT rowid FROM docs WHERE e MATCH (SELECT q FROM queries) AND json_matches(meta, '{}') = 1";
    assert!(!plan(by_row).contains("json_matches"), "{}", plan(by_row));
}
