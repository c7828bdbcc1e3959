//! The columns of a segment: those of all its rows, and above them the *patches* of rows whose metadata changed since.
//!
//! Invariant: a layer has a name of its own and lies on the same layers as long as it is there. So what a predicate gives of
//! a layer and all below it never changes, and is kept with the layer.

use crate::bitmap::Bitmap;
use crate::columns::{Columns, Passing, Pick};
use crate::schema::{ColumnType, Layout};
use crate::value::Value;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// Predicates whose rows are kept with a layer; they are forgotten when there are more.
const PREDICATES: usize = 64;

/// Columns under one name.
pub struct Layer {
    columns: Columns,
    /// Which columns of the table they are.
    layout: Layout,
    /// The rows that a patch is of, ascending.
    ords: Option<Vec<u32>>,
    predicates: Mutex<HashMap<String, Passing>>,
}

impl Layer {
    /// The columns of all rows.
    pub fn whole(columns: Columns, layout: Layout) -> Self {
        Self { columns, layout, ords: None, predicates: Mutex::default() }
    }

    /// The columns of the rows `ords`, which ascend.
    pub fn patch(ords: Vec<u32>, columns: Columns, layout: Layout) -> Self {
        Self { columns, layout, ords: Some(ords), predicates: Mutex::default() }
    }

    /// Whether its columns are those of a table that has this layout.
    pub fn has(&self, layout: &Layout) -> bool {
        self.layout == *layout
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

    /// The value of a column in a row.
    pub fn value(&self, column: usize, ord: u32) -> Value {
        let place = self.place(ord);
        let layer = self.layers.get(place.columns as usize);
        layer.map_or(Value::Null, |layer| layer.columns.value(column, place.ord))
    }

    /// What is kept under `key`, or what `make` gives of the layers. A segment has a patch for each seal of a long merge, and a
    /// forged one as many as it has bytes for: nothing but time may grow with their number.
    pub fn predicate(&self, key: Option<&str>, make: &dyn Fn(&Columns) -> Passing) -> Passing {
        let known = |(at, layer): (usize, &Arc<Layer>)| Some((at, layer.kept(key?)?));
        let known = self.layers.iter().enumerate().rev().find_map(known);
        let (mut next, mut made) = known.map_or((0, None), |(at, passing)| (at + 1, Some(passing)));
        for layer in &self.layers[next..] {
            let own = make(&layer.columns);
            let passing = match (made, &layer.ords) {
                (Some(below), Some(ords)) => below.replaced(ords, &own),
                _ => own,
            };
            next += 1;
            // The next patch takes over the newest one, seldom the one below it, and hardly ever all rows.
            if let Some(key) = key
                && (next == 1 || next + 1 >= self.layers.len())
            {
                layer.keep(key, passing.clone());
            }
            made = Some(passing);
        }
        made.unwrap_or_else(|| make(self.whole()))
    }

    /// Keeps with the predicate `key` that `rows` were read, each with whether it passes.
    pub fn settle(&self, key: &str, rows: impl Iterator<Item = (u32, bool)>) {
        let Some(top) = self.layers.last() else { return };
        if let Some(known) = top.kept(key) {
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
    fn kept(&self, key: &str) -> Option<Passing> {
        self.predicates.lock().get(key).cloned()
    }

    fn keep(&self, key: &str, passing: Passing) {
        let mut kept = self.predicates.lock();
        if kept.len() >= PREDICATES {
            kept.clear();
        }
        kept.insert(key.to_owned(), passing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::Bounds;
    use crate::value::Op;

    /// Each patch once took a frame of the stack.
    #[test]
    fn a_predicate_is_evaluated_over_any_number_of_patches() {
        let types = [ColumnType::Integer];
        let layer = |values: &[i64]| {
            let rows = (0_i64..).zip(values).map(|(rowid, value)| (rowid, vec![Value::Integer(*value)]));
            Columns::build(&types, &mut rows.collect::<Vec<_>>().into_iter())
        };
        let layout = || Layout::of(&types);
        let whole = Arc::new(Layer::whole(layer(&[1, 1, 0]), layout()));
        let patch = |ords: Vec<u32>, values: &[i64]| Arc::new(Layer::patch(ords, layer(values), layout()));
        let (low, high) = (patch(vec![0], &[0]), patch(vec![0, 2], &[0, 1]));
        let ones =
            |columns: &Columns| Passing::from(Bounds::from(columns.compare(0, Op::Eq, &Value::Integer(1))));
        let passing = |patches: Vec<Arc<Layer>>, key| {
            let columns = SegmentColumns::new(Arc::clone(&whole), patches);
            columns.predicate(key, &ones).possible.iter().collect::<Vec<_>>()
        };
        let many = || std::iter::repeat_n(Arc::clone(&low), 300_000);
        for key in [None, Some("ones"), Some("ones")] {
            assert_eq!(passing(vec![], key), [0, 1]);
            assert_eq!(passing(vec![Arc::clone(&high)], key), [1, 2]);
        }
        assert_eq!(passing(many().chain([Arc::clone(&high)]).collect(), None), [1, 2]);
    }
}
