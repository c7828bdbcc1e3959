//! What identifies a row.

use crate::value::Value;
use std::fmt;

/// The key of a row: its text key, or its rowid where the collection has no text key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
impl PartialEq<i64> for Key {
    fn eq(&self, other: &i64) -> bool {
        self.as_rowid() == Some(*other)
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
impl From<&String> for Key {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}
impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}
impl From<&&str> for Key {
    fn from(text: &&str) -> Self {
        Self::Text((*text).to_owned())
    }
}
impl From<i64> for Key {
    fn from(rowid: i64) -> Self {
        Self::Rowid(rowid)
    }
}
impl From<&i64> for Key {
    fn from(rowid: &i64) -> Self {
        Self::Rowid(*rowid)
    }
}
impl From<i32> for Key {
    fn from(rowid: i32) -> Self {
        Self::Rowid(i64::from(rowid))
    }
}
impl From<u32> for Key {
    fn from(rowid: u32) -> Self {
        Self::Rowid(i64::from(rowid))
    }
}
