//! The values of `words`, `text_query`, `near`, `like_row` and `hybrid_query`: BLOBs that MATCH reads.
//!
//! A pointer value of SQLite's would be NULL wherever SQLite stores it (a materialised CTE, a temporary table), and MATCH
//! NULL finds nothing. A BLOB is the same query wherever it comes from, and no text or vector looks like it. Its form is a
//! mark and what bincode makes of the value; it is read by the library that wrote it, and belongs in no file.

use super::leg_options::LegOptions;
use super::vector_bytes;
use crate::error::{Error, Result};
use crate::query::Like;
use crate::sql::module::Args;
use crate::value::Value;
use rusqlite::types::ValueRef;
use serde::{Deserialize, Serialize};

/// How a value begins. As floats it is a vector that nobody has.
const MARK: &[u8] = b"\x01nearlite query\x01";

/// Most bytes that a value is read from.
const LONGEST: usize = 64 << 20;

/// A text query, and what it says about itself as a leg.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TextValue {
    pub(crate) text: String,
    pub(crate) options: LegOptions,
}

impl TextValue {
    /// The text query at `index`: TEXT, or what one of the functions made. `None` for any other value.
    pub(crate) fn of(args: &Args<'_>, index: usize) -> Result<Option<Self>> {
        Ok(match (Carried::of(args, index)?, Value::from(args.value(index))) {
            (Some(Carried::Text(text)), _) => Some(text),
            (None, Value::Text(text)) => Some(Self { text, options: LegOptions::default() }),
            _ => None,
        })
    }
}

/// A vector leg, not yet checked against a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct NearValue {
    /// Name of the VECTOR column; `None`: the column named in the options of the query, or the first.
    pub(crate) column: Option<String>,
    /// A BLOB or JSON, as given.
    #[serde(with = "vector_bytes")]
    pub(crate) vector: Value,
    /// Its subtype.
    pub(crate) subtype: u32,
    pub(crate) options: LegOptions,
}

/// A row that others are compared with, not yet looked up in a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct LikeValue {
    /// A rowid or a key, as given.
    pub(crate) row: Value,
    pub(crate) like: Like,
    pub(crate) leg: LegOptions,
}

/// The arguments of `hybrid_query`, not yet checked against a table. NULL legs are left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct HybridQuery {
    pub(crate) legs: Vec<LegValue>,
    /// JSON.
    pub(crate) options: Option<String>,
}

/// One leg as it was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum LegValue {
    Near(NearValue),
    Text(TextValue),
    Like(LikeValue),
}

impl HybridQuery {
    /// The first text.
    pub(crate) fn text(&self) -> Option<&TextValue> {
        self.legs.iter().find_map(|leg| match leg {
            LegValue::Text(text) => Some(text),
            LegValue::Near(_) | LegValue::Like(_) => None,
        })
    }
}

/// What one of the functions made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Carried {
    Text(TextValue),
    Near(NearValue),
    Like(LikeValue),
    Hybrid(HybridQuery),
}

impl Carried {
    /// What the argument at `index` carries; `None` for every value that none of the functions made.
    pub(crate) fn of(args: &Args<'_>, index: usize) -> Result<Option<Self>> {
        // As TEXT, too: a CAST must not turn the words into a query that begins with the mark.
        let (ValueRef::Blob(bytes) | ValueRef::Text(bytes)) = args.value(index) else { return Ok(None) };
        let Some(rest) = bytes.strip_prefix(MARK) else { return Ok(None) };
        match Self::read(rest) {
            Some(carried) => Ok(Some(carried)),
            None => Err(Error::QueryText(
                "a value of words(), text_query(), near(), like_row() or hybrid_query() was changed on its way to MATCH; pass it on as it is"
                    .into(),
            )),
        }
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let config = bincode::config::standard().with_limit::<LONGEST>();
        let (carried, read) = bincode::serde::decode_from_slice(bytes, config).ok()?;
        (read == bytes.len()).then_some(carried)
    }

    /// The value that carries it.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>> {
        let encoded = bincode::serde::encode_to_vec(self, bincode::config::standard());
        let encoded =
            encoded.map_err(|error| Error::Value(format!("the query cannot be passed on: {error}")))?;
        if encoded.len() > LONGEST {
            return Err(Error::Value(format!("a query of {} bytes is too long", encoded.len())));
        }
        Ok([MARK, &encoded].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Syntax;

    #[test]
    fn what_is_carried_comes_back_and_nothing_else_does() {
        let text = |text: &str, syntax: Syntax| TextValue {
            text: text.into(),
            options: LegOptions { text: syntax.into(), bound: Some(-0.5), ..LegOptions::default() },
        };
        let near = |vector| NearValue {
            column: Some("e".into()),
            vector,
            subtype: 223,
            options: LegOptions { depth: Some(7), weight: Some(2.5), ..LegOptions::default() },
        };
        let all = [
            Carried::Text(text("", Syntax::Words)),
            Carried::Text(text("--force \"é", Syntax::Words)),
            Carried::Near(near(Value::Text("[1]".into()))),
            Carried::Like(LikeValue {
                row: Value::Text("k".into()),
                like: Like::both().column("e").terms(7),
                leg: LegOptions::default(),
            }),
            Carried::Hybrid(HybridQuery { legs: Vec::new(), options: None }),
            Carried::Hybrid(HybridQuery {
                legs: vec![
                    LegValue::Near(near(Value::Blob(vec![0, 255, 1, 2]))),
                    LegValue::Text(text("a AND b", Syntax::Query)),
                ],
                options: Some("{\"k\":5}".into()),
            }),
        ];
        for carried in &all {
            let bytes = carried.bytes().unwrap();
            let rest = bytes.strip_prefix(MARK).unwrap();
            assert_eq!(Carried::read(rest).as_ref(), Some(carried));
            for end in 0..rest.len() {
                assert_eq!(Carried::read(&rest[..end]), None, "{carried:?} cut at {end}");
            }
            assert_eq!(Carried::read(&[rest, b"x"].concat()), None);
        }
    }
}
