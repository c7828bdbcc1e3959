//! Measures filtered search at every pass rate and correlation with the query, beside an unfiltered search and a scan
//! of the passing rows; then the cost of the filters themselves, many tenants, and both doors.
//!
//! `filters --data DIR --set NAME --dim D [--metric cosine|l2] [--work DIR] [--queries 200] [--rounds 3]
//! [--rates 100,60,...] [--correlations -1,-.5,...] [--only points|doors] [--fit 1] [--json FILE]`
//!
//! Reads `NAME.base.f32` and `NAME.query.f32` (row-major little-endian f32) and keeps `WORK/NAME.filters.db` between
//! runs. One thread asks, one query at a time, default settings, k = 10. `--fit 1` also walks the graph at every point,
//! whatever the planner thinks of it: what its constants are fitted to. `scripts/bench/filters.py` draws and tabulates the JSON.

mod data;
mod doors;
mod points;

use data::{Data, Random};
use nearlite::{Collection, Database, Metric, Schema};
use serde_json::json;
use std::collections::HashMap;
use std::error::Error;
use std::path::{Path, PathBuf};

/// Rows asked for.
pub const K: usize = 10;

/// Rows of a tenant.
pub const TENANT: usize = 60;

#[derive(serde::Serialize)]
struct Row<'a> {
    id: i64,
    /// A random permutation: `shuffled < n` passes n rows that have nothing to do with the query.
    shuffled: i64,
    tenant: i64,
    tenant_name: String,
    e: &'a [f32],
}

fn open(data: &Data, path: &Path) -> Result<Collection, Box<dyn Error>> {
    let db = Database::open(path)?;
    let collection = db.collection("t");
    if let Ok(table) = collection.open()
        && table.len()? == data.rows()
    {
        return Ok(table);
    }
    let _ = db.drop_collection("t");
    let schema = Schema::new()
        .integer_key("id")
        .integer("shuffled")
        .integer("tenant")
        .text("tenant_name")
        .vector("e", data.dim, data.metric);
    let table = db.collection("t").create(schema)?;
    let shuffled = Random(1).shuffled(data.rows());
    let rows: Vec<Row> = data
        .base
        .chunks_exact(data.dim)
        .zip(&shuffled)
        .enumerate()
        .map(|(at, (e, shuffled))| {
            let tenant = i64::from(*shuffled) / TENANT as i64;
            let tenant_name = format!("tenant-{tenant}");
            Row { id: at as i64 + 1, shuffled: i64::from(*shuffled), tenant, tenant_name, e }
        })
        .collect();
    table.insert(&rows[..])?;
    table.optimize()?;
    Ok(table)
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let options: HashMap<&str, &str> =
        words.chunks_exact(2).map(|pair| (pair[0].trim_start_matches("--"), pair[1].as_str())).collect();
    let text = |name: &str, otherwise: &'static str| options.get(name).map_or(otherwise, |word| *word);
    let numbers = |name: &str, otherwise: &'static str| -> Result<Vec<f64>, Box<dyn Error>> {
        let parse = |word: &str| word.parse::<f64>().map_err(|e| format!("--{name}: {word}: {e}").into());
        text(name, otherwise).split(',').map(parse).collect()
    };
    let metric = match text("metric", "cosine") {
        "l2" => Metric::L2,
        "ip" => Metric::Ip,
        _ => Metric::Cosine,
    };
    let set = *options.get("set").ok_or("--set is missing")?;
    let count = numbers("queries", "200")?[0] as usize;
    let dim = numbers("dim", "0")?[0] as usize;
    let data = Data::read(Path::new(text("data", ".")), set, dim, metric, count)?;
    let work = PathBuf::from(text("work", "."));
    let table = open(&data, &work.join(format!("{set}.filters.db")))?;
    let rounds = numbers("rounds", "3")?[0] as usize;
    let only = text("only", "");
    let mut out = json!({
        "set": set, "rows": data.rows(), "dim": dim, "metric": text("metric", "cosine"), "k": K,
        "queries": data.queries.len(), "rounds": rounds, "kernels": nearlite::ann::instruction_set(),
    });
    if only != "doors" {
        let asked = points::Asked {
            rates: numbers("rates", "100,60,30,10,3,1,.1,.01")?,
            correlations: numbers("correlations", "-1,-.5,0,.5,1")?,
            rounds,
            walk: text("fit", "0") != "0",
        };
        out["points"] = points::measure(&table, &data, &asked)?;
    }
    if only != "points" {
        out["doors"] = doors::measure(&table, &data, &work.join(format!("{set}.filters.db")), rounds)?;
    }
    let out = serde_json::to_string_pretty(&out)?;
    match options.get("json") {
        Some(file) => std::fs::write(file, out + "\n")?,
        None => println!("{out}"),
    }
    Ok(())
}
