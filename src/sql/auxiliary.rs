//! `snippet()`, `highlight()` and `bm25()`: functions of the current row of a text search, called as in FTS5.

use super::module::{Args, AuxFunction, FunctionContext};
use super::request::Asked;
use super::row_match::{RowMatch, match_no_vector, match_vector};
use super::table::Shared;
use crate::error::{Error, Result};
use crate::schema::Schema;
use crate::segment::{stored_positions, text_config};
use crate::text::{self, TextQuery};
use crate::value::Value;
use rusqlite::types::ValueRef;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::ffi::CStr;
use std::rc::{Rc, Weak};
use std::sync::Arc;

/// What the column named like the table carries: the current row and the query.
pub struct RowHandle {
    /// The table.
    pub shared: Rc<Shared>,
    /// Current row.
    pub rowid: i64,
    /// Its score.
    pub bm25: Option<f32>,
    /// The parsed text, where the query has one.
    pub text: Option<Arc<TextQuery>>,
    /// What was asked.
    pub asked: Rc<Asked>,
    /// What MATCH as a function told about the row.
    pub told: Rc<RowMatch>,
}

impl RowHandle {
    /// Name of the pointer type.
    pub const NAME: &'static CStr = c"nearlite_row";
}

/// The function of this name.
pub fn find(name: &str) -> Option<AuxFunction> {
    match name.to_ascii_lowercase().as_str() {
        "snippet" => Some(snippet),
        "highlight" => Some(highlight),
        "bm25" => Some(bm25),
        "match" => Some(matches),
        _ => None,
    }
}

/// Names and argument counts to declare, so that SQL can call them at all.
pub const NAMES: [&str; 3] = ["snippet", "highlight", "bm25"];

/// MATCH where SQLite has no index for it: under OR, NOT, in a SELECT list, over a LEFT JOIN. `args` are the query
/// and the column's value. Every row with a vector matches a vector query.
fn matches(out: &mut FunctionContext<'_>, args: &Args<'_>) -> Result<()> {
    if let Some(handle) = args.pointer::<RowHandle>(1, RowHandle::NAME) {
        if let Some(query) = args.pointer::<super::functions::HybridQuery>(0, super::functions::HYBRID) {
            // A term that SQLite checks again although the search found the row by it.
            if handle.asked.hybrid.as_ref() == Some(query) {
                out.set_integer(1);
                return Ok(());
            }
            return Err(Error::QueryText(
                "a hybrid query works as a term of WHERE or ON, not under OR or NOT".into(),
            ));
        }
        handle.told.text_matched();
        return match Value::from(args.value(0)) {
            Value::Text(query) => {
                out.set_integer(i64::from(handle.shared.row_matches(&query, None, handle.rowid)?));
                Ok(())
            }
            Value::Null => Ok(()),
            other => Err(Error::QueryText(format!("a text query is TEXT, got {}", other.type_name()))),
        };
    }
    match (args.value(0), args.value(1)) {
        (_, ValueRef::Null) => {
            match_no_vector();
            Ok(())
        }
        (_, ValueRef::Blob(_))
            if args.pointer::<super::functions::HybridQuery>(0, super::functions::HYBRID).is_some() =>
        {
            Err(Error::QueryText("a hybrid query is for the column named like the table".into()))
        }
        (query, ValueRef::Blob(vector)) => {
            if let Some(matched) = match_vector(vector, query, args.subtype(0))? {
                out.set_integer(i64::from(matched));
            }
            Ok(())
        }
        (ValueRef::Null, _) => Ok(()),
        (ValueRef::Text(query), ValueRef::Text(text)) => {
            let read = READS
                .with_borrow(|reads| reads.iter().rev().find(|read| read.text.as_bytes() == text).cloned());
            let Some((shared, read)) = read.and_then(|read| Some((read.shared.upgrade()?, read))) else {
                return Err(Error::QueryText("MATCH needs a FULLTEXT column on its left".into()));
            };
            if let Some(row) = read.row.upgrade() {
                row.text_matched();
            }
            let query = String::from_utf8_lossy(query);
            out.set_integer(i64::from(shared.row_matches(&query, Some(read.field), read.rowid)?));
            Ok(())
        }
        _ => Err(Error::QueryText(
            "MATCH takes a text for a FULLTEXT column, a vector for a VECTOR column".into(),
        )),
    }
}

/// A FULLTEXT column that a cursor handed out.
#[derive(Clone)]
struct Read {
    shared: Weak<Shared>,
    row: Weak<RowMatch>,
    rowid: i64,
    field: usize,
    text: Rc<str>,
}

/// Column reads that are remembered: more than one statement's expression reads between column and function.
const REMEMBERED: usize = 16;

thread_local! {
    /// MATCH as a function gets a column's text alone. Whether a text matches depends on nothing but the text and
    /// its column, so any remembered read of the same text names table and row well enough.
    static READS: RefCell<VecDeque<Read>> = const { RefCell::new(VecDeque::new()) };
}

/// Remembers that a cursor handed out the text of a FULLTEXT column.
pub fn remember(shared: &Rc<Shared>, row: &Rc<RowMatch>, rowid: i64, field: usize, text: &str) {
    READS.with_borrow_mut(|reads| {
        if reads.len() >= REMEMBERED {
            reads.pop_front();
        }
        let (shared, row) = (Rc::downgrade(shared), Rc::downgrade(row));
        reads.push_back(Read { shared, row, rowid, field, text: text.into() });
    });
}

fn handle<'a>(args: &Args<'a>, function: &str) -> Result<&'a RowHandle> {
    args.pointer::<RowHandle>(0, RowHandle::NAME).ok_or_else(|| {
        Error::Value(format!("{function}() needs a search: its first argument is the table, beside a MATCH"))
    })
}

fn text_arg(args: &Args<'_>, at: usize, default: &str) -> String {
    match Value::from(args.value(at)) {
        Value::Text(text) => text,
        Value::Integer(int) => int.to_string(),
        _ => default.to_owned(),
    }
}

/// The FULLTEXT column that an argument names, by name or by 0-based position among all columns; negative or NULL
/// means the column the query was restricted to, or the first that has a text.
fn field_of(handle: &RowHandle, args: &Args<'_>, function: &str) -> Result<Option<usize>> {
    let schema = &handle.shared.schema;
    let table = &handle.shared.storage.table;
    let at = match args.value(1) {
        ValueRef::Null => return Ok(handle.asked.field),
        ValueRef::Integer(at) if at < 0 => return Ok(handle.asked.field),
        ValueRef::Integer(at) => usize::try_from(at).ok(),
        _ => schema.find(&text_arg(args, 1, "")).map(|(at, _)| at),
    };
    match schema.full_texts().position(|(column, _)| Some(column) == at) {
        Some(field) => Ok(Some(field)),
        None => {
            let known: Vec<_> = schema.full_texts().map(|(at, _)| schema.columns[at].name.as_str()).collect();
            Err(Error::Unknown(format!(
                "{table}: {function}() takes a FULLTEXT column, one of {}; got {}",
                known.join(", "),
                text_arg(args, 1, "?")
            )))
        }
    }
}

fn column_text(schema: &Schema, values: &[Value], field: usize) -> Option<String> {
    let (at, _) = schema.full_texts().nth(field)?;
    let position = stored_positions(schema).nth(at)??;
    values.get(position)?.as_text().map(str::to_owned)
}

/// The text to mark up and its field.
fn text_of(handle: &RowHandle, field: Option<usize>) -> Result<Option<(usize, String)>> {
    let shared = &handle.shared;
    let Some(row) = shared.storage.row(shared.host.connection(), handle.rowid)? else { return Ok(None) };
    let schema = &shared.schema;
    if let Some(field) = field {
        return Ok(column_text(schema, &row.values, field).map(|text| (field, text)));
    }
    // The first column in which the query marks something, as FTS5 does for column -1.
    let config = text_config(schema);
    let mut first = None;
    for field in 0..schema.full_texts().count() {
        let Some(text) = column_text(schema, &row.values, field) else { continue };
        if let Some(query) = &handle.text
            && text::highlight(&config, query, field, &text, "\u{1}", "").contains('\u{1}')
        {
            return Ok(Some((field, text)));
        }
        first = first.or(Some((field, text)));
    }
    Ok(first)
}

fn snippet(out: &mut FunctionContext<'_>, args: &Args<'_>) -> Result<()> {
    let handle = handle(args, "snippet")?;
    let field = field_of(handle, args, "snippet")?;
    let Some((field, text)) = text_of(handle, field)? else { return Ok(()) };
    let before = text_arg(args, 2, "");
    let after = text_arg(args, 3, "");
    let ellipsis = text_arg(args, 4, "…");
    let tokens = match args.value(5) {
        ValueRef::Integer(tokens) => usize::try_from(tokens.clamp(1, 1_000)).unwrap_or(16),
        _ => 16,
    };
    let config = text_config(&handle.shared.schema);
    match &handle.text {
        Some(query) => {
            out.set_text(&text::snippet(&config, query, field, &text, &before, &after, &ellipsis, tokens));
        }
        None => out.set_text(&text),
    }
    Ok(())
}

fn highlight(out: &mut FunctionContext<'_>, args: &Args<'_>) -> Result<()> {
    let handle = handle(args, "highlight")?;
    let field = field_of(handle, args, "highlight")?;
    let Some((field, text)) = text_of(handle, field)? else { return Ok(()) };
    let before = text_arg(args, 2, "");
    let after = text_arg(args, 3, "");
    let config = text_config(&handle.shared.schema);
    match &handle.text {
        Some(query) => out.set_text(&text::highlight(&config, query, field, &text, &before, &after)),
        None => out.set_text(&text),
    }
    Ok(())
}

/// As in FTS5: smaller is better, so it is the negated score.
fn bm25(out: &mut FunctionContext<'_>, args: &Args<'_>) -> Result<()> {
    let handle = handle(args, "bm25")?;
    if let Some(score) = handle.bm25 {
        out.set_real(-f64::from(score));
    }
    Ok(())
}
