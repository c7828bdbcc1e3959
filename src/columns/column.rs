//! One typed column: integers, floats or text, with its NULL rows.

use super::packed::{Packed, from_words, words_where};
use super::{Op, affinity};
use crate::bitmap::Bitmap;
use crate::schema::ColumnType;
use crate::value::{Value, cmp_int_real};
use std::cmp::Ordering;
use std::collections::HashMap;

/// Integers as codes above their minimum.
#[derive(Debug, Clone, PartialEq)]
pub struct Ints {
    pub len: usize,
    /// The smallest value; code 0.
    pub base: i64,
    /// The largest value.
    pub max: i64,
    pub codes: Packed,
}

impl Ints {
    pub fn from_values(values: &[i64]) -> Self {
        let base = values.iter().copied().min().unwrap_or(0);
        let max = values.iter().copied().max().unwrap_or(0);
        let code = |value: i64| value.wrapping_sub(base) as u64;
        Self { len: values.len(), base, max, codes: Packed::new(values.iter().map(|v| code(*v)), code(max)) }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub fn get(&self, at: usize) -> i64 {
        self.base.wrapping_add(self.codes.get(at) as i64)
    }

    pub fn memory_bytes(&self) -> usize {
        self.codes.memory_bytes()
    }

    /// The rows whose value is in `low..=high`.
    fn range(&self, low: i128, high: i128) -> Bitmap {
        let low = low.max(i128::from(self.base));
        let high = high.min(i128::from(self.max));
        if low > high || self.len == 0 {
            return Bitmap::empty(self.len);
        }
        if low == i128::from(self.base) && high == i128::from(self.max) {
            return Bitmap::full(self.len);
        }
        let code = |value: i128| (value - i128::from(self.base)) as u64;
        self.codes.range(self.len, code(low), code(high))
    }

    /// The rows whose value compares so with `value`, to which affinity has been applied; NULL rows are not known here.
    pub fn compare(&self, op: Op, value: &Value) -> Bitmap {
        match int_range(op, value) {
            Some((low, high)) => self.range(low, high),
            None if op == Op::Ne && !value.is_null() => {
                let mut rows = self.compare(Op::Eq, value);
                rows.negate();
                rows
            }
            None => Bitmap::empty(self.len),
        }
    }

    /// The rows whose value is in `ids`, which may be unsorted, repeated and many.
    pub fn in_ints(&self, ids: &[i64]) -> Bitmap {
        let span = self.max.wrapping_sub(self.base) as u64;
        let inside = ids.iter().filter(|id| (self.base..=self.max).contains(*id));
        // A bit for each possible value costs less than sorting, unless the values are spread thinly.
        if span < 64 * (self.len + ids.len()) as u64 {
            let mut wanted = Bitmap::empty(span as usize + 1);
            inside.for_each(|id| wanted.insert(id.wrapping_sub(self.base) as u32));
            return self.codes.in_codes(self.len, &wanted);
        }
        let mut wanted: Vec<i64> = inside.copied().collect();
        wanted.sort_unstable();
        wanted.dedup();
        if wanted.len() <= 4 {
            let mut rows = Bitmap::empty(self.len);
            wanted.iter().for_each(|id| rows.or(&self.range(i128::from(*id), i128::from(*id))));
            return rows;
        }
        Bitmap::from_fn(self.len, |at| wanted.binary_search(&self.get(at)).is_ok())
    }
}

/// The integers `i` with `i op value` as an inclusive range; `None` for `<>` and for NULL.
fn int_range(op: Op, value: &Value) -> Option<(i128, i128)> {
    const EMPTY: (i128, i128) = (1, 0);
    let (floor, ceil) = match value {
        Value::Null => return None,
        Value::Integer(int) => (i128::from(*int), i128::from(*int)),
        // The cast saturates, which is right for infinities and for everything beyond 64 bits.
        Value::Real(real) => (real.floor() as i128, real.ceil() as i128),
        // Every number is less than every text and every blob.
        Value::Text(_) | Value::Blob(_) => {
            return match op {
                Op::Ne | Op::Lt | Op::Le => Some((i128::MIN, i128::MAX)),
                Op::Eq | Op::Gt | Op::Ge => Some(EMPTY),
            };
        }
    };
    match op {
        Op::Ne => None,
        Op::Eq if floor == ceil => Some((floor, floor)),
        Op::Eq => Some(EMPTY),
        Op::Lt => Some((i128::MIN, ceil.saturating_sub(1))),
        Op::Le => Some((i128::MIN, floor)),
        Op::Gt => Some((floor.saturating_add(1), i128::MAX)),
        Op::Ge => Some((ceil, i128::MAX)),
    }
}

/// Sorted distinct texts, one after the other.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Dictionary {
    pub bytes: String,
    /// Where each text ends.
    pub ends: Vec<u32>,
}

impl Dictionary {
    fn from_sorted<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let mut dictionary = Self::default();
        for text in texts {
            dictionary.bytes.push_str(text);
            dictionary.ends.push(dictionary.bytes.len() as u32);
        }
        dictionary
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The text of `code`; empty when there is no such code.
    pub fn get(&self, code: usize) -> &str {
        let start = if code == 0 { 0 } else { self.ends.get(code - 1).copied().unwrap_or(0) };
        let end = self.ends.get(code).copied().unwrap_or(start);
        self.bytes.get(start as usize..end as usize).unwrap_or("")
    }

    /// Number of texts for which `before` holds; it must hold for a prefix of the dictionary.
    fn partition(&self, before: impl Fn(&[u8]) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if before(self.get(middle).as_bytes()) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The codes of the texts that start with `prefix`.
    fn prefixed(&self, prefix: &[u8]) -> std::ops::Range<usize> {
        let head = |text: &[u8]| text[..text.len().min(prefix.len())].cmp(prefix);
        self.partition(|text| head(text).is_lt())..self.partition(|text| head(text).is_le())
    }
}

/// The values of a column, by type.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// INTEGER and BOOLEAN. A NULL row holds any value.
    Ints(Ints),
    /// REAL, never NaN. A NULL row holds 0.
    Reals(Vec<f64>),
    /// TEXT. Codes are below the dictionary's length; a NULL row holds code 0.
    Texts { dictionary: Dictionary, codes: Packed, len: usize },
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
        }
    }

    pub fn memory_bytes(&self) -> usize {
        let data = match &self.data {
            Data::Ints(ints) => ints.memory_bytes(),
            Data::Reals(reals) => reals.len() * 8,
            Data::Texts { dictionary, codes, .. } => {
                dictionary.bytes.len() + dictionary.ends.len() * 4 + codes.memory_bytes()
            }
        };
        data + self.nulls.as_ref().map_or(0, Bitmap::memory_bytes)
    }

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
        })
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

    /// The rows of each part at its ords, one part after the other. A missing column is NULL throughout.
    pub fn merge(kind: ColumnType, parts: &[(Option<&Self>, &[u32])]) -> Self {
        let mut builder = Builder::new(kind);
        for (column, ords) in parts {
            let Some(Self { data: Data::Texts { dictionary, codes, .. }, nulls, .. }) = column else {
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
    let runs: Vec<&[u32]> = sorted.chunk_by(|a, b| a + 1 == *b).take(9).collect();
    if runs.len() <= 8 {
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

fn exact_int(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(int) => Some(*int),
        Value::Real(real) => {
            let int = *real as i64;
            cmp_int_real(int, *real).is_eq().then_some(int)
        }
        _ => None,
    }
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

/// Collects the values of one column.
pub struct Builder {
    kind: ColumnType,
    ints: Vec<i64>,
    reals: Vec<f64>,
    /// For each row the id of its text, in order of appearance.
    ids: Vec<u32>,
    texts: HashMap<String, u32>,
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
            nulls: Vec::new(),
            len: 0,
        }
    }

    /// Appends a row; answers the id of its text, if it is text.
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
        }
    }

    fn push_text_id(&mut self, id: u32) {
        self.note_null(false);
        self.ids.push(id);
    }

    fn note_null(&mut self, null: bool) {
        if null {
            self.nulls.push(self.len as u32);
        }
        self.len += 1;
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
