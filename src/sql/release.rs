//! `nearlite_release(schema or file)`: what the process keeps in memory of the tables in a file is given back.

use super::info::is_ours;
use super::module::Args;
use crate::collection::{OpenCollection, cache};
use crate::error::{Error, Result};
use crate::schema::quoted;
use crate::storage::SegmentId;
use crate::value::Value;
use rusqlite::Connection;
use std::collections::HashSet;

/// Releases what is cached of the tables in the schema, or file, that is named, or of all files of the process where none is.
/// Returns the bytes.
pub fn release(conn: &Connection, args: &Args<'_>) -> Result<usize> {
    let name = if args.len() == 0 { Value::Null } else { Value::from(args.value(0)) };
    let name = match &name {
        Value::Null => return Ok(cache::release(None)),
        Value::Text(name) => name,
        _ => return Err(Error::Value("nearlite_release takes the name of a database or of its file".into())),
    };
    let mut list = conn.prepare("SELECT name, file FROM pragma_database_list")?;
    let found = list.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let databases: Vec<(String, Option<String>)> = found.collect::<rusqlite::Result<_>>()?;
    let is_wanted = |(schema, file): &&(String, Option<String>)| {
        schema.eq_ignore_ascii_case(name)
            || file.as_deref().is_some_and(|file| !file.is_empty() && file == name)
    };
    let Some((schema, _)) = databases.iter().find(is_wanted) else {
        return Err(Error::Unknown(format!("nearlite_release: this connection has no database '{name}'")));
    };
    let mut segments: HashSet<SegmentId> = HashSet::new();
    let sql = format!("SELECT name, sql FROM {}.sqlite_schema WHERE type = 'table'", quoted(schema));
    let mut tables = conn.prepare(&sql)?;
    let mut rows = tables.query([])?;
    while let Some(row) = rows.next()? {
        let (table, sql): (String, Option<String>) = (row.get(0)?, row.get(1)?);
        if sql.is_some_and(|sql| is_ours(&sql)) {
            let storage = OpenCollection::open(conn, schema, &table)?.storage;
            segments.extend(storage.segments(conn)?.iter().map(|record| record.id));
        }
    }
    Ok(cache::release(Some(&segments)))
}
