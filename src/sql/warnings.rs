//! `nearlite_warnings(table, query)`: what a text query could not mean, read without searching.

use super::functions::{Carried, TextValue};
use super::info;
use super::module::Args;
use crate::collection::OpenCollection;
use crate::error::{Error, Result};
use crate::query::fusion;
use crate::text::{TextConfig, TextQuery};
use crate::value::Value;
use rusqlite::Connection;

/// The warnings as a JSON array of sentences. `args` are the name of the table and the query, one as MATCH takes it.
pub fn json(conn: &Connection, args: &Args<'_>) -> Result<String> {
    let Value::Text(table) = Value::from(args.value(0)) else {
        return Err(Error::Value("nearlite_warnings takes the name of a table and a text query".into()));
    };
    info::on(conn, &table, |collection| of_collection(conn, collection, &table, args))
}

fn of_collection(
    conn: &Connection,
    collection: &OpenCollection,
    table: &str,
    args: &Args<'_>,
) -> Result<String> {
    let schema = &collection.schema;
    if schema.full_texts().next().is_none() {
        return Err(Error::QueryText(format!("{table} has no FULLTEXT column to match a text against")));
    }
    let mut query = TextValue::of(args, 1)?;
    if let Some(Carried::Hybrid(hybrid)) = Carried::of(args, 1)? {
        query = hybrid.text().cloned();
        let options = hybrid.options.as_deref().map(fusion::parse_options).transpose()?;
        if let (Some(query), Some(options)) = (&mut query, options) {
            query.options.text = query.options.text.over(&options.text);
        }
    }
    let warnings = match query {
        Some(query) => {
            let options = collection.settings(conn)?.text_options(schema, &query.options.text);
            TextQuery::parse(&TextConfig::of(schema), &query.text, None, options)?.warnings().to_vec()
        }
        None => Vec::new(),
    };
    serde_json::to_string(&warnings).map_err(|error| Error::Value(error.to_string()))
}
