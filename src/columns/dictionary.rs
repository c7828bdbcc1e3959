//! The distinct texts of a column in byte order, so that a comparison of texts is a range of their numbers.

use super::packed::Packed;

/// Sorted distinct texts, one after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Dictionary {
    pub bytes: String,
    /// Where each text ends.
    pub ends: Packed,
    /// Number of texts.
    pub count: usize,
}

impl Dictionary {
    pub fn from_sorted<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let mut bytes = String::new();
        let mut ends = Vec::new();
        for text in texts {
            bytes.push_str(text);
            ends.push(bytes.len() as u64);
        }
        let count = ends.len();
        Self { ends: Packed::new(ends.into_iter(), bytes.len() as u64), bytes, count }
    }

    pub fn len(&self) -> usize {
        self.count
    }

    /// The text of `code`; empty when there is no such code.
    pub fn get(&self, code: usize) -> &str {
        if code >= self.count {
            return "";
        }
        let start = if code == 0 { 0 } else { self.ends.get(code - 1) };
        self.bytes.get(start as usize..self.ends.get(code) as usize).unwrap_or("")
    }

    /// Number of texts for which `before` holds; it must hold for a prefix of the dictionary.
    pub fn partition(&self, before: impl Fn(&[u8]) -> bool) -> usize {
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
    pub fn prefixed(&self, prefix: &[u8]) -> std::ops::Range<usize> {
        let head = |text: &[u8]| text[..text.len().min(prefix.len())].cmp(prefix);
        self.partition(|text| head(text).is_lt())..self.partition(|text| head(text).is_le())
    }
}
