//! Every hard limit, with its reason.

/// Dimensions of a vector: one row of 16,384 floats is 64 KiB, still a sensible SQLite blob.
pub const MAX_DIM: usize = 16_384;

/// Columns of a collection; SQLite's own default limit is 2,000, our hidden columns take a few.
pub const MAX_COLUMNS: usize = 1_000;

/// Bytes of a full-text query: the query parser recurses, so its input is bounded.
pub const MAX_QUERY_BYTES: usize = 16 * 1024;

/// Nesting of parentheses in a full-text query, for the same reason.
pub const MAX_QUERY_DEPTH: usize = 64;

/// Bytes of one stored chunk of a payload: large enough to be read fast, and far below the million bytes that SQLite's
/// advice allows a value on a connection that runs untrusted SQL.
pub const CHUNK_BYTES: usize = 256 << 10;

/// Largest `k`, `limit` or `ef_search` that is meant literally; more is treated as this.
pub const MAX_K: usize = i32::MAX as usize;

/// Threads that build one index: each needs memory of its own, and a batch of the build has no work for more.
pub const MAX_THREADS: usize = 256;
