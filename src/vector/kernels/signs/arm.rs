//! 1-bit rows on 64-bit ARM: NEON.
#![expect(unsafe_code)]

use super::{PLANES, Table, check};
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
