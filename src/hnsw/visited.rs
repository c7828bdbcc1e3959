//! Which nodes a search has seen: a bitset that is cleared by undoing only what was set.

/// A reusable set of nodes.
#[derive(Default)]
pub(super) struct Visited {
    words: Vec<u64>,
    touched: Vec<u32>,
}

impl Visited {
    /// Empties the set and makes room for nodes `0..len`.
    pub fn reset(&mut self, len: usize) {
        if self.touched.len() * 8 > self.words.len() {
            self.words.fill(0);
        } else {
            for word in &self.touched {
                self.words[*word as usize] = 0;
            }
        }
        self.touched.clear();
        if self.words.len() < len.div_ceil(64) {
            self.words.resize(len.div_ceil(64), 0);
        }
    }

    /// Adds a node; true when it was not in the set.
    #[inline]
    pub fn insert(&mut self, node: u32) -> bool {
        let (index, bit) = (node / 64, 1_u64 << (node % 64));
        let word = &mut self.words[index as usize];
        let fresh = *word & bit == 0;
        if *word == 0 {
            self.touched.push(index);
        }
        *word |= bit;
        fresh
    }

    pub fn memory_bytes(&self) -> usize {
        self.words.capacity() * 8 + self.touched.capacity() * 4
    }
}
