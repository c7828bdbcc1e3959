//! `near(column, vector [, options])`: a vector leg of `hybrid_query`.

use super::carried::{Carried, NearValue};
use super::leg_options::LegOptions;
use crate::error::{Error, Result};
use crate::sql::module::{Args, FunctionContext};
use crate::value::Value;
use rusqlite::types::ValueRef;

/// `near(column, vector [, options])`; NULL where the vector is NULL.
pub(super) fn near(out: &mut FunctionContext<'_>, args: &Args<'_>) -> Result<()> {
    let text = |at: usize, what: &str| match Value::from(args.value(at)) {
        Value::Null => Ok(None),
        Value::Text(text) => Ok(Some(text)),
        other => Err(Error::Value(format!("near: {what} must be TEXT, got {}", other.type_name()))),
    };
    let column = text(0, "the name of the column")?;
    let options = match text(2, "the options")? {
        Some(json) => LegOptions::parse("near", &json, false)?,
        None => LegOptions::default(),
    };
    match vector(args.value(1), "near")? {
        Some(vector) => {
            let near = NearValue { column, vector, subtype: args.subtype(1), options };
            out.set_blob(&Carried::Near(near).bytes()?);
        }
        None => out.set_null(),
    }
    Ok(())
}

/// A vector as it was given; `None` for NULL.
pub(super) fn vector(value: ValueRef<'_>, function: &str) -> Result<Option<Value>> {
    match value {
        ValueRef::Null => Ok(None),
        ValueRef::Blob(_) | ValueRef::Text(_) => Ok(Some(Value::from(value))),
        other => {
            let kind = Value::from(other).type_name();
            Err(Error::Value(format!(
                "{function}: the vector is a BLOB of little-endian f32 or a JSON array, got {kind}"
            )))
        }
    }
}
