//! Conditions on `distance` keep the rows for which it holds as it is shown, whatever the numbers are and however many legs there are.
//! `min_bm25` and the other options of a text are that text's own, wherever it stands.
#![allow(clippy::unwrap_used)]

mod common;

use common::{integers, open_memory, rows};
use nearlite::rusqlite::Connection;

fn distances(conn: &Connection, sql: &str) -> Vec<(i64, Option<f64>)> {
    rows(conn, sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap_or_else(|error| panic!("{sql}: {error}"))
}

#[test]
fn a_condition_on_the_distance_of_several_vectors_is_one_on_the_first() {
    let conn = open_memory();
    conn.execute_batch(
        "CREATE VIRTUAL TABLE docs USING nearlite(a VECTOR(2) METRIC l2, b VECTOR(2) METRIC l2);
         INSERT INTO docs(rowid, a, b) VALUES
             (1, '[0,0]', '[9,9]'), (2, '[9,9]', '[0,0]'), (3, '[9,9]', '[9,9]'), (4, NULL, '[0,0]'), (5, '[0.5,0]', '[1,1]')",
    )
    .unwrap();
    let query = "docs MATCH hybrid_query(near('a','[0,0]'), near('b','[0,0]'))";
    let all = distances(&conn, &format!("SELECT rowid, distance FROM docs WHERE {query}"));
    assert_eq!(all.len(), 5);
    for (condition, holds) in [
        ("distance < 1", &(|d: f64| d < 1.0) as &dyn Fn(f64) -> bool),
        ("distance <= 0", &|d| d <= 0.0),
        ("distance > 0.2", &|d| d > 0.2),
        ("distance > 0.2 AND distance < 5", &|d| d > 0.2 && d < 5.0),
    ] {
        let expected: Vec<_> = all.iter().filter(|(_, d)| d.is_some_and(holds)).copied().collect();
        let found =
            distances(&conn, &format!("SELECT rowid, distance FROM docs WHERE {query} AND {condition}"));
        let sorted = |mut list: Vec<(i64, Option<f64>)>| {
            list.sort_by_key(|(row, _)| *row);
            list
        };
        assert_eq!(sorted(found), sorted(expected), "{condition}");
        // Exactly k rows where k qualify.
        let two = format!("SELECT rowid FROM docs WHERE {query} AND {condition} AND k = 2");
        let due = all.iter().filter(|(_, d)| d.is_some_and(holds)).count().min(2);
        assert_eq!(integers(&conn, &two, []).len(), due, "{condition}");
    }
    // A row beyond the condition on the first vector may not push out one within it; both legs still count.
    let ranked =
        integers(&conn, &format!("SELECT rowid FROM docs WHERE {query} AND distance < 1 ORDER BY rank"), []);
    assert_eq!(ranked, [5, 1]);
}

#[test]
fn distances_of_hybrid_searches_are_those_of_plain_ones_whatever_their_size() {
    for (metric, one, two) in [
        ("ip", "[1e30,0]", "[2e30,0]"),
        ("l2", "[3e38,0]", "[-3e38,0]"),
        ("l2", "[3e-30,0]", "[1e-30,7e-31]"),
        ("cosine", "[3e-12,1e-12]", "[1e-12,7e-13]"),
        ("cosine", "[0.3,0.1]", "[0.2,0.7]"),
    ] {
        let conn = open_memory();
        conn.execute_batch(&format!(
            "CREATE VIRTUAL TABLE docs USING nearlite(body FULLTEXT, e VECTOR(2) METRIC {metric});
             INSERT INTO docs(rowid, body, e) VALUES(1, 'w', '{one}'), (2, 'w', '{two}'), (3, 'other', '{two}')"
        ))
        .unwrap();
        for sealed in [false, true] {
            if sealed {
                common::command(&conn, "flush");
            }
            let plain = "SELECT rowid, distance FROM docs WHERE e MATCH '[1e30,0]' ORDER BY distance";
            let plain = distances(&conn, &plain.replace("[1e30,0]", one));
            let query = format!("docs MATCH hybrid_query('w', '{one}')");
            let sql = format!("SELECT rowid, distance FROM docs WHERE {query} ORDER BY vector_rank, rowid");
            assert_eq!(distances(&conn, &sql), plain, "{metric} {one}, sealed: {sealed}");
            for (row, distance) in &plain {
                let bound = distance.unwrap();
                let sql = format!("SELECT rowid FROM docs WHERE {query} AND distance <= ?1");
                assert!(integers(&conn, &sql, [bound]).contains(row), "{metric}: row {row} at {bound}");
            }
        }
    }
}

#[test]
fn a_bound_that_no_float_is_cuts_where_sqlite_does() {
    let conn = open_memory();
    conn.execute_batch(
        "CREATE VIRTUAL TABLE docs USING nearlite(e VECTOR(1) METRIC l2);
         INSERT INTO docs(e) VALUES('[9007199254740992]')",
    )
    .unwrap();
    for (condition, rows) in [
        ("distance < 9007199254740993", 1),
        ("distance <= 9007199254740993", 1),
        ("distance > 9007199254740993", 0),
        ("distance >= 9007199254740991", 1),
        ("distance > 9007199254740991", 1),
        ("distance < 9007199254740991", 0),
    ] {
        let sql = format!("SELECT count(*) FROM docs WHERE e MATCH '[0]' AND {condition}");
        assert_eq!(integers(&conn, &sql, []), [rows], "{condition}");
    }
}

#[test]
fn update_or_replace_leaves_what_an_ordinary_table_leaves() {
    let conn = open_memory();
    conn.execute_batch(
        "CREATE VIRTUAL TABLE docs USING nearlite(name TEXT PRIMARY KEY, y INTEGER);
         CREATE TABLE plain(name TEXT PRIMARY KEY, y INTEGER)",
    )
    .unwrap();
    for table in ["docs", "plain"] {
        conn.execute_batch(&format!(
            "INSERT INTO {table}(name, y) VALUES('a', 1), ('b', 2), ('c', 3);
             UPDATE OR REPLACE {table} SET name = CASE name WHEN 'a' THEN 'b' ELSE name || 'd' END"
        ))
        .unwrap();
    }
    let content = |table: &str| -> Vec<(String, i64)> {
        rows(&conn, &format!("SELECT name, y FROM {table} ORDER BY name"), [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap()
    };
    assert_eq!(content("docs"), content("plain"));
    common::assert_sound(&conn);
}

/// Rows of 'owl' in texts of different lengths, with their scores there.
fn owls(conn: &Connection) {
    conn.execute_batch(
        "CREATE VIRTUAL TABLE docs USING nearlite(title FULLTEXT, body FULLTEXT, e VECTOR(2));
         INSERT INTO docs(rowid, title, body, e)
         WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)
         SELECT i, replace(substr('mmmmmm', 1, i % 7), 'm', 'mice ') || 'owl', 'owl' || replace(substr('wwww', 1, i % 5), 'w', ' wolf'),
                printf('[%d,%d]', i % 11 + 1, i % 3) FROM n",
    )
    .unwrap();
}

fn scores(conn: &Connection, query: &str) -> Vec<(i64, f64)> {
    let sql = format!("SELECT rowid, bm25 FROM docs WHERE {query} ORDER BY rowid");
    rows(conn, &sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

/// Once the bound was ignored beside a vector, and among several texts it was that of the first.
#[test]
fn the_least_bm25_of_a_text_is_of_that_text_whatever_stands_beside_it() {
    let conn = open_memory();
    owls(&conn);
    for sealed in [false, true] {
        if sealed {
            common::command(&conn, "flush");
        }
        let (title, body) = (scores(&conn, "title MATCH 'owl'"), scores(&conn, "body MATCH 'owl'"));
        let least = |of: &[(i64, f64)]| {
            let mut all: Vec<f64> = of.iter().map(|(_, score)| *score).collect();
            all.sort_by(f64::total_cmp);
            all[20]
        };
        let above = |of: &[(i64, f64)]| -> Vec<i64> {
            of.iter().filter(|(_, score)| *score >= least(of)).map(|(row, _)| *row).collect()
        };
        let text = |of: &[(i64, f64)]| format!("text_query('owl', '{{\"min_bm25\":{}}}')", least(of));
        let (of_title, of_body) = (text(&title), text(&body));
        assert!(above(&title) != above(&body) && above(&title).len() < 40);
        let both: Vec<i64> = above(&title).into_iter().filter(|row| above(&body).contains(row)).collect();
        for (query, expected) in [
            (format!("title MATCH {of_title}"), above(&title)),
            (format!("title MATCH {of_title} AND e MATCH '[1,0]'"), above(&title)),
            (format!("title MATCH 'owl' AND body MATCH {of_body}"), above(&body)),
            (format!("title MATCH {of_title} AND body MATCH 'owl'"), above(&title)),
            (format!("title MATCH {of_title} AND body MATCH {of_body}"), both.clone()),
            (format!("title MATCH {of_title} AND body MATCH {of_body} AND e MATCH '[1,0]'"), both),
            (format!("docs MATCH hybrid_query('owl', '[1,0]') AND body MATCH {of_body}"), above(&body)),
            (format!("rowid < 0 OR body MATCH {of_body}"), above(&body)),
            (format!("body MATCH {of_body} AND rowid IN (3, 8, 10)"), {
                above(&body).into_iter().filter(|row| [3, 8, 10].contains(row)).collect()
            }),
        ] {
            let sql = format!("SELECT rowid FROM docs WHERE {query}");
            let mut found = integers(&conn, &sql, []);
            found.sort_unstable();
            assert_eq!(found, expected, "{query}, sealed: {sealed}");
            let counted = integers(&conn, &sql.replace("SELECT rowid", "SELECT count(*)"), []);
            assert_eq!(counted, [expected.len() as i64], "{query}, sealed: {sealed}");
        }
    }
}

#[test]
fn a_text_beside_a_vector_is_the_leg_that_its_options_say() {
    let conn = open_memory();
    owls(&conn);
    let fused = |query: &str| -> Vec<(i64, f64)> {
        let sql = format!("SELECT rowid, score FROM docs WHERE {query} ORDER BY rank LIMIT 5");
        rows(&conn, &sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
    };
    let plain = fused("docs MATCH 'owl' AND e MATCH '[1,0]'");
    for options in ["{\"weight\":0}", "{\"depth\":1}"] {
        let text = format!("text_query('owl', '{options}')");
        let beside = fused(&format!("docs MATCH {text} AND e MATCH '[1,0]'"));
        let hybrid = fused(&format!("docs MATCH hybrid_query(near('e', '[1,0]'), {text})"));
        assert_eq!(beside, hybrid, "{options}");
        // Of so few rows the vector alone finds all.
        assert_eq!(beside == plain, options.contains("depth"), "{options}");
    }
}

/// Once the outer options went first, and all of a leg's own were dropped.
#[test]
fn the_options_nearest_to_a_text_go_first() {
    let conn = open_memory();
    owls(&conn);
    let inner = "text_query('owl', '{\"column\":\"title\",\"min_bm25\":0.012}')";
    let expected = scores(&conn, &format!("docs MATCH {inner}"));
    assert_ne!(expected, scores(&conn, "docs MATCH 'owl'"));
    for outer in ["{}", "{\"column\":\"body\"}", "{\"min_bm25\":1000}", "{\"weight\":2}"] {
        assert_eq!(scores(&conn, &format!("docs MATCH text_query({inner}, '{outer}')")), expected, "{outer}");
    }
    assert_eq!(scores(&conn, &format!("docs MATCH words({inner})")), expected);
    let both = "'{\"operator\":\"and\"}'";
    for (query, found) in [
        (format!("text_query(text_query('mice wolf', {both}), '{{\"operator\":\"or\"}}')"), 28),
        (format!("text_query('mice wolf', {both})"), 28),
        ("text_query(words('mice -wolf'), '{\"syntax\":\"query\"}')".to_owned(), 39),
    ] {
        assert_eq!(scores(&conn, &format!("docs MATCH {query}")).len(), found, "{query}");
    }
}
