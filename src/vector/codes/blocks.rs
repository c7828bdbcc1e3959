//! 1-bit codes once more, in blocks of rows: a form for scans of most rows, in which a row takes a third of the time.

use super::signs::{SignQuery, SignRows, Signs};
use crate::memory;
use crate::vector::aligned::{self, Block as Aligned};
use crate::vector::kernels::signs;
use crate::vector::kernels::signs::blocks::{Block, LONGEST, ROWS, TABLES, Version};

/// Bytes of the floats of a row.
const FLOATS: usize = 12;

/// The rows of an index in blocks; those that fill the last one up mean nothing.
pub(crate) struct SignBlocks {
    shape: Signs,
    /// For each block the bytes of its rows, then their floats.
    bytes: Aligned,
    version: Version,
}

impl SignBlocks {
    /// Rows of a block.
    pub const ROWS: usize = ROWS;

    /// The first `count` rows. `None` where this machine has no use for the form, the rows are too long for it, or memory is short.
    pub fn new(rows: SignRows<'_>, count: usize) -> Option<Self> {
        let version = signs::get_of_blocks()?;
        let (bytes, all) = (rows.shape.dims / 8, count.div_ceil(ROWS));
        if bytes > LONGEST || memory::check(Self::bytes_of(rows.shape.dims, count)).is_err() {
            return None;
        }
        let each = ROWS * (bytes + FLOATS);
        let mut blocks = Aligned::try_zeroed(all * each).ok()?;
        for ord in 0..count {
            let (signs, numbers) = rows.row(ord as u32);
            let (block, at) = (ord / ROWS, ord % ROWS);
            let (bits, floats) = blocks.bytes_mut()[block * each..][..each].split_at_mut(ROWS * bytes);
            bits.iter_mut().skip(at).step_by(ROWS).zip(signs).for_each(|(place, byte)| *place = *byte);
            let floats = aligned::as_f32_mut(floats).iter_mut().skip(at).step_by(ROWS);
            floats.zip(numbers).for_each(|(place, number)| *place = *number);
        }
        Some(Self { shape: rows.shape.clone(), bytes: blocks, version })
    }

    /// Bytes of memory that `count` rows of `dim` dimensions take.
    pub fn bytes_of(dim: usize, count: usize) -> usize {
        count.next_multiple_of(ROWS) * (dim.next_multiple_of(64) / 8 + FLOATS)
    }

    /// What [`keys`](Self::keys) looks up for `query`.
    pub fn prepare(&self, query: &SignQuery, tables: &mut Vec<u8>) {
        tables.clear();
        for first in (0..self.shape.dims).step_by(4) {
            let levels: [u8; 4] = std::array::from_fn(|at| query.level(first + at));
            let mut sums = [0_u8; TABLES / 2];
            // Each half of the table is the one before with one dimension more.
            for (at, level) in levels.into_iter().enumerate() {
                let (known, more) = sums.split_at_mut(1 << at);
                more.iter_mut().zip(known).for_each(|(more, known)| *more = *known + level);
            }
            tables.extend(sums);
        }
    }

    /// Keys of the rows of a block, as those of [`SignRows::score`]. `tables` are those of the query.
    #[inline]
    pub fn keys(&self, query: &SignQuery, slack: f32, tables: &[u8], block: usize, keys: &mut [f32; ROWS]) {
        let bytes = self.shape.dims / 8;
        let each = ROWS * (bytes + FLOATS);
        let (bits, floats) = self.bytes.bytes()[block * each..][..each].split_at(ROWS * bytes);
        let (floats, _) = aligned::as_f32(floats).as_chunks::<ROWS>();
        let (floats, _) = floats.as_chunks::<3>();
        let block = Block { bits, floats: &floats[0] };
        (self.version)(block, tables, &query.weights(&self.shape, slack), keys);
    }
}

#[cfg(test)]
mod tests {
    use super::super::signs::SignTable;
    use super::*;

    #[test]
    fn blocks_have_the_keys_of_their_rows() {
        for (dim, count) in [(64_usize, 1_usize), (200, 64), (384, 150), (1_000, 70)] {
            let shape = Signs::new(dim);
            let mut table = SignTable::new(&shape, count).unwrap();
            let value = |at: usize| ((at * 7919 % 1009) as f32 * 0.37).sin();
            for (at, row) in table.block.bytes_mut().chunks_exact_mut(shape.stride).enumerate() {
                shape.write((0..dim).map(|i| value(at * dim + i)), row, &mut Vec::new());
            }
            let mut query = SignQuery::default();
            shape.prepare((0..dim).map(|i| value(i * 31 + 5)), &mut query);
            query.set_formula(-2.0, 1.0, 0.25);
            let ids: Vec<u32> = (0..count as u32).collect();
            let mut expected = vec![0.0; count];
            table.view(&shape).score(&query, 3.0, &ids, &mut expected);
            let Some(blocks) = SignBlocks::new(table.view(&shape), count) else { return };
            let (mut tables, mut found) = (Vec::new(), Vec::new());
            blocks.prepare(&query, &mut tables);
            for block in 0..count.div_ceil(ROWS) {
                let mut keys = [0.0; ROWS];
                blocks.keys(&query, 3.0, &tables, block, &mut keys);
                found.extend(keys);
            }
            assert_eq!(found[..count], expected, "{dim}");
        }
        assert!(
            SignBlocks::new(SignTable::new(&Signs::new(4_416), 1).unwrap().view(&Signs::new(4_416)), 1)
                .is_none()
        );
    }
}
