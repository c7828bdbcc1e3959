//! hnsw_rs as the baseline, with the settings of our own default, and distances by simsimd: several times faster than those
//! it brings, which sum in f64.

use hnsw_rs::prelude::{Distance, Hnsw};
use simsimd::SpatialSimilarity;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Clone, Copy)]
pub struct Cosine;

impl Distance<f32> for Cosine {
    fn eval(&self, a: &[f32], b: &[f32]) -> f32 {
        // hnsw_rs panics on a distance below zero.
        f32::cosine(a, b).unwrap_or(0.0).max(0.0) as f32
    }
}

const M: usize = 16;
const LAYERS: usize = 16;
const EF_CONSTRUCTION: usize = 128;

pub fn build(data: &[f32], dim: usize, threads: usize) -> Hnsw<'_, f32, Cosine> {
    let rows: Vec<&[f32]> = data.chunks(dim).collect();
    let graph = Hnsw::new(M, rows.len(), LAYERS, EF_CONSTRUCTION, Cosine);
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(row) = rows.get(at) else { break };
                    graph.insert_slice((row, at));
                }
            });
        }
    });
    graph
}
