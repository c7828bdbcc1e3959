//! Which nodes a search has seen: a bitset that is cleared by undoing only what was set.

/// A reusable set of nodes.
#[derive(Default)]
pub(super) struct Visited {
    words: Vec<u64>,
    /// Nodes of the set.
    touched: Vec<u32>,
}

impl Visited {
    /// Empties the set and makes room for nodes `0..len`.
    pub fn reset(&mut self, len: usize) {
        if self.touched.len() * 8 > self.words.len() {
            self.words.fill(0);
        } else {
            for node in &self.touched {
                self.words[*node as usize / 64] = 0;
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
        let (word, bit) = (&mut self.words[node as usize / 64], 1_u64 << (node % 64));
        let fresh = *word & bit == 0;
        if fresh {
            self.touched.push(node);
        }
        *word |= bit;
        fresh
    }

    /// Adds nodes up to the first that is `end`, and appends to `out` those that were not in the set. Without a
    /// branch on what is found: about half of the neighbours that a walk meets are new, in no order to predict.
    #[inline]
    pub fn insert_all(&mut self, nodes: &[u32], end: u32, out: &mut Vec<u32>) {
        let start = out.len();
        out.resize(start + nodes.len(), 0);
        let mut len = start;
        for node in nodes {
            if *node == end {
                break;
            }
            let word = &mut self.words[*node as usize / 64];
            let seen = *word >> (node % 64) & 1;
            *word |= 1 << (node % 64);
            out[len] = *node;
            len += usize::from(seen == 0);
        }
        out.truncate(len);
        self.touched.extend_from_slice(&out[start..]);
    }
}
