//! The values of columns in the Rust API: order, facets, pieces of text; and changes by a filter.
#![allow(clippy::unwrap_used)]

use nearlite::{Collection, Database, Error, Facet, Filter, Metric, Schema, Value, col};
use serde_json::{Value as Json, json};

fn notes(db: &Database) -> Collection {
    let schema = Schema::new()
        .key("id")
        .full_text("body")
        .text("lang")
        .integer("year")
        .real("price")
        .json("meta")
        .unindexed("raw")
        .vector("x", 1, Metric::L2);
    let notes = db.collection("notes").create(schema).unwrap();
    let rows: Vec<Json> = (0..60)
        .map(|n| {
            let lang = [None, Some("en"), Some("de"), Some("EN")][n % 4];
            json!({
                "id": format!("report{}.pdf#{n}", n % 3),
                "body": "words",
                "lang": lang,
                "year": (n % 7 != 0).then_some(2000 + (n * 7) % 13),
                "price": (n % 5) as f64 / 2.0 - 0.5,
                "meta": json!({"n": n}).to_string(),
                "x": [n as f32],
            })
        })
        .collect();
    notes.insert(&rows[..30]).unwrap();
    notes.flush().unwrap();
    notes.insert(&rows[30..]).unwrap();
    notes.delete(["report0.pdf#3"]).unwrap();
    // Of a segment, and of rows that are in none.
    notes.update_where(col("rowid").is_in([5, 6, 40]), &json!({"year": 1999, "lang": "fr"})).unwrap();
    notes
}

/// Rowids by a statement.
fn plain(db: &Database, sql: &str) -> Vec<i64> {
    db.with_connection(|conn| {
        let mut statement = conn.prepare(sql)?;
        Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<_>, _>>()?)
    })
    .unwrap()
}

#[test]
fn rows_come_in_the_order_of_sqlite() {
    let db = Database::in_memory().unwrap();
    let notes = notes(&db);
    let rowids = |search: nearlite::Search<'_>| -> Vec<i64> {
        search.limit(1000).run().unwrap().iter().map(|hit| hit.rowid).collect()
    };
    let search = || notes.search();
    assert_eq!(rowids(search().order_by("year")), plain(&db, "SELECT rowid FROM notes ORDER BY year, rowid"));
    assert_eq!(
        rowids(search().order_by_desc("lang")),
        plain(&db, "SELECT rowid FROM notes ORDER BY lang DESC, rowid")
    );
    assert_eq!(
        rowids(search().order_by_desc("price").order_by("year").filter(col("lang").is_not_null())),
        plain(&db, "SELECT rowid FROM notes WHERE lang IS NOT NULL ORDER BY price DESC, year, rowid")
    );
    assert_eq!(
        rowids(search().order_by_desc("rowid")),
        plain(&db, "SELECT rowid FROM notes ORDER BY rowid DESC")
    );
    assert_eq!(rowids(search().order_by_desc("ID")), plain(&db, "SELECT rowid FROM notes ORDER BY id DESC"));
    let page: Vec<i64> =
        search().order_by("year").limit(5).offset(10).run().unwrap().iter().map(|hit| hit.rowid).collect();
    assert_eq!(page, plain(&db, "SELECT rowid FROM notes ORDER BY year, rowid LIMIT 5 OFFSET 10"));
    let all: Vec<i64> = search().order_by("year").iter().unwrap().map(|hit| hit.unwrap().rowid).collect();
    assert_eq!(all, plain(&db, "SELECT rowid FROM notes ORDER BY year, rowid"));
    let each = search().order_by("year").group_by("lang", 1).limit(10).run().unwrap();
    assert_eq!(each.len(), 5);
    for (search, words) in [
        (search().order_by("yaer"), "notes has no column yaer to order rows by"),
        (search().order_by("meta"), "rows cannot be ordered by a JSON column"),
        (search().order_by("body"), "by a FULLTEXT column"),
        (search().order_by("raw"), "by an UNINDEXED column"),
        (search().order_by("x"), "by a vector"),
        (search().order_by("year").nearest("x", [1.0]), "order_by is for a search without a leg"),
        (search().order_by("year").text("words"), "order_by is for a search without a leg"),
    ] {
        let error = search.run().unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn values_are_counted_as_sqlite_counts_them() {
    let db = Database::in_memory().unwrap();
    let notes = notes(&db);
    let of =
        |facets: &[Facet]| facets.iter().map(|facet| (facet.value.clone(), facet.rows)).collect::<Vec<_>>();
    for (column, filter, condition) in [
        ("lang", Filter::All, "1"),
        ("year", col("price").gt(0), "price > 0"),
        ("price", col("year").is_null(), "year IS NULL"),
    ] {
        let wanted: Vec<(Value, usize)> = db
            .with_connection(|conn| {
                let sql = format!(
                    "SELECT {column}, count(*) FROM notes WHERE {condition} GROUP BY 1 ORDER BY 2 DESC, 1"
                );
                let mut statement = conn.prepare(&sql)?;
                let rows = statement.query_map([], |row| {
                    Ok((Value::from(row.get_ref(0)?), row.get::<_, i64>(1)? as usize))
                })?;
                Ok(rows.collect::<Result<Vec<_>, _>>()?)
            })
            .unwrap();
        assert_eq!(of(&notes.facets(column, filter).unwrap()), wanted, "{column}");
    }
    assert_eq!(
        notes.distinct("lang").unwrap(),
        [
            Value::Null,
            Value::Text("EN".into()),
            Value::Text("de".into()),
            Value::Text("en".into()),
            Value::Text("fr".into())
        ]
    );
    assert!(notes.facets("meta", Filter::All).unwrap_err().to_string().contains("only the values of a TEXT"));
    assert!(matches!(notes.distinct("nope"), Err(Error::Unknown(_))));
}

#[test]
fn keys_and_texts_are_filtered_by_their_pieces() {
    let db = Database::in_memory().unwrap();
    let notes = notes(&db);
    for (filter, condition) in [
        (col("id").starts_with("report1.pdf#"), "substr(id, 1, 12) = 'report1.pdf#'"),
        (col("id").like_prefix("REPORT2"), "id LIKE 'report2%'"),
        (col("id").contains("#1"), "instr(id, '#1')"),
        (col("id").like("%.PDF#_"), "id LIKE '%.pdf#_'"),
        (
            col("id").ge("report1.pdf#4").and(col("id").lt("report2")),
            "id >= 'report1.pdf#4' AND id < 'report2'",
        ),
        (!col("id").contains("1"), "NOT instr(id, '1')"),
        (col("lang").contains("n"), "instr(lang, 'n')"),
        (!col("lang").like("e%"), "NOT (lang LIKE 'e%')"),
        (
            Filter::row(json!({"$or": [{"id": {"$like": "%#4%"}}, {"meta.n": {"$gt": 55}}, {"lang": null}]})),
            "id LIKE '%#4%' OR meta ->> 'n' > 55 OR lang IS NULL",
        ),
        (!Filter::row(json!({"year": {"$gt": 2005}})), "(year > 2005) IS NOT TRUE"),
    ] {
        let wanted = plain(&db, &format!("SELECT rowid FROM notes WHERE {condition} ORDER BY rowid"));
        assert!(!wanted.is_empty(), "{condition}");
        let found = notes.search().filter(filter.clone()).limit(100).run().unwrap();
        assert_eq!(found.iter().map(|hit| hit.rowid).collect::<Vec<_>>(), wanted, "{condition}");
        let mut near: Vec<i64> = notes
            .search()
            .nearest("x", [0.0])
            .filter(filter.clone())
            .limit(100)
            .run()
            .unwrap()
            .iter()
            .map(|hit| hit.rowid)
            .collect();
        near.sort_unstable();
        assert_eq!(near, wanted, "{condition}");
        assert_eq!(notes.count(filter).unwrap(), wanted.len(), "{condition}");
    }
}

#[test]
fn rows_change_by_a_filter_or_not_at_all() {
    let db = Database::in_memory().unwrap();
    let notes = notes(&db);
    let english = notes.count(col("lang").eq("en")).unwrap();
    assert_eq!(
        notes.update_where(col("lang").eq("en"), &json!({"lang": "English", "year": null})).unwrap(),
        english
    );
    assert_eq!(notes.count(col("lang").eq("English").and(col("year").is_null())).unwrap(), english);
    assert_eq!(notes.update_where(Filter::row(json!({"lang": "English"})), &json!({})).unwrap(), english);
    assert_eq!(notes.update_where(col("lang").eq("none"), &json!({"year": 1})).unwrap(), 0);
    for error in [
        notes.update_where(col("yaer").eq(1), &json!({"year": 1})).unwrap_err(),
        notes.update_where(Filter::All, &json!({"yaer": 1})).unwrap_err(),
        notes.update_where(Filter::All, &json!({"x": [1.0, 2.0]})).unwrap_err(),
        notes.update_where(Filter::All, &json!([{"year": 1}, {"year": 2}])).unwrap_err(),
        notes.update_where(Filter::All, &json!({"id": "one"})).unwrap_err(),
    ] {
        assert!(!error.to_string().is_empty());
    }
    assert_eq!(notes.count(col("year").eq(1)).unwrap(), 0);
    assert_eq!(notes.count(col("id").eq("one")).unwrap(), 0);
    notes.verify().unwrap();
}

#[test]
fn a_collection_gets_another_name_and_keeps_its_settings() {
    let db = Database::in_memory().unwrap();
    let notes = notes(&db);
    notes.set("ef_search", 300).unwrap();
    db.collection("other").create(Schema::new().key("id")).unwrap();
    assert!(
        matches!(db.rename_collection("notes", "other"), Err(Error::Schema(why)) if why.contains("there is a table other already"))
    );
    assert!(matches!(db.rename_collection("nobody", "x"), Err(Error::Unknown(_))));
    assert!(matches!(db.rename_collection("notes", "rank"), Err(Error::Schema(_))));
    db.rename_collection("NOTES", "papers").unwrap();
    assert_eq!(db.collections().unwrap(), ["other", "papers"]);
    assert!(notes.len().unwrap_err().to_string().contains("there is no collection notes any more"));
    let papers = db.collection("papers").open().unwrap();
    assert_eq!((papers.len().unwrap(), papers.setting("ef_search").unwrap()), (59, Value::Integer(300)));
    assert!(
        matches!(papers.setting("nope"), Err(Error::Unknown(why)) if why.contains("settings are ef_search"))
    );
    papers.verify().unwrap();
}

#[test]
fn texts_with_a_nul_are_matched_alike_by_all_that_takes_a_filter() {
    let texts = ["x", "x\0y", "xy", "\0", "X\0Y", "x\0"];
    let cases: [(Filter, &[usize]); 7] = [
        (col("s").like("x"), &[0]),
        (col("s").like("x\0y"), &[1, 4]),
        (col("s").like("%y"), &[1, 2, 4]),
        (col("s").like("x_"), &[2, 5]),
        (col("s").like_prefix("x\0"), &[1, 4, 5]),
        (col("s").starts_with("x"), &[0, 1, 2, 5]),
        (!col("s").like("x%"), &[3]),
    ];
    for sealed in [false, true] {
        for (filter, expected) in &cases {
            let db = Database::in_memory().unwrap();
            let schema = Schema::new().key("id").text("s").integer("n").vector("v", 1, Metric::L2);
            let rows = db.collection("rows").create(schema).unwrap();
            let row = |at: usize| json!({"id": at.to_string(), "s": texts[at], "n": 0, "v": [at]});
            rows.insert(&(0..texts.len()).map(row).collect::<Vec<_>>()).unwrap();
            if sealed {
                rows.optimize().unwrap();
            }
            let at = format!("{filter:?}, sealed: {sealed}");
            let keys = |search: nearlite::Search<'_>| {
                let hits = search.filter(filter.clone()).limit(10).run().unwrap();
                let mut keys: Vec<usize> =
                    hits.keys().iter().map(|key| key.to_string().parse().unwrap()).collect();
                keys.sort_unstable();
                keys
            };
            assert_eq!(keys(rows.search()), *expected, "{at}");
            assert_eq!(keys(rows.search().nearest("v", [0.0])), *expected, "{at}");
            assert_eq!(rows.count(filter.clone()).unwrap(), expected.len(), "{at}");
            assert_eq!(rows.update_where(filter.clone(), &json!({"n": 1})).unwrap(), expected.len(), "{at}");
            assert_eq!(rows.delete_where(filter.clone()).unwrap(), expected.len(), "{at}");
            assert_eq!(rows.count(col("n").eq(1)).unwrap(), 0, "{at}");
        }
    }
}
