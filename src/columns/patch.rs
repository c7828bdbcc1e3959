//! The bytes of a patch: the columns of some rows of a segment, in place of those that the segment was made with.
//!
//! ```text
//! patch = version:u8 (1)  count:u32  ints (the ords, strictly ascending)  columns (of `count` rows)
//! ```

use super::Columns;
use super::codec::{self, Reader, Unreadable};
use super::ints::Ints;
use crate::schema::Layout;

const VERSION: u8 = 1;

/// The bytes of the columns of the rows `ords`, which ascend.
pub fn encode(ords: &[u32], columns: &Columns, layout: &Layout) -> Vec<u8> {
    let mut out = vec![VERSION];
    out.extend((ords.len() as u32).to_le_bytes());
    let ords: Vec<i64> = ords.iter().map(|ord| i64::from(*ord)).collect();
    codec::put_ints(&mut out, &Ints::from_values(&ords));
    out.extend(columns.encode(layout));
    out
}

/// Reads what [`encode`] wrote, for a segment of `rows` rows.
///
/// # Errors
/// Says what is wrong with the bytes, or that memory is short. Never panics and never allocates more than a small multiple of them.
pub fn decode(bytes: &[u8], layout: &Layout, rows: usize) -> Result<(Vec<u32>, Columns), Unreadable> {
    let mut reader = Reader::new(bytes);
    let version = reader.u8()?;
    if version != VERSION {
        return Err(format!("a patch has layout {version}, expected {VERSION}").into());
    }
    let count = reader.u32()? as usize;
    if count > rows {
        return Err(format!("a patch of {count} rows, the segment has {rows}").into());
    }
    let ints = reader.ints(count)?;
    let columns = Columns::decode(reader.rest(), layout, count)?;
    let ords = (0..count).map(|at| u32::try_from(ints.get(at)).ok().filter(|ord| (*ord as usize) < rows));
    let ords: Vec<u32> = ords.collect::<Option<_>>().ok_or("a patched row is out of range")?;
    if !ords.is_sorted_by(|a, b| a < b) {
        return Err("the rows of a patch do not ascend".into());
    }
    Ok((ords, columns))
}
