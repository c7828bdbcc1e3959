//! `hybrid_query(text, vector [, options])` and `hybrid_query(leg, ... [, options])`: the right side of a hybrid MATCH.

use super::leg_options::LegOptions;
use super::near::{NEAR, NearValue, vector};
use super::words::{TEXT, TextValue};
use crate::error::{Error, Result};
use crate::sql::module::{Args, FunctionContext};
use crate::value::Value;
use rusqlite::types::ValueRef;
use std::ffi::CStr;

/// Name of the pointer value that carries a [`HybridQuery`] from the function to the table.
pub(crate) const HYBRID: &CStr = c"nearlite_hybrid";

/// The arguments, not yet checked against a table. NULL legs are left out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HybridQuery {
    pub(crate) legs: Vec<LegValue>,
    /// JSON.
    pub(crate) options: Option<String>,
}

/// One leg as it was written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum LegValue {
    Near(NearValue),
    Text(TextValue),
}

impl HybridQuery {
    /// The first text.
    pub(crate) fn text(&self) -> Option<&TextValue> {
        self.legs.iter().find_map(|leg| match leg {
            LegValue::Text(text) => Some(text),
            LegValue::Near(_) => None,
        })
    }
}

/// `hybrid_query`. With two or three arguments that are no legs the second one is a vector, the third the options.
pub(super) fn query(out: &mut FunctionContext<'_>, args: &Args<'_>) -> Result<()> {
    let is_near = |at: usize| args.pointer::<NearValue>(at, NEAR).is_some();
    let is_text = |at: usize| args.pointer::<TextValue>(at, TEXT).is_some();
    if args.len() == 0 {
        return Err(Error::Value("hybrid_query takes a text and a vector, or legs".into()));
    }
    // A JSON object is no vector, so as the second of two it is the options of one leg.
    let options =
        args.len() == 2 && matches!(Value::from(args.value(1)), Value::Text(text) if is_object(&text));
    let classic = matches!(args.len(), 2 | 3) && !(0..args.len()).any(is_near) && !is_text(1) && !options;
    let query = if classic { text_and_vector(args)? } else { legs(args)? };
    out.set_pointer(query, HYBRID);
    Ok(())
}

fn text_and_vector(args: &Args<'_>) -> Result<HybridQuery> {
    let mut legs = Vec::new();
    if let Some(vector) = vector(args.value(1), "hybrid_query")? {
        let (column, subtype, options) = (None, args.subtype(1), LegOptions::default());
        legs.push(LegValue::Near(NearValue { column, vector, subtype, options }));
    }
    match TextValue::of(args, 0) {
        Some(value) => legs.push(LegValue::Text(value)),
        None => {
            text(args.value(0), "the query text")?;
        }
    }
    Ok(HybridQuery { legs, options: text(args.value(2), "the options")? })
}

/// Each argument is a leg; the last one may be a JSON object of options.
fn legs(args: &Args<'_>) -> Result<HybridQuery> {
    let (mut legs, mut options) = (Vec::new(), None);
    for at in 0..args.len() {
        if let Some(near) = args.pointer::<NearValue>(at, NEAR) {
            legs.push(LegValue::Near(near.clone()));
            continue;
        }
        match (TextValue::of(args, at), args.value(at)) {
            (Some(value), ValueRef::Text(_)) if at > 0 && at + 1 == args.len() && is_object(&value.text) => {
                options = Some(value.text);
            }
            (Some(value), _) => legs.push(LegValue::Text(value)),
            (None, ValueRef::Null) => {}
            (None, other) => {
                let kind = Value::from(other).type_name();
                return Err(Error::Value(format!(
                    "hybrid_query: argument {} is a leg, a text or near('column', vector), got {kind}",
                    at + 1
                )));
            }
        }
    }
    Ok(HybridQuery { legs, options })
}

fn is_object(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

fn text(value: ValueRef<'_>, what: &str) -> Result<Option<String>> {
    match Value::from(value) {
        Value::Null => Ok(None),
        Value::Text(text) => Ok(Some(text)),
        other => Err(Error::Value(format!("hybrid_query: {what} must be TEXT, got {}", other.type_name()))),
    }
}
