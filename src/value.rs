//! A value of a non-vector column, as SQLite knows it, and how values are compared.

use rusqlite::types::{ToSqlOutput, Value as SqlValue, ValueRef};
use std::borrow::Cow;
use std::cmp::Ordering;

/// NULL, 64-bit integer, 64-bit float, text or bytes.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Value {
    /// SQL NULL.
    Null,
    /// INTEGER; a BOOLEAN column holds 0 or 1.
    Integer(i64),
    /// REAL, never NaN (SQLite has none).
    Real(f64),
    /// TEXT.
    Text(String),
    /// BLOB.
    Blob(Vec<u8>),
}

/// The first number beyond the range of `i64`.
const TWO_63: f64 = 9_223_372_036_854_775_808.0;

impl Value {
    /// Whether this is NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// SQLite's name of the storage class.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Integer(_) => "INTEGER",
            Self::Real(_) => "REAL",
            Self::Text(_) => "TEXT",
            Self::Blob(_) => "BLOB",
        }
    }

    /// The text, if it is text.
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The integer that a float is, where it is one exactly: a whole number of at least -2^63 and below 2^63.
    pub(crate) fn whole(real: f64) -> Option<i64> {
        (real.fract() == 0.0 && (-TWO_63..TWO_63).contains(&real)).then_some(real as i64)
    }

    /// The value as rusqlite borrows it.
    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Self::Null => ValueRef::Null,
            Self::Integer(i) => ValueRef::Integer(*i),
            Self::Real(r) => ValueRef::Real(*r),
            Self::Text(t) => ValueRef::Text(t.as_bytes()),
            Self::Blob(b) => ValueRef::Blob(b),
        }
    }

    /// SQLite's order across storage classes: NULL, numbers by value, TEXT by bytes, BLOB by bytes.
    pub fn sql_cmp(&self, other: &Self) -> Ordering {
        fn class(value: &Value) -> u8 {
            match value {
                Value::Null => 0,
                Value::Integer(_) | Value::Real(_) => 1,
                Value::Text(_) => 2,
                Value::Blob(_) => 3,
            }
        }
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => a.cmp(b),
            (Self::Real(a), Self::Real(b)) => a.partial_cmp(b).unwrap_or(Ordering::Equal),
            (Self::Integer(a), Self::Real(b)) => cmp_int_real(*a, *b),
            (Self::Real(a), Self::Integer(b)) => cmp_int_real(*b, *a).reverse(),
            (Self::Text(a), Self::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
            (Self::Blob(a), Self::Blob(b)) => a.cmp(b),
            _ => class(self).cmp(&class(other)),
        }
    }
}

/// A comparison operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Op {
    /// `=`
    Eq,
    /// `<>`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

impl Op {
    /// The operator in SQL.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Eq => "=",
            Self::Ne => "<>",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
        }
    }

    /// The operator that is true exactly where this one is false, NULL aside.
    pub fn inverse(self) -> Self {
        match self {
            Self::Eq => Self::Ne,
            Self::Ne => Self::Eq,
            Self::Lt => Self::Ge,
            Self::Le => Self::Gt,
            Self::Gt => Self::Le,
            Self::Ge => Self::Lt,
        }
    }

    /// The operator that holds for equal numbers as well.
    pub fn or_equal(self) -> Self {
        match self {
            Self::Lt => Self::Le,
            Self::Gt => Self::Ge,
            Self::Eq | Self::Ne | Self::Le | Self::Ge => self,
        }
    }

    /// The operator that holds between the negated numbers.
    pub fn turned(self) -> Self {
        match self {
            Self::Lt => Self::Gt,
            Self::Le => Self::Ge,
            Self::Gt => Self::Lt,
            Self::Ge => Self::Le,
            Self::Eq | Self::Ne => self,
        }
    }

    /// Whether `left self right` holds when `left.cmp(right)` is `ordering`.
    pub fn accepts(self, ordering: std::cmp::Ordering) -> bool {
        match self {
            Self::Eq => ordering.is_eq(),
            Self::Ne => ordering.is_ne(),
            Self::Lt => ordering.is_lt(),
            Self::Le => ordering.is_le(),
            Self::Gt => ordering.is_gt(),
            Self::Ge => ordering.is_ge(),
        }
    }
}

/// Compares an integer with a float without losing bits above 2^53.
pub fn cmp_int_real(int: i64, real: f64) -> Ordering {
    if real < -TWO_63 {
        return Ordering::Greater;
    }
    if real >= TWO_63 {
        return Ordering::Less;
    }
    let whole = real as i64;
    int.cmp(&whole).then_with(|| 0.0_f64.partial_cmp(&(real - whole as f64)).unwrap_or(Ordering::Equal))
}

impl From<ValueRef<'_>> for Value {
    /// Invalid UTF-8 in a TEXT is replaced, never lost.
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(i) => Self::Integer(i),
            ValueRef::Real(r) => Self::Real(r),
            ValueRef::Text(t) => Self::Text(String::from_utf8_lossy(t).into_owned()),
            ValueRef::Blob(b) => Self::Blob(b.to_vec()),
        }
    }
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Owned(SqlValue::Null),
            Self::Integer(i) => ToSqlOutput::Owned(SqlValue::Integer(*i)),
            Self::Real(r) => ToSqlOutput::Owned(SqlValue::Real(*r)),
            Self::Text(t) => ToSqlOutput::Borrowed(ValueRef::Text(t.as_bytes())),
            Self::Blob(b) => ToSqlOutput::Borrowed(ValueRef::Blob(b)),
        })
    }
}

/// Conversions of a type and of references to it, so that lists can be given as slices.
macro_rules! from_number {
    ($variant:ident($as:ty): $($t:ty),*) => {$(
        impl From<$t> for Value {
            fn from(value: $t) -> Self { Self::$variant(<$as>::from(value)) }
        }
        impl From<&$t> for Value {
            fn from(value: &$t) -> Self { Self::from(*value) }
        }
    )*};
}
from_number!(Integer(i64): i8, i16, i32, i64, u8, u16, u32, bool);
from_number!(Real(f64): f32, f64);

macro_rules! from_large {
    ($($t:ty),*) => {$(
        /// Beyond the range of `i64`, the nearest REAL: it is larger, or smaller, than every INTEGER, as the number is.
        impl From<$t> for Value {
            fn from(value: $t) -> Self {
                i64::try_from(value).map_or(Self::Real(value as f64), Self::Integer)
            }
        }
        impl From<&$t> for Value {
            fn from(value: &$t) -> Self { Self::from(*value) }
        }
    )*};
}
from_large!(u64, usize, isize);

macro_rules! from_text {
    ($($t:ty),*) => {$(
        impl From<$t> for Value {
            fn from(value: $t) -> Self { Self::Text(value.to_string()) }
        }
    )*};
}
from_text!(&str, &&str, &String, &&String, &Cow<'_, str>);

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}
impl From<Cow<'_, str>> for Value {
    fn from(value: Cow<'_, str>) -> Self {
        Self::Text(value.into_owned())
    }
}
impl From<&Value> for Value {
    fn from(value: &Value) -> Self {
        value.clone()
    }
}
impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Blob(value)
    }
}
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_and_reals_compare_exactly_beyond_2_to_the_53() {
        let big = 9_007_199_254_740_993_i64;
        assert_eq!(cmp_int_real(big, 9_007_199_254_740_992.0), Ordering::Greater);
        assert_eq!(cmp_int_real(i64::MAX, 9.3e18), Ordering::Less);
        assert_eq!(cmp_int_real(i64::MIN, -9.3e18), Ordering::Greater);
        assert_eq!(cmp_int_real(3, 3.5), Ordering::Less);
        assert_eq!(cmp_int_real(-3, -3.5), Ordering::Greater);
        assert_eq!(cmp_int_real(3, 3.0), Ordering::Equal);
    }

    #[test]
    fn a_whole_real_is_an_integer_within_the_range_of_integers() {
        assert_eq!([2.0, -0.0, -TWO_63].map(Value::whole), [Some(2), Some(0), Some(i64::MIN)]);
        assert_eq!([2.5, TWO_63, -1e19, f64::INFINITY, f64::NAN].map(Value::whole), [None; 5]);
        assert_eq!(Value::whole(9_223_372_036_854_774_784.0), Some(i64::MAX - 1023));
    }

    #[test]
    fn numbers_beyond_i64_stay_beyond_every_integer() {
        assert_eq!(Value::from(7_usize), Value::Integer(7));
        assert_eq!(Value::from(-7_isize), Value::Integer(-7));
        assert_eq!(Value::from(i64::MAX as u64), Value::Integer(i64::MAX));
        for beyond in [i64::MAX as u64 + 1, u64::MAX] {
            let value = Value::from(&beyond);
            assert_eq!(value, Value::Real(beyond as f64));
            assert_eq!(value.sql_cmp(&Value::Integer(i64::MAX)), Ordering::Greater);
        }
    }

    #[test]
    fn references_become_the_values_they_point_to() {
        let (text, borrowed) = (String::from("en"), Cow::Borrowed("en"));
        let expected = Value::Text("en".into());
        for value in [
            Value::from(&text),
            Value::from(&&text),
            Value::from(&"en"),
            Value::from(&borrowed),
            borrowed.into(),
        ] {
            assert_eq!(value, expected);
        }
        assert_eq!(Value::from(&expected), expected);
        assert_eq!((Value::from(&3_u8), Value::from(&true)), (Value::Integer(3), Value::Integer(1)));
        assert_eq!((Value::from(&0.5_f32), Value::from(&0.5_f64)), (Value::Real(0.5), Value::Real(0.5)));
        assert_eq!(Value::from(Some(&text)), expected);
    }
}
