//! The Rust door at its edges: what converts into what.

use nearlite::{Database, Error, Filter, Key, Metric, Schema, col};
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
