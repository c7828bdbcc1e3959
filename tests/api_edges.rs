//! The Rust door at its edges: what converts into what, rows read back, and the kind of every error.

use nearlite::{Database, Error, Filter, Key, Metric, Schema, col};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::borrow::Cow;

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
