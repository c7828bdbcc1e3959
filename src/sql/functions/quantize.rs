//! Vectors of floats as bits and as bytes.

use super::vector::{Vector, bad, set};
use crate::error::Result;
use crate::sql::module::{Args, FunctionContext};
use crate::sql::vector_value::{SUBTYPE_BIT, SUBTYPE_INT8};
use rusqlite::types::ValueRef;

/// `vec_quantize_binary(v)`: one bit a dimension, set where the element is above 0.
pub(super) fn binary(out: &mut FunctionContext<'_>, args: &Args<'_>) -> Result<()> {
    let positive: Vec<bool> = match Vector::get(args, 0, "vec_quantize_binary")? {
        Vector::F32(vector) => vector.iter().map(|element| *element > 0.0).collect(),
        Vector::Int8(vector) => vector.iter().map(|element| *element > 0).collect(),
        Vector::Bit(_) => return bad("vec_quantize_binary: this is a bit vector already"),
    };
    if !positive.len().is_multiple_of(8) {
        return bad(format_args!(
            "vec_quantize_binary: the number of dimensions must be a multiple of 8, got {}",
            positive.len()
        ));
    }
    let byte = |bits: &[bool; 8]| bits.iter().rev().fold(0_u8, |byte, bit| byte << 1 | u8::from(*bit));
    set(out, &positive.as_chunks::<8>().0.iter().map(byte).collect::<Vec<_>>(), SUBTYPE_BIT);
    Ok(())
}

/// `vec_quantize_int8(v, 'unit')`: elements from -1 to 1 spread over -128 to 127; what is beyond is cut.
pub(super) fn int8(out: &mut FunctionContext<'_>, args: &Args<'_>) -> Result<()> {
    let is_unit = match args.value(1) {
        ValueRef::Text(range) => range.eq_ignore_ascii_case(b"unit"),
        _ => false,
    };
    if !is_unit {
        return bad("vec_quantize_int8: argument 2 must be 'unit', for elements from -1 to 1");
    }
    let Vector::F32(vector) = Vector::f32(args, 0, "vec_quantize_int8")? else {
        return bad("vec_quantize_int8: expected a vector of f32");
    };
    // The step is a float and the rest is in doubles, with fractions cut off: so 1 becomes 126, as in sqlite-vec.
    let step = f64::from(2.0_f32 / 255.0);
    let byte = |element: &f32| ((f64::from(*element) + 1.0) / step - 128.0) as i8;
    set(out, &vector.iter().map(|element| byte(element).cast_unsigned()).collect::<Vec<_>>(), SUBTYPE_INT8);
    Ok(())
}
