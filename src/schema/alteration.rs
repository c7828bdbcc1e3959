//! A change of the columns of a table that is there.

use super::layout::{Altered, Identity};
use super::{Column, ColumnKind, Schema, default_value};
use crate::error::{Error, Result};
use crate::value::Value;

/// A change of one column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Alteration {
    /// A new last column; the rows that are there get the value.
    Add(Column, Option<Value>),
    /// A column goes, with its values.
    Drop(String),
    /// A column gets another name.
    Rename(String, String),
}

/// What to do where a column cannot be added or dropped in place.
const PROCEDURE: &str = "make a table with the columns that you want, INSERT INTO it SELECT from this one, drop this one and rename \
     the new one, in one transaction";

impl Schema {
    /// The columns of the table called `table` after a change.
    ///
    /// # Errors
    /// [`Error::Schema`] or [`Error::Unknown`] that says what to do instead.
    pub(crate) fn after(&self, table: &str, change: &Alteration) -> Result<Self> {
        let mut schema = self.clone();
        match change {
            Alteration::Add(column, fill) => schema.add(table, column, fill.as_ref())?,
            Alteration::Drop(name) => schema.remove(table, name)?,
            Alteration::Rename(from, to) => {
                let at = schema.position(table, from)?;
                schema.columns[at].name.clone_from(to);
            }
        }
        schema.validate(table)?;
        Ok(schema)
    }

    fn add(&mut self, table: &str, column: &Column, fill: Option<&Value>) -> Result<()> {
        let name = &column.name;
        let bad = |why: String| Error::Schema(format!("{table}.{name}: {why}"));
        match kept_apart(&column.kind) {
            None => {}
            Some(kind) => {
                return Err(bad(format!("{kind} cannot be added to a table with rows; {PROCEDURE}")));
            }
        }
        if column.not_null && fill.is_none() {
            return Err(bad("a NOT NULL column needs a DEFAULT for the rows that are there".into()));
        }
        if let Some(fill) = fill {
            default_value::check_value(&column.kind, fill).map_err(bad)?;
        }
        let fits = |declared: &Column| !declared.name.eq_ignore_ascii_case(name);
        if !self.columns.iter().all(fits) {
            return Err(bad("there is a column of this name already".into()));
        }
        if matches!(column.kind, ColumnKind::Metadata(_)) {
            let count = self.metadata().count();
            let altered = self.altered.get_or_insert_with(|| Altered::new(count));
            let id = altered.next;
            let next = id.checked_add(1);
            altered.next = next.ok_or_else(|| bad("columns were added too often".into()))?;
            altered.metadata.push(Identity { id, fill: fill.cloned() });
        }
        self.columns.push(column.clone());
        Ok(())
    }

    fn remove(&mut self, table: &str, name: &str) -> Result<()> {
        let at = self.position(table, name)?;
        let column = &self.columns[at];
        let bad = |why: String| Err(Error::Schema(format!("{table}.{}: {why}", column.name)));
        if let Some(kind) = kept_apart(&column.kind) {
            return bad(format!("{kind} cannot be dropped; {PROCEDURE}"));
        }
        if self.columns.len() == 1 {
            return bad("the only column cannot be dropped; drop the table".into());
        }
        if matches!(column.kind, ColumnKind::Metadata(_)) {
            let all: Vec<usize> = self.metadata().map(|(at, _)| at).collect();
            let altered = self.altered.get_or_insert_with(|| Altered::new(all.len()));
            if let Some(nth) = all.iter().position(|of| *of == at) {
                altered.metadata.remove(nth);
            }
        }
        self.columns.remove(at);
        Ok(())
    }

    fn position(&self, table: &str, name: &str) -> Result<usize> {
        if let Some((at, _)) = self.find(name) {
            return Ok(at);
        }
        let known: Vec<_> = self.columns.iter().map(|column| column.name.as_str()).collect();
        Err(Error::Unknown(format!("{table} has no column {name}; its columns are {}", known.join(", "))))
    }
}

/// What a column is that an index of its own, or the identity of the rows, depends on.
fn kept_apart(kind: &ColumnKind) -> Option<&'static str> {
    match kind {
        ColumnKind::Key(_) => Some("a PRIMARY KEY"),
        ColumnKind::FullText { .. } => Some("a FULLTEXT column"),
        ColumnKind::Vector(_) => Some("a VECTOR column"),
        ColumnKind::Metadata(_) | ColumnKind::Unindexed => None,
    }
}
