//! Phrases whose words may stand some places off.
//!
//! A match gives each word of the phrase a place of its own in the text. How far the word is shifted is its place in the text less
//! its place in the phrase; the largest shift less the smallest is at most the slop. So there may be `slop` other words between those
//! of the phrase in all, and two neighbours that are swapped take 2. Lucene's sloppy phrases are defined so, too.
//!
//! Matches are found exactly: equal words that would cross may be exchanged without a shift leaving the range, so each may take the
//! first free place behind the one before.

use crate::error::Result;

/// A word of a phrase: its places in the phrase and those in the text, both ascending.
pub(super) type Places<'a> = (&'a [u32], &'a [u32]);

/// Calls `found` with the first and last place of each match. In further matches each word of the phrase takes a later place. `work` gets
/// the number of words that are looked at, and may end the search.
pub(super) fn each_match(
    words: &[Places<'_>],
    slop: u32,
    work: &dyn Fn(usize) -> Result<()>,
    found: &mut dyn FnMut(u32, u32),
) -> Result<()> {
    let count: usize = words.iter().map(|(offsets, _)| offsets.len()).sum();
    let mut free: Vec<Vec<usize>> = words.iter().map(|(offsets, _)| vec![0; offsets.len()]).collect();
    // No match left has a smaller shift.
    let mut from = i64::MIN / 2;
    loop {
        work(count)?;
        let (mut most, mut first, mut last) = (i64::MIN, u32::MAX, 0);
        for ((offsets, positions), free) in words.iter().zip(&mut free) {
            let mut next = 0;
            for (offset, free) in offsets.iter().zip(free) {
                let shift = |position: u32| i64::from(position) - i64::from(*offset);
                let at = next.max(*free);
                let at = at + positions[at..].partition_point(|position| shift(*position) < from);
                let Some(position) = positions.get(at) else { return Ok(()) };
                (*free, next) = (at, at + 1);
                most = most.max(shift(*position));
                (first, last) = (first.min(*position), last.max(*position));
            }
        }
        if most - from <= i64::from(slop) {
            found(first, last);
            free.iter_mut().flatten().for_each(|at| *at += 1);
        } else {
            from = most - i64::from(slop);
        }
    }
}
