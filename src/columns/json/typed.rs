//! The values of one path by type: each type is a column of its own.

use super::super::column::{Column, Data};
use super::super::dictionary::Dictionary;
use super::super::ints::Ints;
use super::super::packed::Packed;
use super::rows::Rows;
use crate::bitmap::Bitmap;
use crate::json::Json;
use crate::schema::ColumnType;
use std::collections::HashMap;

/// Values of one type with their rows.
#[derive(Debug, PartialEq)]
pub struct Typed {
    /// The row of each value, not descending; `None`: the column has a value or NULL for each row.
    pub ords: Option<Ints>,
    pub column: Column,
}

/// The scalars that a path leads to, or the elements of its lists.
#[derive(Debug, PartialEq, Default)]
pub struct Values {
    pub nulls: Rows,
    pub bools: Option<Box<Typed>>,
    pub ints: Option<Box<Typed>>,
    pub reals: Option<Box<Typed>>,
    pub texts: Option<Box<Typed>>,
}

impl Typed {
    /// The rows one of whose values is among those that `values` gives of the column.
    pub fn rows(&self, rows: usize, values: impl FnOnce(&Column) -> Bitmap) -> Bitmap {
        let found = values(&self.column);
        let Some(ords) = &self.ords else { return found };
        let mut set = Bitmap::empty(rows);
        found.iter().for_each(|at| set.insert(ords.get(at as usize) as u32));
        set
    }

    /// Adds the rows that have a value to `set`.
    pub fn add_to(&self, set: &mut Bitmap) {
        match (&self.ords, &self.column.nulls) {
            (Some(ords), _) => (0..ords.len()).for_each(|at| set.insert(ords.get(at) as u32)),
            (None, None) => *set = Bitmap::full(set.len()),
            (None, Some(nulls)) => {
                let mut own = nulls.clone();
                own.negate();
                set.or(&own);
            }
        }
    }

    /// Row and position of every value.
    pub fn entries(&self) -> impl Iterator<Item = (u32, usize)> + '_ {
        let nulls = self.column.nulls.as_ref();
        (0..self.column.len())
            .filter(move |at| nulls.is_none_or(|nulls| !nulls.contains(*at as u32)))
            .map(|at| (self.ords.as_ref().map_or(at as u32, |ords| ords.get(at) as u32), at))
    }

    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.ords.as_ref().map_or(0, Ints::memory_bytes) + self.column.memory_bytes()
    }
}

impl Values {
    pub fn types(&self) -> [&Option<Box<Typed>>; 4] {
        [&self.bools, &self.ints, &self.reals, &self.texts]
    }

    /// Adds the rows that have a value to `set`.
    pub fn add_to(&self, set: &mut Bitmap) {
        self.nulls.add_to(set);
        self.types().into_iter().flatten().for_each(|typed| typed.add_to(set));
    }

    pub fn memory_bytes(&self) -> usize {
        self.nulls.memory_bytes()
            + self.types().into_iter().flatten().map(|typed| typed.memory_bytes()).sum::<usize>()
    }
}

/// Collects the values of one type.
#[derive(Default)]
pub struct Run<T> {
    ords: Vec<u32>,
    values: Vec<T>,
    /// A row has more than one.
    multi: bool,
}

impl<T: Copy + Default> Run<T> {
    pub fn push(&mut self, ord: u32, value: T) {
        self.multi |= self.ords.last() == Some(&ord);
        self.ords.push(ord);
        self.values.push(value);
    }

    /// Puts the rows in order; the values of one follow each other already.
    fn sort(&mut self) {
        if !self.ords.is_sorted() {
            let mut order: Vec<usize> = (0..self.ords.len()).collect();
            order.sort_by_key(|at| self.ords[*at]);
            self.ords = order.iter().map(|at| self.ords[*at]).collect();
            self.values = order.iter().map(|at| self.values[*at]).collect();
        }
    }

    /// Leaves each value of a row there once.
    fn distinct(&mut self, order: impl Fn(&T, &T) -> std::cmp::Ordering) {
        if !self.multi {
            return;
        }
        let mut pairs: Vec<(u32, T)> = self.ords.iter().copied().zip(self.values.iter().copied()).collect();
        pairs.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| order(&a.1, &b.1)));
        pairs.dedup_by(|a, b| a.0 == b.0 && order(&a.1, &b.1).is_eq());
        self.multi = pairs.windows(2).any(|pair| pair[0].0 == pair[1].0);
        (self.ords, self.values) = pairs.into_iter().unzip();
    }

    /// The values as a column of `rows` rows; a row without one is NULL and repeats its neighbour, or is `T::default()`
    /// if `zero`. `None` where the rows are listed instead.
    fn spread(&self, rows: usize, zero: bool) -> Option<(Vec<T>, Option<Bitmap>)> {
        if self.multi || self.ords.len() * 2 < rows {
            return None;
        }
        if self.ords.len() == rows {
            return Some((self.values.clone(), None));
        }
        let mut filler = if zero { T::default() } else { self.values.first().copied().unwrap_or_default() };
        let (mut spread, mut nulls) = (Vec::with_capacity(rows), Bitmap::full(rows));
        for (ord, value) in self.ords.iter().zip(&self.values) {
            spread.resize(*ord as usize, filler);
            spread.push(*value);
            nulls.remove(*ord);
            if !zero {
                filler = *value;
            }
        }
        spread.resize(rows, filler);
        Some((spread, Some(nulls)))
    }

    fn typed(
        mut self,
        kind: ColumnType,
        rows: usize,
        order: impl Fn(&T, &T) -> std::cmp::Ordering,
        data: impl FnOnce(Vec<T>) -> Data,
    ) -> Option<Box<Typed>> {
        if self.ords.is_empty() {
            return None;
        }
        self.sort();
        self.distinct(order);
        let (ords, values, nulls) =
            match self.spread(rows, kind == ColumnType::Real || kind == ColumnType::Text) {
                Some((values, nulls)) => (None, values, nulls),
                None => {
                    let ords: Vec<i64> = self.ords.iter().map(|ord| i64::from(*ord)).collect();
                    (Some(Ints::from_values(&ords)), self.values, None)
                }
            };
        Some(Box::new(Typed { ords, column: Column { kind, data: data(values), nulls } }))
    }
}

/// Collects the values of one path.
#[derive(Default)]
pub struct ValuesBuilder {
    pub nulls: Vec<u32>,
    pub bools: Run<i64>,
    pub ints: Run<i64>,
    pub reals: Run<f64>,
    /// Numbers of texts, in order of appearance.
    pub texts: Run<u32>,
    numbers: HashMap<String, u32>,
}

impl ValuesBuilder {
    /// Adds a scalar; lists and objects are none.
    pub fn push(&mut self, ord: u32, value: &Json<'_>) {
        match value {
            Json::Null => self.nulls.push(ord),
            Json::Bool(bool) => self.bools.push(ord, i64::from(*bool)),
            Json::Int(int) => self.ints.push(ord, *int),
            Json::Real(real) => self.reals.push(ord, *real),
            Json::Text(text) => {
                let number = self.number(text);
                self.texts.push(ord, number);
            }
            Json::List(_) | Json::Object(_) => {}
        }
    }

    /// The number of a text.
    pub fn number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.numbers.len() as u32;
        self.numbers.insert(text.to_owned(), number);
        number
    }

    /// Adds every row that has a value to `ords`.
    pub fn rows(&self, ords: &mut Vec<u32>) {
        for own in [&self.nulls, &self.bools.ords, &self.ints.ords, &self.reals.ords, &self.texts.ords] {
            ords.extend(own);
        }
    }

    pub fn finish(mut self, rows: usize) -> Values {
        let mut sorted: Vec<(&str, u32)> =
            self.numbers.iter().map(|(text, number)| (text.as_str(), *number)).collect();
        sorted.sort_unstable();
        let mut codes = vec![0_u32; sorted.len()];
        for (code, (_, number)) in sorted.iter().enumerate() {
            codes[*number as usize] = code as u32;
        }
        self.texts.values.iter_mut().for_each(|number| *number = codes[*number as usize]);
        let dictionary = Dictionary::from_sorted(sorted.iter().map(|(text, _)| *text));
        let ints = |values: Vec<i64>| Data::Ints(Ints::from_values(&values));
        let texts = |values: Vec<u32>| Data::Texts {
            len: values.len(),
            codes: Packed::new(values.into_iter().map(u64::from), dictionary.len().saturating_sub(1) as u64),
            dictionary,
        };
        Values {
            nulls: Rows::new(self.nulls, rows),
            bools: self.bools.typed(ColumnType::Boolean, rows, i64::cmp, ints),
            ints: self.ints.typed(ColumnType::Integer, rows, i64::cmp, ints),
            reals: self.reals.typed(ColumnType::Real, rows, f64::total_cmp, Data::Reals),
            texts: self.texts.typed(ColumnType::Text, rows, u32::cmp, texts),
        }
    }
}
