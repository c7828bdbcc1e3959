//! SQLite's column affinity, applied to the constant a column is compared with and to the values that it stores.
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

/// `value`, which is not NULL, as a column of type `kind` stores it: converted as by affinity, but only where the result
/// is of the column's type and says the same.
///
/// # Errors
/// The value itself, where the column does not take it.
pub fn store(kind: ColumnType, value: Value) -> Result<Value, Value> {
    match (kind, value) {
        (ColumnType::Text, value @ Value::Text(_))
        | (ColumnType::Integer, value @ Value::Integer(_))
        | (ColumnType::Real, value @ Value::Real(_))
        | (ColumnType::Json, value @ Value::Text(_))
        | (ColumnType::Boolean, value @ Value::Integer(0 | 1)) => Ok(value),
        // JavaScript has no integers: a whole number is one, as in a STRICT table.
        (ColumnType::Integer, Value::Real(real)) => {
            Value::whole(real).map(Value::Integer).ok_or(Value::Real(real))
        }
        (ColumnType::Boolean, Value::Real(real)) if real == 0.0 || real == 1.0 => {
            Ok(Value::Integer(real as i64))
        }
        (ColumnType::Real, Value::Integer(int)) => Ok(Value::Real(int as f64)),
        // Every program that imports CSV binds texts.
        (ColumnType::Integer | ColumnType::Real | ColumnType::Boolean, Value::Text(text)) => {
            let number = text_to_number(&text).and_then(|number| store(kind, number).ok());
            number.ok_or(Value::Text(text))
        }
        (_, value) => Err(value),
    }
}

/// Whether a column of type `kind` refuses the text as an empty one: what CSV has where a value is missing.
pub fn is_missing(kind: ColumnType, text: &str) -> bool {
    kind != ColumnType::Text && text.trim_ascii().is_empty()
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

/// A float as SQLite 3.53 and newer write it: 17 significant digits, fewer where a short decimal reads back as the
/// same float, always with a point. Older versions round to 15 digits; only a TEXT column compared with a fraction
/// can see the difference. SQLite computes the 17th digit with 96 bits, this exactly: of random bit patterns one in
/// 200 differs there, of decimals with up to 12 digits none.
pub fn real_to_text(real: f64) -> String {
    if real.is_infinite() {
        return if real > 0.0 { "Inf" } else { "-Inf" }.to_owned();
    }
    if real == 0.0 {
        return "0.0".to_owned();
    }
    let (digits, exponent) = significant_digits(real.abs());
    let digits = digits.trim_end_matches('0');
    let sign = if real < 0.0 { "-" } else { "" };
    let count = digits.len() as i32;
    if !(-4..=16).contains(&exponent) {
        let (first, rest) = digits.split_at(1);
        let rest = if rest.is_empty() { "0" } else { rest };
        let direction = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{first}.{rest}e{direction}{:02}", exponent.abs());
    }
    if exponent < 0 {
        return format!("{sign}0.{}{digits}", "0".repeat((-exponent - 1) as usize));
    }
    if count <= exponent + 1 {
        return format!("{sign}{digits}{}.0", "0".repeat((exponent + 1 - count) as usize));
    }
    let (whole, fraction) = digits.split_at((exponent + 1) as usize);
    format!("{sign}{whole}.{fraction}")
}

/// The digits SQLite shows of a positive float, and the power of ten of the first (`sqlite3FpDecode`, precision 17):
/// 18 digits are computed; a run of nines or zeros at the 15th is cut off if what is left is still the same float,
/// and otherwise they are rounded to 17.
fn significant_digits(real: f64) -> (String, i32) {
    let split = |text: &str| -> (String, i32) {
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        (mantissa.replace('.', ""), exponent.parse().unwrap_or(0))
    };
    let (digits, exponent) = split(&format!("{real:.17e}"));
    let same = |short: &str, exponent: i32| {
        format!("{short}e{}", exponent + 1 - short.len() as i32).parse::<f64>().is_ok_and(|back| back == real)
    };
    if &digits[14..16] == "99" {
        let kept = digits[..14].trim_end_matches('9');
        let value = kept.parse::<u64>().unwrap_or(0) + 1;
        let short = value.to_string();
        // 9 becomes 10: one digit more, one power of ten higher.
        let exponent = exponent + i32::from(short.len() > kept.len());
        if same(&short, exponent) {
            return (short, exponent);
        }
    } else if exponent + 1 >= 18 || &digits[13..16] == "000" {
        let short = digits[..13].trim_end_matches('0');
        if same(short, exponent) {
            return (short.to_owned(), exponent);
        }
    }
    // Rounded from the 18 digits, half up, as SQLite does.
    let value = digits.parse::<u64>().unwrap_or(0);
    let rounded = ((value + 5) / 10).to_string();
    let exponent = exponent + i32::from(rounded.len() > 17);
    (rounded, exponent)
}
