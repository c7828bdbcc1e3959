//! How the metadata columns of a table are found in its segments, whatever has become of the columns since.
//!
//! A segment is never written again when columns are added, dropped or renamed. So a metadata column has an id, which no
//! other column of the table ever had: not its name, nor its place. As long as no metadata column was added or dropped the
//! ids are 0, 1, 2 and stand nowhere.

use super::{ColumnType, Schema};
use crate::value::Value;
use serde::{Deserialize, Serialize};

/// What is stored of the ids once they are not the places of the columns any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Altered {
    /// One for each metadata column, in order.
    pub(super) metadata: Vec<Identity>,
    /// The id of the next one.
    pub(super) next: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) id: u32,
    /// The value of rows that were there before the column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) fill: Option<Value>,
}

impl Altered {
    /// Of a table with `count` metadata columns that never changed.
    pub(super) fn new(count: usize) -> Self {
        let next = u32::try_from(count).unwrap_or(u32::MAX);
        Self { metadata: (0..next).map(|id| Identity { id, fill: None }).collect(), next }
    }

    /// Whether it fits a table with `count` metadata columns.
    pub(super) fn fits(&self, count: usize) -> bool {
        let ids = self.metadata.iter().map(|identity| identity.id);
        self.metadata.len() == count && ids.clone().is_sorted_by(|a, b| a < b) && ids.max() < Some(self.next)
            || self.metadata.is_empty() && count == 0
    }
}

/// A metadata column as segments have it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Field {
    pub(crate) id: u32,
    pub(crate) kind: ColumnType,
    /// The value of the rows of a segment that does not have it.
    pub(crate) fill: Value,
}

/// The metadata columns of a table as its segments have them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Layout {
    /// In the order of the columns.
    pub(crate) fields: Vec<Field>,
    /// Whether columns were added or dropped: then the ids are stored.
    pub(crate) altered: bool,
}

impl Layout {
    /// Of columns of these types that never changed.
    #[cfg(test)]
    pub(crate) fn of(types: &[ColumnType]) -> Self {
        let field =
            |(at, kind): (usize, &ColumnType)| Field { id: at as u32, kind: *kind, fill: Value::Null };
        Self { fields: types.iter().enumerate().map(field).collect(), altered: false }
    }

    /// The types of the columns.
    pub(crate) fn types(&self) -> Vec<ColumnType> {
        self.fields.iter().map(|field| field.kind).collect()
    }
}

impl Schema {
    /// How segments have the metadata columns.
    pub(crate) fn layout(&self) -> Layout {
        let plain = |(at, kind): (usize, ColumnType)| {
            let identity = self.altered.as_ref().and_then(|altered| altered.metadata.get(at));
            let id = identity.map_or_else(|| u32::try_from(at).unwrap_or(u32::MAX), |identity| identity.id);
            Field {
                id,
                kind,
                fill: identity.and_then(|identity| identity.fill.clone()).unwrap_or(Value::Null),
            }
        };
        let kinds = self.metadata().map(|(_, kind)| kind).enumerate();
        Layout { fields: kinds.map(plain).collect(), altered: self.altered.is_some() }
    }
}
