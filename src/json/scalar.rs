//! What a filter compares with: null, a boolean, a number or a text.

use super::parse::Json;
use crate::value::cmp_int_real;
use std::cmp::Ordering;

/// A JSON value that is neither a list nor an object.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// `null`
    Null,
    /// A boolean, which is no number.
    Bool(bool),
    /// A number of 64 signed bits.
    Int(i64),
    /// Any other number.
    Real(f64),
    /// A text.
    Text(String),
}

impl Scalar {
    /// The value of `json`, if it is a scalar.
    pub fn of(json: &Json<'_>) -> Option<Self> {
        Some(match json {
            Json::Null => Self::Null,
            Json::Bool(bool) => Self::Bool(*bool),
            Json::Int(int) => Self::Int(*int),
            Json::Real(real) => Self::Real(*real),
            Json::Text(text) => Self::Text(text.to_string()),
            Json::List(_) | Json::Object(_) => return None,
        })
    }

    /// Whether it is a number or a text, which have an order.
    pub fn is_ordered(&self) -> bool {
        matches!(self, Self::Int(_) | Self::Real(_) | Self::Text(_))
    }

    fn class(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(_) => 1,
            Self::Int(_) | Self::Real(_) => 2,
            Self::Text(_) => 3,
        }
    }

    /// A total order: by class, then numbers by value and texts by bytes.
    pub fn total_cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::Real(a), Self::Real(b)) => a.total_cmp(b),
            (Self::Int(a), Self::Real(b)) => cmp_int_real(*a, *b),
            (Self::Real(a), Self::Int(b)) => cmp_int_real(*b, *a).reverse(),
            (Self::Text(a), Self::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
            _ => self.class().cmp(&other.class()),
        }
    }

    /// How a value compares with this one; `None` where they are of different classes.
    pub fn compared(&self, value: &Json<'_>) -> Option<Ordering> {
        Some(match (value, self) {
            (Json::Null, Self::Null) => Ordering::Equal,
            (Json::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Json::Int(a), Self::Int(b)) => a.cmp(b),
            (Json::Real(a), Self::Real(b)) => a.total_cmp(b),
            (Json::Int(a), Self::Real(b)) => cmp_int_real(*a, *b),
            (Json::Real(a), Self::Int(b)) => cmp_int_real(*b, *a).reverse(),
            (Json::Text(a), Self::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
            _ => return None,
        })
    }

    /// As JSON. NaN becomes a word that no JSON has, so that the text is refused where it is read.
    pub fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(bool) => out.push_str(if *bool { "true" } else { "false" }),
            Self::Int(int) => out.push_str(&int.to_string()),
            Self::Real(real) if real.is_infinite() => {
                out.push_str(if *real > 0.0 { "1e999" } else { "-1e999" });
            }
            Self::Real(real) => out.push_str(&format!("{real:?}")),
            Self::Text(text) => write_text(text, out),
        }
    }
}

/// `text` as a JSON text.
pub fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{0}'..='\u{1f}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

macro_rules! from_int {
    ($($t:ty),*) => {$(
        impl From<$t> for Scalar {
            fn from(value: $t) -> Self { i64::try_from(value).map_or(Self::Real(value as f64), Self::Int) }
        }
        impl From<&$t> for Scalar {
            fn from(value: &$t) -> Self { Self::from(*value) }
        }
    )*};
}
from_int!(i8, i16, i32, i64, isize, u8, u16, u32, u64, usize);

macro_rules! from_other {
    ($($t:ty: $value:ident => $to:expr),* $(,)?) => {$(
        impl From<$t> for Scalar {
            fn from($value: $t) -> Self { $to }
        }
    )*};
}
from_other!(
    bool: value => Self::Bool(value),
    &bool: value => Self::Bool(*value),
    f64: value => Self::Real(value + 0.0),
    &f64: value => Self::Real(*value + 0.0),
    f32: value => Self::Real(f64::from(value) + 0.0),
    &f32: value => Self::Real(f64::from(*value) + 0.0),
    String: value => Self::Text(value),
    &String: value => Self::Text(value.clone()),
    &str: value => Self::Text(value.to_owned()),
    &&str: value => Self::Text((*value).to_owned()),
);

impl<T: Into<Scalar>> From<Option<T>> for Scalar {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
