//! A set of rows in the form that takes the least memory.

use crate::bitmap::Bitmap;

/// Rows of a block.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Rows {
    /// None.
    #[default]
    None,
    /// All.
    All,
    /// These, ascending.
    Few(Vec<u32>),
    /// These.
    Many(Bitmap),
}

impl Rows {
    /// The rows `ords`, perhaps repeated, of `rows`.
    pub fn new(mut ords: Vec<u32>, rows: usize) -> Self {
        if !ords.is_sorted() {
            ords.sort_unstable();
        }
        ords.dedup();
        if ords.is_empty() {
            Self::None
        } else if ords.len() == rows {
            Self::All
        } else if ords.len() * 32 < rows {
            ords.shrink_to_fit();
            Self::Few(ords)
        } else {
            let mut set = Bitmap::empty(rows);
            ords.iter().for_each(|ord| set.insert(*ord));
            Self::Many(set)
        }
    }

    pub fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    pub fn contains(&self, ord: u32) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Few(ords) => ords.binary_search(&ord).is_ok(),
            Self::Many(set) => set.contains(ord),
        }
    }

    /// Adds these rows to `set`.
    pub fn add_to(&self, set: &mut Bitmap) {
        match self {
            Self::None => {}
            Self::All => *set = Bitmap::full(set.len()),
            Self::Few(ords) => ords.iter().for_each(|ord| set.insert(*ord)),
            Self::Many(own) => set.or(own),
        }
    }

    /// As a bitmap of `rows` rows.
    pub fn bitmap(&self, rows: usize) -> Bitmap {
        let mut set = Bitmap::empty(rows);
        self.add_to(&mut set);
        set
    }

    /// Hands each of the rows, of `rows`, to `each`.
    pub fn for_each(&self, rows: usize, mut each: impl FnMut(u32)) {
        match self {
            Self::None => {}
            Self::All => (0..rows as u32).for_each(each),
            Self::Few(ords) => ords.iter().copied().for_each(&mut each),
            Self::Many(set) => set.iter().for_each(each),
        }
    }

    pub fn memory_bytes(&self) -> usize {
        match self {
            Self::None | Self::All => 0,
            Self::Few(ords) => ords.len() * 4,
            Self::Many(set) => set.memory_bytes(),
        }
    }
}
