//! The `vec_*` functions.

use crate::error::{Error, Result};
use crate::sql::module::{Args, FunctionContext};
use crate::sql::vector_value::{SUBTYPE_BIT, SUBTYPE_F32, SUBTYPE_INT8, Target, read, to_blob, with_model};
use rusqlite::types::ValueRef;
use std::borrow::Cow;

/// What the functions calculate with.
pub(super) enum Vector<'a> {
    F32(Cow<'a, [f32]>),
    Int8(Cow<'a, [i8]>),
    /// Eight dimensions a byte, the lowest bit first.
    Bit(&'a [u8]),
}

impl<'a> Vector<'a> {
    /// Argument `index` of `function`, by its subtype; a vector without one is `f32`.
    pub(super) fn get(args: &Args<'a>, index: usize, function: &str) -> Result<Self> {
        let blob = match args.value(index) {
            ValueRef::Blob(blob) => blob,
            _ => return Self::f32(args, index, function),
        };
        let vector = match args.subtype(index) {
            SUBTYPE_BIT => Self::Bit(blob),
            SUBTYPE_INT8 => Self::Int8(signed(blob)),
            _ => return Self::f32(args, index, function),
        };
        if blob.is_empty() { empty(function) } else { Ok(vector) }
    }

    pub(super) fn f32(args: &Args<'a>, index: usize, function: &str) -> Result<Self> {
        let place;
        let name = if args.len() > 1 {
            place = format!("{function}: argument {}", index + 1);
            &place
        } else {
            function
        };
        read(args.value(index), args.subtype(index), &Target { name, dim: None, model: None }).map(Self::F32)
    }

    fn len(&self) -> usize {
        match self {
            Self::F32(vector) => vector.len(),
            Self::Int8(vector) => vector.len(),
            Self::Bit(bytes) => bytes.len() * 8,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::F32(_) => "float32",
            Self::Int8(_) => "int8",
            Self::Bit(_) => "bit",
        }
    }

    fn set(&self, out: &mut FunctionContext<'_>) {
        match self {
            Self::F32(vector) => set_f32(out, vector),
            Self::Int8(vector) => set(out, &unsigned(vector), SUBTYPE_INT8),
            Self::Bit(bytes) => set(out, bytes, SUBTYPE_BIT),
        }
    }
}

pub(super) fn set(out: &mut FunctionContext<'_>, blob: &[u8], subtype: u32) {
    out.set_blob(blob);
    out.set_subtype(subtype);
}

fn set_f32(out: &mut FunctionContext<'_>, vector: &[f32]) {
    set(out, &to_blob(vector), SUBTYPE_F32);
}

fn signed(bytes: &[u8]) -> Cow<'_, [i8]> {
    bytes.iter().map(|byte| byte.cast_signed()).collect()
}

fn unsigned(vector: &[i8]) -> Vec<u8> {
    vector.iter().map(|element| element.cast_unsigned()).collect()
}

pub(super) fn bad<T>(what: impl std::fmt::Display) -> Result<T> {
    Err(Error::Value(what.to_string()))
}

fn empty<T>(function: &str) -> Result<T> {
    bad(format_args!("{function}: a vector has at least 1 dimension, this one is empty"))
}

/// Both arguments, of one type and length.
fn pair<'a>(args: &Args<'a>, function: &str) -> Result<(Vector<'a>, Vector<'a>)> {
    let (a, b) = (Vector::get(args, 0, function)?, Vector::get(args, 1, function)?);
    if a.name() != b.name() {
        return bad(format_args!("{function}: the first vector is {}, the second {}", a.name(), b.name()));
    }
    if a.len() != b.len() {
        return bad(format_args!(
            "{function}: the first vector has {} dimensions, the second {}",
            a.len(),
            b.len()
        ));
    }
    Ok((a, b))
}

/// `vec_f32(v)`: checks a vector and marks it.
pub(super) fn f32(out: &mut FunctionContext<'_>, args: &Args<'_>) -> Result<()> {
    Vector::f32(args, 0, "vec_f32")?.set(out);
    Ok(())
}

/// `vec_f32(v, model)`: the same, with the name of the model that made it.
pub(super) fn f32_of_model(out: &mut FunctionContext<'_>, args: &Args<'_>) -> Result<()> {
    let Vector::F32(vector) = Vector::f32(args, 0, "vec_f32")? else { return Ok(()) };
    let ValueRef::Text(model) = args.value(1) else {
        return bad("vec_f32: the name of the model must be TEXT");
    };
    set(out, &with_model(&vector, &String::from_utf8_lossy(model))?, SUBTYPE_F32);
    Ok(())
}

/// `vec_int8(v)`: a BLOB of bytes, or a JSON array of integers from -128 to 127.
pub(super) fn int8(out: &mut FunctionContext<'_>, args: &Args<'_>) -> Result<()> {
    if let ValueRef::Blob(blob) = args.value(0) {
        if !matches!(args.subtype(0), 0 | SUBTYPE_INT8) {
            return bad("vec_int8: this is a vector of another type already");
        }
        if blob.is_empty() {
            return empty("vec_int8");
        }
        set(out, blob, SUBTYPE_INT8);
        return Ok(());
    }
    let Vector::F32(vector) = Vector::f32(args, 0, "vec_int8")? else { return empty("vec_int8") };
    let mut bytes = Vec::with_capacity(vector.len());
    for (index, element) in vector.iter().enumerate() {
        let byte = *element as i8;
        if f32::from(byte) != *element {
            return bad(format_args!(
                "vec_int8: {element} at index {index} is not an integer from -128 to 127"
            ));
        }
        bytes.push(byte.cast_unsigned());
    }
    set(out, &bytes, SUBTYPE_INT8);
    Ok(())
}

/// `vec_bit(v)`: a BLOB of bits, the lowest bit of a byte first.
pub(super) fn bit(out: &mut FunctionContext<'_>, args: &Args<'_>) -> Result<()> {
    match args.value(0) {
        ValueRef::Blob([]) => empty("vec_bit"),
        ValueRef::Blob(blob) if matches!(args.subtype(0), 0 | SUBTYPE_BIT) => {
            set(out, blob, SUBTYPE_BIT);
            Ok(())
        }
        ValueRef::Blob(_) => {
            bad("vec_bit: this is a vector of another type already; see vec_quantize_binary()")
        }
        other => bad(format_args!(
            "vec_bit: expected a BLOB, got {}",
            crate::value::Value::from(other).type_name()
        )),
    }
}

/// `vec_length(v)`: number of dimensions.
pub(super) fn length(out: &mut FunctionContext<'_>, args: &Args<'_>) -> Result<()> {
    out.set_integer(Vector::get(args, 0, "vec_length")?.len() as i64);
    Ok(())
}

/// `vec_type(v)`: `float32`, `int8` or `bit`.
pub(super) fn kind(out: &mut FunctionContext<'_>, args: &Args<'_>) -> Result<()> {
    out.set_text(Vector::get(args, 0, "vec_type")?.name());
    Ok(())
}

/// `vec_add(a, b)`; `int8` wraps around, as in sqlite-vec.
pub(super) fn add(out: &mut FunctionContext<'_>, args: &Args<'_>) -> Result<()> {
    combine(out, args, "vec_add", |a, b| a + b, i8::wrapping_add)
}

/// `vec_sub(a, b)`; `int8` wraps around, as in sqlite-vec.
pub(super) fn sub(out: &mut FunctionContext<'_>, args: &Args<'_>) -> Result<()> {
    combine(out, args, "vec_sub", |a, b| a - b, i8::wrapping_sub)
}

fn combine(
    out: &mut FunctionContext<'_>,
    args: &Args<'_>,
    function: &str,
    floats: impl Fn(f32, f32) -> f32,
    bytes: impl Fn(i8, i8) -> i8,
) -> Result<()> {
    match pair(args, function)? {
        (Vector::F32(a), Vector::F32(b)) => {
            let sum: Vec<f32> = a.iter().zip(b.iter()).map(|(a, b)| floats(*a, *b)).collect();
            if let Some(index) = sum.iter().position(|element| !element.is_finite()) {
                return bad(format_args!("{function}: the result at index {index} is too large for f32"));
            }
            set_f32(out, &sum);
        }
        (Vector::Int8(a), Vector::Int8(b)) => {
            Vector::Int8(a.iter().zip(b.iter()).map(|(a, b)| bytes(*a, *b)).collect()).set(out);
        }
        _ => return bad(format_args!("{function}: bit vectors cannot be added or subtracted")),
    }
    Ok(())
}

/// `vec_normalize(v)`: the vector of length 1 in the same direction; a zero vector stays zero.
pub(super) fn normalize(out: &mut FunctionContext<'_>, args: &Args<'_>) -> Result<()> {
    let Vector::F32(mut vector) = Vector::get(args, 0, "vec_normalize")? else {
        return bad("vec_normalize: only float32 vectors can be normalized");
    };
    let norm = dot(&vector, &vector).sqrt();
    if norm > 0.0 {
        vector.to_mut().iter_mut().for_each(|element| *element = (f64::from(*element) / norm) as f32);
    }
    set_f32(out, &vector);
    Ok(())
}

/// `vec_slice(v, start, end)`: dimensions `start..end`; of bits, both multiples of 8.
pub(super) fn slice(out: &mut FunctionContext<'_>, args: &Args<'_>) -> Result<()> {
    let vector = Vector::get(args, 0, "vec_slice")?;
    let bound = |index, name| match args.value(index) {
        ValueRef::Integer(bound) => Ok(bound),
        _ => bad(format_args!("vec_slice: {name} must be an integer")),
    };
    let (start, end) = (bound(1, "start")?, bound(2, "end")?);
    let len = vector.len() as i64;
    if start < 0 || end > len || start >= end {
        return bad(format_args!("vec_slice: {start}..{end} is not a part of a vector of {len} dimensions"));
    }
    let (start, end) = (start as usize, end as usize);
    match vector {
        Vector::F32(vector) => set_f32(out, &vector[start..end]),
        Vector::Int8(vector) => set(out, &unsigned(&vector[start..end]), SUBTYPE_INT8),
        Vector::Bit(_) if start % 8 != 0 || end % 8 != 0 => {
            return bad(format_args!("vec_slice: {start}..{end} of a bit vector must be multiples of 8"));
        }
        Vector::Bit(bytes) => set(out, &bytes[start / 8..end / 8], SUBTYPE_BIT),
    }
    Ok(())
}

/// `vec_to_json(v)`: a JSON array, with the subtype of JSON.
pub(super) fn to_json(out: &mut FunctionContext<'_>, args: &Args<'_>) -> Result<()> {
    let text = match Vector::get(args, 0, "vec_to_json")? {
        Vector::F32(vector) => serde_json::to_string(&*vector),
        Vector::Int8(vector) => serde_json::to_string(&*vector),
        Vector::Bit(bytes) => serde_json::to_string(&bits(bytes).collect::<Vec<_>>()),
    };
    out.set_text(&text.map_err(|error| Error::Value(format!("vec_to_json: {error}")))?);
    out.set_subtype(u32::from(b'J'));
    Ok(())
}

/// The bits of a bit vector, each 0 or 1.
pub(super) fn bits(bytes: &[u8]) -> impl Iterator<Item = u8> + '_ {
    bytes.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1))
}

/// `vec_distance_cosine(a, b)`: 1 - cos, 1 where a vector is zero.
pub(super) fn distance_cosine(out: &mut FunctionContext<'_>, args: &Args<'_>) -> Result<()> {
    let (ab, aa, bb) = match pair(args, "vec_distance_cosine")? {
        (Vector::F32(a), Vector::F32(b)) => (dot(&a, &b), dot(&a, &a), dot(&b, &b)),
        (Vector::Int8(a), Vector::Int8(b)) => (int8_dot(&a, &b), int8_dot(&a, &a), int8_dot(&b, &b)),
        _ => {
            return bad(
                "vec_distance_cosine: bit vectors have no cosine distance; use vec_distance_hamming()",
            );
        }
    };
    let norms = (aa * bb).sqrt();
    // Rounding may carry the cosine of (anti)parallel vectors a little past 1.
    out.set_real(if norms > 0.0 { (1.0 - ab / norms).clamp(0.0, 2.0) } else { 1.0 });
    Ok(())
}

/// `vec_distance_ip(a, b)`: the negated inner product, so that smaller is nearer.
pub(super) fn distance_ip(out: &mut FunctionContext<'_>, args: &Args<'_>) -> Result<()> {
    let product = match pair(args, "vec_distance_ip")? {
        (Vector::F32(a), Vector::F32(b)) => dot(&a, &b),
        (Vector::Int8(a), Vector::Int8(b)) => int8_dot(&a, &b),
        _ => return bad("vec_distance_ip: bit vectors have no inner product; use vec_distance_hamming()"),
    };
    // Not -product: that of 0 is -0.
    out.set_real(0.0 - product);
    Ok(())
}

/// `vec_distance_l2(a, b)`: Euclidean distance.
pub(super) fn distance_l2(out: &mut FunctionContext<'_>, args: &Args<'_>) -> Result<()> {
    let squares = match pair(args, "vec_distance_l2")? {
        (Vector::F32(a), Vector::F32(b)) => sum(&a, &b, |a, b| (a - b) * (a - b)),
        (Vector::Int8(a), Vector::Int8(b)) => {
            a.iter().zip(b.iter()).map(|(a, b)| i64::from(a.abs_diff(*b)).pow(2)).sum::<i64>() as f64
        }
        _ => {
            return bad(
                "vec_distance_l2: bit vectors have no Euclidean distance; use vec_distance_hamming()",
            );
        }
    };
    out.set_real(squares.sqrt());
    Ok(())
}

/// `vec_distance_l1(a, b)`: sum of absolute differences; an integer for `int8`.
pub(super) fn distance_l1(out: &mut FunctionContext<'_>, args: &Args<'_>) -> Result<()> {
    match pair(args, "vec_distance_l1")? {
        (Vector::F32(a), Vector::F32(b)) => out.set_real(sum(&a, &b, |a, b| (a - b).abs())),
        (Vector::Int8(a), Vector::Int8(b)) => {
            out.set_integer(a.iter().zip(b.iter()).map(|(a, b)| i64::from(a.abs_diff(*b))).sum());
        }
        _ => return bad("vec_distance_l1: bit vectors have no L1 distance; use vec_distance_hamming()"),
    }
    Ok(())
}

/// `vec_distance_hamming(a, b)`: number of bits that differ, as a REAL like sqlite-vec's.
pub(super) fn distance_hamming(out: &mut FunctionContext<'_>, args: &Args<'_>) -> Result<()> {
    match pair(args, "vec_distance_hamming")? {
        (Vector::Bit(a), Vector::Bit(b)) => {
            let differing: u64 = a.iter().zip(b).map(|(a, b)| u64::from((a ^ b).count_ones())).sum();
            out.set_real(differing as f64);
            Ok(())
        }
        (other, _) => bad(format_args!("vec_distance_hamming: needs bit vectors, got {}", other.name())),
    }
}

fn int8_dot(a: &[i8], b: &[i8]) -> f64 {
    a.iter().zip(b).map(|(a, b)| i64::from(*a) * i64::from(*b)).sum::<i64>() as f64
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    sum(a, b, |a, b| a * b)
}

/// Sum of `term` over both vectors, in `f64` and four partial sums.
fn sum(a: &[f32], b: &[f32], term: impl Fn(f64, f64) -> f64) -> f64 {
    let ((a4, a), (b4, b)) = (a.as_chunks::<4>(), b.as_chunks::<4>());
    let mut sums = [0.0; 4];
    for (a, b) in a4.iter().zip(b4) {
        for lane in 0..4 {
            sums[lane] += term(f64::from(a[lane]), f64::from(b[lane]));
        }
    }
    let rest: f64 = a.iter().zip(b).map(|(a, b)| term(f64::from(*a), f64::from(*b))).sum();
    sums.iter().sum::<f64>() + rest
}
