//! Measures the vector engine on a data set of raw floats, for a side-by-side run with other libraries.
//!
//! `ann --data DIR --set NAME --dim D [--threads-build 2] [--k 10] [--m 16] [--efc 128] [--efs 16,32,...]
//! [--metric cosine|l2|ip] [--queries N] [--ids DIR]`
//!
//! Reads `NAME.base.f32` and `NAME.query.f32`, prints one JSON line for each breadth of the search. `"ids"` names a file
//! with the rows found (raw `i32`, `k` a query).

use nearlite::{IndexKind, Metric, VectorSpec, ann::Index};
use std::collections::HashMap;
use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

fn floats(path: &PathBuf) -> Result<Vec<f32>, Box<dyn Error>> {
    let bytes = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
}

fn resident_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let options: HashMap<&str, &str> =
        words.chunks_exact(2).map(|pair| (pair[0].trim_start_matches('-'), pair[1].as_str())).collect();
    let text = |name: &str| options.get(name).copied();
    let number = |name: &str, otherwise: usize| -> Result<usize, Box<dyn Error>> {
        text(name).map_or(Ok(otherwise), |word| word.parse().map_err(|e| format!("--{name}: {e}").into()))
    };
    let data = PathBuf::from(text("data").ok_or("--data is missing")?);
    let set = text("set").ok_or("--set is missing")?;
    let dim = number("dim", 0)?;
    let (threads, k, passes) = (number("threads-build", 2)?, number("k", 10)?, number("passes", 3)?);
    let metric = match text("metric").unwrap_or("cosine") {
        "l2" => Metric::L2,
        "ip" => Metric::Ip,
        _ => Metric::Cosine,
    };
    let mut spec = VectorSpec::new(dim, metric);
    if let IndexKind::Hnsw { m, ef_construction } = spec.index {
        spec.index = IndexKind::Hnsw {
            m: number("m", m.into())? as u16,
            ef_construction: number("efc", ef_construction.into())? as u16,
        };
    }
    let base = floats(&data.join(format!("{set}.base.f32")))?;
    let mut queries = floats(&data.join(format!("{set}.query.f32")))?;
    queries.truncate(number("queries", usize::MAX / dim.max(1))? * dim);
    let before = resident_mb();
    let start = Instant::now();
    let index = Index::build(&spec, base, threads)?;
    let build = start.elapsed().as_secs_f64();
    let memory = (resident_mb() - before).max(0.0) + (index.len() * dim * 4) as f64 / 1048576.0;
    let bytes = index.memory_bytes() / index.len().max(1);
    let folder = text("ids").map_or_else(std::env::temp_dir, PathBuf::from);
    let efs = text("efs").unwrap_or("10,16,20,24,28,32,40,48,56,64,80,100,128,160,200,260,340,450,600,800");
    for ef in efs.split(',') {
        let ef: usize = ef.parse()?;
        let mut best = f64::INFINITY;
        let mut ids: Vec<u8> = Vec::new();
        for _ in 0..passes {
            ids.clear();
            let mut spent = 0.0;
            for query in queries.chunks_exact(dim) {
                let start = Instant::now();
                let hits = index.search(query, k, ef);
                spent += start.elapsed().as_secs_f64();
                let rows = (0..k).map(|at| hits.get(at).map_or(-1, |hit| hit.row as i32));
                ids.extend(rows.flat_map(i32::to_le_bytes));
            }
            best = best.min(spent);
        }
        let count = queries.len() / dim;
        let file = folder.join(format!("nearlite-{set}-{ef}.i32"));
        std::fs::write(&file, &ids)?;
        println!(
            "{{\"peer\": \"nearlite\", \"build_s\": {build:.3}, \"param\": \"ef={ef}\", \"recall\": 0, \"qps\": {:.0}, \
             \"rss_mb\": {memory:.1}, \"config\": \"{bytes} bytes a vector\", \"ids\": {:?}}}",
            count as f64 / best,
            file.display().to_string()
        );
    }
    Ok(())
}
