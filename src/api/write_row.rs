//! From the user's own type to the columns of a row, without a detour through JSON: a serde serializer.
//!
//! A struct or map is one row, a sequence of them is many. Values are checked against the schema here, so that the
//! error names the column before anything is written; the table checks them again.

use super::write_cell::Cell;
use crate::error::{Error, Result};
use crate::schema::{ColumnKind, ColumnType, Schema};
use crate::value::Value;
use serde::ser::{self, Impossible, Serialize};
use std::fmt::Display;

/// Writes one row; `None` for a column that was not given.
pub type Sink<'a> = dyn FnMut(&[Option<Value>]) -> Result<()> + 'a;

/// Turns `rows` into rows of the table called `table` and hands each to `sink`, whose slice has one element for each
/// column of the schema, and one more for the rowid where the collection has no key.
pub fn write<T: Serialize + ?Sized>(
    table: &str,
    schema: &Schema,
    rows: &T,
    sink: &mut Sink<'_>,
) -> Result<()> {
    let keyless = schema.key_column().is_none();
    let width = schema.columns.len() + usize::from(keyless);
    let mut rows_out = Rows { table, schema, keyless, cells: vec![None; width], hint: 0, sink };
    rows.serialize(&mut rows_out)
}

impl ser::Error for Error {
    fn custom<T: Display>(message: T) -> Self {
        Self::Serde(message.to_string())
    }
}

struct Rows<'a, 's> {
    table: &'a str,
    schema: &'a Schema,
    keyless: bool,
    cells: Vec<Option<Value>>,
    /// Where the next field probably is: fields come in the order of the columns, mostly.
    hint: usize,
    sink: &'a mut Sink<'s>,
}

impl Rows<'_, '_> {
    fn begin(&mut self) {
        self.cells.fill(None);
        self.hint = 0;
    }

    fn end(&mut self) -> Result<()> {
        (self.sink)(&self.cells)
    }

    fn position(&self, name: &str) -> Result<usize> {
        let columns = &self.schema.columns;
        if columns.get(self.hint).is_some_and(|column| column.name == name) {
            return Ok(self.hint);
        }
        if let Some((at, _)) = self.schema.find(name) {
            return Ok(at);
        }
        if self.keyless && name.eq_ignore_ascii_case("rowid") {
            return Ok(columns.len());
        }
        let known: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        Err(Error::Unknown(format!(
            "{} has no column {name}; its columns are {}",
            self.table,
            known.join(", ")
        )))
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<()> {
        let at = self.position(name)?;
        self.hint = at + 1;
        let column = self.schema.columns.get(at);
        let model = self.schema.model.as_deref();
        let cell = value.serialize(Cell { table: self.table, name, column, model, blob: false });
        self.cells[at] = Some(match (cell, column.map(|column| &column.kind)) {
            // A JSON column takes its text, and what is an object in JSON.
            (Err(error), Some(ColumnKind::Metadata(ColumnType::Json))) => {
                match serde_json::to_string(value) {
                    Ok(text) if text.starts_with('{') => Value::Text(text),
                    _ => return Err(error),
                }
            }
            (cell, _) => cell?,
        });
        Ok(())
    }

    fn no_row(&self, got: &str) -> Error {
        Error::Serde(format!("{}: a row is a struct or a map of columns, got {got}", self.table))
    }
}

macro_rules! not_a_row {
    ($($method:ident($($type:ty)?) = $what:literal),* $(,)?) => {$(
        fn $method(self $(, _: $type)?) -> Result<()> { Err(self.no_row($what)) }
    )*};
}

impl<'r, 'a, 's> ser::Serializer for &'r mut Rows<'a, 's> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Impossible<(), Error>;
    type SerializeMap = RowMap<'r, 'a, 's>;
    type SerializeStruct = Self;
    type SerializeStructVariant = Impossible<(), Error>;

    not_a_row! {
        serialize_bool(bool) = "a bool", serialize_i8(i8) = "a number", serialize_i16(i16) = "a number",
        serialize_i32(i32) = "a number", serialize_i64(i64) = "a number", serialize_u8(u8) = "a number",
        serialize_u16(u16) = "a number", serialize_u32(u32) = "a number", serialize_u64(u64) = "a number",
        serialize_f32(f32) = "a number", serialize_f64(f64) = "a number", serialize_char(char) = "a character",
        serialize_str(&str) = "a text", serialize_bytes(&[u8]) = "bytes", serialize_none() = "nothing",
        serialize_unit() = "nothing", serialize_unit_struct(&'static str) = "nothing",
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<()> {
        value.serialize(self)
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result<()> {
        Err(self.no_row("an enum"))
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<()> {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<()> {
        value.serialize(self)
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Self> {
        Ok(self)
    }
    fn serialize_tuple(self, _: usize) -> Result<Self> {
        Ok(self)
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self> {
        Ok(self)
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant> {
        Err(self.no_row("an enum"))
    }
    fn serialize_map(self, _: Option<usize>) -> Result<RowMap<'r, 'a, 's>> {
        self.begin();
        Ok(RowMap { rows: self, name: String::new() })
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self> {
        self.begin();
        Ok(self)
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant> {
        Err(self.no_row("an enum"))
    }
}

macro_rules! each_is_a_row {
    ($($trait:ident::$method:ident),*) => {$(
        impl ser::$trait for &mut Rows<'_, '_> {
            type Ok = ();
            type Error = Error;
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> { value.serialize(&mut **self) }
            fn end(self) -> Result<()> { Ok(()) }
        }
    )*};
}
each_is_a_row!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field
);

impl ser::SerializeStruct for &mut Rows<'_, '_> {
    type Ok = ();
    type Error = Error;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<()> {
        self.field(name, value)
    }
    fn end(self) -> Result<()> {
        Rows::end(self)
    }
}

struct RowMap<'r, 'a, 's> {
    rows: &'r mut Rows<'a, 's>,
    name: String,
}

impl ser::SerializeMap for RowMap<'_, '_, '_> {
    type Ok = ();
    type Error = Error;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        let cell = Cell {
            table: self.rows.table,
            name: "the name of a column",
            column: None,
            model: None,
            blob: false,
        };
        match key.serialize(cell)? {
            Value::Text(name) => self.name = name,
            other => return Err(self.rows.no_row(&format!("a column named by {}", other.type_name()))),
        }
        Ok(())
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        let name = std::mem::take(&mut self.name);
        self.rows.field(&name, value)
    }
    fn end(self) -> Result<()> {
        Rows::end(self.rows)
    }
}
