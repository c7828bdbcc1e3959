//! A reader that follows a writer through seals and merges sees at each moment what a reader sees that comes anew.
//!
//! `NEARLITE_SEED` gives other data.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Noise, Rng, blob, env_number, integers, open, set};
use nearlite::rusqlite::Connection;

const DIM: usize = 8;

fn seen(conn: &Connection, query: &[f32]) -> Vec<Vec<i64>> {
    [
        "SELECT rowid FROM docs WHERE v MATCH ?1 AND exact = 1 ORDER BY distance, rowid LIMIT 50",
        "SELECT rowid FROM docs WHERE docs MATCH 'w3' AND ?1 NOT NULL ORDER BY rowid",
        "SELECT rowid FROM docs WHERE n = 4 AND v MATCH ?1 ORDER BY distance, rowid LIMIT 50",
    ]
    .map(|sql| integers(conn, sql, [blob(query)]))
    .into()
}

#[test]
fn a_reader_that_follows_sees_what_a_new_one_sees() {
    let seed = env_number("NEARLITE_SEED", 11);
    let (mut rng, mut noise) = (Rng(seed), Noise(seed));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("followed.db");
    let (writer, reader) = (open(&path), open(&path));
    writer.query_row("PRAGMA journal_mode = wal", [], |_| Ok(())).unwrap();
    writer.execute_batch("PRAGMA synchronous = off").unwrap();
    writer
        .execute_batch(&format!(
            "CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT, n INTEGER, v VECTOR({DIM}) METRIC l2)"
        ))
        .unwrap();
    set(&writer, "delta_rows", 260);
    for at in 0..6_000_i64 {
        let any = rng.below(at as usize + 1) as i64;
        let word = rng.below(9) as i64;
        match rng.below(20) {
            0 => drop(writer.execute("DELETE FROM docs WHERE rowid = ?1", [any]).unwrap()),
            1 => drop(writer.execute("UPDATE docs SET n = ?2 WHERE rowid = ?1", (any, word)).unwrap()),
            2 => {
                let sql = "UPDATE docs SET v = ?2, body = 'all w' || ?3 WHERE rowid = ?1";
                writer.execute(sql, (any, blob(&noise.vector(DIM)), word)).unwrap();
            }
            3 => {
                writer.execute_batch("BEGIN; SAVEPOINT a").unwrap();
                writer.execute("DELETE FROM docs WHERE rowid > ?1", [at - 30]).unwrap();
                if at % 2 == 0 {
                    writer.execute_batch("INSERT INTO docs(docs) VALUES('flush')").unwrap();
                }
                seen(&writer, &[0.2; DIM]);
                writer.execute_batch("ROLLBACK TO a; COMMIT").unwrap();
            }
            _ => {}
        }
        let sql = "INSERT OR REPLACE INTO docs(rowid, body, n, v) VALUES(?1, 'all w' || ?2, ?2, ?3)";
        let row = if rng.below(4) == 0 { any } else { at };
        writer.prepare_cached(sql).unwrap().execute((row, word, blob(&noise.vector(DIM)))).unwrap();
        if at % 7 == 0 {
            let query = noise.vector(DIM);
            let followed = seen(&reader, &query);
            if at % 35 == 0 {
                assert_eq!(followed, seen(&open(&path), &query), "seed {seed}, commit {at}");
                assert_eq!(followed, seen(&writer, &query), "seed {seed}, commit {at}, the writer");
            }
        }
    }
}
