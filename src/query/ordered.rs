//! Rows in the order of their values, and the values that rows have: for searches that nothing ranks.

use super::filter::Filter;
use super::masks::Masks;
use super::request::Request;
use crate::bitmap::Bitmap;
use crate::collection::{KeyTest, Snapshot};
use crate::error::{Error, Result};
use crate::schema::{ColumnKind, ColumnType};
use crate::value::Value;
use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

/// A column by whose values rows are put in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderBy {
    /// Its name; `rowid` is understood too.
    pub column: String,
    /// The largest first.
    pub descending: bool,
}

/// What gives the values of a column.
enum Source {
    Rowid,
    /// The text key: where each row stands in its order.
    Key(HashMap<i64, i64>),
    /// Position among the metadata columns.
    Metadata(usize),
}

impl Source {
    fn of(snapshot: Snapshot<'_>, name: &str) -> Result<Self> {
        let table = &snapshot.storage.table;
        let found = snapshot.schema.find(name);
        let wrong = |what: &str| {
            Err(Error::Value(format!(
                "{table}.{name}: rows cannot be ordered by {what}; order them by a typed column or the key"
            )))
        };
        match found.map(|(at, column)| (at, &column.kind)) {
            Some((_, ColumnKind::Key(ColumnType::Text))) => Self::keys(snapshot),
            Some((_, ColumnKind::Key(_))) => Ok(Self::Rowid),
            Some((_, ColumnKind::Metadata(ColumnType::Json))) => wrong("a JSON column"),
            Some((at, ColumnKind::Metadata(_))) => Ok(Self::Metadata(metadata_nth(snapshot, at))),
            Some((_, ColumnKind::FullText { .. })) => wrong("a FULLTEXT column"),
            Some((_, ColumnKind::Unindexed)) => wrong("an UNINDEXED column"),
            Some((_, ColumnKind::Vector(_))) => wrong("a vector"),
            None if ["rowid", "oid", "_rowid_"].iter().any(|word| name.eq_ignore_ascii_case(word)) => {
                Ok(Self::Rowid)
            }
            None => Err(Error::Unknown(format!("{table} has no column {name} to order rows by"))),
        }
    }

    fn keys(snapshot: Snapshot<'_>) -> Result<Self> {
        let rowids = snapshot.resolve_keys(KeyTest::From("", &|_| Some(true)))?;
        Ok(Self::Key(rowids.into_iter().zip(0..).collect()))
    }

    fn value(&self, snapshot: Snapshot<'_>, part: usize, ord: u32, rowid: i64) -> Result<Value> {
        Ok(match self {
            Self::Rowid => Value::Integer(rowid),
            Self::Key(places) => places.get(&rowid).map_or(Value::Null, |place| Value::Integer(*place)),
            Self::Metadata(at) => snapshot.value(part, *at, ord)?,
        })
    }
}

fn metadata_nth(snapshot: Snapshot<'_>, at: usize) -> usize {
    snapshot.schema.metadata().position(|(declared, _)| declared == at).unwrap_or(0)
}

/// A row in its place: by its values, then by its rowid.
struct Placed {
    values: Vec<(Value, bool)>,
    rowid: i64,
}

impl Ord for Placed {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_value = |((own, descending), (theirs, _)): (&(Value, bool), &(Value, bool))| {
            let order = own.sql_cmp(theirs);
            if *descending { order.reverse() } else { order }
        };
        let values = self.values.iter().zip(&other.values).map(by_value);
        values.fold(Ordering::Equal, Ordering::then).then(self.rowid.cmp(&other.rowid))
    }
}

impl PartialOrd for Placed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Placed {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Placed {}

/// Rowids of the first `most` rows that pass a filter, in the order of SQLite's ORDER BY: NULL is the smallest value, and
/// equal rows come by rowid.
pub fn ordered_rowids(
    snapshot: Snapshot<'_>,
    filter: Option<&Filter>,
    order: &[OrderBy],
    most: usize,
) -> Result<Vec<i64>> {
    let sources: Vec<(Source, bool)> = order
        .iter()
        .map(|by| Ok((Source::of(snapshot, &by.column)?, by.descending)))
        .collect::<Result<_>>()?;
    let mut best: BinaryHeap<Placed> = BinaryHeap::new();
    for_each_passing(snapshot, filter, |part, ord, rowid| {
        let value = |(source, descending): &(Source, bool)| {
            Ok((source.value(snapshot, part, ord, rowid)?, *descending))
        };
        let placed = Placed { values: sources.iter().map(value).collect::<Result<_>>()?, rowid };
        if best.len() < most {
            best.push(placed);
        } else if let Some(mut last) = best.peek_mut()
            && placed < *last
        {
            *last = placed;
        }
        Ok(())
    })?;
    Ok(best.into_sorted_vec().into_iter().map(|placed| placed.rowid).collect())
}

/// A value of a column, and how many rows have it.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct Facet {
    /// The value; NULL for the rows that have none.
    pub value: Value,
    /// Number of rows.
    pub rows: usize,
}

/// The values that the rows which pass a filter have in a typed column, ascending, NULL first.
pub fn facets(snapshot: Snapshot<'_>, filter: Option<&Filter>, column: &str) -> Result<Vec<Facet>> {
    let table = &snapshot.storage.table;
    let at = match snapshot.schema.find(column).map(|(at, found)| (at, &found.kind)) {
        Some((at, ColumnKind::Metadata(kind))) if *kind != ColumnType::Json => metadata_nth(snapshot, at),
        Some(_) => {
            return Err(Error::Value(format!(
                "{table}.{column}: only the values of a TEXT, INTEGER, REAL or BOOLEAN column are counted"
            )));
        }
        None => return Err(Error::Unknown(format!("{table} has no column {column}"))),
    };
    let mut counts: HashMap<ValueKey, usize> = HashMap::new();
    for_each_passing(snapshot, filter, |part, ord, _| {
        *counts.entry(ValueKey(snapshot.value(part, at, ord)?)).or_default() += 1;
        Ok(())
    })?;
    let mut facets: Vec<Facet> =
        counts.into_iter().map(|(ValueKey(value), rows)| Facet { value, rows }).collect();
    facets.sort_unstable_by(|a, b| a.value.sql_cmp(&b.value));
    Ok(facets)
}

/// A value of a column whose values are of one type.
struct ValueKey(Value);

impl PartialEq for ValueKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.sql_cmp(&other.0).is_eq()
    }
}

impl Eq for ValueKey {}

impl std::hash::Hash for ValueKey {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        match &self.0 {
            Value::Null => state.write_u8(0),
            Value::Integer(int) => state.write_i64(*int),
            // Adding zero turns -0.0 into 0.0.
            Value::Real(real) => state.write_u64((real + 0.0).to_bits()),
            Value::Text(text) => state.write(text.as_bytes()),
            Value::Blob(bytes) => state.write(bytes),
        }
    }
}

/// Hands part, ord and rowid of every living row that passes a filter to `each`.
fn for_each_passing(
    snapshot: Snapshot<'_>,
    filter: Option<&Filter>,
    mut each: impl FnMut(usize, u32, i64) -> Result<()>,
) -> Result<()> {
    let request = Request { filter: filter.cloned(), ..Request::default() };
    let masks = Masks::build(snapshot, &request, &[], true)?;
    for (part, mask) in masks.parts.iter().enumerate() {
        let all = || Arc::new(Bitmap::full(snapshot.view.part_len(part)));
        for (nth, ord) in mask.as_ref().map_or_else(all, Arc::clone).iter().enumerate() {
            if nth % 1024 == 0 && snapshot.interrupted() {
                return Err(Error::Interrupted);
            }
            each(part, ord, snapshot.rowid(part, ord)?)?;
        }
    }
    Ok(())
}
