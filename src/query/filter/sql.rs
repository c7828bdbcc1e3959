//! A filter as SQL, with parameters.

use super::Filter;
use crate::schema::{ColumnKind, ColumnType, Schema, quoted};
use crate::value::{Op, Value};

/// Longest list written as single parameters; SQLite allows 32,766 in a statement.
const MAX_PARAMETERS: usize = 64;

impl Filter {
    /// Whether SQLite may find other rows by [`to_sql`](Self::to_sql): it reads a pattern, and a text that is compared with one, up to the
    /// first NUL, and orders texts by the bytes that the file has for them, which are not always those of UTF-8.
    pub(crate) fn differs_in_sql(&self, schema: &Schema, utf8: bool) -> bool {
        match self {
            Self::Prefix { .. } | Self::Like { .. } => true,
            Self::Compare { column, op: Op::Lt | Op::Le | Op::Gt | Op::Ge, .. } => {
                !utf8 && is_text(schema, column)
            }
            Self::And(filters) | Self::Or(filters) => {
                filters.iter().any(|filter| filter.differs_in_sql(schema, utf8))
            }
            Self::Not(filter) => filter.differs_in_sql(schema, utf8),
            _ => false,
        }
    }

    /// The same filter as an SQL expression over the table called `table`; its `?`s stand for the values appended to `params`, in order.
    pub(crate) fn to_sql(&self, table: &str, schema: &Schema, params: &mut Vec<Value>) -> String {
        match self {
            Self::All => "1".to_owned(),
            Self::Compare { column, op, value } => {
                params.push(value.clone());
                format!("{} {} ?", quoted(column), op.symbol())
            }
            Self::In { column, values } => in_list(&quoted(column), is_text(schema, column), values, params),
            Self::IsNull { column } => format!("{} IS NULL", quoted(column)),
            Self::Prefix { column, prefix, ignore_case: true } => {
                let escaped: String = prefix
                    .chars()
                    .flat_map(|c| matches!(c, '%' | '_' | '\\').then_some('\\').into_iter().chain([c]))
                    .collect();
                params.push(Value::Text(escaped + "%"));
                format!("{} LIKE ? ESCAPE '\\'", quoted(column))
            }
            Self::Prefix { column, prefix, ignore_case: false } => {
                let mut pattern = String::new();
                for c in prefix.chars() {
                    match c {
                        '*' | '?' | '[' => pattern.extend(['[', c, ']']),
                        _ => pattern.push(c),
                    }
                }
                params.push(Value::Text(pattern + "*"));
                format!("{} GLOB ?", quoted(column))
            }
            Self::Like { column, pattern } => {
                params.push(Value::Text(pattern.clone()));
                format!("{} LIKE ?", quoted(column))
            }
            Self::Contains { column, text } => {
                params.push(Value::Text(text.clone()));
                format!("instr({}, ?) > 0", quoted(column))
            }
            Self::Row { filter } => {
                params.push(Value::Text(filter.clone()));
                format!("row_matches({}, ?)", quoted(table))
            }
            Self::Json { column, filter } => {
                params.push(Value::Text(filter.clone()));
                format!("json_matches({}, ?)", quoted(column))
            }
            Self::RowidCompare(op, value) => {
                params.push(Value::Integer(*value));
                format!("rowid {} ?", op.symbol())
            }
            Self::Rowids(ids) => {
                let values: Vec<Value> = ids.iter().map(|id| Value::Integer(*id)).collect();
                in_list("rowid", false, &values, params)
            }
            Self::Keys(keys) => {
                let column = schema.key_column().and_then(|(at, _)| schema.columns.get(at));
                let name = column.map_or_else(|| "rowid".to_owned(), |column| quoted(&column.name));
                let values: Vec<Value> = keys.iter().map(|key| Value::Text(key.clone())).collect();
                in_list(&name, true, &values, params)
            }
            Self::And(filters) => joined(filters, (" AND ", "1"), table, schema, params),
            Self::Or(filters) => joined(filters, (" OR ", "0"), table, schema, params),
            Self::Not(filter) => format!("NOT ({})", filter.to_sql(table, schema, params)),
        }
    }
}

fn is_text(schema: &Schema, column: &str) -> bool {
    schema.find(column).is_some_and(|(_, column)| {
        matches!(column.kind, ColumnKind::Key(ColumnType::Text) | ColumnKind::Metadata(ColumnType::Text))
    })
}

/// `text` tells whether the column has TEXT affinity.
fn in_list(name: &str, text: bool, values: &[Value], params: &mut Vec<Value>) -> String {
    if values.len() <= MAX_PARAMETERS {
        params.extend(values.iter().cloned());
        return format!("{name} IN ({})", vec!["?"; values.len()].join(", "));
    }
    // Integers and texts go into one JSON array; the rest, which JSON cannot carry exactly, stay parameters. So do texts with a
    // NUL, where older versions of SQLite end what they read of JSON.
    let (plain, rest): (Vec<&Value>, Vec<&Value>) = values.iter().partition(|value| match value {
        Value::Text(text) => !text.contains('\0'),
        value => matches!(value, Value::Integer(_)),
    });
    let array: Vec<serde_json::Value> = plain
        .into_iter()
        .map(|value| match value {
            // Between two columns, here `name` and `value`, SQLite applies no TEXT affinity.
            Value::Integer(int) if text => serde_json::Value::from(int.to_string()),
            Value::Integer(int) => serde_json::Value::from(*int),
            other => serde_json::Value::from(other.as_text().unwrap_or_default()),
        })
        .collect();
    params.push(Value::Text(serde_json::Value::Array(array).to_string()));
    let mut sql = format!("{name} IN (SELECT value FROM json_each(?))");
    for chunk in rest.chunks(MAX_PARAMETERS) {
        params.extend(chunk.iter().map(|value| (*value).clone()));
        sql += &format!(" OR {name} IN ({})", vec!["?"; chunk.len()].join(", "));
    }
    format!("({sql})")
}

/// The filters in parentheses with `word` between them, as a balanced tree: SQLite limits the depth of an expression,
/// and a plain chain of n terms is n deep.
fn joined(
    filters: &[Filter],
    (word, empty): (&str, &str),
    table: &str,
    schema: &Schema,
    params: &mut Vec<Value>,
) -> String {
    match filters {
        [] => empty.to_owned(),
        [filter] => filter.to_sql(table, schema, params),
        _ => {
            let (left, right) = filters.split_at(filters.len() / 2);
            let left = joined(left, (word, empty), table, schema, params);
            let right = joined(right, (word, empty), table, schema, params);
            format!("({left}{word}{right})")
        }
    }
}
