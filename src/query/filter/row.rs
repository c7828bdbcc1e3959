//! `row_matches(table, filter)`: a filter in the language of `json_matches` over a row.
//!
//! The row is taken for an object that has its columns: the key of a filter is the name of a metadata column, of the
//! primary key, or `rowid`; a column that is NULL is a key that is missing; a BOOLEAN is true or false; a JSON column is
//! the object in it, so `meta.author.name` goes on inside. No affinity is applied. A name with a dot goes before a path
//! into another column. [`RowFilter::matches`] defines what a filter means; predicates give the same for many rows.

use super::{Target, target};
use crate::error::{Error, Result};
use crate::json::{self, Json, JsonFilter, Node, Test};
use crate::schema::{ColumnType, Schema};
use crate::storage::Row;
use crate::value::Value;
use std::borrow::Cow;

/// A filter over rows, its keys resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct RowFilter {
    pub(super) root: RowNode,
}

/// A part of it; true or false, never unknown.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum RowNode {
    /// Of a value of the row.
    Test(Place, Test),
    /// Of what is inside a JSON column.
    Inside(JsonPlace, Node),
    And(Vec<RowNode>),
    Or(Vec<RowNode>),
    Not(Box<RowNode>),
}

/// A metadata column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ColumnPlace {
    /// Position among the metadata columns.
    pub metadata: usize,
    /// Position among the values of a stored row.
    stored: usize,
    pub kind: ColumnType,
}

/// A metadata column of JSON.
pub(super) type JsonPlace = ColumnPlace;

/// Where a value stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Place {
    Rowid,
    /// The text key, at a position among the values of a stored row.
    Key(usize),
    Column(ColumnPlace),
}

impl RowFilter {
    /// Reads a filter from its JSON text, for the table called `table`.
    ///
    /// # Errors
    /// [`Error::Value`] for what is no filter and for columns that cannot be filtered, [`Error::Unknown`] for keys that are
    /// no columns.
    pub fn read(table: &str, schema: &Schema, text: &str) -> Result<Self> {
        let filter =
            JsonFilter::read(text).map_err(|why| Error::Value(format!("{table}: row_matches: {why}")))?;
        Ok(Self { root: resolved(filter.root(), table, schema)? })
    }

    /// Whether a stored row passes.
    pub fn matches(&self, row: &Row) -> bool {
        self.root.matches(row)
    }
}

/// Every path as a place.
fn resolved(node: &Node, table: &str, schema: &Schema) -> Result<RowNode> {
    let list = |nodes: &[Node]| -> Result<Vec<RowNode>> {
        nodes.iter().map(|node| resolved(node, table, schema)).collect()
    };
    Ok(match node {
        Node::Test(path, test) => resolved_test(path, test, table, schema)?,
        Node::And(nodes) => joined(list(nodes)?, Node::And, RowNode::And),
        Node::Or(nodes) => joined(list(nodes)?, Node::Or, RowNode::Or),
        Node::Not(node) => match resolved(node, table, schema)? {
            RowNode::Inside(column, tree) => RowNode::Inside(column, Node::Not(Box::new(tree))),
            node => RowNode::Not(Box::new(node)),
        },
    })
}

/// Several parts as one; those inside one JSON column stay together, to be evaluated as one filter over it.
fn joined(
    nodes: Vec<RowNode>,
    inside: impl Fn(Vec<Node>) -> Node,
    outside: impl Fn(Vec<RowNode>) -> RowNode,
) -> RowNode {
    let Some(RowNode::Inside(column, _)) = nodes.first() else { return outside(nodes) };
    let column = *column;
    if !nodes.iter().all(|node| matches!(node, RowNode::Inside(other, _) if *other == column)) {
        return outside(nodes);
    }
    let trees = nodes.into_iter().filter_map(|node| match node {
        RowNode::Inside(_, tree) => Some(tree),
        _ => None,
    });
    RowNode::Inside(column, inside(trees.collect()))
}

fn resolved_test(path: &str, test: &Test, table: &str, schema: &Schema) -> Result<RowNode> {
    let unknown = match place(path, table, schema) {
        Ok(place) => return Ok(RowNode::Test(place, test.clone())),
        Err(error) => error,
    };
    let dots = path.rmatch_indices('.').map(|(dot, _)| (&path[..dot], &path[dot + 1..]));
    for (name, rest) in dots {
        if schema.find(name).is_none() {
            continue;
        }
        return match place(name, table, schema)? {
            Place::Column(column) if column.kind == ColumnType::Json => {
                Ok(RowNode::Inside(column, Node::Test(rest.to_owned(), test.clone())))
            }
            _ => Err(Error::Value(format!(
                "{table}.{name} holds no objects, so there is no {path}; only a JSON column has paths"
            ))),
        };
    }
    Err(unknown)
}

/// The place that a name stands for.
fn place(name: &str, table: &str, schema: &Schema) -> Result<Place> {
    let stored = || {
        let at = schema.find(name).map_or(0, |(at, _)| at);
        schema.stored_positions().nth(at).flatten().unwrap_or(0)
    };
    Ok(match target(table, schema, name)? {
        Target::Rowid => Place::Rowid,
        Target::TextKey => Place::Key(stored()),
        Target::Metadata(metadata, kind) => Place::Column(ColumnPlace { metadata, stored: stored(), kind }),
    })
}

impl RowNode {
    fn matches(&self, row: &Row) -> bool {
        match self {
            Self::And(nodes) => nodes.iter().all(|node| node.matches(row)),
            Self::Or(nodes) => nodes.iter().any(|node| node.matches(row)),
            Self::Not(node) => !node.matches(row),
            Self::Inside(column, tree) => {
                let text = row.values.get(column.stored).and_then(Value::as_text);
                // What is no JSON, in a file that was written by hand, has no keys.
                tree.matches(&text.and_then(|text| json::parse(text).ok()).unwrap_or(Json::Null))
            }
            Self::Test(place, test) => test.holds_for(place.value(row).as_ref()),
        }
    }
}

impl Place {
    /// The value there; `None` for NULL. Of a JSON column it is an object, whatever is in it.
    fn value(self, row: &Row) -> Option<Json<'_>> {
        let (at, kind) = match self {
            Self::Rowid => return Some(Json::Int(row.rowid)),
            Self::Key(at) => (at, ColumnType::Text),
            Self::Column(column) => (column.stored, column.kind),
        };
        match (row.values.get(at)?, kind) {
            (Value::Null | Value::Blob(_), _) => None,
            (_, ColumnType::Json) => Some(Json::Object(Vec::new())),
            (Value::Integer(int), ColumnType::Boolean) => Some(Json::Bool(*int != 0)),
            (Value::Integer(int), _) => Some(Json::Int(*int)),
            (Value::Real(real), _) => Some(Json::Real(real + 0.0)),
            (Value::Text(text), _) => Some(Json::Text(Cow::Borrowed(text))),
        }
    }
}
