//! From a plan and its argument values to a search request.

use super::cursor::Knobs;
use super::functions::{Carried, HybridQuery, TextValue};
use super::module::Args;
use super::plan::{Plan, Term};
use super::table::Shared;
use super::vector_value;
use crate::columns::Op;
use crate::columns::affinity::text_to_number;
use crate::error::{Error, Result};
use crate::limits::MAX_K;
use crate::query::fusion::{self, HybridOptions};
use crate::query::{Filter, Request, TextLeg, VectorLeg};
use crate::schema::{ColumnKind, ColumnType, VectorSpec};
use crate::text::Syntax;
use crate::value::Value;
use rusqlite::types::ValueRef;

const TWO_63: f64 = 9_223_372_036_854_775_808.0;

/// What the query asked for, kept for functions of the result row.
#[derive(Default)]
pub struct Asked {
    /// FULLTEXT column the text was restricted to.
    pub field: Option<usize>,
    /// The hybrid query.
    pub hybrid: Option<HybridQuery>,
    /// Columns that have one value in every row found, because the search looks at such rows only.
    pub fixed: Vec<(usize, Value)>,
}

/// Builds the request; `None` when a NULL says that nothing can match.
pub fn build(
    shared: &Shared,
    plan: &Plan,
    args: &Args<'_>,
    knobs: &mut Knobs,
) -> Result<Option<(Request, Asked)>> {
    let mut request = Request::default();
    let mut filters = Vec::new();
    let mut texts: Vec<TextLeg> = Vec::new();
    // Whether there was a hybrid query, and whether it brought a text, which then ranks.
    let (mut hybrid, mut ranked) = (None::<HybridQuery>, false);
    let (mut limit, mut offset) = (None::<usize>, 0_usize);
    let mut bounds: Vec<(Term, f64)> = Vec::new();
    let mut fixed = Vec::new();
    for (position, term) in plan.terms.iter().enumerate() {
        let value = args.value(position);
        match *term {
            Term::Vector(at) => {
                let (table, column) = (&shared.storage.table, &shared.schema.columns[at].name);
                match Carried::of(args, position)? {
                    Some(Carried::Hybrid(_)) => {
                        return Err(Error::Value(format!("{table}: write {table} MATCH hybrid_query(...)")));
                    }
                    Some(Carried::Text(_)) => {
                        return Err(Error::Value(format!(
                            "{table}.{column}: a text query is for {table} or a FULLTEXT column"
                        )));
                    }
                    None => {}
                }
                let Some(leg) = vector_leg(shared, at, value, args.subtype(position))? else {
                    return Ok(None);
                };
                set_vector(shared, &mut request, leg)?;
            }
            Term::Text(field) => {
                let carried = Carried::of(args, position)?;
                if let Some(Carried::Hybrid(asked)) = carried {
                    if hybrid.is_some() {
                        let table = &shared.storage.table;
                        return Err(Error::Value(format!("{table}: one hybrid_query a search")));
                    }
                    ranked = asked.text.is_some();
                    hybrid_legs(shared, &asked, &mut request, &mut texts)?;
                    hybrid = Some(asked);
                    continue;
                }
                let field = field.map(|at| shared.schema.full_texts().take_while(|(f, _)| *f < at).count());
                match (carried, value) {
                    (Some(Carried::Text(TextValue { text: query, syntax })), _) => {
                        texts.push(TextLeg { query, syntax, field });
                    }
                    (_, ValueRef::Null) => return Ok(None),
                    (_, ValueRef::Text(text)) => {
                        let query = String::from_utf8_lossy(text).into_owned();
                        texts.push(TextLeg { query, syntax: Syntax::Query, field });
                    }
                    (_, other) => {
                        let table = &shared.storage.table;
                        let kind = Value::from(other).type_name();
                        return Err(Error::QueryText(format!("{table}: a text query is TEXT, got {kind}")));
                    }
                }
            }
            Term::Distance(_) | Term::Score(_) | Term::Bm25(_) | Term::Rank(_) => match value {
                ValueRef::Integer(bound) => bounds.push((*term, bound as f64)),
                ValueRef::Real(bound) => bounds.push((*term, bound)),
                ValueRef::Null => return Ok(None),
                // Left to SQLite, which checks the term itself.
                _ => {}
            },
            Term::K | Term::Ef | Term::Exact => {
                match (term, knob(shared, *term, &Value::from(value), knobs)?) {
                    (Term::K, None) => return Ok(None),
                    (_, None) => {}
                    (Term::K, Some(most)) => {
                        request.limit = Some(request.limit.map_or(most, |old| old.min(most)));
                    }
                    (Term::Ef, breadth) => request.ef = breadth,
                    (_, Some(exact)) => request.exact = exact == 1,
                }
            }
            Term::Limit => limit = count(value),
            Term::Offset => offset = count(value).unwrap_or(0),
            Term::In(_) | Term::RowidIn | Term::KeyIn => {
                filters.extend(list_filter(shared, *term, args.in_values(position)?));
            }
            _ => {
                let value = Value::from(value);
                if let (Term::Compare(at, Op::Eq), Value::Text(_)) = (*term, &value)
                    && is_text(shared, at)
                {
                    fixed.push((at, value.clone()));
                }
                filters.extend(filter_of(shared, *term, value));
            }
        }
    }
    request.hint = limit.map(|limit| limit.saturating_add(offset));
    request.page = limit;
    request.filter = match filters.len() {
        0 => None,
        1 => filters.pop(),
        _ => Some(Filter::And(filters)),
    };
    let field = texts.first().and_then(|leg| leg.field);
    place_texts(&mut request, texts, hybrid.is_some(), ranked);
    if request.vector.is_none() && request.text.is_none() {
        return Ok(None);
    }
    if !place_bounds(&mut request, &bounds) {
        return Ok(None);
    }
    Ok(Some((request, Asked { field, hybrid, fixed })))
}

/// Bounds end a search, or narrow it by distance; SQLite checks them again. Of another column than the one that ranks
/// they are left to it. `false`: nothing is within them, since the column is NULL in every row.
fn place_bounds(request: &mut Request, bounds: &[(Term, f64)]) -> bool {
    let (vector, text) = (request.vector.is_some(), request.text.is_some());
    for &(term, bound) in bounds {
        match term {
            Term::Distance(op) => request.within.push((op, bound)),
            Term::Rank(op) if !text => request.within.push((op, bound)),
            Term::Rank(op) => request.until.push((op, bound)),
            Term::Score(_) if !(vector && text) => return false,
            Term::Bm25(_) if !text => return false,
            Term::Score(op) => request.until.push((op.turned(), -bound)),
            Term::Bm25(op) if !vector => request.until.push((op.turned(), -bound)),
            _ => {}
        }
    }
    request.until.retain(|(op, _)| matches!(op, Op::Lt | Op::Le));
    true
}

/// One text is the leg; more texts must match besides. A text beside a vector MATCH must match, too.
fn place_texts(request: &mut Request, mut texts: Vec<TextLeg>, hybrid: bool, ranked: bool) {
    if texts.is_empty() {
        return;
    }
    if hybrid && !ranked && request.vector.is_some() {
        request.must_match = texts;
        return;
    }
    let first = texts.remove(0);
    request.must_match = texts;
    if request.vector.is_some() && !hybrid {
        request.must_match.push(first.clone());
    }
    request.text = Some(first);
}

/// The vector leg that `value` asks for in the VECTOR column at `at`; `None` for NULL.
pub fn vector_leg(
    shared: &Shared,
    at: usize,
    value: ValueRef<'_>,
    subtype: u32,
) -> Result<Option<VectorLeg>> {
    let column = &shared.schema.columns[at];
    let ColumnKind::Vector(VectorSpec { dim, .. }) = column.kind else { return Ok(None) };
    let model = shared.schema.model.as_deref();
    if value == ValueRef::Null {
        return Ok(None);
    }
    let name = format!("{}.{}", shared.storage.table, column.name);
    let target = vector_value::Target { name: &name, dim: Some(dim), model };
    let query = vector_value::read(value, subtype, &target)?.into_owned();
    let nth = shared.schema.vectors().take_while(|(v, _)| *v < at).count();
    Ok(Some(VectorLeg { column: nth, query }))
}

fn set_vector(shared: &Shared, request: &mut Request, leg: VectorLeg) -> Result<()> {
    if request.vector.is_some() {
        let table = &shared.storage.table;
        return Err(Error::Value(format!(
            "{table}: one vector a search; join the table with itself to combine two"
        )));
    }
    request.vector = Some(leg);
    Ok(())
}

fn hybrid_legs(
    shared: &Shared,
    asked: &HybridQuery,
    request: &mut Request,
    texts: &mut Vec<TextLeg>,
) -> Result<()> {
    let table = &shared.storage.table;
    let options: HybridOptions = match &asked.options {
        Some(json) => fusion::parse_options(json)?,
        None => HybridOptions::default(),
    };
    let at = match &options.column {
        Some(name) => match shared.schema.find(name) {
            Some((at, column)) if matches!(column.kind, ColumnKind::Vector(_)) => at,
            _ => {
                return Err(Error::Unknown(format!(
                    "{table}: hybrid_query: there is no vector column '{name}'"
                )));
            }
        },
        None => match shared.schema.vectors().next() {
            Some((at, _)) => at,
            None => return Err(Error::Value(format!("{table}: hybrid_query needs a VECTOR column"))),
        },
    };
    if let Some(value) = &asked.vector
        && let Some(leg) = vector_leg(shared, at, value.as_ref(), asked.subtype)?
    {
        set_vector(shared, request, leg)?;
    }
    if let Some(text) = &asked.text {
        let TextValue { text: query, syntax } = text.clone();
        let syntax = if syntax == Syntax::Words { syntax } else { options.syntax };
        texts.insert(0, TextLeg { query, syntax, field: None });
    }
    request.ef = request.ef.or(options.ef_search);
    request.hybrid = options;
    Ok(())
}

/// Checks a knob's value and notes it for reading back. NULL gives `None`.
pub fn knob(shared: &Shared, term: Term, value: &Value, knobs: &mut Knobs) -> Result<Option<usize>> {
    let table = &shared.storage.table;
    let (name, low, slot) = match term {
        Term::K => ("k", 0, &mut knobs.k),
        Term::Ef => ("ef_search", 1, &mut knobs.ef_search),
        Term::Exact => ("exact", 0, &mut knobs.exact),
        _ => return Ok(None),
    };
    let number = match value {
        Value::Null => return Ok(None),
        Value::Integer(number) => *number,
        // Beyond 2^63 it saturates, like every number above the largest k.
        Value::Real(number) if number.fract() == 0.0 => *number as i64,
        other => {
            return Err(Error::Value(format!("{table}: {name} must be an integer, got {}", shown(other))));
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

fn shown(value: &Value) -> String {
    match value {
        Value::Real(real) => format!("{real:?}"),
        Value::Text(text) => format!("'{}'", text.chars().take(40).collect::<String>()),
        other => other.type_name().to_owned(),
    }
}

/// A LIMIT or OFFSET as a hint; negative means none.
fn count(value: ValueRef<'_>) -> Option<usize> {
    if let ValueRef::Integer(count) = value { usize::try_from(count).ok() } else { None }
}

fn column_name(shared: &Shared, at: usize) -> String {
    shared.schema.columns[at].name.clone()
}

fn filter_of(shared: &Shared, term: Term, value: Value) -> Option<Filter> {
    Some(match term {
        Term::Compare(at, _) if is_text(shared, at) && is_number(&value) => return None,
        Term::Compare(at, op) => Filter::Compare { column: column_name(shared, at), op, value },
        Term::Null(at, true) => Filter::IsNull { column: column_name(shared, at) },
        Term::Null(at, false) => Filter::Not(Box::new(Filter::IsNull { column: column_name(shared, at) })),
        Term::Pattern(at, glob) => {
            let text = value.as_text()?;
            // SQLite reads a pattern up to its first NUL.
            let wild: &[char] = if glob { &['*', '?', '[', '\0'] } else { &['%', '_', '\0'] };
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

fn is_text(shared: &Shared, at: usize) -> bool {
    shared.schema.columns[at].kind == ColumnKind::Metadata(ColumnType::Text)
}

/// Whether a comparison of a TEXT column with the value may be one of numbers. Then it does not narrow the search, and
/// SQLite, which knows the affinity of the right side, checks the rows.
fn is_number(value: &Value) -> bool {
    matches!(value, Value::Integer(_) | Value::Real(_))
}

fn list_filter(shared: &Shared, term: Term, values: Vec<Value>) -> Option<Filter> {
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
        // -2^63 is an integer, 2^63 is not.
        Value::Real(real) if real.fract() == 0.0 && (-TWO_63..TWO_63).contains(real) => Some(*real as i64),
        Value::Text(text) => text_to_number(text).as_ref().and_then(rowid_of),
        _ => None,
    }
}
