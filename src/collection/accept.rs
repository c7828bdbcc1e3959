//! What a column accepts: types, NULL, and what a vector must fit. The words of a refusal are here, too.

use super::connected::Connected;
use crate::columns::affinity;
use crate::error::{Error, Result};
use crate::json::{self, Json};
use crate::schema::{Column, ColumnKind, ColumnType};
use crate::value::Value;
use crate::vector::{Store, fits_f16};
use rusqlite::types::ValueRef;

impl Connected<'_> {
    /// The value as the column stores it.
    ///
    /// # Errors
    /// [`Error::Value`] for a value of another type, [`Error::Constraint`] for a NULL where there must be none.
    pub fn accept(self, column: &Column, value: Value) -> Result<Value> {
        let expected = match &column.kind {
            ColumnKind::Key(kind) | ColumnKind::Metadata(kind) => Some(*kind),
            ColumnKind::FullText { .. } => Some(ColumnType::Text),
            ColumnKind::Unindexed | ColumnKind::Vector(_) => None,
        };
        if value.is_null() {
            self.accept_null(column)?;
            return Ok(value);
        }
        match expected {
            Some(ColumnType::Json) => self.accept_json(column, value.as_ref()),
            Some(kind) => affinity::store(kind, value).map_err(|value| self.wrong_type(column, kind, &value)),
            None => Ok(value),
        }
    }

    /// As [`accept`](Self::accept), of a value as SQLite has it: the bytes of a JSON text are read before they become one.
    ///
    /// # Errors
    /// Those of [`accept`](Self::accept).
    pub fn accept_ref(self, column: &Column, value: ValueRef<'_>) -> Result<Value> {
        match column.kind {
            ColumnKind::Metadata(ColumnType::Json) => self.accept_json(column, value),
            _ => self.accept(column, Value::from(value)),
        }
    }

    /// The text of a JSON object, as it is.
    ///
    /// # Errors
    /// As [`Self::accept`].
    fn accept_json(self, column: &Column, value: ValueRef<'_>) -> Result<Value> {
        let place = || format!("{}.{}", self.storage.table, column.name);
        let expected = |got: &str| {
            let hint = if got == "null" { "; for no object insert NULL, not the text 'null'" } else { "" };
            Err(Error::Value(format!("{}: expected a JSON object, got {got}{hint}", place())))
        };
        match value {
            ValueRef::Null => {
                self.accept_null(column)?;
                Ok(Value::Null)
            }
            ValueRef::Text(text) => match json::parse_bytes(text) {
                Ok(Json::Object(_)) => Ok(Value::from(value)),
                Ok(other) => expected(other.kind()),
                Err(why) => Err(Error::Value(format!("{}: not valid JSON: {why}", place()))),
            },
            ValueRef::Blob(bytes) => expected(&format!(
                "a BLOB of {} bytes (of jsonb() take json(), which gives a text)",
                bytes.len()
            )),
            other => expected(Value::from(other).type_name()),
        }
    }

    /// The rowid that a value of an INTEGER key asks for; `None` for NULL, where SQLite chooses one.
    ///
    /// # Errors
    /// As [`Self::accept`].
    pub fn accept_rowid(self, column: &Column, value: Value) -> Result<Option<i64>> {
        match affinity::store(ColumnType::Integer, value) {
            Ok(Value::Integer(rowid)) => Ok(Some(rowid)),
            Ok(_) | Err(Value::Null) => Ok(None),
            Err(value) => Err(self.wrong_type(column, ColumnType::Integer, &value)),
        }
    }

    /// Checks that the column takes NULL.
    ///
    /// # Errors
    /// [`Error::Constraint`].
    pub fn accept_null(self, column: &Column) -> Result<()> {
        if column.not_null || matches!(column.kind, ColumnKind::Key(_)) {
            let table = &self.storage.table;
            return Err(Error::Constraint(format!("NOT NULL constraint failed: {table}.{}", column.name)));
        }
        Ok(())
    }

    /// Checks that the numbers of a vector, which is finite and of the right length, can be stored.
    ///
    /// # Errors
    /// [`Error::Value`] that shows the number.
    pub fn accept_vector(self, column: &Column, vector: &[f32]) -> Result<()> {
        if let ColumnKind::Vector(spec) = &column.kind
            && spec.store == Store::F16
            && let Some(index) = vector.iter().position(|x| !fits_f16(*x))
        {
            let (x, table, name) = (vector[index], &self.storage.table, &column.name);
            return Err(Error::Value(format!(
                "{table}.{name}: value {x} at index {index} is too large for STORE f16, whose numbers go up to 65504"
            )));
        }
        Ok(())
    }

    fn wrong_type(self, column: &Column, kind: ColumnType, value: &Value) -> Error {
        let shown = match value {
            Value::Text(text) => {
                let cut: String = text.chars().take(40).collect();
                format!("TEXT '{cut}{}'", if text.chars().count() > 40 { "…" } else { "" })
            }
            Value::Blob(bytes) => format!("a BLOB of {} bytes", bytes.len()),
            Value::Integer(int) => format!("INTEGER {int}"),
            Value::Real(real) => format!("REAL {real}"),
            Value::Null => "NULL".into(),
        };
        let expected = if kind == ColumnType::Boolean { "BOOLEAN (0 or 1)" } else { kind.name() };
        let hint = match value {
            Value::Text(text) if affinity::is_missing(kind, text) => {
                "; for a missing value insert NULL, for example by NULLIF(value, '')"
            }
            _ => "",
        };
        Error::Value(format!(
            "{}.{}: expected {expected}, got {shown}{hint}",
            self.storage.table, column.name
        ))
    }
}
