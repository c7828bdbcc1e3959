//! One block of memory aligned to cache lines, viewed as bytes, `u32` or `f32`.
//!
//! Invariant: the block is a whole number of 64-byte lines, zero where nothing was written. Views are in the
//! byte order of the machine; [`crate::hnsw`] stores them, so only little-endian machines are supported.
#![expect(unsafe_code)]

use crate::error::{Error, Result};
use crate::memory;
use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;

#[cfg(target_endian = "big")]
compile_error!("the index format is read in place and needs a little-endian machine");

/// Bytes of a cache line.
pub(crate) const LINE: usize = 64;

/// From this size a block asks the kernel for huge pages: a walk touches rows all over it, and most of its time would
/// go to address translation (a third of the time of a query, measured at 60,000 x 384).
const HUGE_FROM: usize = 2 * HUGE;
const HUGE: usize = 2 << 20;

/// A zeroed block of cache lines.
pub(crate) struct Block {
    /// The first aligned byte of the allocation.
    start: NonNull<u8>,
    allocation: NonNull<u8>,
    layout: Layout,
    len: usize,
}

// SAFETY: a block owns plain bytes; it is changed only through `&mut`.
unsafe impl Send for Block {}
// SAFETY: as above.
unsafe impl Sync for Block {}

impl Block {
    /// At least `len` zero bytes. A large block costs nothing until it is written: its pages come zeroed from the kernel.
    pub fn zeroed(len: usize) -> Self {
        // SAFETY: `raw` hands over a layout whose size is not zero.
        or_abort(Self::raw(len, |layout| unsafe { alloc_zeroed(layout) }))
    }

    /// As [`zeroed`](Self::zeroed), for what may be larger than memory.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn try_zeroed(len: usize) -> Result<Self> {
        // SAFETY: as in `zeroed`.
        let block = Self::raw(len, |layout| unsafe { alloc_zeroed(layout) });
        let block = block.map_err(|_| Error::OutOfMemory { bytes: len as u64 })?;
        memory::check_after(len)?;
        Ok(block)
    }

    /// A copy of `bytes`, padded with zeros to whole lines.
    pub fn copy_of(bytes: &[u8]) -> Self {
        // SAFETY: as in `zeroed`.
        let block = or_abort(Self::raw(bytes.len(), |layout| unsafe { alloc(layout) }));
        let rest = block.len - bytes.len();
        // SAFETY: the allocation is new, so it does not overlap `bytes`, and both writes together fill the block exactly.
        unsafe {
            block.start.as_ptr().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            block.start.as_ptr().add(bytes.len()).write_bytes(0, rest);
        }
        block
    }

    /// Memory as `make` gives it. The allocator is asked for more and the start moved up: it serves zeroed memory
    /// without writing to it only when no alignment beyond its own is asked for.
    fn raw(len: usize, make: impl FnOnce(Layout) -> *mut u8) -> Result<Self, Option<Layout>> {
        let len = len.max(1).checked_next_multiple_of(LINE).ok_or(None)?;
        let align = if len >= HUGE_FROM { HUGE } else { LINE };
        let layout = Layout::from_size_align(len.saturating_add(align), 16).map_err(|_| None)?;
        let allocation = NonNull::new(make(layout)).ok_or(Some(layout))?;
        let skip = allocation.as_ptr().addr().wrapping_neg() % align;
        // SAFETY: `skip` is below `align`, and the allocation has `len + align` bytes.
        let start = unsafe { allocation.add(skip) };
        if align == HUGE {
            huge::advise(start.as_ptr(), len);
        }
        Ok(Self { start, allocation, layout, len })
    }

    /// All bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: every constructor initialised all `len` bytes.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    /// All bytes, writable.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`; the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }

    /// Whole block as signed bytes.
    pub fn i8s(&self) -> &[i8] {
        // SAFETY: `i8` has the size and alignment of `u8`, and every bit pattern is valid.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast(), self.len) }
    }
}

impl Default for Block {
    fn default() -> Self {
        Self::zeroed(0)
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: `allocation` came from the allocator with this layout.
        unsafe { dealloc(self.allocation.as_ptr(), self.layout) };
    }
}

impl Clone for Block {
    fn clone(&self) -> Self {
        Self::copy_of(self.bytes())
    }
}

fn or_abort(block: Result<Block, Option<Layout>>) -> Block {
    match block {
        Ok(block) => block,
        Err(Some(layout)) => handle_alloc_error(layout),
        Err(None) => panic!("a block larger than the address space"),
    }
}

/// Asks the kernel to move numbers that are read all over into huge pages, as blocks have from the start.
pub(crate) fn gather_pages(values: &[f32]) {
    let bytes = as_bytes(values);
    let skip = bytes.as_ptr().addr().wrapping_neg() % HUGE;
    if let Some(inner) = bytes.get(skip..).filter(|inner| inner.len() >= HUGE) {
        huge::advise(inner.as_ptr(), inner.len());
        huge::collapse(inner.as_ptr(), inner.len());
    }
}

mod huge {
    #[cfg(target_os = "linux")]
    fn call_madvise(start: *const u8, len: usize, advice: i32) {
        unsafe extern "C" {
            fn madvise(start: *mut std::ffi::c_void, len: usize, advice: i32) -> i32;
        }
        // SAFETY: the range is whole huge pages of one allocation; the advice changes no contents, and a refusal is
        // harmless.
        unsafe { madvise(start.cast_mut().cast(), len / super::HUGE * super::HUGE, advice) };
    }

    /// For pages that are yet to be written.
    #[cfg(target_os = "linux")]
    pub fn advise(start: *const u8, len: usize) {
        const MADV_HUGEPAGE: i32 = 14;
        call_madvise(start, len, MADV_HUGEPAGE);
    }

    /// For pages that were written; from Linux 6.1.
    #[cfg(target_os = "linux")]
    pub fn collapse(start: *const u8, len: usize) {
        const MADV_COLLAPSE: i32 = 25;
        call_madvise(start, len, MADV_COLLAPSE);
    }

    #[cfg(not(target_os = "linux"))]
    pub fn advise(_start: *const u8, _len: usize) {}

    #[cfg(not(target_os = "linux"))]
    pub fn collapse(_start: *const u8, _len: usize) {}
}

/// `bytes` as `u32`; empty when misaligned (never for a range of a [`Block`] that starts at a multiple of 4).
pub(crate) fn as_u32(bytes: &[u8]) -> &[u32] {
    // SAFETY: every bit pattern is a valid `u32`.
    let (head, body, _) = unsafe { bytes.align_to::<u32>() };
    if head.is_empty() { body } else { &[] }
}

/// `bytes` as `u64`; empty when misaligned.
pub(crate) fn as_u64(bytes: &[u8]) -> &[u64] {
    // SAFETY: every bit pattern is a valid `u64`.
    let (head, body, _) = unsafe { bytes.align_to::<u64>() };
    if head.is_empty() { body } else { &[] }
}

/// `bytes` as `f32`; empty when misaligned.
pub(crate) fn as_f32(bytes: &[u8]) -> &[f32] {
    // SAFETY: every bit pattern is a valid `f32`.
    let (head, body, _) = unsafe { bytes.align_to::<f32>() };
    if head.is_empty() { body } else { &[] }
}

/// `bytes` as writable `f32`; empty when misaligned.
pub(crate) fn as_f32_mut(bytes: &mut [u8]) -> &mut [f32] {
    // SAFETY: every bit pattern is a valid `f32`, and the borrow is exclusive.
    let (head, body, _) = unsafe { bytes.align_to_mut::<f32>() };
    if head.is_empty() { body } else { &mut [] }
}

/// The little-endian bytes of a slice of plain numbers.
pub(crate) trait Plain: Copy {}
impl Plain for i32 {}
impl Plain for u32 {}
impl Plain for u64 {}
impl Plain for f32 {}

/// The bytes of `values`.
pub(crate) fn as_bytes<T: Plain>(values: &[T]) -> &[u8] {
    // SAFETY: `Plain` types are numbers without padding.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}
