//! `hybrid_query(text, vector [, options])`: the right side of a hybrid MATCH.

use super::carried::Carried;
use super::words::TextValue;
use crate::error::{Error, Result};
use crate::sql::module::{Args, FunctionContext};
use crate::value::Value;
use rusqlite::types::ValueRef;

/// The arguments, not yet checked against a table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HybridQuery {
    /// Text leg; `None` for NULL.
    pub(crate) text: Option<TextValue>,
    /// Vector leg, a BLOB or JSON as given; `None` for NULL.
    pub(crate) vector: Option<Value>,
    /// Subtype of the vector.
    pub(crate) subtype: u32,
    /// JSON.
    pub(crate) options: Option<String>,
}

/// `hybrid_query(text, vector [, options])`.
pub(super) fn query(out: &mut FunctionContext<'_>, args: &Args<'_>) -> Result<()> {
    if Carried::of(args, 1)?.is_some() {
        return Err(Error::Value("hybrid_query: the second argument is the vector, not a text query".into()));
    }
    let vector = match args.value(1) {
        ValueRef::Null => None,
        value @ (ValueRef::Blob(_) | ValueRef::Text(_)) => Some(Value::from(value)),
        other => {
            let kind = Value::from(other).type_name();
            return Err(Error::Value(format!(
                "hybrid_query: the vector is a BLOB of little-endian f32 or a JSON array, got {kind}"
            )));
        }
    };
    let query = HybridQuery {
        text: match TextValue::of(args, 0)? {
            Some(value) => Some(value),
            None => {
                text(args.value(0), "the query text")?;
                None
            }
        },
        vector,
        subtype: args.subtype(1),
        options: text(args.value(2), "the options")?,
    };
    out.set_blob(&Carried::Hybrid(query).bytes()?);
    Ok(())
}

fn text(value: ValueRef<'_>, what: &str) -> Result<Option<String>> {
    match Value::from(value) {
        Value::Null => Ok(None),
        Value::Text(text) => Ok(Some(text)),
        other => Err(Error::Value(format!("hybrid_query: {what} must be TEXT, got {}", other.type_name()))),
    }
}
