//! The Rust door at its edges: what converts into what, rows read back, and the kind of every error.
#![allow(clippy::unwrap_used)]

use nearlite::{Database, Error, Filter, Key, Metric, Schema, Value, col};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::borrow::Cow;
use std::collections::HashMap;

#[test]
#[allow(clippy::needless_borrows_for_generic_args, reason = "that lists can be borrowed is what is tested")]
fn filters_and_keys_take_what_a_program_has_at_hand() {
    let notes = Database::in_memory()
        .unwrap()
        .collection("notes")
        .create(Schema::new().integer_key("id").text("lang").integer("year").real("price").boolean("read"))
        .unwrap();
    notes
        .insert(&[
            json!({"id": 1, "lang": "en", "year": 5, "price": 0.5, "read": true}),
            json!({"id": 2, "lang": "de", "year": i64::MAX, "price": 2.0, "read": false}),
        ])
        .unwrap();
    let found = |filter: Filter| notes.search().filter(filter).run().unwrap().keys();
    let lang = String::from("en");
    let langs = vec![lang.clone(), "fr".to_owned()];
    for filter in [
        col("lang").eq(&lang),
        col("lang").eq(Cow::Borrowed("en")),
        col("lang").is_in(&langs),
        col("lang").is_in(langs.iter()),
        col("lang").is_in(&["en", "fr"]),
        col("year").eq(5usize),
        col("year").eq(&5u64),
        col("year").is_in(&[5i64, 6]),
        col("year").is_in(&[5, 6]),
        col("price").is_in(&[0.5, 0.25]),
        col("read").is_in(&[true]),
        !col("year").eq(i64::MAX as u64),
    ] {
        assert_eq!(found(filter.clone()), [1], "{filter:?}");
    }
    // 2^63 is beyond every integer, and so equal to none.
    let beyond = 1u64 << 63;
    for column in ["year", "rowid", "id"] {
        assert_eq!(found(col(column).lt(beyond)), [1, 2], "{column}");
        assert!(found(col(column).ge(beyond)).is_empty(), "{column}");
        assert!(found(col(column).is_in(&[beyond, u64::MAX])).is_empty(), "{column}");
    }
    let hits = notes.search().ids([1usize]).run().unwrap();
    assert!(hits[0].key() == 1 && hits[0].key() != "1" && *hits[0].key() == 1u64);
    assert_eq!(notes.delete(&[2u64]).unwrap(), 1);
    assert!(matches!(notes.delete([u64::MAX]), Err(Error::Value(_))));
    assert_eq!(Key::from(&lang), lang);
}

macro_rules! read_back {
    ($($t:ident),*) => {$({
        #[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
        struct Row { id: $t, int: $t, real: $t, flag: $t, any: $t, vector: [$t; 2] }
        let rows = Database::in_memory().unwrap().collection("rows").create(schema()).unwrap();
        let row = |id, x: $t| Row { id, int: x, real: x, flag: 1 as $t, any: x, vector: [1 as $t, 2 as $t] };
        let given = [row(1 as $t, 0 as $t), row(2 as $t, 100 as $t), row(3 as $t, $t::MIN)];
        rows.insert(&given).unwrap();
        assert_eq!(rows.get::<Row>([1, 2, 3]).unwrap(), given, stringify!($t));
        assert_eq!(rows.search().run().unwrap().rows::<Row>().unwrap(), given);
    })*};
}

fn schema() -> Schema {
    Schema::new().integer_key("id").integer("int").real("real").boolean("flag").unindexed("any").vector(
        "vector",
        2,
        Metric::L2,
    )
}

#[test]
fn what_insert_takes_can_be_read_back_into_the_same_type() {
    read_back!(i8, i16, i32, i64, u8, u16, u32, u64);
    let rows = Database::in_memory().unwrap().collection("rows").create(schema()).unwrap();
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    struct Mixed {
        id: f64,
        int: bool,
        real: i64,
        flag: f32,
        any: Option<bool>,
        vector: Option<(f32, u8)>,
    }
    let mixed =
        Mixed { id: 7.0, int: true, real: i64::MAX, flag: 1.0, any: Some(false), vector: Some((0.5, 3)) };
    rows.insert(&mixed).unwrap();
    assert_eq!(rows.get_one::<Mixed>(7).unwrap(), Some(mixed));

    #[derive(Deserialize, Debug)]
    #[allow(dead_code, reason = "only the error matters")]
    struct Real {
        real: i32,
    }
    let error = |real: f64| {
        rows.upsert(&json!({"id": 8, "real": real})).unwrap();
        rows.get_one::<Real>(8).unwrap_err().to_string()
    };
    for (real, part) in [(0.5, "0.5"), (1e10, "10000000000"), (1e300, "floating point")] {
        let message = error(real);
        assert!(message.contains("column real") && message.contains(part), "{message}");
    }
}

#[test]
fn a_wrong_query_among_many_is_named_by_its_number() {
    let points = Database::in_memory()
        .unwrap()
        .collection("points")
        .create(Schema::new().integer_key("id").vector("xy", 2, Metric::L2))
        .unwrap();
    points.insert(&json!({"id": 1, "xy": [0.0, 0.0]})).unwrap();
    let many = |queries: &[Vec<f32>]| points.search().search_many(queries).map(|answers| answers.len());
    assert_eq!(many(&[vec![0.0, 1.0], vec![1.0, 0.0]]).unwrap(), 2);
    let error = many(&[vec![0.0, 1.0], vec![1.0, 0.0, 2.0]]).unwrap_err();
    assert!(matches!(error, Error::Dimension { expected: 2, got: 3, .. }), "{error:?}");
    assert_eq!(error.to_string(), "points.xy (query 1): expected 2 dimensions, got 3");
    let error = many(&[vec![0.0, f32::NAN]]).unwrap_err().to_string();
    assert_eq!(error, "points.xy (query 0): value NaN at index 1 is not a finite number");
    // Nothing to search for hides no mistake.
    assert_eq!(many(&[]).unwrap(), 0);
    let none: [[f32; 2]; 0] = [];
    let wrong = |search: nearlite::Search<'_>| search.search_many(&none).unwrap_err();
    assert!(matches!(wrong(points.search().nearest("yx", [0.0, 0.0])), Error::Unknown(_)));
    assert!(matches!(wrong(points.search().filter(col("colour").eq(1))), Error::Unknown(_)));
}

fn kind(error: &Error) -> &'static str {
    match error {
        Error::Dimension { .. } => "dimension",
        Error::NotFinite { .. } => "not finite",
        Error::Value(_) => "value",
        Error::Schema(_) => "schema",
        Error::Constraint(_) => "constraint",
        Error::Unknown(_) => "unknown",
        Error::Sqlite(_) => "sqlite",
        _ => "other",
    }
}

#[test]
fn what_the_table_refuses_has_the_same_kind_as_what_the_door_refuses() {
    let db = Database::in_memory().unwrap();
    let notes = db
        .collection("notes")
        .create(Schema::new().key("id").integer("year").not_null().vector("v", 2, Metric::L2).model("m-2"))
        .unwrap();
    let blob = |floats: &[f32]| Value::Blob(floats.iter().flat_map(|x| x.to_le_bytes()).collect());
    let row = |v: Value| HashMap::from([("id", Value::from("a")), ("year", Value::from(1)), ("v", v)]);
    for (value, expected, part) in [
        (blob(&[1.0, 2.0, 3.0]), "dimension", "notes.v: expected 2 dimensions, got 3 (model is m-2)"),
        (Value::from("[1, 2, 3]"), "dimension", "got 3"),
        (blob(&[1.0, f32::NAN]), "not finite", "index 1"),
        (Value::from("[1, NaN]"), "not finite", "index 1"),
        (Value::from("[1, 2"), "value", "without a ]"),
        (Value::from("no vector"), "value", "not a JSON array"),
        (Value::Blob(vec![0; 7]), "value", "7 bytes"),
    ] {
        for error in [notes.insert(&row(value.clone())).unwrap_err(), {
            notes.upsert(&row(blob(&[1.0, 2.0]))).unwrap();
            let error = notes.update("a", &HashMap::from([("v", value.clone())])).unwrap_err();
            notes.delete(["a"]).unwrap();
            error
        }] {
            assert_eq!(kind(&error), expected, "{error:?}");
            assert!(error.to_string().contains(part), "{error}");
        }
    }
    assert_eq!(kind(&notes.insert(&json!({"id": "a"})).unwrap_err()), "constraint");
    notes.insert(&row(Value::Null)).unwrap();
    assert_eq!(kind(&notes.insert(&row(Value::Null)).unwrap_err()), "constraint");
    assert_eq!(kind(&notes.set("nope", 1).unwrap_err()), "unknown");
    assert_eq!(kind(&notes.set("ef_search", -1).unwrap_err()), "value");
    // An error of SQLite's own is not taken for one that the table had before.
    let error = notes.search().filter_sql("no_such > 1", []).run().unwrap_err();
    assert_eq!(kind(&error), "sqlite");
}

#[test]
fn what_cannot_be_created_is_an_error_of_the_schema() {
    let db = Database::in_memory().unwrap();
    let create = |name: &str, schema: Schema| {
        let error = db.collection(name).create(schema).unwrap_err();
        assert_eq!(kind(&error), "schema", "{error:?}");
        error.to_string()
    };
    let text = || Schema::new().key("id").full_text("body");
    assert!(create("c", text().tokenizer("klingon")).contains("klingon"));
    assert!(
        create("c", Schema::new().not_null().text("a")).contains("not_null() is about the column before")
    );
    db.with_connection(|conn| {
        Ok(conn.execute_batch(
            "CREATE TABLE t(x); CREATE VIEW v AS SELECT 1; CREATE INDEX i ON t(x); CREATE TABLE c_rows(x);",
        )?)
    })
    .unwrap();
    for (name, part) in [("T", "a table T already"), ("v", "a view v"), ("i", "an index i"), ("c", "c_rows")]
    {
        assert!(create(name, text()).contains(part));
    }
    let reserved = [
        "rank",
        "score",
        "distance",
        "bm25",
        "vector_rank",
        "text_rank",
        "k",
        "K",
        "ef_search",
        "exact",
        "explain",
        "sqlite_notes",
    ];
    db.collection("notes").create(text()).unwrap();
    for name in reserved {
        assert!(create(name, text()).contains("is reserved"), "{name}");
        let by_sql =
            |sql: &str| db.with_connection(|conn| Ok(conn.execute_batch(sql)?)).unwrap_err().to_string();
        let message = by_sql(&format!("CREATE VIRTUAL TABLE {name} USING nearlite(a TEXT)"));
        assert!(message.contains("reserved"), "{message}");
        let message = by_sql(&format!("ALTER TABLE notes RENAME TO {name}"));
        assert!(message.contains("reserved"), "{message}");
    }
    assert_eq!(db.collections().unwrap(), ["notes"]);
}

#[test]
fn a_collection_that_is_gone_is_named() {
    let db = Database::in_memory().unwrap();
    let schema = || Schema::new().key("id").full_text("body").vector("v", 2, Metric::L2);
    let notes = db.collection("notes").create(schema()).unwrap();
    let row = json!({"id": "a", "body": "words", "v": [1, 2]});
    notes.insert(&row).unwrap();
    let all_fail = || {
        let near = || notes.search().nearest("v", [0.0, 0.0]);
        for error in [
            notes.insert(&row).unwrap_err(),
            notes.upsert(&row).unwrap_err(),
            notes.update("a", &json!({"body": "more"})).unwrap_err(),
            notes.delete(["a"]).unwrap_err(),
            notes.delete_where(col("id").eq("a")).unwrap_err(),
            notes.get::<serde_json::Value>(["a"]).unwrap_err(),
            notes.len().unwrap_err(),
            notes.info().unwrap_err(),
            notes.optimize().unwrap_err(),
            notes.rebuild_with(|_, _| true).unwrap_err(),
            notes.verify().unwrap_err(),
            notes.set("ef_search", 10).unwrap_err(),
            notes.search().run().unwrap_err(),
            near().run().unwrap_err(),
            near().explain().unwrap_err(),
            near().search_many(&[[0.0, 0.0]]).unwrap_err(),
            near().iter().map(|_| ()).unwrap_err(),
            notes.search().filter_sql("id = 'a'", []).run().unwrap_err(),
        ] {
            assert_eq!(kind(&error), "unknown", "{error:?}");
            let message = error.to_string();
            assert!(message.contains("no collection notes") && message.contains("create"), "{message}");
        }
    };
    db.with_connection(|conn| Ok(conn.execute_batch("ALTER TABLE notes RENAME TO others")?)).unwrap();
    all_fail();
    db.with_connection(|conn| Ok(conn.execute_batch("ALTER TABLE others RENAME TO notes")?)).unwrap();
    assert_eq!(notes.len().unwrap(), 1);
    db.drop_collection("notes").unwrap();
    all_fail();
    assert!(matches!(db.drop_collection("notes"), Err(Error::Unknown(_))));
}
