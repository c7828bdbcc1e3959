//! Rows of a part whose metadata has changed since its columns were made, as the log names them.

use super::slots::Slots;
use crate::columns::{Columns, Passing};
use crate::schema::Schema;
use crate::value::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// What these rows hold now, over the columns of their part.
#[derive(Clone, Default)]
pub struct Revised {
    ords: Vec<u32>,
    slots: Slots,
    /// The last slot of each row.
    last: HashMap<u32, u32>,
}

impl Revised {
    /// The row `ord` holds these values now.
    pub fn push(&mut self, ord: u32, rowid: i64, metadata: Vec<Value>) {
        self.last.insert(ord, self.ords.len() as u32);
        self.ords.push(ord);
        self.slots.push(rowid, metadata);
    }

    /// The rows before `gone` are gone, and the others are counted from it.
    pub fn drop_front(&mut self, gone: u32) {
        let (ords, slots) = (std::mem::take(&mut self.ords), std::mem::take(&mut self.slots));
        self.last.clear();
        for (ord, (rowid, metadata)) in ords.into_iter().zip(slots.into_rows()) {
            if let Some(ord) = ord.checked_sub(gone) {
                self.push(ord, rowid, metadata);
            }
        }
    }

    /// Where the columns have a row, if it is one of these.
    pub fn place(&self, ord: u32) -> Option<u32> {
        self.last.get(&ord).copied()
    }

    /// The columns of these rows, in the order of the log.
    pub fn columns(&self, schema: &Schema) -> &Arc<Columns> {
        self.slots.columns(schema)
    }

    /// What `make` gives of the part, when `base` is what it gives of the part's own columns.
    pub fn over(&self, base: Passing, schema: &Schema, make: &dyn Fn(&Columns) -> Passing) -> Passing {
        if self.ords.is_empty() { base } else { base.replaced(&self.ords, &make(self.columns(schema))) }
    }
}
