//! A lossless form of f32 vectors in 29 bits a value.
//!
//! The values of one vector are of similar size, so 5 bits distinguish their exponents where f32 spends 8. A vector
//! whose values span more than 31 binary orders of magnitude, zeros and subnormals aside, has no such form.
//!
//! ```text
//! narrow = base:u8  low:u16*dim  middle:u8*dim  top:u8*4e  signs:u8*e          e = dim / 8, rounded up
//! ```
//! `low` is the lower half of the bits of a value. Of the upper half without the sign, the 8 bits of the exponent and 7 of
//! the mantissa, `base * 128` is subtracted, unless the exponent is 0. That leaves 12 bits: 8 are in `middle`, 4 of value
//! `i` in byte `i mod 4e` of `top`, in its upper half where `i >= 4e`. The sign is bit `i / e` of byte `i mod e` of
//! `signs`. Planes instead of one bit stream let the compiler work on many values at once.

/// Exponents that a code can distinguish, 0 aside.
const CODES: u32 = 31;

/// Bytes that a vector of `dim` values takes.
pub(crate) const fn narrow_len(dim: usize) -> usize {
    1 + 3 * dim + 5 * dim.div_ceil(8)
}

/// Writes the narrow form of `values`, f32 in little-endian bytes, to `out` of [`narrow_len`] bytes; returns whether
/// there is one.
pub(crate) fn narrow(values: &[u8], out: &mut [u8]) -> bool {
    let dim = values.len() / 4;
    let words = values.as_chunks::<4>().0;
    let exponent = |word: &[u8; 4]| u32::from_le_bytes(*word) >> 23 & 0xff;
    let largest = words.iter().map(exponent).max().unwrap_or(0);
    let base = largest.saturating_sub(CODES);
    // An exponent above 0 has to be above the base. Less one, 0 becomes the largest number of all.
    let least = words.iter().map(|word| exponent(word).wrapping_sub(1)).min().unwrap_or(u32::MAX);
    if out.len() != narrow_len(dim) || largest == 0xff || least < base {
        return false;
    }
    let eighth = dim.div_ceil(8);
    let Some((first, rest)) = out.split_first_mut() else { return false };
    *first = base as u8;
    let (low, rest) = rest.split_at_mut(2 * dim);
    let (middle, rest) = rest.split_at_mut(dim);
    let (top, signs) = rest.split_at_mut(4 * eighth);
    top.fill(0);
    signs.fill(0);
    let codes = low.as_chunks_mut::<2>().0.chunks_mut(eighth.max(1)).zip(middle.chunks_mut(eighth.max(1)));
    for (at, (words, (low, middle))) in words.chunks(eighth.max(1)).zip(codes).enumerate() {
        let top = top.chunks_mut(eighth).nth(at % 4).unwrap_or_default();
        let planes = low.iter_mut().zip(middle).zip(top.iter_mut().zip(&mut *signs));
        for (word, ((low, middle), (top, sign))) in words.iter().zip(planes) {
            let word = u32::from_le_bytes(*word);
            let upper = word >> 16 & 0x7fff;
            let code = if upper < 0x80 { upper } else { upper - (base << 7) };
            *low = (word as u16).to_le_bytes();
            *middle = code as u8;
            *top |= (code >> 8 << (4 * (at / 4))) as u8;
            *sign |= (word >> 31 << at) as u8;
        }
    }
    true
}

/// Writes the values of a narrow form; returns whether it is one. The values are finite.
pub(crate) fn widen(bytes: &[u8], out: &mut [f32]) -> bool {
    let dim = out.len();
    let eighth = dim.div_ceil(8);
    let Some((base, rest)) = bytes.split_first().filter(|_| bytes.len() == narrow_len(dim)) else {
        return false;
    };
    if u32::from(*base) + CODES > 0xfe {
        return false;
    }
    let (low, rest) = rest.split_at(2 * dim);
    let (middle, rest) = rest.split_at(dim);
    let (top, signs) = rest.split_at(4 * eighth);
    let planes = Planes { base: u16::from(*base) << 7, eighth, low: low.as_chunks().0, middle, top, signs };
    planes.read::<0>(out);
    planes.read::<1>(out);
    planes.read::<2>(out);
    planes.read::<3>(out);
    planes.read::<4>(out);
    planes.read::<5>(out);
    planes.read::<6>(out);
    planes.read::<7>(out);
    true
}

/// A narrow form of `low.len()` values.
struct Planes<'a> {
    base: u16,
    eighth: usize,
    low: &'a [[u8; 2]],
    middle: &'a [u8],
    top: &'a [u8],
    signs: &'a [u8],
}

impl Planes<'_> {
    /// Decodes the `AT`-th eighth of the values. With shifts that are not constant the loop would not be vectorised.
    fn read<const AT: usize>(&self, out: &mut [f32]) {
        let end = self.low.len();
        let part = (AT * self.eighth).min(end)..((AT + 1) * self.eighth).min(end);
        let top = &self.top[AT % 4 * self.eighth..];
        let planes = self.low[part.clone()].iter().zip(&self.middle[part.clone()]).zip(top).zip(self.signs);
        for (value, (((low, middle), top), sign)) in out[part].iter_mut().zip(planes) {
            let top = if AT < 4 { u16::from(*top) << 8 } else { u16::from(*top) << 4 } & 0xf00;
            let code = u16::from(*middle) | top;
            let upper = if code < 0x80 { code } else { code + self.base };
            let upper = upper | (u16::from(*sign) << (15 - AT)) & 0x8000;
            *value = f32::from_bits(u32::from(upper) << 16 | u32::from(u16::from_le_bytes(*low)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    fn survives(values: &[f32]) -> bool {
        let raw = bytes(values);
        let mut small = vec![0xaa; narrow_len(values.len())];
        if !narrow(&raw, &mut small) {
            return false;
        }
        let mut back = vec![7.0; values.len()];
        assert!(widen(&small, &mut back));
        assert_eq!(bytes(&back), raw, "{values:?}");
        true
    }

    #[test]
    fn zeros_signs_and_subnormals_survive() {
        assert!(survives(&[0.0, -0.0, 1.0, -1.0, 0.5, 1e-8, -3.75]));
        assert!(survives(&[f32::from_bits(1), -f32::MIN_POSITIVE, 0.0, 1e-36]));
        assert!(survives(&[f32::MAX, f32::MIN, 0.0, f32::from_bits(7)]));
        assert!(survives(&[]));
    }

    #[test]
    fn a_span_of_more_than_31_binary_orders_is_refused() {
        let power = |exponent: i32| 2.0_f32.powi(exponent);
        assert!(survives(&[power(0), power(-30)]));
        assert!(!survives(&[power(0), power(-31)]));
        assert!(survives(&[power(127), power(97)]));
        assert!(!survives(&[power(127), power(96)]));
        assert!(!survives(&[1.0, f32::INFINITY]));
        assert!(!survives(&[f32::NAN, 1.0]));
    }

    #[test]
    fn damaged_forms_are_refused_or_give_finite_values() {
        let mut small = vec![0xff; narrow_len(16)];
        let mut out = [0.0; 16];
        assert!(!widen(&small, &mut out), "the base leaves no room for the exponents");
        small[0] = 0xfe - CODES as u8;
        assert!(widen(&small, &mut out));
        assert!(out.iter().all(|value| value.is_finite()));
        assert!(!widen(&small[1..], &mut out));
        assert!(!widen(&[], &mut out));
    }

    proptest! {
        #[test]
        fn similar_values_survive_bit_by_bit(
            values in proptest::collection::vec((-1.0e3_f32..1.0e3, 0_i32..20), 0..200),
        ) {
            let values: Vec<f32> = values.into_iter().map(|(x, shift)| (x + 2e3) * 2.0_f32.powi(-shift)).collect();
            prop_assert!(survives(&values));
        }

        #[test]
        fn any_bits_survive_or_are_refused(values in proptest::collection::vec(any::<u32>(), 0..40)) {
            survives(&values.into_iter().map(f32::from_bits).collect::<Vec<_>>());
        }
    }
}
