//! Damaged values of shadow tables, with right checksums if the input wants them: every read is right, or an error, or
//! wrong in a way that `'integrity-check'` finds, and `'rebuild'` heals the table while its rows are whole.
//!
//! Input: flags, then one harm after the other.

use super::bytes::Bytes;
use super::common::{self, Noise, rows};
use super::outcome::honest;
use nearlite::rusqlite::types::Value;
use nearlite::rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::OnceLock;

const SHADOWS: [&str; 8] =
    ["config", "rows", "vectors", "tiles", "delta", "segments", "chunks", "tombstones"];
/// The tables that hold what the user wrote; the others can be made anew from them.
const TRUTH: [&str; 4] = ["config", "rows", "vectors", "tiles"];
/// The row of `t_config` that can be made anew, too.
const ROOT: i64 = 3;
const MOST_HARMS: usize = 6;

/// Reads whose answer is the same in every sound state. Those of the second group go by the codes of the vectors, whose
/// quality no check compares.
const READS: [&str; 6] = [
    "SELECT rowid FROM docs ORDER BY rowid",
    "SELECT count(*) FROM docs",
    "SELECT rowid FROM docs WHERE docs MATCH 'all' ORDER BY rowid",
    "SELECT rowid FROM docs WHERE docs MATCH 'w3 OR \"all w5\"' AND lang <> 'de' ORDER BY rowid",
    "SELECT rowid FROM docs WHERE tiny MATCH '[0, 0]' AND year BETWEEN 2010 AND 2200 AND lang = 'en' ORDER BY rowid",
    "SELECT rowid FROM docs WHERE id IN ('k3', 'k280') AND year > 0",
];
const NEAREST: [&str; 4] = [
    "SELECT rowid FROM docs WHERE tiny MATCH '[0.1, 0.2]' ORDER BY distance LIMIT 5",
    "SELECT rowid FROM docs WHERE large MATCH (SELECT large FROM docs WHERE rowid = 9) ORDER BY distance LIMIT 20",
    "SELECT rowid FROM docs WHERE tiny MATCH '[0.1, 0.2]' AND distance < 0.3",
    "SELECT rowid FROM docs WHERE docs MATCH hybrid_query('w2', '[0.5, 0.5]', '{\"column\": \"tiny\"}') ORDER BY rank LIMIT 8",
];

/// Those of a table with JSON in it.
const OBJECTS: [&str; 3] = [
    "SELECT rowid FROM docs WHERE tiny MATCH '[0, 0]' AND json_matches(meta, '{\"tags\": {\"$contains\": \"x\"}}') ORDER BY rowid",
    "SELECT rowid FROM docs WHERE tiny MATCH '[0, 0]' AND json_matches(meta, '{\"o.n\": {\"$gte\": 3}, \"tags\": {\"$in\": [1, true]}}') ORDER BY rowid",
    "SELECT rowid FROM docs WHERE tiny MATCH '[0, 0]' AND json_matches(meta, '{\"$not\": {\"r\": null}}') ORDER BY rowid",
];

type Answer = Result<Vec<i64>, String>;

/// One value of a shadow table.
struct Cell {
    table: &'static str,
    column: String,
    rowid: i64,
    value: Value,
}

/// A sound file, its values and its answers.
struct Template {
    file: Vec<u8>,
    json: bool,
    cells: Vec<Cell>,
    chunks: Vec<usize>,
    reads: Vec<Answer>,
    nearest: Vec<Answer>,
}

/// With revised rows in it, or without, and the same of JSON.
fn template(revised: bool, json: bool) -> &'static Template {
    static TEMPLATES: [OnceLock<Template>; 4] = [const { OnceLock::new() }; 4];
    TEMPLATES[usize::from(revised) + 2 * usize::from(json)].get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("template.db");
        let conn = open(&path);
        fill(&conn, revised, json);
        let cells = cells(&conn);
        let chunks = (0..cells.len()).filter(|at| cells[*at].table == "chunks").collect();
        let (reads, nearest) = (answers(&conn, &reads(json)), answers(&conn, &NEAREST));
        assert!(reads.iter().chain(&nearest).all(Result::is_ok), "{reads:?} {nearest:?}");
        drop(conn);
        Template { file: std::fs::read(&path).unwrap(), json, cells, chunks, reads, nearest }
    })
}

fn reads(json: bool) -> Vec<&'static str> {
    let objects: &[&str] = if json { &OBJECTS } else { &[] };
    READS.iter().chain(objects).copied().collect()
}

fn open(path: &Path) -> Connection {
    let conn = common::open(path);
    conn.execute_batch("PRAGMA synchronous = OFF").unwrap();
    conn.query_row("PRAGMA journal_mode = MEMORY", [], |_| Ok(())).unwrap();
    conn
}

/// Two segments, the first of them with graphs, both with dead rows, and a log of additions, removals and kills.
fn fill(conn: &Connection, revised: bool, json: bool) {
    let meta = if json { ", meta JSON" } else { "" };
    conn.execute_batch(&format!(
        "CREATE VIRTUAL TABLE docs USING nearlite(id TEXT PRIMARY KEY, body TEXT FULLTEXT, lang TEXT, year INTEGER,
            price REAL, flag BOOLEAN, tiny VECTOR(2) METRIC l2 INDEX hnsw(m=4, ef_construction=8),
            large VECTOR(200) INDEX hnsw(m=4, ef_construction=8){meta})",
    ))
    .unwrap();
    common::set(conn, "automerge", 0);
    // Every input makes the process decode other bytes.
    common::set(conn, "cache_mb", 1);
    let mut noise = Noise(5);
    let mut add = |rows: std::ops::RangeInclusive<i64>| {
        conn.execute_batch("BEGIN").unwrap();
        let objects = format!(
            "UPDATE docs SET meta = CASE rowid % 4
                 WHEN 0 THEN json_object('tags', json_array('x', rowid % 3, rowid % 2 = 0), 'o', json_object('n', rowid % 7))
                 WHEN 1 THEN json_object('tags', json_array('x'), 'r', rowid / 2.0)
                 WHEN 2 THEN json_object('tags', json_array(1, 2, json('true')), 'r', NULL) END
             WHERE rowid BETWEEN {} AND {}",
            rows.start(),
            rows.end()
        );
        for at in rows {
            // Some rows are equal, some have no vector.
            let tiny = [at / 2 % 40, at % 7].map(|whole| whole as f32 / 10.0);
            let large = (at % 11 != 0).then(|| common::blob(&noise.vector(200)));
            let lang = ["en", "de", "fr"][at as usize % 3];
            conn.execute(
                "INSERT INTO docs(rowid, id, body, lang, year, price, flag, tiny, large)
                 VALUES(?1, 'k' || ?1, 'all w' || (?1 % 7), ?2, 2000 + ?1, ?1 / 3.0, ?1 % 2, ?3, ?4)",
                params![at, lang, common::blob(&tiny), large],
            )
            .unwrap();
        }
        if json {
            conn.execute_batch(&objects).unwrap();
        }
        conn.execute_batch("COMMIT").unwrap();
    };
    add(1..=280);
    common::command(conn, "flush");
    add(281..=300);
    common::command(conn, "flush");
    conn.execute_batch("DELETE FROM docs WHERE rowid IN (3, 7, 41, 290)").unwrap();
    if revised {
        // A patch of few rows, and one over it.
        conn.execute_batch("UPDATE docs SET year = year + 90, flag = 1 WHERE rowid BETWEEN 60 AND 90")
            .unwrap();
        common::command(conn, "flush");
        conn.execute_batch("UPDATE docs SET lang = 'en' WHERE rowid IN (61, 70, 120, 295)").unwrap();
    }
    common::command(conn, "flush");
    add(301..=306);
    conn.execute_batch(
        "DELETE FROM docs WHERE rowid IN (5, 304); UPDATE docs SET year = 1999 WHERE rowid = 50",
    )
    .unwrap();
    if revised {
        conn.execute_batch("UPDATE docs SET price = NULL, lang = 'de' WHERE rowid IN (62, 130, 303)")
            .unwrap();
    }
}

/// Every value but those of most rows, which are alike.
fn cells(conn: &Connection) -> Vec<Cell> {
    let mut cells = Vec::new();
    for table in SHADOWS {
        let sql = format!("SELECT name FROM pragma_table_info('docs_{table}')");
        let columns = rows(conn, &sql, [], |r| r.get::<_, String>(0)).unwrap();
        let mut rowids =
            common::integers(conn, &format!("SELECT rowid FROM docs_{table} ORDER BY rowid"), []);
        rowids.truncate(16);
        for (rowid, column) in rowids.iter().flat_map(|rowid| columns.iter().map(|column| (*rowid, column))) {
            let sql = format!("SELECT \"{column}\" FROM docs_{table} WHERE rowid = ?1");
            let value = conn.query_row(&sql, [rowid], |r| r.get(0)).unwrap();
            cells.push(Cell { table, column: column.clone(), rowid, value });
        }
    }
    cells
}

fn answers(conn: &Connection, queries: &[&str]) -> Vec<Answer> {
    queries.iter().map(|sql| honest(rows(conn, sql, [], |r| r.get(0)))).collect()
}

pub fn run(data: &[u8]) {
    let mut bytes = Bytes(data);
    let flags = bytes.u8();
    let template = template(flags & 8 != 0, flags & 16 != 0);
    let of_rows = reads(template.json);
    let (with_checksums, with_writes, unhealed) = (flags & 1 != 0, flags & 2 != 0, flags & 4 != 0);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("damaged.db");
    std::fs::write(&path, &template.file).unwrap();

    let plain = Connection::open(&path).unwrap();
    plain.execute_batch("PRAGMA synchronous = OFF; BEGIN").unwrap();
    let mut whole = true;
    for _ in 0..MOST_HARMS {
        if bytes.is_empty() {
            break;
        }
        let cell = match bytes.u8() {
            // The payloads have the largest decoders and the most bytes.
            at if at & 1 == 0 => template.chunks[usize::from(at / 2) % template.chunks.len()],
            at => (usize::from(at / 2) + 128 * usize::from(bytes.u8())) % template.cells.len(),
        };
        let cell = &template.cells[cell];
        if harm(&plain, cell, &mut bytes) {
            let is_root = cell.table == "config" && cell.rowid == ROOT && cell.column == "value";
            whole &= is_root || !TRUTH.contains(&cell.table);
        }
    }
    if with_checksums {
        set_checksums(&plain);
    }
    // Payloads are cached by the segment's random name: new names make the process read the damaged bytes.
    plain
        .execute_batch("UPDATE docs_segments SET id = randomblob(16) WHERE length(id) = 16; COMMIT")
        .unwrap();
    drop(plain);

    let conn = open(&path);
    let reads = answers(&conn, &of_rows);
    let nearest = answers(&conn, &NEAREST);
    let check = honest(conn.execute_batch("INSERT INTO docs(docs) VALUES('integrity-check')"));
    if whole {
        let errors = reads
            .iter()
            .chain(&nearest)
            .filter_map(|answer| answer.as_ref().err())
            .chain(check.as_ref().err());
        errors.for_each(|error| assert!(error.contains("damaged"), "damage is told as '{error}'"));
    }
    if whole && check.is_ok() {
        let wrong = |sql: &str, got: &Answer, want: &Answer| {
            assert!(
                got.is_err() || got == want,
                "integrity-check finds nothing, yet {sql}: {got:?}, not {want:?}"
            );
        };
        for ((sql, got), want) in of_rows.iter().zip(&reads).zip(&template.reads) {
            wrong(sql, got, want);
        }
        for ((sql, got), want) in NEAREST.iter().zip(&nearest).zip(&template.nearest) {
            if !with_checksums {
                wrong(sql, got, want);
            }
        }
    }
    if with_writes {
        write(&conn);
    }
    drop(conn);
    // A rebuild takes longer than all the rest; a fuzzer learns more from many inputs without it.
    if unhealed {
        return;
    }
    check_healed(&path, whole, with_writes, template);
}

/// Damages one value; `false` where SQLite's own rules refuse it.
fn harm(conn: &Connection, cell: &Cell, bytes: &mut Bytes<'_>) -> bool {
    let Cell { table, column, rowid, .. } = cell;
    // An earlier harm may have changed it, or taken it away.
    let sql = format!("SELECT \"{column}\" FROM docs_{table} WHERE rowid = ?1");
    let value = conn.query_row(&sql, [rowid], |r| r.get(0)).unwrap_or_else(|_| cell.value.clone());
    let kind = bytes.below(12);
    if kind == 11 {
        return conn.execute(&format!("DELETE FROM docs_{table} WHERE rowid = ?1"), [rowid]).is_ok();
    }
    let value = match (kind, value) {
        (0, _) => Value::Null,
        (1, _) => Value::Integer(bytes.i64()),
        (2, _) => Value::Text(bytes.text()),
        (3, _) => Value::Blob(bytes.text().into_bytes()),
        (_, Value::Integer(number)) => Value::Integer(number.wrapping_add(i64::from(bytes.u8() as i8))),
        (_, Value::Blob(old)) => Value::Blob(edited(old, kind, bytes)),
        (_, Value::Text(old)) => {
            Value::Text(String::from_utf8_lossy(&edited(old.into_bytes(), kind, bytes)).into_owned())
        }
        (_, other) => other,
    };
    let sql = format!("UPDATE docs_{table} SET \"{column}\" = ?2 WHERE rowid = ?1");
    conn.execute(&sql, params![rowid, value]).is_ok()
}

/// Bytes with a few of them changed, taken out or put in.
fn edited(mut old: Vec<u8>, kind: usize, bytes: &mut Bytes<'_>) -> Vec<u8> {
    // Half of the harms hit the start, where headers are, or the end.
    let at = match bytes.below(4) {
        0 | 1 => bytes.u32() as usize & 0xFF_FFFF,
        2 => bytes.u8().into(),
        _ => old.len().saturating_sub(1 + usize::from(bytes.u8())),
    };
    let at = at % (old.len() + 1);
    match kind {
        4..7 => {
            let new = bytes.take(4);
            for (old, new) in old[at..].iter_mut().zip(new) {
                *old = *new;
            }
        }
        7 => old[at..].iter_mut().take(1).for_each(|byte| *byte ^= 1 << (bytes.u8() % 8)),
        8 => old.truncate(at),
        9 => {
            let many = 1 + bytes.below(64);
            old.drain(at..(at + many).min(old.len()));
        }
        _ => {
            let len = bytes.below(16);
            old.splice(at..at, bytes.take(len).iter().copied());
        }
    }
    old
}

/// One entry of a segment's directory, as `docs/format.md` has it.
#[derive(Serialize, Deserialize)]
struct Entry {
    kind: Kind,
    first: i64,
    chunks: u32,
    bytes: u64,
    checksum: u32,
}

#[derive(Serialize, Deserialize)]
enum Kind {
    Columns,
    Text,
    Vector(u32),
    Patch([u8; 16]),
    Renewed([u8; 16]),
}

/// Makes lengths and checksums fit the damaged bytes, so that the decoders see them.
fn set_checksums(conn: &Connection) {
    let config = bincode::config::standard().with_limit::<65_536>();
    let directories = rows(conn, "SELECT seq, directory FROM docs_segments", [], |r| {
        Ok((r.get::<_, i64>(0)?, r.get::<_, Vec<u8>>(1)?))
    });
    for (seq, directory) in directories.unwrap_or_default() {
        let Ok((mut entries, _)) = bincode::serde::decode_from_slice::<Vec<Entry>, _>(&directory, config)
        else {
            continue;
        };
        for entry in &mut entries {
            let last = entry.first.saturating_add(i64::from(entry.chunks)) - 1;
            let sql = "SELECT data FROM docs_chunks WHERE id BETWEEN ?1 AND ?2 ORDER BY id";
            let chunks = rows(conn, sql, [entry.first, last], |r| r.get::<_, Vec<u8>>(0));
            let payload = chunks.unwrap_or_default().concat();
            (entry.bytes, entry.checksum) = (payload.len() as u64, crc32fast::hash(&payload));
        }
        let directory = bincode::serde::encode_to_vec(&entries, config).unwrap();
        conn.execute("UPDATE docs_segments SET directory = ?2 WHERE seq = ?1", params![seq, directory])
            .unwrap();
    }
    let dead = rows(conn, "SELECT segment, dead FROM docs_tombstones", [], |r| {
        Ok((r.get::<_, i64>(0)?, r.get::<_, Vec<u8>>(1)?))
    });
    for (segment, dead) in dead.unwrap_or_default() {
        let sql = "UPDATE docs_tombstones SET checksum = ?2 WHERE segment = ?1";
        conn.execute(sql, params![segment, crc32fast::hash(&dead)]).unwrap();
    }
}

/// Every kind of write; errors are fine.
fn write(conn: &Connection) {
    for sql in [
        "INSERT INTO docs(id, body, year, tiny) VALUES('n1', 'all new', 1, '[1, 1]')",
        "INSERT OR REPLACE INTO docs(id, body, year, tiny) VALUES('k12', 'all new', 1, '[1, 1]')",
        "UPDATE docs SET tiny = '[2, 2]' WHERE rowid = 21",
        "UPDATE docs SET body = 'all other' WHERE rowid = 20",
        "DELETE FROM docs WHERE id = 'k30'",
        "INSERT INTO docs(docs) VALUES('flush')",
        "INSERT INTO docs(docs) VALUES('optimize')",
        "DELETE FROM docs WHERE rowid IN (50, 69)",
    ] {
        let _ = honest(conn.execute_batch(sql));
    }
    let _ = answers(conn, &READS);
    let _ = answers(conn, &NEAREST);
}

fn check_healed(path: &Path, whole: bool, written: bool, template: &Template) {
    let conn = open(path);
    let healed = honest(conn.execute_batch("INSERT INTO docs(docs) VALUES('rebuild')"))
        .and_then(|()| honest(conn.execute_batch("INSERT INTO docs(docs) VALUES('integrity-check')")));
    let reads = answers(&conn, &reads(template.json));
    if whole {
        assert_eq!(healed, Ok(()), "rebuild");
        assert!(reads.iter().all(Result::is_ok), "after rebuild: {reads:?}");
        assert!(written || reads == template.reads, "after rebuild: {reads:?}");
    }
}
