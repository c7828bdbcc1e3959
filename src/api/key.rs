//! What identifies a row.

use crate::value::Value;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// The key of a row: its text key, or its rowid where the collection has no text key.
/// It serializes as the number or the text alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Key {
    /// An INTEGER key, or the rowid of a collection without a key.
    Rowid(i64),
    /// A TEXT key.
    Text(String),
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rowid(rowid) => fmt::Display::fmt(rowid, f),
            Self::Text(text) => fmt::Display::fmt(text, f),
        }
    }
}

impl Key {
    pub(super) fn value(&self) -> Value {
        match self {
            Self::Rowid(rowid) => Value::Integer(*rowid),
            Self::Text(text) => Value::Text(text.clone()),
        }
    }

    /// The text, if it is a text key.
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The rowid, if it is one.
    pub fn as_rowid(&self) -> Option<i64> {
        if let Self::Rowid(rowid) = self { Some(*rowid) } else { None }
    }
}

impl PartialEq<str> for Key {
    fn eq(&self, other: &str) -> bool {
        self.as_text() == Some(other)
    }
}
impl PartialEq<&str> for Key {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}
impl PartialEq<String> for Key {
    fn eq(&self, other: &String) -> bool {
        self == other.as_str()
    }
}
impl PartialEq<String> for &Key {
    fn eq(&self, other: &String) -> bool {
        *self == other.as_str()
    }
}

impl From<&Key> for Key {
    fn from(key: &Key) -> Self {
        key.clone()
    }
}
impl From<String> for Key {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}
impl From<Cow<'_, str>> for Key {
    fn from(text: Cow<'_, str>) -> Self {
        Self::Text(text.into_owned())
    }
}

macro_rules! from_text {
    ($($t:ty),*) => {$(
        impl From<$t> for Key {
            fn from(text: $t) -> Self { Self::Text(text.to_string()) }
        }
    )*};
}
from_text!(&str, &&str, &String, &&String, &Cow<'_, str>);

/// Conversions and comparisons of an integer type, and of references to it on either side.
macro_rules! integer {
    ($($t:ty),*) => {$(
        /// A number beyond the range of `i64`, which no rowid can be, becomes the text of its digits: a collection
        /// without a text key refuses it by name.
        impl From<$t> for Key {
            fn from(rowid: $t) -> Self {
                i64::try_from(rowid).map_or_else(|_| Self::Text(rowid.to_string()), Self::Rowid)
            }
        }
        impl From<&$t> for Key {
            fn from(rowid: &$t) -> Self { Self::from(*rowid) }
        }
        impl PartialEq<$t> for Key {
            fn eq(&self, other: &$t) -> bool {
                self.as_rowid().is_some_and(|rowid| i64::try_from(*other) == Ok(rowid))
            }
        }
        impl PartialEq<$t> for &Key {
            fn eq(&self, other: &$t) -> bool { *self == other }
        }
    )*};
}
integer!(i8, i16, i32, i64, isize, u8, u16, u32, u64, usize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_borrowed_key_compares_with_numbers_and_texts() {
        let (row, name, text) = (&Key::from(1), &Key::from("a"), String::from("a"));
        assert!(row == 1 && row == 1_u64 && row == 1_usize && *row == 1);
        assert!([1, 2].iter().any(|id| row == id));
        assert!(row != 2 && row != "1" && row != u64::MAX);
        assert!(name == "a" && name == text && *name == text && *name == "a");
        assert!([text].iter().all(|text| name == text));
        assert!(name != 1 && name != "b");
        assert_eq!([row.clone(), name.clone()], [Key::from(&1_u8), Key::from(Cow::Borrowed("a"))]);
    }

    #[test]
    fn a_number_beyond_i64_is_no_rowid() {
        assert_eq!(Key::from(i64::MAX as u64), Key::Rowid(i64::MAX));
        assert_eq!(Key::from(u64::MAX), Key::Text("18446744073709551615".into()));
        assert_ne!(Key::from(u64::MAX), u64::MAX);
    }
}
