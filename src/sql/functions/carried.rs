//! The values of `words`, `text_query` and `hybrid_query`: BLOBs that MATCH reads.
//!
//! A pointer value of SQLite's would be NULL wherever SQLite stores it (a materialised CTE, a temporary table), and MATCH
//! NULL finds nothing. A BLOB is the same query wherever it comes from, and no text or vector looks like it.
//!
//! ```text
//! value  := MARK ( text | "h" field(text) field(vector) subtype:u32 field(options) )     little-endian
//! text   := "q" | "w"  then UTF-8          a query; words
//! vector := "t" | "b"  then bytes          JSON; floats
//! field  := length:u32 bytes               of length 0: NULL
//! ```

use super::{HybridQuery, TextValue};
use crate::error::{Error, Result};
use crate::sql::module::Args;
use crate::text::Syntax;
use crate::value::Value;
use rusqlite::types::ValueRef;

/// How a value begins. As floats it is a vector that nobody has.
const MARK: &[u8] = b"\x01nearlite query\x01";

/// What one of the functions made.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Carried {
    Text(TextValue),
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
                "a value of words(), text_query() or hybrid_query() was changed on its way to MATCH; pass it on as it is"
                    .into(),
            )),
        }
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let Some(mut rest) = bytes.strip_prefix(b"h") else { return read_text(bytes).map(Self::Text) };
        let text = match take_field(&mut rest)? {
            [] => None,
            text => Some(read_text(text)?),
        };
        let vector = match take_field(&mut rest)? {
            [] => None,
            [b't', json @ ..] => Some(Value::Text(String::from_utf8(json.to_vec()).ok()?)),
            [b'b', floats @ ..] => Some(Value::Blob(floats.to_vec())),
            _ => return None,
        };
        let (subtype, after) = rest.split_first_chunk()?;
        rest = after;
        let options = match take_field(&mut rest)? {
            [] => None,
            json => Some(String::from_utf8(json.to_vec()).ok()?),
        };
        let subtype = u32::from_le_bytes(*subtype);
        rest.is_empty().then_some(Self::Hybrid(HybridQuery { text, vector, subtype, options }))
    }

    /// The value that carries it.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>> {
        let mut out = MARK.to_vec();
        match self {
            Self::Text(text) => write_text(text, &mut out),
            Self::Hybrid(HybridQuery { text, vector, subtype, options }) => {
                out.push(b'h');
                let mut field = Vec::new();
                if let Some(text) = text {
                    write_text(text, &mut field);
                }
                put_field(&field, &mut out)?;
                field.clear();
                match vector {
                    Some(Value::Text(json)) => field.extend(std::iter::once(b't').chain(json.bytes())),
                    Some(Value::Blob(floats)) => {
                        field.push(b'b');
                        field.extend_from_slice(floats);
                    }
                    _ => {}
                }
                put_field(&field, &mut out)?;
                out.extend(subtype.to_le_bytes());
                put_field(options.as_deref().unwrap_or_default().as_bytes(), &mut out)?;
            }
        }
        Ok(out)
    }
}

fn read_text(bytes: &[u8]) -> Option<TextValue> {
    let (kind, text) = bytes.split_first()?;
    let syntax = match kind {
        b'q' => Syntax::Query,
        b'w' => Syntax::Words,
        _ => return None,
    };
    Some(TextValue { text: String::from_utf8(text.to_vec()).ok()?, syntax })
}

fn write_text(TextValue { text, syntax }: &TextValue, out: &mut Vec<u8>) {
    out.push(match syntax {
        Syntax::Query => b'q',
        Syntax::Words => b'w',
    });
    out.extend_from_slice(text.as_bytes());
}

fn take_field<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk()?;
    let (field, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *rest = after;
    Some(field)
}

fn put_field(field: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let length = u32::try_from(field.len())
        .map_err(|_| Error::Value("hybrid_query: an argument is too long".into()))?;
    out.extend(length.to_le_bytes());
    out.extend_from_slice(field);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str, syntax: Syntax) -> TextValue {
        TextValue { text: text.into(), syntax }
    }

    fn hybrid(text: Option<TextValue>, vector: Option<Value>, options: Option<&str>) -> Carried {
        Carried::Hybrid(HybridQuery { text, vector, subtype: 223, options: options.map(str::to_owned) })
    }

    #[test]
    fn what_is_carried_comes_back_and_nothing_else_does() {
        let all = [
            Carried::Text(text("", Syntax::Words)),
            Carried::Text(text("--force \"é", Syntax::Words)),
            Carried::Text(text("a AND b", Syntax::Query)),
            hybrid(None, None, None),
            hybrid(Some(text("", Syntax::Query)), Some(Value::Blob(vec![])), None),
            hybrid(Some(text("x", Syntax::Words)), Some(Value::Text("[1]".into())), Some("{}")),
            hybrid(None, Some(Value::Blob(vec![0, 255, 1, 2])), Some("{\"k\":5}")),
        ];
        for carried in &all {
            let bytes = carried.bytes().unwrap();
            let rest = bytes.strip_prefix(MARK).unwrap();
            assert_eq!(Carried::read(rest).as_ref(), Some(carried));
            if matches!(carried, Carried::Hybrid(_)) {
                for end in 0..rest.len() {
                    assert_eq!(Carried::read(&rest[..end]), None, "{carried:?} cut at {end}");
                }
            }
        }
    }
}
