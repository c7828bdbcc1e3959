//! Rows of one bit a dimension under a query of four bits: every version that this machine can run.

use crate::vector::aligned::Block;
use crate::vector::kernels::Table;
use crate::vector::kernels::signs::{self, blocks};
use crate::{FAR, NEAR, PIECE, WALK, median, short};
use std::hint::black_box;
use std::time::Instant;

/// Rows in one call of a scan.
const SCAN: usize = 512;

/// Bytes of a row: its bits and three numbers, in cache lines.
fn stride(dim: usize) -> usize {
    (dim.next_multiple_of(64) / 8 + 12).next_multiple_of(64)
}

/// Prints nanoseconds a row in cache, and GB/s of rows in memory.
pub fn print(dims: &[usize]) {
    let versions = signs::all();
    let names: Vec<&str> = versions.iter().map(|version| version.0).collect();
    let heads: Vec<String> = dims.iter().map(usize::to_string).collect();
    println!("\n1-bit rows, {}:\n", names.join(" / "));
    println!("| | {} |\n|---|{}", heads.join(" | "), "--:|".repeat(dims.len()));
    let line = |name: &str, of: &dyn Fn(usize, signs::Rows) -> f64| {
        let cell =
            |dim: &usize| versions.iter().map(|version| short(of(*dim, version.1.sums))).collect::<Vec<_>>();
        let cells: Vec<String> = dims.iter().map(|dim| cell(dim).join(" / ")).collect();
        println!("| {name} | {} |", cells.join(" | "));
    };
    line("ns a row, in cache", &near);
    line("GB/s, in memory", &far);
    if let Some(version) = signs::get_of_blocks() {
        let cells: Vec<String> = dims.iter().map(|dim| short(looked_up(*dim, version))).collect();
        println!("\n1-bit rows in blocks of {}, ns a row, in cache: {}", blocks::ROWS, cells.join(" | "));
    }
}

/// Keys of rows in blocks: nanoseconds a row.
fn looked_up(dim: usize, version: blocks::Version) -> f64 {
    let bytes = dim.next_multiple_of(64) / 8;
    let count = (NEAR / (bytes * blocks::ROWS)).max(1);
    let (rows, _) = rows(bytes * blocks::ROWS, count);
    let (tables, floats) = (vec![7; bytes * blocks::TABLES], [[1.0; blocks::ROWS]; 3]);
    let weights = signs::Weights {
        tail: 0,
        each: 1.0,
        by_set: 1.0,
        more: 1.0,
        by_product: 1.0,
        by_norm: 1.0,
        add: 1.0,
    };
    let mut keys = [0.0; blocks::ROWS];
    let round = |_| {
        let start = Instant::now();
        for bits in rows.bytes().chunks_exact(bytes * blocks::ROWS) {
            version(blocks::Block { bits: black_box(bits), floats: &floats }, &tables, &weights, &mut keys);
            black_box(&keys);
        }
        start.elapsed().as_nanos() as f64 / (count * blocks::ROWS) as f64
    };
    (0..300).map(round).fold(f64::INFINITY, f64::min)
}

fn near(dim: usize, score: signs::Rows) -> f64 {
    let stride = stride(dim);
    let (block, planes) = rows(stride, (NEAR / stride).max(1));
    let table = Table { bytes: block.bytes(), stride };
    let ids: Vec<u32> = (0..(block.bytes().len() / stride) as u32).cycle().take(64 * WALK).collect();
    let mut out = [0; WALK];
    let round = |_| {
        let start = Instant::now();
        for ids in ids.chunks_exact(WALK) {
            score(table, &planes, black_box(ids), &mut out);
            black_box(&out);
        }
        start.elapsed().as_nanos() as f64 / ids.len() as f64
    };
    (0..300).map(round).fold(f64::INFINITY, f64::min)
}

fn far(dim: usize, score: signs::Rows) -> f64 {
    let stride = stride(dim);
    let (block, planes) = rows(stride, FAR / stride);
    let table = Table { bytes: block.bytes(), stride };
    let ids: Vec<u32> = (0..(FAR / stride) as u32).collect();
    let mut out = [0; SCAN];
    let piece = |ids: &[u32]| {
        let start = Instant::now();
        for ids in ids.chunks(SCAN) {
            score(table, &planes, black_box(ids), &mut out[..ids.len()]);
            black_box(&out);
        }
        (ids.len() * stride) as f64 / start.elapsed().as_nanos() as f64
    };
    median(ids.chunks(PIECE / stride).map(piece).collect())
}

/// Rows of random bits and the planes of a query.
fn rows(stride: usize, count: usize) -> (Block, Vec<u64>) {
    let mut state = 5_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut block = Block::zeroed(stride * count);
    block.bytes_mut().chunks_exact_mut(8).for_each(|word| word.copy_from_slice(&next().to_le_bytes()));
    (block, (0..stride / 8 * signs::PLANES).map(|_| next()).collect())
}
