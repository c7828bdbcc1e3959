//! The stored form of a vector: little-endian f32, or IEEE half where the column says `STORE f16`.

use crate::error::{Error, Result};
use crate::schema::VectorSpec;
use crate::vector::{Store, f16_to_f32, f32_to_f16};
use rusqlite::types::ValueRef;
use std::fmt::Display;

/// Bytes to store for `vector`.
pub fn encode_vector(spec: &VectorSpec, vector: &[f32]) -> Vec<u8> {
    match spec.store {
        Store::F32 => vector.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Store::F16 => f32_to_f16(vector),
    }
}

/// Fills `out`, whose length is the column's dimension, from stored bytes.
///
/// # Errors
/// [`Error::Corrupt`] naming `place` when the length does not fit or a value is not finite.
pub fn decode_vector(spec: &VectorSpec, bytes: &[u8], out: &mut [f32], place: impl Display) -> Result<()> {
    let width = match spec.store {
        Store::F32 => 4,
        Store::F16 => 2,
    };
    if bytes.len() != spec.dim * width || out.len() != spec.dim {
        let what = format!("a vector of {} bytes where {} belong", bytes.len(), spec.dim * width);
        return Err(Error::corrupt(place.to_string(), what));
    }
    match spec.store {
        Store::F32 => {
            for (value, chunk) in out.iter_mut().zip(bytes.as_chunks::<4>().0) {
                *value = f32::from_le_bytes(*chunk);
            }
        }
        Store::F16 => f16_to_f32(bytes, out),
    }
    // The bits of infinities and NaNs are above all others. A maximum vectorises, a test per element does not.
    if out.iter().map(|x| x.to_bits() & 0x7fff_ffff).max() >= Some(f32::INFINITY.to_bits()) {
        return Err(Error::corrupt(place.to_string(), "a vector holds a value that is not a finite number"));
    }
    Ok(())
}

/// The bytes of a value, if it is a BLOB.
pub(super) fn blob(value: ValueRef<'_>) -> Option<&[u8]> {
    if let ValueRef::Blob(bytes) = value { Some(bytes) } else { None }
}
