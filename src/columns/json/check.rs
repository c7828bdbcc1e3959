//! Compares a JSON column with the texts that it was made from.

use super::super::column::Data;
use super::typed::Values;
use super::{JsonColumn, hash};
use crate::json::{self, Json, Leaf};

/// What a row holds, as sums of hashes of the distinct values at its kept paths.
fn mix(parts: [u64; 4]) -> u64 {
    parts.into_iter().fold(0x9e37_79b9_7f4a_7c15, |sum, part| {
        let mixed = (sum ^ part).wrapping_mul(0xff51_afd7_ed55_8ccd);
        mixed ^ (mixed >> 32)
    })
}

const SCALAR: u64 = 1;
const ELEMENT: u64 = 2;
const LIST: u64 = 3;
const OBJECT: u64 = 4;

impl JsonColumn {
    /// The sum of every row.
    pub fn digests(&self) -> Vec<u64> {
        let Some(block) = self.block() else { return Vec::new() };
        let mut sums = vec![0_u64; block.rows];
        for path in &block.paths {
            let name = hash(&path.path);
            let mut add = |ord: u32, what: [u64; 3]| {
                if let Some(sum) = sums.get_mut(ord as usize) {
                    *sum = sum.wrapping_add(mix([name, what[0], what[1], what[2]]));
                }
            };
            path.lists.for_each(block.rows, |ord| add(ord, [LIST, 0, 0]));
            path.objects.for_each(block.rows, |ord| add(ord, [OBJECT, 0, 0]));
            for (place, values) in [(SCALAR, &path.scalars), (ELEMENT, &path.elements)] {
                values.digest(block.rows, &mut |ord, kind, value| add(ord, [place, kind, value]));
            }
        }
        sums
    }

    /// The sum that the row `ord` should have by its text, `None` where it is not like the others indexed.
    pub fn digest_of(&self, ord: u32, text: Option<&str>) -> Option<u64> {
        let block = self.block()?;
        let json = match text.map(json::parse) {
            Some(Ok(json)) => json,
            _ => Json::Null,
        };
        if json::is_ambiguous(&json) {
            return block.odd.contains(ord).then_some(0);
        }
        let (mut parts, mut complete) = (Vec::new(), true);
        json::walk(&json, &mut |path, leaf| {
            if block.find(path).is_none() {
                complete &= block.rest.contains(ord) && block.lost.may_have(path);
                return;
            }
            let (place, value) = match leaf {
                Leaf::List => (LIST, (0, 0)),
                Leaf::Object => (OBJECT, (0, 0)),
                Leaf::Scalar(value) => (SCALAR, digest(value)),
                Leaf::Element(value) => (ELEMENT, digest(value)),
            };
            parts.push(mix([hash(path), place, value.0, value.1]));
        });
        parts.sort_unstable();
        parts.dedup();
        (complete && !block.odd.contains(ord)).then(|| parts.into_iter().fold(0, u64::wrapping_add))
    }
}

fn digest(value: &Json<'_>) -> (u64, u64) {
    match value {
        Json::Bool(bool) => (1, u64::from(*bool)),
        Json::Int(int) => (2, *int as u64),
        Json::Real(real) => (3, real.to_bits()),
        Json::Text(text) => (4, hash(text)),
        _ => (0, 0),
    }
}

impl Values {
    fn digest(&self, rows: usize, each: &mut dyn FnMut(u32, u64, u64)) {
        self.nulls.for_each(rows, |ord| each(ord, 0, 0));
        for (kind, typed) in [(1, &self.bools), (2, &self.ints), (3, &self.reals), (4, &self.texts)] {
            let Some(typed) = typed else { continue };
            for (ord, at) in typed.entries() {
                let value = match &typed.column.data {
                    Data::Ints(ints) => ints.get(at) as u64,
                    Data::Reals(reals) => reals[at].to_bits(),
                    Data::Texts { dictionary, codes, .. } => hash(dictionary.get(codes.get(at) as usize)),
                    Data::Json(_) => 0,
                };
                each(ord, kind, value);
            }
        }
    }
}
