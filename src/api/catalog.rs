//! The collections of a database by name: which there are, and what an error means where one is not there any more.

use super::atomic::reading;
use crate::collection::OpenCollection;
use crate::error::{Error, Result};
use crate::schema::quoted;
use rusqlite::{Connection, OptionalExtension};

pub(super) fn open(conn: &Connection, database: &str, name: &str) -> Result<OpenCollection> {
    reading(conn, || {
        let table = declared_name(conn, database, name)?.ok_or_else(|| no_such_collection(conn, name))?;
        OpenCollection::open(conn, database, &table)
    })
}

/// The table `t_delta` distinguishes our tables from those of other modules in whose declaration our name occurs.
const NEARLITE_TABLES: &str = "type = 'table' AND sql LIKE 'CREATE VIRTUAL TABLE%USING%nearlite%' \
     AND name || '_delta' COLLATE NOCASE IN (SELECT name FROM";

/// The name as it was declared of the collection called `name`, if there is one.
pub(super) fn declared_name(conn: &Connection, database: &str, name: &str) -> Result<Option<String>> {
    let sql = format!(
        "SELECT name FROM {0}.sqlite_schema \
          WHERE name = ?1 COLLATE NOCASE AND {NEARLITE_TABLES} {0}.sqlite_schema)",
        quoted(database)
    );
    Ok(conn.prepare_cached(&sql)?.query_row([name], |row| row.get(0)).optional()?)
}

/// The name as it was declared of the collection called `name`, which must be there.
pub(super) fn existing_name(conn: &Connection, name: &str) -> Result<String> {
    declared_name(conn, "main", name)?.ok_or_else(|| no_such_collection(conn, name))
}

/// What else is called `name`.
pub(super) fn other_object(conn: &Connection, name: &str) -> Result<Option<&'static str>> {
    let sql = "SELECT type FROM main.sqlite_schema WHERE name = ?1 COLLATE NOCASE AND type <> 'trigger'";
    let kind: Option<String> = conn.prepare_cached(sql)?.query_row([name], |row| row.get(0)).optional()?;
    Ok(kind.map(|kind| match kind.as_str() {
        "index" => "an index",
        "view" => "a view",
        _ => "a table",
    }))
}

/// The error of work on a collection that is not there any more, said plainly; any other error as it is.
pub(super) fn explain_missing(conn: &Connection, collection: &OpenCollection, error: Error) -> Error {
    let (database, table) = (&collection.storage.database, &collection.storage.table);
    if matches!(error, Error::Sqlite(_)) && matches!(declared_name(conn, database, table), Ok(None)) {
        return Error::Unknown(format!(
            "there is no collection {table} any more: it was dropped or renamed; open or create it again"
        ));
    }
    error
}

/// Names of all collections, in order.
pub(super) fn collection_names(conn: &Connection) -> Result<Vec<String>> {
    let sql = format!("SELECT name FROM sqlite_schema WHERE {NEARLITE_TABLES} sqlite_schema) ORDER BY name");
    let mut statement = conn.prepare_cached(&sql)?;
    let names = statement.query_map([], |row| row.get(0))?;
    Ok(names.collect::<rusqlite::Result<_>>()?)
}

/// There is no collection of this name; the error lists those there are.
pub(super) fn no_such_collection(conn: &Connection, name: &str) -> Error {
    let known = collection_names(conn).unwrap_or_default();
    Error::Unknown(match known.as_slice() {
        [] => format!("there is no collection {name}; create it first"),
        known => format!("there is no collection {name}; collections are {}", known.join(", ")),
    })
}
