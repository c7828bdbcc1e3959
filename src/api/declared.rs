//! What a schema is in SQL, and whether a collection was declared so.

use crate::collection::OpenCollection;
use crate::error::{Error, Result};
use crate::schema::Schema;
use crate::sql;

/// The columns of a schema as SQL declares them; `None` when it has options, too.
pub(super) fn declarations(schema: &Schema) -> Option<Vec<String>> {
    if !sql::write_options(schema).is_empty() {
        return None;
    }
    let mut columns = Vec::with_capacity(schema.columns.len());
    for column in &schema.columns {
        columns.push(sql::write_column(column));
    }
    Some(columns)
}

/// Whether the stored schema is the one asked for.
pub(super) fn check_same(collection: &OpenCollection, asked: &Schema) -> Result<()> {
    let (table, stored) = (&collection.storage.table, &collection.schema);
    if sql::write_schema(stored) == sql::write_schema(asked) {
        return Ok(());
    }
    let differs = |what: String| Err(Error::Schema(format!("{table} exists with another schema: {what}")));
    for at in 0..stored.columns.len().max(asked.columns.len()) {
        match (stored.columns.get(at), asked.columns.get(at)) {
            (Some(old), None) => {
                return differs(format!("it has a column {} that is not asked for", old.name));
            }
            (None, Some(new)) => return differs(format!("it has no column {}", new.name)),
            (Some(old), Some(new)) if sql::write_column(old) != sql::write_column(new) => {
                let (old, new) = (sql::write_column(old), sql::write_column(new));
                return differs(format!("column {} is {old}, asked for is {new}", at + 1));
            }
            _ => {}
        }
    }
    let option = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".into());
    if stored.tokenizer != asked.tokenizer {
        let (old, new) = (option(&stored.tokenizer), option(&asked.tokenizer));
        return differs(format!("its tokenizer is {old}, asked for is {new}"));
    }
    if stored.hidden_prefix != asked.hidden_prefix {
        let (old, new) = (option(&stored.hidden_prefix), option(&asked.hidden_prefix));
        return differs(format!("its hidden_prefix is {old}, asked for is {new}"));
    }
    if stored.text != asked.text {
        let shown = |schema: &Schema| match schema.text.declared().as_slice() {
            [] => "none".to_owned(),
            all => all.iter().map(|(name, value)| format!("{name} = {value}")).collect::<Vec<_>>().join(", "),
        };
        let (old, new) = (shown(stored), shown(asked));
        return differs(format!("its options of texts are {old}, asked for are {new}"));
    }
    differs(format!("its model is {}, asked for is {}", option(&stored.model), option(&asked.model)))
}
