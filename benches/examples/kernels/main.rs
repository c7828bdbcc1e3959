//! Prints how fast the kernels are, as tables in Markdown: beside simsimd, beside plain loops, and beside what the
//! machine's memory gives.
//!
//! `cargo run --release --example kernels [DIM ...]`
//!
//! In cache: rows of 16 KiB together, 16 a call as a walk has them, over and over; the best of many short rounds in
//! which all take turns, so that other work on the machine disturbs it least. In memory: rows of 256 MiB in their
//! order, 256 a call as a scan has them, pieces of 4 MiB by turns; the median piece. GB/s counts the bytes of the
//! rows, not of the query. The memory's own speed is a sum over the same 256 MiB.

mod bits;
mod cases;
#[allow(dead_code, unused_imports)]
#[path = "../../../src/error.rs"]
mod error;
#[allow(dead_code, unused_imports)]
#[path = "../../../src/memory.rs"]
mod memory;
#[allow(dead_code, unused_imports)]
#[path = "../../../src/vector"]
mod vector {
    pub mod aligned;
    pub mod half;
    pub mod kernels;
}

use cases::{Form, Kernel, MOST, Rows};
use std::hint::black_box;
use std::time::Instant;
use vector::aligned;

const DIMS: [usize; 6] = [32, 128, 384, 768, 1024, 1536];
/// Bytes of rows that stay in the innermost cache.
const NEAR: usize = 16 << 10;
/// Bytes of rows that no cache holds.
const FAR: usize = 256 << 20;
/// Bytes that are timed at once.
const PIECE: usize = 4 << 20;
/// Rows of one step of a walk.
const WALK: usize = 16;

/// What was measured of a kernel at one dimension, by case.
struct Figures {
    /// Nanoseconds a row, in cache.
    ns: Vec<f64>,
    near_gbs: Vec<f64>,
    far_gbs: Vec<f64>,
}

fn main() {
    let dims: Vec<usize> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let dims = if dims.is_empty() { DIMS.to_vec() } else { dims };
    let kernels = cases::kernels();
    let names: Vec<&str> = kernels[0].cases.iter().map(|case| case.by).collect();
    let memory = bandwidth();
    let figures: Vec<Vec<Figures>> =
        kernels.iter().map(|kernel| dims.iter().map(|dim| measure(kernel, *dim)).collect()).collect();

    let shown = [0, names.len() - 2, names.len() - 1];
    println!("Instruction set: {}. Reading memory in order, one core: {memory:.1} GB/s.", names[0]);
    let table = |title: &str, digits: fn(f64) -> String, of: fn(&Figures) -> &Vec<f64>| {
        println!("\n{title}, {}:\n", shown.map(|case| names[case]).join(" / "));
        let heads: Vec<String> = dims.iter().map(usize::to_string).collect();
        println!("| kernel | {} |\n|---|{}", heads.join(" | "), "--:|".repeat(dims.len()));
        for (kernel, figures) in kernels.iter().zip(&figures) {
            let cells: Vec<String> =
                figures.iter().map(|all| shown.map(|case| digits(of(all)[case])).join(" / ")).collect();
            println!("| {} | {} |", kernel.name, cells.join(" | "));
        }
    };
    table("In cache, ns a row", short, |figures| &figures.ns);
    table("In cache, GB/s", short, |figures| &figures.near_gbs);
    table("In memory, GB/s", short, |figures| &figures.far_gbs);

    let middle = dims.iter().position(|dim| *dim == 384).unwrap_or(0);
    println!("\nEvery set that this machine can run, {} dimensions, in cache, ns a row:\n", dims[middle]);
    println!("| kernel | {} |\n|---|{}", names.join(" | "), "--:|".repeat(names.len()));
    for (kernel, figures) in kernels.iter().zip(&figures) {
        let cells: Vec<String> = figures[middle].ns.iter().map(|ns| short(*ns)).collect();
        println!("| {} | {} |", kernel.name, cells.join(" | "));
    }
    bits::print(&dims);
}

/// Two or three digits.
fn short(figure: f64) -> String {
    if figure < 99.5 { format!("{figure:.1}") } else { format!("{figure:.0}") }
}

fn measure(kernel: &Kernel, dim: usize) -> Figures {
    let stride = Rows::new(kernel.form, dim, 1).stride;
    let ns = near(kernel, &Rows::new(kernel.form, dim, (NEAR / stride).max(1)));
    let near_gbs = ns.iter().map(|ns| stride as f64 / ns).collect();
    Figures { ns, near_gbs, far_gbs: far(kernel, &Rows::new(kernel.form, dim, FAR / stride)) }
}

fn near(kernel: &Kernel, rows: &Rows) -> Vec<f64> {
    let ids: Vec<u32> = (0..rows.count).cycle().take(64 * WALK).collect();
    let mut best = vec![f64::INFINITY; kernel.cases.len()];
    for _ in 0..300 {
        for (case, best) in kernel.cases.iter().zip(&mut best) {
            let start = Instant::now();
            ids.chunks(WALK).for_each(|ids| (case.score)(rows, black_box(ids)));
            *best = best.min(start.elapsed().as_nanos() as f64 / ids.len() as f64);
        }
    }
    best
}

fn far(kernel: &Kernel, rows: &Rows) -> Vec<f64> {
    let ids: Vec<u32> = (0..rows.count).collect();
    let mut all = vec![Vec::new(); kernel.cases.len()];
    // In the end each case has read every piece once.
    for round in 0..all.len() {
        for (at, ids) in ids.chunks(PIECE / rows.stride).enumerate() {
            let turn = (at + round) % all.len();
            let start = Instant::now();
            ids.chunks(MOST).for_each(|ids| (kernel.cases[turn].score)(rows, black_box(ids)));
            all[turn].push((ids.len() * rows.stride) as f64 / start.elapsed().as_nanos() as f64);
        }
    }
    all.into_iter().map(median).collect()
}

/// GB/s of reading 256 MiB in order.
fn bandwidth() -> f64 {
    let rows = Rows::new(Form::F32, 1024, FAR / 4096);
    let read = |piece: &[u8]| {
        let start = Instant::now();
        let words = aligned::as_u64(black_box(piece));
        black_box(words.iter().fold(0_u64, |sum, word| sum.wrapping_add(*word)));
        piece.len() as f64 / start.elapsed().as_nanos() as f64
    };
    median((0..5).flat_map(|_| rows.block.bytes().chunks(PIECE).map(read)).collect())
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures[figures.len() / 2]
}
