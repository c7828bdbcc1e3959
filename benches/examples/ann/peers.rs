//! The sweep over breadths, the same for every library, and hnsw_rs as one that answers in it.

use crate::data::{Set, memory};
use hnsw_rs::prelude::{Distance, Hnsw};
use nearlite::Metric;
use serde_json::Value;
use simsimd::SpatialSimilarity;
use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

type Outcome<T> = Result<T, Box<dyn Error>>;

pub struct Sweep<'a> {
    pub set: &'a Set,
    pub k: usize,
    pub passes: usize,
    pub efs: Vec<usize>,
    pub ids: Option<PathBuf>,
}

impl Sweep<'_> {
    /// Prints a line for each breadth. `search(query, ef, found)` adds at most `k` rows to `found`.
    pub fn run(
        &self,
        peer: &str,
        about: &Value,
        search: impl Fn(&[f32], usize, &mut Vec<u32>) -> Outcome<()>,
    ) -> Outcome<()> {
        for ef in &self.efs {
            let (mut wall, mut cpu) = (f64::INFINITY, f64::INFINITY);
            let mut found: Vec<u32> = Vec::with_capacity(self.set.queries.len() / self.set.dim * self.k);
            for _ in 0..self.passes.max(1) {
                found.clear();
                let (clock, thread) = (Instant::now(), memory::thread_seconds());
                for (at, query) in self.set.queries.chunks_exact(self.set.dim).enumerate() {
                    search(query, *ef, &mut found)?;
                    // A search that finds fewer leaves a gap, so that each query keeps its place.
                    found.resize((at + 1) * self.k, u32::MAX);
                }
                wall = wall.min(clock.elapsed().as_secs_f64());
                cpu = cpu.min(memory::thread_seconds() - thread);
            }
            let count = (self.set.queries.len() / self.set.dim) as f64;
            let mut line = about.clone();
            line["peer"] = peer.into();
            line["param"] = format!("ef={ef}").into();
            line["recall"] = self.set.recall(&found, self.k)?.into();
            line["qps"] = (count / wall).into();
            line["cpu_qps"] = if cpu > 0.0 { (count / cpu).into() } else { Value::Null };
            if let Some(folder) = &self.ids {
                let file = folder.join(format!("{peer}-{}-{ef}.i32", self.set.name));
                std::fs::write(&file, found.iter().flat_map(|row| row.to_le_bytes()).collect::<Vec<u8>>())?;
                line["ids"] = file.to_string_lossy().into();
            }
            println!("{line}");
        }
        Ok(())
    }
}

/// Distances for hnsw_rs by simsimd: several times faster than those it brings, which sum in f64.
#[derive(Clone, Copy)]
struct Fast(Metric);

impl Distance<f32> for Fast {
    fn eval(&self, a: &[f32], b: &[f32]) -> f32 {
        let distance = match self.0 {
            Metric::L2 => f32::l2sq(a, b),
            // The data has unit length.
            _ => f32::dot(a, b).map(|dot| 1.0 - dot),
        };
        // hnsw_rs panics on a distance below zero.
        distance.unwrap_or(0.0).max(0.0) as f32
    }
}

const M: usize = 16;
const LAYERS: usize = 16;
const EF_CONSTRUCTION: usize = 200;

/// hnsw_rs with the settings its authors and hnswlib's use, over the same data and queries.
pub fn hnsw_rs(sweep: &Sweep<'_>, metric: Metric, threads: usize) -> Outcome<()> {
    let base = sweep.set.base()?;
    let rows: Vec<&[f32]> = base.chunks_exact(sweep.set.dim).collect();
    memory::reset_peak();
    let before = memory::resident_mb();
    let (clock, spent) = (Instant::now(), memory::process_seconds());
    let graph = Hnsw::<f32, Fast>::new(M, rows.len(), LAYERS, EF_CONSTRUCTION, Fast(metric));
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let Some(row) = rows.get(at) else { break };
                    graph.insert_slice((row, at));
                }
            });
        }
    });
    let about = serde_json::json!({
        "config": format!("f32 (distances by simsimd), M={M}, efc={EF_CONSTRUCTION}"),
        "build_s": clock.elapsed().as_secs_f64(),
        "build_cpu_s": memory::process_seconds() - spent,
        "rss_mb": memory::resident_mb() - before,
        "peak_mb": memory::peak_mb() - before,
        "rows": rows.len(),
    });
    sweep.run("hnsw_rs", &about, |query, ef, found| {
        found.extend(graph.search(query, sweep.k, ef).iter().map(|hit| hit.d_id as u32));
        Ok(())
    })
}
