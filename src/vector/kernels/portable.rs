//! Kernels without any assumption about the machine: simsimd for floats, plain loops for 8-bit rows.

use super::{Kernels, Table};
use crate::vector::{aligned, half};
use simsimd::SpatialSimilarity;

pub(super) static KERNELS: Kernels = Kernels {
    name: "portable",
    dot_f32,
    l2_f32,
    dot_norms,
    dot_i8_rows,
    dot_f32_rows,
    l2_f32_rows,
    prefetch_rows: |_, _| (),
    f16_to_f32,
};

fn dot_f32(a: &[f32], b: &[f32]) -> f32 {
    let len = a.len().min(b.len());
    f32::dot(&a[..len], &b[..len]).unwrap_or(0.0) as f32
}

fn l2_f32(a: &[f32], b: &[f32]) -> f32 {
    let len = a.len().min(b.len());
    f32::l2sq(&a[..len], &b[..len]).unwrap_or(0.0) as f32
}

fn dot_norms(a: &[f32], b: &[f32]) -> (f32, f32, f32) {
    (dot_f32(a, b), dot_f32(a, a), dot_f32(b, b))
}

fn dot_i8_rows(table: Table<'_>, query: &[i8], ids: &[u32], out: &mut [i32]) {
    table.check(ids, query.len(), out.len());
    for (id, out) in ids.iter().zip(out) {
        let row = &table.bytes[*id as usize * table.stride..][..table.stride];
        *out = row.iter().zip(query).map(|(code, q)| i32::from(*code) * i32::from(*q)).sum();
    }
}

fn dot_f32_rows(table: Table<'_>, query: &[f32], ids: &[u32], out: &mut [f32]) {
    table.check(ids, query.len() * 4, out.len());
    for (id, out) in ids.iter().zip(out) {
        *out = dot_f32(aligned::as_f32(&table.bytes[*id as usize * table.stride..][..table.stride]), query);
    }
}

fn l2_f32_rows(table: Table<'_>, query: &[f32], ids: &[u32], out: &mut [f32]) {
    table.check(ids, query.len() * 4, out.len());
    for (id, out) in ids.iter().zip(out) {
        *out = l2_f32(aligned::as_f32(&table.bytes[*id as usize * table.stride..][..table.stride]), query);
    }
}

pub(super) fn f16_to_f32(bytes: &[u8], out: &mut [f32]) {
    for (pair, out) in bytes.chunks_exact(2).zip(out) {
        *out = half::from_f16(u16::from_le_bytes([pair[0], pair[1]]));
    }
}
