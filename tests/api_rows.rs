//! Rows of unusual types, many changes at once, and what is counted without being read.
#![allow(clippy::unwrap_used)]

use nearlite::{Collection, Database, Error, Metric, Mmr, Schema, col};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// As the crate `half` declares them: newtypes of their bits.
#[allow(non_camel_case_types)]
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq)]
struct f16(u16);
#[allow(non_camel_case_types)]
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq)]
struct bf16(u16);
/// A newtype of the same number that is no float.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq)]
struct Count(u16);

const F16: [f16; 5] = [f16(0x3c00), f16(0x4000), f16(0x3800), f16(0xbc00), f16(0x7bff)];
const BF16: [bf16; 5] = [bf16(0x3f80), bf16(0x4000), bf16(0x3f00), bf16(0xbf80), bf16(0x7f7f)];

#[test]
fn half_floats_are_stored_as_the_numbers_that_they_are() {
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    struct Row<T> {
        id: i64,
        price: Option<T>,
        v: Vec<T>,
        w: Option<[T; 5]>,
    }
    let schema = || {
        let schema = Schema::new().integer_key("id").real("price");
        schema.vector("v", 5, Metric::L2).vector("w", 5, Metric::Cosine)
    };
    let db = Database::in_memory().unwrap();
    let rows = db.collection("rows").create(schema()).unwrap();
    let halves = Row { id: 1, price: Some(f16(0x3e00)), v: F16.to_vec(), w: Some(F16) };
    let upper = Row { id: 2, price: Some(bf16(0x3fc0)), v: BF16.to_vec(), w: None };
    rows.insert(&halves).unwrap();
    rows.insert(&upper).unwrap();
    let floats: Vec<Row<f32>> = rows.get([1, 2]).unwrap();
    assert_eq!(floats[0].v, [1.0, 2.0, 0.5, -1.0, 65504.0]);
    assert_eq!(floats[1].v[..4], [1.0, 2.0, 0.5, -1.0]);
    assert_eq!(floats[0].w.unwrap()[..3], [1.0, 2.0, 0.5]);
    assert_eq!([floats[0].price, floats[1].price], [Some(1.5), Some(1.5)]);
    assert_eq!(rows.get_one::<Row<f16>>(1).unwrap(), Some(halves));
    assert_eq!(rows.get_one::<Row<bf16>>(2).unwrap(), Some(upper));
    // What is no number is refused, as in other vectors.
    let with = |last| Row { id: 3, price: None, v: vec![F16[0], F16[1], F16[2], F16[3], f16(last)], w: None };
    for (bits, value) in [(0x7e00, "NaN"), (0x7c00, "inf"), (0xfc00, "-inf")] {
        let error = rows.insert(&with(bits)).unwrap_err();
        assert_eq!(error.to_string(), format!("rows.v: value {value} at index 4 is not a finite number"));
    }
    assert!(matches!(
        rows.insert(&Row { id: 3, price: Some(f16(0x7e00)), v: vec![], w: None }),
        Err(Error::Value(_))
    ));
}

#[test]
fn texts_that_are_numbers_are_taken_for_numbers() {
    let db = Database::in_memory().unwrap();
    let schema = Schema::new().integer_key("id").integer("year").real("price").boolean("free").text("lang");
    let rows = db.collection("rows").create(schema).unwrap();
    rows.insert(&json!({"id": "12", "year": "1e3", "price": " 2 ", "free": "1.0", "lang": "7"})).unwrap();
    rows.upsert(&json!({"id": "12", "year": "2017", "price": ".5", "free": "0", "lang": "8"})).unwrap();
    let stored: Vec<Value> = rows.get([12]).unwrap();
    let [row] = stored.as_slice() else { panic!("{stored:?}") };
    let read = ["id", "year", "price", "free", "lang"].map(|name| row[name].clone());
    assert_eq!(read[..3], [json!(12), json!(2017), json!(0.5)]);
    assert!(read[3] == json!(false) || read[3] == json!(0), "{row}");
    assert_eq!(read[4], json!("8"));
    for (row, parts) in [
        (json!({"year": "2017.5"}), ["rows.year: expected INTEGER", "'2017.5'"]),
        (json!({"year": ""}), ["rows.year: expected INTEGER", "give None"]),
        (json!({"price": "cheap"}), ["rows.price: expected REAL", "'cheap'"]),
        (json!({"free": "2"}), ["rows.free: expected BOOLEAN", "'2'"]),
        (json!({"id": "x"}), ["rows.id: expected INTEGER", "'x'"]),
    ] {
        let message = rows.insert(&row).unwrap_err().to_string();
        assert!(parts.iter().all(|part| message.contains(part)), "{row}: {message}");
    }
}

#[test]
fn a_half_float_is_a_number_in_every_column() {
    let schema = Schema::new().integer_key("id").integer("n").boolean("b").unindexed("any");
    let rows = Database::in_memory().unwrap().collection("rows").create(schema).unwrap();
    #[derive(Serialize)]
    struct Row<A, B> {
        id: i64,
        n: A,
        any: B,
    }
    rows.insert(&Row { id: 1, n: f16(0x4000), any: bf16(0x3f00) }).unwrap();
    rows.insert(&Row { id: 2, n: Count(0x4000), any: Count(0x3f00) }).unwrap();
    let stored: Vec<Value> = rows.get([1, 2]).unwrap();
    assert_eq!([&stored[0]["n"], &stored[0]["any"]], [&json!(2), &json!(0.5)]);
    assert_eq!([&stored[1]["n"], &stored[1]["any"]], [&json!(0x4000), &json!(0x3f00)]);
    // 1.5 is no integer, and a list of halves is no list of bytes.
    assert!(matches!(rows.insert(&Row { id: 3, n: f16(0x3e00), any: 0 }), Err(Error::Value(_))));
    assert!(matches!(rows.insert(&Row { id: 3, n: 1, any: vec![f16(1), f16(2)] }), Err(Error::Value(_))));
    #[derive(Deserialize)]
    struct Half {
        n: f16,
    }
    assert_eq!(rows.get_one::<Half>(1).unwrap().unwrap().n, f16(0x4000));
}

fn notes(db: &Database) -> Collection {
    let schema = Schema::new().key("id").full_text("body").integer("year").vector("v", 2, Metric::L2);
    let notes = db.collection("notes").create(schema).unwrap();
    let row = |i: i64| json!({"id": format!("n{i}"), "body": format!("text {i}"), "year": 2000 + i % 10, "v": [i, 0]});
    notes.insert(&(0..200).map(row).collect::<Vec<_>>()).unwrap();
    notes
}

#[test]
fn many_rows_are_changed_at_once_or_none() {
    let db = Database::in_memory().unwrap();
    let notes = notes(&db);
    let change = |i: i64| json!({"id": format!("n{i}"), "v": [-i, 0]});
    let changes: Vec<Value> = (190..210).map(change).collect();
    assert_eq!(notes.update_many(&changes).unwrap(), 10);
    assert_eq!(notes.search().nearest("v", [-199.0, 0.0]).limit(2).run().unwrap().keys(), ["n199", "n198"]);
    let row: Value = notes.get_one("n199").unwrap().unwrap();
    assert_eq!((&row["body"], &row["year"]), (&json!("text 199"), &json!(2009)), "what is not given stays");
    // Rows may give different columns, or none.
    let mixed = [
        json!({"id": "n1", "year": 1}),
        json!({"body": null, "id": "n2"}),
        json!({"id": "n3"}),
        json!({"id": "z"}),
    ];
    assert_eq!(notes.update_many(&mixed).unwrap(), 3);
    assert_eq!(notes.count(col("year").eq(1)).unwrap(), 1);
    assert_eq!(notes.update_many::<[Value]>(&[]).unwrap(), 0);
    // A mistake in the last one leaves the first as it was.
    for (bad, part) in [
        (json!({"id": "n5", "v": [1]}), "expected 2 dimensions"),
        (json!({"year": 7}), "row 1 of update_many does not give its key"),
        (json!({"id": null, "year": 7}), "row 1 of update_many does not give its key"),
        (json!({"id": "n5", "colour": 7}), "has no column colour"),
    ] {
        let error = notes.update_many(&[json!({"id": "n4", "year": 7}), bad]).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
        assert_eq!(notes.count(col("year").eq(7)).unwrap(), 0);
    }
    notes.verify().unwrap();

    let keyless = db.collection("keyless").create(Schema::new().integer("x")).unwrap();
    keyless.insert(&[json!({"x": 1}), json!({"x": 2})]).unwrap();
    assert_eq!(keyless.update_many(&[json!({"rowid": 2, "x": 5}), json!({"rowid": 9, "x": 5})]).unwrap(), 1);
    assert_eq!(keyless.count(col("x").eq(5)).unwrap(), 1);
}

#[test]
fn a_count_is_that_of_the_rows_a_search_finds() {
    let db = Database::in_memory().unwrap();
    let notes = notes(&db);
    let filters = || {
        [
            col("year").ge(2005),
            col("year").eq(2003).or(col("id").is_in(["n1", "n3", "n200"])),
            !col("year").is_in([2001, 2002]),
            col("year").is_null(),
        ]
    };
    let check = |state: &str| {
        for filter in filters() {
            let found = notes.search().filter(filter.clone()).limit(1000).run().unwrap().len();
            assert_eq!(notes.count(filter.clone()).unwrap(), found, "{state}: {filter:?}");
        }
    };
    check("in the log");
    notes.flush().unwrap();
    check("sealed");
    notes.delete((0..50).map(|i| format!("n{i}"))).unwrap();
    notes.update("n60", &json!({"year": 2003})).unwrap();
    notes.upsert(&json!({"id": "n61", "year": null})).unwrap();
    check("changed");
    db.transaction(|tx| {
        let inside = tx.collection("notes")?;
        let before = inside.count(col("year").eq(2003))?;
        inside.insert(&json!({"id": "new", "year": 2003}))?;
        assert_eq!(inside.count(col("year").eq(2003))?, before + 1);
        Ok(())
    })
    .unwrap();
    assert!(matches!(notes.count(col("colour").eq(1)), Err(Error::Unknown(_))));
}

#[test]
fn a_key_exists_while_its_row_does() {
    let db = Database::in_memory().unwrap();
    let notes = notes(&db);
    assert!(notes.exists("n7").unwrap());
    notes.delete(["n7"]).unwrap();
    assert!(!notes.exists("n7").unwrap());
    assert!(matches!(notes.exists(7), Err(Error::Value(_))));
    let numbers = db.collection("numbers").create(Schema::new().integer_key("id").integer("x")).unwrap();
    numbers.insert(&json!({"id": 7})).unwrap();
    assert!(numbers.exists(7).unwrap() && !numbers.exists(8).unwrap());
    // An update of nothing says no less than one of something.
    assert!(numbers.update(7, &json!({})).unwrap());
    assert!(!numbers.update(8, &json!({})).unwrap());
}

#[test]
fn numbers_that_make_no_sense_are_refused() {
    let db = Database::in_memory().unwrap();
    let notes = notes(&db);
    let near = || notes.search().nearest("v", [0.0, 0.0]);
    for lambda in [f32::NAN, 7.0, -0.1, f32::INFINITY] {
        let error = near().rerank(Mmr::lambda(lambda)).run().unwrap_err().to_string();
        assert_eq!(error, format!("notes: the lambda of Mmr must be 0 to 1, got {lambda}"));
    }
    for lambda in [0.0, 0.5, 1.0] {
        assert_eq!(near().rerank(Mmr::lambda(lambda)).limit(3).run().unwrap().len(), 3);
    }
    let error = near().group_by("year", 0).run().unwrap_err().to_string();
    assert_eq!(error, "notes: group_by takes 1 row or more of each group, got 0");
}

#[test]
fn an_error_of_sqlite_is_told_once() {
    let db = Database::in_memory().unwrap();
    let error = db.with_connection(|conn| Ok(conn.execute_batch("SELECT * FROM nowhere")?)).unwrap_err();
    let mut sentences = vec![error.to_string()];
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        sentences.push(error.to_string());
        cause = error.source();
    }
    sentences.dedup();
    assert_eq!(
        sentences.iter().filter(|sentence| sentence.contains("no such table: nowhere")).count(),
        1,
        "{sentences:?}"
    );
    assert_ne!(sentences.first(), sentences.get(1));
}

/// The statements below the calls then return a row, which once made every write fail.
#[test]
fn a_connection_that_counts_changes_can_write() {
    let conn = nearlite::rusqlite::Connection::open_in_memory().unwrap();
    nearlite::register(&conn).unwrap();
    conn.execute_batch("CREATE VIRTUAL TABLE docs USING nearlite(id INTEGER PRIMARY KEY, n INTEGER); PRAGMA count_changes = 1")
        .unwrap();
    let docs = nearlite::Collection::on(&conn, "docs").unwrap();
    docs.insert(&[json!({"id": 1, "n": 1}), json!({"id": 2, "n": 2}), json!({"id": 3, "n": 3})]).unwrap();
    docs.upsert(&[json!({"id": 3, "n": 4})]).unwrap();
    assert!(docs.update(1, &json!({"n": 5})).unwrap());
    assert!(!docs.update(9, &json!({"n": 5})).unwrap());
    assert_eq!(docs.delete([2, 9]).unwrap(), 1);
    assert_eq!(docs.delete_where(col("n").eq(5)).unwrap(), 1);
    docs.set("ef_search", 100).unwrap();
    docs.optimize().unwrap();
    docs.verify().unwrap();
    assert_eq!(docs.len().unwrap(), 1);
}
