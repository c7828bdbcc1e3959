//! Exhaustive scan over the codes.

use super::frontier::{key_of, node_of, pack};
use super::graph::Scratch;
use super::index::VectorIndex;
use super::{Candidate, Outcome, SearchStats, Wanted};
use crate::bitmap::Bitmap;
use crate::vector::codes::{Query, SignBlocks};

/// Standard deviations of an estimate by 1-bit codes that a scan allows for: it passes over fewer than one in 700 of
/// the rows that it looks for, and those are among the last of them.
const SLACK: f32 = 3.0;

/// Rows of 64 from which on all of them are estimated together.
const WHOLE_BLOCK: u32 = 24;

/// Rows scored at once, and estimated at once.
const BATCH: usize = 512;

/// Rows that were estimated before the best of them are scored.
const PILE: usize = 8192;

/// Estimates compared with the cut at once.
const TOGETHER: usize = 16;

/// Rows whose codes are on their way from memory while as many are scored.
const AHEAD: usize = 16;

/// Rows found to hold before those are dropped that better ones have ruled out.
const ROOM: usize = 1024;

/// So many rows are kept in order while a scan goes on.
const SORTED: usize = 256;

impl VectorIndex {
    /// The best rows by codes, and all others that may be among them by exact distance: whose distance by
    /// codes is within the likely error of the last one's. Those are few where distances differ, and many where a
    /// filter leaves only rows that are about equally far.
    pub fn scan_near(
        &self,
        query: &[f32],
        wanted: Wanted<'_>,
        allowed: Option<&Bitmap>,
        stats: &mut SearchStats,
    ) -> Outcome {
        self.with_query(query, |query, scratch| {
            let candidates = self.scan(query, wanted, allowed, scratch, stats);
            Outcome { scanned: true, ..self.finish(query, candidates, true) }
        })
    }

    /// The same for a prepared query.
    pub(super) fn scan(
        &self,
        query: &Query,
        wanted: Wanted<'_>,
        allowed: Option<&Bitmap>,
        scratch: &mut Scratch,
        stats: &mut SearchStats,
    ) -> Vec<Candidate> {
        let mut scan = Scan::new(self, query, wanted, scratch);
        if self.codes().screens() {
            scan.screened(allowed, scratch, stats);
        } else {
            self.in_batches(allowed, scratch, |scratch| scan.score(scratch, stats));
        }
        scan.finish(scratch)
    }

    /// Does `job` for all rows that have a vector and are allowed, some hundreds at a time, in `scratch.nodes`.
    pub(super) fn in_batches(
        &self,
        allowed: Option<&Bitmap>,
        scratch: &mut Scratch,
        mut job: impl FnMut(&mut Scratch),
    ) {
        scratch.nodes.clear();
        for (at, word) in self.present.words().iter().enumerate() {
            let allowed = allowed.map_or(u64::MAX, |set| set.words().get(at).copied().unwrap_or(0));
            push_ones(word & allowed, at as u32 * 64, &mut scratch.nodes);
            if scratch.nodes.len() >= BATCH {
                job(scratch);
                scratch.nodes.clear();
            }
        }
        job(scratch);
        scratch.nodes.clear();
    }

    /// The same, but where many of 64 rows that follow each other are allowed, `job` gets the number of their block, and a bit for each.
    fn in_blocks(
        &self,
        allowed: Option<&Bitmap>,
        scratch: &mut Scratch,
        mut job: impl FnMut(&mut Scratch, Option<(usize, u64)>),
    ) {
        scratch.nodes.clear();
        for (at, word) in self.present.words().iter().enumerate() {
            let word = word & allowed.map_or(u64::MAX, |set| set.words().get(at).copied().unwrap_or(0));
            if word.count_ones() >= WHOLE_BLOCK {
                // In `scratch.nodes` there may be others, which a job for a block leaves alone.
                let waiting = std::mem::take(&mut scratch.nodes);
                job(scratch, Some((at, word)));
                scratch.nodes = waiting;
                continue;
            }
            push_ones(word, at as u32 * 64, &mut scratch.nodes);
            if scratch.nodes.len() >= BATCH {
                job(scratch, None);
                scratch.nodes.clear();
            }
        }
        job(scratch, None);
        scratch.nodes.clear();
    }
}

/// Adds `base` and the place of each bit of `word` that is set, in order.
#[inline]
fn push_ones(mut word: u64, base: u32, out: &mut Vec<u32>) {
    if word == u64::MAX {
        out.extend(base..base + 64);
        return;
    }
    let mut ones = [0_u32; 64];
    let count = word.count_ones() as usize;
    for one in &mut ones[..count] {
        *one = base + word.trailing_zeros();
        word &= word - 1;
    }
    out.extend_from_slice(&ones[..count]);
}

/// A scan under way.
struct Scan<'a> {
    index: &'a VectorIndex,
    query: &'a Query,
    want: usize,
    /// Many rows are selected now and then: a sorted list of them would be moved for each row that is found.
    sorted: bool,
    /// Entries below `cut`, in no order; with many rows wanted, at times others too.
    found: Vec<u64>,
    /// `found` is cut back to the best when it has this many entries.
    room: usize,
    /// Rows with this key or a larger one are not wanted. It falls as better rows are found.
    cut: u64,
    worst: u64,
}

impl<'a> Scan<'a> {
    fn new(index: &'a VectorIndex, query: &'a Query, wanted: Wanted<'_>, scratch: &mut Scratch) -> Self {
        let want = wanted.rows;
        let mut found = std::mem::take(&mut scratch.found);
        found.clear();
        let sorted = want <= SORTED;
        scratch.beam.reset(if sorted { want } else { 1 });
        let room = ROOM.max(want.saturating_mul(2));
        let scan = Self { index, query, want, sorted, found, room, cut: u64::MAX, worst: u64::MAX };
        if wanted.within == f64::INFINITY {
            return scan;
        }
        let cut = scan.beyond(query.key(wanted.within));
        Self { cut, ..scan }
    }

    /// Scans rows that have 1-bit codes: those are estimated first, and read further only if they may be wanted.
    fn screened(&mut self, allowed: Option<&Bitmap>, scratch: &mut Scratch, stats: &mut SearchStats) {
        let index = self.index;
        let mut pile = std::mem::take(&mut scratch.pile);
        pile.clear();
        if let (Some(blocks), Some(query)) = (index.blocks(), self.query.signs()) {
            let mut tables = std::mem::take(&mut scratch.tables);
            blocks.prepare(query, &mut tables);
            index.in_blocks(allowed, scratch, |scratch, block| match block {
                Some((at, rows)) => {
                    let mut keys = [0.0; SignBlocks::ROWS];
                    blocks.keys(query, SLACK, &tables, at, &mut keys);
                    self.pile_block(at, rows, &keys, &mut pile, scratch, stats);
                }
                None => self.pile_rows(&mut pile, scratch, stats),
            });
            scratch.tables = tables;
        } else {
            index.in_batches(allowed, scratch, |scratch| self.pile_rows(&mut pile, scratch, stats));
        }
        self.score_pile(&mut pile, scratch, stats);
        scratch.pile = pile;
    }

    /// Estimates `scratch.nodes`, and piles up those that may be wanted.
    fn pile_rows(&mut self, pile: &mut Vec<u64>, scratch: &mut Scratch, stats: &mut SearchStats) {
        stats.estimates += scratch.nodes.len() as u64;
        self.index.codes().estimate(self.query, SLACK, &scratch.nodes, &mut scratch.keys);
        let (cut, mut kept) = (self.cut, pile.len());
        pile.resize(kept + scratch.nodes.len(), 0);
        let far = key_of(cut);
        for (keys, nodes) in scratch.keys.chunks(TOGETHER).zip(scratch.nodes.chunks(TOGETHER)) {
            if keys.iter().fold(true, |all, key| all & (*key > far)) {
                continue;
            }
            for (key, node) in keys.iter().zip(nodes) {
                // Whether a row is kept is hard to foretell: without a branch it need not be.
                let entry = pack(*key, *node);
                pile[kept] = entry;
                kept += usize::from(entry < cut);
            }
        }
        pile.truncate(kept);
        if pile.len() >= PILE {
            self.score_pile(pile, scratch, stats);
        }
    }

    /// Piles up those rows of a block that may be wanted, by their estimates. `rows`: a bit for each that is allowed.
    fn pile_block(
        &mut self,
        block: usize,
        rows: u64,
        keys: &[f32; SignBlocks::ROWS],
        pile: &mut Vec<u64>,
        scratch: &mut Scratch,
        stats: &mut SearchStats,
    ) {
        stats.estimates += u64::from(rows.count_ones());
        let (cut, far) = (self.cut, key_of(self.cut));
        for (part, keys) in keys.chunks_exact(TOGETHER).enumerate() {
            if keys.iter().fold(true, |all, key| all & (*key > far)) {
                continue;
            }
            let (first, mut kept) = (part * TOGETHER, pile.len());
            pile.resize(kept + TOGETHER, 0);
            for (at, key) in keys.iter().enumerate() {
                let entry = pack(*key, (block * SignBlocks::ROWS + first + at) as u32);
                pile[kept] = entry;
                kept += usize::from(entry < cut) & (rows >> (first + at) & 1) as usize;
            }
            pile.truncate(kept);
        }
        if pile.len() >= PILE {
            self.score_pile(pile, scratch, stats);
        }
    }

    /// Scores the rows of the pile that may be wanted: the most promising first, since they lower the cut.
    fn score_pile(&mut self, pile: &mut Vec<u64>, scratch: &mut Scratch, stats: &mut SearchStats) {
        let codes = self.index.codes();
        if pile.len() > self.want {
            pile.select_nth_unstable(self.want);
        }
        let mut rest = pile.iter();
        scratch.nodes.clear();
        loop {
            let cut = self.cut;
            let useful = rest.by_ref().filter(|entry| **entry < cut);
            scratch.waiting.clear();
            scratch.waiting.extend(useful.take(AHEAD).map(|entry| node_of(*entry)));
            codes.prefetch(&scratch.waiting);
            self.score(scratch, stats);
            std::mem::swap(&mut scratch.nodes, &mut scratch.waiting);
            if scratch.nodes.is_empty() {
                break;
            }
        }
        pile.clear();
    }

    /// Scores `scratch.nodes` and keeps those below the cut.
    fn score(&mut self, scratch: &mut Scratch, stats: &mut SearchStats) {
        scratch.score(self.index.codes(), self.index.base_layer(), self.query, stats);
        for (node, key) in scratch.nodes.iter().zip(&scratch.keys) {
            let entry = pack(*key, *node);
            if entry < self.cut {
                self.found.push(entry);
                if self.sorted {
                    scratch.beam.insert(entry);
                }
            }
        }
        if self.sorted && scratch.beam.worst() < self.worst {
            self.worst = scratch.beam.worst();
            self.cut = self.cut.min(self.beyond(key_of(self.worst)));
        }
        if self.found.len() > self.room {
            self.select();
            self.room = self.found.len() * 2 + ROOM;
        }
    }

    /// Drops what is of no use.
    fn select(&mut self) {
        if !self.sorted && self.want > 0 && self.found.len() >= self.want {
            let last = *self.found.select_nth_unstable(self.want - 1).1;
            self.cut = self.cut.min(self.beyond(key_of(last)));
        }
        self.found.retain(|entry| *entry < self.cut);
    }

    /// The first entry that is farther than `key` by more than the likely error.
    fn beyond(&self, key: f32) -> u64 {
        let error = self.index.quantizer.likely_error(self.query, self.query.distance(key));
        pack(self.query.farther(key, error), u32::MAX >> 1)
    }

    fn finish(mut self, scratch: &mut Scratch) -> Vec<Candidate> {
        self.select();
        self.found.sort_unstable();
        let of = |e: &u64| Candidate { ord: node_of(*e), distance: self.query.distance(key_of(*e)) };
        let candidates = self.found.iter().map(of).collect();
        scratch.found = self.found;
        candidates
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hnsw::Rows;
    use crate::schema::{IndexKind, VectorSpec};
    use crate::vector::Metric;

    #[test]
    fn the_ones_of_a_word_come_in_order() {
        let mut out = vec![7];
        for (word, base) in [(0, 0), (1, 64), (1 << 63, 128), (0x8000_0000_0000_0101, 192), (u64::MAX, 256)] {
            push_ones(word, base, &mut out);
        }
        let expected: Vec<u32> = [7, 64, 191, 192, 200, 255].into_iter().chain(256..320).collect();
        assert_eq!(out, expected);
    }

    #[test]
    fn a_scan_of_blocks_finds_what_a_scan_of_rows_finds() {
        let (rows, dim) = (2_000_usize, 200_usize);
        let value = |at: usize| ((at * 7919 % 10_007) as f32 * 0.013).sin();
        let data: Vec<f32> = (0..rows * dim).map(value).collect();
        let present = Bitmap::from_fn(rows, |ord| ord % 11 != 3);
        let few = Bitmap::from_fn(rows, |ord| ord % 7 == 0);
        let uneven = Bitmap::from_fn(rows, |ord| ord % 640 < 200 || ord % 13 == 0);
        for metric in [Metric::Cosine, Metric::L2, Metric::Ip] {
            let spec = VectorSpec { index: IndexKind::Flat, ..VectorSpec::new(dim, metric) };
            let index = VectorIndex::build(
                &spec,
                &Rows { data: &data, dim, present: Some(&present) },
                1,
                &mut |_, _| true,
            )
            .unwrap();
            index.blocks();
            for allowed in [None, Some(&few), Some(&uneven)] {
                for (rows, within) in [(10, f64::INFINITY), (300, f64::INFINITY), (10, 0.9)] {
                    let single = VectorIndex::decode(index.encode().to_vec(), &spec, 2_000).unwrap();
                    let query: Vec<f32> = (0..dim).map(|at| value(at * 17 + 3)).collect();
                    let wanted = Wanted::nearest(rows, rows).within(within);
                    let mut stats = [SearchStats::default(), SearchStats::default()];
                    let found = index.scan_near(&query, wanted, allowed, &mut stats[0]).candidates;
                    let expected = single.scan_near(&query, wanted, allowed, &mut stats[1]).candidates;
                    let of =
                        |found: &[Candidate]| found.iter().map(|c| (c.ord, c.distance)).collect::<Vec<_>>();
                    assert_eq!(
                        of(&found)[..rows.min(found.len())],
                        of(&expected)[..rows.min(expected.len())]
                    );
                    assert_eq!(stats[0].estimates, stats[1].estimates);
                    // The first scan of an index goes row by row.
                    assert!(index.blocks.get().is_some() && single.blocks.get().is_none());
                }
            }
        }
    }
}
