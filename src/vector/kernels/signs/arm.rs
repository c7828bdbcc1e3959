//! 1-bit rows on 64-bit ARM: NEON.
#![expect(unsafe_code)]

use super::blocks::{self, Block, ROWS, TABLES};
use super::{PLANES, Table, Weights, check};
use std::arch::aarch64::*;

pub(super) fn neon(table: Table<'_>, planes: &[u64], ids: &[u32], out: &mut [i32]) {
    check(table, planes, ids, out.len());
    // SAFETY: every processor of this architecture has NEON; rows and planes were checked.
    unsafe { counts(table, planes, ids, out) }
}

#[target_feature(enable = "neon")]
unsafe fn counts(table: Table<'_>, planes: &[u64], ids: &[u32], out: &mut [i32]) {
    let words = planes.len() / PLANES;
    for (id, out) in ids.iter().zip(out) {
        let mut sum = vdupq_n_u32(0);
        for at in (0..table.stride).step_by(16) {
            // SAFETY: the caller checked that the row lies in the table and that a plane is as long as a row.
            let bits = unsafe { vld1q_u8(table.bytes.as_ptr().add(*id as usize * table.stride + at)) };
            // A byte of eight bits gives 120 at most.
            let mut bytes = vdupq_n_u8(0);
            for plane in (0..PLANES).rev() {
                // SAFETY: as above.
                let mask = unsafe { vld1q_u8(planes.as_ptr().add(plane * words + at / 8).cast()) };
                bytes = vaddq_u8(vshlq_n_u8::<1>(bytes), vcntq_u8(vandq_u8(bits, mask)));
            }
            sum = vpadalq_u16(sum, vpaddlq_u8(bytes));
        }
        *out = vaddvq_u32(sum) as i32;
    }
}

/// Keys of a block.
pub(super) fn block_keys(block: Block<'_>, tables: &[u8], weights: &Weights, keys: &mut [f32; ROWS]) {
    blocks::check(block, tables);
    // SAFETY: every processor of this architecture has NEON; the tables are as many as the bytes of a row.
    unsafe { looked_up(block, tables, weights, keys) }
}

#[target_feature(enable = "neon")]
unsafe fn looked_up(block: Block<'_>, tables: &[u8], weights: &Weights, keys: &mut [f32; ROWS]) {
    let nibble = vdupq_n_u8(15);
    let mut sums = [vdupq_n_u16(0); ROWS / 8];
    for at in (0..block.bits.len() / ROWS).step_by(2) {
        for (quarter, sums) in sums.chunks_exact_mut(2).enumerate() {
            let of = |at: usize| {
                // SAFETY: the caller checked that there are as many bytes and tables.
                let (bits, low, high) = unsafe {
                    let table = tables.as_ptr().add(at * TABLES);
                    let bits = vld1q_u8(block.bits.as_ptr().add(at * ROWS + quarter * 16));
                    (bits, vld1q_u8(table), vld1q_u8(table.add(16)))
                };
                let (lower, upper) = (vandq_u8(bits, nibble), vshrq_n_u8::<4>(bits));
                vaddq_u8(vqtbl1q_u8(low, lower), vqtbl1q_u8(high, upper))
            };
            // Four sums of 60 at the most fit into a byte.
            let four = vaddq_u8(of(at), of(at + 1));
            sums[0] = vaddw_u8(sums[0], vget_low_u8(four));
            sums[1] = vaddw_high_u8(sums[1], four);
        }
    }
    let mut rows = [0_u16; ROWS];
    for (sums, rows) in sums.iter().zip(rows.chunks_exact_mut(8)) {
        // SAFETY: there is room for eight numbers.
        unsafe { vst1q_u16(rows.as_mut_ptr(), *sums) };
    }
    blocks::keys_of(&rows, block.floats, weights, keys);
}
