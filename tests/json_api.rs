//! JSON columns through the Rust door: objects of the user's own type, written, filtered by path and read.
#![allow(clippy::unwrap_used)]

use nearlite::{Database, Filter, JsonScalar, Metric, Schema};
use serde_json::json;

fn vector(rowid: i64) -> Vec<f32> {
    (0..8).map(|i| ((rowid * 31 + i * 17) % 101) as f32 / 8.0).collect()
}

#[derive(serde::Serialize, serde::Deserialize, Debug, PartialEq, Clone)]
struct Author {
    name: String,
    born: Option<i64>,
}

#[derive(serde::Serialize, serde::Deserialize, Debug, PartialEq, Clone)]
struct Meta {
    year: i64,
    author: Author,
    tags: Vec<String>,
    draft: bool,
}

#[derive(serde::Serialize, serde::Deserialize, Debug, PartialEq, Clone)]
struct Note {
    id: String,
    meta: Option<Meta>,
    e: Vec<f32>,
}

fn has(note: &Note, test: impl Fn(&Meta) -> bool) -> bool {
    note.meta.as_ref().is_some_and(test)
}

#[test]
fn the_rust_door_writes_filters_and_reads_objects_of_the_users_own_type() {
    let db = Database::in_memory().unwrap();
    let schema = Schema::new().key("id").json("meta").vector("e", 8, Metric::L2);
    let notes = db.collection("notes").create_if_missing(schema).unwrap();
    let all: Vec<Note> = (0..40)
        .map(|at| Note {
            id: format!("n{at}"),
            meta: (at % 10 != 9).then(|| Meta {
                year: 2000 + at,
                author: Author { name: format!("name {}", at % 4), born: (at % 2 == 0).then_some(1900 + at) },
                tags: vec!["all".into(), format!("t{}", at % 5)],
                draft: at % 3 == 0,
            }),
            e: vector(at),
        })
        .collect();
    notes.upsert(&all).unwrap();
    let meta = nearlite::json("meta");
    let path = |path: &str| meta.path(path);
    let nothing: Option<i64> = None;
    type Case = (Filter, fn(&Note) -> bool);
    let cases: Vec<Case> = vec![
        (path("year").ge(2020), |note| has(note, |meta| meta.year >= 2020)),
        (path("year").between(2003, 2009.5), |note| has(note, |meta| (2003..2010).contains(&meta.year))),
        (path("author.name").eq("name 1"), |note| has(note, |meta| meta.author.name == "name 1")),
        (path("author.name").like("NAME _"), |note| has(note, |_| true)),
        (path("author.born").eq(nothing), |note| has(note, |meta| meta.author.born.is_none())),
        (path("author.born").exists(), |note| has(note, |_| true)),
        (path("tags").contains("t3"), |note| has(note, |meta| meta.tags[1] == "t3")),
        (path("tags").contains_any(["t3", "t4"]), |note| has(note, |meta| meta.tags[1].as_str() > "t2")),
        (path("tags").contains_all(["all", "t0"]), |note| has(note, |meta| meta.tags[1] == "t0")),
        (path("draft").eq(true).or(path("year").is_in([2001, 2002])), |note| {
            has(note, |meta| meta.draft || [2001, 2002].contains(&meta.year))
        }),
        (!path("draft").eq(true), |note| has(note, |meta| !meta.draft)),
        (path("year").ne(2001).and(path("year").lt(2004)), |note| {
            has(note, |meta| meta.year != 2001 && meta.year < 2004)
        }),
        (path("year").not_in([2000, 2001]).and(path("year").le(2002)), |note| {
            has(note, |meta| meta.year == 2002)
        }),
        (path("year").gt(2037).or(nearlite::col("meta").is_null()), |note| {
            !has(note, |meta| meta.year <= 2037)
        }),
        (Filter::json("meta", json!({"year": {"$gt": 2030}, "draft": true})), |note| {
            has(note, |meta| meta.year > 2030 && meta.draft)
        }),
        (meta.matches(r#"{"tags": "t1"}"#), |note| has(note, |meta| meta.tags[1] == "t1")),
    ];
    for sealed in [false, true] {
        if sealed {
            notes.optimize().unwrap();
        }
        for (filter, keep) in &cases {
            let hits =
                notes.search().nearest("e", vector(3)).filter(filter.clone()).limit(100).run().unwrap();
            let mut got: Vec<Note> = hits.rows().unwrap();
            got.sort_by_key(|note| note.id[1..].parse::<i64>().unwrap());
            let right: Vec<Note> = all.iter().filter(|note| keep(note)).cloned().collect();
            assert_eq!(got, right, "{filter:?}");
        }
    }
    let fails = |filter: Filter| {
        notes.search().nearest("e", vector(3)).filter(filter).limit(1).run().unwrap_err().to_string()
    };
    assert!(
        fails(path("year").gt(true))
            .contains("notes.meta: json_matches: \"year\": $gt takes a number or a text")
    );
    assert!(fails(path("year").eq(f64::NAN)).contains("not valid JSON"));
    assert!(fails(nearlite::col("meta").eq("x")).contains("filtered by its paths"));
    assert!(fails(nearlite::json("id").path("a").eq(1)).contains("only a JSON column"));
    assert!(
        notes.insert(&json!({"id": "bad", "meta": [1]})).unwrap_err().to_string().contains("a JSON object")
    );
    assert!(notes.insert(&json!({"id": "bad", "meta": "{"})).unwrap_err().to_string().contains("byte 1"));
    // As text, a column is what was written; a mixed list of operands is one of JsonScalar.
    notes.insert(&json!({"id": "text", "meta": " {\"k\" : 1.50} ", "e": vector(1)})).unwrap();
    #[derive(serde::Deserialize)]
    struct Text {
        meta: String,
    }
    let mixed = path("k").is_in([JsonScalar::from("x"), 1.5.into(), true.into()]);
    let hits = notes.search().nearest("e", vector(3)).filter(mixed).limit(9).run().unwrap();
    let texts: Vec<Text> = hits.rows().unwrap();
    assert_eq!(texts.iter().map(|text| text.meta.as_str()).collect::<Vec<_>>(), [" {\"k\" : 1.50} "]);
}
