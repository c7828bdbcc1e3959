//! What may be the DEFAULT of a column, and how it is written in SQL.

use super::{Column, ColumnKind, ColumnType, Schema};
use crate::json::{self, Json};
use crate::value::Value;

impl Schema {
    /// What is wrong with a default, in words. It is the stored form of a value, since it stands for stored values.
    pub(super) fn validate_default(&self, column: &Column, default: &Value) -> Result<(), String> {
        check_value(&column.kind, default)?;
        if column.not_null {
            return Ok(());
        }
        Err("a DEFAULT needs NOT NULL beside it: SQLite does not tell a virtual table whether an INSERT names a column, \
             so where NULL is allowed a missing value is NULL"
            .into())
    }
}

/// Whether a column of this kind can be filled with `value`: what is wrong otherwise.
pub(super) fn check_value(kind: &ColumnKind, default: &Value) -> Result<(), String> {
    let fits = match (kind, default) {
        (ColumnKind::Key(_) | ColumnKind::FullText { .. } | ColumnKind::Vector(_), _) => {
            return Err("only metadata and UNINDEXED columns have a DEFAULT".into());
        }
        (ColumnKind::Unindexed, _) => true,
        (ColumnKind::Metadata(ColumnType::Text | ColumnType::Json), Value::Text(_))
        | (ColumnKind::Metadata(ColumnType::Integer), Value::Integer(_))
        | (ColumnKind::Metadata(ColumnType::Boolean), Value::Integer(0 | 1))
        | (ColumnKind::Metadata(ColumnType::Real), Value::Real(_)) => true,
        (ColumnKind::Metadata(_), _) => false,
    };
    if let (false, ColumnKind::Metadata(kind)) = (fits, kind) {
        let got = default.type_name();
        return Err(format!("the DEFAULT of a column of type {} cannot be of type {got}", kind.name()));
    }
    match default {
        Value::Text(text)
            if *kind == ColumnKind::Metadata(ColumnType::Json)
                && !matches!(json::parse(text), Ok(Json::Object(_))) =>
        {
            Err(format!("the DEFAULT {} is not a JSON object", literal(default)))
        }
        Value::Text(text) if text.contains('\0') => Err("a DEFAULT cannot hold a NUL character".into()),
        Value::Real(real) if !is_exact(*real) => Err(format!(
            "the DEFAULT {real:e} has more than 15 digits or an exponent beyond 20, which not every version of SQLite reads \
             alike"
        )),
        _ => Ok(()),
    }
}

/// Whether every reader of decimals takes the shortest form of `real` for the same float.
fn is_exact(real: f64) -> bool {
    let shortest = format!("{real:e}");
    let (digits, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let count = digits.bytes().filter(u8::is_ascii_digit).count();
    real.is_finite() && count <= 15 && exponent.parse().is_ok_and(|exponent: i32| exponent.abs() <= 20)
}

/// The literal that SQL has for a value.
pub(crate) fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".into(),
        Value::Integer(int) => int.to_string(),
        Value::Real(real) => format!("{real:?}"),
        Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
        Value::Blob(bytes) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("x'{hex}'")
        }
    }
}
