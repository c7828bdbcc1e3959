//! `words(text)` and `text_query(text [, options])`: a text query that says how it is to be read.

use super::carried::Carried;
use crate::error::{Error, Result};
use crate::sql::module::{Args, FunctionContext};
use crate::text::Syntax;
use crate::value::Value;
use rusqlite::types::ValueRef;

/// A text query and its syntax.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TextValue {
    pub(crate) text: String,
    pub(crate) syntax: Syntax,
}

impl TextValue {
    /// The text query at `index`: TEXT, or what one of the functions made. `None` for any other value.
    pub(crate) fn of(args: &Args<'_>, index: usize) -> Result<Option<Self>> {
        Ok(match (Carried::of(args, index)?, args.value(index)) {
            (Some(Carried::Text(text)), _) => Some(text),
            (None, value @ ValueRef::Text(_)) => match Value::from(value) {
                Value::Text(text) => Some(Self { text, syntax: Syntax::Query }),
                _ => None,
            },
            _ => None,
        })
    }
}

/// `words(text)`.
pub(super) fn words(out: &mut FunctionContext<'_>, args: &Args<'_>) -> Result<()> {
    carry(out, args, "words", Syntax::Words)
}

/// `text_query(text [, options])`.
pub(super) fn text_query(out: &mut FunctionContext<'_>, args: &Args<'_>) -> Result<()> {
    let syntax = match Value::from(args.value(1)) {
        Value::Null => Syntax::Query,
        Value::Text(json) => syntax_of(&json)?,
        other => {
            return Err(Error::Value(format!(
                "text_query: the options must be TEXT, got {}",
                other.type_name()
            )));
        }
    };
    carry(out, args, "text_query", syntax)
}

fn carry(out: &mut FunctionContext<'_>, args: &Args<'_>, function: &str, syntax: Syntax) -> Result<()> {
    if let Some(TextValue { text, syntax: own }) = TextValue::of(args, 0)? {
        // A text that was said to be words stays words.
        let syntax = if own == Syntax::Words { own } else { syntax };
        out.set_blob(&Carried::Text(TextValue { text, syntax }).bytes()?);
        return Ok(());
    }
    match Value::from(args.value(0)) {
        Value::Null => Ok(()),
        other => Err(Error::Value(format!("{function}: the text must be TEXT, got {}", other.type_name()))),
    }
}

fn syntax_of(json: &str) -> Result<Syntax> {
    let bad = |why: String| Err(Error::Value(format!("text_query options: {why}")));
    if json.trim().is_empty() {
        return Ok(Syntax::Query);
    }
    let map = match serde_json::from_str(json) {
        Ok(serde_json::Value::Object(map)) => map,
        Ok(other) => {
            return bad(format!("expected a JSON object like {{\"syntax\":\"words\"}}, got {other}"));
        }
        Err(error) => return bad(format!("not valid JSON: {error}")),
    };
    let mut syntax = Syntax::Query;
    for (name, value) in &map {
        if name != "syntax" {
            return bad(format!("unknown word \"{name}\"; allowed is syntax"));
        }
        match value.as_str().and_then(Syntax::from_name) {
            Some(known) => syntax = known,
            None => return bad(format!("\"syntax\" must be \"query\" or \"words\", got {value}")),
        }
    }
    Ok(syntax)
}
