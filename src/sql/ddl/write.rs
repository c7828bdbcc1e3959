//! A [`Schema`] as the arguments that declare it.

use crate::schema::{Column, ColumnKind, ColumnType, IndexKind, Schema, VectorSpec};

/// The declared arguments that [`parse`](super::parse) reads back as `schema`, joined by commas.
pub(crate) fn write(schema: &Schema) -> String {
    let columns = schema.columns.iter().map(write_column);
    let own = [("tokenizer", schema.tokenizer.clone()), ("model", schema.model.clone())];
    let own = own.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let options = own
        .chain(schema.text.declared())
        .map(|(name, value)| format!("{name} = '{}'", value.replace('\'', "''")));
    columns.chain(options).collect::<Vec<_>>().join(", ")
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
            let index = match spec.index {
                IndexKind::Flat => "flat".to_owned(),
                IndexKind::Hnsw { m, ef_construction } => {
                    format!("hnsw(m={m}, ef_construction={ef_construction})")
                }
            };
            let VectorSpec { dim, metric, codes, store, .. } = spec;
            format!("VECTOR({dim}) METRIC {metric} INDEX {index} CODES {codes} STORE {store}")
        }
    };
    // A text key refuses NULL by itself.
    let implied = matches!(column.kind, ColumnKind::Key(ColumnType::Text));
    let not_null = if column.not_null && !implied { " NOT NULL" } else { "" };
    format!("\"{name}\" {kind}{not_null}")
}
