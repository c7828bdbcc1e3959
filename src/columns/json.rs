//! A JSON column: the values of each path as typed columns, and filters over them.
//!
//! An object is walked once. A path that is kept is complete: its columns hold what it leads to in every row. Paths beyond
//! the bounds of [`builder`] are left out, and the rows that have one are remembered, so that a filter which asks for such
//! a path leaves these rows open instead of being wrong. Rows in which one path can be read in two ways are always open.

mod builder;
mod check;
pub(super) mod codec;
mod eval;
mod merge;
mod rows;
mod typed;

pub use builder::JsonBuilder;
pub use merge::{can_merge, merge};

use super::bounds::Bounds;
use crate::json::JsonFilter;
use rows::Rows;
use std::sync::Arc;
use typed::Values;

/// A JSON column. A segment has one block; the log several, of [`BLOCK`] rows but the last, since the complete ones stay
/// as they are while it grows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JsonColumn {
    blocks: Vec<Arc<Block>>,
}

/// Rows of a block in the log, a multiple of 64.
const BLOCK: usize = 128;

/// Some consecutive rows of a JSON column.
#[derive(Debug, PartialEq, Default)]
pub struct Block {
    rows: usize,
    /// Rows of which no path is kept.
    odd: Rows,
    /// Rows that have a path which is not kept.
    rest: Rows,
    lost: Lost,
    /// Ascending by path.
    paths: Vec<PathColumn>,
}

/// The paths that are not kept, by their hashes.
#[derive(Debug, Clone, PartialEq)]
enum Lost {
    /// These, ascending.
    Known(Vec<u64>),
    /// Too many to be listed.
    Many,
}

impl Default for Lost {
    fn default() -> Self {
        Self::Known(Vec::new())
    }
}

impl Lost {
    /// Whether the path may be one of these.
    fn may_have(&self, path: &str) -> bool {
        match self {
            Self::Known(hashes) => hashes.binary_search(&hash(path)).is_ok(),
            Self::Many => true,
        }
    }
}

/// FNV-1a of 64 bits; part of the format.
fn hash(path: &str) -> u64 {
    path.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// What one path leads to, row by row.
#[derive(Debug, PartialEq, Default)]
struct PathColumn {
    path: String,
    /// Rows where it leads to a list.
    lists: Rows,
    /// Rows where it leads to an object.
    objects: Rows,
    scalars: Values,
    /// The scalars in the lists.
    elements: Values,
}

impl JsonColumn {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.blocks.iter().map(|block| block.rows).sum()
    }

    /// Bytes held in memory.
    pub fn memory_bytes(&self) -> usize {
        self.blocks.iter().map(|block| block.memory_bytes()).sum()
    }

    /// The rows that pass. Rows without a text count as objects without keys.
    pub fn eval(&self, filter: &JsonFilter) -> Bounds {
        match self.blocks.as_slice() {
            [block] => block.eval(filter.root()),
            blocks => eval::join(blocks.iter().map(|block| block.eval(filter.root())), self.len()),
        }
    }

    /// The one block of a segment.
    fn block(&self) -> Option<&Block> {
        if let [block] = self.blocks.as_slice() { Some(block) } else { None }
    }
}

impl Block {
    fn find(&self, path: &str) -> Option<&PathColumn> {
        let at = self.paths.binary_search_by(|own| own.path.as_str().cmp(path)).ok()?;
        self.paths.get(at)
    }

    fn memory_bytes(&self) -> usize {
        let lost = if let Lost::Known(hashes) = &self.lost { hashes.len() * 8 } else { 0 };
        let paths = self.paths.iter().map(PathColumn::memory_bytes).sum::<usize>();
        self.odd.memory_bytes() + self.rest.memory_bytes() + lost + paths
    }
}

impl PathColumn {
    fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            + self.path.len()
            + self.lists.memory_bytes()
            + self.objects.memory_bytes()
            + self.scalars.memory_bytes()
            + self.elements.memory_bytes()
    }
}

#[cfg(test)]
mod tests;
