//! A collection whose hidden columns have a prefix, by the Rust API.
#![allow(clippy::unwrap_used)]

use nearlite::{Database, Metric, Schema, col};
use std::time::Duration;

#[test]
fn every_call_works_where_columns_are_called_like_measures() {
    let folder = tempfile::tempdir().unwrap();
    let db = Database::open(folder.path().join("a.db")).unwrap();
    let schema = || {
        Schema::new()
            .key("id")
            .full_text("body")
            .real("score")
            .integer("rank")
            .text("distance")
            .vector("e", 2, Metric::L2)
            .hidden_prefix("nl_")
    };
    let mut notes = db.collection("notes").create(schema()).unwrap();
    let row = |n: i64| serde_json::json!({"id": format!("n{n}"), "body": "owl", "score": n as f64, "rank": -n, "distance": "far", "e": [n, 0]});
    notes.insert(&(0..300).map(row).collect::<Vec<_>>()).unwrap();
    notes.set("ef_search", 50).unwrap();
    assert!(notes.maintain(Some(Duration::from_secs(60))).unwrap());
    let hits = notes
        .search()
        .nearest("e", [7.0, 0.0])
        .text("owl")
        .filter(col("score").gt(6.5))
        .limit(2)
        .run()
        .unwrap();
    assert_eq!(hits.keys(), ["n7", "n8"]);
    let rows: Vec<serde_json::Value> = hits.rows().unwrap();
    assert_eq!((&rows[0]["score"], &rows[0]["distance"]), (&7.0.into(), &"far".into()));
    assert_eq!(hits[0].distance, Some(0.0));
    notes.update("n7", &serde_json::json!({"rank": 5})).unwrap();
    assert_eq!(notes.count(col("rank").eq(5)).unwrap(), 1);
    assert_eq!(notes.delete_where(col("rank").lt(-290)).unwrap(), 9);
    notes.add_columns(Schema::new().text("explain").default_value("x")).unwrap();
    notes.optimize().unwrap();
    notes.verify().unwrap();
    assert_eq!(notes.recall(20, 5).unwrap(), 1.0);
    assert_eq!(notes.count(col("explain").eq("x")).unwrap(), 291);

    let other = Schema::new().key("id").hidden_prefix("x_");
    assert!(db.collection("notes").create_if_missing(other).is_err());
    let error = db.collection("more").create(Schema::new().key("id").real("score")).unwrap_err().to_string();
    assert!(error.contains("hidden_prefix"), "{error}");
}
