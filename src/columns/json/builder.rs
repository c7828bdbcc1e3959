//! Collects the objects of a JSON column, row by row, within bounds on the number of paths and on bytes.

use super::rows::Rows;
use super::typed::ValuesBuilder;
use super::{BLOCK, Block, JsonColumn, Lost, PathColumn, hash};
use crate::bitmap::Bitmap;
use crate::json::{self, Leaf};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Paths that are kept: the most frequent ones.
const MAX_PATHS: usize = 1024;

/// Bytes that the kept paths of a block may take: this, and as much for each row.
const BYTES: usize = 1 << 20;
const BYTES_PER_ROW: usize = 256;

/// Paths that are collected at a time. Beyond it the rarer half is given up.
const COLLECTED: usize = 4 * MAX_PATHS;

/// Paths known to be given up. Beyond it no other path begins to be collected.
const GIVEN_UP: usize = 1 << 20;

/// Hashes of paths that are stored; with more of them any path may be one of the rest.
const LISTED: usize = 4096;

/// Collects a JSON column.
pub struct JsonBuilder {
    blocks: Vec<Arc<Block>>,
    open: BlockBuilder,
    /// Rows of a block.
    block: usize,
    /// Rows to come that are in `blocks` already.
    known: usize,
}

impl JsonBuilder {
    /// A column of one block.
    pub fn new() -> Self {
        Self { blocks: Vec::new(), open: BlockBuilder::default(), block: usize::MAX, known: 0 }
    }

    /// A column of the log, whose first rows are those of `before`: of its complete blocks nothing is read again.
    pub fn after(before: Option<&JsonColumn>) -> Self {
        let blocks: Vec<_> = before
            .into_iter()
            .flat_map(|column| column.blocks.iter().filter(|block| block.rows == BLOCK).map(Arc::clone))
            .collect();
        Self { known: blocks.len() * BLOCK, blocks, open: BlockBuilder::default(), block: BLOCK }
    }

    /// Appends a row; `None` for NULL.
    pub fn push(&mut self, text: Option<&str>) {
        if self.known > 0 {
            self.known -= 1;
            return;
        }
        if self.open.rows as usize == self.block {
            self.blocks.push(Arc::new(std::mem::take(&mut self.open).finish()));
        }
        self.open.push(text);
    }

    pub fn finish(mut self) -> JsonColumn {
        if self.open.rows > 0 || self.blocks.is_empty() {
            self.blocks.push(Arc::new(self.open.finish()));
        }
        JsonColumn { blocks: self.blocks }
    }
}

/// Collects one block.
#[derive(Default)]
pub(super) struct BlockBuilder {
    pub rows: u32,
    numbers: HashMap<String, u32>,
    paths: Vec<PathBuilder>,
    pub odd: Vec<u32>,
    /// In no order, perhaps repeated.
    pub rest: Vec<u32>,
    lost: HashSet<u64>,
    /// `lost` is not complete any more, and no path begins to be collected.
    many: bool,
    /// Nor are the paths of another column that is merged into this one.
    hidden: bool,
}

/// Collects one path.
#[derive(Default)]
pub(super) struct PathBuilder {
    path: String,
    /// Rows that have it, and the last of them.
    count: u32,
    last: Option<u32>,
    pub lists: Vec<u32>,
    pub objects: Vec<u32>,
    pub scalars: ValuesBuilder,
    pub elements: ValuesBuilder,
}

impl PathBuilder {
    /// Notes that a row has the path.
    pub fn touch(&mut self, ord: u32) {
        self.count += u32::from(self.last != Some(ord));
        self.last = Some(ord);
    }

    fn rows(&self, ords: &mut Vec<u32>) {
        ords.extend(&self.lists);
        ords.extend(&self.objects);
        self.scalars.rows(ords);
        self.elements.rows(ords);
    }

    fn finish(self, rows: usize) -> PathColumn {
        PathColumn {
            path: self.path,
            lists: Rows::new(self.lists, rows),
            objects: Rows::new(self.objects, rows),
            scalars: self.scalars.finish(rows),
            elements: self.elements.finish(rows),
        }
    }
}

impl BlockBuilder {
    fn push(&mut self, text: Option<&str>) {
        let ord = self.rows;
        self.rows += 1;
        // What is no JSON, in a file that was written by hand, has no keys.
        let Some(Ok(json)) = text.map(json::parse) else { return };
        if json::is_ambiguous(&json) {
            self.odd.push(ord);
            return;
        }
        json::walk(&json, &mut |path, leaf| {
            let Some(builder) = self.path(path) else {
                if self.rest.last() != Some(&ord) {
                    self.rest.push(ord);
                }
                return;
            };
            builder.touch(ord);
            match leaf {
                Leaf::Scalar(value) => builder.scalars.push(ord, value),
                Leaf::Element(value) => builder.elements.push(ord, value),
                Leaf::List => builder.lists.push(ord),
                Leaf::Object => builder.objects.push(ord),
            }
        });
    }

    /// The builder of a path; `None` if it is given up.
    pub fn path(&mut self, path: &str) -> Option<&mut PathBuilder> {
        let number = match self.numbers.get(path) {
            Some(number) => *number as usize,
            None => self.begin(path)?,
        };
        self.paths.get_mut(number)
    }

    fn begin(&mut self, path: &str) -> Option<usize> {
        let hash = hash(path);
        if self.many || self.lost.contains(&hash) {
            return None;
        }
        if self.paths.len() >= COLLECTED {
            self.give_up_half();
            if self.many {
                return None;
            }
        }
        let number = self.paths.len();
        self.numbers.insert(path.to_owned(), number as u32);
        self.paths.push(PathBuilder { path: path.to_owned(), ..PathBuilder::default() });
        Some(number)
    }

    fn give_up_half(&mut self) {
        let mut paths = std::mem::take(&mut self.paths);
        paths.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.path.cmp(&b.path)));
        for lost in paths.drain(COLLECTED / 2..) {
            self.lose(hash(&lost.path));
            lost.rows(&mut self.rest);
        }
        // Otherwise a row of many rare paths would be noted once for each of them.
        self.rest.sort_unstable();
        self.rest.dedup();
        self.numbers = (0_u32..).zip(&paths).map(|(number, path)| (path.path.clone(), number)).collect();
        self.paths = paths;
    }

    /// Notes that a path is not kept.
    pub fn lose(&mut self, hash: u64) {
        if self.many || self.lost.len() >= GIVEN_UP {
            self.many = true;
            self.lost = HashSet::new();
        } else {
            self.lost.insert(hash);
        }
    }

    /// Notes that any path may not be kept, but those that are asked for.
    pub fn hide(&mut self) {
        self.hidden = true;
    }

    /// The block: of all paths those are kept that most rows have, as far as the bounds go.
    pub fn finish(mut self) -> Block {
        let rows = self.rows as usize;
        let paths = std::mem::take(&mut self.paths);
        let mut columns: Vec<(usize, usize, PathColumn)> = paths
            .into_iter()
            .map(|path| {
                let column = path.finish(rows);
                (column.present(rows).count(), column.memory_bytes(), column)
            })
            .collect();
        columns.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)).then_with(|| a.2.path.cmp(&b.2.path)));
        let mut room = BYTES + BYTES_PER_ROW * rows;
        let mut kept = Vec::new();
        for (_, bytes, column) in columns {
            if kept.len() < MAX_PATHS && bytes <= room {
                room -= bytes;
                kept.push(column);
                continue;
            }
            self.lose(hash(&column.path));
            self.rest.extend(column.present(rows).iter());
        }
        kept.sort_by(|a, b| a.path.cmp(&b.path));
        self.rest.sort_unstable();
        let lost = if self.many || self.hidden || self.lost.len() > LISTED {
            Lost::Many
        } else {
            let mut hashes: Vec<u64> = self.lost.into_iter().collect();
            hashes.sort_unstable();
            Lost::Known(hashes)
        };
        Block { rows, odd: Rows::new(self.odd, rows), rest: Rows::new(self.rest, rows), lost, paths: kept }
    }
}

impl PathColumn {
    /// The rows that have the path.
    pub(super) fn present(&self, rows: usize) -> Bitmap {
        let mut set = Bitmap::empty(rows);
        self.lists.add_to(&mut set);
        self.objects.add_to(&mut set);
        self.scalars.add_to(&mut set);
        set
    }
}
