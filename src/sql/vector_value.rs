//! Stand-in.
use crate::error::{Error, Result};
use rusqlite::types::ValueRef;
use std::borrow::Cow;
pub fn parse<'a>(table: &str, column: &str, dim: usize, model: Option<&str>, value: ValueRef<'a>, _subtype: u32) -> Result<Option<Cow<'a, [f32]>>> {
    let v: Vec<f32> = match value {
        ValueRef::Null => return Ok(None),
        ValueRef::Blob(b) => b.chunks_exact(4).map(|c| f32::from_le_bytes([c[0], c[1], c[2], c[3]])).collect(),
        ValueRef::Text(t) => serde_json::from_slice(t).map_err(|e| Error::Value(format!("{table}.{column}: {e}")))?,
        _ => return Err(Error::Value(format!("{table}.{column}: a vector is a BLOB or JSON"))),
    };
    if v.len() != dim { return Err(Error::Dimension { column: format!("{table}.{column}"), expected: dim, got: v.len(), hint: model.map(|m| format!(" (model is {m})")).unwrap_or_default() }); }
    Ok(Some(Cow::Owned(v)))
}
