//! Finds the documents of prefixes, fuzzy words and phrases ahead of the search.
//!
//! All words of a query are found together, segment by segment: what several of them need is read once. Phrases that end in
//! the same prefix go through its continuations together. Every document is found; only scores are bounded. A fuzzy word is an
//! automaton of megabytes where it is long: there is one at a time.

use super::engine;
use super::expand::Open;
use super::found::{Counter, Found, Times, living};
use super::interrupt::Interrupt;
use super::occurrences::Phrases;
use super::opened::Readers;
use super::query_text::Matcher;
use super::waiting::Waiting;
use crate::bitmap::Bitmap;
use crate::error::Result;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use tantivy::index::SegmentId;
use tantivy::postings::{BlockSegmentPostings, Postings, TermInfo};
use tantivy::query::FuzzyTermQuery;
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocId, DocSet, InvertedIndexReader, SegmentReader, Term};

/// Documents whose times are kept, over all words of a query (8 bytes each); those of further words get no score.
const MAX_RANKED: usize = 1 << 24;

/// Places of phrases that wait for a continuation at once.
const MAX_WAITING: usize = 1 << 22;

/// Documents that phrases with a prefix are found among at once; each round goes through all continuations.
const ROUND: u32 = 1 << 20;

/// What it takes to make the automaton of a fuzzy word, for each of its bytes, in documents looked at.
const AUTOMATON: usize = 256;

/// Fuzzy words with their distances and whether they are beginnings, and the jobs for each.
type Fuzzy<'a> = BTreeMap<(&'a str, u8, bool), Vec<usize>>;

/// What to look for in one column.
pub(super) struct Job<'a> {
    pub field: Field,
    pub matcher: &'a Matcher,
}

/// What was found of it.
#[derive(Default)]
pub(super) struct Outcome {
    pub segments: HashMap<SegmentId, Arc<Found>>,
    /// Living documents that hold a word it stands for; of a phrase, its last word.
    pub holders: u64,
}

pub(super) struct Finder<'a> {
    pub readers: &'a Readers,
    pub scoring: bool,
    pub interrupt: &'a Interrupt<'a>,
}

/// The words of all jobs in one column of one segment.
struct Place<'a> {
    reader: &'a SegmentReader,
    index: Arc<InvertedIndexReader>,
    phrases: Phrases<'a>,
}

impl Finder<'_> {
    /// The outcome of each job, and whether some were too many to be scored.
    pub(super) fn find(&self, jobs: &[Job<'_>]) -> Result<(Vec<Outcome>, bool)> {
        let mut outcomes: Vec<Outcome> = jobs.iter().map(|_| Outcome::default()).collect();
        if jobs.is_empty() {
            return Ok((outcomes, false));
        }
        let mut left = if self.scoring { MAX_RANKED } else { 0 };
        let mut shared = HashSet::new();
        let mut seen = HashSet::new();
        let mut fuzzy: Fuzzy<'_> = BTreeMap::new();
        // Phrases that end in the same prefix, or its stem, of the same column.
        let mut endings: BTreeMap<(u32, &str, Option<&str>), Vec<usize>> = BTreeMap::new();
        for (number, job) in jobs.iter().enumerate() {
            match job.matcher {
                Matcher::Fuzzy { term, distance, open } => {
                    fuzzy.entry((term, *distance, *open)).or_default().push(number);
                }
                Matcher::Phrase { tokens, prefix, also, .. } => {
                    let fixed = &tokens[..tokens.len() - usize::from(*prefix)];
                    let mut words: Vec<&str> = fixed.iter().map(|(_, token)| token.as_str()).collect();
                    words.sort_unstable();
                    words.dedup();
                    shared.extend(words.into_iter().filter(|word| !seen.insert((job.field, *word))));
                    if let (true, Some((_, end))) = (*prefix, tokens.last()) {
                        endings.entry((job.field.field_id(), end, also.as_deref())).or_default().push(number);
                    }
                }
                Matcher::Prefix { .. } | Matcher::Term(_) => {}
            }
        }
        self.errors(jobs, &fuzzy, &mut outcomes, &mut left)?;
        for (_, reader) in self.readers.each() {
            let mut counter = Counter::new(reader.max_doc());
            let mut places: HashMap<Field, Place<'_>> = HashMap::new();
            for (number, job) in jobs.iter().enumerate() {
                let place = match places.entry(job.field) {
                    Entry::Occupied(place) => place.into_mut(),
                    Entry::Vacant(place) => {
                        let index = reader.inverted_index(job.field).map_err(engine)?;
                        let phrases = Phrases::new(Arc::clone(&index), self.interrupt, &shared);
                        place.insert(Place { reader, index, phrases })
                    }
                };
                match job.matcher {
                    Matcher::Prefix { prefix, also } => {
                        let open = Open::Prefix { prefix, also: also.as_deref() };
                        self.count(&open, &place.index, &mut counter)?;
                    }
                    Matcher::Phrase { tokens, slop, prefix: false, .. } => {
                        let all = 0..reader.max_doc();
                        place.phrases.each(tokens, *slop, all, None, &mut |doc, starts| {
                            counter.add(doc, starts.len() as u32, false);
                        })?;
                    }
                    _ => continue,
                }
                outcomes[number].take(reader, &mut counter, &mut left);
            }
            for ((field, prefix, also), numbers) in &endings {
                if let Some(place) = places.get_mut(&Field::from_field_id(*field)) {
                    let end = Open::Prefix { prefix, also: *also };
                    self.endings(jobs, numbers, &end, place, &mut outcomes, &mut left)?;
                }
            }
        }
        let unranked = |outcome: &Outcome| {
            outcome.segments.values().any(|found| matches!(found.as_ref(), Found::Unranked(_)))
        };
        let some = self.scoring && outcomes.iter().any(unranked);
        Ok((outcomes, some))
    }

    /// Finds fuzzy words. The automaton of a long one takes megabytes and milliseconds: it serves all columns and segments,
    /// and is gone before the next one is made.
    fn errors(
        &self,
        jobs: &[Job<'_>],
        words: &Fuzzy<'_>,
        outcomes: &mut [Outcome],
        left: &mut usize,
    ) -> Result<()> {
        let mut counters: Vec<(&SegmentReader, Counter)> = if words.is_empty() {
            Vec::new()
        } else {
            self.readers.each().map(|(_, reader)| (reader, Counter::new(reader.max_doc()))).collect()
        };
        for ((term, distance, open), numbers) in words {
            self.interrupt.after(term.len() * AUTOMATON)?;
            let word = Term::from_field_text(Field::from_field_id(0), term);
            let automaton = FuzzyTermQuery::new(word, *distance, true).automaton().map_err(engine)?;
            let open = if *open { Open::Beginnings(automaton) } else { Open::Fuzzy { term, automaton } };
            for (reader, counter) in &mut counters {
                for number in numbers {
                    let index = reader.inverted_index(jobs[*number].field).map_err(engine)?;
                    self.count(&open, &index, counter)?;
                    outcomes[*number].take(reader, counter, left);
                }
            }
        }
        Ok(())
    }

    /// Counts the terms that a word stands for.
    fn count(&self, open: &Open<'_>, index: &InvertedIndexReader, counter: &mut Counter) -> Result<()> {
        let option = if self.scoring { IndexRecordOption::WithFreqs } else { IndexRecordOption::Basic };
        let mut blocks: Option<BlockSegmentPostings> = None;
        open.terms(index, self.interrupt, &mut |info, exact| {
            let blocks = read(index, info, option, &mut blocks)?;
            while !blocks.docs().is_empty() {
                self.interrupt.after(blocks.docs().len())?;
                if self.scoring {
                    for (doc, times) in blocks.docs().iter().zip(blocks.freqs()) {
                        counter.add(*doc, *times, exact);
                    }
                } else {
                    blocks.docs().iter().for_each(|doc| counter.add(*doc, 1, exact));
                }
                blocks.advance();
            }
            Ok(())
        })
    }

    /// Finds phrases whose last word is one that `end` stands for.
    fn endings(
        &self,
        jobs: &[Job<'_>],
        numbers: &[usize],
        end: &Open<'_>,
        place: &mut Place<'_>,
        outcomes: &mut [Outcome],
        left: &mut usize,
    ) -> Result<()> {
        let mut terms: Vec<(TermInfo, bool)> = Vec::new();
        end.terms(&place.index, self.interrupt, &mut |info, exact| {
            terms.push((info.clone(), exact));
            Ok(())
        })?;
        if terms.is_empty() {
            return Ok(());
        }
        let docs = place.reader.max_doc();
        let total: u64 = terms.iter().map(|(info, _)| u64::from(info.doc_freq)).sum();
        let mut holders = Bitmap::empty(docs as usize);
        let mut known = false;
        let mut results: HashMap<usize, (Vec<DocId>, Vec<Times>)> = HashMap::new();
        for start in (0..docs).step_by(ROUND as usize) {
            let range = start..docs.min(start.saturating_add(ROUND));
            let mut waiting = Waiting::new(range.clone());
            for (at, number) in numbers.iter().enumerate() {
                let Matcher::Phrase { tokens, .. } = jobs[*number].matcher else { continue };
                let Some(((last, _), fixed)) = tokens.split_last() else { continue };
                // Where few documents have a continuation, or many phrases wait for it, only those are looked at.
                let many = numbers.len() > 1;
                if !known && (many || total < u64::from(place.phrases.most(fixed)?) / 4) {
                    self.holders(place, &terms, &mut holders)?;
                    known = true;
                }
                let gate = known.then_some(&holders);
                waiting.add(&mut place.phrases, *number, fixed, *last as u32, gate)?;
                if waiting.keys.len() > MAX_WAITING || at + 1 == numbers.len() {
                    let seen = (self.scoring && !known).then_some(&mut holders);
                    self.continuations(place, &terms, &mut waiting, seen)?;
                    waiting.give(&mut results);
                    known |= self.scoring && range.end - range.start == docs;
                    waiting = Waiting::new(range.clone());
                }
            }
        }
        let holders = living(place.reader, holders.count(), holders.iter());
        for number in numbers {
            outcomes[*number].holders += holders;
            if let Some((docs, times)) = results.remove(number) {
                outcomes[*number].keep(place.reader, Found::Ranked(docs, times), left);
            }
        }
        Ok(())
    }

    /// All documents of some terms.
    fn holders(&self, place: &Place<'_>, terms: &[(TermInfo, bool)], into: &mut Bitmap) -> Result<()> {
        let mut blocks = None;
        for (info, _) in terms {
            let blocks = read(&place.index, info, IndexRecordOption::Basic, &mut blocks)?;
            while !blocks.docs().is_empty() {
                self.interrupt.after(blocks.docs().len())?;
                blocks.docs().iter().for_each(|doc| into.insert(*doc));
                blocks.advance();
            }
        }
        Ok(())
    }

    /// Marks the places that one of the terms stands at; notes all documents of the range in `seen`.
    fn continuations(
        &self,
        place: &Place<'_>,
        terms: &[(TermInfo, bool)],
        waiting: &mut Waiting,
        mut seen: Option<&mut Bitmap>,
    ) -> Result<()> {
        waiting.sort();
        if waiting.keys.is_empty() && seen.is_none() {
            return Ok(());
        }
        let mut blocks = None;
        let mut wanted = Vec::new();
        let mut positions = Vec::new();
        for (info, exact) in terms {
            let blocks = read(&place.index, info, IndexRecordOption::Basic, &mut blocks)?;
            if waiting.range.start > 0 {
                blocks.seek(waiting.range.start);
            }
            wanted.clear();
            'blocks: while !blocks.docs().is_empty() {
                self.interrupt.after(blocks.docs().len() + 20)?;
                for doc in blocks.docs() {
                    if *doc >= waiting.range.end {
                        break 'blocks;
                    }
                    if *doc < waiting.range.start {
                        continue;
                    }
                    if let Some(seen) = &mut seen {
                        seen.insert(*doc);
                    }
                    if waiting.has(*doc) {
                        wanted.push(*doc);
                    }
                }
                blocks.advance();
            }
            if wanted.is_empty() {
                continue;
            }
            let option = IndexRecordOption::WithFreqsAndPositions;
            let mut postings = place.index.read_postings_from_terminfo(info, option).map_err(engine)?;
            for doc in &wanted {
                postings.seek(*doc);
                postings.positions(&mut positions);
                self.interrupt.after(positions.len() * 2)?;
                waiting.mark(*doc, &positions, *exact);
            }
        }
        Ok(())
    }
}

impl Outcome {
    /// What was counted of one segment.
    fn take(&mut self, reader: &SegmentReader, counter: &mut Counter, left: &mut usize) {
        let found = counter.take(*left);
        self.holders += found.living(reader);
        self.keep(reader, found, left);
    }

    fn keep(&mut self, reader: &SegmentReader, found: Found, left: &mut usize) {
        let found = found.within(reader.max_doc() as usize, *left);
        if let Found::Ranked(docs, _) = &found {
            *left -= docs.len();
        }
        self.segments.insert(reader.segment_id(), Arc::new(found));
    }
}

/// The postings of a term, in the memory of those before.
fn read<'b>(
    index: &InvertedIndexReader,
    info: &TermInfo,
    option: IndexRecordOption,
    blocks: &'b mut Option<BlockSegmentPostings>,
) -> Result<&'b mut BlockSegmentPostings> {
    match blocks {
        Some(blocks) => {
            index.reset_block_postings_from_terminfo(info, blocks).map_err(engine)?;
            Ok(blocks)
        }
        None => Ok(blocks.insert(index.read_block_postings_from_terminfo(info, option).map_err(engine)?)),
    }
}
