//! The bytes of a JSON column.
//!
//! ```text
//! json    = odd:rows rest:rows lost  count:u32 path*count             paths strictly ascending by bytes
//! lost    = 0xffffffff:u32 | count:u32 hash:u64*count                 ascending FNV-1a of the paths that are not kept
//! path    = length:u32 bytes  lists:rows objects:rows  values (scalars)  values (elements)
//! values  = nulls:rows typed (BOOLEAN) typed (INTEGER) typed (REAL) typed (TEXT)
//! typed   = 0:u8                                                      there are none
//!         | 1:u8 nulls data                                           one value or NULL for each row
//!         | 2:u8 count:u32 ints (their rows, not descending)  data    `count` values
//!         | 3:u8 count:u32 packed (how many each row has)  data       `count` values
//! rows    = 0:u8 | 1:u8 (all) | 2:u8 word:u64*ceil(rows/64) | 3:u8 count:u32 ints (strictly ascending)
//! ```

use super::super::codec::{Reader, put_data, put_ints, put_nulls, put_packed};
use super::super::column::Column;
use super::super::ints::Ints;
use super::super::packed::{Packed, from_words};
use super::rows::Rows;
use super::typed::{Typed, Values};
use super::{Block, JsonColumn, Lost, PathColumn};
use crate::schema::ColumnType;
use std::sync::Arc;

const MANY: u32 = u32::MAX;

fn put_u32(out: &mut Vec<u8>, number: usize) {
    out.extend((number as u32).to_le_bytes());
}

/// Appends the column of a segment.
pub fn put(out: &mut Vec<u8>, column: &JsonColumn) {
    let Some(block) = column.block() else { return };
    put_rows(out, &block.odd);
    put_rows(out, &block.rest);
    match &block.lost {
        Lost::Many => out.extend(MANY.to_le_bytes()),
        Lost::Known(hashes) => {
            put_u32(out, hashes.len());
            hashes.iter().for_each(|hash| out.extend(hash.to_le_bytes()));
        }
    }
    put_u32(out, block.paths.len());
    for path in &block.paths {
        put_u32(out, path.path.len());
        out.extend(path.path.as_bytes());
        put_rows(out, &path.lists);
        put_rows(out, &path.objects);
        put_values(out, &path.scalars, block.rows);
        put_values(out, &path.elements, block.rows);
    }
}

fn put_rows(out: &mut Vec<u8>, rows: &Rows) {
    match rows {
        Rows::None => out.push(0),
        Rows::All => out.push(1),
        Rows::Many(set) => {
            out.push(2);
            set.words().iter().for_each(|word| out.extend(word.to_le_bytes()));
        }
        Rows::Few(ords) => {
            out.push(3);
            put_u32(out, ords.len());
            let ords: Vec<i64> = ords.iter().map(|ord| i64::from(*ord)).collect();
            put_ints(out, &Ints::from_values(&ords));
        }
    }
}

fn put_values(out: &mut Vec<u8>, values: &Values, rows: usize) {
    put_rows(out, &values.nulls);
    for typed in values.types() {
        let Some(typed) = typed else {
            out.push(0);
            continue;
        };
        match &typed.ords {
            None => {
                out.push(1);
                put_nulls(out, typed.column.nulls.as_ref());
            }
            Some(ords) => put_ords(out, ords, rows),
        }
        put_data(out, &typed.column.data);
    }
}

/// The rows of values, as a list or as counts, whichever is shorter.
fn put_ords(out: &mut Vec<u8>, ords: &Ints, rows: usize) {
    let mut counts = vec![0_u64; rows];
    for at in 0..ords.len() {
        if let Some(count) = counts.get_mut(ords.get(at) as usize) {
            *count += 1;
        }
    }
    let most = counts.iter().copied().max().unwrap_or(0);
    let counts = Packed::new(counts.into_iter(), most);
    if counts.memory_bytes() < ords.memory_bytes() {
        out.push(3);
        put_u32(out, ords.len());
        put_packed(out, &counts);
    } else {
        out.push(2);
        put_u32(out, ords.len());
        put_ints(out, ords);
    }
}

/// Reads the column of a segment of `rows` rows.
pub fn read(reader: &mut Reader<'_>, rows: usize) -> Result<JsonColumn, String> {
    let (odd, rest) = (read_rows(reader, rows)?, read_rows(reader, rows)?);
    let lost = match reader.u32()? {
        MANY => Lost::Many,
        count => {
            let hashes: Vec<u64> =
                reader.arrays(count as usize)?.iter().map(|hash| u64::from_le_bytes(*hash)).collect();
            if !hashes.is_sorted_by(|a, b| a < b) {
                return Err("hashes of paths are not in ascending order".into());
            }
            Lost::Known(hashes)
        }
    };
    let count = reader.u32()?;
    let mut paths: Vec<PathColumn> = Vec::new();
    for _ in 0..count {
        let length = reader.u32()? as usize;
        let path = std::str::from_utf8(reader.take(length)?)
            .map_err(|error| format!("a path is not UTF-8: {error}"))?
            .to_owned();
        if paths.last().is_some_and(|before| before.path >= path) {
            return Err("the paths are not in ascending order".into());
        }
        let (lists, objects) = (read_rows(reader, rows)?, read_rows(reader, rows)?);
        let (scalars, elements) = (read_values(reader, rows)?, read_values(reader, rows)?);
        paths.push(PathColumn { path, lists, objects, scalars, elements });
    }
    Ok(JsonColumn { blocks: vec![Arc::new(Block { rows, odd, rest, lost, paths })] })
}

fn read_rows(reader: &mut Reader<'_>, rows: usize) -> Result<Rows, String> {
    Ok(match reader.u8()? {
        0 => Rows::None,
        1 => Rows::All,
        2 => Rows::Many(from_words(rows, reader.words(rows)?.into_iter())),
        3 => {
            let count = reader.u32()? as usize;
            let ords = listed(reader, count, rows)?;
            let ords: Vec<u32> = (0..count).map(|at| ords.get(at) as u32).collect();
            if !ords.is_sorted_by(|a, b| a < b) {
                return Err("listed rows are not in ascending order".into());
            }
            Rows::Few(ords)
        }
        form => return Err(format!("{form} is no form of a set of rows")),
    })
}

/// Rows below `rows`; no more of them than the values that go with them can be.
fn listed(reader: &mut Reader<'_>, count: usize, rows: usize) -> Result<Ints, String> {
    let ords = reader.ints(count)?;
    // A width of 0 takes no bytes, so nothing else would bound a false count.
    if count > 1 && ords.codes == Packed::Zero && count > reader.left() {
        return Err(format!("{count} values of one row take no bytes"));
    }
    if count > 0 && (ords.base < 0 || ords.max >= rows as i64) {
        return Err(format!("a value belongs to row {} of {rows}", ords.max));
    }
    Ok(ords)
}

fn read_values(reader: &mut Reader<'_>, rows: usize) -> Result<Values, String> {
    let nulls = read_rows(reader, rows)?;
    let mut typed = |kind: ColumnType| -> Result<Option<Box<Typed>>, String> {
        let ords = match reader.u8()? {
            0 => return Ok(None),
            1 => {
                let nulls = reader.nulls(rows)?;
                let data = reader.data(kind, rows, nulls.as_ref())?;
                let column = Column { kind, data, nulls };
                return Ok(Some(Box::new(Typed { ords: None, column })));
            }
            2 => {
                let count = reader.u32()? as usize;
                let ords = listed(reader, count, rows)?;
                if (1..count).any(|at| ords.get(at - 1) > ords.get(at)) {
                    return Err("the rows of values descend".into());
                }
                ords
            }
            3 => {
                let count = reader.u32()? as usize;
                let (counts, _) = reader.packed(rows)?;
                // Each value takes a bit at least, unless all are equal: then no row has two.
                let room = reader.left().saturating_mul(8).saturating_add(rows);
                let mut ords = Vec::new();
                for row in 0..rows {
                    let own = counts.get(row);
                    if own > (room.min(count) - ords.len()) as u64 {
                        return Err(format!("{count} values do not fit their rows"));
                    }
                    ords.extend(std::iter::repeat_n(row as i64, own as usize));
                }
                if ords.len() != count {
                    return Err(format!("{count} values, but {} for the rows", ords.len()));
                }
                Ints::from_values(&ords)
            }
            form => return Err(format!("{form} is no form of values")),
        };
        let data = reader.data(kind, ords.len(), None)?;
        Ok(Some(Box::new(Typed { column: Column { kind, data, nulls: None }, ords: Some(ords) })))
    };
    let bools = typed(ColumnType::Boolean)?;
    let ints = typed(ColumnType::Integer)?;
    let reals = typed(ColumnType::Real)?;
    let texts = typed(ColumnType::Text)?;
    Ok(Values { nulls, bools, ints, reals, texts })
}
