//! One value of the user's own type, checked against its column: a serde serializer for cells, lists and their elements.

use super::half::Half;
use crate::columns::affinity;
use crate::error::{Error, Result};
use crate::schema::{Column, ColumnKind, ColumnType};
use crate::value::Value;
use serde::ser::{self, Impossible, Serialize};
use std::fmt::Display;

/// One value, on its way into a column; `column` is `None` for the rowid.
#[derive(Clone, Copy)]
pub(super) struct Cell<'a> {
    pub table: &'a str,
    pub name: &'a str,
    pub column: Option<&'a Column>,
    pub model: Option<&'a str>,
    /// A list is the bytes of a [`Value::Blob`], whatever the column.
    pub blob: bool,
}

impl Cell<'_> {
    fn place(&self) -> String {
        format!("{}.{}", self.table, self.name)
    }

    pub(super) fn wrong(&self, got: impl Display) -> Error {
        let expected = match self.column.map(|column| &column.kind) {
            None => "INTEGER".to_owned(),
            Some(ColumnKind::Metadata(ColumnType::Json)) => "a JSON object or its text".to_owned(),
            Some(ColumnKind::Key(kind) | ColumnKind::Metadata(kind)) => kind.name().to_owned(),
            Some(ColumnKind::FullText { .. }) => "TEXT".to_owned(),
            Some(ColumnKind::Vector(spec)) => format!("a vector of {} numbers", spec.dim),
            Some(ColumnKind::Unindexed) => "a number, a text or bytes".to_owned(),
        };
        Error::Value(format!("{}: expected {expected}, got {got}", self.place()))
    }

    /// The declared type; `None` where any will do.
    fn kind(&self) -> Option<ColumnType> {
        match self.column.map(|column| &column.kind) {
            Some(ColumnKind::Key(kind) | ColumnKind::Metadata(kind)) => Some(*kind),
            Some(ColumnKind::FullText { .. }) => Some(ColumnType::Text),
            _ => None,
        }
    }

    fn is_vector(&self) -> bool {
        !self.blob && matches!(self.column, Some(Column { kind: ColumnKind::Vector(_), .. }))
    }

    fn integer(self, value: i64) -> Result<Value> {
        match self.kind() {
            _ if self.is_vector() => Err(self.wrong(format_args!("the number {value}"))),
            None | Some(ColumnType::Integer) => Ok(Value::Integer(value)),
            Some(ColumnType::Real) => Ok(Value::Real(value as f64)),
            Some(ColumnType::Boolean) if value == 0 || value == 1 => Ok(Value::Integer(value)),
            Some(_) => Err(self.wrong(format_args!("the integer {value}"))),
        }
    }

    fn unsigned(self, value: u64) -> Result<Value> {
        match i64::try_from(value) {
            Ok(value) => self.integer(value),
            Err(_) => Err(self.wrong(format_args!("{value}, which is beyond 64 signed bits"))),
        }
    }

    fn real(self, value: f64) -> Result<Value> {
        if value.is_nan() {
            return Err(self.wrong("NaN, which SQLite cannot store"));
        }
        match self.kind() {
            _ if self.is_vector() => Err(self.wrong(format_args!("the number {value}"))),
            Some(ColumnType::Real) => Ok(Value::Real(value)),
            None if self.column.is_some() => Ok(Value::Real(value)),
            Some(ColumnType::Text) => Err(self.wrong(format_args!("the number {value:?}"))),
            // A whole number is an integer, as for the SQL door: some languages and formats have no integers.
            _ => match Value::whole(value) {
                Some(whole) => self.integer(whole),
                None => Err(self.wrong(format_args!("the number {value:?}"))),
            },
        }
    }

    /// The number in a newtype of a 16-bit float.
    fn half<T: Serialize + ?Sized>(self, half: Half, inner: &T) -> Result<f32> {
        let value = inner.serialize(Cell { column: None, blob: false, ..self })?;
        half.number(&value).map_err(|what| self.wrong(what))
    }

    fn text(self, value: &str) -> Result<Value> {
        match self.kind() {
            // A vector may be the JSON text that SQL accepts too; the table reads it.
            None | Some(ColumnType::Text) => Ok(Value::Text(value.to_owned())),
            Some(kind) => affinity::store(kind, Value::from(value)).map_err(|_| {
                let cut: String = value.chars().take(40).collect();
                let hint =
                    if affinity::is_missing(kind, value) { "; for a missing value give None" } else { "" };
                self.wrong(format_args!("the text '{cut}'{hint}"))
            }),
        }
    }

    fn list(self, len: Option<usize>) -> List<Self> {
        let width = if self.is_vector() { 4 } else { 1 };
        List {
            bytes: Vec::with_capacity(len.unwrap_or(0).min(65_536) * width),
            count: 0,
            odd: None,
            cell: self,
        }
    }
}

macro_rules! numbers {
    ($($method:ident($type:ty) = $to:ident),* $(,)?) => {$(
        fn $method(self, value: $type) -> Result<Value> { self.$to(value.into()) }
    )*};
}

impl<'a> ser::Serializer for Cell<'a> {
    type Ok = Value;
    type Error = Error;
    type SerializeSeq = List<Cell<'a>>;
    type SerializeTuple = List<Cell<'a>>;
    type SerializeTupleStruct = List<Cell<'a>>;
    type SerializeTupleVariant = Impossible<Value, Error>;
    type SerializeMap = Impossible<Value, Error>;
    type SerializeStruct = Impossible<Value, Error>;
    type SerializeStructVariant = Impossible<Value, Error>;

    numbers! {
        serialize_i8(i8) = integer, serialize_i16(i16) = integer, serialize_i32(i32) = integer,
        serialize_i64(i64) = integer, serialize_u8(u8) = integer, serialize_u16(u16) = integer,
        serialize_u32(u32) = integer, serialize_u64(u64) = unsigned, serialize_f32(f32) = real,
        serialize_f64(f64) = real,
    }

    fn serialize_bool(self, value: bool) -> Result<Value> {
        match self.kind() {
            None | Some(ColumnType::Boolean | ColumnType::Integer) if !self.is_vector() => {
                Ok(Value::Integer(i64::from(value)))
            }
            _ => Err(self.wrong(format_args!("the bool {value}"))),
        }
    }
    fn serialize_char(self, value: char) -> Result<Value> {
        self.text(value.encode_utf8(&mut [0; 4]))
    }
    fn serialize_str(self, value: &str) -> Result<Value> {
        self.text(value)
    }
    fn serialize_bytes(self, value: &[u8]) -> Result<Value> {
        match self.column.map(|column| &column.kind) {
            Some(ColumnKind::Unindexed | ColumnKind::Vector(_)) => Ok(Value::Blob(value.to_vec())),
            _ => Err(self.wrong(format_args!("{} bytes", value.len()))),
        }
    }
    fn serialize_none(self) -> Result<Value> {
        Ok(Value::Null)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value> {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Result<Value> {
        Ok(Value::Null)
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<Value> {
        Ok(Value::Null)
    }
    fn serialize_unit_variant(self, name: &'static str, _: u32, variant: &'static str) -> Result<Value> {
        if (name, variant) == ("Value", "Null") {
            return Ok(Value::Null);
        }
        self.text(variant)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<Value> {
        match Half::named(name) {
            Some(half) => self.real(self.half(half, value)?.into()),
            None => value.serialize(self),
        }
    }
    /// [`Value`] itself is such an enum; rows of names and values are made of it.
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value> {
        match (name, variant) {
            ("Value", "Integer" | "Real" | "Text") => value.serialize(self),
            ("Value", "Blob") => value.serialize(Cell { blob: true, ..self }),
            _ => Err(self.wrong("an enum with a value")),
        }
    }
    fn serialize_seq(self, len: Option<usize>) -> Result<List<Self>> {
        Ok(self.list(len))
    }
    fn serialize_tuple(self, len: usize) -> Result<List<Self>> {
        Ok(self.list(Some(len)))
    }
    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<List<Self>> {
        Ok(self.list(Some(len)))
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant> {
        Err(self.wrong("an enum with values"))
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap> {
        Err(self.wrong("a map"))
    }
    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Self::SerializeStruct> {
        Err(self.wrong(format_args!("a struct {name}")))
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant> {
        Err(self.wrong("an enum with fields"))
    }
}

/// A list: the numbers of a vector, or the bytes of a BLOB.
pub(super) struct List<C> {
    cell: C,
    bytes: Vec<u8>,
    count: usize,
    /// First element of a list of bytes that is no byte, for the error.
    odd: Option<String>,
}

impl List<Cell<'_>> {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        if self.cell.is_vector() {
            let number = value.serialize(Number(self.cell))?;
            if !number.is_finite() {
                let (index, value) = (self.count, number.to_string());
                return Err(Error::NotFinite { column: self.cell.place(), index, value });
            }
            self.bytes.extend_from_slice(&number.to_le_bytes());
        } else {
            let any = Cell { column: None, ..self.cell };
            match value.serialize(any) {
                Ok(Value::Integer(byte)) if (0..=255).contains(&byte) => self.bytes.push(byte as u8),
                Ok(other) => {
                    self.odd = self.odd.take().or_else(|| Some(format!("{} in it", other.type_name())))
                }
                Err(_) => self.odd = self.odd.take().or_else(|| Some("other things than bytes in it".into())),
            }
        }
        self.count += 1;
        Ok(())
    }

    fn finish(self) -> Result<Value> {
        let Self { cell, bytes, count, odd } = self;
        match cell.column.map(|column| &column.kind) {
            Some(ColumnKind::Vector(_)) if cell.blob => Ok(Value::Blob(bytes)),
            Some(ColumnKind::Vector(spec)) if spec.dim != count => {
                Err(Error::dimension(cell.place(), spec.dim, count, cell.model))
            }
            Some(ColumnKind::Vector(_)) => Ok(Value::Blob(bytes)),
            Some(ColumnKind::Unindexed) => match odd {
                None => Ok(Value::Blob(bytes)),
                Some(odd) => Err(cell.wrong(format_args!("a list with {odd}; store it as a JSON text"))),
            },
            _ => Err(cell.wrong(format_args!("a list of {count}"))),
        }
    }
}

macro_rules! list_is_a_value {
    ($($trait:ident::$method:ident),*) => {$(
        impl ser::$trait for List<Cell<'_>> {
            type Ok = Value;
            type Error = Error;
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> { self.push(value) }
            fn end(self) -> Result<Value> { self.finish() }
        }
    )*};
}
list_is_a_value!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field
);

/// One element of a vector.
struct Number<'a>(Cell<'a>);

macro_rules! elements {
    ($($method:ident($type:ty)),*) => {$(
        fn $method(self, value: $type) -> Result<f32> { Ok(value as f32) }
    )*};
}

macro_rules! no_elements {
    ($($method:ident($($type:ty),*) -> $out:ty = $what:literal),* $(,)?) => {$(
        fn $method(self $(, _: $type)*) -> Result<$out> { Err(self.0.wrong($what)) }
    )*};
}

impl ser::Serializer for Number<'_> {
    type Ok = f32;
    type Error = Error;
    type SerializeSeq = Impossible<f32, Error>;
    type SerializeTuple = Impossible<f32, Error>;
    type SerializeTupleStruct = Impossible<f32, Error>;
    type SerializeTupleVariant = Impossible<f32, Error>;
    type SerializeMap = Impossible<f32, Error>;
    type SerializeStruct = Impossible<f32, Error>;
    type SerializeStructVariant = Impossible<f32, Error>;

    elements! {
        serialize_i8(i8), serialize_i16(i16), serialize_i32(i32), serialize_i64(i64), serialize_u8(u8),
        serialize_u16(u16), serialize_u32(u32), serialize_u64(u64), serialize_f32(f32), serialize_f64(f64)
    }
    no_elements! {
        serialize_bool(bool) -> f32 = "a bool in the list", serialize_char(char) -> f32 = "a character in the list",
        serialize_str(&str) -> f32 = "a text in the list", serialize_bytes(&[u8]) -> f32 = "bytes in the list",
        serialize_none() -> f32 = "nothing in the list", serialize_unit() -> f32 = "nothing in the list",
        serialize_unit_struct(&'static str) -> f32 = "nothing in the list",
        serialize_unit_variant(&'static str, u32, &'static str) -> f32 = "an enum in the list",
        serialize_seq(Option<usize>) -> Self::SerializeSeq = "a list in the list",
        serialize_tuple(usize) -> Self::SerializeTuple = "a list in the list",
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct = "a list in the list",
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant = "an enum in the list",
        serialize_map(Option<usize>) -> Self::SerializeMap = "a map in the list",
        serialize_struct(&'static str, usize) -> Self::SerializeStruct = "a struct in the list",
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant = "an enum in the list",
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<f32> {
        value.serialize(self)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<f32> {
        match Half::named(name) {
            Some(half) => self.0.half(half, value),
            None => value.serialize(self),
        }
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<f32> {
        Err(self.0.wrong("an enum in the list"))
    }
}
