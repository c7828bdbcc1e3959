//! A filter over the columns of the paths.

use super::super::Op;
use super::super::bounds::Bounds;
use super::super::column::Column;
use super::typed::{Typed, Values};
use super::{Block, PathColumn};
use crate::bitmap::Bitmap;
use crate::json::{Node, Scalar, Test};
use crate::value::Value;

/// The bounds of consecutive blocks, all but the last a multiple of 64 rows long, as those of `rows` rows.
pub(super) fn join(blocks: impl Iterator<Item = Bounds>, rows: usize) -> Bounds {
    let (mut sure, mut possible, mut open) = (Vec::new(), Vec::new(), false);
    for bounds in blocks {
        sure.extend_from_slice(bounds.sure.words());
        possible.extend_from_slice(bounds.possible().words());
        open |= bounds.possible.is_some();
    }
    Bounds {
        sure: Bitmap::from_words(sure, rows),
        possible: open.then(|| Bitmap::from_words(possible, rows)),
    }
}

fn value(scalar: &Scalar) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Bool(bool) => Value::Integer(i64::from(*bool)),
        Scalar::Int(int) => Value::Integer(*int),
        Scalar::Real(real) => Value::Real(*real),
        Scalar::Text(text) => Value::Text(text.clone()),
    }
}

impl Block {
    pub fn eval(&self, node: &Node) -> Bounds {
        match node {
            Node::Test(path, test) => self.test(path, test),
            Node::Not(node) => {
                let mut bounds = self.eval(node);
                bounds.negate();
                bounds
            }
            Node::And(nodes) => {
                let mut nodes = nodes.iter();
                let Some(first) = nodes.next() else { return Bitmap::full(self.rows).into() };
                let mut bounds = self.eval(first);
                nodes.for_each(|node| bounds.and(&self.eval(node)));
                bounds
            }
            Node::Or(nodes) => {
                let mut nodes = nodes.iter();
                let Some(first) = nodes.next() else { return Bitmap::empty(self.rows).into() };
                let mut bounds = self.eval(first);
                nodes.for_each(|node| bounds.or(&self.eval(node)));
                bounds
            }
        }
    }

    fn test(&self, path: &str, test: &Test) -> Bounds {
        let mut bounds: Bounds = match self.find(path) {
            Some(column) => column.test(self.rows, test).into(),
            None => {
                let missing = matches!(test, Test::In(values) if values.first() == Some(&Scalar::Null));
                let all = if missing { Bitmap::full(self.rows) } else { Bitmap::empty(self.rows) };
                let mut bounds = Bounds::from(all);
                if !self.rest.is_none() && self.lost.may_have(path) {
                    bounds.leave_open(&self.rest.bitmap(self.rows));
                }
                bounds
            }
        };
        if !self.odd.is_none() {
            bounds.leave_open(&self.odd.bitmap(self.rows));
        }
        bounds
    }
}

impl PathColumn {
    fn test(&self, rows: usize, test: &Test) -> Bitmap {
        let both = |rows_of: &dyn Fn(&Values) -> Bitmap| {
            let mut set = rows_of(&self.scalars);
            if !self.lists.is_none() {
                set.or(&rows_of(&self.elements));
            }
            set
        };
        match test {
            Test::In(wanted) => {
                let mut set = both(&|values| values.among(rows, wanted));
                if wanted.first() == Some(&Scalar::Null) {
                    let mut missing = self.present(rows);
                    missing.negate();
                    set.or(&missing);
                }
                set
            }
            Test::Compare(order, bound) => {
                let (op, bound) = (Op::from(*order), value(bound));
                both(&|values| values.ordered(rows, &bound, |column| column.compare(op, &bound)))
            }
            Test::Between(low, high) => {
                let (low, high) = (value(low), value(high));
                let between = |column: &Column| {
                    let mut found = column.compare(Op::Ge, &low);
                    found.and(&column.compare(Op::Le, &high));
                    found
                };
                both(&|values| values.ordered(rows, &low, between))
            }
            Test::Like(pattern) => both(&|values| match &values.texts {
                Some(texts) => texts.rows(rows, |column| column.texts_where(&|text| pattern.matches(text))),
                None => Bitmap::empty(rows),
            }),
            Test::Exists => self.present(rows),
            Test::ContainsAny(wanted) => self.elements.among(rows, wanted),
            Test::ContainsAll(wanted) => {
                let mut set = self.lists.bitmap(rows);
                for one in wanted {
                    set.and(&self.elements.among(rows, std::slice::from_ref(one)));
                }
                set
            }
        }
    }
}

impl Values {
    /// The rows one of whose values is among `wanted`, which is sorted.
    fn among(&self, rows: usize, wanted: &[Scalar]) -> Bitmap {
        let mut set = Bitmap::empty(rows);
        let mut add = |typed: &Option<Box<Typed>>, of: &[Scalar]| {
            let (Some(typed), [first, ..]) = (typed, of) else { return };
            let found = if of.len() == 1 {
                typed.rows(rows, |column| column.compare(Op::Eq, &value(first)))
            } else {
                typed.rows(rows, |column| column.in_set(&of.iter().map(value).collect::<Vec<_>>()))
            };
            set.or(&found);
        };
        // Sorted by class: null, booleans, numbers, texts.
        let end = |class: fn(&Scalar) -> bool| wanted.partition_point(class);
        let nulls = end(|one| matches!(one, Scalar::Null));
        let bools = end(|one| matches!(one, Scalar::Null | Scalar::Bool(_)));
        let numbers = end(|one| !matches!(one, Scalar::Text(_)));
        add(&self.bools, &wanted[nulls..bools]);
        add(&self.ints, &wanted[bools..numbers]);
        add(&self.reals, &wanted[bools..numbers]);
        add(&self.texts, &wanted[numbers..]);
        if nulls > 0 {
            self.nulls.add_to(&mut set);
        }
        set
    }

    /// The rows that have a value of the class of `bound`, a number or a text, for which `test` gives it.
    fn ordered(&self, rows: usize, bound: &Value, test: impl Fn(&Column) -> Bitmap) -> Bitmap {
        let columns = match bound {
            Value::Text(_) => [&self.texts, &None],
            _ => [&self.ints, &self.reals],
        };
        let mut set: Option<Bitmap> = None;
        for typed in columns.into_iter().flatten() {
            let found = typed.rows(rows, &test);
            match &mut set {
                None => set = Some(found),
                Some(set) => set.or(&found),
            }
        }
        set.unwrap_or_else(|| Bitmap::empty(rows))
    }
}
