//! `words(text)` and `text_query(text [, options])`: a text query that says how it is to be read.

use super::carried::{Carried, TextValue};
use super::leg_options::LegOptions;
use crate::error::{Error, Result};
use crate::sql::module::{Args, FunctionContext};
use crate::text::Syntax;
use crate::value::Value;

/// `words(text)`.
pub(super) fn words(out: &mut FunctionContext<'_>, args: &Args<'_>) -> Result<()> {
    carry(out, args, "words", LegOptions { text: Syntax::Words.into(), ..LegOptions::default() })
}

/// `text_query(text [, options])`.
pub(super) fn text_query(out: &mut FunctionContext<'_>, args: &Args<'_>) -> Result<()> {
    let options = match Value::from(args.value(1)) {
        Value::Null => LegOptions::default(),
        Value::Text(json) => LegOptions::parse("text_query", &json, true)?,
        other => {
            return Err(Error::Value(format!(
                "text_query: the options must be TEXT, got {}",
                other.type_name()
            )));
        }
    };
    carry(out, args, "text_query", options)
}

fn carry(out: &mut FunctionContext<'_>, args: &Args<'_>, function: &str, options: LegOptions) -> Result<()> {
    if let Some(TextValue { text, options: own }) = TextValue::of(args, 0)? {
        let options = own.over(options);
        out.set_blob(&Carried::Text(TextValue { text, options }).bytes()?);
        return Ok(());
    }
    match Value::from(args.value(0)) {
        Value::Null => Ok(()),
        other => Err(Error::Value(format!("{function}: the text must be TEXT, got {}", other.type_name()))),
    }
}
