//! The right answers, in the plainest way: loops over all rows in double precision.

use super::model::{ModelRow, State};
use super::{DIM, blob, rows};
use nearlite::rusqlite::Connection;
use std::collections::BTreeSet;

/// Distances closer than this may stand in either order.
pub const TIE: f64 = 1e-5;

/// The distance as the contract defines it.
pub fn distance(metric: &str, a: &[f32; DIM], b: &[f32; DIM]) -> f64 {
    let (mut dot, mut aa, mut bb, mut square) = (0.0_f64, 0.0_f64, 0.0_f64, 0.0_f64);
    for i in 0..DIM {
        let (x, y) = (f64::from(a[i]), f64::from(b[i]));
        dot += x * y;
        aa += x * x;
        bb += y * y;
        square += (x - y) * (x - y);
    }
    match metric {
        "l2" => square.sqrt(),
        "ip" => -dot,
        _ if aa == 0.0 || bb == 0.0 => 1.0,
        _ => 1.0 - dot / (aa.sqrt() * bb.sqrt()),
    }
}

/// Rows that pass `keep`, nearest first.
pub fn nearest(
    state: &State,
    metric: &str,
    query: &[f32; DIM],
    keep: impl Fn(i64, &ModelRow) -> bool,
) -> Vec<(i64, f64)> {
    let mut found: Vec<(i64, f64)> = state
        .iter()
        .filter(|(rowid, row)| keep(**rowid, row))
        .filter_map(|(rowid, row)| row.vector.map(|vector| (*rowid, distance(metric, &vector, query))))
        .collect();
    found.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
    found
}

/// Whether a text satisfies a query of one of the shapes that [`text_query`] makes.
pub fn text_matches(body: Option<&str>, shape: usize, a: &str, b: &str) -> bool {
    let words: Vec<&str> = body.unwrap_or("").split_whitespace().collect();
    let has = |word: &str| words.contains(&word);
    match shape {
        0 => has(a),
        1 => has(a) && has(b),
        2 => has(a) || has(b),
        3 => has(a) && !has(b),
        4 => words.windows(2).any(|pair| pair == [a, b]),
        _ => has(a),
    }
}

/// A query text of shape 0 to 5.
pub fn text_query(shape: usize, a: &str, b: &str) -> String {
    match shape {
        0 => a.to_owned(),
        1 => format!("{a} AND {b}"),
        2 => format!("{a} OR {b}"),
        3 => format!("{a} NOT {b}"),
        4 => format!("\"{a} {b}\""),
        _ => format!("body:{a}"),
    }
}

/// Compares a ranked answer with the oracle's: right distances, each row once, best first, equal vectors by rowid.
pub fn check_ranking(
    state: &State,
    got: &[(i64, f64)],
    want: &[(i64, f64)],
    k: usize,
    exact: bool,
) -> Result<(), String> {
    if got.len() != k.min(want.len()) {
        return Err(format!("{} rows instead of {}: {got:?}", got.len(), k.min(want.len())));
    }
    let mut seen = BTreeSet::new();
    for (place, (rowid, distance)) in got.iter().enumerate() {
        if !seen.insert(rowid) {
            return Err(format!("row {rowid} came twice"));
        }
        let Some((_, right)) = want.iter().find(|(known, _)| known == rowid) else {
            return Err(format!("row {rowid} should not be found"));
        };
        if (distance - right).abs() > TIE * (1.0 + right.abs()) {
            return Err(format!("row {rowid} has distance {distance} instead of {right}"));
        }
        if exact && (want[place].1 - right).abs() > TIE * (1.0 + right.abs()) {
            return Err(format!("place {place} has row {rowid} at {right} instead of {:?}", want[place]));
        }
    }
    for pair in got.windows(2) {
        let ((a, da), (b, db)) = (pair[0], pair[1]);
        if da > db {
            return Err(format!("row {a} at {da} stands before row {b} at {db}"));
        }
        if a > b && state[&a].vector == state[&b].vector {
            return Err(format!("rows {a} and {b} are equal but not in rowid order"));
        }
    }
    Ok(())
}

/// Everything the table stores, by a full scan. Its vectors are those of the model, filled up with zeros to `width`.
pub fn check_contents(conn: &Connection, state: &State, width: usize) -> Result<(), String> {
    type Stored = (i64, String, Option<String>, Option<String>, i64, Option<Vec<u8>>);
    let sql = "SELECT rowid, id, body, lang, year, embedding FROM docs ORDER BY rowid";
    let got: Vec<Stored> =
        rows(conn, sql, [], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?, r.get(5)?)))
            .map_err(|e| format!("{sql}: {e}"))?;
    let want: Vec<Stored> = state
        .iter()
        .map(|(rowid, row)| {
            let vector = row.vector.map(|v| [blob(&v), vec![0; 4 * (width - DIM)]].concat());
            (*rowid, row.key.clone(), row.body.clone(), row.lang.map(str::to_owned), row.year, vector)
        })
        .collect();
    if let Some((got, want)) = got.iter().zip(&want).find(|(got, want)| got != want) {
        return Err(format!("the table has {got:?}, the model {want:?}"));
    }
    let count: i64 =
        conn.query_row("SELECT count(*) FROM docs", [], |r| r.get(0)).map_err(|e| e.to_string())?;
    if got.len() != want.len() || count != want.len() as i64 {
        return Err(format!("{} rows, count(*) {count}, model {}", got.len(), want.len()));
    }
    Ok(())
}
