//! Legs and groups of a search from the values that SQL gives, checked against the table.

use super::functions::{LikeValue, NearValue, TextValue};
use super::table_state::TableState;
use super::vector_value;
use crate::columns::affinity::text_to_number;
use crate::error::{Error, Result};
use crate::query::fusion::HybridOptions;
use crate::query::{Grouping, Leg, Like, TextLeg, VectorLeg};
use crate::schema::{ColumnKind, VectorSpec};
use crate::value::Value;
use rusqlite::types::ValueRef;

/// The vector leg that `value` asks for in the VECTOR column at `at`; `None` for NULL.
pub fn vector_leg(
    shared: &TableState,
    at: usize,
    value: ValueRef<'_>,
    subtype: u32,
) -> Result<Option<VectorLeg>> {
    let column = &shared.collection.schema.columns[at];
    let ColumnKind::Vector(VectorSpec { dim, .. }) = column.kind else { return Ok(None) };
    let model = shared.collection.schema.model.as_deref();
    if value == ValueRef::Null {
        return Ok(None);
    }
    let name = format!("{}.{}", shared.table(), column.name);
    let target = vector_value::Target { name: &name, dim: Some(dim), model };
    let query = vector_value::read(value, subtype, &target)?.into_owned();
    Ok(shared.collection.schema.vector_nth(at).map(|column| VectorLeg { column, query }))
}

/// Position in the schema of the VECTOR column of this name, or of the first one.
pub fn vector_column(shared: &TableState, name: Option<&str>) -> Result<usize> {
    let (table, schema) = (shared.table(), &shared.collection.schema);
    match name {
        Some(name) => match schema.find(name) {
            Some((at, column)) if matches!(column.kind, ColumnKind::Vector(_)) => Ok(at),
            _ => Err(Error::Unknown(format!("{table}: hybrid_query: there is no vector column '{name}'"))),
        },
        None => match schema.vectors().next() {
            Some((at, _)) => Ok(at),
            None => Err(Error::Value(format!("{table}: hybrid_query needs a VECTOR column"))),
        },
    }
}

/// The leg of `near(...)`; `column` is the default one.
pub fn near_leg(shared: &TableState, near: &NearValue, column: &Result<usize>) -> Result<Option<Leg>> {
    let at = match (&near.column, column) {
        (Some(name), _) => vector_column(shared, Some(name))?,
        (None, Ok(at)) => *at,
        (None, Err(error)) => return Err(Error::Value(error.to_string())),
    };
    if let Some(named) = &near.options.model {
        let schema = &shared.collection.schema;
        let place = format!("{}.{}", shared.table(), schema.columns[at].name);
        Error::check_model(&place, schema.model.as_deref(), named)?;
    }
    let leg = vector_leg(shared, at, near.vector.as_ref(), near.subtype)?;
    Ok(leg.map(|leg| near.options.leg(leg)))
}

/// The leg of a text; `field` is the FULLTEXT column on the left of MATCH, counted among them.
pub fn text_leg(shared: &TableState, value: TextValue, field: Option<usize>) -> Result<Leg> {
    let (table, schema) = (shared.table(), &shared.collection.schema);
    let named = match &value.options.column {
        None => None,
        Some(name) => match schema.find(name).and_then(|(at, _)| schema.full_text_nth(at)) {
            Some(nth) => Some(nth),
            None => {
                return Err(Error::Unknown(format!(
                    "{table}: text_query: there is no FULLTEXT column '{name}'"
                )));
            }
        },
    };
    if let (Some(field), Some(named)) = (field, named)
        && field != named
    {
        let names: Vec<&str> = schema.full_texts().map(|(at, _)| schema.columns[at].name.as_str()).collect();
        let (left, option) = (names[field], names[named]);
        return Err(Error::Value(format!(
            "{table}.{left} MATCH text_query(...): its options name the column '{option}'; write {table} MATCH text_query(...) for \
             what the options say"
        )));
    }
    let TextValue { text: query, options } = value;
    Ok(options.leg(TextLeg { query, options: options.text.clone(), field: field.or(named) }))
}

/// The rowid that `like_row` names, and the legs of rows that are like that one. There are none where there is no such
/// row, or it does not have what is compared.
pub fn like_legs(
    shared: &TableState,
    value: &LikeValue,
    like: &Like,
    column: Option<usize>,
) -> Result<(i64, Vec<Leg>)> {
    const NOBODY: (i64, Vec<Leg>) = (0, Vec::new());
    let Some(rowid) = like_rowid(shared, &value.row)? else { return Ok(NOBODY) };
    let pinned = shared.pin()?;
    let column = column.and_then(|at| shared.collection.schema.vector_nth(at));
    let mut legs = like.legs(pinned.snapshot(shared.on()), rowid, column)?;
    for leg in &mut legs {
        (leg.weight, leg.depth) = (value.leg.weight.unwrap_or(1.0), value.leg.depth);
    }
    Ok((rowid, legs))
}

/// The rowid of a row that is given by its rowid or its TEXT key. A number in a text is a rowid where there is no such key.
fn like_rowid(shared: &TableState, row: &Value) -> Result<Option<i64>> {
    Ok(match row {
        Value::Integer(rowid) => Some(*rowid),
        Value::Real(real) => Value::whole(*real),
        Value::Text(_) if shared.collection.schema.has_text_key() => {
            shared.collection.storage.rowid_of_key(shared.conn(), row)?
        }
        Value::Text(text) => match text_to_number(text) {
            Some(number) => like_rowid(shared, &number)?,
            None => None,
        },
        _ => None,
    })
}

/// The grouping that the options ask for.
pub fn grouping(shared: &TableState, options: &HybridOptions) -> Result<Option<Grouping>> {
    let Some(name) = &options.group_by else { return Ok(None) };
    let (table, schema) = (shared.table(), &shared.collection.schema);
    match schema.find(name) {
        Some((column, _)) => Ok(Some(Grouping { column, rows: options.group_rows.unwrap_or(1) })),
        None => {
            let known: Vec<_> = schema.columns.iter().map(|column| column.name.as_str()).collect();
            Err(Error::Unknown(format!(
                "{table}: group_by: there is no column '{name}'; the columns are {}",
                known.join(", ")
            )))
        }
    }
}
