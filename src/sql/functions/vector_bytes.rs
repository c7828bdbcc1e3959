//! A vector as one run of bytes: `b` and the BLOB, or `t` and the JSON text. Value by value a BLOB of 384 floats takes ten times
//! as long.

use crate::value::Value;
use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};
use std::fmt;

pub(super) fn serialize<S: Serializer>(vector: &Value, serializer: S) -> Result<S::Ok, S::Error> {
    let (kind, bytes): (u8, &[u8]) = match vector {
        Value::Blob(bytes) => (b'b', bytes),
        Value::Text(text) => (b't', text.as_bytes()),
        _ => (b'b', &[]),
    };
    serializer.serialize_bytes(&[&[kind], bytes].concat())
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    deserializer.deserialize_bytes(Bytes)
}

struct Bytes;

impl Visitor<'_> for Bytes {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a kind and the bytes of a vector")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Value, E> {
        match bytes.split_first() {
            Some((b'b', floats)) => Ok(Value::Blob(floats.to_vec())),
            Some((b't', text)) => String::from_utf8(text.to_vec()).map(Value::Text).map_err(E::custom),
            _ => Err(E::custom("no vector")),
        }
    }
}
