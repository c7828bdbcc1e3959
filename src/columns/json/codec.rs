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

use super::super::codec::{Reader, Unreadable, put_data, put_ints, put_nulls, put_packed};
use super::super::column::Column;
use super::super::ints::Ints;
use super::super::packed::{Packed, from_words};
use super::rows::Rows;
use super::typed::{Typed, Values};
use super::{Block, JsonColumn, Lost, PathColumn};
use crate::memory;
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
pub fn read(reader: &mut Reader<'_>, rows: usize) -> Result<JsonColumn, Unreadable> {
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
            if (1..count).any(|at| ords.get(at - 1) >= ords.get(at)) {
                return Err("listed rows are not in ascending order".into());
            }
            Rows::Few((0..count).map(|at| ords.get(at) as u32).collect())
        }
        form => return Err(format!("{form} is no form of a set of rows")),
    })
}

/// `count` rows below `rows`. A width of 0 takes no bytes: the caller has to bound `count` before it looks at each of them.
fn listed(reader: &mut Reader<'_>, count: usize, rows: usize) -> Result<Ints, String> {
    let ords = reader.ints(count)?;
    if count > 0 && (ords.base < 0 || ords.max >= rows as i64) {
        return Err(format!("a value belongs to row {} of {rows}", ords.max));
    }
    Ok(ords)
}

fn read_values(reader: &mut Reader<'_>, rows: usize) -> Result<Values, Unreadable> {
    let nulls = read_rows(reader, rows)?;
    let mut typed = |kind: ColumnType| {
        Ok::<_, Unreadable>(match reader.u8()? {
            0 => None,
            1 => {
                let nulls = reader.nulls(rows)?;
                let data = reader.data(kind, rows, nulls.as_ref())?;
                Some(Box::new(Typed { ords: None, column: Column { kind, data, nulls } }))
            }
            form @ (2 | 3) => Some(Box::new(read_listed(reader, form, kind, rows)?)),
            form => return Err(format!("{form} is no form of values").into()),
        })
    };
    let bools = typed(ColumnType::Boolean)?;
    let ints = typed(ColumnType::Integer)?;
    let reals = typed(ColumnType::Real)?;
    let texts = typed(ColumnType::Text)?;
    Ok(Values { nulls, bools, ints, reals, texts })
}

/// Values with their rows, as a list (form 2) or as counts (form 3).
fn read_listed(
    reader: &mut Reader<'_>,
    form: u8,
    kind: ColumnType,
    rows: usize,
) -> Result<Typed, Unreadable> {
    let before = reader.left();
    let count = reader.u32()? as usize;
    let (ords, counts) = match form {
        2 => (Some(listed(reader, count, rows)?), Packed::Zero),
        _ => (None, reader.packed(rows)?.0),
    };
    let data = reader.data(kind, count, None)?;
    // A row has a value once. So where values are equal their rows differ, and each takes a bit here or there.
    if count > (before - reader.left()).saturating_mul(8) {
        return Err(format!("{count} values take {} bytes", before - reader.left()).into());
    }
    let ords = match ords {
        Some(ords) if (1..count).any(|at| ords.get(at - 1) > ords.get(at)) => {
            return Err("the rows of values descend".into());
        }
        Some(ords) => ords,
        None => counted(&counts, count, rows)?,
    };
    Ok(Typed { ords: Some(ords), column: Column { kind, data, nulls: None } })
}

/// The row of each of `count` values, of which each row has as many as `counts` says.
fn counted(counts: &Packed, count: usize, rows: usize) -> Result<Ints, Unreadable> {
    let counts = || (0..rows).map(move |row| (row, counts.get(row))).filter(|(_, own)| *own > 0);
    let total = counts().try_fold(0_u64, |sum, (_, own)| sum.checked_add(own));
    let (first, last) = (counts().next(), counts().next_back());
    let (Some((first, _)), Some((last, _)), true) = (first, last, total == Some(count as u64)) else {
        return Err(format!("{count} values do not fit their rows").into());
    };
    memory::check_large(count.saturating_mul(size_of::<u32>()))?;
    let codes = counts().flat_map(|(row, own)| std::iter::repeat_n((row - first) as u64, own as usize));
    let codes = Packed::new(codes, (last - first) as u64);
    Ok(Ints { len: count, base: first as i64, max: last as i64, codes })
}
