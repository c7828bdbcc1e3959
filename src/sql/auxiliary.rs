//! `snippet()`, `highlight()` and `bm25()`: functions of the current row of a text search, called as in FTS5.

use super::explain_row;
use super::functions::{Carried, TextValue};
use super::leg_values;
use super::module::{Args, AuxFunction, FunctionContext};
use super::request::Asked;
use super::row_match::{Origin, RowMatch, match_no_vector, match_vector};
use super::table_state::TableState;
use crate::collection::texts_of;
use crate::error::{Error, Result};
use crate::query::{Hit, Leg};
use crate::text::{self, TextConfig, TextQuery};
use crate::value::Value;
use rusqlite::types::ValueRef;
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::ffi::CStr;
use std::rc::Rc;
use std::sync::Arc;

type Texts = Vec<Option<Cow<'static, str>>>;

/// What the column named like the table carries: the current row and the query.
pub struct RowHandle {
    /// The table.
    pub shared: Arc<TableState>,
    /// Current row.
    pub rowid: i64,
    /// Its score.
    pub bm25: Option<f32>,
    /// What the search found out about it, and the legs of the search.
    pub found: Option<(Hit, Rc<[Leg]>)>,
    /// The parsed text, where the query has one.
    pub text: Option<Arc<TextQuery>>,
    /// What was asked.
    pub asked: Rc<Asked>,
    /// What MATCH as a function found out about the row.
    pub row_match: Arc<RowMatch>,
}

impl RowHandle {
    /// Name of the pointer type.
    pub const NAME: &'static CStr = c"nearlite_row";

    /// Refuses to mark words of a text that MATCH as a function matched with the row.
    fn refuse_marks(&self, function: &str) -> Result<()> {
        match self.found {
            Some(_) => Ok(()),
            None => self.row_match.refuse_marks(&self.shared, function),
        }
    }
}

/// The function of this name.
pub fn find(name: &str) -> Option<AuxFunction> {
    match name.to_ascii_lowercase().as_str() {
        "snippet" => Some(snippet),
        "highlight" => Some(highlight),
        "bm25" => Some(bm25),
        "explain_row" => Some(explain),
        "match" => Some(matches),
        _ => None,
    }
}

/// Names and argument counts to declare, so that SQL can call them at all.
pub const NAMES: [&str; 4] = ["snippet", "highlight", "bm25", "explain_row"];

/// MATCH where SQLite has no index for it: under OR, NOT, in a SELECT list, over a LEFT JOIN. `args` are the query
/// and the column's value. Every row with a vector matches a vector query.
fn matches(out: &mut FunctionContext<'_>, args: &Args<'_>) -> Result<()> {
    if let Some(handle) = args.pointer::<RowHandle>(1, RowHandle::NAME) {
        if let Some(Carried::Hybrid(query)) = Carried::of(args, 0)? {
            // A term that SQLite checks again although the search found the row by it.
            if handle.asked.hybrid.as_ref() == Some(&query) {
                out.set_integer(1);
                return Ok(());
            }
            return Err(Error::QueryText(
                "a hybrid query works as a term of WHERE or ON, not under OR or NOT".into(),
            ));
        }
        if let Some(Carried::Like(like)) = Carried::of(args, 0)? {
            if handle.asked.like.as_ref() == Some(&like) {
                out.set_integer(1);
                return Ok(());
            }
            return Err(Error::QueryText(LIKE_IS_A_SEARCH.into()));
        }
        handle.row_match.text_matched();
        if let Some(value) = TextValue::of(args, 0)? {
            let leg = leg_values::text_leg(&handle.shared, value, None)?;
            out.set_integer(i64::from(handle.shared.row_matches(&leg, handle.rowid)?));
            return Ok(());
        }
        return match Value::from(args.value(0)) {
            Value::Null => Ok(()),
            other => Err(Error::QueryText(format!("a text query is TEXT, got {}", other.type_name()))),
        };
    }
    match (args.value(0), args.value(1)) {
        (_, ValueRef::Null) => {
            match_no_vector(out.caller());
            Ok(())
        }
        (query, ValueRef::Blob(vector)) => {
            match Carried::of(args, 0)? {
                Some(Carried::Hybrid(_)) => {
                    return Err(Error::QueryText(
                        "a hybrid query is for the column named like the table".into(),
                    ));
                }
                Some(Carried::Like(_)) => return Err(Error::QueryText(LIKE_IS_A_SEARCH.into())),
                Some(_) => return Err(Error::QueryText(WRONG_MATCH.into())),
                None => {}
            }
            if let Some(matched) = match_vector(out.caller(), vector, query, args.subtype(0))? {
                out.set_integer(i64::from(matched));
            }
            Ok(())
        }
        (_, ValueRef::Text(_)) if matches!(Carried::of(args, 0)?, Some(Carried::Like(_))) => {
            Err(Error::QueryText(LIKE_IS_A_SEARCH.into()))
        }
        (_, ValueRef::Text(text)) => {
            let Some(value) = TextValue::of(args, 0)? else {
                return match args.value(0) {
                    ValueRef::Null => Ok(()),
                    _ => Err(Error::QueryText(WRONG_MATCH.into())),
                };
            };
            let caller = out.caller();
            let known = |read: &Read| Some((read.origin.known_to(caller)?, read.rowid, read.field));
            let read = READS.with_borrow(|reads| {
                reads.iter().rev().filter(|read| read.text.as_bytes() == text).find_map(known)
            });
            let Some(((shared, row), rowid, field)) = read else {
                return Err(Error::QueryText("MATCH needs a FULLTEXT column on its left".into()));
            };
            if let Some(row) = row {
                row.text_matched();
            }
            let leg = leg_values::text_leg(&shared, value, Some(field))?;
            out.set_integer(i64::from(shared.row_matches(&leg, rowid)?));
            Ok(())
        }
        (ValueRef::Null, _) => Ok(()),
        _ => Err(Error::QueryText(WRONG_MATCH.into())),
    }
}

const LIKE_IS_A_SEARCH: &str =
    "like_row(...) works as one of the first 16 terms of WHERE or ON that AND joins, not under OR or NOT";

const WRONG_MATCH: &str = "MATCH takes a text for a FULLTEXT column, a vector for a VECTOR column";

/// A FULLTEXT column that a cursor handed out.
struct Read {
    origin: Origin,
    rowid: i64,
    field: usize,
    text: Box<str>,
}

/// Column reads that are remembered: more than one statement's expression reads between column and function.
const REMEMBERED: usize = 16;

thread_local! {
    /// MATCH as a function gets a column's text alone. Whether a text matches depends on nothing but the text and
    /// its column, so any remembered read of the same text names table and row well enough.
    static READS: RefCell<VecDeque<Read>> = const { RefCell::new(VecDeque::new()) };
}

/// Remembers that a cursor handed out the text of a FULLTEXT column.
pub fn remember(origin: Origin, rowid: i64, field: usize, text: &str) {
    READS.with_borrow_mut(|reads| {
        if reads.len() >= REMEMBERED {
            reads.pop_front();
        }
        reads.push_back(Read { origin, rowid, field, text: text.into() });
    });
}

/// The row that the first argument stands for; `None` on the NULL row of an outer join.
fn handle<'a>(args: &Args<'a>, function: &str) -> Result<Option<&'a RowHandle>> {
    match args.pointer::<RowHandle>(0, RowHandle::NAME) {
        None if args.value(0) != ValueRef::Null => Err(Error::Value(format!(
            "{function}() needs a search: its first argument is the table, beside a MATCH"
        ))),
        handle => Ok(handle),
    }
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
    let schema = &handle.shared.collection.schema;
    let table = handle.shared.table();
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

/// The texts of a row's FULLTEXT columns, and the column to mark up, which has one.
fn text_of(handle: &RowHandle, field: Option<usize>) -> Result<Option<(usize, Texts)>> {
    let shared = &handle.shared;
    let Some(row) = shared.collection.storage.row(shared.conn(), handle.rowid)? else { return Ok(None) };
    let schema = &shared.collection.schema;
    let texts = texts_of(schema, Some(row.values));
    if let Some(field) = field {
        return Ok(texts.get(field).is_some_and(Option::is_some).then_some((field, texts)));
    }
    // The first column in which the query marks something, as FTS5 does for column -1.
    let config = TextConfig::of(schema);
    let mut first = None;
    for (field, text) in texts.iter().enumerate() {
        if text.is_none() {
            continue;
        }
        if let Some(query) = &handle.text
            && text::marks(&config, query, field, &texts)
        {
            return Ok(Some((field, texts)));
        }
        first = first.or(Some(field));
    }
    Ok(first.map(|field| (field, texts)))
}

fn snippet(out: &mut FunctionContext<'_>, args: &Args<'_>) -> Result<()> {
    let Some(handle) = handle(args, "snippet")? else { return Ok(()) };
    handle.refuse_marks("snippet()")?;
    let field = field_of(handle, args, "snippet")?;
    let Some((field, texts)) = text_of(handle, field)? else { return Ok(()) };
    let before = text_arg(args, 2, "");
    let after = text_arg(args, 3, "");
    let ellipsis = text_arg(args, 4, "…");
    let tokens = match args.value(5) {
        ValueRef::Integer(tokens) => usize::try_from(tokens.clamp(1, 1_000)).unwrap_or(16),
        _ => 16,
    };
    let config = TextConfig::of(&handle.shared.collection.schema);
    match &handle.text {
        Some(query) => {
            out.set_text(&text::snippet(&config, query, field, &texts, &before, &after, &ellipsis, tokens));
        }
        None => out.set_text(texts[field].as_deref().unwrap_or_default()),
    }
    Ok(())
}

fn highlight(out: &mut FunctionContext<'_>, args: &Args<'_>) -> Result<()> {
    let Some(handle) = handle(args, "highlight")? else { return Ok(()) };
    handle.refuse_marks("highlight()")?;
    let field = field_of(handle, args, "highlight")?;
    let Some((field, texts)) = text_of(handle, field)? else { return Ok(()) };
    let before = text_arg(args, 2, "");
    let after = text_arg(args, 3, "");
    let config = TextConfig::of(&handle.shared.collection.schema);
    match &handle.text {
        Some(query) => out.set_text(&text::highlight(&config, query, field, &texts, &before, &after)),
        None => out.set_text(texts[field].as_deref().unwrap_or_default()),
    }
    Ok(())
}

/// What each leg gave to the row, as JSON; NULL where a row was found by no search.
fn explain(out: &mut FunctionContext<'_>, args: &Args<'_>) -> Result<()> {
    let Some(handle) = handle(args, "explain_row")? else { return Ok(()) };
    match &handle.found {
        Some((hit, legs)) => out.set_text(&explain_row::json(&handle.shared.collection.schema, legs, hit)),
        None => handle.row_match.refuse(&handle.shared, "explain_row()")?,
    }
    Ok(())
}

/// As in FTS5: smaller is better, so it is the negated score.
fn bm25(out: &mut FunctionContext<'_>, args: &Args<'_>) -> Result<()> {
    let Some(handle) = handle(args, "bm25")? else { return Ok(()) };
    match handle.bm25 {
        Some(score) => out.set_real(-f64::from(score)),
        None if handle.found.is_none() => handle.row_match.refuse_bm25(&handle.shared, "bm25()")?,
        None => {}
    }
    Ok(())
}
