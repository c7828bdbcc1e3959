//! IEEE half floats: 2 bytes little-endian, round to nearest even, out-of-range values to the largest half.

/// From this magnitude on the nearest half would be an infinity.
const TOO_LARGE: f32 = 65520.0;

/// Whether the half nearest to `value` is finite.
pub(crate) fn fits_f16(value: f32) -> bool {
    value.abs() < TOO_LARGE
}

/// The half nearest to `value`. A finite value stays finite.
pub(crate) fn to_f16(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = ((bits >> 16) & 0x8000) as u16;
    let magnitude = bits & 0x7fff_ffff;
    if magnitude > 0x7f80_0000 {
        return sign | 0x7e00;
    }
    if magnitude == 0x7f80_0000 {
        return sign | 0x7c00;
    }
    if magnitude >= 0x477f_f000 {
        return sign | 0x7bff;
    }
    if magnitude < 0x3880_0000 {
        // Subnormal: a multiple of 2^-24. Adding 0.5 rounds at exactly that place.
        let rounded = (f32::from_bits(magnitude) + 0.5).to_bits() - 0.5_f32.to_bits();
        return sign | rounded as u16;
    }
    let odd = (magnitude >> 13) & 1;
    sign | ((magnitude - 0x3800_0000 + 0xfff + odd) >> 13) as u16
}

/// The float equal to a half. Without a branch, so that loops of it vectorise.
#[inline]
pub(crate) fn from_f16(half: u16) -> f32 {
    let sign = u32::from(half & 0x8000) << 16;
    let magnitude = u32::from(half & 0x7fff);
    // The exponents differ by 112; a multiplication brings subnormal halves right, too.
    let value = f32::from_bits(magnitude << 13) * f32::from_bits((127 + 112) << 23);
    let special = if magnitude >= 0x7c00 { 0x7f80_0000 } else { 0 };
    f32::from_bits(value.to_bits() | special | sign)
}

/// Decodes `bytes` (2 an element) into `out`; stops at the shorter of the two.
pub(crate) fn f16_to_f32(bytes: &[u8], out: &mut [f32]) {
    (super::kernels::get().f16_to_f32)(bytes, out);
}

/// Encodes `values`, 2 bytes each.
pub(crate) fn f32_to_f16(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| to_f16(*value).to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_survives_a_round_trip() {
        for half in 0..=u16::MAX {
            let value = from_f16(half);
            if value.is_nan() {
                assert!(from_f16(to_f16(value)).is_nan());
            } else {
                assert_eq!(to_f16(value), half);
            }
        }
    }

    #[test]
    fn rounding_is_to_nearest_even_and_never_to_infinity() {
        assert_eq!(to_f16(f32::MAX), 0x7bff);
        assert_eq!(to_f16(-65520.0), 0xfbff);
        assert_eq!(to_f16(1.0 + 1.0 / 2048.0), to_f16(1.0));
        assert_eq!(to_f16(1.0 + 3.0 / 2048.0), 0x3c02);
        let mut out = [0.0; 37];
        let values: Vec<f32> = (0..37).map(|i| i as f32 * 0.25 - 3.0).collect();
        f16_to_f32(&f32_to_f16(&values), &mut out);
        assert_eq!(values, out);
    }
}
