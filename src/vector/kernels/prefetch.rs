//! Hints to the caches. A hint never faults, whatever the address.
#![expect(unsafe_code)]

use super::Table;

/// Lines of a row to ask for at most: for what follows the processor's own prefetching does.
const LINES: usize = 16;

#[cfg(target_arch = "x86_64")]
mod line {
    use std::arch::x86_64::{_MM_HINT_T0, _MM_HINT_T1, _mm_prefetch};

    #[inline(always)]
    pub fn first_cache(address: *const u8) {
        // SAFETY: a hint never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
    }

    #[inline(always)]
    pub fn second_cache(address: *const u8) {
        // SAFETY: a hint never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(address.cast()) };
    }
}

#[cfg(target_arch = "aarch64")]
mod line {
    use std::arch::asm;

    #[inline(always)]
    pub fn first_cache(address: *const u8) {
        // SAFETY: a hint never faults, and it changes nothing that a program can see.
        unsafe { asm!("prfm pldl1keep, [{}]", in(reg) address, options(readonly, nostack, preserves_flags)) };
    }

    #[inline(always)]
    pub fn second_cache(address: *const u8) {
        // SAFETY: as above.
        unsafe { asm!("prfm pldl2keep, [{}]", in(reg) address, options(readonly, nostack, preserves_flags)) };
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod line {
    pub fn first_cache(_: *const u8) {}
    pub fn second_cache(_: *const u8) {}
}

/// Asks for all lines of `bytes`.
#[inline]
pub(crate) fn bytes(bytes: &[u8]) {
    bytes.chunks(64).for_each(|chunk| line::first_cache(chunk.as_ptr()));
}

/// Asks for rows that are scored next.
pub(super) fn rows(table: Table<'_>, ids: &[u32]) {
    for id in ids {
        let start = table.bytes.as_ptr().wrapping_add(*id as usize * table.stride);
        for at in 0..(table.stride / 64).min(LINES) {
            line::first_cache(start.wrapping_add(at * 64));
        }
    }
}

/// Asks for a row that is scored some rows later. The second cache waits for more lines at a time than the first.
#[inline(always)]
pub(super) fn row_ahead(table: Table<'_>, id: u32) {
    let start = table.bytes.as_ptr().wrapping_add(id as usize * table.stride);
    for at in 0..table.stride / 64 {
        line::second_cache(start.wrapping_add(at * 64));
    }
}
