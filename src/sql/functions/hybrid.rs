//! `hybrid_query(text, vector [, options])` and `hybrid_query(leg, ... [, options])`: the right side of a hybrid MATCH.

use super::carried::{Carried, HybridQuery, LegValue, NearValue, TextValue};
use super::leg_options::LegOptions;
use super::near::vector;
use crate::error::{Error, Result};
use crate::sql::module::{Args, FunctionContext};
use crate::value::Value;
use rusqlite::types::ValueRef;

/// `hybrid_query`. With two or three arguments that are no legs the second one is a vector, the third the options.
pub(super) fn query(out: &mut FunctionContext<'_>, args: &Args<'_>) -> Result<()> {
    let carried = (0..args.len()).map(|at| Carried::of(args, at)).collect::<Result<Vec<_>>>()?;
    let near = carried.iter().any(|value| matches!(value, Some(Carried::Near(_) | Carried::Like(_))));
    let texts = matches!(carried.get(1), Some(Some(Carried::Text(_))));
    if args.len() == 0 {
        return Err(Error::Value("hybrid_query takes a text and a vector, or legs".into()));
    }
    // A JSON object is no vector, so as the second of two it is the options of one leg.
    let options =
        args.len() == 2 && matches!(Value::from(args.value(1)), Value::Text(text) if is_object(&text));
    // A leg that is left out may stand before a text, which is no vector.
    let left_out = args.value(0) == ValueRef::Null
        && matches!(Value::from(args.value(1)), Value::Text(text) if !text.trim_start().starts_with('['));
    let classic = matches!(args.len(), 2 | 3) && !near && !texts && !options && !left_out;
    let query = if classic { text_and_vector(args)? } else { legs(args, carried)? };
    out.set_blob(&Carried::Hybrid(query).bytes()?);
    Ok(())
}

fn text_and_vector(args: &Args<'_>) -> Result<HybridQuery> {
    let mut legs = Vec::new();
    if let Some(vector) = vector(args.value(1), "hybrid_query")? {
        let (column, subtype, options) = (None, args.subtype(1), LegOptions::default());
        legs.push(LegValue::Near(NearValue { column, vector, subtype, options }));
    }
    match TextValue::of(args, 0)? {
        Some(value) => legs.push(LegValue::Text(value)),
        None => {
            text(args.value(0), "the query text")?;
        }
    }
    Ok(HybridQuery { legs, options: text(args.value(2), "the options")? })
}

/// Each argument is a leg; the last one may be a JSON object of options.
fn legs(args: &Args<'_>, carried: Vec<Option<Carried>>) -> Result<HybridQuery> {
    let (mut legs, mut options) = (Vec::new(), None);
    let last = carried.len().saturating_sub(1);
    for (at, carried) in carried.into_iter().enumerate() {
        let leg = match (carried, Value::from(args.value(at))) {
            (Some(Carried::Near(near)), _) => LegValue::Near(near),
            (Some(Carried::Text(text)), _) => LegValue::Text(text),
            (Some(Carried::Like(like)), _) => LegValue::Like(like),
            (Some(Carried::Hybrid(_)), _) => {
                return Err(Error::Value("hybrid_query: a hybrid query is no leg of another one".into()));
            }
            (None, Value::Null) => continue,
            (None, Value::Text(text)) if at > 0 && at == last && is_object(&text) => {
                options = Some(text);
                continue;
            }
            (None, Value::Text(text)) => LegValue::Text(TextValue { text, options: LegOptions::default() }),
            (None, other) => {
                let kind = other.type_name();
                return Err(Error::Value(format!(
                    "hybrid_query: argument {} is a leg, a text, near('column', vector) or like_row(row), got {kind}",
                    at + 1
                )));
            }
        };
        legs.push(leg);
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
