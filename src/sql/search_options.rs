//! The options of a search: hidden columns that a query compares with a value, `k = ?`, `ef_search = ?`, `exact = ?`.

use super::plan::Term;
use super::table_state::TableState;
use crate::error::{Error, Result};
use crate::limits::MAX_K;
use crate::value::Value;

/// Values of the option columns, which read back what the query asked for: SQLite may compare them once more.
#[derive(Default)]
pub struct SearchOptions {
    /// `k = ?`.
    pub k: Option<Value>,
    /// `ef_search = ?`.
    pub ef_search: Option<Value>,
    /// `exact = ?`.
    pub exact: Option<Value>,
}

impl SearchOptions {
    /// Checks an option's value and notes it for reading back. NULL gives `None`.
    pub fn read(&mut self, shared: &TableState, term: Term, value: &Value) -> Result<Option<usize>> {
        let table = shared.table();
        let (name, low, slot) = match term {
            Term::K => ("k", 0, &mut self.k),
            Term::Ef => ("ef_search", 1, &mut self.ef_search),
            Term::Exact => ("exact", 0, &mut self.exact),
            _ => return Ok(None),
        };
        let name = shared.collection.schema.hidden(name);
        let number = match value {
            Value::Null => return Ok(None),
            Value::Integer(number) => *number,
            // Beyond 2^63 it saturates, like every number above the largest k.
            Value::Real(number) if number.fract() == 0.0 => *number as i64,
            other => {
                return Err(Error::Value(format!(
                    "{table}: {name} must be an integer, got {}",
                    shown(other)
                )));
            }
        };
        if number < low {
            return Err(Error::Value(format!("{table}: {name} must be {low} or more, got {number}")));
        }
        // A float is read back as an integer only where it is the same number.
        *slot = Some(if number == i64::MAX { value.clone() } else { Value::Integer(number) });
        if term == Term::Exact {
            return Ok(Some(usize::from(number != 0)));
        }
        Ok(Some(usize::try_from(number).unwrap_or(MAX_K).min(MAX_K)))
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Real(real) => format!("{real:?}"),
        Value::Text(text) => format!("'{}'", text.chars().take(40).collect::<String>()),
        other => other.type_name().to_owned(),
    }
}
