//! Writing rows: validation first, then `t_rows`, `t_vectors` and the log.
//!
//! What a user can get wrong is found before the first write. All writes of a row are made together or not at all
//! ([`Shared::atomically`]).

use super::columns::{Hidden, hidden_columns};
use super::functions;
use super::module::{Args, Conflict};
use super::table::Shared;
use super::vector_value;
use crate::collection::encode_vector;
use crate::columns::affinity;
use crate::error::{Error, Result};
use crate::json::{self, Json};
use crate::schema::{Column, ColumnKind, ColumnType};
use crate::storage::LogOp;
use crate::value::Value;
use crate::vector::{Store, fits_f16};
use rusqlite::types::ValueRef;

/// A row checked against the schema, ready to be stored.
struct Checked {
    /// Values of `t_rows` in order.
    values: Vec<Value>,
    /// Stored bytes of each vector column.
    vectors: Vec<Option<Vec<u8>>>,
    /// The rowid that an INTEGER key asks for.
    key_rowid: Option<i64>,
}

/// Inserts a row and returns its rowid.
pub fn insert(shared: &Shared, rowid: Option<i64>, values: &Args<'_>, conflict: Conflict) -> Result<i64> {
    refuse_hidden(shared, values, false)?;
    let checked = check(shared, values)?;
    let rowid = match (rowid, checked.key_rowid) {
        (Some(a), Some(b)) if a != b => {
            return Err(Error::Value(format!(
                "{}: the row is given rowid {a} and key {b}",
                shared.storage.table
            )));
        }
        (a, b) => a.or(b),
    };
    let clashes = clashes(shared, rowid, &checked.values, None, conflict)?;
    if clashes.is_empty() {
        return insert_new(shared, rowid, &checked);
    }
    shared.atomically(|| {
        remove(shared, &clashes)?;
        insert_new(shared, rowid, &checked)
    })
}

/// Inserts a row that is in nobody's way. What fails is taken back here: a journal of each row would make a load a quarter
/// slower.
fn insert_new(shared: &Shared, rowid: Option<i64>, checked: &Checked) -> Result<i64> {
    let (storage, conn) = (&shared.storage, shared.host.connection());
    let rowid = storage.insert_row(conn, rowid, &checked.values)?;
    let mut logged = None;
    let mut index = || {
        put_new_vectors(shared, rowid, &checked.vectors)?;
        storage.log_append(conn, LogOp::Add, rowid)?;
        logged = Some(conn.last_insert_rowid());
        shared.wrote()
    };
    if let Err(error) = index() {
        shared.take_back(&error, || {
            storage.delete_row(conn, rowid)?;
            logged.map_or(Ok(()), |seq| storage.log_remove(conn, seq))
        });
        return Err(error);
    }
    Ok(rowid)
}

/// Deletes a row; nothing happens when it is not there.
pub fn delete(shared: &Shared, rowid: i64) -> Result<()> {
    shared.atomically(|| {
        remove(shared, &[rowid])?;
        shared.wrote()
    })
}

fn remove(shared: &Shared, rowids: &[i64]) -> Result<()> {
    for rowid in rowids {
        unindex(shared, *rowid)?;
        shared.storage.delete_row(shared.host.connection(), *rowid)?;
    }
    Ok(())
}

/// Changes a row, its rowid included.
pub fn update(shared: &Shared, old: i64, new: i64, values: &Args<'_>, conflict: Conflict) -> Result<()> {
    let (storage, conn) = (&shared.storage, shared.host.connection());
    let Some(before) = storage.row(conn, old)? else {
        return Err(Error::Value(format!("{}: row {old} is gone", storage.table)));
    };
    refuse_hidden(shared, values, true)?;
    let mut vectors = storage.vectors(conn, old)?;
    let mut row = before.values.clone();
    let mut indexed = false;
    let mut new = new;
    let (mut stored, mut vector) = (0, 0);
    for (at, column) in shared.schema.columns.iter().enumerate() {
        let unchanged = values.nochange(at);
        match &column.kind {
            ColumnKind::Vector(spec) => {
                if !unchanged {
                    let bytes = check_vector(shared, column, values, at)?.map(|v| encode_vector(spec, &v));
                    indexed |= bytes != vectors[vector];
                    vectors[vector] = bytes;
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
                    indexed |= !plain && value != row[stored];
                    row[stored] = value;
                }
                stored += 1;
            }
        }
    }
    let clashes = clashes(shared, Some(new), &row, Some(old), conflict)?;
    if new == old && !indexed && clashes.is_empty() {
        // One statement, which SQLite itself does as a whole or not at all.
        return storage.update_row(conn, old, &row);
    }
    shared.atomically(|| {
        remove(shared, &clashes)?;
        if new != old {
            remove(shared, &[old])?;
            storage.insert_row(conn, Some(new), &row)?;
        } else {
            if indexed {
                unindex(shared, old)?;
            }
            storage.update_row(conn, old, &row)?;
        }
        if new != old || indexed {
            put_vectors(shared, new, &vectors)?;
            storage.log_append(conn, LogOp::Add, new)?;
        }
        shared.wrote()
    })
}

fn put_vectors(shared: &Shared, rowid: i64, vectors: &[Option<Vec<u8>>]) -> Result<()> {
    let slices: Vec<Option<&[u8]>> = vectors.iter().map(Option::as_deref).collect();
    shared.storage.put_vectors(shared.host.connection(), rowid, &slices)
}

/// Stores the vectors of a new row. A slot of a tile may lie in two pieces.
fn put_new_vectors(shared: &Shared, rowid: i64, vectors: &[Option<Vec<u8>>]) -> Result<()> {
    let (storage, conn) = (&shared.storage, shared.host.connection());
    if vectors.is_empty() {
        return Ok(());
    }
    if storage.is_tiled(conn, rowid)? {
        return shared.atomically(|| put_vectors(shared, rowid, vectors));
    }
    let slices: Vec<Option<&[u8]>> = vectors.iter().map(Option::as_deref).collect();
    storage.put_single(conn, rowid, &slices)
}

/// Takes a row out of the index: out of the delta, or dead in its segment.
fn unindex(shared: &Shared, rowid: i64) -> Result<()> {
    let (storage, conn) = (&shared.storage, shared.host.connection());
    let view = shared.view()?;
    let op = if view.delta.contains(rowid) {
        LogOp::Remove
    } else {
        match view.find(storage, conn, &shared.schema, rowid)? {
            Some((part, ord)) => LogOp::Kill { segment: view.segments[part].segment.record.seq, ord },
            None => return Ok(()),
        }
    };
    drop(view);
    storage.log_append(conn, op, rowid)
}

/// The rows that the new row would collide with, which REPLACE removes.
///
/// # Errors
/// Such a row, if the statement is no REPLACE.
fn clashes(
    shared: &Shared,
    rowid: Option<i64>,
    values: &[Value],
    own: Option<i64>,
    conflict: Conflict,
) -> Result<Vec<i64>> {
    let (storage, conn, schema) = (&shared.storage, shared.host.connection(), &shared.schema);
    let mut clashes = Vec::new();
    if let Some(rowid) = rowid
        && Some(rowid) != own
        && storage.row_exists(conn, rowid)?
    {
        let name = match schema.key_column() {
            Some((at, ColumnType::Integer)) => schema.columns[at].name.as_str(),
            _ => "rowid",
        };
        clashes.push((rowid, name, rowid.to_string()));
    }
    if let Some((at, ColumnType::Text)) = schema.key_column() {
        let stored = schema.columns[..at].iter().filter(|c| !matches!(c.kind, ColumnKind::Vector(_))).count();
        if let Some(key) = values.get(stored)
            && let Some(found) = storage.rowid_of_key(conn, key)?
            && Some(found) != own
        {
            clashes.push((
                found,
                schema.columns[at].name.as_str(),
                format!("'{}'", key.as_text().unwrap_or("")),
            ));
        }
    }
    match clashes.first() {
        Some((_, column, value)) if conflict != Conflict::Replace => {
            let table = &storage.table;
            Err(Error::Constraint(format!(
                "UNIQUE constraint failed: {table}.{column}: {value} exists already"
            )))
        }
        _ => Ok(clashes.into_iter().map(|(rowid, ..)| rowid).collect()),
    }
}

fn check(shared: &Shared, values: &Args<'_>) -> Result<Checked> {
    let mut checked = Checked { values: Vec::new(), vectors: Vec::new(), key_rowid: None };
    for (at, column) in shared.schema.columns.iter().enumerate() {
        match &column.kind {
            ColumnKind::Vector(spec) => {
                let vector = check_vector(shared, column, values, at)?;
                checked.vectors.push(vector.map(|v| encode_vector(spec, &v)));
            }
            ColumnKind::Key(ColumnType::Integer) => {
                checked.key_rowid = check_rowid(shared, column, values.value(at))?;
            }
            _ => checked.values.push(check_value(shared, column, values.value(at))?),
        }
    }
    Ok(checked)
}

/// Hidden columns are for queries. (A value for the one named like the table is a command, of an INSERT only.)
fn refuse_hidden(shared: &Shared, values: &Args<'_>, changes: bool) -> Result<()> {
    let columns = || hidden_columns(&shared.schema);
    // UPDATE ... FROM hands every column over as it was read; else the ones that SET does not name are marked.
    if changes && !columns().any(|(at, ..)| values.nochange(at)) {
        return Ok(());
    }
    match columns().find(|(at, ..)| values.value(*at) != ValueRef::Null && !values.nochange(*at)) {
        None => Ok(()),
        Some((_, hidden, name)) => {
            let table = &shared.storage.table;
            let name = if hidden == Hidden::Table { table } else { name };
            Err(Error::Value(format!("{table}.{name} is a hidden column for queries and cannot be written")))
        }
    }
}

fn refuse_null(shared: &Shared, column: &Column) -> Result<()> {
    if column.not_null {
        let table = &shared.storage.table;
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
    let name = format!("{}.{}", shared.storage.table, column.name);
    let model = shared.schema.model.as_deref();
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

/// An object as the text that it is; nothing of it is changed.
fn check_json(shared: &Shared, column: &Column, value: ValueRef<'_>) -> Result<Value> {
    let place = || format!("{}.{}", shared.storage.table, column.name);
    let expected = |got: &str| {
        let hint = if got == "null" { "; for no object insert NULL, not the text 'null'" } else { "" };
        Err(Error::Value(format!("{}: expected a JSON object, got {got}{hint}", place())))
    };
    match value {
        ValueRef::Null => {
            refuse_null(shared, column)?;
            Ok(Value::Null)
        }
        ValueRef::Text(text) => match json::parse_bytes(text) {
            Ok(Json::Object(_)) => Ok(Value::from(value)),
            Ok(other) => expected(other.kind()),
            Err(why) => Err(Error::Value(format!("{}: not valid JSON: {why}", place()))),
        },
        other => expected(&functions::shown(other)),
    }
}

fn check_value(shared: &Shared, column: &Column, value: ValueRef<'_>) -> Result<Value> {
    if column.kind == ColumnKind::Metadata(ColumnType::Json) {
        return check_json(shared, column, value);
    }
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
            let table = &shared.storage.table;
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
    Error::Value(format!("{}.{}: expected {expected}, got {shown}{hint}", shared.storage.table, column.name))
}
