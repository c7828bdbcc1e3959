//! Building an index with one and two threads, beside `hnsw_rs`.

mod support;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hnsw_rs::prelude::{DistCosine, Hnsw};
use nearlite::{Metric, VectorSpec, ann::Index};

const ROWS: usize = 10_000;

fn build(c: &mut Criterion) {
    let mut group = c.benchmark_group("build");
    group.sample_size(10).throughput(Throughput::Elements(ROWS as u64));
    for dim in [96, 384] {
        let data = support::vectors(ROWS, dim, 5);
        let spec = VectorSpec::new(dim, Metric::Cosine);
        for threads in [1, 2] {
            group.bench_function(BenchmarkId::new(format!("nearlite, {threads} threads"), dim), |bencher| {
                bencher.iter(|| Index::build(&spec, data.clone(), threads).map(|index| index.len()));
            });
        }
        group.bench_function(BenchmarkId::new("hnsw_rs, 1 thread", dim), |bencher| {
            bencher.iter(|| {
                let graph = Hnsw::<f32, DistCosine>::new(16, ROWS, 16, 128, DistCosine {});
                data.chunks(dim).enumerate().for_each(|(at, row)| graph.insert_slice((row, at)));
                graph.get_nb_point()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, build);
criterion_main!(benches);
