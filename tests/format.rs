//! What `docs/format.md` says of a file holds: tiles can be read by the page alone, and tables of older versions still work.
#![allow(clippy::unwrap_used)]

mod common;

use common::{assert_sound, blob, command, integers, open, open_memory, rows};
use nearlite::rusqlite::types::Value;
use nearlite::rusqlite::{Connection, OpenFlags, params};
use std::path::{Path, PathBuf};

/// The version that this build writes.
const FORMAT: i64 = 5;

/// The f32 values of a narrow vector, by the words of the page.
fn narrow(bytes: &[u8], dim: usize) -> Vec<f32> {
    let e = dim.div_ceil(8);
    let base = u32::from(bytes[0]);
    let (low, rest) = bytes[1..].split_at(2 * dim);
    let (middle, rest) = rest.split_at(dim);
    let (top, signs) = rest.split_at(4 * e);
    assert_eq!(signs.len(), e);
    let value = |i: usize| {
        let nibble = if i < 4 * e { top[i] & 15 } else { top[i - 4 * e] >> 4 };
        let c = u32::from(middle[i]) + 256 * u32::from(nibble);
        let between = if c >= 128 { c + base * 128 } else { c };
        let sign = u32::from(signs[i % e] >> (i / e) & 1);
        f32::from_bits(sign << 31 | between << 16 | u32::from(low[2 * i]) | u32::from(low[2 * i + 1]) << 8)
    };
    (0..dim).map(value).collect()
}

#[test]
fn tiles_are_what_the_page_says() {
    let (dim, halves) = (200_usize, 90_usize);
    let conn = open_memory();
    conn.execute_batch(&format!(
        "CREATE VIRTUAL TABLE docs USING nearlite(a VECTOR({dim}) METRIC l2, b VECTOR({halves}) STORE f16)"
    ))
    .unwrap();
    let a = |rowid: i64| (0..dim as i64).map(move |i| ((rowid * 7 + i * 13) % 1000) as f32 * 0.01 - 4.0);
    let b = |rowid: i64| (0..halves as i64).map(move |i| ((rowid + i) % 64) as f32 / 8.0 - 3.0);
    conn.execute_batch("BEGIN").unwrap();
    for rowid in -150..150_i64 {
        let a: Vec<f32> = a(rowid).collect();
        let b: Option<Vec<f32>> = (rowid % 100 != 0).then(|| b(rowid).collect());
        conn.execute(
            "INSERT INTO docs(rowid, a, b) VALUES(?1, ?2, ?3)",
            params![rowid, blob(&a), b.map(|b| blob(&b))],
        )
        .unwrap();
    }
    conn.execute_batch("COMMIT").unwrap();
    command(&conn, "flush");

    let tile_rows = integers(&conn, "SELECT value FROM docs_config WHERE name = 'tile_rows'", [])[0];
    let lengths = [2 + 3 * dim + 5 * dim.div_ceil(8), 1 + 2 * halves];
    let slot: usize = lengths.iter().sum();
    let pieces = (tile_rows as usize * slot).div_ceil(4057);
    let mut seen = 0;
    for rowid in -150..150_i64 {
        let (tile, at) = (rowid.div_euclid(tile_rows), rowid.rem_euclid(tile_rows) as usize);
        let mut bytes = Vec::new();
        for id in 0..pieces as i64 {
            let sql = "SELECT data FROM docs_tiles WHERE id = ?1";
            let piece = rows(&conn, sql, [tile * pieces as i64 + id], |r| r.get::<_, Vec<u8>>(0)).unwrap();
            bytes.extend(piece.into_iter().flatten());
        }
        let single = integers(&conn, "SELECT rowid FROM docs_vectors WHERE rowid = ?1", [rowid]).len();
        assert_eq!(single == 1, bytes.is_empty(), "row {rowid}");
        if bytes.is_empty() {
            continue;
        }
        seen += 1;
        assert_eq!(bytes.len(), tile_rows as usize * slot);
        let (first, second) = bytes[at * slot..(at + 1) * slot].split_at(lengths[0]);
        assert_eq!(first[0], 1);
        assert_eq!(narrow(&first[1..], dim), a(rowid).collect::<Vec<_>>());
        if rowid % 100 == 0 {
            assert!(second.iter().all(|byte| *byte == 0));
        } else {
            // Multiples of 1/8 below 8 are halves; 0x3c00 is 1.
            assert_eq!(second[0], 1);
            let stored = second[1..].as_chunks::<2>().0.iter().map(|half| u16::from_le_bytes(*half));
            let one = b(rowid).position(|value| value == 1.0);
            assert_eq!(stored.clone().position(|half| half == 0x3c00), one);
            assert_eq!(
                stored.filter(|half| *half & 0x7fff == 0).count(),
                b(rowid).filter(|v| *v == 0.0).count()
            );
        }
    }
    assert!(seen > 200, "only {seen} rows are in tiles");
}

/// A copy of a file of an older version.
fn fixture(dir: &Path, name: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name), &path).unwrap();
    path
}

/// A copy of the table of version 1, with a stranger's table that has the name of a newer shadow table.
fn version_1(dir: &Path) -> Connection {
    let conn = open(&fixture(dir, "format1.db"));
    conn.execute_batch("CREATE TABLE docs_tiles(mine); INSERT INTO docs_tiles VALUES('keep')").unwrap();
    conn
}

fn vector(rowid: i64) -> Vec<f32> {
    (0..64).map(|i| ((rowid * 31 + i * 17) % 101) as f32 / 8.0).collect()
}

#[test]
fn a_table_of_version_1_is_read_and_written_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let conn = version_1(dir.path());
    let stored: Vec<(i64, Value)> =
        rows(&conn, "SELECT rowid, e FROM docs ORDER BY rowid", [], |r| Ok((r.get(0)?, r.get(1)?))).unwrap();
    let right: Vec<(i64, Value)> = (1..36)
        .filter(|rowid| ![3, 4].contains(rowid))
        .map(|rowid| (rowid, if rowid % 10 == 0 { Value::Null } else { blob(&vector(rowid)).into() }))
        .collect();
    assert_eq!(stored, right);
    // The payloads have versions of their own.
    command(&conn, "rebuild");
    for rowid in 100..300 {
        conn.execute(
            "INSERT INTO docs(rowid, id, e) VALUES(?1, 'k' || ?1, ?2)",
            params![rowid, blob(&vector(rowid))],
        )
        .unwrap();
    }
    conn.execute("UPDATE docs SET e = ?1 WHERE rowid = 5", [blob(&vector(1000))]).unwrap();
    conn.execute_batch("DELETE FROM docs WHERE rowid = 6").unwrap();
    command(&conn, "optimize");
    assert_sound(&conn);
    for rowid in [1, 7, 33, 150, 299] {
        let near = "SELECT rowid FROM docs WHERE e MATCH ?1 AND distance = 0 ORDER BY distance";
        assert!(integers(&conn, near, [blob(&vector(rowid))]).contains(&rowid));
    }
    assert_eq!(
        integers(&conn, "SELECT count(*) FROM docs_vectors", []),
        integers(&conn, "SELECT count(*) FROM docs", [])
    );
    // Its payloads are of this version now; tiles it has none.
    assert_eq!(format_of(&conn), FORMAT);
    assert_eq!(integers(&conn, "SELECT value FROM docs_config WHERE name = 'tile_rows'", []), [-1]);
    drop(conn);
    let conn = open(&dir.path().join("format1.db"));
    assert_sound(&conn);
    conn.execute_batch("DROP TABLE docs").unwrap();
    assert_eq!(rows(&conn, "SELECT mine FROM docs_tiles", [], |r| r.get::<_, String>(0)).unwrap(), ["keep"]);
}

fn format_of(conn: &Connection) -> i64 {
    integers(conn, "SELECT value FROM docs_config WHERE name = 'format'", [])[0]
}

/// Rows 1 to 96 of the table of version 2, two segments, tiles and a log among them: all is found that its rows say.
fn assert_version_2(conn: &Connection) {
    let alive: Vec<i64> = (1..97).filter(|rowid| ![3, 4, 92].contains(rowid)).collect();
    let stored: Vec<(i64, Value)> =
        rows(conn, "SELECT rowid, e FROM docs ORDER BY rowid", [], |r| Ok((r.get(0)?, r.get(1)?))).unwrap();
    let bare = |rowid: i64| rowid > 60 && rowid % 10 == 0;
    let right = |rowid: i64| if bare(rowid) { Value::Null } else { blob(&vector(rowid)).into() };
    assert_eq!(stored, alive.iter().map(|rowid| (*rowid, right(*rowid))).collect::<Vec<_>>());
    for rowid in alive.iter().copied().filter(|rowid| !bare(*rowid)) {
        let near = "SELECT rowid FROM docs WHERE e MATCH ?1 AND distance = 0";
        assert!(integers(conn, near, [blob(&vector(rowid))]).contains(&rowid), "{rowid}");
    }
    let texts = integers(conn, "SELECT rowid FROM docs WHERE docs MATCH 'all' ORDER BY rowid", []);
    assert_eq!(texts, alive);
    assert_eq!(integers(conn, "SELECT rowid FROM docs WHERE docs MATCH 'anew'", []), [11]);
    assert_eq!(integers(conn, "SELECT rowid FROM docs WHERE docs MATCH 'all' AND n > 96", []), [7]);
}

#[test]
fn a_table_of_version_2_is_searched_as_it_is_and_converted_when_a_payload_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = fixture(dir.path(), "format2.db");
    let bytes = std::fs::read(&path).unwrap();
    let reader = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    nearlite::register(&reader).unwrap();
    assert!(integers(&reader, "SELECT count(*) FROM docs_tiles", [])[0] > 0);
    assert_version_2(&reader);
    drop(reader);
    let conn = open(&path);
    assert_version_2(&conn);
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    let analyzer = |conn: &Connection| {
        integers(conn, "SELECT analyzer FROM nearlite_info('docs') WHERE kind = 'full text'", [])
    };
    assert_eq!(analyzer(&conn), [1]);
    // Rows change, payloads do not: an older build can still read it.
    conn.execute("UPDATE docs SET e = ?1 WHERE rowid = 20", [blob(&vector(20))]).unwrap();
    conn.execute_batch("UPDATE docs SET n = 8 WHERE rowid = 8").unwrap();
    assert_eq!(format_of(&conn), 2);
    for step in ["flush", "optimize", "rebuild"] {
        command(&conn, step);
        assert_eq!(format_of(&conn), FORMAT);
        // A merge reads the texts again by today's rules; a flush leaves the old index as it is.
        assert_eq!(analyzer(&conn), [if step == "flush" { 1 } else { 2 }]);
        assert_version_2(&conn);
        assert_sound(&conn);
        let other = open(&path);
        assert_version_2(&other);
    }
}

/// Rows 1 to 80 of the table of version 3, of which 61 to 80 are in the log, with metadata of every type there was.
fn assert_version_3(conn: &Connection) {
    let alive: Vec<i64> = (1..81).filter(|rowid| *rowid != 3).collect();
    assert_eq!(integers(conn, "SELECT rowid FROM docs WHERE docs MATCH 'all' ORDER BY rowid", []), alive);
    let rowids = |filter: &str| {
        let sql = format!("SELECT rowid FROM docs WHERE e MATCH ?1 AND {filter} ORDER BY rowid");
        integers(conn, &sql, [blob(&vector(9))])
    };
    let kept =
        |keep: &dyn Fn(i64) -> bool| alive.iter().copied().filter(|rowid| keep(*rowid)).collect::<Vec<_>>();
    assert_eq!(rowids("lang = 'l2'"), kept(&|rowid| rowid % 4 == 2));
    assert_eq!(rowids("n > 70"), kept(&|rowid| rowid > 70 || rowid == 7));
    assert_eq!(rowids("r = 2.5"), [5]);
    assert_eq!(rowids("b = 1 AND lang IS NOT NULL"), kept(&|rowid| rowid % 3 == 1));
    assert_eq!(rowids("r IS NULL"), kept(&|rowid| rowid % 10 == 0));
}

#[test]
fn a_table_of_version_3_is_searched_as_it_is_and_its_columns_are_merged_with_new_ones() {
    let dir = tempfile::tempdir().unwrap();
    let path = fixture(dir.path(), "format3_types.db");
    let bytes = std::fs::read(&path).unwrap();
    let conn = open(&path);
    assert_version_3(&conn);
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    conn.execute_batch("UPDATE docs SET lang = lang || '' WHERE rowid = 8").unwrap();
    assert_eq!(format_of(&conn), 3);
    for step in ["flush", "optimize", "rebuild"] {
        command(&conn, step);
        assert_eq!(format_of(&conn), FORMAT);
        assert_version_3(&conn);
        assert_sound(&conn);
        assert_version_3(&open(&path));
    }
}

#[test]
fn a_table_of_version_3_finds_what_it_found_until_its_texts_are_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = fixture(dir.path(), "format3.db");
    let bytes = std::fs::read(&path).unwrap();
    let found = |conn: &Connection, text: &str| {
        integers(conn, "SELECT rowid FROM docs WHERE docs MATCH ?1 ORDER BY rowid", [text])
    };
    let analyzer = |conn: &Connection| {
        integers(conn, "SELECT analyzer FROM nearlite_info('docs') WHERE kind = 'full text'", [])
    };
    let reader = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    nearlite::register(&reader).unwrap();
    for conn in [reader, open(&path)] {
        assert_eq!(found(&conn, "informação"), [1, 2]);
        assert_eq!(found(&conn, "informacao"), [3]);
        // The rows of the log are read by today's rules.
        assert_eq!(found(&conn, "educacao"), [5]);
        assert_eq!((analyzer(&conn), format_of(&conn)), (vec![2], 3));
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }
    let conn = open(&path);
    command(&conn, "flush");
    assert_eq!((analyzer(&conn), format_of(&conn)), (vec![2], FORMAT));
    assert_eq!((found(&conn, "informacao"), found(&conn, "educacao")), (vec![3], vec![5]));
    assert_sound(&conn);
    command(&conn, "optimize");
    assert_eq!((analyzer(&conn), format_of(&conn)), (vec![3], FORMAT));
    assert_eq!((found(&conn, "informacao"), found(&conn, "informação")), (vec![1, 3], vec![1, 2]));
    assert_sound(&conn);
}

#[test]
fn long_payloads_of_version_2_are_read_and_merged() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("long.db");
    let conn = open(&path);
    conn.execute_batch(
        "CREATE VIRTUAL TABLE docs USING nearlite(e VECTOR(512) METRIC l2 INDEX flat CODES none); BEGIN",
    )
    .unwrap();
    let vector = |rowid: i64| -> Vec<f32> {
        (0..512).map(|i| ((rowid * 31 + i * 17) % 101) as f32 + rowid as f32).collect()
    };
    for rowid in 1..=1500_i64 {
        let insert = "INSERT INTO docs(rowid, e) VALUES(?1, ?2)";
        conn.execute(insert, params![rowid, blob(&vector(rowid))]).unwrap();
    }
    conn.execute_batch("COMMIT").unwrap();
    command(&conn, "flush");
    // The chunks as version 2 has them: 1,048,576 bytes each, the last of a payload fewer. The directory of this one names
    // the vectors first, then the columns, which are one chunk.
    let chunks: Vec<(i64, Vec<u8>)> =
        rows(&conn, "SELECT id, data FROM docs_chunks ORDER BY id", [], |r| Ok((r.get(0)?, r.get(1)?)))
            .unwrap();
    assert!(chunks.iter().all(|(_, data)| data.len() <= 256 * 1024) && chunks.len() > 9);
    let mut directory: Vec<u8> =
        conn.query_row("SELECT directory FROM docs_segments", [], |r| r.get(0)).unwrap();
    let (columns, vectors) = chunks.split_last().unwrap();
    let payload: Vec<u8> = vectors.iter().flat_map(|(_, data)| data.clone()).collect();
    conn.execute("DELETE FROM docs_chunks WHERE id < ?1", [columns.0]).unwrap();
    let pieces = payload.chunks(1 << 20);
    // kind 2, column 0, first 1 in zigzag, then the number of chunks.
    let at = directory.windows(3).position(|window| window == [2, 0, 2]).unwrap() + 3;
    assert_eq!(usize::from(directory[at]), chunks.len() - 1);
    directory[at] = pieces.len() as u8;
    for (id, piece) in (1_i64..).zip(pieces) {
        conn.execute("INSERT INTO docs_chunks(id, data) VALUES(?1, ?2)", params![id, piece]).unwrap();
    }
    conn.execute("UPDATE docs_segments SET directory = ?1, id = randomblob(16)", [directory]).unwrap();
    conn.execute_batch(
        "UPDATE docs_config SET value = 2 WHERE name = 'format'; DELETE FROM docs_config WHERE name = 'root';
         CREATE TABLE docs_root(id INTEGER PRIMARY KEY, nonce BLOB NOT NULL);
         INSERT INTO docs_root VALUES(1, randomblob(16))",
    )
    .unwrap();
    drop(conn);
    let conn = open(&path);
    let all_are_found = || {
        assert_sound(&conn);
        for rowid in [1, 700, 1500] {
            let near = "SELECT rowid FROM docs WHERE e MATCH ?1 ORDER BY distance LIMIT 1";
            assert_eq!(integers(&conn, near, [blob(&vector(rowid))]), [rowid]);
        }
    };
    all_are_found();
    conn.execute("INSERT INTO docs(rowid, e) VALUES(2000, ?1)", [blob(&vector(2000))]).unwrap();
    command(&conn, "optimize");
    all_are_found();
    assert_eq!(format_of(&conn), FORMAT);
    assert!(integers(&conn, "SELECT max(length(data)) FROM docs_chunks", [])[0] <= 256 * 1024);
}

#[test]
fn renaming_and_dropping_a_table_of_version_1_leaves_the_tables_of_others_alone() {
    let dir = tempfile::tempdir().unwrap();
    let conn = version_1(dir.path());
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE ?1 ORDER BY name";
    let names = |like: &str| rows(&conn, tables, [like], |r| r.get::<_, String>(0)).unwrap();
    conn.execute_batch("ALTER TABLE docs RENAME TO notes").unwrap();
    assert_eq!(names("docs%"), ["docs_tiles"]);
    assert_eq!(names("notes%").len(), 9);
    conn.execute_batch("DROP TABLE notes").unwrap();
    assert_eq!(names("%"), ["docs_tiles"]);
    assert_eq!(rows(&conn, "SELECT mine FROM docs_tiles", [], |r| r.get::<_, String>(0)).unwrap(), ["keep"]);
}

#[test]
fn vectors_in_tiles_survive_vacuum_backup_and_another_page_size() {
    let dir = tempfile::tempdir().unwrap();
    for page_size in [512, 4096, 65_536] {
        let path = dir.path().join(format!("{page_size}.db"));
        let copy = dir.path().join(format!("{page_size}.copy.db"));
        let conn = open(&path);
        conn.execute_batch(&format!(
            "PRAGMA page_size = {page_size}; CREATE VIRTUAL TABLE docs USING nearlite(e VECTOR(64)); BEGIN"
        ))
        .unwrap();
        for rowid in 0..200 {
            conn.execute("INSERT INTO docs(rowid, e) VALUES(?1, ?2)", params![rowid, blob(&vector(rowid))])
                .unwrap();
        }
        conn.execute_batch("COMMIT").unwrap();
        command(&conn, "flush");
        assert!(integers(&conn, "SELECT count(*) FROM docs_tiles", [])[0] > 0);
        conn.execute_batch("DELETE FROM docs WHERE rowid % 40 = 0; VACUUM").unwrap();
        conn.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
        for conn in [conn, open(&copy)] {
            assert_sound(&conn);
            let stored: Vec<(i64, Vec<u8>)> =
                rows(&conn, "SELECT rowid, e FROM docs", [], |r| Ok((r.get(0)?, r.get(1)?))).unwrap();
            assert_eq!(stored.len(), 195);
            assert!(stored.iter().all(|(rowid, bytes)| *bytes == blob(&vector(*rowid))));
        }
    }
}
