//! Where words stand in the documents of one column of one segment, and where phrases of them begin.
//!
//! Called for phrases that tantivy's own scorer is no match for: it reads the positions of a word again for every phrase
//! that has it, takes one step for every occurrence of every word, and cannot be interrupted.

use super::engine;
use super::interrupt::Interrupt;
use super::loose::{Places, each_match};
use crate::bitmap::Bitmap;
use crate::error::Result;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;
use tantivy::postings::{Postings, SegmentPostings};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocId, DocSet, InvertedIndexReader, TERMINATED};

/// Positions of shared words that are kept in memory, per column and segment.
const MAX_HELD: usize = 1 << 24;

/// A phrase of more words than this, all of which are frequent in a document, is compared 64 positions at a time.
const LONG_PHRASE: usize = 16;
const FREQUENT: usize = 4096;

/// All places of one word.
struct Occurrences {
    docs: Vec<DocId>,
    /// Where the positions of each document end.
    ends: Vec<usize>,
    positions: Vec<u32>,
}

/// The documents of one word, ascending.
enum Cursor {
    Read(Box<SegmentPostings>),
    Held(Arc<Occurrences>, usize),
}

impl Cursor {
    fn doc(&self) -> DocId {
        match self {
            Self::Read(postings) => postings.doc(),
            Self::Held(all, at) => all.docs.get(*at).copied().unwrap_or(TERMINATED),
        }
    }

    fn seek(&mut self, target: DocId) -> DocId {
        if self.doc() < target {
            match self {
                Self::Read(postings) => {
                    postings.seek(target);
                }
                Self::Held(all, at) => {
                    let mut step = 1;
                    while all.docs.get(*at + step).is_some_and(|doc| *doc < target) {
                        *at += step;
                        step *= 2;
                    }
                    let end = all.docs.len().min(*at + step + 1);
                    *at += all.docs[*at..end].partition_point(|doc| *doc < target);
                }
            }
        }
        self.doc()
    }

    fn positions(&mut self, into: &mut Vec<u32>) {
        match self {
            Self::Read(postings) => postings.positions(into),
            Self::Held(all, at) => {
                let start = if *at == 0 { 0 } else { all.ends[*at - 1] };
                into.clear();
                into.extend_from_slice(&all.positions[start..all.ends[*at]]);
            }
        }
    }

    fn len(&self) -> u32 {
        match self {
            Self::Read(postings) => postings.doc_freq(),
            Self::Held(all, _) => all.docs.len() as u32,
        }
    }
}

/// Words of a phrase with their places in it.
pub(super) type Tokens = [(usize, String)];

/// Whether a phrase is one of two different words. With slop, tantivy counts such as [`near`] does; it gives no other loose phrase
/// what `loose` says.
pub(super) fn is_pair(tokens: &Tokens) -> bool {
    matches!(tokens, [(_, left), (_, right)] if left != right)
}

/// Reads phrases of one column of one segment.
pub(super) struct Phrases<'a> {
    pub index: Arc<InvertedIndexReader>,
    pub interrupt: &'a Interrupt<'a>,
    /// Words of several phrases.
    pub shared: &'a HashSet<&'a str>,
    held: HashMap<String, Arc<Occurrences>>,
    size: usize,
}

/// One word of a phrase in one document.
#[derive(Default)]
struct Word {
    /// Its places in the phrase.
    offsets: Vec<u32>,
    positions: Vec<u32>,
}

impl<'a> Phrases<'a> {
    pub(super) fn new(
        index: Arc<InvertedIndexReader>,
        interrupt: &'a Interrupt<'a>,
        shared: &'a HashSet<&'a str>,
    ) -> Self {
        Self { index, interrupt, shared, held: HashMap::new(), size: 0 }
    }

    fn cursor(&mut self, token: &str) -> Result<Option<Cursor>> {
        if let Some(held) = self.held.get(token) {
            return Ok(Some(Cursor::Held(Arc::clone(held), 0)));
        }
        let Some(info) = self.index.terms().get(token.as_bytes()).map_err(engine)? else { return Ok(None) };
        let option = IndexRecordOption::WithFreqsAndPositions;
        let mut postings = self.index.read_postings_from_terminfo(&info, option).map_err(engine)?;
        if !self.shared.contains(token) || self.size > MAX_HELD {
            return Ok(Some(Cursor::Read(Box::new(postings))));
        }
        let mut all = Occurrences { docs: Vec::new(), ends: Vec::new(), positions: Vec::new() };
        while postings.doc() != TERMINATED {
            all.docs.push(postings.doc());
            postings.append_positions_with_offset(0, &mut all.positions);
            all.ends.push(all.positions.len());
            self.interrupt.after(1 + postings.term_freq() as usize)?;
            postings.advance();
        }
        self.size += all.positions.len();
        let all = Arc::new(all);
        self.held.insert(token.to_owned(), Arc::clone(&all));
        Ok(Some(Cursor::Held(all, 0)))
    }

    /// Documents of `range` that hold every token, at most: those of the rarest one.
    pub(super) fn most(&self, tokens: &Tokens) -> Result<u32> {
        let mut least = u32::MAX;
        for (_, token) in tokens {
            let info = self.index.terms().get(token.as_bytes()).map_err(engine)?;
            least = least.min(info.map_or(0, |info| info.doc_freq));
        }
        Ok(least)
    }

    /// Calls `each` with every document of `range` (and of `gate`) that has the phrase, and the positions where it
    /// begins; with slop, as many positions as it has matches.
    pub(super) fn each(
        &mut self,
        tokens: &Tokens,
        slop: u32,
        range: Range<DocId>,
        gate: Option<&Bitmap>,
        each: &mut dyn FnMut(DocId, &[u32]),
    ) -> Result<()> {
        let mut cursors: Vec<(Cursor, Word)> = Vec::new();
        let mut known: HashMap<&str, usize> = HashMap::new();
        for (offset, token) in tokens {
            let place = *known.entry(token).or_insert(cursors.len());
            if place == cursors.len() {
                let Some(mut cursor) = self.cursor(token)? else { return Ok(()) };
                cursor.seek(range.start);
                cursors.push((cursor, Word::default()));
            }
            cursors[place].1.offsets.push(*offset as u32);
        }
        let ordered = |at: usize| known.get(tokens[at].1.as_str()).copied().unwrap_or(0);
        let pair = (slop > 0 && is_pair(tokens)).then(|| (ordered(0), ordered(1)));
        let mut order: Vec<usize> = (0..cursors.len()).collect();
        order.sort_by_key(|at| cursors[*at].0.len());
        let Some((first, others)) = order.split_first() else { return Ok(()) };
        let mut starts = Vec::new();
        let mut doc = cursors[*first].0.doc();
        'documents: while doc < range.end {
            self.interrupt.after(1)?;
            if gate.is_some_and(|gate| !gate.contains(doc)) {
                doc = cursors[*first].0.seek(doc + 1);
                continue;
            }
            for other in others {
                let next = cursors[*other].0.seek(doc);
                if next != doc {
                    doc = cursors[*first].0.seek(next);
                    continue 'documents;
                }
            }
            for (cursor, word) in &mut cursors {
                cursor.positions(&mut word.positions);
            }
            match pair {
                Some((left, right)) => {
                    let gap = (tokens[1].0 - tokens[0].0) as u32;
                    near(&cursors[left].1.positions, &cursors[right].1.positions, gap, slop, &mut starts);
                    self.interrupt.after(starts.len())?;
                }
                None if slop > 0 => {
                    starts.clear();
                    let words: Vec<Places<'_>> =
                        cursors.iter().map(|(_, word)| (&word.offsets[..], &word.positions[..])).collect();
                    let work = |count| self.interrupt.after(count);
                    each_match(&words, slop, &work, &mut |first, _| starts.push(first))?;
                }
                None => self.starts(&cursors, &mut starts)?,
            }
            if !starts.is_empty() {
                each(doc, &starts);
            }
            doc = cursors[*first].0.seek(doc + 1);
        }
        Ok(())
    }

    /// Where the phrase begins in the current document.
    fn starts(&self, words: &[(Cursor, Word)], starts: &mut Vec<u32>) -> Result<()> {
        let mut places: Vec<(&[u32], u32)> = words
            .iter()
            .flat_map(|(_, word)| word.offsets.iter().map(|offset| (word.positions.as_slice(), *offset)))
            .collect();
        places.sort_by_key(|(positions, _)| positions.len());
        starts.clear();
        let Some(((rarest, offset), rest)) = places.split_first() else { return Ok(()) };
        if places.len() > LONG_PHRASE && rarest.len() > FREQUENT {
            return self.long_starts(words, starts);
        }
        starts.extend(rarest.iter().filter_map(|position| position.checked_sub(*offset)));
        for (positions, offset) in rest {
            self.interrupt.after(starts.len())?;
            if starts.len() * 16 < positions.len() {
                starts.retain(|start| positions.binary_search(&(start + offset)).is_ok());
            } else {
                let mut at = positions.iter().copied().peekable();
                starts.retain(|start| {
                    while at.next_if(|position| *position < start + offset).is_some() {}
                    at.peek() == Some(&(start + offset))
                });
            }
            if starts.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// The same by bits: one for each position of the document.
    fn long_starts(&self, words: &[(Cursor, Word)], starts: &mut Vec<u32>) -> Result<()> {
        let last = words.iter().filter_map(|(_, word)| word.positions.last()).max().copied().unwrap_or(0);
        let mut left = Bitmap::full(last as usize + 1).words().to_vec();
        for (_, word) in words {
            let mut bits = Bitmap::empty(last as usize + 1);
            word.positions.iter().for_each(|position| bits.insert(*position));
            let bits = bits.words();
            for offset in &word.offsets {
                let (skip, shift) = (*offset as usize / 64, offset % 64);
                for (at, left) in left.iter_mut().enumerate() {
                    let low = bits.get(at + skip).map_or(0, |bits| bits >> shift);
                    let high = match shift {
                        0 => 0,
                        _ => bits.get(at + skip + 1).map_or(0, |bits| bits << (64 - shift)),
                    };
                    *left &= low | high;
                }
                self.interrupt.after(left.len())?;
            }
        }
        starts.extend(Bitmap::from_words(left, last as usize + 1).iter());
        Ok(())
    }
}

/// Matches of two words `gap` apart, give or take `slop`: each occurrence of either belongs to one match at most, and
/// the left one is the last that does not come too late. As tantivy counts.
fn near(left: &[u32], right: &[u32], gap: u32, slop: u32, matches: &mut Vec<u32>) {
    matches.clear();
    let mut lefts = left.iter().map(|position| position + gap).peekable();
    let mut rights = right.iter().copied().peekable();
    while let (Some(a), Some(b)) = (lefts.peek().copied(), rights.peek().copied()) {
        if a.abs_diff(b) <= slop {
            lefts.next();
            while lefts.next_if(|next| *next <= b).is_some() {}
            rights.next();
            matches.push(b);
        } else if a < b {
            lefts.next();
        } else {
            rights.next();
        }
    }
}
