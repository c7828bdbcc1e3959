//! A forged file costs neither the host nor its memory: sizes, counts and lengths that lie, with checksums that fit, and
//! shadow tables of another shape. Everything is read and written in a process of 2 GiB; a search gives an answer or an
//! error, nothing ends or holds up the process, and where the rows are whole `'rebuild'` heals the table.
//!
//! `NEARLITE_STEP=1` tries every forgery instead of every eighth.
#![allow(clippy::unwrap_used)]

mod common;

use common::damage::{check_healed, open_fast, read_all, write_all, write_table};
use common::{Rng, env_number};
use nearlite::rusqlite::{Connection, params};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

const SHADOWS: [&str; 8] =
    ["config", "rows", "vectors", "tiles", "delta", "segments", "chunks", "tombstones"];

/// Numbers that a length, a count or an id may claim to be.
const CLAIMS: [u64; 14] = [
    0,
    1,
    2,
    65_536,
    1 << 20,
    100_000_000,
    i32::MAX as u64,
    1 << 31,
    u32::MAX as u64,
    1 << 40,
    i64::MAX as u64 - 1,
    i64::MAX as u64,
    1 << 63,
    u64::MAX,
];

/// One entry of a directory as docs/format.md has it.
#[derive(Clone)]
struct Entry {
    kind: Vec<u64>,
    first: u64,
    chunks: u64,
    bytes: u64,
    checksum: u64,
}

fn take(bytes: &mut &[u8]) -> u64 {
    let width = match bytes[0] {
        251 => 2,
        252 => 4,
        253 => 8,
        small => {
            *bytes = &bytes[1..];
            return u64::from(small);
        }
    };
    let mut number = [0; 8];
    number[..width].copy_from_slice(&bytes[1..=width]);
    *bytes = &bytes[width + 1..];
    u64::from_le_bytes(number)
}

fn put(out: &mut Vec<u8>, number: u64) {
    match number {
        0..=250 => out.push(number as u8),
        251..=0xffff => out.extend([&[251], &number.to_le_bytes()[..2]].concat()),
        0x1_0000..=0xffff_ffff => out.extend([&[252], &number.to_le_bytes()[..4]].concat()),
        _ => out.extend([&[253], &number.to_le_bytes()[..]].concat()),
    }
}

fn directory(mut bytes: &[u8]) -> Vec<Entry> {
    let count = take(&mut bytes);
    let entries = (0..count).map(|_| {
        let mut kind = vec![take(&mut bytes)];
        if kind[0] == 2 {
            kind.push(take(&mut bytes));
        }
        let mut next = || take(&mut bytes);
        Entry { kind, first: next(), chunks: next(), bytes: next(), checksum: next() }
    });
    let entries = entries.collect();
    assert!(bytes.is_empty());
    entries
}

fn encoded(entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, entries.len() as u64);
    for entry in entries {
        entry.kind.iter().for_each(|number| put(&mut out, *number));
        [entry.first, entry.chunks, entry.bytes, entry.checksum]
            .iter()
            .for_each(|number| put(&mut out, *number));
    }
    out
}

/// A forgery: what is done behind the extension's back, and whether the rows stay whole.
struct Forgery {
    name: String,
    whole: bool,
    apply: Box<dyn Fn(&Connection)>,
}

fn sql(name: impl Into<String>, whole: bool, sql: String) -> Forgery {
    // What SQLite's own rules refuse changes nothing, which is fine.
    Forgery { name: name.into(), whole, apply: Box::new(move |conn| drop(conn.execute_batch(&sql))) }
}

fn set_directory(conn: &Connection, seq: i64, entries: &[Entry]) {
    conn.execute("UPDATE docs_segments SET directory = ?1 WHERE seq = ?2", params![encoded(entries), seq])
        .unwrap();
}

fn segments(conn: &Connection) -> Vec<(i64, Vec<Entry>)> {
    let sql = "SELECT seq, directory FROM docs_segments ORDER BY seq";
    common::rows(conn, sql, [], |row| Ok((row.get(0)?, directory(&row.get::<_, Vec<u8>>(1)?)))).unwrap()
}

/// Every column of every row of a table takes a value that it never has.
fn values(conn: &Connection, out: &mut Vec<Forgery>) {
    let values = [
        "NULL",
        "-1",
        "0",
        "1",
        "2147483648",
        "4294967295",
        "4294967296",
        "9223372036854775807",
        "-9223372036854775808",
        "1e308",
        "''",
        "'x'",
        "zeroblob(0)",
        "zeroblob(16)",
        "zeroblob(1000000)",
        "x'ff'",
    ];
    for table in SHADOWS {
        let sql_of = format!("SELECT name FROM pragma_table_info('docs_{table}')");
        let columns = common::rows(conn, &sql_of, [], |row| row.get::<_, String>(0)).unwrap();
        let whole = !matches!(table, "rows" | "vectors" | "tiles" | "config");
        for column in columns {
            for value in values {
                let name = format!("{table}.{column} = {value}");
                let last = format!("(SELECT max(rowid) FROM docs_{table})");
                out.push(sql(
                    format!("last {name}"),
                    whole,
                    format!("UPDATE docs_{table} SET \"{column}\" = {value} WHERE rowid = {last}"),
                ));
                out.push(sql(name, whole, format!("UPDATE docs_{table} SET \"{column}\" = {value}")));
            }
        }
    }
    for value in values {
        let update = format!("UPDATE docs_config SET value = {value} WHERE name = 'root'");
        out.push(sql(format!("the root is {value}"), true, update));
    }
    out.push(sql("there is no root", true, "DELETE FROM docs_config WHERE name = 'root'".into()));
    for (name, value) in [
        ("ef_search", "9223372036854775807"),
        ("delta_rows", "0"),
        ("automerge", "1"),
        ("cache_mb", "0"),
        ("cache_mb", "9223372036854775807"),
        ("resident_vectors", "9"),
        ("delta_rows", "9223372036854775807"),
    ] {
        let insert = format!("INSERT INTO docs_config(name, value) VALUES('{name}', {value})");
        out.push(sql(format!("{name} = {value}"), true, insert));
    }
    for tile_rows in [1, 2, 63, 64, 65, 1_000_000_000] {
        let update = format!("UPDATE docs_config SET value = {tile_rows} WHERE name = 'tile_rows'");
        out.push(sql(format!("tile_rows = {tile_rows}"), false, update));
    }
    for (from, to) in [
        ("\"dim\":64", "\"dim\":16384"),
        ("\"dim\":64", "\"dim\":1"),
        ("\"dim\":64", "\"dim\":9223372036854775807"),
        ("\"m\":16", "\"m\":256"),
        ("\"m\":16", "\"m\":65535"),
        ("\"F32\"", "\"F16\""),
        ("\"Int8\"", "\"Bit\""),
        ("\"L2\"", "\"Ip\""),
        ("\"Text\"", "\"Integer\""),
        ("\"weight\":1.0", "\"weight\":1e300"),
        ("\"tokenizer\":null", "\"tokenizer\":\"ngram(1,9999999)\""),
    ] {
        let update =
            format!("UPDATE docs_config SET value = replace(value, '{from}', '{to}') WHERE name = 'schema'");
        out.push(sql(format!("schema {to}"), false, update));
    }
}

/// Directories, row counts and the log lie.
fn claims(conn: &Connection, out: &mut Vec<Forgery>) {
    type Field = fn(&mut Entry) -> &mut u64;
    let fields: [(&str, Field); 4] = [
        ("first", |entry| &mut entry.first),
        ("chunks", |entry| &mut entry.chunks),
        ("bytes", |entry| &mut entry.bytes),
        ("checksum", |entry| &mut entry.checksum),
    ];
    let (seq, entries) = segments(conn).remove(0);
    for at in 0..entries.len() {
        for (field, place) in fields {
            for claim in CLAIMS {
                let mut forged = entries.clone();
                *place(&mut forged[at]) = claim;
                out.push(Forgery {
                    name: format!("directory: {field} of payload {at} is {claim}"),
                    whole: true,
                    apply: Box::new(move |conn| set_directory(conn, seq, &forged)),
                });
            }
        }
        // Chunks of nothing bear out any number of them.
        for count in [1_000_u64, 100_000] {
            let mut forged = entries.clone();
            forged[at].first = 2_000_000;
            forged[at].chunks = count;
            forged[at].bytes = count << 20;
            out.push(Forgery {
                name: format!("{count} empty chunks for payload {at}"),
                whole: true,
                apply: Box::new(move |conn| {
                    let insert =
                        "WITH RECURSIVE n(i) AS (SELECT 1000000 UNION ALL SELECT i + 1 FROM n LIMIT ?1)
                                  INSERT INTO docs_chunks(id, data) SELECT i, x'' FROM n";
                    conn.execute(insert, [count as i64]).unwrap();
                    set_directory(conn, seq, &forged);
                }),
            });
        }
    }
    for claim in CLAIMS {
        let rows = claim as i64;
        out.push(sql(
            format!("all segments have {rows} rows"),
            true,
            format!("UPDATE docs_segments SET rows = {rows}"),
        ));
        for column in ["seq", "op", "row", "segment", "ord"] {
            let insert = format!(
                "INSERT INTO docs_delta(op, row, segment, ord, stamp) VALUES(1, 10, 1, 1, 1), (3, 10, 1, 1, 2), (2, 10, 1, 1, 3);
                 UPDATE docs_delta SET {column} = {rows} WHERE seq > (SELECT max(seq) - 3 FROM docs_delta)"
            );
            out.push(sql(format!("log: {column} is {rows}"), true, insert));
        }
    }
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000)";
    for values in ["1, 10, NULL, NULL, i", "3, i, 1, i % 40, i", "2, i, NULL, NULL, i", "1, i, NULL, NULL, i"]
    {
        let insert =
            format!("{many} INSERT INTO docs_delta(op, row, segment, ord, stamp) SELECT {values} FROM n");
        out.push(sql(format!("a log of 100,000 entries {values}"), true, insert));
    }
    let copies = format!(
        "{many} INSERT INTO docs_segments(id, rows, directory) SELECT randomblob(16), rows, directory FROM n, docs_segments LIMIT 20000"
    );
    out.push(sql("20,000 segments share their payloads", true, copies));
}

/// Payloads and tombstones lie, and their checksums fit.
fn payloads(conn: &Connection, rng: &mut Rng, out: &mut Vec<Forgery>) {
    for (seq, entries) in segments(conn) {
        for (at, entry) in entries.iter().enumerate() {
            let id = (entry.first / 2) as i64;
            let sql = "SELECT data FROM docs_chunks WHERE id = ?1";
            let bytes: Vec<u8> = conn.query_row(sql, [id], |row| row.get(0)).unwrap();
            let mut forge = |what: String, forged: Vec<u8>| {
                let mut entries = entries.clone();
                entries[at].bytes = forged.len() as u64;
                entries[at].checksum = u64::from(crc32(&forged));
                out.push(Forgery {
                    name: format!("segment {seq}, payload {at}: {what}"),
                    whole: true,
                    apply: Box::new(move |conn| {
                        conn.execute("UPDATE docs_chunks SET data = ?1 WHERE id = ?2", params![forged, id])
                            .unwrap();
                        set_directory(conn, seq, &entries);
                    }),
                });
            };
            let header = (0..bytes.len().min(256)).step_by(4);
            for offset in header.chain((0..20).map(|_| rng.below(bytes.len()) / 4 * 4)) {
                for claim in [
                    0_u32,
                    1,
                    2,
                    41,
                    65_536,
                    1 << 30,
                    i32::MAX as u32,
                    1 << 31,
                    u32::MAX - 1,
                    u32::MAX,
                    0x7f80_0000,
                ] {
                    let mut forged = bytes.clone();
                    let number = claim.to_le_bytes();
                    let end = forged.len().min(offset + 4);
                    forged[offset..end].copy_from_slice(&number[..end - offset]);
                    forge(format!("{claim} at byte {offset}"), forged);
                }
            }
            for _ in 0..40 {
                let mut forged = bytes.clone();
                for _ in 0..1 + rng.below(4) {
                    let at = rng.below(forged.len());
                    forged[at] = rng.next() as u8;
                }
                forge("random bytes".into(), forged);
            }
            for length in [0, 1, 11, 12, 60, bytes.len() / 2, bytes.len() - 1] {
                forge(format!("cut to {length} bytes"), bytes[..length].to_vec());
            }
            forge("twice".into(), [&bytes[..], &bytes[..]].concat());
            forge("a megabyte of zeros behind it".into(), [&bytes[..], &vec![0; 1 << 20]].concat());
        }
    }
    // Roaring: cookie, number of containers, then for each key, cardinality, offset.
    let runs = |containers: u32| {
        let mut bytes = (12_347_u32 | (containers - 1) << 16).to_le_bytes().to_vec();
        bytes.extend(vec![0xff; (containers as usize).div_ceil(8)]);
        (0..containers)
            .for_each(|key| bytes.extend([key as u16, 0xffff].iter().flat_map(|half| half.to_le_bytes())));
        (0..containers).for_each(|_| bytes.extend(0_u32.to_le_bytes()));
        (0..containers)
            .for_each(|_| bytes.extend([1_u16, 0, 0xffff].iter().flat_map(|half| half.to_le_bytes())));
        bytes
    };
    let mut sets: Vec<(String, Vec<u8>)> =
        [1_u32, 4, 1000, 65_536].map(|count| (format!("{count} full runs"), runs(count))).into();
    for count in [0_u32, 1, 65_536, 65_537, u32::MAX] {
        let mut bytes = 12_346_u32.to_le_bytes().to_vec();
        bytes.extend(count.to_le_bytes());
        sets.push((format!("{count} containers that are not there"), bytes.clone()));
        bytes.extend(vec![0xff; 4096]);
        sets.push((format!("{count} containers of ones"), bytes));
    }
    for (name, bytes) in sets {
        for rows in [40_u32, u32::MAX] {
            let bytes = bytes.clone();
            out.push(Forgery {
                name: format!("tombstones: {name}, {rows} rows"),
                whole: true,
                apply: Box::new(move |conn| {
                    let sql = "INSERT OR REPLACE INTO docs_tombstones(segment, dead, checksum) SELECT seq, ?1, ?2 FROM docs_segments";
                    conn.execute(sql, params![bytes, crc32(&bytes)]).unwrap();
                    conn.execute("UPDATE docs_segments SET rows = ?1", [rows]).unwrap();
                }),
            });
        }
    }
}

/// Shadow tables have another shape.
fn shapes(conn: &Connection, out: &mut Vec<Forgery>) {
    for table in SHADOWS {
        let sql_of = format!("SELECT name FROM pragma_table_info('docs_{table}')");
        let columns = common::rows(conn, &sql_of, [], |row| row.get::<_, String>(0)).unwrap();
        let copy = |shape: &str| format!("ALTER TABLE docs_{table} RENAME TO gone; {shape}");
        let shapes = [
            copy(""),
            copy(&format!("CREATE TABLE docs_{table}(x)")),
            copy(&format!("CREATE TABLE docs_{table} AS SELECT * FROM gone")),
            copy(&format!("CREATE TABLE docs_{table} AS SELECT * FROM gone WHERE 0")),
            copy(&format!(
                "CREATE TABLE docs_{table}({} TEXT PRIMARY KEY, {}) WITHOUT ROWID",
                columns[0],
                columns.get(1).map_or("z", String::as_str)
            )),
            copy(&format!(
                "CREATE TABLE docs_{table}({0} INTEGER PRIMARY KEY, {1} AS (zeroblob(100000000)))",
                columns[0],
                columns.get(1).map_or("z", String::as_str)
            )),
            copy(&format!("CREATE VIEW docs_{table} AS SELECT * FROM gone")),
            copy(&format!(
                "CREATE VIEW docs_{table} AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT {} FROM n",
                columns.iter().map(|c| format!("i AS \"{c}\"")).collect::<Vec<_>>().join(", ")
            )),
            copy(&format!("CREATE INDEX docs_{table} ON gone(\"{}\")", columns[0])),
            format!("ALTER TABLE docs_{table} ADD COLUMN more DEFAULT 7"),
            format!("ALTER TABLE docs_{table} ADD COLUMN more AS (zeroblob(1000000000))"),
            format!("CREATE TRIGGER t1 BEFORE INSERT ON docs_{table} BEGIN SELECT RAISE(IGNORE); END"),
            format!("CREATE TRIGGER t2 BEFORE DELETE ON docs_{table} BEGIN SELECT RAISE(FAIL, 'no'); END"),
            format!("CREATE TRIGGER t3 AFTER INSERT ON docs_{table} BEGIN DELETE FROM docs_{table}; END"),
        ];
        out.extend(shapes.into_iter().map(|shape| sql(shape.clone(), false, shape)));
        for column in columns {
            for shape in [
                format!("ALTER TABLE docs_{table} RENAME COLUMN \"{column}\" TO renamed"),
                format!("ALTER TABLE docs_{table} DROP COLUMN \"{column}\""),
                format!("CREATE UNIQUE INDEX one_{table} ON docs_{table}(typeof(\"{column}\"))"),
            ] {
                out.push(sql(shape.clone(), false, shape));
            }
        }
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    };
    !bytes.iter().fold(u32::MAX, step)
}

/// All forgeries, the same in the parent and in its children.
fn forgeries(template: &Path) -> Vec<Forgery> {
    let conn = Connection::open(template).unwrap();
    let mut all = Vec::new();
    values(&conn, &mut all);
    claims(&conn, &mut all);
    payloads(&conn, &mut Rng(env_number("NEARLITE_SEED", 1)), &mut all);
    shapes(&conn, &mut all);
    all
}

/// Runs in a process of its own: tells each number before it tries it.
#[test]
#[ignore = "run by the other test"]
fn child() {
    let (Ok(template), Ok(from)) = (std::env::var("NEARLITE_TEMPLATE"), std::env::var("NEARLITE_FROM"))
    else {
        return;
    };
    let path = format!("{template}.forged.db");
    let step = env_number("NEARLITE_STEP", 8).max(1) as usize;
    let mut failed = 0;
    for (at, forgery) in forgeries(Path::new(&template)).iter().enumerate().skip(from.parse().unwrap()) {
        if at % step != 0 {
            continue;
        }
        println!("\ntry {at}");
        std::fs::copy(&template, &path).unwrap();
        let plain = Connection::open(&path).unwrap();
        // Payloads are cached by the name of their segment.
        plain
            .execute_batch("PRAGMA synchronous = OFF; UPDATE docs_segments SET id = randomblob(16)")
            .unwrap();
        (forgery.apply)(&plain);
        drop(plain);
        let conn = open_fast(Path::new(&path));
        read_all(&conn);
        drop(conn.execute_batch("INSERT INTO docs(docs) VALUES('integrity-check')"));
        write_all(&conn);
        read_all(&conn);
        drop(conn);
        if forgery.whole
            && let Err(error) = check_healed(Path::new(&path))
        {
            println!("\nfail {at} {error}");
            failed += 1;
        }
    }
    println!("\ndone {failed}");
}

#[test]
#[cfg(unix)]
fn a_forged_file_neither_ends_the_host_nor_takes_its_memory_and_can_be_rebuilt() {
    let dir = tempfile::tempdir().unwrap();
    let template = dir.path().join("template.db");
    write_table(&template);
    let all = forgeries(&template);
    let step = env_number("NEARLITE_STEP", 8).max(1) as usize;
    let (mut from, mut failures, mut tried) = (0, Vec::new(), 0);
    while from < all.len() {
        let limited = "ulimit -v 2097152; ulimit -t 900; exec \"$0\" \"$@\"";
        let mut process = Command::new("sh")
            .args(["-c", limited])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--ignored", "--nocapture", "--test-threads=1"])
            .env("NEARLITE_TEMPLATE", &template)
            .env("NEARLITE_FROM", from.to_string())
            .env("RUST_MIN_STACK", "1048576")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (mut last, mut done) = (from, false);
        for line in BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok) {
            match line.split_once(' ') {
                Some(("try", number)) => {
                    last = number.parse().unwrap();
                    tried += 1;
                }
                Some(("fail", what)) => failures.push(format!("{}: {what}", all[last].name)),
                Some(("done", _)) => done = true,
                _ => {}
            }
        }
        let status = process.wait().unwrap();
        if done {
            break;
        }
        failures.push(format!("{}: the process ended with {status}", all[last].name));
        from = last + 1;
    }
    println!("{tried} of {} forgeries tried, one in {step}", all.len());
    assert!(tried > all.len() / step - 1 && tried > 200, "only {tried} forgeries");
    assert!(failures.is_empty(), "{} of {tried} failed:\n{failures:#?}", failures.len());
}
