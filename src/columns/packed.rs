//! An array of unsigned codes in the narrowest of six widths, and its one hot operation: which codes lie in a range.

use crate::bitmap::Bitmap;

/// Codes `0..=max`, stored in 0, 1, 8, 16, 32 or 64 bits each.
#[derive(Debug, Clone, PartialEq)]
pub enum Packed {
    /// Every code is 0.
    Zero,
    /// One bit a code, lowest first.
    Bits(Vec<u64>),
    /// One byte a code.
    U8(Vec<u8>),
    /// Two bytes a code.
    U16(Vec<u16>),
    /// Four bytes a code.
    U32(Vec<u32>),
    /// Eight bytes a code.
    U64(Vec<u64>),
}

impl Packed {
    /// Packs `codes` of which none is above `max`.
    pub fn new(codes: impl Iterator<Item = u64>, max: u64) -> Self {
        match max {
            0 => Self::Zero,
            1 => {
                let mut words = Vec::new();
                for (at, code) in codes.enumerate() {
                    if at % 64 == 0 {
                        words.push(0);
                    }
                    if let Some(word) = words.last_mut() {
                        *word |= (code & 1) << (at % 64);
                    }
                }
                Self::Bits(words)
            }
            2..=0xff => Self::U8(codes.map(|code| code as u8).collect()),
            0x100..=0xffff => Self::U16(codes.map(|code| code as u16).collect()),
            0x1_0000..=0xffff_ffff => Self::U32(codes.map(|code| code as u32).collect()),
            _ => Self::U64(codes.collect()),
        }
    }

    /// The code at `at`.
    ///
    /// # Panics
    /// When `at` is beyond the array, like indexing a slice.
    #[inline]
    pub fn get(&self, at: usize) -> u64 {
        match self {
            Self::Zero => 0,
            Self::Bits(words) => words[at / 64] >> (at % 64) & 1,
            Self::U8(codes) => u64::from(codes[at]),
            Self::U16(codes) => u64::from(codes[at]),
            Self::U32(codes) => u64::from(codes[at]),
            Self::U64(codes) => codes[at],
        }
    }

    /// The positions below `len` whose code is in `low..=high`.
    pub fn range(&self, len: usize, low: u64, high: u64) -> Bitmap {
        if low > high {
            return Bitmap::empty(len);
        }
        match self {
            Self::Zero if low == 0 => Bitmap::full(len),
            Self::Zero => Bitmap::empty(len),
            Self::Bits(words) => match (low, high) {
                (0, 0) => from_words(len, words.iter().map(|word| !word)),
                (0, _) => Bitmap::full(len),
                (1, _) => from_words(len, words.iter().copied()),
                _ => Bitmap::empty(len),
            },
            Self::U8(codes) => ranged(codes, len, low, high, u8::wrapping_sub),
            Self::U16(codes) => ranged(codes, len, low, high, u16::wrapping_sub),
            Self::U32(codes) => ranged(codes, len, low, high, u32::wrapping_sub),
            Self::U64(codes) => ranged(codes, len, low, high, u64::wrapping_sub),
        }
    }

    /// The positions below `len` whose code is in the set `codes`.
    pub fn in_codes(&self, len: usize, codes: &Bitmap) -> Bitmap {
        fn tested<T: Copy + Into<u64>>(values: &[T], len: usize, codes: &Bitmap) -> Bitmap {
            let words = codes.words();
            let has = |code: u64| words.get((code / 64) as usize).map_or(0, |word| word >> (code % 64) & 1);
            from_words(
                len,
                values.chunks(64).map(|chunk| {
                    chunk.iter().enumerate().fold(0, |word, (bit, code)| word | has((*code).into()) << bit)
                }),
            )
        }
        match self {
            Self::Zero | Self::Bits(_) => {
                let mut set = Bitmap::empty(len);
                for code in [0, 1] {
                    if codes.contains(code) {
                        set.or(&self.range(len, u64::from(code), u64::from(code)));
                    }
                }
                set
            }
            Self::U8(values) => {
                let table: [bool; 256] = std::array::from_fn(|code| codes.contains(code as u32));
                from_words(len, words_where(values, |code| table[usize::from(code)]))
            }
            Self::U16(values) => tested(values, len, codes),
            Self::U32(values) => tested(values, len, codes),
            Self::U64(values) => tested(values, len, codes),
        }
    }

    /// Bytes held in memory.
    pub fn memory_bytes(&self) -> usize {
        match self {
            Self::Zero => 0,
            Self::Bits(words) | Self::U64(words) => words.len() * 8,
            Self::U8(codes) => codes.len(),
            Self::U16(codes) => codes.len() * 2,
            Self::U32(codes) => codes.len() * 4,
        }
    }
}

/// A bitmap of `len` bits out of words, lowest first.
pub fn from_words(len: usize, words: impl Iterator<Item = u64>) -> Bitmap {
    Bitmap::from_words(words.collect(), len)
}

/// One word for every 64 values, a bit for each that satisfies `test`. The flags are first written as bytes, which
/// the compiler turns into vector comparisons, and eight bytes of 0 or 1 are then gathered by one multiplication.
pub fn words_where<T: Copy>(values: &[T], test: impl Fn(T) -> bool) -> impl Iterator<Item = u64> {
    values.chunks(64).map(move |chunk| {
        let mut flags = [0_u8; 64];
        if let Ok(chunk) = <&[T; 64]>::try_from(chunk) {
            for (flag, value) in flags.iter_mut().zip(chunk) {
                *flag = u8::from(test(*value));
            }
        } else {
            for (flag, value) in flags.iter_mut().zip(chunk) {
                *flag = u8::from(test(*value));
            }
        }
        let (eights, _) = flags.as_chunks::<8>();
        eights.iter().enumerate().fold(0, |word, (at, eight)| {
            let gathered = u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
            word | gathered << (at * 8)
        })
    })
}

/// `low <= code <= high` as one unsigned comparison: `code - low <= high - low`, wrapping.
fn ranged<T: Copy + PartialOrd + TryFrom<u64>>(
    codes: &[T],
    len: usize,
    low: u64,
    high: u64,
    minus: impl Fn(T, T) -> T,
) -> Bitmap {
    let Ok(low) = T::try_from(low) else {
        return Bitmap::empty(len);
    };
    match T::try_from(high) {
        Ok(high) => {
            let width = minus(high, low);
            from_words(len, words_where(codes, |code| minus(code, low) <= width))
        }
        Err(_) => from_words(len, words_where(codes, |code| code >= low)),
    }
}
