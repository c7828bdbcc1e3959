//! Terms of a plan as filters of the search.

use super::plan::Term;
use super::table_state::TableState;
use crate::columns::affinity::text_to_number;
use crate::query::Filter;
use crate::schema::{ColumnKind, ColumnType};
use crate::value::{Op, Value};

/// Name of the column at `at`.
pub fn column_name(shared: &TableState, at: usize) -> String {
    shared.collection.schema.columns[at].name.clone()
}

/// The filter that a term narrows the search by; `None` where SQLite alone checks it.
pub fn filter_of(shared: &TableState, term: Term, value: Value) -> Option<Filter> {
    Some(match term {
        Term::Compare(at, _) if is_text(shared, at) && is_number(&value) => return None,
        Term::Compare(at, op) if op != Op::Eq && is_text(shared, at) && is_uncertain(&value) => return None,
        Term::Compare(at, op) => Filter::Compare { column: column_name(shared, at), op, value },
        Term::Null(at, true) => Filter::IsNull { column: column_name(shared, at) },
        Term::Null(at, false) => Filter::Not(Box::new(Filter::IsNull { column: column_name(shared, at) })),
        Term::Pattern(at, glob) => {
            let text = value.as_text()?;
            // SQLite reads a pattern up to its first NUL, and takes U+FFFD for any bytes that are no UTF-8.
            let wild: &[char] =
                if glob { &['*', '?', '[', '\0', REPLACED] } else { &['%', '_', '\0', REPLACED] };
            // An ESCAPE clause changes the function's arity, so SQLite does not offer such a LIKE here.
            let prefix = &text[..text.find(wild).unwrap_or(text.len())];
            if prefix.is_empty() {
                return None;
            }
            Filter::Prefix { column: column_name(shared, at), prefix: prefix.to_owned(), ignore_case: !glob }
        }
        Term::Rowid(op) => Filter::Compare { column: "rowid".into(), op, value },
        Term::Key => match value {
            Value::Text(key) => Filter::Keys(vec![key]),
            _ => return None,
        },
        _ => return None,
    })
}

/// Whether the column is TEXT metadata.
pub fn is_text(shared: &TableState, at: usize) -> bool {
    shared.collection.schema.columns[at].kind == ColumnKind::Metadata(ColumnType::Text)
}

/// Whether a comparison of a TEXT column with the value may be one of numbers. Then it does not narrow the search, and
/// SQLite, which knows the affinity of the right side, checks the rows.
fn is_number(value: &Value) -> bool {
    matches!(value, Value::Integer(_) | Value::Real(_))
}

/// What stands in a [`Value`] for bytes that are no UTF-8.
const REPLACED: char = char::REPLACEMENT_CHARACTER;

/// Whether the value may stand for a text of other bytes. No stored text equals that one, and it has another place in the order of
/// texts.
pub fn is_uncertain(value: &Value) -> bool {
    value.as_text().is_some_and(|text| text.contains(REPLACED))
}

/// The same of an IN list.
pub fn list_filter(shared: &TableState, term: Term, values: Vec<Value>) -> Option<Filter> {
    Some(match term {
        Term::In(at) if is_text(shared, at) && values.iter().any(is_number) => return None,
        Term::In(at) => Filter::In { column: column_name(shared, at), values },
        Term::KeyIn => Filter::Keys(keys_of(values)?),
        _ => Filter::rowids(values.iter().filter_map(rowid_of)),
    })
}

/// The text keys in a list; `None` where a number may be equal to keys that are not in it, as in [`is_number`].
pub fn keys_of(values: Vec<Value>) -> Option<Vec<String>> {
    if values.iter().any(is_number) {
        return None;
    }
    let texts =
        values.into_iter().filter_map(|value| if let Value::Text(text) = value { Some(text) } else { None });
    Some(texts.collect())
}

/// The rowid that equals the value by INTEGER affinity.
fn rowid_of(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(rowid) => Some(*rowid),
        Value::Real(real) => Value::whole(*real),
        Value::Text(text) => text_to_number(text).as_ref().and_then(rowid_of),
        _ => None,
    }
}
