//! SQL values as vectors and back.
//!
//! A vector is a BLOB of little-endian `f32` (what `numpy.tobytes()` gives) or a TEXT with a JSON array of numbers.
//! [`read`] is the only way in: whatever it returns is finite and, for a column, of the declared length.

use super::module::f32_slice;
use super::vector_hint;
use crate::error::{Error, Result};
use rusqlite::types::ValueRef;
use std::borrow::Cow;

mod model;

pub(crate) use model::with_model;

/// Subtypes that mark the result of `vec_f32`, `vec_bit` and `vec_int8`; sqlite-vec's numbers.
pub(crate) const SUBTYPE_F32: u32 = 223;
pub(crate) const SUBTYPE_BIT: u32 = 224;
pub(crate) const SUBTYPE_INT8: u32 = 225;

/// Where a vector goes, for the length check and for errors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    /// `table.column`, or the function's argument.
    pub(crate) name: &'a str,
    /// The length it must have; `None`: any but 0.
    pub(crate) dim: Option<usize>,
    /// Embedding model of the table, which a vector that names its own is compared with; shown when the length is wrong.
    pub(crate) model: Option<&'a str>,
}

/// The vector in `value`. `subtype` is the value's, 0 where it is not known.
///
/// # Errors
/// [`Error::Dimension`], [`Error::NotFinite`] or [`Error::Value`], each naming the target. NULL is an error.
pub(crate) fn read<'a>(value: ValueRef<'a>, subtype: u32, target: &Target<'_>) -> Result<Cow<'a, [f32]>> {
    let vector = match value {
        ValueRef::Blob(_) if subtype == SUBTYPE_BIT || subtype == SUBTYPE_INT8 => {
            let kind = if subtype == SUBTYPE_BIT { "bit" } else { "int8" };
            return bad(target, format_args!("expected a vector of f32, got one of {kind}"));
        }
        ValueRef::Blob(bytes) => from_bytes(model::without(bytes, target)?, target)?,
        ValueRef::Text(text) => Cow::Owned(from_json(text, target)?),
        other => {
            let kind = crate::value::Value::from(other).type_name();
            return bad(
                target,
                format_args!("a vector is a BLOB of little-endian f32 or a JSON array, got {kind}"),
            );
        }
    };
    match target.dim {
        Some(expected) if expected != vector.len() => {
            let mut hint = Error::model_hint(target.model);
            if let ValueRef::Blob(bytes) = value {
                let bytes = model::without(bytes, target)?;
                hint.push_str(&advice(vector_hint::of(bytes, target.dim)));
            }
            let column = target.name.to_owned();
            Err(Error::Dimension { column, expected, got: vector.len(), hint })
        }
        None if vector.is_empty() => bad(target, "a vector has at least 1 dimension, this one is empty"),
        _ => Ok(vector),
    }
}

fn bad<T>(target: &Target<'_>, what: impl std::fmt::Display) -> Result<T> {
    Err(Error::Value(format!("{}: {what}", target.name)))
}

fn not_finite<T>(target: &Target<'_>, index: usize, value: impl ToString) -> Result<T> {
    Err(Error::NotFinite { column: target.name.to_owned(), index, value: value.to_string() })
}

fn advice(hint: Option<&str>) -> String {
    hint.map_or(String::new(), |hint| format!("; {hint}"))
}

fn from_bytes<'a>(bytes: &'a [u8], target: &Target<'_>) -> Result<Cow<'a, [f32]>> {
    let len = bytes.len();
    if !len.is_multiple_of(4) {
        let expected =
            target.dim.map_or(String::new(), |dim| format!(" ({} bytes for {dim} dimensions)", dim * 4));
        let model = Error::model_hint(target.model);
        let hint = advice(vector_hint::of(bytes, target.dim));
        return bad(
            target,
            format_args!(
                "a vector BLOB has 4 bytes for each dimension{expected}, got {len} bytes{model}{hint}"
            ),
        );
    }
    // Of a fitting length they would be stored as floats that nobody meant.
    if target.dim.is_none_or(|dim| dim * 4 == len)
        && let Some(kind) = vector_hint::not_floats(bytes)
    {
        return bad(target, format_args!("the BLOB is not a vector of f32: {kind}"));
    }
    let vector = match f32_slice(bytes) {
        Some(vector) => Cow::Borrowed(vector),
        None => Cow::Owned(
            bytes.as_chunks::<4>().0.iter().map(|element| f32::from_le_bytes(*element)).collect::<Vec<_>>(),
        ),
    };
    Error::check_finite(&vector, || target.name.to_owned())?;
    Ok(vector)
}

fn from_json(text: &[u8], target: &Target<'_>) -> Result<Vec<f32>> {
    let Ok(text) = std::str::from_utf8(text) else { return bad(target, "the text is not UTF-8") };
    let Some(mut rest) = text.trim_ascii_start().strip_prefix('[') else {
        let start: String = text.chars().take(20).collect();
        return bad(target, format_args!("the text is not a JSON array, it starts with {start:?}"));
    };
    let mut vector = Vec::with_capacity(target.dim.unwrap_or(0).min(text.len() / 2 + 1));
    rest = rest.trim_ascii_start();
    if let Some(after) = rest.strip_prefix(']') {
        return end(after, vector, target);
    }
    loop {
        let index = vector.len();
        let in_number = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
        let len = rest.as_bytes().iter().take_while(|byte| in_number(byte)).count();
        let element = rest;
        let (number, after) = rest.split_at(len);
        match number.parse::<f32>() {
            Ok(value) if value.is_finite() => vector.push(value),
            Ok(_) => return not_finite(target, index, number),
            Err(_) => return not_a_number(element, index, target),
        }
        rest = after.trim_ascii_start();
        if let Some(after) = rest.strip_prefix(',') {
            rest = after.trim_ascii_start();
        } else if let Some(after) = rest.strip_prefix(']') {
            return end(after, vector, target);
        } else if rest.is_empty() {
            return bad(target, format_args!("the JSON array ends after index {index} without a ]"));
        } else {
            return not_a_number(element, index, target);
        }
    }
}

fn end(after: &str, vector: Vec<f32>, target: &Target<'_>) -> Result<Vec<f32>> {
    let after = after.trim_ascii();
    if after.is_empty() {
        return Ok(vector);
    }
    let start: String = after.chars().take(20).collect();
    bad(target, format_args!("the JSON array is followed by {start:?}"))
}

/// The element at the start of `rest` is not a number: says what it is instead.
fn not_a_number<T>(rest: &str, index: usize, target: &Target<'_>) -> Result<T> {
    let shown: String = rest.split([',', ']']).next().unwrap_or("").trim().chars().take(20).collect();
    let name = shown.trim_start_matches(['-', '+']).to_ascii_lowercase();
    if matches!(name.as_str(), "nan" | "inf" | "infinity") {
        return not_finite(target, index, shown);
    }
    if rest.starts_with('[') || rest.starts_with('{') {
        return bad(
            target,
            format_args!("the element at index {index} is nested; a vector is a flat array of numbers"),
        );
    }
    bad(target, format_args!("the element at index {index} is not a number: {shown:?}"))
}

/// The BLOB of a vector.
pub(crate) fn to_blob(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|element| element.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const V: Target<'_> = Target { name: "docs.v", dim: None, model: None };

    fn json(text: &str) -> Result<Vec<f32>> {
        read(ValueRef::Text(text.as_bytes()), 0, &V).map(Cow::into_owned)
    }

    fn refused(value: ValueRef<'_>, target: &Target<'_>) -> String {
        read(value, 0, target).unwrap_err().to_string()
    }

    #[test]
    fn blobs_are_read_at_any_alignment() {
        let vector = [1.0_f32, -2.5, f32::MIN_POSITIVE, f32::MAX];
        let mut bytes = vec![0; 8];
        for shift in 0..8 {
            bytes.truncate(shift);
            bytes.extend(to_blob(&vector));
            assert_eq!(*read(ValueRef::Blob(&bytes[shift..]), SUBTYPE_F32, &V).unwrap(), vector);
            bytes.resize(8, 0);
        }
    }

    #[test]
    fn json_arrays_are_read() {
        assert_eq!(json("[1,2]").unwrap(), [1.0, 2.0]);
        assert_eq!(json(" [ -1.5e1 ,\n2E-1\t, 0.1, +3, .5 ] \n").unwrap(), [-15.0, 0.2, 0.1, 3.0, 0.5]);
        assert_eq!(json("[1e-60]").unwrap(), [0.0]);
        // Rounded once, not first to f64: this one lies just above the middle of two f32.
        assert_eq!(json("[1.00000005960464477540]").unwrap(), [f32::from_bits(0x3f80_0001)]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let docs = Target { name: "docs.embedding", dim: Some(384), model: Some("all-MiniLM-L6-v2") };
        let blob = vec![0; 768 * 4];
        assert_eq!(
            refused(ValueRef::Blob(&blob), &docs),
            "docs.embedding: expected 384 dimensions, got 768 (model is all-MiniLM-L6-v2); it has 8 bytes for each \
             dimension: is it float64? pass float32"
        );
        assert_eq!(
            refused(ValueRef::Blob(&blob[..1540]), &docs),
            "docs.embedding: expected 384 dimensions, got 385 (model is all-MiniLM-L6-v2)"
        );
        assert_eq!(
            refused(ValueRef::Blob(&blob[..1535]), &docs),
            "docs.embedding: a vector BLOB has 4 bytes for each dimension (1536 bytes for 384 dimensions), got 1535 bytes \
             (model is all-MiniLM-L6-v2)"
        );
        for (len, part) in [(768, "is it float16?"), (384, "is it int8?"), (48, "is it a bit vector?")] {
            let message = refused(ValueRef::Blob(&blob[..len]), &docs);
            assert!(
                message.contains("(model is all-MiniLM-L6-v2); it has") && message.contains(part),
                "{message}"
            );
        }
        let four = Target { name: "docs.v", dim: Some(4), model: None };
        for text in ["[1,2,3,4]       ", "[1.5, 2.5, 3, 4]", "[1,2,3]", "[1,2,3,4]"] {
            for target in [&four, &V] {
                let message = refused(ValueRef::Blob(text.as_bytes()), target);
                assert!(message.ends_with("it is a JSON array; bind it as TEXT"), "{text}: {message}");
            }
        }
        assert!(refused(ValueRef::Text(b"[]"), &docs).contains("expected 384 dimensions, got 0"));
        assert!(refused(ValueRef::Blob(b""), &V).contains("at least 1 dimension"));
        assert!(refused(ValueRef::Integer(1), &V).ends_with("got INTEGER"));
        assert!(refused(ValueRef::Null, &V).ends_with("got NULL"));
        for (index, element) in [(0, f32::NAN), (1, f32::INFINITY), (2, f32::NEG_INFINITY)] {
            let mut vector = [0.0; 3];
            vector[index] = element;
            let message = refused(ValueRef::Blob(&to_blob(&vector)), &V);
            assert_eq!(message, format!("docs.v: value {element} at index {index} is not a finite number"));
        }
        let int8 = read(ValueRef::Blob(&[1, 2, 3, 4]), SUBTYPE_INT8, &V).unwrap_err().to_string();
        assert_eq!(int8, "docs.v: expected a vector of f32, got one of int8");
    }

    #[test]
    fn malformed_json_is_refused_with_the_index() {
        for (text, part) in [
            ("", "not a JSON array"),
            ("abc", "\"abc\""),
            ("{\"a\":1}", "not a JSON array"),
            ("1,2]", "not a JSON array"),
            ("[]", "at least 1 dimension"),
            ("[1,2", "ends after index 1"),
            ("[1,2,", "index 2 is not a number: \"\""),
            ("[", "index 0 is not a number"),
            ("[1,]", "index 1 is not a number"),
            ("[,1]", "index 0 is not a number"),
            ("[1 2]", "index 0 is not a number: \"1 2\""),
            ("[1,\"a\"]", "index 1 is not a number: \"\\\"a\\\"\""),
            ("[1,null]", "index 1 is not a number: \"null\""),
            ("[true]", "\"true\""),
            ("[[1]]", "index 0 is nested"),
            ("[1,{}]", "index 1 is nested"),
            ("[1] x", "followed by \"x\""),
            ("[1]]", "followed by \"]\""),
            ("[1-2]", "index 0 is not a number"),
            ("[1.2.3]", "index 0 is not a number"),
            ("[0x10]", "index 0 is not a number"),
            ("[1,NaN]", "value NaN at index 1 is not a finite number"),
            ("[-Infinity]", "value -Infinity at index 0"),
            ("[0, 1e39]", "value 1e39 at index 1"),
        ] {
            let message = json(text).unwrap_err().to_string();
            assert!(
                message.starts_with("docs.v: ") && message.contains(part),
                "{text}: {message} lacks {part}"
            );
        }
        assert!(refused(ValueRef::Text(b"[1\xff]"), &V).contains("not UTF-8"));
    }

    proptest! {
        #[test]
        fn vectors_survive_both_forms(vector in prop::collection::vec(prop::num::f32::NORMAL, 1..40)) {
            let text = serde_json::to_string(&vector).unwrap();
            prop_assert_eq!(&json(&text).unwrap(), &vector);
            let blob = to_blob(&vector);
            prop_assert_eq!(&*read(ValueRef::Blob(&blob), 0, &V).unwrap(), &vector[..]);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "[\\[\\]{},0-9eE+.\"a \\-é]{0,30}") {
            let _ = json(&text);
        }
    }
}
