//! `json_matches(json, filter)`: whether a JSON text passes a filter; and what `row_matches(table, filter)` is where there
//! is no row.
//!
//! The first argument may be a JSON column of a table; where SQLite offers the call to the table, the search does what
//! the function says, and the function is not called.

use crate::error::{Error, Result};
use crate::json::{self, JsonFilter};
use crate::sql::module::{Args, FunctionContext};
use crate::value::Value;
use rusqlite::types::ValueRef;
use std::cell::RefCell;
use std::rc::Rc;

/// The name of the function.
pub(crate) const JSON_MATCHES: &str = "json_matches";

/// The name of the function over rows.
pub(crate) const ROW_MATCHES: &str = "row_matches";

/// `row_matches(x, filter)` where `x` is not the column of a table: NULL there would lose rows without a word.
pub(crate) fn no_row(_: &mut FunctionContext<'_>, _: &Args<'_>) -> Result<()> {
    Err(Error::Value(format!(
        "{ROW_MATCHES}(docs, filter) needs the row of a nearlite table docs: name the table itself, in the statement that reads \
         it; a subquery, GROUP BY or an aggregate does not hand the row on"
    )))
}

thread_local! {
    /// The filter read last, with its text: a statement calls the function for each row with the same one.
    static LAST: RefCell<Option<(String, Rc<JsonFilter>)>> = const { RefCell::new(None) };
}

/// `json_matches(json, filter)`.
pub(crate) fn json_matches(out: &mut FunctionContext<'_>, args: &Args<'_>) -> Result<()> {
    let Some(filter) = filter_text(JSON_MATCHES, args.value(1))? else { return Ok(()) };
    let filter = read(filter)?;
    let json = match args.value(0) {
        ValueRef::Null => return Ok(()),
        ValueRef::Text(text) => json::parse_bytes(text)
            .map_err(|why| Error::Value(format!("{JSON_MATCHES}: the first argument is no JSON: {why}")))?,
        other => {
            return Err(Error::Value(format!(
                "{JSON_MATCHES}: the first argument is a JSON text, got {}",
                shown(other)
            )));
        }
    };
    out.set_integer(i64::from(filter.matches(&json)));
    Ok(())
}

fn read(text: &str) -> Result<Rc<JsonFilter>> {
    let known = LAST.with_borrow(|last| match last {
        Some((of, filter)) if of == text => Some(Rc::clone(filter)),
        _ => None,
    });
    if let Some(filter) = known {
        return Ok(filter);
    }
    let filter =
        Rc::new(JsonFilter::read(text).map_err(|why| Error::Value(format!("{JSON_MATCHES}: {why}")))?);
    LAST.set(Some((text.to_owned(), Rc::clone(&filter))));
    Ok(filter)
}

/// The text of a filter; `None` for NULL. `place` is named in errors.
pub(crate) fn filter_text<'a>(place: &str, value: ValueRef<'a>) -> Result<Option<&'a str>> {
    match value {
        ValueRef::Null => Ok(None),
        ValueRef::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => Ok(Some(text)),
            Err(error) => Err(Error::Value(format!(
                "{place}: the filter has bytes that are no UTF-8 at byte {}",
                error.valid_up_to()
            ))),
        },
        other => Err(Error::Value(format!(
            "{place}: the filter is a JSON object as TEXT, like '{{\"year\": {{\"$gte\": 2020}}}}', got {}",
            shown(other)
        ))),
    }
}

/// What stands where a JSON text is expected.
fn shown(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Blob(bytes) => {
            format!("a BLOB of {} bytes (of jsonb() take json(), which gives a text)", bytes.len())
        }
        other => Value::from(other).type_name().to_owned(),
    }
}
