//! The metadata of rows in the order in which the log names them.
//!
//! Append-only: a row that is written again gets another slot, so what was made of full blocks of slots stays valid.

use crate::columns::Columns;
use crate::schema::{ColumnType, Schema};
use crate::value::Value;
use std::sync::{Arc, OnceLock};

/// Rowids and metadata by slot.
#[derive(Clone, Default)]
pub struct Slots {
    rowids: Vec<i64>,
    metadata: Vec<Vec<Value>>,
    columns: OnceLock<Arc<Columns>>,
    /// The columns of fewer slots, from which parts can be kept.
    before: Option<Arc<Columns>>,
}

impl Slots {
    /// The number of slots.
    pub fn len(&self) -> usize {
        self.rowids.len()
    }

    /// Rowids by slot.
    pub fn rowids(&self) -> &[i64] {
        &self.rowids
    }

    /// Adds a slot.
    pub fn push(&mut self, rowid: i64, metadata: Vec<Value>) {
        self.before = self.columns.take().or_else(|| self.before.take());
        self.rowids.push(rowid);
        self.metadata.push(metadata);
    }

    /// Rowids and metadata by slot.
    pub fn into_rows(self) -> impl Iterator<Item = (i64, Vec<Value>)> {
        self.rowids.into_iter().zip(self.metadata)
    }

    /// Drops the first slots.
    pub fn drop_front(&mut self, gone: usize) {
        self.rowids.drain(..gone);
        self.metadata.drain(..gone);
        (self.columns, self.before) = (OnceLock::new(), None);
    }

    /// Metadata columns over all slots, so that filters run as they do on a segment.
    pub fn columns(&self, schema: &Schema) -> &Arc<Columns> {
        self.columns.get_or_init(|| {
            let types: Vec<ColumnType> = schema.metadata().map(|(_, kind)| kind).collect();
            let mut rows = self.rowids.iter().copied().zip(self.metadata.iter().cloned());
            Arc::new(Columns::build_after(&types, &mut rows, self.before.as_deref()))
        })
    }
}
