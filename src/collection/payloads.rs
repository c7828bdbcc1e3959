//! Builds the payloads of a new segment from rows and writes them.

use super::Connected;
use super::delta::texts_of;
use super::graphs::Graphs;
use super::permits::Permits;
use crate::bitmap::Bitmap;
use crate::columns::Columns;
use crate::error::{Error, Result};
use crate::hnsw::{Rows, VectorIndex};
use crate::memory;
use crate::schema::{ColumnType, VectorSpec};
use crate::storage::{PayloadEntry, PayloadKind};
use crate::text::{self, TextConfig};

/// Called with (done, total) while long work runs; returning false stops it.
pub type Progress<'a> = &'a mut dyn FnMut(usize, usize) -> bool;

/// All vectors of one column for the given rows, row-major, and which rows have one.
pub struct LoadedVectors {
    data: Vec<f32>,
    present: Option<Bitmap>,
    dim: usize,
}

impl LoadedVectors {
    /// Reads the column of the stored rows.
    pub fn read(on: Connected<'_>, (at, spec): (usize, &VectorSpec), rowids: &[i64]) -> Result<Self> {
        let mut data = memory::filled(rowids.len() * spec.dim, 0.0_f32)?;
        let mut present = Bitmap::full(rowids.len());
        let mut ord = 0_usize;
        let mut missing = false;
        on.storage.for_each_vector(on.conn, at, rowids.iter().copied(), |vector| {
            let out = &mut data[ord * spec.dim..(ord + 1) * spec.dim];
            match vector {
                Some(vector) => out.copy_from_slice(vector),
                None => {
                    present.remove(ord as u32);
                    missing = true;
                }
            }
            ord += 1;
            Ok(())
        })?;
        Ok(Self { data, present: missing.then_some(present), dim: spec.dim })
    }

    /// As the graph builder takes them.
    pub fn rows(&self) -> Rows<'_> {
        Rows { dim: self.dim, data: &self.data, present: self.present.as_ref() }
    }
}

/// Builds and writes every payload of a segment of the rows `rowids`, in that order.
pub fn write_new(
    on: Connected<'_>,
    rowids: &[i64],
    graphs: Graphs,
    progress: Progress<'_>,
) -> Result<Vec<PayloadEntry>> {
    let Connected { storage, conn, schema } = on;
    storage.make_index(conn)?;
    storage.pack(conn, rowids.iter().copied())?;
    let mut directory = Vec::new();
    // What needs most memory comes first: allocators keep much of what texts and columns were built in.
    for (at, (_, spec)) in schema.vectors().enumerate() {
        let vectors = LoadedVectors::read(on, (at, spec), rowids)?;
        let threads = Permits::take();
        let (spec, parts) = (graphs.of(spec, rowids.len()), (&[][..], graphs.stay));
        let index = VectorIndex::merge(&spec, &vectors.rows(), parts, threads.count(), progress)?;
        drop(vectors);
        let kind = PayloadKind::Vector(at as u32);
        directory.push(storage.write_payload(conn, kind, index.encode())?);
    }
    if schema.full_texts().next().is_some() {
        directory.push(write_text(on, rowids)?);
    }
    let columns = columns_of(on, rowids)?;
    directory.push(storage.write_payload(conn, PayloadKind::Columns, &columns.encode(&schema.layout()))?);
    Ok(directory)
}

/// Builds the columns of the rows `rowids`, in that order, from the rows.
pub fn columns_of(on: Connected<'_>, rowids: &[i64]) -> Result<Columns> {
    let rows: Vec<(i64, bool)> = rowids.iter().map(|rowid| (*rowid, true)).collect();
    columns_of_living(on, &rows)
}

/// The same of rows some of which may be dead: their values are NULL.
pub fn columns_of_living(on: Connected<'_>, rows: &[(i64, bool)]) -> Result<Columns> {
    let Connected { storage, conn, schema } = on;
    // Columns are collected value by value, then laid out twice.
    memory::check(rows.len().saturating_mul((1 + schema.metadata().count()) * 48))?;
    let missing =
        |rowid: i64| Error::corrupt(format!("{} row {rowid}", storage.table), "t_rows does not have it");
    let types: Vec<ColumnType> = schema.metadata().map(|(_, kind)| kind).collect();
    let mut failed = None;
    let mut rows = rows.iter().map_while(|(rowid, lives)| {
        if !lives {
            return Some((*rowid, Vec::new()));
        }
        match storage.metadata(conn, *rowid) {
            Ok(Some(values)) => Some((*rowid, values)),
            Ok(None) => {
                failed = Some(missing(*rowid));
                None
            }
            Err(error) => {
                failed = Some(error);
                None
            }
        }
    });
    let columns = Columns::build(&types, &mut rows);
    match failed {
        Some(error) => Err(error),
        None => Ok(columns),
    }
}

/// Tokenizes the texts of the rows `rowids`, in that order, and writes their index.
pub fn write_text(on: Connected<'_>, rowids: &[i64]) -> Result<PayloadEntry> {
    let Connected { storage, conn, schema } = on;
    let mut failed = None;
    let mut documents = rowids.iter().map_while(|rowid| match storage.row(conn, *rowid) {
        Ok(row) => Some(texts_of(schema, row.map(|row| row.values))),
        Err(error) => {
            failed = Some(error);
            None
        }
    });
    let bytes = text::build(&TextConfig::of(schema), &mut documents)?;
    if let Some(error) = failed {
        return Err(error);
    }
    storage.write_payload(conn, PayloadKind::Text, &bytes)
}
