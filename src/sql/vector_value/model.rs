//! Vectors that name the model that made them: a mark, the length of the name in two bytes, the name, the floats.

use super::{Target, bad, to_blob};
use crate::error::{Error, Result};

/// How such a vector begins. As floats it is one that nobody has.
const MARK: &[u8] = b"\x01nearlite vector\x01";

/// The longest name.
const LONGEST: usize = 1_024;

/// The vector together with the name of its model.
///
/// # Errors
/// [`Error::Value`] for a name that is empty or too long.
pub(crate) fn with_model(vector: &[f32], model: &str) -> Result<Vec<u8>> {
    if !(1..=LONGEST).contains(&model.len()) {
        let length = model.len();
        return Err(Error::Value(format!(
            "vec_f32: the name of the model has 1 to {LONGEST} bytes, this one {length}"
        )));
    }
    Ok([MARK, &(model.len() as u16).to_le_bytes(), model.as_bytes(), &to_blob(vector)].concat())
}

/// The floats of a vector, whose model is that of the table if it names one.
pub(super) fn without<'a>(bytes: &'a [u8], target: &Target<'_>) -> Result<&'a [u8]> {
    let Some(rest) = bytes.strip_prefix(MARK) else { return Ok(bytes) };
    let read = || {
        let (length, rest) = rest.split_first_chunk()?;
        let (name, floats) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
        Some((std::str::from_utf8(name).ok()?, floats))
    };
    let Some((named, floats)) = read() else {
        return bad(target, "a value of vec_f32(vector, model) was changed on its way; pass it on as it is");
    };
    Error::check_model(target.name, target.model, named)?;
    Ok(floats)
}
