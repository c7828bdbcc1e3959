//! One query at a time over 20,000 x 384, beside `hnsw_rs` and an exact scan. The recall of each is printed once.

#[path = "../support/mod.rs"]
mod support;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use nearlite::{Metric, VectorSpec, ann::Index};
use support::baseline;

const ROWS: usize = 20_000;
const DIM: usize = 384;

fn recall(index: &Index, queries: &[f32], answer: impl Fn(&[f32]) -> Vec<u32>) -> f64 {
    let hits = |query: &[f32]| {
        let truth = index.exact(query, 10).unwrap_or_default();
        let found = answer(query);
        truth.iter().filter(|hit| found.contains(&hit.row)).count()
    };
    queries.chunks(DIM).map(hits).sum::<usize>() as f64 / (queries.len() / DIM * 10) as f64
}

fn search(c: &mut Criterion) {
    let data = support::vectors(ROWS, DIM, 7);
    let queries = support::vectors(200, DIM, 9);
    let graph = baseline::build(&data, DIM, 2);
    let Ok(index) = Index::build(&VectorSpec::new(DIM, Metric::Cosine), data.clone(), 2) else { return };
    let mut group = c.benchmark_group("search");
    let mut next = queries.chunks(DIM).cycle();
    for ef in [32, 64, 128] {
        let found = |query: &[f32]| index.search(query, 10, ef).unwrap_or_default();
        let ours = |query: &[f32]| found(query).iter().map(|hit| hit.row).collect();
        let theirs = |query: &[f32]| graph.search(query, 10, ef).iter().map(|hit| hit.d_id as u32).collect();
        println!(
            "ef {ef}: recall@10 nearlite {:.4}, hnsw_rs {:.4}",
            recall(&index, &queries, ours),
            recall(&index, &queries, theirs)
        );
        group.bench_function(BenchmarkId::new("nearlite", ef), |bencher| {
            bencher.iter(|| next.next().map(|query| index.search(query, 10, ef)));
        });
        group.bench_function(BenchmarkId::new("hnsw_rs", ef), |bencher| {
            bencher.iter(|| next.next().map(|query| graph.search(query, 10, ef)));
        });
    }
    group.bench_function("exact", |bencher| {
        bencher.iter(|| next.next().map(|query| index.exact(query, 10)));
    });
    group.finish();
}

criterion_group!(benches, search);
criterion_main!(benches);
