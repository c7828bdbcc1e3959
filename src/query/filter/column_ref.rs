//! Filters over declared columns, column by column.

use super::Filter;
use crate::value::{Op, Value};

/// A column by name, from which comparisons are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnRef(String);

/// The column called `name`: `col("year").ge(2020)`.
pub fn col(name: impl Into<String>) -> ColumnRef {
    ColumnRef(name.into())
}

impl ColumnRef {
    fn compare(self, op: Op, value: impl Into<Value>) -> Filter {
        Filter::Compare { column: self.0, op, value: value.into() }
    }

    /// `column = value`; never true for NULL.
    pub fn eq(self, value: impl Into<Value>) -> Filter {
        self.compare(Op::Eq, value)
    }

    /// `column <> value`; never true for NULL.
    pub fn ne(self, value: impl Into<Value>) -> Filter {
        self.compare(Op::Ne, value)
    }

    /// `column < value`.
    pub fn lt(self, value: impl Into<Value>) -> Filter {
        self.compare(Op::Lt, value)
    }

    /// `column <= value`.
    pub fn le(self, value: impl Into<Value>) -> Filter {
        self.compare(Op::Le, value)
    }

    /// `column > value`.
    pub fn gt(self, value: impl Into<Value>) -> Filter {
        self.compare(Op::Gt, value)
    }

    /// `column >= value`.
    pub fn ge(self, value: impl Into<Value>) -> Filter {
        self.compare(Op::Ge, value)
    }

    /// `column BETWEEN low AND high`, both ends included.
    pub fn between(self, low: impl Into<Value>, high: impl Into<Value>) -> Filter {
        self.clone().ge(low).and(self.le(high))
    }

    /// `column IN (values)`.
    pub fn is_in<V: Into<Value>>(self, values: impl IntoIterator<Item = V>) -> Filter {
        Filter::In { column: self.0, values: values.into_iter().map(Into::into).collect() }
    }

    /// `column IS NULL`.
    pub fn is_null(self) -> Filter {
        Filter::IsNull { column: self.0 }
    }

    /// `column IS NOT NULL`.
    pub fn is_not_null(self) -> Filter {
        self.is_null().not()
    }

    /// `column LIKE 'prefix%'`, the prefix taken literally; ASCII letters match in either case. The column is TEXT, or the
    /// text key.
    pub fn like_prefix(self, prefix: impl Into<String>) -> Filter {
        Filter::Prefix { column: self.0, prefix: prefix.into(), ignore_case: true }
    }

    /// The text, or the text key, starts with `prefix`, case included: `col("id").starts_with("report.pdf#")`.
    pub fn starts_with(self, prefix: impl Into<String>) -> Filter {
        Filter::Prefix { column: self.0, prefix: prefix.into(), ignore_case: false }
    }

    /// The text, or the text key, has `text` in it, case included: `instr(column, text) > 0`.
    pub fn contains(self, text: impl Into<String>) -> Filter {
        Filter::Contains { column: self.0, text: text.into() }
    }

    /// `column LIKE pattern` on a text or the text key: `%` is any text, `_` one character, ASCII letters match in either
    /// case. A pattern has up to 1,024 bytes.
    pub fn like(self, pattern: impl Into<String>) -> Filter {
        Filter::Like { column: self.0, pattern: pattern.into() }
    }
}
