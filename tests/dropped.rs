//! The threads that build for a table end with it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod common;

use common::{Noise, blob, integers, open};

/// Threads of this process that build.
fn builders() -> usize {
    let names = std::fs::read_dir("/proc/self/task").unwrap();
    let names = names.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
    names.filter(|name| name.trim() == "nearlite").count()
}

#[test]
fn a_table_that_is_dropped_takes_its_builders_along() {
    let folder = tempfile::tempdir().unwrap();
    let conn = open(&folder.path().join("dropped.db"));
    conn.execute_batch("PRAGMA synchronous = off").unwrap();
    let mut noise = Noise(1);
    for _ in 0..3 {
        conn.execute_batch(
            "CREATE VIRTUAL TABLE docs USING nearlite(v VECTOR(8));
             INSERT INTO docs(docs, rank) VALUES('maintenance', 'commit'), ('delta_rows', 300)",
        )
        .unwrap();
        let claims = "SELECT count(*) FROM docs_config WHERE name LIKE 'claim %'";
        let mut row = 0;
        while builders() == 0 {
            row += 1;
            conn.prepare_cached("INSERT INTO docs(v) VALUES(?1)")
                .unwrap()
                .execute([blob(&noise.vector(8))])
                .unwrap();
            assert!(row < 5_000, "nothing is built; {} claims", integers(&conn, claims, [])[0]);
        }
        conn.execute_batch("DROP TABLE docs").unwrap();
        let patience = std::time::Instant::now();
        while builders() > 0 {
            assert!(patience.elapsed().as_secs() < 60, "{} builders are left", builders());
            std::thread::yield_now();
        }
    }
}
