//! At most a given number of rows of each group: rows with one value in a column.
//!
//! Values are equal as in GROUP BY: NULL is a group, and 2 is 2.0.

use super::request::Grouping;
use crate::collection::Connected;
use crate::error::Result;
use crate::schema::{ColumnKind, ColumnType};
use crate::value::Value;
use std::collections::HashMap;

/// The rows that were given of each group.
pub struct Groups {
    grouping: Grouping,
    given: HashMap<Key, usize>,
}

/// What the rows of a group have in common.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    Null,
    Integer(i64),
    /// The bits of a number that is no integer.
    Real(u64),
    Text(String),
    Bytes(Vec<u8>),
}

impl From<Value> for Key {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Integer(number) => Self::Integer(number),
            Value::Real(number) => match Value::whole(number) {
                Some(number) => Self::Integer(number),
                None => Self::Real(number.to_bits()),
            },
            Value::Text(text) => Self::Text(text),
            Value::Blob(bytes) => Self::Bytes(bytes),
        }
    }
}

impl Groups {
    /// No row was given yet.
    pub fn new(grouping: Grouping) -> Self {
        Self { grouping, given: HashMap::new() }
    }

    /// Whether the group of a row has room for it, which the row then takes. False for a row that is gone.
    pub fn admit(&mut self, on: Connected<'_>, rowid: i64) -> Result<bool> {
        let Some(key) = self.key(on, rowid)? else { return Ok(false) };
        let given = self.given.entry(key).or_default();
        let room = *given < self.grouping.rows;
        *given += usize::from(room);
        Ok(room)
    }

    fn key(&self, on: Connected<'_>, rowid: i64) -> Result<Option<Key>> {
        let at = self.grouping.column;
        let Some(row) = on.storage.row(on.conn, rowid)? else { return Ok(None) };
        Ok(Some(match &on.schema.columns[at].kind {
            ColumnKind::Key(ColumnType::Integer) => Key::Integer(rowid),
            ColumnKind::Vector(_) => {
                let nth = on.schema.vector_nth(at).unwrap_or(0);
                let vectors = on.storage.vectors(on.conn, rowid)?;
                vectors.into_iter().nth(nth).flatten().map_or(Key::Null, |bytes| Key::Bytes(bytes.to_vec()))
            }
            _ => {
                let stored = on.schema.stored(at).and_then(|position| row.values.into_iter().nth(position));
                Key::from(stored.unwrap_or(Value::Null))
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_one_group_where_sqlite_takes_them_for_equal() {
        let key = |value: Value| Key::from(value);
        assert!(key(Value::Integer(2)) == key(Value::Real(2.0)));
        assert!(key(Value::Real(0.0)) == key(Value::Real(-0.0)));
        assert!(key(Value::Null) == key(Value::Null));
        assert!(key(Value::Text("2".into())) != key(Value::Integer(2)));
        assert!(key(Value::Text("a".into())) != key(Value::Blob(b"a".to_vec())));
        assert!(key(Value::Real(9.3e18)) != key(Value::Integer(i64::MAX)));
    }
}
