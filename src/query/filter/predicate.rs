//! A filter bound to a schema: constants converted, keys resolved, ready to run on segments and rows.

use crate::bitmap::Bitmap;
use crate::columns::{Bounds, Columns, starts_with};
use crate::json::{self, Json, JsonFilter, Pattern};
use crate::value::{Op, Value};
use std::fmt::Write;
use std::sync::Arc;

/// Largest predicate whose bitmaps are worth caching, in bytes of its constants.
const CACHEABLE_BYTES: usize = 4096;

/// A filter that is ready to be evaluated; cheap to clone and to share between threads.
#[derive(Debug, Clone, PartialEq)]
pub struct Predicate {
    root: Node,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    All,
    /// The constant is never NULL and has the column's affinity applied.
    Compare(usize, Op, Value),
    /// Sorted and distinct, no NULL among the values; `null` tells whether there was one.
    In {
        column: usize,
        values: Arc<[Value]>,
        null: bool,
    },
    IsNull(usize),
    Prefix {
        column: usize,
        prefix: String,
        ignore_case: bool,
    },
    Like(usize, Pattern),
    Contains(usize, String),
    Json(usize, Arc<JsonTest>),
    Rowid(Op, Value),
    /// Sorted and distinct; a NULL in the list makes every row outside it NULL instead of false.
    Rowids {
        ids: Arc<[i64]>,
        null: bool,
    },
    /// NULL for every row.
    Unknown,
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    /// IS TRUE: false where the other is NULL.
    Sure(Box<Node>),
}

/// A filter over JSON objects.
#[derive(PartialEq)]
pub(super) struct JsonTest {
    /// Equal for equal filters.
    pub text: String,
    pub filter: JsonFilter,
}

impl std::fmt::Debug for JsonTest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl Predicate {
    pub(super) fn new(root: Node) -> Self {
        Self { root }
    }

    /// The ords of a segment for which the filter is true, or may be.
    pub fn eval(&self, columns: &Columns) -> Bounds {
        self.root.bounds(columns, true)
    }

    /// The filter's value for one row, whose metadata values stand in the schema's metadata order; `None` is NULL.
    pub fn matches(&self, rowid: i64, values: &[Value]) -> Option<bool> {
        self.root.row(rowid, values)
    }

    /// A text that is equal for equal predicates, to cache bitmaps of immutable segments by; `None` when the
    /// predicate is too large for that.
    pub fn cache_key(&self) -> Option<String> {
        let mut budget = CACHEABLE_BYTES;
        if !self.root.fits(&mut budget) {
            return None;
        }
        let mut key = String::new();
        write!(key, "{:?}", self.root).ok()?;
        Some(key)
    }
}

impl Node {
    /// The rows where this is `want`. NOT is pushed down by asking for the other truth value, which leaves the rows
    /// where it is NULL out of both results.
    fn bounds(&self, columns: &Columns, want: bool) -> Bounds {
        match self {
            Self::Json(column, test) => columns.json(*column, &test.filter, want),
            Self::Not(node) => node.bounds(columns, !want),
            Self::Sure(node) => {
                let mut rows = node.bounds(columns, true);
                if !want {
                    rows.negate();
                }
                rows
            }
            // AND is true where all are true and false where any is false; OR the other way round.
            Self::And(nodes) | Self::Or(nodes) => {
                let all = matches!(self, Self::And(_)) == want;
                let mut nodes = nodes.iter();
                let Some(first) = nodes.next() else {
                    let len = columns.len();
                    return if all { Bitmap::full(len) } else { Bitmap::empty(len) }.into();
                };
                let mut rows = first.bounds(columns, want);
                for node in nodes {
                    let more = node.bounds(columns, want);
                    if all { rows.and(&more) } else { rows.or(&more) }
                }
                rows
            }
            _ => self.rows(columns, want).into(),
        }
    }

    /// The same for all but JSON and what combines others.
    fn rows(&self, columns: &Columns, want: bool) -> Bitmap {
        let len = columns.len();
        let constant = |holds: bool| if holds { Bitmap::full(len) } else { Bitmap::empty(len) };
        match self {
            Self::All => constant(want),
            Self::Unknown => constant(false),
            Self::Compare(column, op, value) => {
                columns.compare(*column, if want { *op } else { op.inverse() }, value)
            }
            Self::In { column, values, null } => {
                if want {
                    return columns.in_set(*column, values);
                }
                if values.is_empty() && !*null {
                    // `NULL IN ()` is false, not NULL.
                    return constant(true);
                }
                if *null {
                    return constant(false);
                }
                let mut rows = columns.in_set(*column, values);
                rows.or(&columns.is_null(*column));
                rows.negate();
                rows
            }
            Self::IsNull(column) => {
                let mut rows = columns.is_null(*column);
                if !want {
                    rows.negate();
                }
                rows
            }
            Self::Prefix { column, prefix, ignore_case } => {
                opposite_unless(want, columns, *column, columns.text_prefix(*column, prefix, *ignore_case))
            }
            Self::Like(column, pattern) => {
                let rows = columns.texts_where(*column, &|text| pattern.matches(text));
                opposite_unless(want, columns, *column, rows)
            }
            Self::Contains(column, part) => {
                let rows = columns.texts_where(*column, &|text| text.contains(part.as_str()));
                opposite_unless(want, columns, *column, rows)
            }
            Self::Rowid(op, value) => columns.rowid_compare(if want { *op } else { op.inverse() }, value),
            Self::Rowids { ids, null } => {
                if !want && *null {
                    return constant(false);
                }
                let mut rows = columns.rowid_set(ids);
                if !want {
                    rows.negate();
                }
                rows
            }
            Self::Json(..) | Self::Not(_) | Self::Sure(_) | Self::And(_) | Self::Or(_) => {
                self.bounds(columns, want).sure
            }
        }
    }

    fn row(&self, rowid: i64, values: &[Value]) -> Option<bool> {
        let value = |column: usize| values.get(column).unwrap_or(&Value::Null);
        match self {
            Self::All => Some(true),
            Self::Unknown => None,
            Self::Compare(column, op, constant) => {
                let value = value(*column);
                (!value.is_null()).then(|| op.accepts(value.sql_cmp(constant)))
            }
            Self::In { column, values, null } => {
                if values.is_empty() && !*null {
                    return Some(false);
                }
                let value = value(*column);
                if value.is_null() {
                    return None;
                }
                let found = values.binary_search_by(|probe| probe.sql_cmp(value)).is_ok();
                if found || !*null { Some(found) } else { None }
            }
            Self::IsNull(column) => Some(value(*column).is_null()),
            Self::Prefix { column, prefix, ignore_case } => {
                let text = value(*column).as_text()?;
                Some(starts_with(text, prefix, *ignore_case))
            }
            Self::Like(column, pattern) => Some(pattern.matches(value(*column).as_text()?)),
            Self::Contains(column, part) => Some(value(*column).as_text()?.contains(part.as_str())),
            Self::Json(column, test) => {
                let text = value(*column).as_text()?;
                // What is no JSON, in a file that was written by hand, has no keys.
                Some(test.filter.matches(&json::parse(text).unwrap_or(Json::Null)))
            }
            Self::Rowid(op, constant) => Some(op.accepts(Value::Integer(rowid).sql_cmp(constant))),
            Self::Rowids { ids, null } => {
                let found = ids.binary_search(&rowid).is_ok();
                if found || !*null { Some(found) } else { None }
            }
            Self::Not(node) => node.row(rowid, values).map(|holds| !holds),
            Self::Sure(node) => Some(node.row(rowid, values) == Some(true)),
            Self::And(nodes) => three_valued(nodes, rowid, values, true),
            Self::Or(nodes) => three_valued(nodes, rowid, values, false),
        }
    }

    /// Takes the size of the constants out of `budget`; false when they do not fit.
    fn fits(&self, budget: &mut usize) -> bool {
        let of = |value: &Value| match value {
            Value::Text(text) => text.len() + 8,
            Value::Blob(blob) => blob.len() * 4 + 8,
            _ => 8,
        };
        let size = match self {
            Self::All | Self::Unknown | Self::IsNull(_) => 8,
            Self::Compare(_, _, value) | Self::Rowid(_, value) => of(value),
            Self::In { values, .. } => values.iter().take(*budget).map(of).sum::<usize>() + 8,
            Self::Prefix { prefix: text, .. } | Self::Contains(_, text) => text.len() + 8,
            Self::Like(_, pattern) => pattern.as_str().len() + 8,
            Self::Json(_, test) => test.text.len() + 8,
            Self::Rowids { ids, .. } => ids.len() * 8 + 8,
            Self::Not(node) | Self::Sure(node) => return node.fits(budget),
            Self::And(nodes) | Self::Or(nodes) => return nodes.iter().all(|node| node.fits(budget)),
        };
        let fits = size <= *budget;
        *budget = budget.saturating_sub(size);
        fits
    }
}

/// The rows of a test that is NULL where its column is, or, unless `want`, those where it is false.
fn opposite_unless(want: bool, columns: &Columns, column: usize, mut rows: Bitmap) -> Bitmap {
    if !want {
        rows.or(&columns.is_null(column));
        rows.negate();
    }
    rows
}

/// AND (`neutral` true) or OR (`neutral` false): the other value wins, then NULL, then the neutral value.
fn three_valued(nodes: &[Node], rowid: i64, values: &[Value], neutral: bool) -> Option<bool> {
    let mut answer = Some(neutral);
    for node in nodes {
        match node.row(rowid, values) {
            Some(holds) if holds != neutral => return Some(holds),
            Some(_) => {}
            None => answer = None,
        }
    }
    answer
}
