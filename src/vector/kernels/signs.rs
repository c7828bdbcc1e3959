//! Inner products of 1-bit rows with a query of four bit planes, `Σ_j 2^j · popcount(row & plane_j)`, and keys made of them.
//!
//! Invariant: all versions give the same integers, and the same keys to the bit.

use super::Table;
use std::sync::OnceLock;

/// Bit planes of a query.
pub(crate) const PLANES: usize = 4;

/// Sums of the rows `ids` of `table` under `planes`: [`PLANES`] runs of equal length, each at least a row long, zero
/// where a row holds something else than its bits.
pub(crate) type Rows = fn(Table<'_>, &[u64], &[u32], &mut [i32]);

/// Keys of the rows.
type Keys = fn(Table<'_>, &[u64], &Weights, &[u32], &mut [f32]);

/// How a key is made of the sum of a row and of three floats `[f, set, square]` that the row holds:
/// `(by_product f) (each sum + by_set set + more) + by_norm square + add`.
pub(crate) struct Weights {
    /// Byte of a row at which its floats begin.
    pub tail: usize,
    pub each: f32,
    pub by_set: f32,
    pub more: f32,
    pub by_product: f32,
    pub by_norm: f32,
    pub add: f32,
}

impl Weights {
    #[inline(always)]
    fn key(&self, sum: i32, row: &[u8]) -> f32 {
        let floats = row[self.tail..][..12].as_chunks::<4>().0;
        self.combine(sum as f32, [0, 1, 2].map(|at| f32::from_le_bytes(floats[at])))
    }

    #[inline(always)]
    fn combine(&self, sum: f32, [factor, set, square]: [f32; 3]) -> f32 {
        let signed = self.each * sum + self.by_set * set + self.more;
        self.by_product * factor * signed + self.by_norm * square + self.add
    }
}

/// One way to do it.
pub(crate) struct Version {
    pub sums: Rows,
    /// Where keys are made at once.
    keys: Option<Keys>,
}

impl Version {
    /// Keys of the rows `ids`. `planes` are as for [`Rows`].
    #[inline]
    pub fn keys(&self, table: Table<'_>, planes: &[u64], weights: &Weights, ids: &[u32], out: &mut [f32]) {
        const ROOM: usize = 64;
        if let Some(keys) = self.keys {
            return keys(table, planes, weights, ids, out);
        }
        let mut sums = [0; ROOM];
        for (ids, out) in ids.chunks(ROOM).zip(out.chunks_mut(ROOM)) {
            (self.sums)(table, planes, ids, &mut sums);
            for ((id, sum), out) in ids.iter().zip(&sums).zip(out) {
                *out = weights.key(*sum, &table.bytes[*id as usize * table.stride..][..table.stride]);
            }
        }
    }
}

/// The fastest version that this machine can run.
#[inline]
pub(crate) fn get() -> &'static Version {
    static CHOSEN: OnceLock<Version> = OnceLock::new();
    CHOSEN.get_or_init(|| all().swap_remove(0).1)
}

/// Every version that this machine can run, with its name, fastest first.
pub(crate) fn all() -> Vec<(&'static str, Version)> {
    #[cfg(target_arch = "x86_64")]
    let mut all = x86::available();
    #[cfg(target_arch = "aarch64")]
    let mut all = vec![("neon", Version { sums: arm::neon, keys: None })];
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let mut all = Vec::new();
    all.push(("portable", Version { sums: portable, keys: None }));
    all
}

/// The fastest version for blocks of rows that this machine can run, where there is one that looks up many rows at once.
#[inline]
pub(crate) fn get_of_blocks() -> Option<blocks::Version> {
    static CHOSEN: OnceLock<Option<blocks::Version>> = OnceLock::new();
    *CHOSEN.get_or_init(|| of_blocks().first().map(|(_, version)| *version))
}

/// All of them, fastest first.
fn of_blocks() -> Vec<(&'static str, blocks::Version)> {
    #[cfg(target_arch = "x86_64")]
    return x86::of_blocks();
    #[cfg(target_arch = "aarch64")]
    return vec![("neon", arm::block_keys)];
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    Vec::new()
}

fn check(table: Table<'_>, planes: &[u64], ids: &[u32], out: usize) {
    table.check(ids, planes.len() / PLANES * 8, out);
    assert!(planes.len().is_multiple_of(PLANES));
}

fn portable(table: Table<'_>, planes: &[u64], ids: &[u32], out: &mut [i32]) {
    check(table, planes, ids, out.len());
    plain(table, planes, ids, out);
}

#[inline(always)]
fn plain(table: Table<'_>, planes: &[u64], ids: &[u32], out: &mut [i32]) {
    let words = planes.len() / PLANES;
    for (id, out) in ids.iter().zip(out) {
        let row = &table.bytes[*id as usize * table.stride..][..table.stride];
        let mut sums = [0_u32; PLANES];
        for (at, word) in row.chunks_exact(8).enumerate() {
            let word =
                u64::from_le_bytes([word[0], word[1], word[2], word[3], word[4], word[5], word[6], word[7]]);
            for (plane, sum) in sums.iter_mut().enumerate() {
                *sum += (word & planes[plane * words + at]).count_ones();
            }
        }
        *out = sums.iter().enumerate().map(|(plane, sum)| (sum << plane) as i32).sum();
    }
}

pub(crate) mod blocks;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "aarch64")]
mod arm;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::aligned::Block;

    /// Numbers that look random.
    pub(super) fn numbers(seed: u64) -> impl FnMut() -> u64 {
        let mut state = seed;
        move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        }
    }

    /// Weights that are all different, of rows whose floats begin at `tail`.
    pub(super) fn weights(tail: usize) -> Weights {
        Weights { tail, each: 0.3, by_set: -0.7, more: 11.0, by_product: -1.7, by_norm: 0.01, add: 0.9 }
    }

    #[test]
    fn every_version_counts_what_the_definition_counts() {
        let mut next = numbers(7);
        for stride in [64_usize, 128, 192, 640] {
            let mut block = Block::zeroed(stride * 20);
            block.bytes_mut().iter_mut().for_each(|byte| *byte = (next() >> 32) as u8);
            let weights = weights(stride - 16);
            for row in block.bytes_mut().chunks_exact_mut(stride) {
                for at in (stride - 16..stride).step_by(4) {
                    row[at..at + 4].copy_from_slice(&((next() % 1000) as f32 / 7.0).to_le_bytes());
                }
            }
            let words = stride / 8;
            let planes: Vec<u64> = (0..words * PLANES).map(|_| next()).collect();
            let ids: Vec<u32> = (0..21).map(|_| (next() % 20) as u32).collect();
            let expected: Vec<i32> = ids
                .iter()
                .map(|id| {
                    let row = &block.bytes()[*id as usize * stride..][..stride];
                    let bit = |at: usize| u32::from(row[at / 8] >> (at % 8) & 1);
                    let level = |at: usize| -> u32 {
                        (0..PLANES)
                            .map(|p| ((planes[p * words + at / 64] >> (at % 64) & 1) as u32) << p)
                            .sum()
                    };
                    (0..stride * 8).map(|at| (bit(at) * level(at)) as i32).sum()
                })
                .collect();
            for (name, version) in all() {
                let mut out = vec![0; ids.len()];
                let table = Table { bytes: block.bytes(), stride };
                (version.sums)(table, &planes, &ids, &mut out);
                assert_eq!(out, expected, "{name} {stride}");
                let mut keys = vec![0.0; ids.len()];
                version.keys(table, &planes, &weights, &ids, &mut keys);
                let row = |id: u32| &block.bytes()[id as usize * stride..][..stride];
                let wanted: Vec<f32> =
                    ids.iter().zip(&expected).map(|(id, sum)| weights.key(*sum, row(*id))).collect();
                assert_eq!(keys, wanted, "{name} {stride}");
            }
        }
    }
}
