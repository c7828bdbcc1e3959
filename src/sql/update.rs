//! The values of an INSERT or UPDATE, checked against the schema and handed to the collection.
//!
//! What a user can get wrong is found before the first write.

use super::columns::{Hidden, hidden_columns};
use super::module::{Args, Conflict};
use super::shared::Shared;
use super::vector_value;
use crate::collection::{Row, Writer};
use crate::columns::affinity;
use crate::error::{Error, Result};
use crate::schema::{Column, ColumnKind, ColumnType};
use crate::storage::encode_vector;
use crate::value::Value;
use crate::vector::{Store, fits_f16};
use rusqlite::types::ValueRef;

fn writer(shared: &Shared) -> Writer<'_, Shared> {
    Writer { collection: &shared.collection, conn: shared.conn(), journal: shared }
}

/// Inserts a row and returns its rowid.
pub fn insert(shared: &Shared, rowid: Option<i64>, values: &Args<'_>, conflict: Conflict) -> Result<i64> {
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
pub fn delete(shared: &Shared, rowid: i64) -> Result<()> {
    writer(shared).delete(rowid)
}

/// Changes a row, its rowid included.
pub fn update(shared: &Shared, old: i64, new: i64, values: &Args<'_>, conflict: Conflict) -> Result<()> {
    let on = shared.on();
    let Some(before) = on.storage.row(on.conn, old)? else {
        return Err(Error::Value(format!("{}: row {old} is gone", shared.table())));
    };
    refuse_hidden(shared, values, true)?;
    let mut row = Row { values: before.values, vectors: on.storage.vectors(on.conn, old)? };
    let mut indexed = false;
    let mut new = new;
    let (mut stored, mut vector) = (0, 0);
    for (at, column) in on.schema.columns.iter().enumerate() {
        let unchanged = values.nochange(at);
        match &column.kind {
            ColumnKind::Vector(spec) => {
                if !unchanged {
                    let bytes = check_vector(shared, column, values, at)?.map(|v| encode_vector(spec, &v));
                    indexed |= bytes != row.vectors[vector];
                    row.vectors[vector] = bytes;
                }
                vector += 1;
            }
            ColumnKind::Key(ColumnType::Integer) => {
                if !unchanged && let Some(key) = check_rowid(shared, column, values.value(at))? {
                    // `SET id = 5` moves the row, as for a rowid alias of an ordinary table.
                    if key != old {
                        new = key;
                    }
                }
            }
            kind => {
                if !unchanged {
                    let value = check_value(shared, column, values.value(at))?;
                    let plain = matches!(kind, ColumnKind::Unindexed | ColumnKind::Key(_));
                    indexed |= !plain && value != row.values[stored];
                    row.values[stored] = value;
                }
                stored += 1;
            }
        }
    }
    writer(shared).update(old, new, &row, indexed, conflict == Conflict::Replace)
}

/// The row, and the rowid that an INTEGER key asks for.
fn check(shared: &Shared, values: &Args<'_>) -> Result<(Row, Option<i64>)> {
    let mut row = Row { values: Vec::new(), vectors: Vec::new() };
    let mut rowid = None;
    for (at, column) in shared.collection.schema.columns.iter().enumerate() {
        match &column.kind {
            ColumnKind::Vector(spec) => {
                let vector = check_vector(shared, column, values, at)?;
                row.vectors.push(vector.map(|v| encode_vector(spec, &v)));
            }
            ColumnKind::Key(ColumnType::Integer) => {
                rowid = check_rowid(shared, column, values.value(at))?;
            }
            _ => row.values.push(check_value(shared, column, values.value(at))?),
        }
    }
    Ok((row, rowid))
}

/// Hidden columns are for queries. (A value for the one named like the table is a command, of an INSERT only.)
fn refuse_hidden(shared: &Shared, values: &Args<'_>, changes: bool) -> Result<()> {
    let columns = || hidden_columns(&shared.collection.schema);
    // UPDATE ... FROM hands every column over as it was read; else the ones that SET does not name are marked.
    if changes && !columns().any(|(at, ..)| values.nochange(at)) {
        return Ok(());
    }
    match columns().find(|(at, ..)| values.value(*at) != ValueRef::Null && !values.nochange(*at)) {
        None => Ok(()),
        Some((_, hidden, name)) => {
            let table = shared.table();
            let name = if hidden == Hidden::Table { table } else { name };
            Err(Error::Value(format!("{table}.{name} is a hidden column for queries and cannot be written")))
        }
    }
}

fn refuse_null(shared: &Shared, column: &Column) -> Result<()> {
    if column.not_null {
        let table = shared.table();
        return Err(Error::Constraint(format!("NOT NULL constraint failed: {table}.{}", column.name)));
    }
    Ok(())
}

fn check_vector<'a>(
    shared: &Shared,
    column: &Column,
    values: &Args<'a>,
    at: usize,
) -> Result<Option<std::borrow::Cow<'a, [f32]>>> {
    let ColumnKind::Vector(spec) = &column.kind else { return Ok(None) };
    let value = values.value(at);
    if value == ValueRef::Null {
        refuse_null(shared, column)?;
        return Ok(None);
    }
    let name = format!("{}.{}", shared.table(), column.name);
    let model = shared.collection.schema.model.as_deref();
    let target = vector_value::Target { name: &name, dim: Some(spec.dim), model };
    let vector = vector_value::read(value, values.subtype(at), &target)?;
    if spec.store == Store::F16
        && let Some(index) = vector.iter().position(|x| !fits_f16(*x))
    {
        let x = vector[index];
        return Err(Error::Value(format!(
            "{name}: value {x} at index {index} is too large for STORE f16, whose numbers go up to 65504"
        )));
    }
    Ok(Some(vector))
}

fn check_rowid(shared: &Shared, column: &Column, value: ValueRef<'_>) -> Result<Option<i64>> {
    if let ValueRef::Integer(rowid) = value {
        return Ok(Some(rowid));
    }
    match affinity::store(ColumnType::Integer, Value::from(value)) {
        Ok(Value::Integer(rowid)) => Ok(Some(rowid)),
        Ok(_) | Err(Value::Null) => Ok(None),
        Err(value) => Err(wrong_type(shared, column, ColumnType::Integer, &value)),
    }
}

fn check_value(shared: &Shared, column: &Column, value: ValueRef<'_>) -> Result<Value> {
    let value = Value::from(value);
    let expected = match &column.kind {
        ColumnKind::Key(kind) | ColumnKind::Metadata(kind) => *kind,
        ColumnKind::FullText { .. } => ColumnType::Text,
        ColumnKind::Unindexed | ColumnKind::Vector(_) => {
            if value.is_null() {
                refuse_null(shared, column)?;
            }
            return Ok(value);
        }
    };
    if value.is_null() {
        if matches!(column.kind, ColumnKind::Key(_)) {
            let table = shared.table();
            return Err(Error::Constraint(format!("NOT NULL constraint failed: {table}.{}", column.name)));
        }
        refuse_null(shared, column)?;
        return Ok(value);
    }
    affinity::store(expected, value).map_err(|value| wrong_type(shared, column, expected, &value))
}

fn wrong_type(shared: &Shared, column: &Column, kind: ColumnType, value: &Value) -> Error {
    let shown = match value {
        Value::Text(text) => {
            let cut: String = text.chars().take(40).collect();
            format!("TEXT '{cut}{}'", if text.chars().count() > 40 { "…" } else { "" })
        }
        Value::Blob(bytes) => format!("a BLOB of {} bytes", bytes.len()),
        Value::Integer(int) => format!("INTEGER {int}"),
        Value::Real(real) => format!("REAL {real}"),
        Value::Null => "NULL".into(),
    };
    let expected = if kind == ColumnType::Boolean { "BOOLEAN (0 or 1)" } else { kind.name() };
    let hint = match value {
        Value::Text(text) if affinity::is_missing(kind, text) => {
            "; for a missing value insert NULL, for example by NULLIF(value, '')"
        }
        _ => "",
    };
    Error::Value(format!("{}.{}: expected {expected}, got {shown}{hint}", shared.table(), column.name))
}
