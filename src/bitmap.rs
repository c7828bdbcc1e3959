//! A dense set of ords: one bit a row of a segment.
//!
//! Invariant: bits at and beyond `len` are zero, so counting and combining need no masks.

/// A fixed-length set of ords `0..len`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bitmap {
    words: Vec<u64>,
    len: usize,
}

impl Bitmap {
    /// No ord is in the set.
    pub fn empty(len: usize) -> Self {
        Self { words: vec![0; len.div_ceil(64)], len }
    }

    /// As [`empty`](Self::empty), for a length that nothing has borne out yet.
    ///
    /// # Errors
    /// [`crate::error::Error::OutOfMemory`].
    pub fn try_empty(len: usize) -> crate::error::Result<Self> {
        Ok(Self { words: crate::memory::filled(len.div_ceil(64), 0)?, len })
    }

    /// Every ord is in the set.
    pub fn full(len: usize) -> Self {
        let mut set = Self { words: vec![u64::MAX; len.div_ceil(64)], len };
        set.trim();
        set
    }

    /// The ords for which `keep` returns true.
    pub fn from_fn(len: usize, mut keep: impl FnMut(usize) -> bool) -> Self {
        let mut set = Self::empty(len);
        for (index, word) in set.words.iter_mut().enumerate() {
            let base = index * 64;
            for bit in 0..64.min(len - base) {
                *word |= u64::from(keep(base + bit)) << bit;
            }
        }
        set
    }

    /// The set whose bits are in `words`, lowest ords first; bits beyond `len` are dropped.
    pub fn from_words(mut words: Vec<u64>, len: usize) -> Self {
        words.resize(len.div_ceil(64), 0);
        let mut set = Self { words, len };
        set.trim();
        set
    }

    fn trim(&mut self) {
        if !self.len.is_multiple_of(64)
            && let Some(last) = self.words.last_mut()
        {
            *last &= (1_u64 << (self.len % 64)) - 1;
        }
    }

    /// Number of ords the set can hold.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the set holds no ord.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// Number of ords in the set.
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether `ord` is in the set; false beyond `len`.
    #[inline]
    pub fn contains(&self, ord: u32) -> bool {
        let index = ord as usize;
        self.words.get(index / 64).is_some_and(|word| word >> (index % 64) & 1 == 1)
    }

    /// Adds `ord`; ignored beyond `len`.
    #[inline]
    pub fn insert(&mut self, ord: u32) {
        let index = ord as usize;
        if index < self.len {
            self.words[index / 64] |= 1 << (index % 64);
        }
    }

    /// Removes `ord`.
    #[inline]
    pub fn remove(&mut self, ord: u32) {
        let index = ord as usize;
        if index < self.len {
            self.words[index / 64] &= !(1 << (index % 64));
        }
    }

    /// Keeps the ords that are in both sets.
    pub fn and(&mut self, other: &Self) {
        self.words.resize(self.words.len().max(other.words.len()), 0);
        for (index, word) in self.words.iter_mut().enumerate() {
            *word &= other.words.get(index).copied().unwrap_or(0);
        }
        self.words.truncate(self.len.div_ceil(64));
    }

    /// Adds the ords of `other`.
    pub fn or(&mut self, other: &Self) {
        for (word, more) in self.words.iter_mut().zip(&other.words) {
            *word |= more;
        }
        self.trim();
    }

    /// Removes the ords of `other`.
    pub fn and_not(&mut self, other: &Self) {
        for (word, less) in self.words.iter_mut().zip(&other.words) {
            *word &= !less;
        }
    }

    /// Turns the set into its complement within `0..len`.
    pub fn negate(&mut self) {
        for word in &mut self.words {
            *word = !*word;
        }
        self.trim();
    }

    /// The ords in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().enumerate().flat_map(|(index, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                if rest == 0 {
                    return None;
                }
                let bit = rest.trailing_zeros();
                rest &= rest - 1;
                Some(index as u32 * 64 + bit)
            })
        })
    }

    /// The raw words, lowest ords first.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// Bytes held in memory.
    pub fn memory_bytes(&self) -> usize {
        self.words.len() * 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_agree_with_a_plain_set_at_odd_lengths() {
        for len in [0_usize, 1, 63, 64, 65, 200] {
            let thirds = Bitmap::from_fn(len, |i| i % 3 == 0);
            let evens = Bitmap::from_fn(len, |i| i % 2 == 0);
            let mut both = thirds.clone();
            both.and(&evens);
            assert_eq!(
                both.iter().collect::<Vec<_>>(),
                (0..len as u32).filter(|i| i % 6 == 0).collect::<Vec<_>>()
            );
            let mut either = thirds.clone();
            either.or(&evens);
            assert_eq!(either.count(), (0..len).filter(|i| i % 3 == 0 || i % 2 == 0).count());
            let mut rest = thirds.clone();
            rest.negate();
            assert_eq!(rest.count() + thirds.count(), len);
            assert_eq!(Bitmap::full(len).count(), len);
        }
    }
}
