//! The stored vectors of a segment in memory, for tables that ask for it (`resident_vectors`).
//!
//! Invariant: what is held of an ord is the vector that the row had when the segment was made. Only rows that are alive
//! in the current snapshot are read, since `t_vectors` may tell of others what they became later; for those a reader goes
//! to the file.

use super::connected::Connected;
use crate::bitmap::Bitmap;
use crate::error::Result;
use crate::schema::VectorSpec;
use crate::storage::encode_vector;
use crate::vector::aligned::{self, Block};
use crate::vector::{Metric, Store, metric};

/// Vectors of one column of a segment.
pub struct Resident {
    rows: Block,
    known: Bitmap,
    stride: usize,
    store: Store,
}

/// Bytes that a row of the block takes.
fn stride(spec: &VectorSpec) -> usize {
    match spec.store {
        Store::F32 => spec.dim * 4,
        Store::F16 => spec.dim * 2,
    }
}

impl Resident {
    /// Bytes that the vectors of `rows` rows take.
    pub fn size(spec: &VectorSpec, rows: usize) -> usize {
        rows.saturating_mul(stride(spec))
    }

    /// Reads the vectors of the living rows, given by ord and rowid, of a segment of `rows` rows.
    pub fn load(
        on: Connected<'_>,
        (at, spec): (usize, &VectorSpec),
        alive: &[(u32, i64)],
        rows: usize,
    ) -> Result<Self> {
        let stride = stride(spec);
        let mut block = Block::try_zeroed(Self::size(spec, rows))?;
        let mut known = Bitmap::empty(rows);
        let mut ords = alive.iter().map(|(ord, _)| *ord);
        on.storage.for_each_vector(on.conn, at, alive.iter().map(|(_, rowid)| *rowid), |vector| {
            if let (Some(ord), Some(vector)) = (ords.next(), vector) {
                let start = ord as usize * stride;
                if let Some(out) = block.bytes_mut().get_mut(start..start + stride) {
                    match spec.store {
                        Store::F32 => out.copy_from_slice(aligned::as_bytes(vector)),
                        Store::F16 => out.copy_from_slice(&encode_vector(spec, vector)),
                    }
                    known.insert(ord);
                }
            }
            Ok(())
        })?;
        Ok(Self { rows: block, known, stride, store: spec.store })
    }

    /// Exact distance of `query` and a row, straight from the bytes; `None` where the row is not held.
    pub fn distance(&self, metric: Metric, query: &[f32], ord: u32) -> Option<f64> {
        if !self.known.contains(ord) {
            return None;
        }
        let start = ord as usize * self.stride;
        let bytes = self.rows.bytes().get(start..start + self.stride)?;
        Some(metric::distance_to_stored(metric, query, self.store, bytes))
    }

    /// Bytes held.
    pub fn memory_bytes(&self) -> usize {
        self.rows.bytes().len() + self.known.memory_bytes()
    }
}
