//! The one error type of the crate: every variant says what is wrong, where, and what to do about it.

/// A `Result` whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong. Each message is one sentence that names the place and the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A vector has another length than its column declares.
    #[error("{column}: expected {expected} dimensions, got {got}{hint}")]
    Dimension {
        /// `table.column`, and which query where there are many.
        column: String,
        /// Dimensions the column declares.
        expected: usize,
        /// Dimensions of the value.
        got: usize,
        /// Extra advice, for example the name of the embedding model; empty when there is none.
        hint: String,
    },
    /// A vector holds NaN or an infinity.
    #[error("{column}: value {value} at index {index} is not a finite number")]
    NotFinite {
        /// `table.column`, and which query where there are many.
        column: String,
        /// 0-based index of the offending element.
        index: usize,
        /// The element as text.
        value: String,
    },
    /// A value that cannot be used where it was given: type, range or shape.
    #[error("{0}")]
    Value(String),
    /// The declaration of a table is wrong.
    #[error("{0}")]
    Schema(String),
    /// The text of a full-text query cannot be used.
    #[error("{0}")]
    QueryText(String),
    /// A unique key or a NOT NULL rule would be broken; nothing was changed.
    #[error("{0}")]
    Constraint(String),
    /// There is no such table, column, command or option.
    #[error("{0}")]
    Unknown(String),
    /// A hard limit was passed.
    #[error("{what} is {got}, the limit is {max}")]
    Limit {
        /// What was too large.
        what: String,
        /// The value given.
        got: u64,
        /// The largest value allowed.
        max: u64,
    },
    /// Stored bytes are damaged. The rows themselves are safe in `t_rows`, `t_vectors` and `t_tiles`.
    #[error(
        "{place} is damaged: {what}; run the table's 'rebuild' command to build the index again from the rows"
    )]
    Corrupt {
        /// Table, segment and payload.
        place: String,
        /// What was found.
        what: String,
    },
    /// The file was written by a newer format version.
    #[error("{table} has format version {file}, this nearlite reads up to {supported}; use a newer nearlite")]
    NewerFormat {
        /// The table.
        table: String,
        /// Version in the file.
        file: i64,
        /// Newest version this build reads.
        supported: i64,
    },
    /// The tables of an index cannot be made now. The rows are stored, and found without an index.
    #[error("{0}")]
    Refused(String),
    /// Memory for something large could not be had. Nothing is damaged; free some memory and try again.
    #[error("out of memory: {bytes} bytes more were needed")]
    OutOfMemory {
        /// Bytes that were asked for.
        bytes: u64,
    },
    /// The statement was interrupted by `sqlite3_interrupt` or a progress callback.
    #[error("interrupted")]
    Interrupted,
    /// A file that is no database could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// What the system reported.
        source: std::io::Error,
    },
    /// SQLite itself reported an error.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// The full-text engine reported an error.
    #[error("full-text index: {0}")]
    Text(String),
    /// A row could not be turned into, or made from, the user's own type.
    #[error("row conversion: {0}")]
    Serde(String),
}

impl Error {
    /// A vector of the wrong length; `model` is the embedding model of the table.
    pub(crate) fn dimension(column: String, expected: usize, got: usize, model: Option<&str>) -> Self {
        Self::Dimension { column, expected, got, hint: Self::model_hint(model) }
    }

    /// What an error about a vector says of the embedding model.
    pub(crate) fn model_hint(model: Option<&str>) -> String {
        model.map_or(String::new(), |model| format!(" (model is {model})"))
    }

    /// Checks the model that a vector is said to be of, `named`, against the one that its table declares. Without a declared
    /// one there is nothing to compare.
    pub(crate) fn check_model(place: &str, declared: Option<&str>, named: &str) -> Result<()> {
        match declared {
            Some(declared) if declared != named => Err(Self::Value(format!(
                "{place}: the vector is of the model '{named}', the table holds those of '{declared}'; embed it with \
                 '{declared}', or embed all texts with '{named}' into a new table"
            ))),
            _ => Ok(()),
        }
    }

    /// Checks that every element of a vector is a finite number; `column` names the vector.
    pub(crate) fn check_finite(vector: &[f32], column: impl FnOnce() -> String) -> Result<()> {
        // Without a branch in the loop it compiles to SIMD; the culprit is looked for only when there is one.
        let finite = vector.iter().fold(true, |finite, element| finite & element.is_finite());
        if !finite && let Some(index) = vector.iter().position(|element| !element.is_finite()) {
            return Err(Self::NotFinite { column: column(), index, value: vector[index].to_string() });
        }
        Ok(())
    }

    /// An error of reading stored values: a value of a wrong type is damage at `place`, every other error is SQLite's own.
    pub(crate) fn reading(error: rusqlite::Error, place: impl FnOnce() -> String) -> Self {
        use rusqlite::Error as Sql;
        match error {
            Sql::InvalidColumnType(..)
            | Sql::FromSqlConversionFailure(..)
            | Sql::IntegralValueOutOfRange(..)
            | Sql::Utf8Error(..) => Self::corrupt(place(), "a value has a wrong type"),
            other => Self::Sqlite(other),
        }
    }

    /// Reading a table led back to the table itself.
    pub(crate) fn recursive() -> Self {
        let what =
            "recursively defined: a view or a trigger leads from the data of a nearlite table back to it";
        Self::Schema(format!("{what}; drop that view or trigger"))
    }

    /// Damaged bytes at `place`.
    pub(crate) fn corrupt(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Corrupt { place: place.into(), what: what.into() }
    }
}
