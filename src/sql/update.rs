//! The values of an INSERT or UPDATE, checked against the schema and handed to the collection.
//!
//! What a user can get wrong is found before the first write.

use super::columns::{Hidden, hidden_columns};
use super::module::{Args, Conflict};
use super::table_state::TableState;
use super::vector_value;
use crate::collection::{Changed, Row, Writer};
use crate::error::{Error, Result};
use crate::schema::{Column, ColumnKind, ColumnType};
use crate::storage::encode_vector;
use crate::value::Value;
use rusqlite::types::ValueRef;

fn writer(shared: &TableState) -> Writer<'_, TableState> {
    Writer { collection: &shared.collection, conn: shared.conn(), journal: shared }
}

/// Inserts a row and returns its rowid.
pub fn insert(shared: &TableState, rowid: Option<i64>, values: &Args<'_>, conflict: Conflict) -> Result<i64> {
    refuse_hidden(shared, values, false)?;
    let (row, key) = check(shared, values)?;
    let rowid = match (rowid, key) {
        (Some(a), Some(b)) if a != b => {
            return Err(Error::Value(format!("{}: the row is given rowid {a} and key {b}", shared.table())));
        }
        (a, b) => a.or(b),
    };
    writer(shared).insert(rowid, &row, conflict == Conflict::Replace)
}

/// Deletes a row; nothing happens when it is not there.
pub fn delete(shared: &TableState, rowid: i64) -> Result<()> {
    writer(shared).delete(rowid)
}

/// Changes a row, its rowid included.
pub fn update(shared: &TableState, old: i64, new: i64, values: &Args<'_>, conflict: Conflict) -> Result<()> {
    let on = shared.on();
    let Some(before) = on.storage.row(on.conn, old)? else {
        if conflict == Conflict::Replace {
            // A row that this statement changed before has taken its place.
            return Ok(());
        }
        return Err(Error::Value(format!("{}: row {old} is gone", shared.table())));
    };
    refuse_hidden(shared, values, true)?;
    let mut row = Row { values: before.values, vectors: Vec::new() };
    let mut changed = Changed::default();
    let mut new = new;
    let (mut stored, mut vector) = (0, 0);
    for (at, column) in on.schema.columns.iter().enumerate() {
        let unchanged = values.nochange(at);
        match &column.kind {
            ColumnKind::Vector(spec) => {
                if !unchanged {
                    let bytes = check_vector(shared, column, values, at)?.map(|v| encode_vector(spec, &v));
                    if row.vectors.is_empty() {
                        row.vectors = on.storage.vectors(on.conn, old)?;
                    }
                    changed.vectors |= bytes != row.vectors[vector];
                    row.vectors[vector] = bytes;
                }
                vector += 1;
            }
            ColumnKind::Key(ColumnType::Integer) => {
                if !unchanged {
                    match on.accept_rowid(column, Value::from(values.value(at)))? {
                        // `SET id = 5` moves the row, as for a rowid alias of an ordinary table.
                        Some(key) if key != old => new = key,
                        Some(_) => {}
                        None => on.accept_null(column)?,
                    }
                }
            }
            kind => {
                if !unchanged {
                    let value = match (values.value(at), &column.default) {
                        // As in an ordinary table.
                        (ValueRef::Null, Some(default))
                            if column.not_null && conflict == Conflict::Replace =>
                        {
                            default.clone()
                        }
                        (value, _) => on.accept_ref(column, value)?,
                    };
                    if value != row.values[stored] {
                        changed.note(kind);
                    }
                    row.values[stored] = value;
                }
                stored += 1;
            }
        }
    }
    writer(shared).update(old, new, &row, changed, conflict == Conflict::Replace)
}

/// The row, and the rowid that an INTEGER key asks for.
fn check(shared: &TableState, values: &Args<'_>) -> Result<(Row, Option<i64>)> {
    let on = shared.on();
    let mut row = Row { values: Vec::new(), vectors: Vec::new() };
    let mut rowid = None;
    for (at, column) in on.schema.columns.iter().enumerate() {
        match &column.kind {
            ColumnKind::Vector(spec) => {
                let vector = check_vector(shared, column, values, at)?;
                row.vectors.push(vector.map(|v| encode_vector(spec, &v)));
            }
            ColumnKind::Key(ColumnType::Integer) => {
                rowid = on.accept_rowid(column, Value::from(values.value(at)))?;
            }
            _ => row.values.push(match (values.value(at), &column.default) {
                (ValueRef::Null, Some(default)) => default.clone(),
                (value, _) => on.accept_ref(column, value)?,
            }),
        }
    }
    Ok((row, rowid))
}

/// Hidden columns are for queries. (A value for the one named like the table is a command, of an INSERT only.)
fn refuse_hidden(shared: &TableState, values: &Args<'_>, changes: bool) -> Result<()> {
    let columns = || hidden_columns(&shared.collection.schema);
    // UPDATE ... FROM hands every column over as it was read; else the ones that SET does not name are marked.
    if changes && !columns().any(|(at, ..)| values.nochange(at)) {
        return Ok(());
    }
    match columns().find(|(at, ..)| values.value(*at) != ValueRef::Null && !values.nochange(*at)) {
        None => Ok(()),
        Some((_, hidden, name)) => {
            let table = shared.table();
            let name = if hidden == Hidden::Table { table } else { name.as_str() };
            Err(Error::Value(format!("{table}.{name} is a hidden column for queries and cannot be written")))
        }
    }
}

fn check_vector<'a>(
    shared: &TableState,
    column: &Column,
    values: &Args<'a>,
    at: usize,
) -> Result<Option<std::borrow::Cow<'a, [f32]>>> {
    let ColumnKind::Vector(spec) = &column.kind else { return Ok(None) };
    let value = values.value(at);
    if value == ValueRef::Null {
        shared.on().accept_null(column)?;
        return Ok(None);
    }
    let name = format!("{}.{}", shared.table(), column.name);
    let model = shared.collection.schema.model.as_deref();
    let target = vector_value::Target { name: &name, dim: Some(spec.dim), model };
    let vector = vector_value::read(value, values.subtype(at), &target)?;
    shared.on().accept_vector(column, &vector)?;
    Ok(Some(vector))
}
