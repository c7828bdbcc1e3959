//! Random numbers from SQLite's own generator, called as a function of the library: an application may replace the SQL
//! functions `random()` and `randomblob()`, by ones that repeat themselves or refuse.
#![expect(unsafe_code)]

use rusqlite::ffi;
use std::ffi::c_int;

/// `N` random bytes. A connection must have been opened: the loadable library finds SQLite through it.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // SAFETY: SQLite writes `N` bytes, and no caller asks for more than fit an int.
    unsafe { ffi::sqlite3_randomness(N as c_int, bytes.as_mut_ptr().cast()) };
    bytes
}

#[cfg(test)]
mod tests {
    #[test]
    fn bytes_do_not_repeat() {
        let mut seen = std::collections::HashSet::new();
        for _ in 0..1_000 {
            assert!(seen.insert(super::bytes::<16>()));
        }
    }
}
