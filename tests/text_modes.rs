//! How the words of a text query are meant: in a query, in the settings of a table and in its declaration, against a look at
//! every row; and what a text becomes.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Rng, env_number, integers, open_memory, rows};
use nearlite::rusqlite::Connection;
use nearlite::{Database, Error, Fuzzy, Minimum, Operator, Schema, TextOptions, Value};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

const WORDS: [&str; 8] = ["ash", "asher", "birch", "birches", "cedar", "elm", "fir", "firm"];

type Texts = BTreeMap<i64, [String; 2]>;

fn text(rng: &mut Rng) -> String {
    (0..rng.below(5)).map(|_| WORDS[rng.below(WORDS.len())]).collect::<Vec<_>>().join(" ")
}

/// Writes, updates and deletes; some rows end in segments, some in the log.
fn change(conn: &Connection, model: &mut Texts, rng: &mut Rng) {
    for _ in 0..40 {
        let id = 1 + rng.below(60) as i64;
        if rng.below(4) == 0 {
            conn.execute("DELETE FROM docs WHERE rowid = ?1", [id]).unwrap();
            model.remove(&id);
        } else {
            let texts = [text(rng), text(rng)];
            let sql = "INSERT OR REPLACE INTO docs(rowid, title, body) VALUES(?1, ?2, ?3)";
            conn.execute(sql, (id, &texts[0], &texts[1])).unwrap();
            model.insert(id, texts);
        }
        if rng.below(15) == 0 {
            common::command(conn, "flush");
        }
    }
}

/// Rows with at least `needed` of the words in any column.
fn expected(model: &Texts, words: &[&str], prefix: bool, needed: usize) -> Vec<i64> {
    let mut asked: Vec<(&str, bool)> =
        words.iter().enumerate().map(|(at, word)| (*word, prefix && at + 1 == words.len())).collect();
    asked.sort_unstable();
    asked.dedup();
    let has = |texts: &[String; 2], (word, open): (&str, bool)| {
        let fits = |found: &str| if open { found.starts_with(word) } else { found == word };
        texts.iter().flat_map(|text| text.split(' ')).any(fits)
    };
    let needed = needed.min(asked.len());
    let fits = |texts: &[String; 2]| asked.iter().filter(|word| has(texts, **word)).count() >= needed;
    model.iter().filter(|(_, texts)| fits(texts)).map(|(id, _)| *id).collect()
}

#[test]
fn every_place_that_takes_options_finds_the_same_rows_as_a_look_at_each() {
    let seed = env_number("NEARLITE_SEED", 5);
    let mut rng = Rng(seed);
    let conn = open_memory();
    conn.execute_batch("CREATE VIRTUAL TABLE docs USING nearlite(title TEXT FULLTEXT, body TEXT FULLTEXT TOKENIZER 'whitespace', v VECTOR(2))")
        .unwrap();
    let mut model = Texts::new();
    let mut seen = 0;
    for round in 0..30 {
        change(&conn, &mut model, &mut rng);
        if round % 10 == 9 {
            common::command(&conn, "optimize");
        }
        let words: Vec<&str> = (0..1 + rng.below(4)).map(|_| WORDS[rng.below(WORDS.len())]).collect();
        let typed = words.join(" ");
        let prefix = rng.below(2) == 0;
        for (option, needed) in [
            (json!({"operator": "or"}), 1),
            (json!({"operator": "and"}), 9),
            (json!({"minimum_match": 2}), 2),
            (json!({"minimum_match": "100%"}), 9),
            (json!({"minimum_match": 0}), 1),
        ] {
            let mut options = option.clone();
            options["prefix_last"] = json!(prefix);
            let expected = expected(&model, &words, prefix, needed);
            seen += expected.len();
            let found = |query: &str| {
                let options = options.to_string();
                let sql = format!("SELECT rowid FROM docs WHERE docs MATCH {query} ORDER BY rowid");
                if query.contains("?2") {
                    integers(&conn, &sql, (&typed, &options))
                } else {
                    integers(&conn, &sql, [&typed])
                }
            };
            for query in [
                "text_query(?1, ?2)",
                "text_query(words(?1), ?2)",
                "hybrid_query(text_query(?1, ?2), NULL)",
                "hybrid_query(?1, NULL, ?2)",
                "hybrid_query(words(?1), ?2)",
            ] {
                assert_eq!(found(query), expected, "seed {seed}, round {round}: {query} {typed:?} {options}");
            }
            let alone =
                "SELECT rowid FROM docs WHERE CASE WHEN docs MATCH text_query(?1, ?2) THEN 1 ELSE 0 END";
            assert_eq!(
                integers(&conn, alone, (&typed, options.to_string())),
                expected,
                "{typed:?} {options}"
            );
            for (name, value) in options.as_object().unwrap() {
                let value = match (value.as_str(), value.as_bool()) {
                    (Some(text), _) => Value::from(text),
                    (None, Some(on)) => Value::from(on),
                    (None, None) => Value::from(value.as_i64().unwrap()),
                };
                conn.execute("INSERT INTO docs(docs, rank) VALUES(?1, ?2)", (name, value)).unwrap();
            }
            assert_eq!(found("?1"), expected, "seed {seed}, round {round}: setting {typed:?} {options}");
            assert_eq!(
                found("words(?1)"),
                expected,
                "seed {seed}, round {round}: setting {typed:?} {options}"
            );
            // A query says more than the table.
            let any = json!({"operator": "or", "prefix_last": false}).to_string();
            let all = integers(
                &conn,
                "SELECT rowid FROM docs WHERE docs MATCH text_query(?1, ?2) ORDER BY rowid",
                (&typed, any),
            );
            assert_eq!(all, self::expected(&model, &words, false, 1));
        }
    }
    assert!(seen > 1_000, "{seen}");
}

#[test]
fn a_declaration_says_how_texts_are_meant_and_a_setting_goes_before_it() {
    let conn = open_memory();
    conn.execute_batch(
        "CREATE VIRTUAL TABLE docs USING nearlite(title TEXT FULLTEXT, body TEXT FULLTEXT TOKENIZER 'code',
            operator = and, stop_words = 'en', fuzzy = auto, prefix_last = true, tokenizer = 'en_stem');
         INSERT INTO docs(rowid, title, body) VALUES
            (1, 'the running whale', 'getUserById'), (2, 'a whale', 'ships'), (3, 'to be or not to be', 'C++');",
    )
    .unwrap();
    let found =
        |text: &str| integers(&conn, "SELECT rowid FROM docs WHERE docs MATCH ?1 ORDER BY rowid", [text]);
    for (text, expected) in [
        ("the whale user ", vec![1]),
        ("the whale", vec![1, 2]),
        ("whale ", vec![1, 2]),
        ("whlae runs ", vec![1]),
        ("whale shi", vec![2]),
        ("to be ", vec![3]),
        ("c++ ", vec![3]),
        ("whale AND getuserbyid ", vec![1]),
        ("whale OR c++ ", vec![1, 2, 3]),
    ] {
        assert_eq!(found(text), expected, "{text:?}");
    }
    let reopened = |conn: &Connection| {
        conn.execute_batch("CREATE TABLE touch(x); DROP TABLE touch").unwrap();
    };
    conn.execute_batch("INSERT INTO docs(docs, rank) VALUES('operator', 'or'), ('stop_words', '')").unwrap();
    reopened(&conn);
    assert_eq!(found("the whale "), [1, 2]);
    assert_eq!(found("the ships "), [1, 2]);
    conn.execute_batch("INSERT INTO docs(docs, rank) VALUES('minimum_match', '100%')").unwrap();
    assert_eq!(found("whale ships "), [2]);
    conn.execute_batch("BEGIN; INSERT INTO docs(docs, rank) VALUES('operator', 'OR')").unwrap();
    assert_eq!(found("whale ships "), [1, 2]);
    conn.execute_batch("ROLLBACK").unwrap();
    assert_eq!(found("whale ships "), [2]);
}

#[test]
fn a_wrong_option_is_one_sentence_wherever_it_stands() {
    let conn = open_memory();
    conn.execute_batch("CREATE VIRTUAL TABLE docs USING nearlite(title TEXT FULLTEXT, body TEXT FULLTEXT, v VECTOR(2)); INSERT INTO docs(title) VALUES('owl')")
        .unwrap();
    let many = json!({"stop_words": (0..100_000).map(|at| format!("w{at}")).collect::<Vec<_>>()}).to_string();
    for (options, says) in [
        (r#"{"operator":"xor"}"#, r#""operator" must be "or" or "and", got "xor""#),
        (r#"{"operator":1}"#, r#""operator" must be "or" or "and", got 1"#),
        (r#"{"minimum_match":-1}"#, r#""minimum_match" must be a number of words, or a share"#),
        (r#"{"minimum_match":"0%"}"#, r#""minimum_match" must be"#),
        (r#"{"minimum_match":1.5}"#, r#""minimum_match" must be"#),
        (r#"{"minimum_match":null}"#, r#""minimum_match" must be"#),
        (r#"{"operator":"and","minimum_match":2}"#, r#""minimum_match" is for operator "or""#),
        (r#"{"fuzzy":3}"#, r#""fuzzy" must be"#),
        (r#"{"prefix_last":"yes"}"#, r#""prefix_last" must be true or false"#),
        (r#"{"weights":{"title":0}}"#, r#""weights" must be an object of FULLTEXT columns"#),
        (
            r#"{"weights":{"nope":2}}"#,
            r#""weights": there is no FULLTEXT column 'nope'; FULLTEXT columns are title, body"#,
        ),
        (r#"{"stop_words":5}"#, r#""stop_words" must be a language such as "en", or a list of words"#),
        (r#"{"fuzy":1}"#, r#"unknown word "fuzy"; allowed are"#),
        (many.as_str(), r#""stop_words" takes up to 4096 words"#),
    ] {
        for query in ["text_query('owl', ?1)", "hybrid_query('owl', '[1,0]', ?1)"] {
            let sql = format!("SELECT rowid FROM docs WHERE docs MATCH {query}");
            let error = rows::<i64>(&conn, &sql, [options], |row| row.get(0)).unwrap_err().to_string();
            assert!(error.contains(says), "{query} {}: {error}", &options[..options.len().min(60)]);
        }
    }
    for (name, value, says) in [
        ("operator", "xor", "docs: operator must be \"or\" or \"and\""),
        ("fuzzy", "9", "docs: fuzzy must be"),
        ("stop_words", &"a ".repeat(5000), "docs: \"stop_words\" takes up to 4096 words"),
        ("weights", "{}", "unknown command 'weights'"),
    ] {
        let error = conn
            .execute("INSERT INTO docs(docs, rank) VALUES(?1, ?2)", (name, value))
            .unwrap_err()
            .to_string();
        assert!(error.contains(says), "{name}: {error}");
    }
    let more = "SELECT count(*) FROM docs WHERE docs MATCH text_query('owl', '{\"minimum_match\":1000000}')";
    assert_eq!(integers(&conn, more, []), [1]);
    let weighted = "SELECT count(*) FROM docs WHERE docs MATCH hybrid_query(text_query('owl', '{\"weights\":{\"title\":3}}'), near('v', '[1,0]'), '{\"weights\":[1,2],\"fusion\":\"rrf\"}')";
    assert_eq!(integers(&conn, weighted, []), [1]);
    let empty = "SELECT count(*) FROM docs WHERE docs MATCH text_query('owl', '{\"weights\":{}, \"stop_words\":[\"owl\"]}')";
    assert_eq!(integers(&conn, empty, []), [1]);
}

#[test]
fn terms_are_those_of_the_living_rows_in_order() {
    let seed = env_number("NEARLITE_SEED", 9);
    let mut rng = Rng(seed);
    let db = Database::in_memory().unwrap();
    let docs = db
        .collection("docs")
        .create(Schema::new().integer_key("id").full_text("title").full_text("body"))
        .unwrap();
    let mut model = Texts::new();
    for round in 0..12 {
        db.with_connection(|conn| {
            for _ in 0..40 {
                let id = 1 + rng.below(60) as i64;
                if rng.below(4) == 0 {
                    conn.execute("DELETE FROM docs WHERE id = ?1", [id])?;
                    model.remove(&id);
                } else {
                    let texts = [text(&mut rng), text(&mut rng)];
                    conn.execute(
                        "INSERT OR REPLACE INTO docs VALUES(?1, ?2, ?3)",
                        (id, &texts[0], &texts[1]),
                    )?;
                    model.insert(id, texts);
                }
            }
            Ok(())
        })
        .unwrap();
        match round % 4 {
            1 => docs.flush().unwrap(),
            3 => docs.optimize().unwrap(),
            _ => {}
        }
        for (at, column) in ["title", "body"].into_iter().enumerate() {
            let mut expected: BTreeMap<&str, u64> = BTreeMap::new();
            for texts in model.values() {
                let words: BTreeSet<&str> = texts[at].split(' ').filter(|word| !word.is_empty()).collect();
                words.into_iter().for_each(|word| *expected.entry(word).or_default() += 1);
            }
            let shown = |terms: Vec<nearlite::Term>| -> Vec<(String, u64)> {
                terms.into_iter().map(|term| (term.term, term.rows)).collect()
            };
            let wanted = |prefix: &str, limit: usize| -> Vec<(String, u64)> {
                let fitting = expected.iter().filter(|(term, _)| term.starts_with(prefix));
                fitting.map(|(term, rows)| ((*term).to_owned(), *rows)).take(limit).collect()
            };
            for (prefix, limit) in [("", 100), ("", 3), ("Fir", 100), ("as", 1), ("zz", 9)] {
                let found = shown(docs.terms(column, prefix, limit).unwrap());
                assert_eq!(
                    found,
                    wanted(&prefix.to_lowercase(), limit),
                    "seed {seed}, round {round}: {prefix:?}"
                );
            }
            db.with_connection(|conn| {
                let sql = "SELECT term, rows FROM nearlite_terms('docs', ?1)";
                let found = rows(conn, sql, [column], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?;
                assert_eq!(found, wanted("", 100));
                Ok(())
            })
            .unwrap();
        }
    }
}

#[test]
fn more_terms_than_are_read_at_once_come_all_and_once() {
    let conn = open_memory();
    conn.execute_batch(
        "CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT);
         WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 5000)
           INSERT INTO docs(rowid, body) SELECT i, printf('w%05d x%05d', i, i / 2) FROM r;
         INSERT INTO docs(docs) VALUES('optimize');
         DELETE FROM docs WHERE rowid BETWEEN 1000 AND 4000;
         INSERT INTO docs(rowid, body) VALUES(9000, 'w00001 zebra');",
    )
    .unwrap();
    let found: Vec<(String, i64)> =
        rows(&conn, "SELECT term, rows FROM nearlite_terms('docs', 'body')", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    let mut expected: BTreeMap<String, i64> = BTreeMap::from([("zebra".into(), 1), ("w00001".into(), 1)]);
    for i in (1..1000).chain(4001..=5000) {
        *expected.entry(format!("w{i:05}")).or_default() += 1;
        *expected.entry(format!("x{:05}", i / 2)).or_default() += 1;
    }
    assert!(found == expected.into_iter().collect::<Vec<_>>());
    let count = "SELECT count(*), min(rowid), max(rowid) FROM nearlite_terms('main.docs', 'BODY', 'W')";
    let count: (i64, i64, i64) =
        conn.query_row(count, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    assert_eq!(count, (1999, 1, 1999));
    let best = "SELECT term FROM docs, nearlite_terms('docs', 'body', docs.body) WHERE docs.rowid = 2";
    assert_eq!(rows::<String>(&conn, best, [], |row| row.get(0)).unwrap(), Vec::<String>::new());
}

#[test]
fn tokens_show_what_a_text_becomes_in_each_column() {
    let conn = open_memory();
    conn.execute_batch("CREATE VIRTUAL TABLE docs USING nearlite(title TEXT FULLTEXT, code TEXT FULLTEXT TOKENIZER 'code', lang TEXT, tokenizer = 'en_stem')")
        .unwrap();
    let tokens = |column: &str, text: &str| {
        rows(
            &conn,
            "SELECT token, position, start, \"end\" FROM nearlite_tokens('docs', ?1, ?2)",
            (column, text),
            |row| Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )
        .unwrap()
    };
    let of = |text: &str, position: i64, start: i64, end: i64| (text.to_owned(), position, start, end);
    assert_eq!(tokens("title", "Élan runs"), [of("elan", 0, 0, 5), of("run", 1, 6, 10)]);
    assert_eq!(
        tokens("CODE", "x.getId"),
        [of("x", 0, 0, 1), of("get", 1, 2, 5), of("getid", 1, 2, 7), of("id", 2, 5, 7)]
    );
    assert_eq!(tokens("title", " - "), []);
    for (sql, says) in [
        (
            "SELECT * FROM nearlite_tokens('docs', 'lang', 'x')",
            "docs has no FULLTEXT column 'lang'; FULLTEXT columns: title, code",
        ),
        ("SELECT * FROM nearlite_tokens('nope', 'title', 'x')", "there is no nearlite table 'nope'"),
        (
            "SELECT * FROM nearlite_tokens('docs', 'title', 5)",
            "nearlite_tokens: the text must be TEXT, got INTEGER",
        ),
        (
            "SELECT * FROM nearlite_terms('docs', 'title', x'00')",
            "nearlite_terms: the prefix must be TEXT, got BLOB",
        ),
        (
            "SELECT * FROM nearlite_terms(NULL, 'title')",
            "nearlite_terms takes the name of a table and of a FULLTEXT column",
        ),
    ] {
        let error = rows::<i64>(&conn, sql, [], |_| Ok(0)).unwrap_err().to_string();
        assert!(error.contains(says), "{sql}: {error}");
    }
    assert_eq!(integers(&conn, "SELECT count(*) FROM nearlite_tokens('docs', 'title', NULL)", []), [0]);
}

#[test]
fn the_rust_door_knows_the_same_options() {
    let db = Database::in_memory().unwrap();
    let options = TextOptions::new().operator(Operator::And).stop_words("en");
    let schema =
        || Schema::new().integer_key("id").full_text("title").full_text("code").tokenizer_of_column("code");
    let notes = db.collection("notes").create(schema().text_options(options.clone())).unwrap();
    notes
        .insert(&[
            json!({"id": 1, "title": "the whale", "code": "getShip()"}),
            json!({"id": 2, "title": "a whale", "code": "sea"}),
        ])
        .unwrap();
    let keys = |search: nearlite::Search<'_>| {
        let mut keys: Vec<i64> = search.run().unwrap().iter().map(|hit| hit.rowid).collect();
        keys.sort_unstable();
        keys
    };
    assert_eq!(keys(notes.search().text("the whale ship")), [1]);
    assert_eq!(keys(notes.search().matching("the whale sea")), [2]);
    let or = || TextOptions::new().operator(Operator::Or);
    assert_eq!(keys(notes.search().words("ship sea").text_options(or())), [1, 2]);
    assert_eq!(
        keys(notes.search().words("whlae sh").text_options(or().fuzzy(Fuzzy::Auto).prefix_last(true))),
        [1, 2]
    );
    let two = TextOptions::new().minimum_match(Minimum::Words(2));
    assert_eq!(keys(notes.search().words("whale ship island").text_options(two)), [1]);
    let heavy = or().weight("code", 100.0);
    assert_eq!(notes.search().words("ship sea whale").text_options(heavy).run().unwrap().len(), 2);
    notes.set("operator", "or").unwrap();
    assert_eq!(keys(notes.search().text("ship sea")), [1, 2]);
    let wrong = notes.set("operator", "xor").unwrap_err();
    assert_eq!(wrong.to_string(), "notes: operator must be \"or\" or \"and\", got \"xor\"");
    let wrong = notes
        .search()
        .text("x")
        .text_options(TextOptions::new().fuzzy(Fuzzy::Distance(7)))
        .run()
        .unwrap_err();
    assert!(matches!(wrong, Error::QueryText(_)), "{wrong}");
    // The declaration is part of the schema.
    assert!(db.collection("notes").create_if_missing(schema().text_options(options)).is_ok());
    let other = db.collection("notes").create_if_missing(schema()).unwrap_err().to_string();
    assert!(other.contains("operator"), "{other}");
    let plain = Schema::new().integer_key("id").tokenizer_of_column("code").full_text("a");
    assert!(db.collection("more").create(plain).unwrap_err().to_string().contains("tokenizer_of_column"));
}
