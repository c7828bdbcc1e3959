//! SQLite's column affinity, applied to the constant a column is compared with.
//!
//! SQLite converts some constants before a virtual table sees them and not others (`IN` lists, values from the Rust
//! API), so the engine converts every constant itself: text that looks like a number becomes one against INTEGER,
//! REAL and BOOLEAN columns, and a number becomes text against a TEXT column.
//! <https://www.sqlite.org/datatype3.html#type_conversions_prior_to_comparison>

use crate::schema::ColumnType;
use crate::value::Value;
use std::borrow::Cow;

/// `value` as a column of type `kind` compares with it. NaN, which SQLite does not have, is NULL.
pub fn apply(kind: ColumnType, value: &Value) -> Cow<'_, Value> {
    match (kind, value) {
        (_, Value::Real(real)) if real.is_nan() => Cow::Owned(Value::Null),
        (ColumnType::Text, Value::Integer(int)) => Cow::Owned(Value::Text(int.to_string())),
        (ColumnType::Text, Value::Real(real)) => Cow::Owned(Value::Text(real_to_text(*real))),
        (ColumnType::Integer | ColumnType::Real | ColumnType::Boolean, Value::Text(text)) => {
            text_to_number(text).map_or(Cow::Borrowed(value), Cow::Owned)
        }
        _ => Cow::Borrowed(value),
    }
}

/// The number that the whole of `text` is, white space at the ends aside: `2020`, ` -1.5e3 `, `.5`, `5.`; no
/// hexadecimal, no `inf`.
pub fn text_to_number(text: &str) -> Option<Value> {
    let text = text.trim_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(unsigned);
    let mut rest = &unsigned[whole..];
    let mut fraction = 0;
    let integer = rest.is_empty();
    if let Some(after) = rest.strip_prefix('.') {
        fraction = digits(after);
        rest = &after[fraction..];
    }
    if whole + fraction == 0 {
        return None;
    }
    if let Some(after) = rest.strip_prefix(['e', 'E']) {
        let exponent = after.strip_prefix(['+', '-']).unwrap_or(after);
        let length = digits(exponent);
        if length == 0 {
            return None;
        }
        rest = &exponent[length..];
    }
    if !rest.is_empty() {
        return None;
    }
    if integer && let Ok(int) = text.parse::<i64>() {
        return Some(Value::Integer(int));
    }
    text.parse::<f64>().ok().map(Value::Real)
}

/// A float as SQLite 3.53 and newer write it: the shortest digits that read back as the same float, always with a
/// point. Older versions round to 15 digits; only a TEXT column compared with a fraction can tell the difference.
pub fn real_to_text(real: f64) -> String {
    if real.is_infinite() {
        return if real > 0.0 { "Inf" } else { "-Inf" }.to_owned();
    }
    if real == 0.0 {
        return "0.0".to_owned();
    }
    let scientific = format!("{real:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..=16).contains(&exponent) {
        let plain = format!("{real}");
        return if plain.contains('.') { plain } else { plain + ".0" };
    }
    let point = if mantissa.contains('.') { "" } else { ".0" };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}{point}e{sign}{:02}", exponent.abs())
}
