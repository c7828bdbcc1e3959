//! Exact distances: ours beside simsimd's.

#[allow(dead_code)]
mod support;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nearlite::{Metric, ann};
use simsimd::SpatialSimilarity;
use std::hint::black_box;

fn kernels(c: &mut Criterion) {
    let mut group = c.benchmark_group("distance");
    for dim in [96, 384, 768, 1536] {
        let data = support::vectors(2, dim, 3);
        let (a, b) = data.split_at(dim);
        group.throughput(Throughput::Elements(dim as u64));
        for metric in [Metric::Cosine, Metric::L2, Metric::Ip] {
            group.bench_function(BenchmarkId::new(metric.name(), dim), |bencher| {
                bencher.iter(|| ann::distance(metric, black_box(a), black_box(b)));
            });
        }
        group.bench_function(BenchmarkId::new("simsimd l2", dim), |bencher| {
            bencher.iter(|| f32::l2sq(black_box(a), black_box(b)));
        });
        group.bench_function(BenchmarkId::new("simsimd cosine", dim), |bencher| {
            bencher.iter(|| f32::cosine(black_box(a), black_box(b)));
        });
    }
    group.finish();
}

criterion_group!(benches, kernels);
criterion_main!(benches);
