//! One typed column: integers, floats or text, with its NULL rows.

use super::dictionary::Dictionary;
use super::ints::{Ints, exact_int};
use super::json::{self, JsonColumn};
use super::packed::{Packed, from_words, words_where};
use super::{Op, affinity};
use crate::bitmap::Bitmap;
use crate::schema::ColumnType;
use crate::value::{Value, cmp_int_real};
use std::cmp::Ordering;

/// The values of a column, by type.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// INTEGER and BOOLEAN. A NULL row holds any value.
    Ints(Ints),
    /// REAL, never NaN. A NULL row holds 0.
    Reals(Vec<f64>),
    /// TEXT. Codes are below the dictionary's length; a NULL row holds code 0.
    Texts { dictionary: Dictionary, codes: Packed, len: usize },
    /// JSON. A NULL row counts as an object without keys.
    Json(JsonColumn),
}

/// One column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    pub kind: ColumnType,
    pub data: Data,
    /// The NULL rows, if there are any.
    pub nulls: Option<Bitmap>,
}

impl Column {
    pub fn len(&self) -> usize {
        match &self.data {
            Data::Ints(ints) => ints.len(),
            Data::Reals(reals) => reals.len(),
            Data::Texts { len, .. } => *len,
            Data::Json(column) => column.len(),
        }
    }

    pub fn memory_bytes(&self) -> usize {
        let data = match &self.data {
            Data::Ints(ints) => ints.memory_bytes(),
            Data::Reals(reals) => reals.len() * 8,
            Data::Texts { dictionary, codes, .. } => {
                dictionary.bytes.len() + dictionary.ends.memory_bytes() + codes.memory_bytes()
            }
            Data::Json(column) => column.memory_bytes(),
        };
        data + self.nulls.as_ref().map_or(0, Bitmap::memory_bytes)
    }

    /// The value of a row; of a JSON column the texts are not kept.
    pub fn value(&self, at: usize) -> Value {
        if self.nulls.as_ref().is_some_and(|nulls| nulls.contains(at as u32)) {
            return Value::Null;
        }
        match &self.data {
            Data::Ints(ints) => Value::Integer(ints.get(at)),
            Data::Reals(reals) => Value::Real(reals[at]),
            Data::Texts { dictionary, codes, .. } => {
                Value::Text(dictionary.get(codes.get(at) as usize).to_owned())
            }
            Data::Json(_) => Value::Null,
        }
    }

    pub fn nulls(&self) -> Bitmap {
        self.nulls.clone().unwrap_or_else(|| Bitmap::empty(self.len()))
    }

    fn without_nulls(&self, mut rows: Bitmap) -> Bitmap {
        if let Some(nulls) = &self.nulls {
            rows.and_not(nulls);
        }
        rows
    }

    pub fn compare(&self, op: Op, value: &Value) -> Bitmap {
        let value = affinity::apply(self.kind, value);
        if value.is_null() {
            return Bitmap::empty(self.len());
        }
        self.without_nulls(match &self.data {
            Data::Ints(ints) => ints.compare(op, &value),
            Data::Reals(reals) => compare_reals(reals, op, &value),
            Data::Texts { dictionary, codes, len } => {
                let (low, high) = match value.as_text() {
                    Some(text) => (
                        dictionary.partition(|entry| entry < text.as_bytes()),
                        dictionary.partition(|entry| entry <= text.as_bytes()),
                    ),
                    // Only a blob is left, and every text is less than every blob.
                    None => (dictionary.len(), dictionary.len()),
                };
                let range = match op {
                    Op::Eq | Op::Ne => low..high,
                    Op::Lt => 0..low,
                    Op::Le => 0..high,
                    Op::Gt => high..dictionary.len(),
                    Op::Ge => low..dictionary.len(),
                };
                let mut rows = code_range(codes, *len, &range);
                if op == Op::Ne {
                    rows.negate();
                }
                rows
            }
            Data::Json(_) => Bitmap::empty(self.len()),
        })
    }

    pub fn in_set(&self, values: &[Value]) -> Bitmap {
        let values = values.iter().map(|value| affinity::apply(self.kind, value));
        self.without_nulls(match &self.data {
            Data::Ints(ints) => {
                ints.in_ints(&values.filter_map(|value| exact_int(&value)).collect::<Vec<_>>())
            }
            Data::Reals(reals) => {
                let mut wanted: Vec<f64> = values.filter_map(|value| exact_real(&value)).collect();
                wanted.sort_unstable_by(f64::total_cmp);
                let key = |real: f64| real + 0.0; // -0.0 becomes 0.0
                from_words(
                    reals.len(),
                    words_where(reals, |real| {
                        wanted.binary_search_by(|probe| probe.total_cmp(&key(real))).is_ok()
                    }),
                )
            }
            Data::Texts { dictionary, codes, len } => {
                let found = values.filter_map(|value| {
                    let text = value.as_text()?.as_bytes();
                    let at = dictionary.partition(|entry| entry < text);
                    (at < dictionary.len() && dictionary.get(at).as_bytes() == text).then_some(at as u32)
                });
                let mut found: Vec<u32> = found.collect();
                found.sort_unstable();
                found.dedup();
                code_set(codes, *len, dictionary.len(), &found)
            }
            Data::Json(_) => Bitmap::empty(self.len()),
        })
    }

    /// The rows whose text passes `test`, which is asked once for each distinct text.
    pub fn texts_where(&self, test: &dyn Fn(&str) -> bool) -> Bitmap {
        let Data::Texts { dictionary, codes, len } = &self.data else { return Bitmap::empty(self.len()) };
        let found: Vec<u32> = (0..dictionary.len())
            .filter(|code| test(dictionary.get(*code)))
            .map(|code| code as u32)
            .collect();
        self.without_nulls(code_set(codes, *len, dictionary.len(), &found))
    }

    pub fn text_prefix(&self, prefix: &str, nocase: bool) -> Bitmap {
        self.without_nulls(match &self.data {
            Data::Texts { dictionary, codes, len } => {
                if !nocase || !prefix.bytes().any(|byte| byte.is_ascii_alphabetic()) {
                    return self.without_nulls(code_range(
                        codes,
                        *len,
                        &dictionary.prefixed(prefix.as_bytes()),
                    ));
                }
                let first = prefix.as_bytes()[0];
                let mut ranges = vec![dictionary.prefixed(&[first.to_ascii_uppercase()])];
                if first.is_ascii_alphabetic() {
                    ranges.push(dictionary.prefixed(&[first.to_ascii_lowercase()]));
                }
                let found: Vec<u32> = ranges
                    .into_iter()
                    .flatten()
                    .filter(|code| starts_with(dictionary.get(*code), prefix, true))
                    .map(|code| code as u32)
                    .collect();
                code_set(codes, *len, dictionary.len(), &found)
            }
            _ => Bitmap::from_fn(self.len(), |at| {
                affinity::apply(ColumnType::Text, &self.value(at))
                    .as_text()
                    .is_some_and(|text| starts_with(text, prefix, nocase))
            }),
        })
    }

    /// As [`Builder::merge`](super::builder::Builder::merge), of JSON columns.
    pub fn merge_json(parts: &[(Option<&Self>, &[u32])]) -> Self {
        let mut nulls = Vec::new();
        let mut len = 0_u32;
        for (column, ords) in parts {
            let own = column.map(|column| column.nulls.as_ref());
            let null = |ord: u32| own.is_none_or(|nulls| nulls.is_some_and(|nulls| nulls.contains(ord)));
            nulls.extend((len..).zip(*ords).filter(|(_, ord)| null(**ord)).map(|(at, _)| at));
            len += ords.len() as u32;
        }
        let columns: Vec<(Option<&JsonColumn>, &[u32])> =
            parts.iter().map(|(column, ords)| (column.and_then(|column| column.json()), *ords)).collect();
        let mut set = Bitmap::empty(len as usize);
        nulls.iter().for_each(|at| set.insert(*at));
        let nulls = (!nulls.is_empty()).then_some(set);
        Self { kind: ColumnType::Json, data: Data::Json(json::merge(&columns)), nulls }
    }

    /// The paths of a JSON column.
    pub fn json(&self) -> Option<&JsonColumn> {
        if let Data::Json(column) = &self.data { Some(column) } else { None }
    }
}

/// Whether `text` starts with `prefix`, ASCII case aside if `nocase`.
pub fn starts_with(text: &str, prefix: &str, nocase: bool) -> bool {
    let Some(head) = text.as_bytes().get(..prefix.len()) else {
        return false;
    };
    if nocase { head.eq_ignore_ascii_case(prefix.as_bytes()) } else { head == prefix.as_bytes() }
}

fn code_range(codes: &Packed, len: usize, range: &std::ops::Range<usize>) -> Bitmap {
    if range.is_empty() {
        return Bitmap::empty(len);
    }
    codes.range(len, range.start as u64, range.end as u64 - 1)
}

/// The rows whose code is in `sorted`: by a few ranges where its codes are neighbours, else by a set of codes.
fn code_set(codes: &Packed, len: usize, distinct: usize, sorted: &[u32]) -> Bitmap {
    let runs: Vec<&[u32]> = sorted.chunk_by(|a, b| a + 1 == *b).take(3).collect();
    if runs.len() <= 2 {
        let mut rows = Bitmap::empty(len);
        for run in runs {
            let start = run[0] as usize;
            rows.or(&code_range(codes, len, &(start..start + run.len())));
        }
        return rows;
    }
    let mut wanted = Bitmap::empty(distinct);
    sorted.iter().for_each(|code| wanted.insert(*code));
    codes.in_codes(len, &wanted)
}

fn exact_real(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(int) => cmp_int_real(*int, *int as f64).is_eq().then_some(*int as f64),
        Value::Real(real) => Some(*real + 0.0),
        _ => None,
    }
}

fn compare_reals(reals: &[f64], op: Op, value: &Value) -> Bitmap {
    let (op, bound) = match value {
        Value::Null => return Bitmap::empty(reals.len()),
        Value::Text(_) | Value::Blob(_) => {
            return match op {
                Op::Ne | Op::Lt | Op::Le => Bitmap::full(reals.len()),
                Op::Eq | Op::Gt | Op::Ge => Bitmap::empty(reals.len()),
            };
        }
        Value::Real(real) => (op, *real),
        Value::Integer(int) => {
            let near = *int as f64;
            // An integer that no float equals lies strictly between `near` and the next float on its other side.
            match (cmp_int_real(*int, near), op) {
                (Ordering::Equal, _) => (op, near),
                (_, Op::Eq) => return Bitmap::empty(reals.len()),
                (_, Op::Ne) => return Bitmap::full(reals.len()),
                (Ordering::Less, Op::Lt | Op::Le) => (Op::Lt, near),
                (Ordering::Less, Op::Gt | Op::Ge) => (Op::Ge, near),
                (Ordering::Greater, Op::Lt | Op::Le) => (Op::Le, near),
                (Ordering::Greater, Op::Gt | Op::Ge) => (Op::Gt, near),
            }
        }
    };
    let len = reals.len();
    match op {
        Op::Eq => from_words(len, words_where(reals, |real| real == bound)),
        Op::Ne => from_words(len, words_where(reals, |real| real != bound)),
        Op::Lt => from_words(len, words_where(reals, |real| real < bound)),
        Op::Le => from_words(len, words_where(reals, |real| real <= bound)),
        Op::Gt => from_words(len, words_where(reals, |real| real > bound)),
        Op::Ge => from_words(len, words_where(reals, |real| real >= bound)),
    }
}
