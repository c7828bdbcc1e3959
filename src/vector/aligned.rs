//! One block of memory aligned to cache lines, viewed as bytes, `u32` or `f32`.
//!
//! Invariant: the block is a whole number of 64-byte lines, zero where nothing was written. Views are in the
//! byte order of the machine; [`crate::hnsw`] stores them, so only little-endian machines are supported.
#![expect(unsafe_code)]

#[cfg(target_endian = "big")]
compile_error!("the index format is read in place and needs a little-endian machine");

/// Bytes of a cache line.
pub(crate) const LINE: usize = 64;

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; LINE]);

/// A zeroed block of cache lines.
#[derive(Clone, Default)]
pub(crate) struct Block {
    lines: Vec<Line>,
}

impl Block {
    /// At least `len` zero bytes.
    pub fn zeroed(len: usize) -> Self {
        Self { lines: vec![Line([0; LINE]); len.div_ceil(LINE)] }
    }

    /// A copy of `bytes`, padded with zeros to whole lines.
    pub fn copy_of(bytes: &[u8]) -> Self {
        let mut lines = Vec::with_capacity(bytes.len().div_ceil(LINE));
        let mut chunks = bytes.chunks_exact(LINE);
        for chunk in &mut chunks {
            let mut line = Line([0; LINE]);
            line.0.copy_from_slice(chunk);
            lines.push(line);
        }
        if !chunks.remainder().is_empty() {
            let mut line = Line([0; LINE]);
            line.0[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
            lines.push(line);
        }
        Self { lines }
    }

    /// All bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `Line` is `repr(C)` over 64 initialised bytes without padding (align == size).
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.lines.len() * LINE) }
    }

    /// All bytes, writable.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`; the borrow is exclusive and every bit pattern is a valid `Line`.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.lines.len() * LINE) }
    }

    /// Whole block as signed bytes.
    pub fn i8s(&self) -> &[i8] {
        // SAFETY: `i8` has the size and alignment of `u8`, and every bit pattern is valid.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.lines.len() * LINE) }
    }
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
impl Plain for u32 {}
impl Plain for u64 {}
impl Plain for f32 {}

/// The bytes of `values`.
pub(crate) fn as_bytes<T: Plain>(values: &[T]) -> &[u8] {
    // SAFETY: `Plain` types are numbers without padding.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}
