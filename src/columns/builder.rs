//! Collects the values of one column, row by row.

use super::affinity;
use super::column::{Column, Data};
use super::dictionary::Dictionary;
use super::ints::{Ints, exact_int};
use super::json::{JsonBuilder, JsonColumn};
use super::packed::Packed;
use crate::bitmap::Bitmap;
use crate::schema::ColumnType;
use crate::value::Value;
use std::collections::HashMap;

/// Collects the values of one column.
pub struct Builder {
    kind: ColumnType,
    ints: Vec<i64>,
    reals: Vec<f64>,
    /// For each row the id of its text, in order of appearance.
    ids: Vec<u32>,
    texts: HashMap<String, u32>,
    json: Option<JsonBuilder>,
    nulls: Vec<u32>,
    len: usize,
}

impl Builder {
    pub fn new(kind: ColumnType) -> Self {
        Self {
            kind,
            ints: Vec::new(),
            reals: Vec::new(),
            ids: Vec::new(),
            texts: HashMap::new(),
            json: (kind == ColumnType::Json).then(JsonBuilder::new),
            nulls: Vec::new(),
            len: 0,
        }
    }

    /// A column that has one value in all of its rows.
    pub fn constant(kind: ColumnType, value: &Value, rows: usize) -> Column {
        let mut builder = Self::new(kind);
        let text = if rows > 0 { builder.push(value.clone()) } else { None };
        for _ in 1..rows {
            match text {
                Some(id) => builder.push_text_id(id),
                None => drop(builder.push(value.clone())),
            }
        }
        builder.finish()
    }

    /// For a column of the log, which had the rows of `before` and has more now.
    pub fn after(kind: ColumnType, before: Option<&Column>) -> Self {
        let mut builder = Self::new(kind);
        if kind == ColumnType::Json {
            builder.json = Some(JsonBuilder::after(before.and_then(Column::json)));
        }
        builder
    }

    /// Appends a row; returns the id of its text, if it is text.
    pub fn push(&mut self, value: Value) -> Option<u32> {
        let value = match affinity::apply(self.kind, &value) {
            std::borrow::Cow::Owned(converted) => converted,
            std::borrow::Cow::Borrowed(_) => value,
        };
        match self.kind {
            ColumnType::Integer | ColumnType::Boolean => {
                let int = exact_int(&value);
                self.note_null(int.is_none());
                // Repeating a neighbour keeps the range of codes narrow.
                let filler = self.ints.last().copied();
                match int {
                    Some(int) => self.ints.push(int),
                    None => self.ints.push(filler.unwrap_or(0)),
                }
                None
            }
            ColumnType::Real => {
                let real = match value {
                    Value::Real(real) => Some(real),
                    Value::Integer(int) => Some(int as f64),
                    _ => None,
                };
                self.note_null(real.is_none());
                self.reals.push(real.unwrap_or(0.0));
                None
            }
            ColumnType::Text => {
                let Value::Text(text) = value else {
                    self.note_null(true);
                    self.ids.push(u32::MAX);
                    return None;
                };
                let next = self.texts.len() as u32;
                let id = *self.texts.entry(text).or_insert(next);
                self.push_text_id(id);
                Some(id)
            }
            ColumnType::Json => {
                self.note_null(value.is_null());
                if let Some(json) = &mut self.json {
                    json.push(value.as_text());
                }
                None
            }
        }
    }

    pub fn push_text_id(&mut self, id: u32) {
        self.note_null(false);
        self.ids.push(id);
    }

    fn note_null(&mut self, null: bool) {
        if null {
            self.nulls.push(self.len as u32);
        }
        self.len += 1;
    }

    /// The rows of each part at its ords, one part after the other. A missing column is NULL throughout.
    pub fn merge(kind: ColumnType, parts: &[(Option<&Column>, &[u32])]) -> Column {
        if kind == ColumnType::Json {
            return Column::merge_json(parts);
        }
        let mut builder = Self::new(kind);
        for (column, ords) in parts {
            let Some(Column { data: Data::Texts { dictionary, codes, .. }, nulls, .. }) = column else {
                for ord in *ords {
                    builder.push(column.map_or(Value::Null, |column| column.value(*ord as usize)));
                }
                continue;
            };
            // Each distinct text is looked up once.
            let mut known: Vec<Option<u32>> = vec![None; dictionary.len()];
            for ord in *ords {
                if nulls.as_ref().is_some_and(|nulls| nulls.contains(*ord)) {
                    builder.push(Value::Null);
                    continue;
                }
                let code = codes.get(*ord as usize) as usize;
                match known.get(code).copied().flatten() {
                    Some(id) => builder.push_text_id(id),
                    None => {
                        let id = builder.push(Value::Text(dictionary.get(code).to_owned()));
                        if let Some(slot) = known.get_mut(code) {
                            *slot = id;
                        }
                    }
                }
            }
        }
        builder.finish()
    }

    pub fn finish(mut self) -> Column {
        let len = self.len;
        let nulls = (!self.nulls.is_empty()).then(|| {
            let mut set = Bitmap::empty(len);
            self.nulls.iter().for_each(|ord| set.insert(*ord));
            set
        });
        let data = match self.kind {
            ColumnType::Integer | ColumnType::Boolean => {
                // Leading NULLs had no neighbour yet: they take the first real value.
                if let Some(first) = (0..len).find(|at| self.nulls.get(*at) != Some(&(*at as u32))) {
                    let value = self.ints[first];
                    self.ints[..first].fill(value);
                }
                Data::Ints(Ints::from_values(&self.ints))
            }
            ColumnType::Real => Data::Reals(self.reals),
            ColumnType::Json => Data::Json(self.json.map_or_else(JsonColumn::default, JsonBuilder::finish)),
            ColumnType::Text => {
                let mut sorted: Vec<(&str, u32)> =
                    self.texts.iter().map(|(text, id)| (text.as_str(), *id)).collect();
                sorted.sort_unstable();
                let mut code_of = vec![0_u64; sorted.len()];
                for (code, (_, id)) in sorted.iter().enumerate() {
                    code_of[*id as usize] = code as u64;
                }
                let codes = self.ids.iter().map(|id| code_of.get(*id as usize).copied().unwrap_or(0));
                Data::Texts {
                    codes: Packed::new(codes, sorted.len().saturating_sub(1) as u64),
                    dictionary: Dictionary::from_sorted(sorted.iter().map(|(text, _)| *text)),
                    len,
                }
            }
        };
        Column { kind: self.kind, data, nulls }
    }
}
