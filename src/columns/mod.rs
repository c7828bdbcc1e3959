//! The typed metadata columns of one segment: values by ord, and predicates turned into sets of ords.
//!
//! Every column is an array of small unsigned codes in the order of its values (integers minus their minimum,
//! ranks in a sorted dictionary for text) or an array of floats, plus a set of NULL rows. A comparison therefore
//! becomes one inclusive range of codes, and [`packed::Packed::range`] evaluates it 64 rows at a time without a branch.
//!
//! Invariants: a column is immutable; a NULL row matches no comparison; the result of a predicate equals what
//! SQLite returns for a column of the declared type (see [`affinity`]).
//! Called by `collection` and `query`. Knows neither SQLite nor storage.

pub mod affinity;
mod bounds;
mod builder;
mod codec;
mod column;
mod dictionary;
mod ints;
mod json;
mod packed;
pub mod patch;

use crate::bitmap::Bitmap;
use crate::json::JsonFilter;
use crate::schema::{ColumnType, Field, Layout};
use crate::value::{Op, Value};
pub use bounds::{Bounds, Passing};
pub use codec::Unreadable;
pub use column::starts_with;

use builder::Builder;
use column::Column;
use ints::Ints;
use std::collections::HashMap;

/// All metadata columns of one segment, and its rowids. A rowid is there once; in the columns of the log once for each time
/// its row was written, and only the last of its ords may be alive.
#[derive(Debug, Clone, PartialEq)]
pub struct Columns {
    rowids: Ints,
    /// Ords in the order of their rowids, when that is not the order of the ords.
    by_rowid: Option<Vec<u32>>,
    columns: Vec<Column>,
}

/// A row of one of several columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pick {
    /// Which columns.
    pub columns: u32,
    /// The row of these.
    pub ord: u32,
}

impl Columns {
    fn assemble(rowids: Ints, columns: Vec<Column>) -> Self {
        let sorted = (1..rowids.len()).all(|at| rowids.get(at - 1) <= rowids.get(at));
        let by_rowid = (!sorted).then(|| {
            let mut ords: Vec<u32> = (0..rowids.len() as u32).collect();
            ords.sort_by_cached_key(|ord| rowids.get(*ord as usize));
            ords
        });
        Self { rowids, by_rowid, columns }
    }

    /// Builds from rows in ord order: the rowid, and the metadata values in the schema's metadata order.
    ///
    /// A missing value is NULL. Values were checked on insert; one of another type is converted as SQLite's
    /// affinity would, and becomes NULL where that is impossible.
    pub fn build(types: &[ColumnType], rows: &mut dyn Iterator<Item = (i64, Vec<Value>)>) -> Self {
        Self::collect(types.iter().map(|kind| Builder::new(*kind)).collect(), rows)
    }

    /// As [`build`](Self::build), for the log: it had the rows of `before` and has more now. What is known of those is used.
    pub fn build_after(
        types: &[ColumnType],
        rows: &mut dyn Iterator<Item = (i64, Vec<Value>)>,
        before: Option<&Self>,
    ) -> Self {
        let column = |at: usize| before.and_then(|before| before.columns.get(at));
        Self::collect(
            types.iter().enumerate().map(|(at, kind)| Builder::after(*kind, column(at))).collect(),
            rows,
        )
    }

    fn collect(mut builders: Vec<Builder>, rows: &mut dyn Iterator<Item = (i64, Vec<Value>)>) -> Self {
        let mut rowids = Vec::new();
        for (rowid, values) in rows {
            rowids.push(rowid);
            let mut values = values.into_iter();
            for builder in &mut builders {
                builder.push(values.next().unwrap_or(Value::Null));
            }
        }
        Self::assemble(Ints::from_values(&rowids), builders.into_iter().map(Builder::finish).collect())
    }

    /// Whether [`merge`](Self::merge) can make the columns of `inputs` one. Otherwise they have to be built from the rows:
    /// a path that is kept in one JSON column may be among those that were left out of another.
    pub fn can_merge(inputs: &[&Self]) -> bool {
        let width = inputs.iter().map(|columns| columns.columns.len()).max().unwrap_or(0);
        (0..width).all(|at| {
            let json: Vec<_> = inputs.iter().filter_map(|columns| columns.columns.get(at)?.json()).collect();
            json.is_empty() || json::can_merge(&json)
        })
    }

    /// The rows `rows` of `inputs`, in that order.
    pub fn gather(inputs: &[&Self], rows: &[Pick], types: &[ColumnType]) -> Self {
        let mut ords: Vec<Vec<u32>> = vec![Vec::new(); inputs.len()];
        for row in rows {
            ords[row.columns as usize].push(row.ord);
        }
        // Where each row is when the rows of each input follow each other.
        let mut next: Vec<u32> = Vec::with_capacity(inputs.len());
        let mut total = 0;
        for own in &ords {
            next.push(total);
            total += own.len() as u32;
        }
        let place = |row: &Pick| {
            let next = &mut next[row.columns as usize];
            *next += 1;
            *next - 1
        };
        let order: Vec<u32> = rows.iter().map(place).collect();
        let in_order = order.is_sorted();
        let gathered = |(at, kind): (usize, &ColumnType)| {
            let parts = inputs.iter().zip(&ords);
            let parts: Vec<(Option<&Column>, &[u32])> =
                parts.map(|(columns, ords)| (columns.columns.get(at), ords.as_slice())).collect();
            let joined = Builder::merge(*kind, &parts);
            if in_order { joined } else { Builder::merge(*kind, &[(Some(&joined), &order)]) }
        };
        let columns = types.iter().enumerate().map(gathered).collect();
        let rowids: Vec<i64> = rows.iter().map(|row| inputs[row.columns as usize].rowid(row.ord)).collect();
        Self::assemble(Ints::from_values(&rowids), columns)
    }

    /// The bytes of these columns, which are those of `layout`; the grammar stands in `codec.rs`.
    pub fn encode(&self, layout: &Layout) -> Vec<u8> {
        let ids: Vec<u32> = layout.fields.iter().map(|field| field.id).collect();
        codec::encode(&self.rowids, &self.columns, layout.altered.then_some(&ids))
    }

    /// Reads what [`encode`](Self::encode) wrote, perhaps by another layout of the table, for a segment of `rows` rows.
    ///
    /// # Errors
    /// Says what is wrong with the bytes, or that memory is short. Never panics and never allocates more than a small multiple
    /// of them, and of what columns take that are not stored.
    pub fn decode(bytes: &[u8], layout: &Layout, rows: usize) -> Result<Self, Unreadable> {
        let (rowids, stored, with_ids) = codec::decode(bytes, rows)?;
        let count = stored.len();
        if !layout.altered && (with_ids || count != layout.fields.len()) {
            return Err(format!("{count} columns are stored, the schema has {}", layout.fields.len()).into());
        }
        let mut stored: HashMap<u32, Column> = stored.into_iter().collect();
        if stored.len() < count {
            return Err("two columns have one id".into());
        }
        let take = |field: &Field| match stored.remove(&field.id) {
            None => Ok(Builder::constant(field.kind, &field.fill, rows)),
            Some(column) if column.kind == field.kind => Ok(column),
            Some(column) => {
                let (stored, declared) = (column.kind.name(), field.kind.name());
                Err(format!("a column of type {stored} stands where the schema has {declared}"))
            }
        };
        let columns = layout.fields.iter().map(take).collect::<Result<_, String>>()?;
        Ok(Self::assemble(rowids, columns))
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rowids.len()
    }

    /// Bytes held in memory.
    pub fn memory_bytes(&self) -> usize {
        self.rowids.memory_bytes()
            + self.by_rowid.as_ref().map_or(0, |ords| ords.len() * 4)
            + self.columns.iter().map(Column::memory_bytes).sum::<usize>()
    }

    /// The rowid of `ord`; 0 beyond the last row.
    pub fn rowid(&self, ord: u32) -> i64 {
        if (ord as usize) < self.len() { self.rowids.get(ord as usize) } else { 0 }
    }

    /// Whether the rowids ascend with the ords.
    pub fn ascends(&self) -> bool {
        self.by_rowid.is_none()
    }

    /// The ords of `rowid`, ascending: none or one in a segment, one for each time the row was written in the log.
    fn ords_of(&self, rowid: i64) -> impl Iterator<Item = u32> + '_ {
        let ord_at = move |at: usize| self.by_rowid.as_ref().map_or(at as u32, |ords| ords[at]);
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.rowids.get(ord_at(middle) as usize) < rowid {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        (low..self.len()).map(ord_at).take_while(move |ord| self.rowids.get(*ord as usize) == rowid)
    }

    /// The first ord of `rowid`: the only one in a segment.
    pub fn find_rowid(&self, rowid: i64) -> Option<u32> {
        self.ords_of(rowid).next()
    }

    /// The value of `column` in row `ord`; NULL where there is no such column or row.
    pub fn value(&self, column: usize, ord: u32) -> Value {
        match self.columns.get(column) {
            Some(column) if (ord as usize) < self.len() => column.value(ord as usize),
            _ => Value::Null,
        }
    }

    fn column(&self, column: usize, answer: impl FnOnce(&Column) -> Bitmap) -> Bitmap {
        self.columns.get(column).map_or_else(|| Bitmap::empty(self.len()), answer)
    }

    /// The rows where `column op value` is true. NULL on either side is never true.
    pub fn compare(&self, column: usize, op: Op, value: &Value) -> Bitmap {
        self.column(column, |column| column.compare(op, value))
    }

    /// The rows where `column` is NULL.
    pub fn is_null(&self, column: usize) -> Bitmap {
        self.columns.get(column).map_or_else(|| Bitmap::full(self.len()), Column::nulls)
    }

    /// The rows where `column` equals one of `values`.
    pub fn in_set(&self, column: usize, values: &[Value]) -> Bitmap {
        self.column(column, |column| column.in_set(values))
    }

    /// The rows whose text starts with `prefix`; with `nocase`, ASCII letters match in either case.
    pub fn text_prefix(&self, column: usize, prefix: &str, nocase: bool) -> Bitmap {
        self.column(column, |column| column.text_prefix(prefix, nocase))
    }

    /// The rows whose text passes `test`, which is asked once for each distinct text of a TEXT column.
    pub fn texts_where(&self, column: usize, test: &dyn Fn(&str) -> bool) -> Bitmap {
        self.column(column, |column| column.texts_where(test))
    }

    /// The rows whose JSON passes a filter; a NULL row is in neither bound.
    pub fn json(&self, column: usize, filter: &JsonFilter, want: bool) -> Bounds {
        let Some((column, json)) = self.columns.get(column).and_then(|column| Some((column, column.json()?)))
        else {
            return Bitmap::empty(self.len()).into();
        };
        let mut bounds = json.eval(filter);
        if !want {
            bounds.negate();
        }
        if let Some(nulls) = &column.nulls {
            bounds.and_not(nulls);
        }
        bounds
    }

    /// A sum over what is known of each row; `None` for a column that is not JSON.
    pub fn json_digests(&self, column: usize) -> Option<Vec<u64>> {
        Some(self.columns.get(column)?.json()?.digests())
    }

    /// What [`json_digests`](Self::json_digests) should have for a row with this text.
    pub fn json_digest_of(&self, column: usize, ord: u32, text: Option<&str>) -> Option<u64> {
        let column = self.columns.get(column)?;
        let null = column.nulls.as_ref().is_some_and(|nulls| nulls.contains(ord));
        if null == text.is_some() { None } else { column.json()?.digest_of(ord, text) }
    }

    /// The rows whose rowid compares so with any value, by the rules of an INTEGER column.
    pub fn rowid_compare(&self, op: Op, value: &Value) -> Bitmap {
        self.rowids.compare(op, &affinity::apply(ColumnType::Integer, value))
    }

    /// Every ord whose rowid is one of `ids`, which may be unsorted, repeated and many.
    pub fn rowid_set(&self, ids: &[i64]) -> Bitmap {
        if ids.len() < self.len() / 16 {
            let mut set = Bitmap::empty(self.len());
            ids.iter().flat_map(|id| self.ords_of(*id)).for_each(|ord| set.insert(ord));
            return set;
        }
        self.rowids.in_ints(ids)
    }
}

#[cfg(test)]
mod tests;
