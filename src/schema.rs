//! What a collection is: its columns, in order, and its table-wide options.
//!
//! A `Schema` is made by the builder below or parsed from `CREATE VIRTUAL TABLE` arguments, validated once by
//! [`Schema::validate`] and stored as JSON in `t_config`. Its JSON form is part of the file format.

mod alteration;
mod default_value;
mod hidden;
mod layout;
mod texts;
mod vector_spec;

pub(crate) use alteration::Alteration;
pub(crate) use default_value::literal;
pub(crate) use layout::{Field, Layout};
pub use vector_spec::{IndexKind, VectorSpec};

use crate::error::{Error, Result};
use crate::limits;
use crate::text_options::TextOptions;
use crate::value::Value;
use crate::vector::Metric;
use serde::{Deserialize, Serialize};

/// `name` quoted as an SQL identifier.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Type of a metadata column or of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ColumnType {
    /// UTF-8 text.
    Text,
    /// 64-bit integer.
    Integer,
    /// 64-bit float; integers are accepted and converted.
    Real,
    /// 0 or 1.
    Boolean,
    /// A JSON object as text; filtered by its paths. No key can have this type.
    Json,
}

impl ColumnType {
    /// The word used in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "TEXT",
            Self::Integer => "INTEGER",
            Self::Real => "REAL",
            Self::Boolean => "BOOLEAN",
            Self::Json => "JSON",
        }
    }
}

/// What a column is for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ColumnKind {
    /// The primary key: `TEXT PRIMARY KEY`, or `INTEGER PRIMARY KEY`, which is the rowid itself.
    Key(ColumnType),
    /// Text searched by BM25.
    FullText {
        /// Multiplies the column's BM25 contribution.
        weight: f32,
        /// Its tokenizer; `None` for the table's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tokenizer: Option<String>,
    },
    /// A typed, filterable value.
    Metadata(ColumnType),
    /// Stored only, any type.
    Unindexed,
    /// An embedding.
    Vector(VectorSpec),
}

/// One declared column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Column {
    /// Name as declared.
    pub name: String,
    /// What it is for.
    pub kind: ColumnKind,
    /// Whether NULL is refused.
    pub not_null: bool,
    /// In a column that refuses NULL, the value of rows that are written without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// The type that an UNINDEXED column was declared with, which means nothing to the collection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<String>,
}

impl Column {
    /// The tokenizer of a FULLTEXT column that has one of its own.
    pub(crate) fn tokenizer(&self) -> Option<&str> {
        match &self.kind {
            ColumnKind::FullText { tokenizer, .. } => tokenizer.as_deref(),
            _ => None,
        }
    }
}

/// The declaration of a collection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[non_exhaustive]
pub struct Schema {
    /// Columns in declared order.
    pub columns: Vec<Column>,
    /// The tokenizer of the FULLTEXT columns that have none of their own.
    pub tokenizer: Option<String>,
    /// Name of the embedding model, shown in dimension errors.
    pub model: Option<String>,
    /// What the names of the hidden columns begin with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden_prefix: Option<String>,
    /// What became of the ids of the metadata columns when columns were added or dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) altered: Option<layout::Altered>,
    /// How text queries are meant that do not say it themselves.
    #[serde(default, skip_serializing_if = "TextOptions::is_empty")]
    pub text: TextOptions,
    /// First mistake of the builder, reported by [`Schema::validate`].
    #[serde(skip)]
    pub(crate) mistake: Option<&'static str>,
}

impl Schema {
    /// A schema without columns.
    pub fn new() -> Self {
        Self::default()
    }

    fn with(mut self, name: impl Into<String>, kind: ColumnKind) -> Self {
        let name = name.into();
        self.columns.push(Column { name, kind, not_null: false, default: None, declared: None });
        self
    }

    /// A text key, unique and never NULL.
    pub fn key(mut self, name: impl Into<String>) -> Self {
        self = self.with(name, ColumnKind::Key(ColumnType::Text));
        self.not_null()
    }

    /// An integer key, which is the rowid.
    pub fn integer_key(self, name: impl Into<String>) -> Self {
        self.with(name, ColumnKind::Key(ColumnType::Integer))
    }

    /// A text column searched by BM25.
    pub fn full_text(self, name: impl Into<String>) -> Self {
        self.full_text_weighted(name, 1.0)
    }

    /// A text column searched by BM25 whose contribution is multiplied by `weight`.
    pub fn full_text_weighted(self, name: impl Into<String>, weight: f32) -> Self {
        self.with(name, ColumnKind::FullText { weight, tokenizer: None })
    }

    /// A filterable text column.
    pub fn text(self, name: impl Into<String>) -> Self {
        self.with(name, ColumnKind::Metadata(ColumnType::Text))
    }

    /// A filterable integer column.
    pub fn integer(self, name: impl Into<String>) -> Self {
        self.with(name, ColumnKind::Metadata(ColumnType::Integer))
    }

    /// A filterable floating-point column.
    pub fn real(self, name: impl Into<String>) -> Self {
        self.with(name, ColumnKind::Metadata(ColumnType::Real))
    }

    /// A filterable column of 0 and 1.
    pub fn boolean(self, name: impl Into<String>) -> Self {
        self.with(name, ColumnKind::Metadata(ColumnType::Boolean))
    }

    /// A column of JSON objects, whose paths can be filtered.
    pub fn json(self, name: impl Into<String>) -> Self {
        self.with(name, ColumnKind::Metadata(ColumnType::Json))
    }

    /// A column that is stored and returned, of any type, and not indexed.
    pub fn unindexed(self, name: impl Into<String>) -> Self {
        self.with(name, ColumnKind::Unindexed)
    }

    /// A vector column with default index settings.
    pub fn vector(self, name: impl Into<String>, dim: usize, metric: Metric) -> Self {
        self.vector_with(name, VectorSpec::new(dim, metric))
    }

    /// A vector column with every setting given.
    pub fn vector_with(self, name: impl Into<String>, spec: VectorSpec) -> Self {
        self.with(name, ColumnKind::Vector(spec))
    }

    /// Refuses NULL in the column declared last. Before any column it is a mistake that [`validate`](Self::validate)
    /// reports.
    pub fn not_null(mut self) -> Self {
        match self.columns.last_mut() {
            Some(last) => last.not_null = true,
            None => self.mistake = Some("not_null() is about the column before it, and there is none yet"),
        }
        self
    }

    /// Gives the column declared last, which refuses NULL, a value for rows that are written without one. It is for metadata
    /// and [`unindexed`](Self::unindexed) columns. Before any column it is a mistake that [`validate`](Self::validate)
    /// reports.
    pub fn default_value(mut self, value: impl Into<Value>) -> Self {
        match self.columns.last_mut() {
            Some(last) => last.default = Some(value.into()).filter(|value| !value.is_null()),
            None => {
                self.mistake = Some("default_value() is about the column before it, and there is none yet")
            }
        }
        self
    }

    /// Records the embedding model, shown when dimensions do not fit.
    pub fn model(mut self, name: impl Into<String>) -> Self {
        self.model = Some(name.into());
        self
    }

    /// Puts `prefix` in front of the names of the hidden columns, so that columns can be called `score`, `rank` or
    /// `distance`. SQL then reads `nl_score` with the prefix `nl_`; nothing changes in Rust.
    pub fn hidden_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.hidden_prefix = Some(prefix.into());
        self
    }

    /// Position and declaration of the column called `name` (ASCII case ignored, as in SQLite).
    pub fn find(&self, name: &str) -> Option<(usize, &Column)> {
        self.columns.iter().enumerate().find(|(_, column)| column.name.eq_ignore_ascii_case(name))
    }

    /// Position and type of the primary key column.
    pub fn key_column(&self) -> Option<(usize, ColumnType)> {
        self.columns.iter().enumerate().find_map(|(at, column)| match column.kind {
            ColumnKind::Key(kind) => Some((at, kind)),
            _ => None,
        })
    }

    /// Whether rows are identified by a text.
    pub(crate) fn has_text_key(&self) -> bool {
        matches!(self.key_column(), Some((_, ColumnType::Text)))
    }

    /// Positions and settings of the vector columns, in declared order.
    pub fn vectors(&self) -> impl Iterator<Item = (usize, &VectorSpec)> {
        self.columns.iter().enumerate().filter_map(|(at, column)| match &column.kind {
            ColumnKind::Vector(spec) => Some((at, spec)),
            _ => None,
        })
    }

    /// Positions and weights of the FULLTEXT columns, in declared order.
    pub fn full_texts(&self) -> impl Iterator<Item = (usize, f32)> {
        self.columns.iter().enumerate().filter_map(|(at, column)| match column.kind {
            ColumnKind::FullText { weight, .. } => Some((at, weight)),
            _ => None,
        })
    }

    /// Positions and types of the metadata columns, in declared order.
    pub fn metadata(&self) -> impl Iterator<Item = (usize, ColumnType)> {
        self.columns.iter().enumerate().filter_map(|(at, column)| match column.kind {
            ColumnKind::Metadata(kind) => Some((at, kind)),
            _ => None,
        })
    }

    /// Whether the column at `at` is a column of `t_rows`. Vectors are kept elsewhere, and an INTEGER key is the rowid.
    pub(crate) fn is_stored(&self, at: usize) -> bool {
        let kind = self.columns.get(at).map(|column| &column.kind);
        !matches!(kind, None | Some(ColumnKind::Vector(_) | ColumnKind::Key(ColumnType::Integer)))
    }

    /// Position in a stored row of the column at `at`.
    pub(crate) fn stored(&self, at: usize) -> Option<usize> {
        self.is_stored(at).then(|| (0..at).filter(|before| self.is_stored(*before)).count())
    }

    /// Positions in a stored row of all columns, in declared order.
    pub(crate) fn stored_positions(&self) -> impl Iterator<Item = Option<usize>> + '_ {
        let mut next = 0;
        (0..self.columns.len()).map(move |at| {
            self.is_stored(at).then(|| {
                next += 1;
                next - 1
            })
        })
    }

    /// Position among the vector columns of the column at `at`.
    pub(crate) fn vector_nth(&self, at: usize) -> Option<usize> {
        self.vectors().position(|(vector, _)| vector == at)
    }

    /// Position among the FULLTEXT columns of the column at `at`.
    pub(crate) fn full_text_nth(&self, at: usize) -> Option<usize> {
        self.full_texts().position(|(full_text, _)| full_text == at)
    }

    /// Checks names, counts and ranges for the table called `table`.
    ///
    /// # Errors
    /// [`Error::Schema`] or [`Error::Limit`] that names the column.
    pub fn validate(&self, table: &str) -> Result<()> {
        self.check_prefix(table)?;
        self.check_name(table)?;
        if let Some(mistake) = self.mistake {
            return Err(Error::Schema(format!("{table}: {mistake}")));
        }
        if self.altered.as_ref().is_some_and(|altered| !altered.fits(self.metadata().count())) {
            return Err(Error::Schema(format!("{table}: the ids of its columns do not fit them")));
        }
        if self.columns.is_empty() {
            return Err(Error::Schema(format!("{table}: declare at least one column")));
        }
        if self.columns.len() > limits::MAX_COLUMNS {
            return Err(Error::Limit {
                what: format!("{table}: number of columns"),
                got: self.columns.len() as u64,
                max: limits::MAX_COLUMNS as u64,
            });
        }
        for (at, column) in self.columns.iter().enumerate() {
            self.validate_column(table, at, column)?;
        }
        let keys = self.columns.iter().filter(|c| matches!(c.kind, ColumnKind::Key(_))).count();
        if keys > 1 {
            return Err(Error::Schema(format!("{table}: only one column can be the PRIMARY KEY")));
        }
        self.text.check_of_table().map_err(|why| Error::Schema(format!("{table}: {why}")))?;
        Ok(())
    }

    fn validate_column(&self, table: &str, at: usize, column: &Column) -> Result<()> {
        let name = &column.name;
        let bad = |why: String| Err(Error::Schema(format!("{table}.{name}: {why}")));
        if name.is_empty() || name.contains('\0') {
            return Err(Error::Schema(format!("{table}: column {} has no usable name", at + 1)));
        }
        let rowid = ["rowid", "oid", "_rowid_"].iter().any(|word| name.eq_ignore_ascii_case(word));
        if self.is_hidden(name) {
            let hint = if self.hidden_prefix.is_some() { "" } else { ", or declare hidden_prefix = 'nl_'" };
            return bad(format!("this name is reserved for a hidden column; choose another{hint}"));
        }
        if rowid || name.eq_ignore_ascii_case(table) {
            return bad("this name is reserved for a hidden column; choose another".into());
        }
        if self.find(name).is_some_and(|(first, _)| first != at) {
            return bad("this name is declared twice".into());
        }
        if let Some(default) = &column.default {
            return self.validate_default(column, default).or_else(bad);
        }
        match &column.kind {
            ColumnKind::Key(ColumnType::Real | ColumnType::Boolean | ColumnType::Json) => {
                bad("a PRIMARY KEY must be TEXT or INTEGER".into())
            }
            ColumnKind::FullText { weight, .. } if !(weight.is_finite() && *weight > 0.0) => {
                bad(format!("WEIGHT must be a positive number, got {weight}"))
            }
            ColumnKind::Vector(spec) => spec.check().or_else(bad),
            _ => Ok(()),
        }
    }
}
