//! Measures a database of real vectors through both doors: load, single inserts, recall and queries a second.
//!
//! `cargo run --release --example measure -- DIR NAME DIM [WORK]` reads `DIR/NAME.base.f32` and `DIR/NAME.query.f32`
//! (row-major little-endian f32) and writes `WORK/measure.db`. One thread asks, one query at a time.

use nearlite::rusqlite::{Connection, params};
use nearlite::{Database, Metric, Schema};
use std::error::Error;
use std::path::Path;
use std::time::Instant;

#[derive(serde::Serialize)]
struct Row<'a> {
    id: i64,
    e: &'a [f32],
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [dir, name, dim, rest @ ..] = &args[..] else {
        return Err("give DIR NAME DIM [WORK]".into());
    };
    let dim: usize = dim.parse()?;
    let work = rest.first().map_or(".", String::as_str);
    let base = floats(&Path::new(dir).join(format!("{name}.base.f32")))?;
    let queries = floats(&Path::new(dir).join(format!("{name}.query.f32")))?;
    let rows: Vec<Row> =
        base.chunks_exact(dim).enumerate().map(|(i, e)| Row { id: i as i64 + 1, e }).collect();

    let path = Path::new(work).join("measure.db");
    for ending in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{ending}", path.display()));
    }
    let db = Database::open(&path)?;
    let schema = Schema::new().integer_key("id").vector("e", dim, Metric::Cosine);
    let table = db.collection("t").create_if_missing(schema)?;

    let (singles, bulk) = rows.split_at(200.min(rows.len()));
    let clock = Instant::now();
    table.insert(bulk)?;
    let seconds = clock.elapsed().as_secs_f64();
    println!(
        "one transaction, {} rows, index included: {:.0} rows/s",
        bulk.len(),
        bulk.len() as f64 / seconds
    );
    let clock = Instant::now();
    for row in singles {
        table.insert(row)?;
    }
    let seconds = clock.elapsed().as_secs_f64();
    println!("one row a transaction: {:.0} rows/s", singles.len() as f64 / seconds);
    let clock = Instant::now();
    table.optimize()?;
    println!("optimize: {:.2} s", clock.elapsed().as_secs_f64());

    let queries: Vec<&[f32]> = queries.chunks_exact(dim).collect();
    let truth: Vec<f32> = queries
        .iter()
        .map(|query| {
            let hits = table.search().nearest("e", query).exact(true).limit(10).run()?;
            Ok(hits.iter().last().and_then(|hit| hit.distance).unwrap_or(f32::MAX))
        })
        .collect::<Result<_, nearlite::Error>>()?;

    let mut found = 0;
    let clock = Instant::now();
    for (query, last) in queries.iter().zip(&truth) {
        let hits = table.search().nearest("e", query).limit(10).run()?;
        found += hits.iter().filter(|hit| hit.distance.is_some_and(|d| d <= *last)).count();
    }
    report("Rust", found, queries.len(), clock);

    let conn = Connection::open(&path)?;
    nearlite::register(&conn)?;
    let mut statement =
        conn.prepare("SELECT rowid, distance FROM t WHERE e MATCH ?1 ORDER BY distance LIMIT 10")?;
    let blobs: Vec<Vec<u8>> =
        queries.iter().map(|q| q.iter().flat_map(|x| x.to_le_bytes()).collect()).collect();
    let (mut found, clock) = (0, Instant::now());
    for (blob, last) in blobs.iter().zip(&truth) {
        let mut rows = statement.query(params![blob])?;
        while let Some(row) = rows.next()? {
            found += usize::from(row.get::<_, f64>(1)? <= f64::from(*last));
        }
    }
    report("SQL", found, queries.len(), clock);

    let size = std::fs::metadata(&path)?.len() as f64;
    println!("file: {:.2} times the raw vectors", size / (base.len() * 4) as f64);
    Ok(())
}

fn report(door: &str, found: usize, queries: usize, clock: Instant) {
    let seconds = clock.elapsed().as_secs_f64();
    let recall = found as f64 / (queries * 10) as f64;
    println!("{door}: recall@10 {recall:.4}, {:.0} queries/s", queries as f64 / seconds);
}

fn floats(path: &Path) -> Result<Vec<f32>, Box<dyn Error>> {
    let bytes = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(bytes.as_chunks::<4>().0.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect())
}
