//! The kernels beside simsimd and plain loops, on rows that stay in cache. `examples/kernels` prints tables of the
//! same, and of rows in memory.

#[path = "../examples/kernels/cases.rs"]
mod cases;
#[allow(dead_code, unused_imports)]
#[path = "../../src/error.rs"]
mod error;
#[allow(dead_code, unused_imports)]
#[path = "../../src/memory.rs"]
mod memory;
#[allow(dead_code, unused_imports)]
#[path = "../../src/vector"]
mod vector {
    pub mod aligned;
    pub mod half;
    pub mod kernels;
}

use cases::Rows;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;

/// Rows of one call, as a walk has them.
const ROWS: usize = 16;

fn kernels(c: &mut Criterion) {
    for kernel in cases::kernels() {
        let mut group = c.benchmark_group(kernel.name);
        group
            .sample_size(30)
            .warm_up_time(Duration::from_millis(200))
            .measurement_time(Duration::from_millis(800));
        for dim in [128, 384, 1536] {
            let rows = Rows::new(kernel.form, dim, ROWS);
            let ids: Vec<u32> = (0..rows.count).collect();
            group.throughput(Throughput::Bytes((rows.stride * ROWS) as u64));
            for case in &kernel.cases {
                group.bench_function(BenchmarkId::new(case.by, dim), |bencher| {
                    bencher.iter(|| (case.score)(&rows, black_box(&ids)));
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, kernels);
criterion_main!(benches);
