//! Building an index with one and two threads, beside `hnsw_rs`.

#[path = "../support/mod.rs"]
mod support;

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use nearlite::{Metric, VectorSpec, ann::Index};
use support::baseline;

const ROWS: usize = 5_000;

fn build(c: &mut Criterion) {
    let mut group = c.benchmark_group("build");
    group.sample_size(10).sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(ROWS as u64));
    for dim in [96, 384] {
        let data = support::vectors(ROWS, dim, 5);
        let spec = VectorSpec::new(dim, Metric::Cosine);
        for threads in [1, 2] {
            group.bench_function(BenchmarkId::new(format!("nearlite, {threads} threads"), dim), |bencher| {
                bencher.iter(|| Index::build(&spec, data.clone(), threads).map(|index| index.len()));
            });
            group.bench_function(BenchmarkId::new(format!("hnsw_rs, {threads} threads"), dim), |bencher| {
                bencher.iter(|| baseline::build(&data, dim, threads).get_nb_point());
            });
        }
    }
    group.finish();
}

criterion_group!(benches, build);
criterion_main!(benches);
