//! A value as a vector: what a column takes it gives back, what it refuses it refuses in a search too, and the
//! functions agree with each other.
//!
//! Input: `t` and a JSON text, or any other byte and the bytes of a BLOB.

use super::common::{self, rows};
use super::outcome::honest;
use nearlite::rusqlite::Connection;
use nearlite::rusqlite::types::Value;

/// Functions of one vector, of two and of a part.
const FUNCTIONS: [&str; 20] = [
    "vec_f32(?1)",
    "vec_int8(?1)",
    "vec_bit(?1)",
    "vec_length(?1)",
    "vec_length(vec_bit(?1))",
    "vec_type(?1)",
    "vec_add(?1, ?1)",
    "vec_sub(?1, ?1)",
    "vec_normalize(?1)",
    "vec_slice(?1, 0, 1)",
    "vec_slice(?1, 1, vec_length(?1))",
    "vec_slice(vec_bit(?1), 8, 16)",
    "vec_to_json(?1)",
    "vec_to_json(vec_int8(?1))",
    "vec_to_json(vec_bit(?1))",
    "vec_quantize_binary(?1)",
    "vec_quantize_int8(?1, 'unit')",
    "vec_distance_cosine(?1, ?1)",
    "vec_distance_ip(?1, ?1)",
    "vec_distance_hamming(vec_bit(?1), vec_bit(?1))",
];

thread_local! {
    static CONN: Connection = {
        let conn = common::open_memory();
        conn.execute_batch(
            "CREATE VIRTUAL TABLE docs USING nearlite(
                full VECTOR(4) METRIC l2, half VECTOR(4) STORE f16, wide VECTOR(9) METRIC ip)",
        )
        .unwrap();
        conn
    };
}

pub fn run(data: &[u8]) {
    let value = match data.split_first() {
        Some((b't', text)) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        Some((_, bytes)) => Value::Blob(bytes.to_vec()),
        None => Value::Null,
    };
    CONN.with(|conn| {
        for call in FUNCTIONS {
            let _ = honest(conn.query_row(&format!("SELECT {call}"), [&value], |r| r.get::<_, Value>(0)));
        }
        check_functions(conn, &value);
        conn.execute_batch("BEGIN").unwrap();
        for column in ["full", "half", "wide"] {
            check_column(conn, column, &value);
        }
        conn.execute_batch("ROLLBACK").unwrap();
    });
}

fn check_functions(conn: &Connection, value: &Value) {
    let one = |sql: &str, value: &Value| honest(conn.query_row(sql, [value], |r| r.get::<_, Value>(0)));
    let Ok(Value::Blob(floats)) = one("SELECT vec_f32(?1)", value) else { return };
    check_floats(&floats, floats.len() / 4);
    if let Value::Blob(bytes) = value {
        assert_eq!(bytes, &floats);
    }
    let floats = Value::Blob(floats);
    let json = one("SELECT vec_to_json(?1)", &floats).unwrap();
    assert_eq!(one("SELECT vec_f32(?1)", &json).as_ref(), Ok(&floats), "{json:?}");
    let same = one(
        "SELECT vec_length(?1) = (SELECT count(*) FROM vec_each(?1)) AND vec_distance_l2(?1, ?1) = 0.0
            AND vec_distance_l1(?1, ?1) = 0.0 AND vec_type(?1) = 'float32'
            AND vec_f32(vec_slice(?1, 0, vec_length(?1))) = ?1",
        &floats,
    );
    assert_eq!(same, Ok(Value::Integer(1)), "{json:?}");
}

/// Writes, reads, searches.
fn check_column(conn: &Connection, column: &str, value: &Value) {
    let dim = if column == "wide" { 9 } else { 4 };
    let insert = format!("INSERT INTO docs({column}) VALUES(?1)");
    let search = format!("SELECT rowid, distance FROM docs WHERE {column} MATCH ?1 AND rowid = ?2");
    let written = honest(conn.execute(&insert, [value]));
    let rowid = conn.last_insert_rowid();
    let found = honest(rows(conn, &search, (value, rowid), |r| Ok((r.get::<_, i64>(0)?, r.get(1)?))));
    // Half precision refuses more values than a query does.
    assert!(written.is_err() || found.is_ok(), "{column} takes {value:?} but no search does: {found:?}");
    assert!(written.is_ok() || found.is_err() || column == "half", "{column}: {written:?}, yet {found:?}");
    let (Ok(_), Ok(found)) = (written, found) else { return };
    let read = || {
        let sql = format!("SELECT {column} FROM docs WHERE rowid = ?1");
        conn.query_row(&sql, [conn.last_insert_rowid()], |r| r.get::<_, Value>(0)).unwrap()
    };
    let stored = read();
    let Value::Blob(floats) = &stored else {
        assert_eq!((value, found), (&Value::Null, Vec::new()));
        return;
    };
    check_floats(floats, dim);
    if column == "full" {
        assert_eq!(found, [(rowid, Some(0.0))], "{stored:?}");
    }
    conn.execute(&insert, [&stored]).unwrap();
    assert_eq!(read(), stored);
}

fn check_floats(bytes: &[u8], dim: usize) {
    assert!(dim > 0 && bytes.len() == 4 * dim, "{} bytes for {dim} dimensions", bytes.len());
    assert!(bytes.as_chunks::<4>().0.iter().all(|float| f32::from_le_bytes(*float).is_finite()), "{bytes:?}");
}
