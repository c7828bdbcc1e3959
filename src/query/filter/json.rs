//! Filters over JSON columns, path by path.

use super::Filter;
use crate::json::{Scalar, write_text};

/// A JSON column by name, from which paths are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonRef(String);

/// A dotted path in a JSON column, from which tests are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonPath {
    column: String,
    path: String,
}

/// A filter in the form that `json_matches()` takes, from a text or from a [`serde_json::Value`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonFilterText(pub(super) String);

macro_rules! from_text {
    ($($t:ty),*) => {$(
        impl From<$t> for JsonFilterText {
            fn from(text: $t) -> Self { Self(text.to_string()) }
        }
    )*};
}
from_text!(&str, String, &String, serde_json::Value, &serde_json::Value);

/// The JSON column called `column`: `json("meta").path("author.name").eq("Ada")`.
///
/// What the tests mean, where a path leads to nothing, to a list or to a value of another type too, is in the table of
/// `docs/sql.md`: they are those of `json_matches()`. Numbers, texts and booleans are never equal to one another.
///
/// ```
/// use nearlite::json;
///
/// let meta = json("meta");
/// let filter = meta.path("year").ge(2020).and(meta.path("tags").contains("db").or(meta.path("draft").ne(true)));
/// # let _ = filter;
/// ```
pub fn json(column: impl Into<String>) -> JsonRef {
    JsonRef(column.into())
}

impl JsonRef {
    /// A path: keys joined by dots. A key that has a dot itself goes before nested ones.
    pub fn path(&self, path: impl Into<String>) -> JsonPath {
        JsonPath { column: self.0.clone(), path: path.into() }
    }

    /// The column is not NULL and its object passes `filter`, as [`Filter::json`].
    pub fn matches(&self, filter: impl Into<JsonFilterText>) -> Filter {
        Filter::json(self.0.clone(), filter)
    }
}

fn list<V: Into<Scalar>>(values: impl IntoIterator<Item = V>, out: &mut String) {
    out.push('[');
    for (at, value) in values.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        value.into().write(out);
    }
    out.push(']');
}

impl JsonPath {
    fn test(self, operator: &str, operand: impl FnOnce(&mut String)) -> Filter {
        let mut filter = String::from("{");
        write_text(&self.path, &mut filter);
        filter.push_str(":{\"");
        filter.push_str(operator);
        filter.push_str("\":");
        operand(&mut filter);
        filter.push_str("}}");
        Filter::Json { column: self.column, filter }
    }

    fn scalar(self, operator: &str, value: impl Into<Scalar>) -> Filter {
        self.test(operator, |out| value.into().write(out))
    }

    fn list<V: Into<Scalar>>(self, operator: &str, values: impl IntoIterator<Item = V>) -> Filter {
        self.test(operator, |out| list(values, out))
    }

    /// The value, or an element of a list, equals `value`; `None` also where the path leads to nothing.
    pub fn eq(self, value: impl Into<Scalar>) -> Filter {
        self.scalar("$eq", value)
    }

    /// The opposite of [`eq`](Self::eq).
    pub fn ne(self, value: impl Into<Scalar>) -> Filter {
        self.scalar("$ne", value)
    }

    /// A number, or text, above `bound`.
    pub fn gt(self, bound: impl Into<Scalar>) -> Filter {
        self.scalar("$gt", bound)
    }

    /// A number, or text, of at least `bound`.
    pub fn ge(self, bound: impl Into<Scalar>) -> Filter {
        self.scalar("$gte", bound)
    }

    /// A number, or text, below `bound`.
    pub fn lt(self, bound: impl Into<Scalar>) -> Filter {
        self.scalar("$lt", bound)
    }

    /// A number, or text, of at most `bound`.
    pub fn le(self, bound: impl Into<Scalar>) -> Filter {
        self.scalar("$lte", bound)
    }

    /// One number, or text, from `low` to `high`, both included.
    pub fn between(self, low: impl Into<Scalar>, high: impl Into<Scalar>) -> Filter {
        self.list("$between", [low.into(), high.into()])
    }

    /// The value, or an element of a list, equals one of `values`.
    pub fn is_in<V: Into<Scalar>>(self, values: impl IntoIterator<Item = V>) -> Filter {
        self.list("$in", values)
    }

    /// The opposite of [`is_in`](Self::is_in).
    pub fn not_in<V: Into<Scalar>>(self, values: impl IntoIterator<Item = V>) -> Filter {
        self.list("$nin", values)
    }

    /// A list that has `value`.
    pub fn contains(self, value: impl Into<Scalar>) -> Filter {
        self.scalar("$contains", value)
    }

    /// A list that has one of `values`.
    pub fn contains_any<V: Into<Scalar>>(self, values: impl IntoIterator<Item = V>) -> Filter {
        self.list("$contains_any", values)
    }

    /// A list that has all of `values`.
    pub fn contains_all<V: Into<Scalar>>(self, values: impl IntoIterator<Item = V>) -> Filter {
        self.list("$contains_all", values)
    }

    /// The path leads to a value, null included.
    pub fn exists(self) -> Filter {
        self.scalar("$exists", true)
    }

    /// A text that matches a pattern of `%` and `_`; ASCII letters match in either case.
    pub fn like(self, pattern: &str) -> Filter {
        self.scalar("$like", pattern)
    }
}
