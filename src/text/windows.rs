//! Queries of many words, evaluated for some thousand documents at a time.
//!
//! tantivy's union looks at each word for each document, and so does [`super::exact`]; with hundreds of words that is most
//! of the work. Here each different word goes through its documents once, wherever in the tree it stands; a group is a
//! few operations on bits, and its scores are summed in the order of the query, as `exact` sums them.

use super::exact::{Exact, Place, Scorers};
use super::interrupt::Interrupt;
use crate::bitmap::Bitmap;
use crate::error::Result;
use std::ops::Range;
use tantivy::query::{Occur, Scorer};
use tantivy::{DocId, Score, SegmentReader};

/// Documents of a window.
const WINDOW: u32 = 2048;

const WORDS: usize = WINDOW as usize / 64;

/// One bit for each document of a window.
type Bits = [u64; WORDS];

/// The tree of a query over one segment.
struct Windows<'a> {
    words: Vec<Word>,
    root: Branch,
    scoring: bool,
    interrupt: &'a Interrupt<'a>,
    base: DocId,
    /// Unused sums, all zero.
    spare: Vec<Vec<f64>>,
}

/// A word, and what it finds in the current window.
struct Word {
    scorers: Vec<Box<dyn Scorer>>,
    /// The window that the rest belongs to.
    base: Option<DocId>,
    bits: Bits,
    /// Documents before each word of `bits`.
    ranks: [u16; WORDS],
    scores: Vec<f64>,
}

enum Branch {
    Word(usize, f64),
    Group(Group),
    /// At least this many of the branches.
    AtLeast(usize, Vec<Branch>),
}

struct Group {
    children: Vec<(Occur, Branch)>,
    /// Required children, the rarest first.
    musts: Vec<usize>,
    shoulds: bool,
}

/// What a place in the tree finds. Without scores, `sums` is empty.
struct Found {
    bits: Bits,
    sums: Vec<f64>,
}

impl<'a> Windows<'a> {
    /// Opens the tree over one segment; windows must be asked for in ascending order.
    fn open(
        exact: &Exact,
        reader: &SegmentReader,
        scoring: bool,
        interrupt: &'a Interrupt<'a>,
    ) -> Result<Self> {
        let scorers: Scorers = exact.scorers(reader)?;
        interrupt.after(20 * scorers.len())?;
        let words: Vec<Word> = scorers
            .into_iter()
            .map(|scorers| Word { scorers, base: None, bits: [0; WORDS], ranks: [0; WORDS], scores: vec![] })
            .collect();
        let root = Branch::grow(&exact.root, &words).0;
        Ok(Self { words, root, scoring, interrupt, base: 0, spare: Vec::new() })
    }

    /// Calls `each` with the documents from `base` on that match, among those of `mask`, and their scores.
    fn visit(&mut self, base: DocId, mask: &Bits, each: &mut dyn FnMut(DocId, f32)) -> Result<()> {
        self.base = base;
        let root = std::mem::replace(&mut self.root, Branch::Word(0, 1.0));
        let found = self.eval(&root, mask);
        self.root = root;
        let found = found?;
        for at in ones(&found.bits) {
            each(base + at as DocId, found.sums.get(at).map_or(0.0, |sum| *sum as f32));
        }
        self.release(found);
        Ok(())
    }

    fn eval(&mut self, branch: &Branch, mask: &Bits) -> Result<Found> {
        match branch {
            Branch::Word(..) => {
                let mut found = Found { bits: [0; WORDS], sums: self.sums() };
                found.bits = self.add(branch, mask, &mut found.sums)?;
                Ok(found)
            }
            Branch::Group(group) => self.group(group, mask),
            Branch::AtLeast(needed, children) => self.at_least(*needed, children, mask),
        }
    }

    /// Adds the scores of what `branch` finds among `mask` to `sums`.
    fn add(&mut self, branch: &Branch, mask: &Bits, sums: &mut [f64]) -> Result<Bits> {
        match branch {
            Branch::Word(word, boost) => {
                let word = self.fill(*word)?;
                let bits = and(&word.bits, mask);
                if !sums.is_empty() {
                    for at in ones(&bits) {
                        let before = word.bits[at / 64] & ((1 << (at % 64)) - 1);
                        let rank = usize::from(word.ranks[at / 64]) + before.count_ones() as usize;
                        sums[at] += word.scores[rank] * boost;
                    }
                }
                Ok(bits)
            }
            Branch::Group(_) | Branch::AtLeast(..) => {
                let found = self.eval(branch, mask)?;
                if !sums.is_empty() {
                    ones(&found.bits).for_each(|at| sums[at] += found.sums[at]);
                }
                let bits = found.bits;
                self.release(found);
                Ok(bits)
            }
        }
    }

    /// Scores of documents that have too few are summed, too, and not taken.
    fn at_least(&mut self, needed: usize, children: &[Branch], mask: &Bits) -> Result<Found> {
        let mut found = Found { bits: [0; WORDS], sums: self.sums() };
        let mut counts = [0_u16; WINDOW as usize];
        for child in children {
            let bits = self.add(child, mask, &mut found.sums)?;
            ones(&bits).for_each(|at| counts[at] += 1);
        }
        for (at, count) in counts.iter().enumerate() {
            if usize::from(*count) >= needed {
                found.bits[at / 64] |= 1 << (at % 64);
            } else if *count > 0 && self.scoring {
                found.sums[at] = 0.0;
            }
        }
        Ok(found)
    }

    fn group(&mut self, group: &Group, mask: &Bits) -> Result<Found> {
        let mut left = *mask;
        let mut found = Found { bits: [0; WORDS], sums: self.sums() };
        let mut parts: Vec<Option<Found>> = Vec::new();
        let matched = self.required(group, &mut left, &mut parts)?;
        let optional = group.musts.is_empty() && group.shoulds;
        if matched {
            if !optional {
                found.bits = left;
            }
            for (at, (occur, child)) in group.children.iter().enumerate() {
                match occur {
                    Occur::MustNot => {}
                    Occur::Must => {
                        if let Some(part) = parts.get(at).and_then(Option::as_ref)
                            && self.scoring
                        {
                            ones(&left).for_each(|at| found.sums[at] += part.sums[at]);
                        }
                    }
                    Occur::Should if optional || self.scoring => {
                        let bits = self.add(child, &left, &mut found.sums)?;
                        if optional {
                            found.bits.iter_mut().zip(bits).for_each(|(word, more)| *word |= more);
                        }
                    }
                    Occur::Should => {}
                }
            }
        }
        parts.into_iter().flatten().for_each(|part| self.release(part));
        Ok(found)
    }

    /// Leaves in `left` the documents that have all required and no forbidden children; whether there are any. What the
    /// required ones found goes to `parts`.
    fn required(&mut self, group: &Group, left: &mut Bits, parts: &mut Vec<Option<Found>>) -> Result<bool> {
        if !group.musts.is_empty() {
            parts.resize_with(group.children.len(), || None);
        }
        for at in &group.musts {
            let part = self.eval(&group.children[*at].1, left)?;
            *left = and(left, &part.bits);
            parts[*at] = Some(part);
            if left.iter().all(|word| *word == 0) {
                return Ok(false);
            }
        }
        for (occur, child) in &group.children {
            if *occur == Occur::MustNot {
                let scoring = std::mem::replace(&mut self.scoring, false);
                let gone = self.eval(child, left);
                self.scoring = scoring;
                left.iter_mut().zip(gone?.bits).for_each(|(word, gone)| *word &= !gone);
            }
        }
        Ok(left.iter().any(|word| *word != 0))
    }

    /// The word in the current window.
    fn fill(&mut self, word: usize) -> Result<&Word> {
        let base = self.base;
        if self.words[word].base != Some(base) {
            let mut sums = self.spare.pop().unwrap_or_else(|| vec![0.0; WINDOW as usize]);
            let end = base + WINDOW;
            let word = &mut self.words[word];
            word.base = Some(base);
            word.bits = [0; WORDS];
            let mut work = WORDS / 8;
            for scorer in &mut word.scorers {
                let mut doc = scorer.doc();
                if doc < base {
                    doc = scorer.seek(base);
                }
                while doc < end {
                    let at = (doc - base) as usize;
                    word.bits[at / 64] |= 1 << (at % 64);
                    sums[at] += f64::from(scorer.score());
                    work += 1;
                    doc = scorer.advance();
                }
            }
            word.scores.clear();
            let mut rank = 0;
            for (bits, place) in word.bits.iter().zip(&mut word.ranks) {
                *place = rank;
                rank += bits.count_ones() as u16;
            }
            word.scores.extend(ones(&word.bits).map(|at| std::mem::take(&mut sums[at])));
            self.spare.push(sums);
            self.interrupt.after(work)?;
        } else {
            self.interrupt.after(WORDS / 8)?;
        }
        Ok(&self.words[word])
    }

    fn sums(&mut self) -> Vec<f64> {
        if self.scoring { self.spare.pop().unwrap_or_else(|| vec![0.0; WINDOW as usize]) } else { Vec::new() }
    }

    /// Takes back the sums of `found`, which are zero outside of its bits.
    fn release(&mut self, mut found: Found) {
        if !found.sums.is_empty() {
            ones(&found.bits).for_each(|at| found.sums[at] = 0.0);
            self.spare.push(found.sums);
        }
    }
}

/// Calls `found` with the live matches of a heavy query in `range`, among those of `mask`.
pub(super) fn each_window(
    exact: &Exact,
    reader: &SegmentReader,
    range: Range<DocId>,
    mask: Option<&Bitmap>,
    scoring: bool,
    interrupt: &Interrupt<'_>,
    found: &mut dyn FnMut(DocId, Score),
) -> Result<()> {
    let mut windows = Windows::open(exact, reader, scoring, interrupt)?;
    for base in (range.start - range.start % WINDOW..range.end).step_by(WINDOW as usize) {
        let first = base as usize / 64;
        let mut bits: Bits = std::array::from_fn(|at| match mask {
            Some(mask) => mask.words().get(first + at).copied().unwrap_or(0),
            None => u64::MAX,
        });
        for (at, word) in bits.iter_mut().enumerate() {
            let start = base + 64 * at as u32;
            let below = |end: DocId| match end.saturating_sub(start) {
                count @ 0..64 => (1 << count) - 1,
                _ => u64::MAX,
            };
            *word &= below(range.end) & !below(range.start);
            if let Some(alive) = reader.alive_bitset() {
                for bit in 0..64 {
                    if *word & 1 << bit != 0 && !alive.is_alive(start + bit) {
                        *word &= !(1 << bit);
                    }
                }
            }
        }
        if bits.iter().any(|word| *word != 0) {
            windows.visit(base, &bits, found)?;
        }
    }
    Ok(())
}

impl Branch {
    /// The branch of a place, and about how many documents it finds.
    fn grow(place: &Place, words: &[Word]) -> (Self, u64) {
        match place {
            Place::Word(word, boost) => {
                let docs = words[*word].scorers.iter().map(|scorer| u64::from(scorer.size_hint())).sum();
                (Self::Word(*word, *boost), docs)
            }
            Place::AtLeast(needed, children) => {
                let (grown, sizes): (Vec<_>, Vec<u64>) =
                    children.iter().map(|child| Self::grow(child, words)).unzip();
                (Self::AtLeast(*needed, grown), (sizes.iter().sum::<u64>() / 2).min(u64::MAX / 4))
            }
            Place::Group(children) => {
                let mut sizes = Vec::with_capacity(children.len());
                let mut grown = Vec::with_capacity(children.len());
                for (occur, child) in children {
                    let (branch, size) = Self::grow(child, words);
                    grown.push((*occur, branch));
                    sizes.push(size);
                }
                let of = |wanted: Occur| (0..children.len()).filter(move |at| children[*at].0 == wanted);
                let mut musts: Vec<usize> = of(Occur::Must).collect();
                musts.sort_by_key(|at| sizes[*at]);
                let shoulds = of(Occur::Should).next().is_some();
                let size = match musts.first() {
                    Some(rarest) => sizes[*rarest],
                    None if shoulds => of(Occur::Should).map(|at| sizes[at]).sum(),
                    None => u64::MAX / 2,
                };
                (Self::Group(Group { children: grown, musts, shoulds }), size.min(u64::MAX / 4))
            }
        }
    }
}

/// The places of ones.
fn ones(bits: &Bits) -> impl Iterator<Item = usize> + use<> {
    let bits = *bits;
    bits.into_iter().enumerate().flat_map(|(index, mut word)| {
        std::iter::from_fn(move || {
            (word != 0).then(|| {
                let at = index * 64 + word.trailing_zeros() as usize;
                word &= word - 1;
                at
            })
        })
    })
}

fn and(a: &Bits, b: &Bits) -> Bits {
    std::array::from_fn(|at| a[at] & b[at])
}
