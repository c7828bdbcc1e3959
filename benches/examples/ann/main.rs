//! Measures the vector engine on a data set of raw floats, for a side-by-side run with other libraries.
//!
//! `ann --data DIR --set NAME --dim D [options]` reads `NAME.base.f32`, `NAME.query.f32` and `NAME.gt.i32` (row-major,
//! little-endian; the true neighbours of each query, nearest first) and prints one JSON line for each library and breadth.
//!
//! | option | default | |
//! |---|---|---|
//! | `--vectors` | `resident` | what exact distances are computed from: `resident` vectors, a `file` that each is read from, or `both`, one after the other |
//! | `--codes` | the engine's own | what the graph is walked on: `int8`, `bit` or `none` (the floats); the results then bear its name |
//! | `--with-hnsw-rs` | | the same with hnsw_rs afterwards, in the same process |
//! | `--metric` | `cosine` | `cosine`, `l2` or `ip` |
//! | `--threads-build`, `--m`, `--efc` | 2, and the engine's own | of the build |
//! | `--k`, `--efs`, `--queries`, `--passes` | 10, a wide sweep, all, 3 | of the search, by one thread and one query at a time; the best pass counts |
//! | `--ids` | | a folder for the rows found, raw `i32`, `k` a query |
//!
//! `qps` is by the clock on the wall and `cpu_qps` by the processor time of the thread. `rss_mb` is the growth of resident memory by
//! the index, with the vectors if they are resident; `index_bytes` is counted, without them. The page cache belongs to nobody.

mod data;
mod peers;

use data::{Options, Set, memory};
use nearlite::{Codes, IndexKind, VectorSpec, ann};
use peers::Sweep;
use std::error::Error;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::from_args()?;
    let set = Set::open(&options)?;
    let efs = options.text("efs").unwrap_or(EFS);
    let sweep = Sweep {
        set: &set,
        k: options.number("k", 10)?,
        passes: options.number("passes", 3)?,
        efs: efs.split(',').map(str::parse).collect::<Result<_, _>>()?,
        ids: options.text("ids").map(Into::into),
    };
    let threads = options.number("threads-build", 2)?;
    let (resident, file) = match options.text("vectors").unwrap_or("resident") {
        "resident" => (true, false),
        "file" => (false, true),
        "both" => (true, true),
        other => return Err(format!("--vectors is resident, file or both, not {other}").into()),
    };

    let spec = spec(&options, &set)?;
    let name = options.text("codes").map_or("nearlite".into(), |codes| format!("nearlite-{codes}"));
    let empty = memory::resident_mb();
    let base = set.base()?;
    memory::reset_peak();
    let loaded = memory::resident_mb();
    let (clock, spent) = (Instant::now(), memory::process_seconds());
    let index = ann::Index::build(&spec, base, threads)?;
    let mut about = serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"),
        "config": format!("{}, {}, {}", kind(&spec), spec.codes.name(), ann::instruction_set()),
        "build_s": clock.elapsed().as_secs_f64(),
        "build_cpu_s": memory::process_seconds() - spent,
        "peak_mb": memory::peak_mb() - loaded,
        "index_bytes": index.memory_bytes(),
        "rows": index.len(),
    });
    if resident {
        about["rss_mb"] = (memory::resident_mb() - empty).into();
        sweep.run(&name, &about, |query, ef, found| {
            found.extend(index.search(query, sweep.k, ef)?.iter().map(|hit| hit.row));
            Ok(())
        })?;
    }
    let (slim, vectors) = index.split();
    drop(vectors);
    if file {
        about["rss_mb"] = (memory::resident_mb() - empty).into();
        let rows = set.rows_file()?;
        sweep.run(&format!("{name}-file"), &about, |query, ef, found| {
            let hits = slim
                .search(query, sweep.k, ef, |row, to| rows.read(row, to).map_err(Box::<dyn Error>::from))?;
            found.extend(hits.iter().map(|hit| hit.row));
            Ok(())
        })?;
    }
    drop(slim);
    if options.has("with-hnsw-rs") { peers::hnsw_rs(&sweep, spec.metric, threads) } else { Ok(()) }
}

/// From fewer than `k` to where nothing is left to find.
const EFS: &str = "10,12,14,16,20,24,28,32,40,48,56,64,80,100,128,160,200,260,340,450,600,800";

fn spec(options: &Options, set: &Set) -> Result<VectorSpec, Box<dyn Error>> {
    let mut spec = VectorSpec::new(set.dim, data::metric(options)?);
    spec.codes = match options.text("codes") {
        None => spec.codes,
        Some("int8") => Codes::Int8,
        Some("bit") => Codes::Bit,
        Some("none") => Codes::None,
        Some(other) => return Err(format!("--codes is int8, bit or none, not {other}").into()),
    };
    if let IndexKind::Hnsw { m, ef_construction } = spec.index {
        spec.index = IndexKind::Hnsw {
            m: options.number("m", m.into())?.try_into()?,
            ef_construction: options.number("efc", ef_construction.into())?.try_into()?,
        };
    }
    Ok(spec)
}

fn kind(spec: &VectorSpec) -> String {
    match spec.index {
        IndexKind::Hnsw { m, ef_construction } => format!("M {m}, ef_construction {ef_construction}"),
        _ => "no graph".into(),
    }
}
