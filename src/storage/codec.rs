//! The one place that knows bincode: small serde values to and from bytes.
//!
//! Configuration is bincode's `standard()`: little endian, variable-length integers. Input is bounded, so that
//! damaged lengths cannot make a decoder allocate without limit.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use serde::{Serialize, de::DeserializeOwned};

const MAX_BYTES: usize = 1 << 26;

fn config() -> Configuration<LittleEndian, Varint, Limit<MAX_BYTES>> {
    bincode::config::standard().with_limit::<MAX_BYTES>()
}

/// Bytes of `value`.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, String> {
    bincode::serde::encode_to_vec(value, config()).map_err(|e| e.to_string())
}

/// The value in `bytes`; all of them must be used.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let (value, used) = bincode::serde::decode_from_slice(bytes, config()).map_err(|e| e.to_string())?;
    if used == bytes.len() { Ok(value) } else { Err(format!("{} bytes too many", bytes.len() - used)) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn trailing_bytes_and_huge_lengths_are_refused() {
        let mut bytes = super::encode(&vec![1_u32, 2, 3]).unwrap();
        assert_eq!(super::decode::<Vec<u32>>(&bytes).unwrap(), [1, 2, 3]);
        bytes.push(0);
        assert!(super::decode::<Vec<u32>>(&bytes).is_err());
        assert!(super::decode::<Vec<u64>>(&[253, 255, 255, 255, 255, 255, 255, 255, 255]).is_err());
    }
}
