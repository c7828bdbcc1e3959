//! Equal words of a query, made one.
//!
//! A word typed twice counts twice: its boosts add up, and it is looked for once. So are equal phrases, prefixes, fuzzy
//! words and groups. Groups that only repeat what the group around them says are dissolved first, so that equal words
//! meet. The rows that match, and the sums that are their scores, stay the same.

use super::query_text::{Leaf, Node};
use crate::text_options::Minimum;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use tantivy::query::Occur;

/// `node` without repetitions.
pub(super) fn merged(node: Node) -> Node {
    let children = match node {
        Node::Leaf(_) => return node,
        Node::AtLeast(minimum, children) => return at_least(minimum, children),
        Node::Group(children) => children,
    };
    let mut flat = Vec::with_capacity(children.len());
    for (occur, child) in children {
        match (occur, merged(child)) {
            (_, Node::Group(inner)) if dissolves(occur, &inner) => {
                flat.extend(inner.into_iter().map(|(_, node)| (occur, node)));
            }
            (occur, child) => flat.push((occur, child)),
        }
    }
    let mut places: HashMap<(bool, Shape), usize> = HashMap::new();
    let mut kept: Vec<(Occur, Node)> = Vec::with_capacity(flat.len());
    for (occur, child) in flat {
        let forbidden = occur == Occur::MustNot;
        let place = *places.entry((forbidden, Shape::of(&child))).or_insert(kept.len());
        match kept.get_mut(place) {
            Some((first, same)) => {
                if occur == Occur::Must {
                    *first = Occur::Must;
                }
                if !forbidden {
                    absorb(same, &child);
                }
            }
            None => kept.push((occur, child)),
        }
    }
    match kept.as_slice() {
        [(Occur::Should | Occur::Must, _)] => kept.swap_remove(0).1,
        _ => Node::Group(kept),
    }
}

/// Equal members count as one. Where one or all are needed, they are a group.
fn at_least(minimum: Minimum, children: Vec<Node>) -> Node {
    let mut places: HashMap<Shape, usize> = HashMap::new();
    let mut kept: Vec<Node> = Vec::with_capacity(children.len());
    for child in children.into_iter().map(merged) {
        let place = *places.entry(Shape::of(&child)).or_insert(kept.len());
        match kept.get_mut(place) {
            Some(same) => absorb(same, &child),
            None => kept.push(child),
        }
    }
    let needed = minimum.of(kept.len());
    let occur = match needed {
        0 | 1 => Occur::Should,
        _ if needed == kept.len() => Occur::Must,
        _ => return Node::AtLeast(minimum, kept),
    };
    if kept.len() == 1 {
        return kept.swap_remove(0);
    }
    Node::Group(kept.into_iter().map(|child| (occur, child)).collect())
}

/// Whether the members of a group can be members of the group around it, with the group's own part there.
fn dissolves(occur: Occur, inner: &[(Occur, Node)]) -> bool {
    let wanted = if occur == Occur::MustNot { Occur::Should } else { occur };
    inner.iter().all(|(member, _)| *member == wanted)
}

/// Adds the boosts of a node of the same shape.
fn absorb(into: &mut Node, other: &Node) {
    match (into, other) {
        (Node::Leaf(leaf), Node::Leaf(other)) => leaf.boost += other.boost,
        (Node::Group(children), Node::Group(others)) => {
            for ((_, child), (_, other)) in children.iter_mut().zip(others) {
                absorb(child, other);
            }
        }
        (Node::AtLeast(_, children), Node::AtLeast(_, others)) => {
            children.iter_mut().zip(others).for_each(|(child, other)| absorb(child, other));
        }
        _ => {}
    }
}

/// All of a node but its boosts, as a hash of 128 bits: two nodes of a query never share one by chance.
#[derive(PartialEq, Eq, Hash)]
struct Shape(u64, u64);

impl Shape {
    fn of(node: &Node) -> Self {
        fn write(node: &Node, into: &mut DefaultHasher) {
            match node {
                Node::Leaf(Leaf { scope, matcher, .. }) => (0_u8, scope, matcher).hash(into),
                Node::Group(children) => {
                    (1_u8, children.len()).hash(into);
                    for (occur, child) in children {
                        (*occur as u8).hash(into);
                        write(child, into);
                    }
                }
                Node::AtLeast(minimum, children) => {
                    (2_u8, children.len(), minimum.of(children.len())).hash(into);
                    children.iter().for_each(|child| write(child, into));
                }
            }
        }
        let half = |seed: u8| {
            let mut hasher = DefaultHasher::new();
            seed.hash(&mut hasher);
            write(node, &mut hasher);
            hasher.finish()
        };
        Self(half(0), half(1))
    }
}
