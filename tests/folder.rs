//! A process that changes its folder. Alone in its file: the folder is the whole process's.
#![allow(clippy::unwrap_used)]

use nearlite::{Database, Metric, Schema};
use serde_json::json;

#[test]
fn a_relative_path_stays_the_same_file() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::env::set_current_dir(first.path()).unwrap();
    let db = Database::open("some.db").unwrap();
    let schema = Schema::new().integer_key("id").vector("v", 1, Metric::L2);
    let points = db.collection("points").create(schema).unwrap();
    points.insert(&json!({"id": 1, "v": [1]})).unwrap();
    std::env::set_current_dir(second.path()).unwrap();
    let held = points.search().nearest("v", [0.0]).iter().unwrap();
    assert_eq!(points.len().unwrap(), 1);
    drop(held);
    drop((points, db));
    assert_eq!(std::fs::read_dir(second.path()).unwrap().count(), 0);
    std::env::set_current_dir("/").unwrap();
}
