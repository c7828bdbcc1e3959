//! What a BLOB that is no vector of f32 may be instead: drivers and libraries hand vectors over in many forms.

/// What bytes are that cannot be meant as floats, whatever their length. Floats do not look like this: each byte of a JSON
/// array is a digit or a sign of punctuation, and a JSONB array has a length before each number.
pub(super) fn not_floats(bytes: &[u8]) -> Option<&'static str> {
    if is_json_array(bytes) {
        return Some("it is a JSON array; bind it as TEXT");
    }
    if is_jsonb_array(bytes) {
        return Some("it is an array as jsonb() makes it; pass the JSON text");
    }
    if bytes.starts_with(b"\x93NUMPY") {
        return Some("it is a .npy file; pass the float32 values alone, as tobytes() gives them");
    }
    None
}

/// Advice about a BLOB that was refused for its length, for a column of `dim` dimensions.
pub(super) fn of(bytes: &[u8], dim: Option<usize>) -> Option<&'static str> {
    if let Some(known) = not_floats(bytes) {
        return Some(known);
    }
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        return Some("it begins like a JSON array; bind JSON as TEXT");
    }
    if matches!(bytes, [0x80, 2..=5, .., b'.']) {
        return Some("it looks like a Python pickle; pass the float32 values alone, as tobytes() gives them");
    }
    let (len, dim) = (bytes.len(), dim.filter(|dim| *dim > 0)?);
    match len {
        _ if len == dim * 8 => Some("it has 8 bytes for each dimension: is it float64? pass float32"),
        _ if len == dim * 2 => Some("it has 2 bytes for each dimension: is it float16? pass float32"),
        _ if len == dim => Some("it has 1 byte for each dimension: is it int8? pass float32"),
        _ if len == dim.div_ceil(8) => {
            Some("it has 1 bit for each dimension: is it a bit vector? pass float32")
        }
        _ => None,
    }
}

/// Whether all bytes are those of a JSON array that holds numbers.
fn is_json_array(bytes: &[u8]) -> bool {
    let bytes = bytes.trim_ascii();
    let Some(inner) = bytes.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")) else { return false };
    inner.iter().all(|byte| {
        byte.is_ascii_digit()
            || byte.is_ascii_whitespace()
            || matches!(byte, b'+' | b'-' | b'.' | b',' | b'e' | b'E')
    })
}

/// Whether all bytes are those of a JSONB array of numbers (<https://sqlite.org/jsonb.html>): each element is a header, whose
/// lower half is the type and whose upper half gives the length of what follows, and the digits.
fn is_jsonb_array(bytes: &[u8]) -> bool {
    const ARRAY: u8 = 11;
    let Some((ARRAY, mut rest, [])) = element(bytes) else { return false };
    while !rest.is_empty() {
        // INT, INT5, FLOAT, FLOAT5.
        match element(rest) {
            Some((3..=6, digits, after)) if !digits.is_empty() && digits.is_ascii() => rest = after,
            _ => return false,
        }
    }
    true
}

/// Type, payload and what follows of the JSONB element at the start of `bytes`.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let width = match first >> 4 {
        12 => 1,
        13 => 2,
        14 => 4,
        15 => 8,
        _ => 0,
    };
    let (length, rest) = rest.split_at_checked(width)?;
    let length = match width {
        0 => u64::from(first >> 4),
        _ => length.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
    };
    let (payload, after) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    Some((first & 15, payload, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_forms_are_told_from_floats() {
        for text in ["[1,2,3,4]", " [ -1.5e1,\n2E-1 ] ", "[]", "[12]"] {
            assert!(not_floats(text.as_bytes()).unwrap().contains("as TEXT"), "{text}");
        }
        let jsonb = |text: &str| {
            let conn = rusqlite::Connection::open_in_memory().unwrap();
            conn.query_row("SELECT jsonb(?1)", [text], |row| row.get::<_, Vec<u8>>(0)).unwrap()
        };
        let long = format!("[{}1.5]", "0.25,".repeat(5_000));
        for text in ["[1,2,3,4]", "[]", "[-1.5e10]", &long] {
            assert!(not_floats(&jsonb(text)).unwrap().contains("jsonb"), "{text}");
        }
        assert_eq!(not_floats(&jsonb("{\"a\":1}")), None);
        assert!(not_floats(b"\x93NUMPY\x01\x00v\x00").unwrap().contains(".npy"));
        for floats in [[1.0_f32; 4], [0.0; 4], [-3.5e-8, 1e30, 5.0, 0.1]] {
            let bytes: Vec<u8> = floats.iter().flat_map(|x| x.to_le_bytes()).collect();
            assert_eq!(not_floats(&bytes), None);
        }
        assert_eq!(not_floats(b""), None);
    }

    #[test]
    fn lengths_of_other_element_types_are_named() {
        for (len, part) in [(3072, "float64"), (768, "float16"), (384, "int8"), (48, "bit vector")] {
            assert!(of(&vec![1; len], Some(384)).unwrap().contains(part), "{len}");
        }
        assert_eq!(of(&[1; 1540], Some(384)), None);
        assert_eq!(of(&[1; 3072], None), None);
        assert!(of(b"[0.1, null]", Some(2)).unwrap().contains("JSON"));
        assert!(of(b"\x80\x04\x95 numpy .", Some(384)).unwrap().contains("pickle"));
    }
}
