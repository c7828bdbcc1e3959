//! A filter over JSON objects as a tree, and what it means for one of them.

use super::like::Pattern;
use super::parse::Json;
use super::path::find;
use super::scalar::Scalar;
use crate::value::Op;
use std::cmp::Ordering;

/// The order that a value has to a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Below.
    Lt,
    /// Not above.
    Le,
    /// Above.
    Gt,
    /// Not below.
    Ge,
}

impl From<Order> for Op {
    fn from(order: Order) -> Self {
        match order {
            Order::Lt => Self::Lt,
            Order::Le => Self::Le,
            Order::Gt => Self::Gt,
            Order::Ge => Self::Ge,
        }
    }
}

impl Order {
    fn accepts(self, ordering: Ordering) -> bool {
        match self {
            Self::Lt => ordering.is_lt(),
            Self::Le => ordering.is_le(),
            Self::Gt => ordering.is_gt(),
            Self::Ge => ordering.is_ge(),
        }
    }
}

/// What is asked of the values at a path. *Any value* means a scalar at the path or an element of a list there.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// Any value equals one of these, which are sorted and distinct; with null among them, also where the path leads
    /// to nothing.
    In(Vec<Scalar>),
    /// Any value of the bound's class is in this order to it.
    Compare(Order, Scalar),
    /// Any value lies between, both ends included.
    Between(Scalar, Scalar),
    /// Any text matches.
    Like(Pattern),
    /// The path leads to a value, null included.
    Exists,
    /// An element of a list equals one of these (sorted, distinct).
    ContainsAny(Vec<Scalar>),
    /// There is a list, and each of these (sorted, distinct) equals an element.
    ContainsAll(Vec<Scalar>),
}

/// A filter as a tree; each part is true or false, never unknown.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// A test of the values at a path.
    Test(String, Test),
    /// All of them.
    And(Vec<Node>),
    /// Any of them.
    Or(Vec<Node>),
    /// The opposite.
    Not(Box<Node>),
}

/// Whether a sorted list has an equal of `value`.
fn is_among(values: &[Scalar], value: &Json<'_>) -> bool {
    // Of another class: compared by class.
    let order = |probe: &Scalar| match probe.compared(value) {
        Some(order) => order.reverse(),
        None => probe.class_order(value),
    };
    values.binary_search_by(order).is_ok()
}

impl Scalar {
    fn class_order(&self, value: &Json<'_>) -> Ordering {
        fn class(value: &Json<'_>) -> u8 {
            match value {
                Json::Null => 0,
                Json::Bool(_) => 1,
                Json::Int(_) | Json::Real(_) => 2,
                Json::Text(_) => 3,
                Json::List(_) | Json::Object(_) => 4,
            }
        }
        let own = match self {
            Self::Null => 0,
            Self::Bool(_) => 1,
            Self::Int(_) | Self::Real(_) => 2,
            Self::Text(_) => 3,
        };
        own.cmp(&class(value))
    }
}

impl Node {
    /// Whether a value passes. One that is no object has no keys.
    pub fn matches(&self, value: &Json<'_>) -> bool {
        match self {
            Self::Test(path, test) => test.holds(value, path),
            Self::And(nodes) => nodes.iter().all(|node| node.matches(value)),
            Self::Or(nodes) => nodes.iter().any(|node| node.matches(value)),
            Self::Not(node) => !node.matches(value),
        }
    }
}

/// Hands every value to the function that it is given; reports whether there was one.
type Each<'f, 'j> = &'f dyn Fn(&mut dyn FnMut(&Json<'j>)) -> bool;

impl Test {
    fn holds(&self, root: &Json<'_>, path: &str) -> bool {
        self.holds_of(&|each| find(root, path, &mut |value| each(value)))
    }

    /// Whether it holds for one value, or where there is none.
    pub fn holds_for(&self, value: Option<&Json<'_>>) -> bool {
        self.holds_of(&|each| value.map(each).is_some())
    }

    fn holds_of(&self, find: Each<'_, '_>) -> bool {
        let any = |passes: &dyn Fn(&Json<'_>) -> bool| {
            let mut holds = false;
            let exists = find(&mut |value| {
                holds = holds
                    || match value {
                        Json::List(values) => values.iter().any(passes),
                        scalar => passes(scalar),
                    };
            });
            (holds, exists)
        };
        match self {
            Self::In(values) => {
                let (holds, exists) = any(&|value| is_among(values, value));
                holds || (!exists && values.first() == Some(&Scalar::Null))
            }
            Self::Compare(order, bound) => {
                any(&|value| bound.compared(value).is_some_and(|is| order.accepts(is))).0
            }
            Self::Between(low, high) => {
                any(&|value| {
                    low.compared(value).is_some_and(Ordering::is_ge)
                        && high.compared(value).is_some_and(Ordering::is_le)
                })
                .0
            }
            Self::Like(pattern) => any(&|value| matches!(value, Json::Text(text) if pattern.matches(text))).0,
            Self::Exists => find(&mut |_| {}),
            Self::ContainsAny(wanted) => {
                let mut holds = false;
                find(&mut |value| {
                    if let Json::List(values) = value {
                        holds = holds || values.iter().any(|value| is_among(wanted, value));
                    }
                });
                holds
            }
            Self::ContainsAll(wanted) => {
                let (mut listed, mut seen) = (false, vec![false; wanted.len()]);
                find(&mut |value| {
                    let Json::List(values) = value else { return };
                    listed = true;
                    for value in values {
                        if let Some(own) = Scalar::of(value)
                            && let Ok(at) = wanted.binary_search_by(|probe| probe.total_cmp(&own))
                        {
                            seen[at] = true;
                        }
                    }
                });
                listed && seen.into_iter().all(|seen| seen)
            }
        }
    }
}
