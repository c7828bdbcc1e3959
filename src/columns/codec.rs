//! The bytes of a segment's columns. All numbers are little-endian.
//!
//! ```text
//! columns    = version:u8 (2 or 3)  rows:u32  count:u32  ints (the rowids)  ([id:u32 (version 3)] column)*count
//! column     = type:u8 (0 TEXT, 1 INTEGER, 2 REAL, 3 BOOLEAN, 4 JSON)  nulls  data
//! nulls      = 0:u8 | 1:u8 word:u64*ceil(rows/64)          bits beyond `rows` are zero
//! data       = ints (INTEGER, BOOLEAN) | real:f64*rows (REAL, no NaN) | dictionary packed (TEXT) | json (JSON)
//! ints       = base:i64  packed                            value = base + code, within i64
//! dictionary = count:u32  packed (the ends)  bytes         strictly ascending UTF-8 texts; the ends index `bytes`
//! packed     = width:u8 (0, 1, 8, 16, 32, 64)  codes       as many codes of that many bits; width 1 in u64 words
//! ```
//! Every code of a TEXT column is below `count`; where `count` is 0 every row is NULL. `json` stands in
//! `json/codec.rs`. Version 1 is the same without JSON. In versions 1 and 2 the id of a column is its place.

use super::column::{Column, Data};
use super::dictionary::Dictionary;
use super::ints::Ints;
use super::json;
use super::packed::{Packed, from_words};
use crate::bitmap::Bitmap;
use crate::error::Error;
use crate::schema::ColumnType;

const VERSION: u8 = 2;

/// The version in which columns have ids.
const VERSION_WITH_IDS: u8 = 3;

/// The version before JSON.
const VERSION_WITHOUT_JSON: u8 = 1;

/// By their codes.
const TYPES: [ColumnType; 5] =
    [ColumnType::Text, ColumnType::Integer, ColumnType::Real, ColumnType::Boolean, ColumnType::Json];

fn type_code(kind: ColumnType) -> u8 {
    match kind {
        ColumnType::Text => 0,
        ColumnType::Integer => 1,
        ColumnType::Real => 2,
        ColumnType::Boolean => 3,
        ColumnType::Json => 4,
    }
}

/// The bytes of columns, each with its id unless these are their places.
pub fn encode(rowids: &Ints, columns: &[Column], ids: Option<&[u32]>) -> Vec<u8> {
    let mut out = vec![if ids.is_some() { VERSION_WITH_IDS } else { VERSION }];
    out.extend((rowids.len() as u32).to_le_bytes());
    out.extend((columns.len() as u32).to_le_bytes());
    put_ints(&mut out, rowids);
    for (at, column) in columns.iter().enumerate() {
        if let Some(ids) = ids {
            out.extend(ids.get(at).copied().unwrap_or(u32::MAX).to_le_bytes());
        }
        out.push(type_code(column.kind));
        put_nulls(&mut out, column.nulls.as_ref());
        put_data(&mut out, &column.data);
    }
    out
}

pub fn put_nulls(out: &mut Vec<u8>, nulls: Option<&Bitmap>) {
    out.push(u8::from(nulls.is_some()));
    if let Some(nulls) = nulls {
        nulls.words().iter().for_each(|word| out.extend(word.to_le_bytes()));
    }
}

pub fn put_data(out: &mut Vec<u8>, data: &Data) {
    match data {
        Data::Ints(ints) => put_ints(out, ints),
        Data::Reals(reals) => reals.iter().for_each(|real| out.extend(real.to_le_bytes())),
        Data::Texts { dictionary, codes, .. } => {
            out.extend((dictionary.len() as u32).to_le_bytes());
            put_packed(out, &dictionary.ends);
            out.extend(dictionary.bytes.as_bytes());
            put_packed(out, codes);
        }
        Data::Json(column) => json::codec::put(out, column),
    }
}

pub fn put_ints(out: &mut Vec<u8>, ints: &Ints) {
    out.extend(ints.base.to_le_bytes());
    put_packed(out, &ints.codes);
}

pub fn put_packed(out: &mut Vec<u8>, packed: &Packed) {
    match packed {
        Packed::Zero => out.push(0),
        Packed::Bits(words) => {
            out.push(1);
            words.iter().for_each(|word| out.extend(word.to_le_bytes()));
        }
        Packed::U8(codes) => {
            out.push(8);
            out.extend(codes);
        }
        Packed::U16(codes) => {
            out.push(16);
            codes.iter().for_each(|code| out.extend(code.to_le_bytes()));
        }
        Packed::U32(codes) => {
            out.push(32);
            codes.iter().for_each(|code| out.extend(code.to_le_bytes()));
        }
        Packed::U64(codes) => {
            out.push(64);
            codes.iter().for_each(|code| out.extend(code.to_le_bytes()));
        }
    }
}

/// Why columns cannot be read.
#[derive(Debug)]
pub enum Unreadable {
    /// What is wrong with the bytes.
    Damaged(String),
    /// There is no memory for what they say.
    Refused(Error),
}

impl From<String> for Unreadable {
    fn from(what: String) -> Self {
        Self::Damaged(what)
    }
}

impl From<&str> for Unreadable {
    fn from(what: &str) -> Self {
        Self::Damaged(what.to_owned())
    }
}

impl From<Error> for Unreadable {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

/// A column as it is stored, with its id.
pub type Stored = (u32, Column);

/// The rowids and the columns of `rows` rows, and whether ids are stored with them.
pub fn decode(bytes: &[u8], rows: usize) -> Result<(Ints, Vec<Stored>, bool), Unreadable> {
    let mut reader = Reader::new(bytes);
    let version = reader.u8()?;
    if !(VERSION_WITHOUT_JSON..=VERSION_WITH_IDS).contains(&version) {
        return Err(format!("columns have layout {version}, expected {VERSION}").into());
    }
    let stored = reader.u32()? as usize;
    if stored != rows {
        return Err(format!("columns hold {stored} rows, the segment {rows}").into());
    }
    let count = reader.u32()?;
    let rowids = reader.ints(rows)?;
    // More than two that differ take a byte each, which bears out the number of rows.
    if rows > 2 && matches!(rowids.codes, Packed::Zero | Packed::Bits(_)) {
        return Err(format!("{rows} rows have rowids that are equal").into());
    }
    let mut columns = Vec::new();
    for at in 0..count {
        let id = if version == VERSION_WITH_IDS { reader.u32()? } else { at };
        columns.push((id, reader.column(rows)?));
    }
    if !reader.rest.is_empty() {
        return Err(format!("{} bytes are left after the last column", reader.rest.len()).into());
    }
    Ok((rowids, columns, version == VERSION_WITH_IDS))
}

pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The bytes that were not read.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let Some((head, rest)) = self.rest.split_at_checked(count) else {
            return Err(format!("columns end early: {count} bytes wanted, {} left", self.rest.len()));
        };
        self.rest = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let Some((head, rest)) = self.rest.split_first_chunk() else {
            return Err(format!("columns end early: {N} bytes wanted, {} left", self.rest.len()));
        };
        self.rest = rest;
        Ok(*head)
    }

    /// `count` numbers of `N` bytes.
    pub fn arrays<const N: usize>(&mut self, count: usize) -> Result<&'a [[u8; N]], String> {
        let length = count.checked_mul(N).ok_or("a length overflows")?;
        Ok(self.take(length)?.as_chunks::<N>().0)
    }

    /// Bytes that are left.
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    pub fn u8(&mut self) -> Result<u8, String> {
        Ok(self.array::<1>()?[0])
    }

    pub fn u32(&mut self) -> Result<u32, String> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub fn words(&mut self, rows: usize) -> Result<Vec<u64>, String> {
        Ok(self.arrays(rows.div_ceil(64))?.iter().map(|word| u64::from_le_bytes(*word)).collect())
    }

    /// The codes, and the largest of them.
    pub fn packed(&mut self, rows: usize) -> Result<(Packed, u64), String> {
        let packed = match self.u8()? {
            0 => Packed::Zero,
            1 => Packed::Bits(self.words(rows)?),
            8 => Packed::U8(self.take(rows)?.to_vec()),
            16 => Packed::U16(self.arrays(rows)?.iter().map(|code| u16::from_le_bytes(*code)).collect()),
            32 => Packed::U32(self.arrays(rows)?.iter().map(|code| u32::from_le_bytes(*code)).collect()),
            64 => Packed::U64(self.arrays(rows)?.iter().map(|code| u64::from_le_bytes(*code)).collect()),
            width => return Err(format!("codes of {width} bits do not exist")),
        };
        let max = match &packed {
            Packed::Zero => 0,
            Packed::Bits(words) => u64::from(words.iter().any(|word| *word != 0)),
            Packed::U8(codes) => codes.iter().copied().max().unwrap_or(0).into(),
            Packed::U16(codes) => codes.iter().copied().max().unwrap_or(0).into(),
            Packed::U32(codes) => codes.iter().copied().max().unwrap_or(0).into(),
            Packed::U64(codes) => codes.iter().copied().max().unwrap_or(0),
        };
        Ok((packed, max))
    }

    pub fn ints(&mut self, rows: usize) -> Result<Ints, String> {
        let base = i64::from_le_bytes(self.array()?);
        let (codes, max) = self.packed(rows)?;
        let max = i64::try_from(i128::from(base) + i128::from(max)).map_err(|_| "an integer overflows")?;
        Ok(Ints { len: rows, base, max, codes })
    }

    fn column(&mut self, rows: usize) -> Result<Column, Unreadable> {
        let code = self.u8()?;
        let kind = TYPES.get(usize::from(code)).copied();
        let kind = kind.ok_or_else(|| format!("there is no type {code} of a column"))?;
        let nulls = self.nulls(rows)?;
        let data = self.data(kind, rows, nulls.as_ref())?;
        Ok(Column { kind, data, nulls })
    }

    pub fn nulls(&mut self, rows: usize) -> Result<Option<Bitmap>, String> {
        match self.u8()? {
            0 => Ok(None),
            1 => Ok(Some(from_words(rows, self.words(rows)?.into_iter()))),
            flag => Err(format!("{flag} does not say whether there are NULLs")),
        }
    }

    pub fn data(
        &mut self,
        kind: ColumnType,
        rows: usize,
        nulls: Option<&Bitmap>,
    ) -> Result<Data, Unreadable> {
        Ok(match kind {
            ColumnType::Integer | ColumnType::Boolean => Data::Ints(self.ints(rows)?),
            ColumnType::Real => {
                let reals: Vec<f64> =
                    self.arrays(rows)?.iter().map(|real| f64::from_le_bytes(*real)).collect();
                if reals.iter().any(|real| real.is_nan()) {
                    return Err("a REAL column holds NaN".into());
                }
                Data::Reals(reals)
            }
            ColumnType::Text => {
                let dictionary = self.dictionary()?;
                let (codes, max) = self.packed(rows)?;
                let all_null = nulls.map_or(rows == 0, |nulls| nulls.count() == rows);
                if max as usize >= dictionary.len() && !(max == 0 && all_null) {
                    return Err(format!("text code {max} of {} texts", dictionary.len()).into());
                }
                Data::Texts { dictionary, codes, len: rows }
            }
            ColumnType::Json => Data::Json(json::codec::read(self, rows)?),
        })
    }

    fn dictionary(&mut self) -> Result<Dictionary, String> {
        let count = self.u32()? as usize;
        let (ends, last) = self.packed(count)?;
        // A width of 0 takes no bytes, so nothing else would bound a false count.
        if count > 1 && ends == Packed::Zero {
            return Err(format!("{count} texts have no length"));
        }
        if (1..count).any(|code| ends.get(code - 1) >= ends.get(code)) {
            return Err("the ends of the texts are not ascending".into());
        }
        let last = usize::try_from(last).map_err(|_| "a text ends beyond memory")?;
        let bytes = self.take(if count == 0 { 0 } else { last })?;
        let bytes = std::str::from_utf8(bytes).map_err(|error| format!("texts are not UTF-8: {error}"))?;
        if let Some(end) =
            (0..count).map(|code| ends.get(code)).find(|end| !bytes.is_char_boundary(*end as usize))
        {
            return Err(format!("a text ends inside a character, at byte {end}"));
        }
        let dictionary = Dictionary { bytes: bytes.to_owned(), ends, count };
        if (1..dictionary.len()).any(|code| dictionary.get(code - 1) >= dictionary.get(code)) {
            return Err("the texts are not in ascending order".into());
        }
        Ok(dictionary)
    }
}
