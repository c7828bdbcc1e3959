//! From filters to predicates: names resolved, constants converted, keys looked up.

use super::predicate::{JsonTest, Node, Predicate};
use super::row::{Place, RowFilter, RowNode};
use super::{Filter, ResolveKeys, Target, target};
use crate::collection::KeyTest;
use crate::columns::{affinity, starts_with};
use crate::error::{Error, Result};
use crate::json::{Json, JsonFilter, Pattern, Scalar, Test};
use crate::schema::{ColumnType, Schema};
use crate::value::{Op, Value};
use std::sync::Arc;

/// The predicate that a filter, which was checked, is.
pub(super) fn predicate(
    filter: &Filter,
    table: &str,
    schema: &Schema,
    resolve_keys: ResolveKeys<'_>,
) -> Result<Predicate> {
    Ok(Predicate::new(node(filter, table, schema, resolve_keys)?))
}

fn node(filter: &Filter, table: &str, schema: &Schema, resolve_keys: ResolveKeys<'_>) -> Result<Node> {
    let target = |column: &str| target(table, schema, column);
    let keys = |keys: &[String], null: bool| -> Result<Node> {
        Ok(Node::Rowids { ids: sorted(resolve_keys(KeyTest::Among(keys))?), null })
    };
    let list = |filters: &[Filter]| -> Result<Vec<Node>> {
        filters.iter().map(|filter| node(filter, table, schema, resolve_keys)).collect()
    };
    Ok(match filter {
        Filter::All => Node::All,
        Filter::Compare { column, op, value } => match target(column)? {
            Target::Metadata(at, kind) => match affinity::apply(kind, value).into_owned() {
                Value::Null => Node::Unknown,
                value => Node::Compare(at, *op, value),
            },
            Target::Rowid => match affinity::apply(ColumnType::Integer, value).into_owned() {
                Value::Null => Node::Unknown,
                value => Node::Rowid(*op, value),
            },
            Target::TextKey => match affinity::apply(ColumnType::Text, value).into_owned() {
                Value::Null => Node::Unknown,
                Value::Text(key) => match op {
                    Op::Eq => keys(&[key], false)?,
                    Op::Ne => Node::Not(Box::new(keys(&[key], false)?)),
                    op => key_order(*op, &key, resolve_keys)?,
                },
                // A text is below any blob.
                _ if matches!(op, Op::Ne | Op::Lt | Op::Le) => Node::All,
                _ => Node::Or(Vec::new()),
            },
        },
        Filter::In { column, values } => {
            let target = target(column)?;
            let kind = match target {
                Target::Metadata(_, kind) => kind,
                Target::Rowid => ColumnType::Integer,
                Target::TextKey => ColumnType::Text,
            };
            let mut constants: Vec<Value> =
                values.iter().map(|value| affinity::apply(kind, value).into_owned()).collect();
            let count = constants.len();
            constants.retain(|value| !value.is_null());
            let null = constants.len() < count;
            match target {
                Target::Metadata(column, _) => {
                    constants.sort_unstable_by(Value::sql_cmp);
                    constants.dedup_by(|a, b| a.sql_cmp(b).is_eq());
                    Node::In { column, values: constants.into(), null }
                }
                Target::Rowid => {
                    let ids = constants.iter().filter_map(|value| match value {
                        Value::Integer(int) => Some(*int),
                        Value::Real(real) => {
                            let int = *real as i64;
                            Value::Integer(int).sql_cmp(value).is_eq().then_some(int)
                        }
                        _ => None,
                    });
                    Node::Rowids { ids: sorted(ids.collect()), null }
                }
                Target::TextKey => {
                    let texts: Vec<String> = constants
                        .into_iter()
                        .filter_map(|value| if let Value::Text(text) = value { Some(text) } else { None })
                        .collect();
                    keys(&texts, null)?
                }
            }
        }
        Filter::IsNull { column } => match target(column)? {
            Target::Metadata(at, _) => Node::IsNull(at),
            Target::Rowid | Target::TextKey => Node::Or(Vec::new()),
        },
        Filter::Prefix { column, prefix, ignore_case } => match target(column)? {
            Target::Metadata(column, _) => {
                Node::Prefix { column, prefix: prefix.clone(), ignore_case: *ignore_case }
            }
            Target::TextKey if *ignore_case => {
                key_texts(&|key| starts_with(key, prefix, true), resolve_keys)?
            }
            Target::TextKey => {
                // Keys with the prefix stand together.
                let test = |key: &str| key.starts_with(prefix.as_str()).then_some(true);
                rowids(resolve_keys(KeyTest::From(prefix, &test))?)
            }
            Target::Rowid => Node::Unknown,
        },
        Filter::Like { column, pattern } => {
            let pattern = Pattern::new(pattern).map_err(Error::Value)?;
            match target(column)? {
                Target::Metadata(column, _) => Node::Like(column, pattern),
                Target::TextKey => key_texts(&|key| pattern.matches(key), resolve_keys)?,
                Target::Rowid => Node::Unknown,
            }
        }
        Filter::Contains { column, text } => match target(column)? {
            Target::Metadata(column, _) => Node::Contains(column, text.clone()),
            Target::TextKey => key_texts(&|key| key.contains(text.as_str()), resolve_keys)?,
            Target::Rowid => Node::Unknown,
        },
        Filter::Row { filter } => row_node(&RowFilter::read(table, schema, filter)?, resolve_keys)?,
        Filter::Json { column, filter: text } => match target(column)? {
            Target::Metadata(at, _) => {
                let filter = JsonFilter::read(text).map_err(Error::Value)?;
                Node::Json(at, Arc::new(JsonTest { text: text.clone(), filter }))
            }
            Target::Rowid | Target::TextKey => Node::Unknown,
        },
        Filter::RowidCompare(op, value) => Node::Rowid(*op, Value::Integer(*value)),
        Filter::Rowids(ids) => rowids(ids.clone()),
        Filter::Keys(names) => keys(names, false)?,
        Filter::And(filters) => Node::And(list(filters)?),
        Filter::Or(filters) => Node::Or(list(filters)?),
        Filter::Not(filter) => Node::Not(Box::new(node(filter, table, schema, resolve_keys)?)),
    })
}

fn sorted(mut ids: Vec<i64>) -> Arc<[i64]> {
    if !ids.is_sorted_by(|a, b| a < b) {
        ids.sort_unstable();
        ids.dedup();
    }
    ids.into()
}

fn rowids(ids: Vec<i64>) -> Node {
    Node::Rowids { ids: sorted(ids), null: false }
}

/// The text keys that a test accepts.
fn key_texts(test: &dyn Fn(&str) -> bool, resolve_keys: ResolveKeys<'_>) -> Result<Node> {
    Ok(rowids(resolve_keys(KeyTest::From("", &|key| Some(test(key))))?))
}

/// The text keys that stand in an order to `bound`, by their bytes.
fn key_order(op: Op, bound: &str, resolve_keys: ResolveKeys<'_>) -> Result<Node> {
    let above = matches!(op, Op::Gt | Op::Ge);
    let first = if above { bound } else { "" };
    let test = |key: &str| {
        let holds = op.accepts(key.as_bytes().cmp(bound.as_bytes()));
        // Below a bound the keys that hold stand together.
        (holds || above).then_some(holds)
    };
    Ok(rowids(resolve_keys(KeyTest::From(first, &test))?))
}

/// The filter of a row; its truth values are two.
fn row_node(filter: &RowFilter, resolve_keys: ResolveKeys<'_>) -> Result<Node> {
    row_part(&filter.root, resolve_keys)
}

fn row_part(node: &RowNode, resolve_keys: ResolveKeys<'_>) -> Result<Node> {
    let list = |nodes: &[RowNode]| -> Result<Vec<Node>> {
        nodes.iter().map(|node| row_part(node, resolve_keys)).collect()
    };
    Ok(match node {
        RowNode::And(nodes) => Node::And(list(nodes)?),
        RowNode::Or(nodes) => Node::Or(list(nodes)?),
        RowNode::Not(node) => Node::Not(Box::new(row_part(node, resolve_keys)?)),
        RowNode::Inside(column, tree) => {
            let filter = JsonFilter::of(tree.clone());
            let without = filter.matches(&Json::Null);
            let test = JsonTest { text: format!("{tree:?}"), filter };
            let inside = sure(Node::Json(column.metadata, Arc::new(test)));
            // NULL has no keys, like an empty object.
            if without { Node::Or(vec![inside, Node::IsNull(column.metadata)]) } else { inside }
        }
        RowNode::Test(place, test) => match place {
            Place::Rowid => rowid_test(test),
            Place::Key(_) => key_test(test, resolve_keys)?,
            Place::Column(column) => column_test(column.metadata, column.kind, test),
        },
    })
}

fn sure(node: Node) -> Node {
    Node::Sure(Box::new(node))
}

fn never() -> Node {
    Node::Or(Vec::new())
}

/// A constant as a column of type `kind` holds it; `None` where it holds no value of that type.
fn fitting(kind: ColumnType, scalar: &Scalar) -> Option<Value> {
    Some(match (kind, scalar) {
        (ColumnType::Text, Scalar::Text(text)) => Value::Text(text.clone()),
        (ColumnType::Integer | ColumnType::Real, Scalar::Int(int)) => Value::Integer(*int),
        (ColumnType::Integer | ColumnType::Real, Scalar::Real(real)) => Value::Real(*real),
        (ColumnType::Boolean, Scalar::Bool(bool)) => Value::Integer(i64::from(*bool)),
        _ => return None,
    })
}

fn column_test(column: usize, kind: ColumnType, test: &Test) -> Node {
    let compare = |op: Op, bound: &Scalar| match fitting(kind, bound) {
        Some(value) if kind != ColumnType::Boolean => sure(Node::Compare(column, op, value)),
        _ => never(),
    };
    match test {
        Test::In(wanted) => {
            let mut values: Vec<Value> = wanted.iter().filter_map(|scalar| fitting(kind, scalar)).collect();
            values.sort_unstable_by(Value::sql_cmp);
            let mut any = match values.len() {
                0 => Vec::new(),
                1 => {
                    values.pop().map(|value| sure(Node::Compare(column, Op::Eq, value))).into_iter().collect()
                }
                _ => vec![sure(Node::In { column, values: values.into(), null: false })],
            };
            if wanted.first() == Some(&Scalar::Null) {
                any.push(Node::IsNull(column));
            }
            Node::Or(any)
        }
        Test::Compare(order, bound) => compare(Op::from(*order), bound),
        Test::Between(low, high) => Node::And(vec![compare(Op::Ge, low), compare(Op::Le, high)]),
        Test::Like(pattern) if kind == ColumnType::Text => sure(Node::Like(column, pattern.clone())),
        Test::Exists => Node::Not(Box::new(Node::IsNull(column))),
        // No column holds a list.
        Test::Like(_) | Test::ContainsAny(_) | Test::ContainsAll(_) => never(),
    }
}

fn rowid_test(test: &Test) -> Node {
    let compare = |op: Op, bound: &Scalar| match fitting(ColumnType::Integer, bound) {
        Some(value) => Node::Rowid(op, value),
        None => never(),
    };
    match test {
        Test::In(wanted) => Node::Or(wanted.iter().map(|scalar| compare(Op::Eq, scalar)).collect()),
        Test::Compare(order, bound) => compare(Op::from(*order), bound),
        Test::Between(low, high) => Node::And(vec![compare(Op::Ge, low), compare(Op::Le, high)]),
        Test::Exists => Node::All,
        Test::Like(_) | Test::ContainsAny(_) | Test::ContainsAll(_) => never(),
    }
}

fn key_test(test: &Test, resolve_keys: ResolveKeys<'_>) -> Result<Node> {
    let order = |op: Op, bound: &Scalar| match bound {
        Scalar::Text(bound) => key_order(op, bound, resolve_keys),
        _ => Ok(never()),
    };
    Ok(match test {
        Test::In(wanted) => {
            let texts = wanted.iter().filter_map(|scalar| match scalar {
                Scalar::Text(text) => Some(text.clone()),
                _ => None,
            });
            let keys: Vec<String> = texts.collect();
            rowids(resolve_keys(KeyTest::Among(&keys))?)
        }
        Test::Compare(by, bound) => order(Op::from(*by), bound)?,
        Test::Between(low, high) => Node::And(vec![order(Op::Ge, low)?, order(Op::Le, high)?]),
        Test::Like(pattern) => key_texts(&|key| pattern.matches(key), resolve_keys)?,
        Test::Exists => Node::All,
        Test::ContainsAny(_) | Test::ContainsAll(_) => never(),
    })
}
