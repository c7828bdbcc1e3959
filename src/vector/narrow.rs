//! A lossless form of f32 vectors in 29 bits a value.
//!
//! The values of one vector are of similar size, so 5 bits tell their exponents apart where f32 spends 8. A vector
//! whose values span more than 31 binary orders of magnitude, zeros and subnormals aside, has no such form.
//!
//! ```text
//! narrow = base:u8  low:u16*dim  high:u8*dim  nibbles:u8*4e  bits:u8*e          e = dim / 8, rounded up
//! ```
//! `low` and `high` are the mantissa and, on top, the sign. With `c` the exponent code of value `i`, its lower four bits
//! are in byte `i mod 4e` of `nibbles`, in the upper half where `i >= 4e`; its fifth is bit `i / e` of byte `i mod e` of
//! `bits`. The biased exponent is 0 where `c` is 0, otherwise `base + c`. Planes instead of one bit stream let the
//! compiler work on many values at once.

/// Exponents that a code can tell apart, 0 aside.
const CODES: u32 = 31;

/// Bytes that a vector of `dim` values takes.
pub(crate) const fn narrow_len(dim: usize) -> usize {
    1 + 3 * dim + 5 * dim.div_ceil(8)
}

/// The planes of a narrow form; each is as long as `dim` asks.
fn planes(bytes: &[u8], dim: usize) -> Option<(u32, [&[u8]; 4])> {
    let (base, rest) = bytes.split_first()?;
    let (low, rest) = rest.split_at_checked(2 * dim)?;
    let (high, rest) = rest.split_at_checked(dim)?;
    let (nibbles, bits) = rest.split_at_checked(4 * dim.div_ceil(8))?;
    (bits.len() == dim.div_ceil(8)).then_some((u32::from(*base), [low, high, nibbles, bits]))
}

/// Writes the narrow form of `values`, f32 in little-endian bytes, to `out` of [`narrow_len`] bytes; answers whether
/// there is one.
pub(crate) fn narrow(values: &[u8], out: &mut [u8]) -> bool {
    let dim = values.len() / 4;
    if out.len() != narrow_len(dim) {
        return false;
    }
    let words = || values.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word));
    let exponent = |word: u32| word >> 23 & 0xff;
    let largest = words().map(exponent).max().unwrap_or(0);
    let base = largest.saturating_sub(CODES);
    if largest == 0xff || words().any(|word| (1..=base).contains(&exponent(word))) {
        return false;
    }
    out.fill(0);
    let eighth = dim.div_ceil(8);
    let Some((first, rest)) = out.split_first_mut() else { return false };
    *first = base as u8;
    let (low, rest) = rest.split_at_mut(2 * dim);
    let (high, rest) = rest.split_at_mut(dim);
    let (nibbles, bits) = rest.split_at_mut(4 * eighth);
    for (i, word) in words().enumerate() {
        let code = exponent(word).saturating_sub(base);
        low[2 * i..2 * i + 2].copy_from_slice(&(word as u16).to_le_bytes());
        high[i] = (word >> 16 & 0x7f | word >> 24 & 0x80) as u8;
        nibbles[i % (4 * eighth)] |= ((code & 15) << (4 * (i / (4 * eighth)))) as u8;
        bits[i % eighth] |= ((code >> 4) << (i / eighth)) as u8;
    }
    true
}

/// Writes the values of a narrow form; answers whether it is one. The values are finite.
pub(crate) fn widen(bytes: &[u8], out: &mut [f32]) -> bool {
    let dim = out.len();
    let Some((base, [low, high, nibbles, bits])) = planes(bytes, dim) else { return false };
    if base + CODES > 0xfe {
        return false;
    }
    let eighth = dim.div_ceil(8);
    if eighth == 0 {
        return true;
    }
    let low = low.as_chunks::<2>().0.chunks(eighth);
    let out = out.chunks_mut(eighth);
    let nibbles =
        nibbles.chunks(eighth).map(|part| (part, 0)).chain(nibbles.chunks(eighth).map(|part| (part, 4)));
    for (at, (((out, low), high), (nibbles, half))) in
        out.zip(low).zip(high.chunks(eighth)).zip(nibbles).enumerate()
    {
        let inputs = low.iter().zip(high).zip(nibbles).zip(bits);
        for (out, (((low, high), nibble), bit)) in out.iter_mut().zip(inputs) {
            let code = u32::from(nibble >> half & 15) | u32::from(bit >> at & 1) << 4;
            let exponent = if code == 0 { 0 } else { base + code };
            let (low, high) = (u32::from(u16::from_le_bytes(*low)), u32::from(*high));
            *out = f32::from_bits(low | (high & 0x7f) << 16 | exponent << 23 | (high & 0x80) << 24);
        }
    }
    true
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
