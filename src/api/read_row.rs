//! From the columns of a row to the user's own type: a serde deserializer.

use super::half::Half;
use crate::collection::Connected;
use crate::error::{Error, Result};
use crate::schema::{ColumnKind, ColumnType, Schema};
use crate::storage::decode_vector;
use crate::value::Value;
use serde::de::{self, DeserializeOwned, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use std::fmt::Display;
use std::sync::Arc;

/// One value of a row that was read.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// A value; `true` where the column is BOOLEAN.
    Value(Value, bool),
    /// A vector.
    Vector(Vec<f32>),
    /// The text of a JSON column.
    Json(String),
}

/// Which columns to read, with their names; shared by all rows of an answer.
#[derive(Debug)]
pub struct Columns {
    names: Vec<String>,
    at: Vec<usize>,
    vectors: bool,
}

impl Columns {
    /// The columns called `names`; `None` for all.
    pub fn new(table: &str, schema: &Schema, names: Option<&[String]>) -> Result<Arc<Self>> {
        let at: Vec<usize> = match names {
            None => (0..schema.columns.len()).collect(),
            Some(names) => names
                .iter()
                .map(|name| match schema.find(name) {
                    Some((at, _)) => Ok(at),
                    None => Err(unknown_column(table, schema, name)),
                })
                .collect::<Result<_>>()?,
        };
        let vectors = at.iter().any(|at| matches!(schema.columns[*at].kind, ColumnKind::Vector(_)));
        let names = at.iter().map(|at| schema.columns[*at].name.clone()).collect();
        Ok(Arc::new(Self { names, at, vectors }))
    }

    /// Reads these columns of a row; `None` when there is no such row.
    pub fn read(&self, on: Connected<'_>, rowid: i64) -> Result<Option<(Vec<Cell>, Vec<Value>)>> {
        let Connected { storage, conn, schema } = on;
        let Some(row) = storage.row(conn, rowid)? else { return Ok(None) };
        let vectors = if self.vectors { storage.vectors(conn, rowid)? } else { Vec::new() };
        let stored: Vec<_> = schema.stored_positions().collect();
        let mut cells = Vec::with_capacity(self.at.len());
        for at in &self.at {
            let column = &schema.columns[*at];
            cells.push(match &column.kind {
                ColumnKind::Vector(spec) => match schema.vector_nth(*at).and_then(|nth| vectors.get(nth)) {
                    Some(Some(bytes)) => {
                        let mut floats = vec![0.0; spec.dim];
                        decode_vector(spec, bytes, &mut floats, storage.name("vectors"))?;
                        Cell::Vector(floats)
                    }
                    _ => Cell::Value(Value::Null, false),
                },
                ColumnKind::Key(ColumnType::Integer) => Cell::Value(Value::Integer(rowid), false),
                kind => {
                    let value = stored[*at].and_then(|position| row.values.get(position)).cloned();
                    match (kind, value.unwrap_or(Value::Null)) {
                        (ColumnKind::Metadata(ColumnType::Json), Value::Text(text)) => Cell::Json(text),
                        (kind, value) => {
                            Cell::Value(value, *kind == ColumnKind::Metadata(ColumnType::Boolean))
                        }
                    }
                }
            });
        }
        Ok(Some((cells, row.values)))
    }
}

/// An error that names the columns there are.
pub fn unknown_column(table: &str, schema: &Schema, name: &str) -> Error {
    let known: Vec<&str> = schema.columns.iter().map(|column| column.name.as_str()).collect();
    Error::Unknown(format!("{table} has no column {name}; its columns are {}", known.join(", ")))
}

/// The user's type from the cells of a row.
pub fn row<T: DeserializeOwned>(columns: &Columns, rowid: i64, cells: &[Cell]) -> Result<T> {
    T::deserialize(RowReader { columns, rowid, cells })
}

impl de::Error for Error {
    fn custom<T: Display>(message: T) -> Self {
        Self::Serde(message.to_string())
    }
}

struct RowReader<'a> {
    columns: &'a Columns,
    rowid: i64,
    cells: &'a [Cell],
}

impl<'de> de::Deserializer<'de> for RowReader<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_map(Fields { row: self, next: 0, wants_rowid: false })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        let named = self.columns.names.iter().any(|name| name.eq_ignore_ascii_case("rowid"));
        let wants_rowid = !named && fields.contains(&"rowid");
        visitor.visit_map(Fields { row: self, next: 0, wants_rowid })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_some(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq
        tuple tuple_struct map enum identifier ignored_any
    }
}

struct Fields<'a> {
    row: RowReader<'a>,
    next: usize,
    /// The type has a field `rowid`, which comes after the columns.
    wants_rowid: bool,
}

impl<'de> de::MapAccess<'de> for Fields<'_> {
    type Error = Error;

    fn next_key_seed<K: de::DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        let name = match self.row.columns.names.get(self.next) {
            Some(name) => name.as_str(),
            None if self.wants_rowid && self.next == self.row.columns.names.len() => "rowid",
            None => return Ok(None),
        };
        let name: de::value::StrDeserializer<'_, Error> = name.into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: de::DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value> {
        let at = self.next;
        self.next += 1;
        match self.row.cells.get(at) {
            Some(cell) => seed.deserialize(CellReader(cell)).map_err(|error| match error {
                Error::Serde(why) => {
                    let name = self.row.columns.names.get(at).map_or("rowid", String::as_str);
                    Error::Serde(format!("column {name}: {why}"))
                }
                other => other,
            }),
            None => seed.deserialize(CellReader(&Cell::Value(Value::Integer(self.row.rowid), false))),
        }
    }
}

struct CellReader<'a>(&'a Cell);

/// The integer that a cell is: 0 and 1 of a BOOLEAN too, and a whole REAL. `i64::MAX` in a REAL column is 2^63, so that
/// one is `i64::MAX` again.
fn integer(cell: &Cell) -> Option<i64> {
    match cell {
        Cell::Value(Value::Integer(int), _) => Some(*int),
        Cell::Value(Value::Real(real), _) if real.fract() == 0.0 && real.abs() <= -(i64::MIN as f64) => {
            Some(*real as i64)
        }
        _ => None,
    }
}

macro_rules! integers {
    ($($method:ident),*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            match integer(self.0) {
                Some(int) => visitor.visit_i64(int),
                None => self.deserialize_any(visitor),
            }
        }
    )*};
}

macro_rules! floats {
    ($($method:ident),*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            match self.0 {
                Cell::Value(Value::Integer(int), _) => visitor.visit_i64(*int),
                _ => self.deserialize_any(visitor),
            }
        }
    )*};
}

fn in_json<T>(read: serde_json::Result<T>) -> Result<T> {
    read.map_err(|error| Error::Serde(error.to_string()))
}

/// The elements of a vector, each of which reads like a REAL.
struct Elements<'a>(std::slice::Iter<'a, f32>);

impl<'de> de::SeqAccess<'de> for Elements<'_> {
    type Error = Error;

    fn next_element_seed<T: de::DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        let Some(element) = self.0.next() else { return Ok(None) };
        seed.deserialize(CellReader(&Cell::Value(Value::Real(f64::from(*element)), false))).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

impl<'de> de::Deserializer<'de> for CellReader<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Cell::Vector(vector) => visitor.visit_seq(Elements(vector.iter())),
            Cell::Json(text) => {
                in_json(serde_json::Deserializer::from_reader(text.as_bytes()).deserialize_any(visitor))
            }
            Cell::Value(Value::Null, _) => visitor.visit_unit(),
            Cell::Value(Value::Integer(int), true) => visitor.visit_bool(*int != 0),
            Cell::Value(Value::Integer(int), false) => visitor.visit_i64(*int),
            Cell::Value(Value::Real(real), _) => visitor.visit_f64(*real),
            Cell::Value(Value::Text(text), _) => visitor.visit_str(text),
            // Self-describing types such as JSON know lists, not bytes.
            Cell::Value(Value::Blob(bytes), _) => {
                visitor.visit_seq(de::value::SeqDeserializer::new(bytes.iter().copied()))
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Cell::Value(Value::Null, _) => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Cell::Value(Value::Integer(int @ (0 | 1)), _) => visitor.visit_bool(*int == 1),
            _ => self.deserialize_any(visitor),
        }
    }

    integers! {
        deserialize_i8, deserialize_i16, deserialize_i32, deserialize_i64, deserialize_i128, deserialize_u8,
        deserialize_u16, deserialize_u32, deserialize_u64, deserialize_u128
    }
    floats! { deserialize_f32, deserialize_f64 }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value> {
        let number = match self.0 {
            Cell::Value(Value::Real(real), _) => *real as f32,
            Cell::Value(Value::Integer(int), false) => *int as f32,
            _ => return visitor.visit_newtype_struct(self),
        };
        match Half::named(name) {
            Some(half) => visitor.visit_newtype_struct(half.bits(number).into_deserializer()),
            None => visitor.visit_newtype_struct(self),
        }
    }

    /// Vectors as bytes are little-endian f32, as in SQL.
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Cell::Vector(vector) => {
                visitor.visit_byte_buf(vector.iter().flat_map(|x| x.to_le_bytes()).collect())
            }
            Cell::Value(Value::Blob(bytes), _) => visitor.visit_bytes(bytes),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_bytes(visitor)
    }

    /// A text is the name of a variant without fields; [`Value`] takes every cell, a vector as its BLOB.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match self.0 {
            _ if variants == ["Null", "Integer", "Real", "Text", "Blob"] => visitor.visit_enum(self),
            Cell::Value(Value::Text(text), _) => visitor.visit_enum(text.as_str().into_deserializer()),
            Cell::Json(text) => in_json(
                serde_json::Deserializer::from_reader(text.as_bytes())
                    .deserialize_enum("", variants, visitor),
            ),
            _ => self.deserialize_any(visitor),
        }
    }

    /// A field that is a text gets a JSON column as it is stored; any other one is read from it.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Cell::Json(text) => visitor.visit_str(text),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_str(visitor)
    }

    forward_to_deserialize_any! {
        char unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

impl<'de> de::EnumAccess<'de> for CellReader<'_> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: de::DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self)> {
        let name = match self.0 {
            Cell::Vector(_) | Cell::Value(Value::Blob(_), _) => "Blob",
            Cell::Value(Value::Null, _) => "Null",
            Cell::Value(Value::Integer(_), _) => "Integer",
            Cell::Value(Value::Real(_), _) => "Real",
            Cell::Value(Value::Text(_), _) | Cell::Json(_) => "Text",
        };
        let name: de::value::StrDeserializer<'_, Error> = name.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> de::VariantAccess<'de> for CellReader<'_> {
    type Error = Error;

    fn unit_variant(self) -> Result<()> {
        Ok(())
    }

    fn newtype_variant_seed<T: de::DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value> {
        match self.0 {
            Cell::Vector(vector) => {
                let bytes = vector.iter().flat_map(|x| x.to_le_bytes());
                seed.deserialize(de::value::SeqDeserializer::<_, Error>::new(bytes))
            }
            _ => seed.deserialize(self),
        }
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        de::Deserializer::deserialize_any(self, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value> {
        de::Deserializer::deserialize_any(self, visitor)
    }
}
