//! More like this in the Rust API.
#![allow(clippy::unwrap_used)]

use nearlite::{Collection, Database, Error, Like, Metric, Mmr, Schema};
use serde_json::json;

fn notes(db: &Database) -> Collection {
    let notes = db
        .collection("notes")
        .create(
            Schema::new().key("id").full_text("title").full_text("body").vector("x", 1, Metric::L2).vector(
                "y",
                1,
                Metric::L2,
            ),
        )
        .unwrap();
    let rows = [
        ("a", "whales", "ships and whales", Some(1.0), 9.0),
        ("b", "ships", "at sea", Some(2.0), 8.0),
        ("c", "deserts", "whales are rare", Some(9.0), 1.0),
        ("d", "forests", "nothing else", None, 2.0),
    ];
    for (id, title, body, x, y) in rows {
        notes
            .insert(&json!({"id": id, "title": title, "body": body, "x": x.map(|x| [x]), "y": [y]}))
            .unwrap();
    }
    notes
}

#[test]
fn rows_are_compared_by_vector_by_words_or_by_both() {
    let db = Database::in_memory().unwrap();
    let notes = notes(&db);
    assert_eq!(notes.search().like("a").run().unwrap().keys(), ["b", "c"]);
    assert_eq!(
        notes.search().like_by("a", Like::vector().column("y")).run().unwrap().keys(),
        ["b", "d", "c"]
    );
    let words = notes.search().like_by("a", Like::text()).run().unwrap();
    assert_eq!(words.len(), 2);
    assert!(words[0].bm25.is_some() && words.keys().iter().all(|key| *key != "a"));
    let title = Like::text().text_column("title");
    assert_eq!(
        notes.search().like_by("b", title.clone()).run().unwrap().len(),
        0,
        "no other title has the word"
    );
    let both = notes.search().like_by("a", Like::both()).run().unwrap();
    assert_eq!(both.len(), 2);
    assert!(both[0].score > 0.0 && both[0].vector_rank.is_some());
    // Beside other legs; of several rows none comes back.
    let three = notes.search().nearest("x", [9.0]).text("ships").like("a").like("c").run().unwrap();
    assert_eq!(three.keys(), ["b"]);
    let unlike = notes.search().like("a").rerank(Mmr::lambda(0.5)).limit(1).run().unwrap();
    assert_eq!(unlike.keys(), ["b"]);
    assert_eq!(notes.search().like("a").within(1.0).run().unwrap().keys(), ["b"]);
}

#[test]
fn what_cannot_be_compared_is_an_error_or_is_like_nothing() {
    let db = Database::in_memory().unwrap();
    let notes = notes(&db);
    let error = notes.search().like("nobody").run().unwrap_err();
    assert!(
        matches!(&error, Error::Unknown(why) if why == "notes has no row nobody to compare others with"),
        "{error}"
    );
    assert!(notes.search().like(7).run().unwrap_err().to_string().contains("notes has a text key"));
    assert_eq!(notes.search().like("d").run().unwrap().len(), 0);
    assert_eq!(notes.search().like("d").within(5.0).run().unwrap().len(), 0);
    assert_eq!(notes.search().like("d").text("ships").run().unwrap().len(), 2, "the other leg is there");
    let error = notes.search().like_by("a", Like::vector().column("z")).run().unwrap_err();
    assert!(error.to_string().contains("there is no VECTOR column 'z'"), "{error}");
    let words = db.collection("words").create(Schema::new().full_text("body")).unwrap();
    words.insert(&[json!({"body": "one two"}), json!({"body": "two three"})]).unwrap();
    assert_eq!(words.search().like(1).run().unwrap().keys(), [2]);
    let error = words.search().like_by(1, Like::both()).run().unwrap_err();
    assert!(error.to_string().contains("words has no VECTOR column to compare rows by"), "{error}");
}
