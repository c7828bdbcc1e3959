//! What the model-based tests share: the model of a table, the oracle of its answers, and small helpers.

#![allow(dead_code)]

pub mod damage;
pub mod model;
pub mod oracle;

use nearlite::rusqlite::{Connection, Params, Row};
use std::path::Path;

/// Dimensions of the vectors in these tests.
pub const DIM: usize = 8;

/// Seeded noise in -1..1.
pub struct Noise(pub u64);

impl Noise {
    pub fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    pub fn vector(&mut self, dim: usize) -> Vec<f32> {
        (0..dim).map(|_| self.next()).collect()
    }
}

/// Opens the file with the extension registered.
pub fn open(path: &Path) -> Connection {
    let conn = Connection::open(path).unwrap();
    nearlite::register(&conn).unwrap();
    conn
}

/// An in-memory database with the extension registered.
pub fn open_memory() -> Connection {
    let conn = Connection::open_in_memory().unwrap();
    nearlite::register(&conn).unwrap();
    conn
}

/// Little-endian f32, as users hand vectors over.
pub fn blob(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Runs a command such as `'flush'` on table `docs`.
pub fn command(conn: &Connection, name: &str) {
    conn.execute("INSERT INTO docs(docs) VALUES(?1)", [name]).unwrap_or_else(|e| panic!("'{name}': {e}"));
}

/// Stores a setting of table `docs`.
pub fn set(conn: &Connection, name: &str, value: i64) {
    conn.execute("INSERT INTO docs(docs, rank) VALUES(?1, ?2)", (name, value))
        .unwrap_or_else(|e| panic!("'{name}' = {value}: {e}"));
}

/// All rows of a query.
pub fn rows<T>(
    conn: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> nearlite::rusqlite::Result<T>,
) -> nearlite::rusqlite::Result<Vec<T>> {
    conn.prepare(sql)?.query_map(params, read)?.collect()
}

/// First column of every row of a query, as integers.
pub fn integers(conn: &Connection, sql: &str, params: impl Params) -> Vec<i64> {
    rows(conn, sql, params, |row| row.get(0)).unwrap_or_else(|e| panic!("{sql}: {e}"))
}

/// The table's own check and SQLite's.
pub fn assert_sound(conn: &Connection) {
    command(conn, "integrity-check");
    let verdict: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
}

/// A number from the environment, or `default`.
pub fn env_number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| {
        text.parse().unwrap_or_else(|_| panic!("{name} must be a number, got '{text}'"))
    })
}

/// splitmix64: the same numbers everywhere, from a seed that fits in a failure message.
#[derive(Clone)]
pub struct Rng(pub u64);

impl Rng {
    /// The next 64 bits.
    #[allow(clippy::should_implement_trait, reason = "a generator without an end is no iterator")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}
