//! The filter of a query: a tree over column names that users build, serialise and compare.
//!
//! A filter means what the same WHERE clause means in SQLite, three-valued logic included: a row qualifies where the
//! filter is true, and the NOT of a comparison with NULL is not true. But texts have the order of their UTF-8 in every file,
//! and a NUL in a pattern is a character like others. [`Filter::bind`] resolves the names against a schema, once a query; the
//! [`Predicate`] it gives is evaluated for whole segments and for single rows.

mod column_ref;
mod json;
mod make;
mod predicate;
mod row;
#[cfg(test)]
mod row_tests;
mod sql;
#[cfg(test)]
mod tests;

pub use column_ref::{ColumnRef, col};
pub use json::{JsonFilterText, JsonPath, JsonRef, json};
pub use predicate::Predicate;
pub use row::RowFilter;

use crate::collection::KeyTest;
use crate::error::{Error, Result};
use crate::json::{JsonFilter, Pattern};
use crate::schema::{ColumnKind, ColumnType, Schema};
use crate::value::{Op, Value};
use serde::{Deserialize, Serialize};

/// Deepest nesting of AND, OR and NOT, below SQLite's own limit of 1,000 for expressions.
pub const MAX_DEPTH: usize = 250;

/// Which rows a query may return. Made by [`col`], [`json`], [`Filter::row`] and the methods below; its variants are public so that programs
/// can store filters and look into them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Filter {
    /// Every row.
    All,
    /// `column op value`. The column is a metadata column or the key.
    Compare {
        /// Name of the column; `rowid` is understood too.
        column: String,
        /// The operator.
        op: Op,
        /// The constant; compared by the rules of the column's affinity, so `'2020'` equals 2020 in an INTEGER column.
        value: Value,
    },
    /// `column IN (values)`.
    In {
        /// Name of the column.
        column: String,
        /// The constants, in any order and number.
        values: Vec<Value>,
    },
    /// `column IS NULL`.
    IsNull {
        /// Name of the column.
        column: String,
    },
    /// The text starts with a prefix: `LIKE 'prefix%'`, or `GLOB 'prefix*'` when case matters.
    Prefix {
        /// Name of a TEXT column or of the text key.
        column: String,
        /// The literal prefix.
        prefix: String,
        /// Whether ASCII letters match in either case, as in LIKE.
        ignore_case: bool,
    },
    /// The text matches a pattern: `column LIKE pattern`.
    Like {
        /// Name of a TEXT column or of the text key.
        column: String,
        /// `%` is any text, `_` one character; ASCII letters match in either case.
        pattern: String,
    },
    /// The text has another in it, case included.
    Contains {
        /// Name of a TEXT column or of the text key.
        column: String,
        /// What is looked for.
        text: String,
    },
    /// The row passes a filter, as `row_matches(table, filter)`: never NULL.
    Row {
        /// The filter as a JSON text: `{"$or": [{"year": 2020}, {"meta.tags": {"$contains": "db"}}]}`.
        filter: String,
    },
    /// The object in a JSON column passes a filter, as `json_matches(column, filter)`; NULL where the column is.
    Json {
        /// Name of a JSON column.
        column: String,
        /// The filter as a JSON text: `{"year": {"$gte": 2020}}`.
        filter: String,
    },
    /// `rowid op value`.
    RowidCompare(Op, i64),
    /// `rowid IN (ids)`, in any order and number.
    Rowids(Vec<i64>),
    /// The text key is one of these.
    Keys(Vec<String>),
    /// Every one of them; true when there are none.
    And(Vec<Filter>),
    /// At least one of them; false when there are none.
    Or(Vec<Filter>),
    /// SQL's NOT: NULL stays NULL.
    Not(Box<Filter>),
}

impl Filter {
    /// The rows whose object in a JSON column passes `filter`, in the form that `json_matches()` takes, as a text or a
    /// [`serde_json::Value`]. Whether it is a filter is checked when it is used.
    ///
    /// ```
    /// # use nearlite::Filter;
    /// let recent = Filter::json("meta", r#"{"year": {"$gte": 2020}, "tags": {"$contains": "db"}}"#);
    /// # let _ = recent;
    /// ```
    pub fn json(column: impl Into<String>, filter: impl Into<JsonFilterText>) -> Self {
        Self::Json { column: column.into(), filter: filter.into().0 }
    }

    /// The rows that pass `filter`, in the form that the SQL function `row_matches(table, filter)` takes: the language of
    /// `json_matches()` with the names of columns for keys, and `column.path` for what is inside a JSON column. A column
    /// that is NULL is a key that is missing, and a value is never equal to one of another type. Whether it is a filter is
    /// checked when it is used.
    ///
    /// ```
    /// # use nearlite::Filter;
    /// let english = Filter::row(r#"{"year": {"$gte": 2020}, "$or": [{"lang": "en"}, {"meta.lang": "en"}]}"#);
    /// # let _ = english;
    /// ```
    pub fn row(filter: impl Into<JsonFilterText>) -> Self {
        Self::Row { filter: filter.into().0 }
    }

    /// The rows with these rowids.
    pub fn rowids(ids: impl IntoIterator<Item = i64>) -> Self {
        Self::Rowids(ids.into_iter().collect())
    }

    /// The rows with these text keys.
    pub fn keys<K: Into<String>>(keys: impl IntoIterator<Item = K>) -> Self {
        Self::Keys(keys.into_iter().map(Into::into).collect())
    }

    /// Both must hold.
    pub fn and(mut self, mut other: Self) -> Self {
        match (&mut self, &mut other) {
            (Self::All, _) => other,
            (_, Self::All) => self,
            (Self::And(all), Self::And(more)) => {
                all.append(more);
                self
            }
            (Self::And(all), _) => {
                all.push(other);
                self
            }
            (_, Self::And(all)) => {
                all.insert(0, self);
                other
            }
            _ => Self::And(vec![self, other]),
        }
    }

    /// At least one must hold.
    pub fn or(mut self, mut other: Self) -> Self {
        match (&mut self, &mut other) {
            (Self::Or(any), Self::Or(more)) => {
                any.append(more);
                self
            }
            (Self::Or(any), _) => {
                any.push(other);
                self
            }
            (_, Self::Or(any)) => {
                any.insert(0, self);
                other
            }
            _ => Self::Or(vec![self, other]),
        }
    }

    /// SQL's NOT: where the filter is NULL, so is its NOT.
    #[allow(clippy::should_implement_trait, reason = "`!` is implemented too; the method chains better")]
    pub fn not(mut self) -> Self {
        match &mut self {
            Self::Not(inner) => std::mem::replace(inner, Self::All),
            _ => Self::Not(Box::new(self)),
        }
    }

    /// Takes out the filters below this one.
    fn take_children(&mut self) -> Vec<Self> {
        match self {
            Self::And(filters) | Self::Or(filters) => std::mem::take(filters),
            Self::Not(filter) => vec![std::mem::replace(filter, Self::All)],
            _ => Vec::new(),
        }
    }

    /// Checks that every column exists and can be filtered so, for the table called `table`.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a column that is not there, [`Error::Value`] for one that cannot be filtered so,
    /// [`Error::Limit`] for a tree that is nested too deeply.
    pub(crate) fn check(&self, table: &str, schema: &Schema) -> Result<()> {
        self.check_at(table, schema, 0)
    }

    fn check_at(&self, table: &str, schema: &Schema, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(Error::Limit {
                what: format!("{table}: nesting of the filter"),
                got: depth as u64,
                max: MAX_DEPTH as u64,
            });
        }
        match self {
            Self::All | Self::RowidCompare(..) | Self::Rowids(_) => Ok(()),
            Self::Keys(_) => match schema.key_column() {
                Some((_, ColumnType::Text)) => Ok(()),
                _ => Err(Error::Value(format!("{table} has no text key; filter by rowid or by a column"))),
            },
            Self::Compare { column, .. } => match target(table, schema, column)? {
                Target::Metadata(_, ColumnType::Json) => Err(whole_json(table, column)),
                _ => Ok(()),
            },
            Self::In { column, .. } => match target(table, schema, column)? {
                Target::Metadata(_, ColumnType::Json) => Err(whole_json(table, column)),
                _ => Ok(()),
            },
            Self::IsNull { column } => target(table, schema, column).map(drop),
            Self::Json { column, filter } => match target(table, schema, column)? {
                Target::Metadata(_, ColumnType::Json) => match JsonFilter::read(filter) {
                    Ok(_) => Ok(()),
                    Err(why) => Err(Error::Value(format!("{table}.{column}: json_matches: {why}"))),
                },
                _ => Err(Error::Value(format!("{table}.{column}: only a JSON column is filtered by paths"))),
            },
            Self::Prefix { column, .. } | Self::Contains { column, .. } => texts(table, schema, column),
            Self::Like { column, pattern } => {
                texts(table, schema, column)?;
                match Pattern::new(pattern) {
                    Ok(_) => Ok(()),
                    Err(why) => Err(Error::Value(format!("{table}.{column}: {why}"))),
                }
            }
            Self::Row { filter } => RowFilter::read(table, schema, filter).map(drop),
            Self::And(filters) | Self::Or(filters) => {
                filters.iter().try_for_each(|filter| filter.check_at(table, schema, depth + 1))
            }
            Self::Not(filter) => filter.check_at(table, schema, depth + 1),
        }
    }

    /// Checks the filter and resolves it against `schema`; `resolve_keys` gives the rowids of text keys, those that
    /// exist, in any order.
    ///
    /// # Errors
    /// Those of [`check`](Self::check) and of `resolve_keys`.
    pub(crate) fn bind(
        &self,
        table: &str,
        schema: &Schema,
        resolve_keys: ResolveKeys<'_>,
    ) -> Result<Predicate> {
        self.check(table, schema)?;
        make::predicate(self, table, schema, resolve_keys)
    }
}

/// Gives the rowids of the rows whose text key passes a test.
pub(crate) type ResolveKeys<'a> = &'a dyn Fn(KeyTest<'_>) -> Result<Vec<i64>>;

/// Checks that a column holds texts.
fn texts(table: &str, schema: &Schema, column: &str) -> Result<()> {
    match target(table, schema, column)? {
        Target::TextKey | Target::Metadata(_, ColumnType::Text) => Ok(()),
        _ => Err(Error::Value(format!(
            "{table}.{column}: only a TEXT column or a text key is filtered by a piece of text"
        ))),
    }
}

fn whole_json(table: &str, column: &str) -> Error {
    Error::Value(format!(
        "{table}.{column}: a JSON column is filtered by its paths, not as a whole; write json(\"{column}\").path(...)"
    ))
}

/// What a column name of a filter stands for.
enum Target {
    Rowid,
    TextKey,
    /// Position among the metadata columns, and type.
    Metadata(usize, ColumnType),
}

fn target(table: &str, schema: &Schema, name: &str) -> Result<Target> {
    let Some((at, column)) = schema.find(name) else {
        if ["rowid", "oid", "_rowid_"].iter().any(|word| name.eq_ignore_ascii_case(word)) {
            return Ok(Target::Rowid);
        }
        let usable: Vec<&str> = schema
            .columns
            .iter()
            .filter(|column| matches!(column.kind, ColumnKind::Metadata(_) | ColumnKind::Key(_)))
            .map(|column| column.name.as_str())
            .collect();
        return Err(Error::Unknown(format!(
            "{table} has no column {name}; columns that can be filtered: {}",
            if usable.is_empty() { "rowid".to_owned() } else { usable.join(", ") }
        )));
    };
    let what = match column.kind {
        ColumnKind::Key(ColumnType::Text) => return Ok(Target::TextKey),
        ColumnKind::Key(_) => return Ok(Target::Rowid),
        ColumnKind::Metadata(kind) => {
            let position = schema.metadata().position(|(declared, _)| declared == at).unwrap_or(0);
            return Ok(Target::Metadata(position, kind));
        }
        ColumnKind::FullText { .. } => {
            "a FULLTEXT column; search it with MATCH, or declare a metadata column"
        }
        ColumnKind::Unindexed => "UNINDEXED; declare it with a type to filter by it",
        ColumnKind::Vector(_) => "a vector column; search it with MATCH and bound the distance",
    };
    Err(Error::Value(format!("{table}.{name} cannot be filtered: it is {what}")))
}

/// Level by level: a tree may be deeper than the stack.
impl Drop for Filter {
    fn drop(&mut self) {
        let mut open = self.take_children();
        while let Some(mut filter) = open.pop() {
            open.append(&mut filter.take_children());
        }
    }
}

impl std::ops::Not for Filter {
    type Output = Self;
    fn not(self) -> Self {
        Self::not(self)
    }
}
impl std::ops::BitAnd for Filter {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        self.and(other)
    }
}
impl std::ops::BitOr for Filter {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        self.or(other)
    }
}
