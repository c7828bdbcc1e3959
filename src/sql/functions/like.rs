//! `like_row(row [, options])`: rows that are like a stored one, as the right side of a MATCH or a leg of `hybrid_query`.

use super::carried::{Carried, LikeValue};
use super::leg_options::LegOptions;
use crate::error::{Error, Result};
use crate::query::Like;
use crate::sql::module::{Args, FunctionContext};
use crate::value::Value;
use serde_json::{Map, Value as Json};

/// `like_row(row [, options])`; NULL where the row is NULL.
pub(super) fn like_row(out: &mut FunctionContext<'_>, args: &Args<'_>) -> Result<()> {
    let (like, leg) = match Value::from(args.value(1)) {
        Value::Null => Default::default(),
        Value::Text(json) => parse(&json)?,
        other => {
            let kind = other.type_name();
            return Err(Error::Value(format!("like_row: the options must be TEXT, got {kind}")));
        }
    };
    match Value::from(args.value(0)) {
        Value::Null => Ok(()),
        Value::Blob(_) => Err(Error::Value("like_row: the row is a rowid or a TEXT key, got BLOB".into())),
        row => {
            out.set_blob(&Carried::Like(LikeValue { row, like, leg }).bytes()?);
            Ok(())
        }
    }
}

fn parse(json: &str) -> Result<(Like, LegOptions)> {
    let bad = |why: String| Err(Error::Value(format!("like_row options: {why}")));
    let (mut like, mut leg) = (Like::default(), LegOptions::default());
    if json.trim().is_empty() {
        return Ok((like, leg));
    }
    let map: Map<String, Json> = match serde_json::from_str(json) {
        Ok(Json::Object(map)) => map,
        Ok(other) => return bad(format!("expected a JSON object like {{\"by\":\"text\"}}, got {other}")),
        Err(error) => return bad(format!("not valid JSON: {error}")),
    };
    for (name, value) in &map {
        let outcome = match like.option(name, value) {
            Some(outcome) => outcome,
            None => match leg.share(name, value) {
                Some(outcome) => outcome,
                None => {
                    let known = Like::OPTIONS;
                    return bad(format!("unknown word \"{name}\"; allowed are {known}, weight, depth"));
                }
            },
        };
        if let Err(allowed) = outcome {
            return bad(format!("\"{name}\" must be {allowed}, got {value}"));
        }
    }
    Ok((like, leg))
}
