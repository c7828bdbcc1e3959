//! Filters of rows: by the row, by the columns of a segment, and over the row written as a JSON object.

use super::*;
use crate::columns::Columns;
use crate::json::{JsonFilter, parse};
use crate::storage::Row;
use serde_json::{Value as Json, json};

fn schema() -> Schema {
    Schema::new()
        .full_text("body")
        .key("id")
        .text("lang")
        .integer("year")
        .unindexed("raw")
        .real("price")
        .boolean("free")
        .json("meta")
        .json("odd.meta")
}

/// The rows as they are stored, and each as one object.
fn rows() -> Vec<(Row, Json)> {
    let nothing = || Value::Null;
    let text = |text: &str| Value::Text(text.to_owned());
    let stored = [
        (
            "a",
            text("en"),
            2020.into(),
            Value::Real(0.5),
            Value::Integer(1),
            r#"{"n": 1, "tags": ["x", "y"], "a.b": 1}"#,
        ),
        (
            "b",
            text("de"),
            2021.into(),
            Value::Real(2021.0),
            Value::Integer(0),
            r#"{"n": "1", "lang": "en", "a": {"b": 2}}"#,
        ),
        ("ba", text(""), nothing(), nothing(), nothing(), ""),
        (
            "c",
            nothing(),
            (1_i64 << 53).into(),
            Value::Real(-0.0),
            Value::Integer(1),
            r#"{"n": null, "tags": []}"#,
        ),
        (
            "C",
            text("En"),
            ((1_i64 << 53) + 1).into(),
            Value::Real(9_007_199_254_740_992.0),
            nothing(),
            r#"{"tags": "x"}"#,
        ),
        (
            "d%_",
            text("a_b"),
            (-1).into(),
            Value::Real(f64::INFINITY),
            Value::Integer(0),
            r#"{"n": true, "l": [{"m": 3}]}"#,
        ),
    ];
    let row =
        |(at, (id, lang, year, price, free, meta)): (usize, (&str, Value, Value, Value, Value, &str))| {
            let meta_value = if meta.is_empty() { Value::Null } else { text(meta) };
            let mut object = json!({"id": id, "rowid": at as i64 + 1});
            let scalar = |value: &Value| match value {
                Value::Integer(int) => json!(int),
                // JSON has no infinity.
                Value::Real(real) if real.is_infinite() => json!("1e999"),
                Value::Real(real) => json!(real),
                Value::Text(text) => json!(text),
                _ => Json::Null,
            };
            for (name, value) in [("lang", scalar(&lang)), ("year", scalar(&year)), ("price", scalar(&price))]
            {
                if !value.is_null() {
                    object[name] = value;
                }
            }
            if let Value::Integer(free) = free {
                object["free"] = json!(free != 0);
            }
            if !meta.is_empty() {
                let inner: Json = serde_json::from_str(meta).unwrap();
                object["meta"] = inner.clone();
                object["odd.meta"] = inner;
            }
            let values = vec![
                text("words"),
                text(id),
                lang,
                year,
                Value::Blob(vec![1]),
                price,
                free,
                meta_value.clone(),
                meta_value,
            ];
            (Row { rowid: at as i64 + 1, values }, object)
        };
    stored.into_iter().enumerate().map(row).collect()
}

fn atoms() -> Vec<Json> {
    let keys = [
        "id",
        "rowid",
        "lang",
        "year",
        "price",
        "free",
        "meta",
        "meta.n",
        "meta.tags",
        "meta.lang",
        "meta.a.b",
        "meta.l.m",
        "odd.meta.n",
        "odd.meta",
    ];
    let scalars = [
        json!("en"),
        json!("b"),
        json!("1"),
        json!(1),
        json!(1.0),
        json!(2020),
        json!(0.5),
        json!(true),
        json!(false),
        Json::Null,
        json!(9_007_199_254_740_993_i64),
        json!(9_007_199_254_740_992.0),
        json!(-0.0),
        json!(""),
        json!("x"),
        json!(3),
    ];
    let mut atoms = Vec::new();
    for key in keys {
        for scalar in &scalars {
            atoms.push(json!({key: scalar}));
            atoms.push(json!({key: {"$ne": scalar}}));
            atoms.push(json!({key: {"$in": [scalar, "de", 2021, null]}}));
            atoms.push(json!({key: {"$nin": [scalar, "ba"]}}));
            atoms.push(json!({key: {"$contains": scalar}}));
            if scalar.is_number() || scalar.is_string() {
                for operator in ["$gt", "$gte", "$lt", "$lte"] {
                    atoms.push(json!({key: {operator: scalar}}));
                }
            }
        }
        for other in [
            json!({"$exists": true}),
            json!({"$exists": false}),
            json!({"$in": []}),
            json!({"$contains_all": []}),
            json!({"$like": "%b%"}),
            json!({"$like": "e_"}),
            json!({"$between": [0, 2020]}),
            json!({"$between": ["a", "c"]}),
            json!({"$contains_any": ["x", 1]}),
            json!({"$not": {"$gt": 1, "$lt": 3000}}),
            json!({"$gte": "", "$like": "%"}),
        ] {
            atoms.push(json!({key: other}));
        }
    }
    atoms
}

#[test]
fn a_row_passes_where_the_object_of_its_columns_does() {
    let (schema, rows) = (schema(), rows());
    let types: Vec<ColumnType> = schema.metadata().map(|(_, kind)| kind).collect();
    let metadata = |row: &Row| crate::collection::metadata_of(&schema, &row.values);
    let built = Columns::build(&types, &mut rows.iter().map(|(row, _)| (row.rowid, metadata(row))));
    let columns = Columns::decode(&built.encode(), &types, rows.len()).unwrap();
    let resolve = |test: KeyTest<'_>| {
        let mut keys: Vec<(&str, i64)> =
            rows.iter().filter_map(|(row, _)| Some((row.values[1].as_text()?, row.rowid))).collect();
        keys.sort_unstable();
        Ok(match test {
            KeyTest::Among(wanted) => keys
                .into_iter()
                .filter(|(key, _)| wanted.iter().any(|one| one == key))
                .map(|(_, rowid)| rowid)
                .collect(),
            KeyTest::From(first, passes) => keys
                .into_iter()
                .skip_while(|(key, _)| *key < first)
                .map_while(|(key, rowid)| passes(key).map(|holds| (holds, rowid)))
                .filter_map(|(holds, rowid)| holds.then_some(rowid))
                .collect(),
        })
    };
    let atoms = atoms();
    // Pairs of neighbours far enough apart to be of different columns.
    let pairs = atoms.iter().zip(atoms.iter().cycle().skip(atoms.len() / 3 + 7));
    let combined = pairs.enumerate().map(|(at, (a, b))| match at % 5 {
        0 => json!({"$or": [a, b]}),
        1 => json!({"$and": [a, {"$not": b}]}),
        2 => json!({"$not": {"$or": [a, {"$not": b}]}}),
        3 => json!({"$or": [{"$and": [a, b]}, {"$not": a}]}),
        _ => json!({"$or": []}),
    });
    for filter in atoms.iter().cloned().chain(combined) {
        let text = filter.to_string();
        let defined = JsonFilter::read(&text).unwrap();
        let by_row = RowFilter::read("docs", &schema, &text).unwrap();
        for inverted in [false, true] {
            let mut bound = Filter::row(text.clone());
            if inverted {
                bound = bound.not();
            }
            let predicate = bound.bind("docs", &schema, &resolve).unwrap();
            let bounds = predicate.eval(&columns);
            for (row, object) in &rows {
                let object = object.to_string().replace("\"1e999\"", "1e999");
                let wanted = defined.matches(&parse(&object).unwrap()) != inverted;
                let at = format!("{text} of {object}");
                assert_eq!(by_row.matches(row) != inverted, wanted, "by row: {at}");
                assert_eq!(predicate.matches(row.rowid, &metadata(row)), Some(wanted), "predicate: {at}");
                let ord = columns.find_rowid(row.rowid).unwrap();
                assert!(bounds.possible().contains(ord) || !wanted, "columns: {at}");
                assert!(!bounds.sure.contains(ord) || wanted, "columns, surely: {at}");
                assert!(
                    bounds.possible.is_some() || bounds.sure.contains(ord) == wanted,
                    "columns, exactly: {at}"
                );
            }
        }
    }
}

#[test]
fn a_key_that_is_no_column_is_an_error_that_names_the_columns() {
    let schema = schema();
    let error = |text: &str| RowFilter::read("docs", &schema, text).unwrap_err().to_string();
    assert_eq!(
        error(r#"{"$or": [{"yaer": 1}]}"#),
        "docs has no column yaer; columns that can be filtered: id, lang, year, price, free, meta, odd.meta"
    );
    assert!(error(r#"{"yaer.x": 1}"#).contains("no column yaer.x"));
    assert_eq!(
        error(r#"{"year.x": 1}"#),
        "docs.year holds no objects, so there is no year.x; only a JSON column has paths"
    );
    assert!(error(r#"{"body": "x"}"#).contains("FULLTEXT"));
    assert!(error(r#"{"raw": "x"}"#).contains("UNINDEXED"));
    assert!(error("[]").starts_with("docs: row_matches: the filter must be a JSON object"));
    assert!(error(r#"{"year": {"$gtt": 1}}"#).contains("unknown operator"));
    assert!(RowFilter::read("docs", &schema, r#"{"YEAR": 1, "Meta.n": 2, "oid": 3}"#).is_ok());
}
