//! A [`Schema`] as the arguments that declare it.

use crate::schema::{Column, ColumnKind, ColumnType, Schema, VectorSpec, literal};

/// The declared arguments that [`parse`](super::parse) reads back as `schema`, joined by commas.
pub(crate) fn write(schema: &Schema) -> String {
    let columns = schema.columns.iter().map(write_column);
    let options = write_options(schema).into_iter().map(|(.., declaration)| declaration);
    columns.chain(options).collect::<Vec<_>>().join(", ")
}

/// Name, value and declaration of each option that was given.
pub(crate) fn write_options(schema: &Schema) -> Vec<(&'static str, String, String)> {
    let options = [
        ("tokenizer", &schema.tokenizer),
        ("model", &schema.model),
        ("hidden_prefix", &schema.hidden_prefix),
    ];
    let given = options.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
    let given = given.chain(schema.text.declared());
    given.map(|(name, value)| (name, value.clone(), format!("{name} = {}", literal(&value.into())))).collect()
}

pub(crate) fn write_column(column: &Column) -> String {
    let name = column.name.replace('"', "\"\"");
    let kind = match &column.kind {
        ColumnKind::Key(kind) => format!("{} PRIMARY KEY", kind.name()),
        ColumnKind::FullText { weight, tokenizer } => {
            let tokenizer =
                tokenizer.as_ref().map(|name| format!(" TOKENIZER '{}'", name.replace('\'', "''")));
            format!("TEXT FULLTEXT WEIGHT {weight}{}", tokenizer.unwrap_or_default())
        }
        ColumnKind::Metadata(kind) => kind.name().to_owned(),
        ColumnKind::Unindexed => "UNINDEXED".to_owned(),
        ColumnKind::Vector(spec) => {
            let VectorSpec { dim, metric, index, codes, store } = spec;
            format!("VECTOR({dim}) METRIC {metric} INDEX {index} CODES {codes} STORE {store}")
        }
    };
    // A text key refuses NULL by itself.
    let implied = matches!(column.kind, ColumnKind::Key(ColumnType::Text));
    let not_null = if column.not_null && !implied { " NOT NULL" } else { "" };
    let default =
        column.default.as_ref().map_or(String::new(), |value| format!(" DEFAULT {}", literal(value)));
    format!("\"{name}\" {kind}{not_null}{default}")
}
