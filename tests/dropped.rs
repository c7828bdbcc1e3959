//! The threads that build for a table end with it, and with the work that they do; a new name is no end.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod common;

use common::{Noise, blob, integers, open};
use nearlite::rusqlite::Connection;
use std::sync::Mutex;

/// The builders that are counted are those of the process.
static ALONE: Mutex<()> = Mutex::new(());

/// Threads of this process that build.
fn builders() -> usize {
    let names = std::fs::read_dir("/proc/self/task").unwrap();
    let names = names.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
    names.filter(|name| name.trim() == "nearlite").count()
}

fn opened() -> (tempfile::TempDir, Connection) {
    let folder = tempfile::tempdir().unwrap();
    let conn = open(&folder.path().join("builders.db"));
    conn.execute_batch("PRAGMA synchronous = off").unwrap();
    (folder, conn)
}

fn create(conn: &Connection, table: &str) {
    conn.execute_batch(&format!(
        "CREATE VIRTUAL TABLE {table} USING nearlite(v VECTOR(8));
         INSERT INTO {table}({table}, rank) VALUES('maintenance', 'commit'), ('delta_rows', 300)"
    ))
    .unwrap();
}

fn put(conn: &Connection, table: &str, noise: &mut Noise) {
    let sql = format!("INSERT INTO {table}(v) VALUES(?1)");
    conn.prepare_cached(&sql).unwrap().execute([blob(&noise.vector(8))]).unwrap();
}

/// Writes rows until something is built.
fn begin(conn: &Connection, table: &str, noise: &mut Noise) {
    let claims = format!("SELECT count(*) FROM {table}_config WHERE name LIKE 'claim %'");
    let before = builders();
    for _ in 0..5_000 {
        if builders() > before {
            return;
        }
        put(conn, table, noise);
    }
    panic!("nothing is built; {} claims", integers(conn, &claims, [])[0]);
}

fn wait_for_none() {
    let patience = std::time::Instant::now();
    while builders() > 0 {
        assert!(patience.elapsed().as_secs() < 60, "{} builders are left", builders());
        std::thread::yield_now();
    }
}

#[test]
fn a_table_that_is_dropped_takes_its_builders_along() {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let (_folder, conn) = opened();
    let mut noise = Noise(1);
    for _ in 0..3 {
        create(&conn, "docs");
        begin(&conn, "docs", &mut noise);
        conn.execute_batch("DROP TABLE docs").unwrap();
        wait_for_none();
    }
}

#[test]
fn a_command_that_builds_everything_ends_what_was_begun_under_another_name() {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let (_folder, conn) = opened();
    let mut noise = Noise(2);
    for (at, command) in ["optimize", "merge", "rebuild"].iter().enumerate() {
        create(&conn, &format!("t{at}"));
        begin(&conn, &format!("t{at}"), &mut noise);
        let live = format!("live{at}");
        conn.execute_batch(&format!("ALTER TABLE t{at} RENAME TO {live}")).unwrap();
        conn.execute_batch(&format!("INSERT INTO {live}({live}) VALUES('{command}')")).unwrap();
        wait_for_none();
    }
}

#[test]
fn a_table_of_an_old_name_leaves_the_work_of_the_one_that_had_it_alone() {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let (_folder, conn) = opened();
    let mut noise = Noise(3);
    create(&conn, "docs");
    begin(&conn, "docs", &mut noise);
    conn.execute_batch("ALTER TABLE docs RENAME TO papers").unwrap();
    create(&conn, "docs");
    (0..40).for_each(|_| put(&conn, "docs", &mut noise));
    assert_eq!(builders(), 1);
    conn.execute_batch("DROP TABLE docs").unwrap();
    assert_eq!(builders(), 1);
    for _ in 0..1_000 {
        if integers(&conn, "SELECT segments FROM nearlite_info('papers') LIMIT 1", [])[0] > 0 {
            return;
        }
        put(&conn, "papers", &mut noise);
    }
    panic!("what was begun is not gone on with");
}
