//! Integers in frame-of-reference form, and comparisons as ranges of them.

use super::Op;
use super::packed::Packed;
use crate::bitmap::Bitmap;
use crate::value::{Value, cmp_int_real};

/// Integers as codes above their minimum.
#[derive(Debug, Clone, PartialEq)]
pub struct Ints {
    pub len: usize,
    /// The smallest value; code 0.
    pub base: i64,
    /// The largest value.
    pub max: i64,
    pub codes: Packed,
}

impl Ints {
    pub fn from_values(values: &[i64]) -> Self {
        let base = values.iter().copied().min().unwrap_or(0);
        let max = values.iter().copied().max().unwrap_or(0);
        let code = |value: i64| value.wrapping_sub(base) as u64;
        Self { len: values.len(), base, max, codes: Packed::new(values.iter().map(|v| code(*v)), code(max)) }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub fn get(&self, at: usize) -> i64 {
        self.base.wrapping_add(self.codes.get(at) as i64)
    }

    pub fn memory_bytes(&self) -> usize {
        self.codes.memory_bytes()
    }

    /// The rows whose value is in `low..=high`.
    fn range(&self, low: i128, high: i128) -> Bitmap {
        let low = low.max(i128::from(self.base));
        let high = high.min(i128::from(self.max));
        if low > high || self.len == 0 {
            return Bitmap::empty(self.len);
        }
        if low == i128::from(self.base) && high == i128::from(self.max) {
            return Bitmap::full(self.len);
        }
        let code = |value: i128| (value - i128::from(self.base)) as u64;
        self.codes.range(self.len, code(low), code(high))
    }

    /// The rows whose value compares so with `value`, to which affinity has been applied; NULL rows are not known here.
    pub fn compare(&self, op: Op, value: &Value) -> Bitmap {
        match int_range(op, value) {
            Some((low, high)) => self.range(low, high),
            None if op == Op::Ne && !value.is_null() => {
                let mut rows = self.compare(Op::Eq, value);
                rows.negate();
                rows
            }
            None => Bitmap::empty(self.len),
        }
    }

    /// The rows whose value is in `ids`, which may be unsorted, repeated and many.
    pub fn in_ints(&self, ids: &[i64]) -> Bitmap {
        let span = self.max.wrapping_sub(self.base) as u64;
        let inside = ids.iter().filter(|id| (self.base..=self.max).contains(*id));
        // A bit for each possible value costs less than sorting, unless the values are spread thinly. A bitmap counts in 32 bits.
        if span < (64 * (self.len + ids.len()) as u64).min(u32::MAX.into()) {
            let mut wanted = Bitmap::empty(span as usize + 1);
            inside.for_each(|id| wanted.insert(id.wrapping_sub(self.base) as u32));
            return self.codes.in_codes(self.len, &wanted);
        }
        let mut wanted: Vec<i64> = inside.copied().collect();
        wanted.sort_unstable();
        wanted.dedup();
        if wanted.len() <= 4 {
            let mut rows = Bitmap::empty(self.len);
            wanted.iter().for_each(|id| rows.or(&self.range(i128::from(*id), i128::from(*id))));
            return rows;
        }
        // Most rows are turned away by one bit of a hash of their value, before the search in the sorted list.
        let bits = (wanted.len() * 8).next_power_of_two();
        let slot = |id: i64| ((id as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize & (bits - 1);
        let mut hashed = Bitmap::empty(bits);
        wanted.iter().for_each(|id| hashed.insert(slot(*id) as u32));
        Bitmap::from_fn(self.len, |at| {
            let id = self.get(at);
            hashed.contains(slot(id) as u32) && wanted.binary_search(&id).is_ok()
        })
    }
}

/// The integers `i` with `i op value` as an inclusive range; `None` for `<>` and for NULL.
fn int_range(op: Op, value: &Value) -> Option<(i128, i128)> {
    const EMPTY: (i128, i128) = (1, 0);
    let (floor, ceil) = match value {
        Value::Null => return None,
        Value::Integer(int) => (i128::from(*int), i128::from(*int)),
        // The cast saturates, which is right for infinities and for everything beyond 64 bits.
        Value::Real(real) => (real.floor() as i128, real.ceil() as i128),
        // Every number is less than every text and every blob.
        Value::Text(_) | Value::Blob(_) => {
            return match op {
                Op::Ne | Op::Lt | Op::Le => Some((i128::MIN, i128::MAX)),
                Op::Eq | Op::Gt | Op::Ge => Some(EMPTY),
            };
        }
    };
    match op {
        Op::Ne => None,
        Op::Eq if floor == ceil => Some((floor, floor)),
        Op::Eq => Some(EMPTY),
        Op::Lt => Some((i128::MIN, ceil.saturating_sub(1))),
        Op::Le => Some((i128::MIN, floor)),
        Op::Gt => Some((floor.saturating_add(1), i128::MAX)),
        Op::Ge => Some((ceil, i128::MAX)),
    }
}

/// The integer equal to `value`, if it is a number that equals one.
pub fn exact_int(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(int) => Some(*int),
        Value::Real(real) => {
            let int = *real as i64;
            cmp_int_real(int, *real).is_eq().then_some(int)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_beyond_32_bits_of_the_smallest_are_not_taken_for_others() {
        let len = (1 << 26) + 1;
        let ints = Ints { len, base: 7, max: 7 + (1 << 32), codes: Packed::Zero };
        assert!(ints.in_ints(&[7 + (1 << 32)]).is_empty(), "every row has the smallest value");
        assert_eq!(ints.in_ints(&[7]).count(), len);
    }
}
