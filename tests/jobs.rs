//! Jobs that are given up, fail or lose their process: nothing of others is lost with them, and they are in nobody's way.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Noise, assert_sound, blob, command, integers, open, open_memory, set};
use nearlite::rusqlite::Connection;
use nearlite::rusqlite::limits::Limit;
use nearlite::{Database, Error, Metric, Schema, Synchronous};
use std::path::Path;

const DIM: usize = 8;

fn create(conn: &Connection, table: &str, mode: &str) {
    conn.execute_batch(&format!(
        "CREATE VIRTUAL TABLE {table} USING nearlite(word INTEGER, body TEXT FULLTEXT, v VECTOR({DIM}) METRIC l2);
         INSERT INTO {table}({table}, rank) VALUES('maintenance', '{mode}');
         INSERT INTO {table}({table}, rank) VALUES('delta_rows', 300)"
    ))
    .unwrap();
}

fn put(conn: &Connection, table: &str, rows: std::ops::RangeInclusive<i64>) {
    let mut noise = Noise(*rows.start() as u64);
    for row in rows {
        let sql = format!(
            "INSERT OR REPLACE INTO {table}(rowid, word, body, v) VALUES(?1, ?1 % 9, 'all w' || (?1 % 9), ?2)"
        );
        conn.prepare_cached(&sql).unwrap().execute((row, blob(&noise.vector(DIM)))).unwrap();
    }
}

/// All rows in one transaction.
fn put_at_once(conn: &Connection, table: &str, rows: std::ops::RangeInclusive<i64>) {
    conn.execute_batch("BEGIN").unwrap();
    put(conn, table, rows);
    conn.execute_batch("COMMIT").unwrap();
}

fn claims(conn: &Connection) -> i64 {
    integers(conn, "SELECT count(*) FROM docs_config WHERE name LIKE 'claim %'", [])[0]
}

fn info(conn: &Connection, what: &str) -> i64 {
    integers(conn, &format!("SELECT {what} FROM nearlite_info('docs') LIMIT 1"), [])[0]
}

/// Chunks that belong to no segment, in bytes.
fn orphans(conn: &Connection) -> i64 {
    integers(conn, "SELECT ifnull(sum(length(data)), 0) FROM docs_chunks", [])[0] - info(conn, "disk_bytes")
}

fn trouble(conn: &Connection) -> Option<String> {
    conn.query_row("SELECT maintenance FROM nearlite_info('docs') LIMIT 1", [], |row| row.get(0)).unwrap()
}

fn maintain(conn: &Connection, table: &str, budget: i64) -> serde_json::Value {
    let sql = format!("SELECT nearlite_maintain('{table}', {budget})");
    let told: String = conn.query_row(&sql, [], |row| row.get(0)).unwrap();
    serde_json::from_str(&told).unwrap()
}

/// Words of all rows, by the text index and by the columns.
fn check(conn: &Connection, rows: i64, what: &str) {
    for word in 0..9 {
        let expected: Vec<i64> = (1..=rows).filter(|row| row % 9 == word).collect();
        let found =
            integers(conn, &format!("SELECT rowid FROM docs WHERE docs MATCH 'w{word}' ORDER BY rowid"), []);
        assert_eq!(found, expected, "{what}");
        let found = integers(conn, &format!("SELECT rowid FROM docs WHERE word = {word} ORDER BY rowid"), []);
        assert_eq!(found, expected, "{what}");
    }
    let near = integers(
        conn,
        "SELECT rowid FROM docs WHERE v MATCH ?1 ORDER BY distance LIMIT 10",
        [blob(&[0.1; DIM])],
    );
    assert_eq!(near.len(), 10, "{what}");
}

#[test]
fn what_a_job_has_written_goes_and_what_is_written_after_it_stays() {
    let conn = open_memory();
    // Short chunks: a job writes many.
    conn.set_limit(Limit::SQLITE_LIMIT_LENGTH, 10_000).unwrap();
    create(&conn, "docs", "commit");
    let mut row = 0;
    for round in 0..4 {
        // Until a job has written some of its chunks, but not all.
        while claims(&conn) == 0 || orphans(&conn) < 50_000 {
            row += 1;
            put(&conn, "docs", row..=row);
            assert!(row < 30_000, "no job writes");
        }
        // None of the jobs fits the table any more. A few commits give them up and begin to remove what they wrote.
        command_with(&conn, "alter", &format!("ADD COLUMN year{round} INTEGER"));
        for _ in 0..=round {
            put_at_once(&conn, "docs", row + 1..=row + 20);
            row += 20;
        }
        // What this one seals is written behind all chunks that are there.
        for _ in 0..3 {
            put_at_once(&conn, "docs", row + 1..=row + 400);
            row += 400;
            check(&conn, row, &format!("round {round}"));
        }
        assert_sound(&conn);
    }
    command(&conn, "maintain");
    assert_eq!((orphans(&conn), claims(&conn)), (0, 0));
    check(&conn, row, "maintained");
    assert_sound(&conn);
}

fn command_with(conn: &Connection, name: &str, argument: &str) {
    conn.execute("INSERT INTO docs(docs, rank) VALUES(?1, ?2)", [name, argument]).unwrap();
}

#[test]
fn a_damaged_segment_ends_optimize_with_an_error_and_is_healed_by_rebuild() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.db");
    let open_db = || Database::options().synchronous(Synchronous::Off).open(&path).unwrap();
    let db = open_db();
    let schema = Schema::new().integer_key("id").full_text("body").vector("v", DIM, Metric::L2);
    let docs = db.collection("docs").create(schema).unwrap();
    docs.set("automerge", 0).unwrap();
    let mut noise = Noise(4);
    for part in 0..3 {
        let rows: Vec<_> = (part * 1_000..part * 1_000 + 1_000)
            .map(|id| serde_json::json!({"id": id, "body": format!("all w{}", id % 9), "v": noise.vector(DIM)}))
            .collect();
        docs.insert(&rows).unwrap();
        docs.flush().unwrap();
    }
    drop((docs, db));
    let raw = Connection::open(&path).unwrap();
    // The last byte of each payload of the second segment.
    let damaged = raw.execute(
        "UPDATE docs_chunks SET data = substr(data, 1, length(data) - 1) || x'a5'
         WHERE id IN (SELECT id FROM docs_chunks ORDER BY id LIMIT -1 OFFSET 4)",
        [],
    );
    assert!(damaged.unwrap() > 0);
    drop(raw);
    let docs = open_db().collection("docs").open().unwrap();
    assert!(matches!(docs.optimize(), Err(Error::Corrupt { .. })), "it came to an end without an error");
    docs.rebuild().unwrap();
    docs.verify().unwrap();
    assert_eq!(docs.search().text("w3").limit(1_000).run().unwrap().len(), 3_000 / 9);
}

#[test]
fn what_a_statement_wrote_that_failed_is_in_no_segment() {
    let conn = open_memory();
    create(&conn, "docs", "manual");
    set(&conn, "delta_rows", 2_000);
    put_at_once(&conn, "docs", 1..=1_990);
    // A seal has begun, and has read no row yet.
    assert_eq!(maintain(&conn, "docs", 0)["finished"], false);
    let sql = format!(
        "INSERT OR REPLACE INTO docs(rowid, word, body, v, docs, rank)
         VALUES(5, 77, 'other words', x'{0}', NULL, NULL),
               (NULL, NULL, NULL, NULL, 'maintain', 1),
               (1, 1, 'too short', x'00000000', NULL, NULL)",
        "00".repeat(DIM * 4)
    );
    assert!(conn.execute(&sql, []).is_err(), "a vector of one dimension was stored");
    command(&conn, "maintain");
    assert_eq!(info(&conn, "delta"), 0);
    check(&conn, 1_990, "the statement failed");
    assert_sound(&conn);
}

#[test]
fn builders_that_wait_for_commits_keep_no_other_table_from_its_merges() {
    let conn = open_memory();
    for table in ["one", "two", "docs"] {
        create(&conn, table, if table == "docs" { "auto" } else { "commit" });
    }
    for table in ["one", "two"] {
        let mut row = 0;
        let begun = format!("SELECT count(*) FROM {table}_config WHERE name LIKE 'claim %'");
        // All rows are read, and nobody writes any more.
        while row < 300 || integers(&conn, &begun, [])[0] == 0 || row % 300 < 60 {
            row += 1;
            put(&conn, table, row..=row);
        }
    }
    put_at_once(&conn, "docs", 1..=400);
    put_at_once(&conn, "docs", 401..=800);
    put_at_once(&conn, "docs", 801..=5_800);
    put_at_once(&conn, "docs", 5_801..=11_000);
    assert!(info(&conn, "segments") > 1);
    let told = maintain(&conn, "docs", 120_000);
    assert_eq!((&told["finished"], &told["segments"]), (&true.into(), &1.into()), "{told}");
    check(&conn, 11_000, "maintained");
}

#[test]
fn a_segment_that_dies_while_it_is_merged_is_no_damage() {
    for mode in ["commit", "auto"] {
        let conn = open_memory();
        conn.set_limit(Limit::SQLITE_LIMIT_LENGTH, 10_000).unwrap();
        create(&conn, "docs", mode);
        set(&conn, "automerge", 0);
        for part in 0..4 {
            put_at_once(&conn, "docs", part * 1_000 + 1..=part * 1_000 + 1_000);
            command(&conn, "flush");
        }
        set(&conn, "automerge", 3);
        let mut row = 4_000;
        while claims(&conn) == 0 {
            row += 1;
            put(&conn, "docs", row..=row);
        }
        // A whole segment dies, and the log is sealed.
        for dies in [2_001..=3_000, 1..=1_000] {
            conn.execute("DELETE FROM docs WHERE rowid BETWEEN ?1 AND ?2", [*dies.start(), *dies.end()])
                .unwrap();
        }
        assert_eq!(info(&conn, "delta"), 0);
        for _ in 0..600 {
            row += 1;
            put(&conn, "docs", row..=row);
            assert_eq!(trouble(&conn), None, "{mode}, row {row}");
        }
        let lives = |row: &i64| (1_001..=2_000).contains(row) || *row > 3_000;
        let expected: Vec<i64> = (1..=row).filter(lives).collect();
        assert_eq!(
            integers(&conn, "SELECT rowid FROM docs WHERE docs MATCH 'all' ORDER BY rowid", []),
            expected,
            "{mode}"
        );
        command(&conn, "maintain");
        assert_eq!((orphans(&conn), claims(&conn), trouble(&conn)), (0, 0, None), "{mode}");
        assert_eq!(
            integers(&conn, "SELECT rowid FROM docs WHERE docs MATCH 'all' ORDER BY rowid", []),
            expected,
            "{mode}"
        );
        assert_sound(&conn);
    }
}

#[test]
fn damage_in_an_old_segment_fails_no_commit_of_new_rows() {
    let conn = open_memory();
    create(&conn, "docs", "auto");
    put_at_once(&conn, "docs", 1..=320);
    put_at_once(&conn, "docs", 321..=640);
    assert_eq!(info(&conn, "segments"), 2);
    conn.execute_batch("UPDATE docs_chunks SET data = substr(data, 1, length(data) - 1) || x'a5'").unwrap();
    conn.query_row("SELECT nearlite_release()", [], |_| Ok(())).unwrap();
    put_at_once(&conn, "docs", 641..=960);
    put_at_once(&conn, "docs", 961..=1_300);
    assert_eq!(integers(&conn, "SELECT count(*) FROM docs_rows", []), [1_300]);
    command(&conn, "rebuild");
    check(&conn, 1_300, "rebuilt");
    assert_sound(&conn);
}

#[test]
fn a_forged_log_removes_no_segment() {
    let conn = open_memory();
    create(&conn, "docs", "auto");
    put_at_once(&conn, "docs", 1..=320);
    conn.execute_batch(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 319)
         INSERT INTO docs_delta(op, row, segment, ord, stamp) SELECT 3, i + 1, 1, 1000 + i, i FROM n",
    )
    .unwrap();
    assert!(conn.execute_batch("INSERT INTO docs(docs) VALUES('flush')").is_err());
    assert_eq!(integers(&conn, "SELECT count(*) FROM docs_segments", []), [1]);
    command(&conn, "rebuild");
    check(&conn, 320, "rebuilt");
    assert_sound(&conn);
}

/// A copy of a file whose index is being built again, by a process that does not go on with it.
fn copy_amid_rebuild(folder: &Path) -> Connection {
    let (path, copy) = (folder.join("a.db"), folder.join("b.db"));
    let db = Database::options().synchronous(Synchronous::Off).maintenance(false).open(&path).unwrap();
    let schema =
        Schema::new().integer_key("id").integer("word").full_text("body").vector("v", DIM, Metric::L2);
    let docs = db.collection("docs").create(schema).unwrap();
    docs.set("delta_rows", 20).unwrap();
    docs.set("maintenance", 1).unwrap();
    let mut noise = Noise(6);
    let rows: Vec<_> = (1..=3_000)
        .map(|id| serde_json::json!({"id": id, "word": id % 9, "body": format!("all w{}", id % 9), "v": noise.vector(DIM)}))
        .collect();
    docs.insert(&rows).unwrap();
    let stopped = docs.rebuild_with(|_, _| {
        let reader = open(&path);
        if claims(&reader) == 0 {
            return true;
        }
        reader.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
        false
    });
    assert!(matches!(stopped, Err(Error::Interrupted)));
    open(&copy)
}

#[test]
fn the_log_is_sealed_again_once_whoever_built_it_anew_is_taken_for_dead() {
    let folder = tempfile::tempdir().unwrap();
    let conn = copy_amid_rebuild(folder.path());
    conn.execute_batch("PRAGMA synchronous = off").unwrap();
    assert_eq!(claims(&conn), 1);
    let mut row = 3_000;
    while claims(&conn) > 0 {
        row += 1;
        put(&conn, "docs", row..=row);
        assert!(row < 5_000, "{} entries in the log", info(&conn, "delta"));
    }
    put(&conn, "docs", row + 1..=row + 40);
    assert!(info(&conn, "delta") < 60, "{} entries in the log", info(&conn, "delta"));
    check(&conn, row + 40, "sealed");
    assert_sound(&conn);
}

#[test]
fn false_counts_and_names_in_a_file_cost_neither_memory_nor_time() {
    let conn = open_memory();
    create(&conn, "docs", "commit");
    set(&conn, "automerge", 0);
    for part in 0..3 {
        put_at_once(&conn, "docs", part * 400 + 1..=part * 400 + 400);
        command(&conn, "flush");
    }
    conn.execute_batch("DELETE FROM docs WHERE rowid IN (1, 401, 801)").unwrap();
    command(&conn, "flush");
    set(&conn, "automerge", 3);
    conn.execute_batch("UPDATE docs_segments SET rows = 4294967295").unwrap();
    put(&conn, "docs", 1_201..=1_280);
    assert_eq!(claims(&conn), 0, "a merge of as many rows has begun");
    command(&conn, "rebuild");
    assert_sound(&conn);
    // A claim that has the name of another.
    let mut row = 1_280;
    while claims(&conn) == 0 {
        row += 1;
        put(&conn, "docs", row..=row);
    }
    conn.execute_batch("UPDATE docs_config SET name = 'claim x' WHERE name LIKE 'claim %'").unwrap();
    let told = maintain(&conn, "docs", 120_000);
    assert_eq!(told["finished"], true, "{told}");
    command(&conn, "rebuild");
    assert_eq!(claims(&conn), 0);
    assert_sound(&conn);
}

/// Gives the claims of a file to another process.
fn give_to(conn: &Connection, process: u32) {
    let sql = "SELECT name, value FROM docs_config WHERE name LIKE 'claim %'";
    let claims: Vec<(String, Vec<u8>)> =
        common::rows(conn, sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    for (name, mut value) in claims {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let token = name.strip_prefix("claim ").unwrap();
        let at = value.windows(16).position(|bytes| hex(bytes) == token).unwrap();
        value[at..at + 4].copy_from_slice(&process.to_le_bytes());
        let new = format!("claim {}", hex(&value[at..at + 16]));
        conn.execute("UPDATE docs_config SET name = ?1, value = ?2 WHERE name = ?3", (new, value, name))
            .unwrap();
    }
}

#[cfg(unix)]
#[test]
fn work_of_a_process_that_lives_is_let_be_and_is_collected_when_it_has_died() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("a.db"), folder.path().join("b.db"));
    let conn = open(&path);
    conn.execute_batch("PRAGMA synchronous = off").unwrap();
    create(&conn, "docs", "auto");
    let mut row = 0;
    while claims(&conn) == 0 {
        row += 1;
        put(&conn, "docs", row..=row);
    }
    conn.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
    let conn = open(&copy);
    let mut other = std::process::Command::new("sleep").arg("600").spawn().unwrap();
    give_to(&conn, other.id());
    for _ in 0..8 {
        command(&conn, "maintain");
        assert_eq!(claims(&conn), 1);
    }
    other.kill().unwrap();
    other.wait().unwrap();
    command(&conn, "maintain");
    assert_eq!((claims(&conn), orphans(&conn)), (0, 0));
    assert!((1..=2).contains(&info(&conn, "segments")));
    assert_eq!(info(&conn, "delta"), 0);
    check(&conn, row, "maintained");
    assert_sound(&conn);
}
