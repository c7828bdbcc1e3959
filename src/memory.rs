//! Memory for what is large: a lack of it is an error, not the end of the process.
//!
//! Rust ends the process when a small allocation fails, and that cannot be helped. So a large one is refused while less
//! than [`RESERVE`] would be left for the small ones that follow it.

use crate::error::{Error, Result};

/// From this size on an allocation is large.
const LARGE: usize = 1 << 20;

/// Stacks come from the system. An allocator may serve a smaller allocation than this from what it holds.
const BEYOND_THE_HEAP: usize = 32 << 20;

/// The stack of a thread, and what it allocates first.
const A_THREAD: usize = 4 << 20;

/// Bytes that have to be left.
const RESERVE: usize = 8 << 20;

fn refused(bytes: usize) -> Error {
    Error::OutOfMemory { bytes: bytes as u64 }
}

/// Refuses work that is about to make small allocations of `bytes` bytes together, and cannot say so when one fails.
pub(crate) fn check(bytes: usize) -> Result<()> {
    let mut spare = Vec::<u8>::new();
    let outcome = spare.try_reserve_exact(bytes.saturating_add(RESERVE)).map_err(|_| refused(bytes));
    // An allocation that nobody looks at may be left out by the compiler.
    std::hint::black_box(&spare);
    outcome
}

/// As [`check`], where small work is so frequent that looking would cost more than it takes.
pub(crate) fn check_large(bytes: usize) -> Result<()> {
    if bytes < LARGE { Ok(()) } else { check(bytes) }
}

/// How many of `others` threads may be started beside this one: none where memory is so short that one could not even begin,
/// which ends the process.
pub(crate) fn threads(others: usize) -> usize {
    if others == 0 || check(others.saturating_mul(A_THREAD).max(BEYOND_THE_HEAP)).is_ok() {
        others
    } else {
        0
    }
}

/// The reserve for an allocation of `bytes` bytes that has been made.
pub(crate) fn check_after(bytes: usize) -> Result<()> {
    if bytes < LARGE { Ok(()) } else { check(0).map_err(|_| refused(bytes)) }
}

/// An empty vector with room for exactly `len` elements.
pub(crate) fn room<T>(len: usize) -> Result<Vec<T>> {
    let mut values = Vec::new();
    let bytes = len.saturating_mul(size_of::<T>());
    values.try_reserve_exact(len).map_err(|_| refused(bytes))?;
    check_after(bytes)?;
    Ok(values)
}

/// A vector of `len` times `value`.
pub(crate) fn filled<T: Clone>(len: usize, value: T) -> Result<Vec<T>> {
    let mut values = room(len)?;
    values.resize(len, value);
    Ok(values)
}

/// Room for `more` elements at the end of a vector that grows.
#[inline]
pub(crate) fn grow<T>(values: &mut Vec<T>, more: usize) -> Result<()> {
    if values.capacity() - values.len() >= more {
        return Ok(());
    }
    let bytes = values.len().saturating_add(more).saturating_mul(size_of::<T>());
    values.try_reserve(more).map_err(|_| refused(bytes))?;
    check_after(values.capacity().saturating_mul(size_of::<T>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_memory_can_hold_is_an_error() {
        for len in [usize::MAX, usize::MAX / 8, 1 << 60] {
            assert!(matches!(room::<u64>(len), Err(Error::OutOfMemory { .. })));
            assert!(matches!(filled(len, 1_u8), Err(Error::OutOfMemory { .. })));
            assert!(matches!(grow(&mut vec![1_u64], len), Err(Error::OutOfMemory { .. })));
        }
        assert_eq!(filled(3, 7).unwrap(), [7, 7, 7]);
        let mut values = vec![1];
        grow(&mut values, 2).unwrap();
        assert!(values.capacity() >= 3);
        check(1).unwrap();
        assert!(check(usize::MAX).is_err());
    }
}
