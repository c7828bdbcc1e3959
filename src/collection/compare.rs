//! Compares the payloads of a segment with the rows that they were made from: values, words and vectors, row by row.
//!
//! Nothing computed in floats is expected to come out equal to the bit: a vector only has to lie where its codes say,
//! within their error, so a file is sound on every machine.

use super::connected::Connected;
use super::delta::{metadata_of, texts_of};
use super::view::SegmentView;
use crate::columns::{Columns, Pick};
use crate::error::{Error, Result};
use crate::schema::ColumnType;
use crate::text::{self, TextConfig, TextPayload, TextSearcher};
use crate::value::Value;
use crate::vector::metric;
use std::sync::Arc;

/// Rows named for each defect.
const NAMED: usize = 10;

/// A segment with its living rows.
pub struct Compared<'a> {
    pub on: Connected<'a>,
    pub part: &'a SegmentView,
    /// Ord and rowid of each living row, in order of ord. All of them are stored.
    pub rows: Vec<(u32, i64)>,
}

impl Compared<'_> {
    /// Adds a sentence for each row whose index does not fit it.
    pub fn check(&self, defects: &mut Vec<String>) -> Result<()> {
        self.columns(defects)?;
        self.texts(defects)?;
        self.vectors(defects)
    }

    fn report(&self, defects: &mut Vec<String>, column: &str, wrong: Vec<i64>) {
        let table = &self.on.storage.table;
        let shown = wrong.iter().take(NAMED);
        defects.extend(
            shown.map(|rowid| format!("{table}.{column}: the index of row {rowid} does not fit the row")),
        );
        if wrong.len() > NAMED {
            defects.push(format!("{table}.{column}: nor does that of {} more rows", wrong.len() - NAMED));
        }
    }

    fn stored(&self, rowid: i64) -> Result<Vec<Value>> {
        let row = self.on.storage.row(self.on.conn, rowid)?;
        let missing =
            || Error::corrupt(format!("{} row {rowid}", self.on.storage.table), "t_rows does not have it");
        Ok(row.ok_or_else(missing)?.values)
    }

    /// What `read` makes of each stored row, until one cannot be read.
    fn each<'s, T>(
        &'s self,
        failed: &'s mut Option<Error>,
        mut read: impl FnMut(i64, Vec<Value>) -> T + 's,
    ) -> impl Iterator<Item = T> + 's {
        self.rows.iter().map_while(move |(_, rowid)| match self.stored(*rowid) {
            Ok(values) => Some(read(*rowid, values)),
            Err(error) => {
                *failed = Some(error);
                None
            }
        })
    }

    fn columns(&self, defects: &mut Vec<String>) -> Result<()> {
        let types: Vec<ColumnType> = self.on.schema.metadata().map(|(_, kind)| kind).collect();
        if types.is_empty() {
            return Ok(());
        }
        let mut failed = None;
        let read = |rowid, values: Vec<Value>| (rowid, metadata_of(self.on.schema, &values));
        let stored = Columns::build(&types, &mut self.each(&mut failed, read));
        if let Some(error) = failed {
            return Err(error);
        }
        let indexed = self.part.columns(self.on)?;
        let places: Vec<Pick> =
            self.rows.iter().map(|(ord, _)| self.part.place(self.on, *ord)).collect::<Result<_>>()?;
        for (at, (column, kind)) in self.on.schema.metadata().enumerate() {
            if kind == ColumnType::Json {
                self.json(defects, (&indexed, &places), at, column)?;
                continue;
            }
            let value = |place: &Pick| indexed[place.columns as usize].value(at, place.ord);
            let rows = self.rows.iter().zip(&places).enumerate();
            let wrong = rows.filter(|(nth, (_, place))| stored.value(at, *nth as u32) != value(place));
            let wrong = wrong.map(|(_, ((_, rowid), _))| *rowid).collect();
            self.report(defects, &self.on.schema.columns[column].name, wrong);
        }
        Ok(())
    }

    /// The `at`-th metadata column, column `column` of the table, which is JSON.
    fn json(
        &self,
        defects: &mut Vec<String>,
        (indexed, places): (&[&Columns], &[Pick]),
        at: usize,
        column: usize,
    ) -> Result<()> {
        // What the log revises is made of the rows at this moment.
        let sealed = indexed.len().saturating_sub(1);
        let digests: Vec<Vec<u64>> =
            indexed[..sealed].iter().map(|columns| columns.json_digests(at).unwrap_or_default()).collect();
        let mut wrong = Vec::new();
        for ((_, rowid), place) in self.rows.iter().zip(places) {
            let Some(digests) = digests.get(place.columns as usize) else { continue };
            let values = metadata_of(self.on.schema, &self.stored(*rowid)?);
            let text = values.get(at).and_then(Value::as_text);
            let digest = indexed[place.columns as usize].json_digest_of(at, place.ord, text);
            if digest != digests.get(place.ord as usize).copied() {
                wrong.push(*rowid);
            }
        }
        self.report(defects, &self.on.schema.columns[column].name, wrong);
        Ok(())
    }

    fn texts(&self, defects: &mut Vec<String>) -> Result<()> {
        if self.on.schema.full_texts().next().is_none() {
            return Ok(());
        }
        let config = TextConfig::of(self.on.schema);
        let mut failed = None;
        let read = |_, values: Vec<Value>| texts_of(self.on.schema, Some(values));
        let indexed = self.part.segment.text(self.on)?;
        let built = text::build_like(indexed, &config, &mut self.each(&mut failed, read))?;
        if let Some(error) = failed {
            return Err(error);
        }
        let signatures = |payload: Arc<TextPayload>| -> Result<Vec<u64>> {
            let all = TextSearcher::open(&config, &[(payload, None)])?.signatures()?;
            Ok(all.into_iter().next().unwrap_or_default())
        };
        let stored = signatures(Arc::new(TextPayload::decode(built).map_err(Error::Text)?))?;
        let indexed = signatures(Arc::clone(indexed))?;
        let rows = self.rows.iter().enumerate();
        let wrong = rows.filter(|(nth, (ord, _))| stored.get(*nth) != indexed.get(*ord as usize));
        let wrong = wrong.map(|(_, (_, rowid))| *rowid).collect();
        let names: Vec<_> =
            self.on.schema.full_texts().map(|(at, _)| self.on.schema.columns[at].name.as_str()).collect();
        self.report(defects, &names.join("|"), wrong);
        Ok(())
    }

    fn vectors(&self, defects: &mut Vec<String>) -> Result<()> {
        for (at, (column, spec)) in self.on.schema.vectors().enumerate() {
            let index = self.part.segment.vector(self.on, at)?;
            let mut rows = self.rows.iter();
            let mut wrong = Vec::new();
            let rowids = self.rows.iter().map(|(_, rowid)| *rowid);
            self.on.storage.for_each_vector(self.on.conn, at, rowids, |vector| {
                let Some((ord, rowid)) = rows.next().copied() else { return Ok(()) };
                let fits = match vector {
                    None => !index.has(ord),
                    Some(vector) => {
                        let exact = metric::distance(spec.metric, vector, vector);
                        // Twice, since the bound is for the machine that made the codes.
                        let error = 2.0 * index.error_bound(vector);
                        index.measure(vector, ord).is_some_and(|by_code| (by_code - exact).abs() <= error)
                    }
                };
                if !fits {
                    wrong.push(rowid);
                }
                Ok(())
            })?;
            self.report(defects, &self.on.schema.columns[column].name, wrong);
        }
        Ok(())
    }
}
