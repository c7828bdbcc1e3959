//! The 16-bit floats of the crate `half` as values of a row: `f16` and `bf16`.
//!
//! They derive `Serialize` as newtypes of their bits, so without a look at the name of the type `1.0` would be stored as
//! the number 15360.

use crate::value::Value;
use crate::vector::half::{from_f16, to_f16};

/// A 16-bit float.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// IEEE binary16.
    F16,
    /// The upper half of an f32.
    Bf16,
}

impl Half {
    /// The float that serde calls `name`.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "f16" => Some(Self::F16),
            "bf16" => Some(Self::Bf16),
            _ => None,
        }
    }

    /// The number whose bits are `value`, what the newtype serializes; the error says what else it is made of.
    pub fn number(self, value: &Value) -> std::result::Result<f32, String> {
        let bits = if let Value::Integer(bits) = value { u16::try_from(*bits).ok() } else { None };
        match (bits, value) {
            (Some(bits), _) => Ok(self.value_of(bits)),
            // A type of the same name that gives its number.
            (None, Value::Real(number)) => Ok(*number as f32),
            _ => Err(format!("a {} made of {}", self.name(), value.type_name())),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        }
    }

    fn value_of(self, bits: u16) -> f32 {
        match self {
            Self::F16 => from_f16(bits),
            Self::Bf16 => f32::from_bits(u32::from(bits) << 16),
        }
    }

    /// Bits of the float nearest to `number`, which is finite; an even one where two are.
    pub fn bits(self, number: f32) -> u16 {
        match self {
            Self::F16 => to_f16(number),
            Self::Bf16 => {
                let bits = number.to_bits();
                let rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
                // The largest numbers stay finite, as halves do.
                let infinite = rounded & 0x7fff == 0x7f80;
                rounded as u16 - u16::from(infinite)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finite_bf16_survives_a_round_trip_and_others_go_to_the_nearest() {
        for bits in 0..=u16::MAX {
            let number = Half::Bf16.value_of(bits);
            if number.is_finite() {
                assert_eq!(Half::Bf16.bits(number), bits);
            }
        }
        for (number, nearest) in
            [(1.001, 1.0), (1.0 + 1.0 / 256.0, 1.0), (1.0 + 3.0 / 256.0, 1.0 + 4.0 / 256.0)]
        {
            assert_eq!(Half::Bf16.value_of(Half::Bf16.bits(number)), nearest, "{number}");
        }
        for largest in [f32::MAX, f32::MIN] {
            assert!(Half::Bf16.value_of(Half::Bf16.bits(largest)).is_finite());
        }
    }
}
