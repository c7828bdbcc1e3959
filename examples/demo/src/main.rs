//! Searches 5,000 Debian packages by meaning, by words, by both, and by both under conditions.
//!
//! ```text
//! cargo run --release -p nearlite-demo            # makes and searches demo.db
//! cargo run --release -p nearlite-demo -- my.db   # in another file
//! ```
//! The data is in `examples/data/` (see the README there); nothing is downloaded.

use nearlite::{Collection, Database, Filter, Metric, Schema, col};
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const DIM: usize = 384;

/// One line of `packages.jsonl`, which is one row of the collection.
#[derive(Serialize, Deserialize)]
struct Package {
    package: String,
    section: String,
    priority: String,
    installed_kb: i64,
    n_depends: i64,
    title: String,
    text: String,
    #[serde(default)]
    embedding: Vec<f32>,
}

/// What the tables below print; a type can leave columns out.
#[derive(Deserialize)]
struct Line {
    package: String,
    section: String,
    installed_kb: i64,
    title: String,
}

/// One line of `queries.jsonl`.
#[derive(Deserialize)]
struct Query {
    package: String,
    title: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "demo.db".to_owned());
    let db = Database::open(&path)?;
    let packages = db.collection("packages").create_if_missing(
        Schema::new()
            .key("package")
            .full_text_weighted("title", 2.0)
            .full_text("text")
            .text("section")
            .text("priority")
            .integer("installed_kb")
            .integer("n_depends")
            .vector("embedding", DIM, Metric::Cosine)
            .model("all-MiniLM-L6-v2"),
    )?;
    if packages.is_empty()? {
        import(&packages)?;
        // The pages that the merge left free go back to the file system.
        db.with_connection(|conn| Ok(conn.execute_batch("VACUUM")?))?;
    } else {
        println!("{path} has {} packages already", packages.len()?);
    }

    let (queries, vectors): (Vec<Query>, _) = read("queries")?;
    let Some((query, vector)) = queries.iter().zip(&vectors).find(|(query, _)| query.package == "ample")
    else {
        return Err("queries.jsonl has no package called ample".into());
    };

    // The first search reads the index from the file, unless it was just made; the ones below find it in memory.
    let clock = Instant::now();
    packages.search().nearest("embedding", vector).run()?;
    println!("\nfirst search: {}", ms(clock.elapsed()));

    println!("\n== Packages most like {} ({})", query.package, query.title);
    let (hits, time) = timed(|| packages.search().nearest("embedding", vector).limit(5).run())?;
    for hit in &hits {
        print_line(&format!("distance {:.3}", hit.distance.unwrap_or_default()), &hit.row()?);
    }
    println!("   {time}");

    println!("\n== The same, only in sections sound and net, below 1 MB");
    let small = col("section").is_in(["sound", "net"]).and(col("installed_kb").lt(1024));
    let (hits, time) =
        timed(|| packages.search().nearest("embedding", vector).filter(small.clone()).limit(5).run())?;
    for hit in &hits {
        print_line(&format!("distance {:.3}", hit.distance.unwrap_or_default()), &hit.row()?);
    }
    println!("   {time}; {} packages pass the filter", passing(&packages, &small)?);

    let words = "streaming AND (server OR audio)";
    println!("\n== Text: {words}");
    let (hits, time) = timed(|| packages.search().text(words).limit(5).run())?;
    for hit in &hits {
        print_line(&format!("bm25 {:>6.2}", hit.score), &hit.row()?);
        println!("      {}", hit.snippet("text", "[", "]", 14)?.unwrap_or_default());
    }
    println!("   {time}");

    let words = "mp3 streaming";
    println!("\n== Hybrid: near {} and about \"{words}\"", query.package);
    let (hits, time) = timed(|| packages.search().nearest("embedding", vector).text(words).limit(5).run())?;
    let rank = |rank: Option<u32>| rank.map_or("-".to_owned(), |rank| rank.to_string());
    for hit in &hits {
        let ranks = format!("vector {:>3}, text {:>3}", rank(hit.vector_rank), rank(hit.text_rank));
        print_line(&ranks, &hit.row()?);
    }
    println!("   {time}");

    let (answers, time) = once(|| packages.search().limit(10).columns(["package"]).search_many(&vectors))?;
    println!("\n== {} queries at once: {time}", answers.len());

    let info = packages.info()?;
    let raw = info.rows * DIM * 4;
    println!("\n== Size");
    // Whatever the write-ahead log still holds goes into the file, so that its size tells all.
    db.with_connection(|conn| Ok(conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?))?;
    println!("   {} packages, {:.1} MB of raw vectors", info.rows, raw as f64 / 1e6);
    println!("   index (graph, codes, words, columns): {:.1} MB", info.index_bytes as f64 / 1e6);
    println!(
        "   {path} with all rows, texts and vectors: {:.1} MB",
        std::fs::metadata(&path)?.len() as f64 / 1e6
    );
    println!("   recall@10 on 200 of its own rows: {:.1} %", packages.recall(200, 10)? * 100.0);
    println!(
        "\nThe same with SQL: sqlite-ext/build.sh, then sqlite3 {path}, .load sqlite-ext/dist/nearlite and"
    );
    println!("  SELECT package, title FROM packages WHERE packages MATCH '{words}' ORDER BY rank LIMIT 5;");
    Ok(())
}

/// Reads the sample and inserts it, a thousand rows a transaction.
fn import(packages: &Collection) -> Result<(), Box<dyn Error>> {
    let clock = Instant::now();
    let (mut rows, vectors): (Vec<Package>, _) = read("packages")?;
    for (row, vector) in rows.iter_mut().zip(vectors) {
        row.embedding = vector;
    }
    let mut done = 0;
    for batch in rows.chunks(1000) {
        packages.insert(batch)?;
        done += batch.len();
        if std::io::stdout().is_terminal() {
            print!("\rinserting {done} of {}\r", rows.len());
            std::io::stdout().flush()?;
        }
    }
    println!("inserted {done} packages: {}", ms(clock.elapsed()));
    let clock = Instant::now();
    packages.optimize()?;
    println!("merged into one index: {}", ms(clock.elapsed()));
    Ok(())
}

/// Rows of floats.
type Vectors = Vec<Vec<f32>>;

/// The records of `stem.jsonl` and the vectors of `stem.i8`, scaled to length 1.
fn read<T: for<'de> Deserialize<'de>>(stem: &str) -> Result<(Vec<T>, Vectors), Box<dyn Error>> {
    let folder =
        [Path::new("examples/data").to_path_buf(), Path::new(env!("CARGO_MANIFEST_DIR")).join("../data")];
    let Some(folder) = folder.iter().find(|folder| folder.is_dir()) else {
        return Err("run it in the folder that holds examples/data".into());
    };
    let file = |ending: &str| -> PathBuf { folder.join(format!("{stem}.{ending}")) };
    let text = std::fs::read_to_string(file("jsonl"))?;
    let records = text.lines().map(serde_json::from_str).collect::<Result<Vec<T>, _>>()?;
    let bytes = std::fs::read(file("i8"))?;
    let vectors: Vectors = bytes
        .chunks_exact(DIM)
        .map(|row| {
            let row: Vec<f32> = row.iter().map(|byte| f32::from(i8::from_ne_bytes([*byte]))).collect();
            let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
            row.iter().map(|x| x / length).collect()
        })
        .collect();
    if records.len() != vectors.len() {
        return Err(format!("{stem}: {} records, {} vectors", records.len(), vectors.len()).into());
    }
    Ok((records, vectors))
}

fn print_line(what: &str, line: &Line) {
    let (size, title): (_, String) = (line.installed_kb, line.title.chars().take(48).collect());
    println!("   {what:<22} {:<20} {:<8} {size:>6} kB  {title}", line.package, line.section);
}

fn passing(packages: &Collection, filter: &Filter) -> nearlite::Result<usize> {
    Ok(packages.search().filter(filter.clone()).limit(usize::MAX).columns(["package"]).run()?.len())
}

/// The answer, and the mean time of twenty runs.
fn timed<T>(work: impl Fn() -> nearlite::Result<T>) -> nearlite::Result<(T, String)> {
    const RUNS: u32 = 20;
    let answer = work()?;
    let clock = Instant::now();
    for _ in 0..RUNS {
        work()?;
    }
    Ok((answer, ms(clock.elapsed() / RUNS)))
}

fn once<T>(work: impl FnOnce() -> nearlite::Result<T>) -> nearlite::Result<(T, String)> {
    let clock = Instant::now();
    Ok((work()?, ms(clock.elapsed())))
}

fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}
