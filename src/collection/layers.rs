//! The columns of a segment: those of all its rows, and above them the *patches* of rows whose metadata changed since.
//!
//! Invariant: a layer has a name of its own and lies on the same layers as long as it is there. So what a predicate gives of
//! a layer and all below it never changes, and is kept with the layer.

use crate::bitmap::Bitmap;
use crate::columns::{Columns, Passing, Pick};
use crate::schema::ColumnType;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// Predicates whose rows are kept with a layer; they are forgotten when there are more.
const PREDICATES: usize = 64;

/// Columns under one name.
pub struct Layer {
    columns: Columns,
    /// The rows that a patch is of, ascending.
    ords: Option<Vec<u32>>,
    predicates: Mutex<HashMap<String, Passing>>,
}

impl Layer {
    /// The columns of all rows.
    pub fn whole(columns: Columns) -> Self {
        Self { columns, ords: None, predicates: Mutex::default() }
    }

    /// The columns of the rows `ords`, which ascend.
    pub fn patch(ords: Vec<u32>, columns: Columns) -> Self {
        Self { columns, ords: Some(ords), predicates: Mutex::default() }
    }

    /// Rows it has columns of.
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// Bytes held in memory.
    pub fn memory_bytes(&self) -> usize {
        self.columns.memory_bytes() + self.ords.as_ref().map_or(0, |ords| ords.len() * 4)
    }

    /// The rows it has columns of, ascending.
    pub fn ords(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.len() as u32).map(|at| self.ords.as_ref().map_or(at, |ords| ords[at as usize]))
    }

    /// Where its columns have a row.
    fn place(&self, ord: u32) -> Option<u32> {
        match &self.ords {
            Some(ords) => Some(ords.binary_search(&ord).ok()? as u32),
            None => Some(ord),
        }
    }
}

/// The columns of a segment.
#[derive(Clone)]
pub struct SegmentColumns {
    /// Those of all rows, then the patches, the newest last.
    layers: Vec<Arc<Layer>>,
}

impl SegmentColumns {
    /// The columns of all rows, and patches, the newest last.
    pub fn new(whole: Arc<Layer>, patches: impl IntoIterator<Item = Arc<Layer>>) -> Self {
        Self { layers: std::iter::once(whole).chain(patches).collect() }
    }

    /// Rowids, which no patch changes, and the values that were there at first.
    pub fn whole(&self) -> &Columns {
        &self.layers[0].columns
    }

    /// The columns of all rows, then the patches, the newest last.
    pub fn layers(&self) -> &[Arc<Layer>] {
        &self.layers
    }

    /// The columns of each layer.
    pub fn columns(&self) -> impl Iterator<Item = &Columns> {
        self.layers.iter().map(|layer| &layer.columns)
    }

    /// Where the values of a row are: the number of the layer, and the row's place in its columns.
    pub fn place(&self, ord: u32) -> Pick {
        let place =
            |(at, layer): (usize, &Arc<Layer>)| Some(Pick { columns: at as u32, ord: layer.place(ord)? });
        let layers = self.layers.iter().enumerate().rev();
        layers.filter_map(place).next().unwrap_or(Pick { columns: 0, ord })
    }

    /// What is kept under `key`, or what `make` gives of the layers.
    pub fn predicate(&self, key: Option<&str>, make: &dyn Fn(&Columns) -> Passing) -> Passing {
        self.predicate_of(self.layers.len() - 1, key, make)
    }

    fn predicate_of(&self, at: usize, key: Option<&str>, make: &dyn Fn(&Columns) -> Passing) -> Passing {
        let layer = &self.layers[at];
        if let Some(key) = key
            && let Some(found) = layer.predicates.lock().get(key)
        {
            return found.clone();
        }
        let made = match &layer.ords {
            Some(ords) if at > 0 => {
                self.predicate_of(at - 1, key, make).replaced(ords, &make(&layer.columns))
            }
            _ => make(&layer.columns),
        };
        if let Some(key) = key {
            layer.keep(key, made.clone());
        }
        made
    }

    /// Keeps with the predicate `key` that `rows` were read, each with whether it passes.
    pub fn settle(&self, key: &str, rows: impl Iterator<Item = (u32, bool)>) {
        let Some(top) = self.layers.last() else { return };
        let known = top.predicates.lock().get(key).cloned();
        if let Some(known) = known {
            top.keep(key, known.settled(rows));
        }
    }

    /// The rows of several segments one after the other, those that are `alive`, all where that is `None`.
    pub fn merge(inputs: &[(&Self, Option<&Bitmap>)], types: &[ColumnType]) -> Columns {
        let mut layers: Vec<&Columns> = Vec::new();
        let mut rows = Vec::new();
        for (input, alive) in inputs {
            let base = layers.len() as u32;
            layers.extend(input.columns());
            let lives = |ord: &u32| alive.is_none_or(|alive| alive.contains(*ord));
            let ords = (0..input.whole().len() as u32).filter(lives);
            rows.extend(ords.map(|ord| {
                let place = input.place(ord);
                Pick { columns: base + place.columns, ord: place.ord }
            }));
        }
        Columns::gather(&layers, &rows, types)
    }
}

impl Layer {
    fn keep(&self, key: &str, passing: Passing) {
        let mut kept = self.predicates.lock();
        if kept.len() >= PREDICATES {
            kept.clear();
        }
        kept.insert(key.to_owned(), passing);
    }
}
