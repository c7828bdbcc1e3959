//! Which shadow tables there are, and what the root says of them.

use crate::random;

/// Suffixes of all shadow tables; `t_rows`, `t_vectors` and `t_tiles` are the truth, the others can be rebuilt from them. Only
/// tables of older versions have a `t_root`.
pub const SHADOWS: &[&str] =
    &["config", "root", "rows", "vectors", "delta", "segments", "chunks", "tombstones", "tiles"];

/// Id of the row of `t_config` that is the root, from version 6 on.
pub const ROOT: i64 = 3;

/// The tables that hold the index and the tiles.
pub const INDEX: [(&str, &str); 4] = [
    ("segments", "seq INTEGER PRIMARY KEY, id BLOB NOT NULL, rows INTEGER NOT NULL, directory BLOB NOT NULL"),
    ("chunks", "id INTEGER PRIMARY KEY, data BLOB NOT NULL"),
    ("tombstones", "segment INTEGER PRIMARY KEY, dead BLOB NOT NULL, checksum INTEGER NOT NULL"),
    ("tiles", "id INTEGER PRIMARY KEY, data BLOB NOT NULL"),
];

/// Whether it is one of them.
pub fn is_of_index(suffix: &str) -> bool {
    INDEX.iter().any(|(of, _)| *of == suffix)
}

/// What changes with every change to the index or to a setting.
pub type Nonce = [u8; 16];

/// Whether the tables of the index are there, by the root of version 6: they are not where it ends with a checksum.
pub fn says_made(nonce: &Nonce) -> bool {
    let (random, end) = nonce.split_at(nonce.len() - 4);
    crc32fast::hash(random).to_le_bytes() != end
}

/// A fresh nonce.
pub fn fresh_nonce(made: bool) -> Nonce {
    loop {
        let mut nonce: Nonce = random::bytes();
        let (random, end) = nonce.split_at_mut(12);
        if !made {
            end.copy_from_slice(&crc32fast::hash(random).to_le_bytes());
        }
        if says_made(&nonce) == made {
            return nonce;
        }
    }
}
