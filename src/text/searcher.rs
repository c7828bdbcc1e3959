//! Searching the text indexes of a view as one index.
//!
//! Invariant: hits come best first, equal scores in the order (segment, ord), whatever the masks and limits.
//! A query is compiled once for each edition of the rules that made the segments; the statistics of a word are those of
//! the token in segments of every edition.
//! Statistics of BM25 are summed over all segments and tell of the live documents (see `statistics`).

use super::analyzer::Edition;
use super::best::Best;
use super::compile::{Compiled, Compiler};
use super::directory::{Part, ViewDirectory};
use super::exact::Exact;
use super::interrupt::Interrupt;
use super::payload::TextPayload;
use super::query_text::{Node, Syntax, TextQuery};
use super::statistics::{Statistics, live_tokens};
use super::windows::{Bits, WINDOW, Windows};
use super::{TextConfig, engine, guarded, guarded_read};
use crate::bitmap::Bitmap;
use crate::error::Result;
use crate::memory;
use std::cmp::Ordering;
use std::sync::{Arc, OnceLock};
use tantivy::{Index, ReloadPolicy, Score, Searcher, SegmentReader};

/// Masks that allow fewer than one document in so many are walked document by document instead of filtering
/// whatever the query finds.
const SPARSE_MASK: usize = 64;

/// Relative error that one addition can bring into tantivy's sums, with room.
const SCORE_NOISE: Score = 2.5e-7;

/// A document found by text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TextHit {
    /// Position of the segment in the slice given to [`TextSearcher::open`].
    pub segment: usize,
    /// Ord within the segment.
    pub ord: u32,
    /// BM25 with column weights; larger is better.
    pub score: f32,
}

impl Eq for TextHit {}

impl PartialOrd for TextHit {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Smaller means better, so that a max-heap has the worst hit on top.
impl Ord for TextHit {
    fn cmp(&self, other: &Self) -> Ordering {
        other
            .score
            .total_cmp(&self.score)
            .then_with(|| (self.segment, self.ord).cmp(&(other.segment, other.ord)))
    }
}

/// A query that is ready to be searched for by the searcher that prepared it.
pub struct Prepared {
    /// `None` where the query has no word.
    current: Option<Compiled>,
    /// The same for segments of the first edition, where it differs.
    first: Option<Option<Compiled>>,
}

/// The text indexes of one view, opened. Immutable; share it by `Arc`.
pub struct TextSearcher {
    config: TextConfig,
    searcher: Searcher,
    segments: Vec<Slot>,
    /// Tokens of the live documents by field, counted for the first scores.
    tokens: OnceLock<Vec<u64>>,
}

struct Slot {
    docs: usize,
    edition: Edition,
    /// Position among tantivy's readers; `None` when the segment has nothing to search.
    reader: Option<usize>,
}

impl std::fmt::Debug for TextSearcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TextSearcher({} segments)", self.segments.len())
    }
}

impl TextSearcher {
    /// Opens segments with their deleted ords.
    ///
    /// # Errors
    /// [`crate::Error::Corrupt`] when tantivy cannot read the bytes.
    pub fn open(config: &TextConfig, segments: &[(Arc<TextPayload>, Option<Bitmap>)]) -> Result<Self> {
        guarded_read("opening the text index", || {
            memory::check(0)?;
            let mut parts = Vec::with_capacity(segments.len());
            let mut slots = Vec::with_capacity(segments.len());
            for (payload, deleted) in segments {
                let reader = payload.has_files().then_some(parts.len());
                slots.push(Slot { docs: payload.docs(), edition: payload.edition(), reader });
                if payload.has_files() {
                    parts.push(Part { payload, deleted: deleted.as_ref() });
                }
            }
            let index = Index::open(ViewDirectory::new(config, &parts)?).map_err(engine)?;
            let reader = index
                .reader_builder()
                .reload_policy(ReloadPolicy::Manual)
                .doc_store_cache_num_blocks(0)
                .try_into()
                .map_err(engine)?;
            let searcher = reader.searcher();
            for (at, reader) in searcher.segment_readers().iter().enumerate() {
                debug_assert_eq!(reader.segment_id().uuid_string(), format!("{at:032x}"));
            }
            Ok(Self { config: config.clone(), searcher, segments: slots, tokens: OnceLock::new() })
        })
    }

    /// Parses a query; see [`TextQuery::parse`].
    ///
    /// # Errors
    /// [`crate::Error::Limit`] when the text is too long or too deep.
    pub fn parse(&self, query: &str, field: Option<usize>, syntax: Syntax) -> Result<TextQuery> {
        guarded("parsing the query", || TextQuery::parse(&self.config, query, field, syntax))
    }

    /// Documents of each segment.
    pub(super) fn documents(&self) -> impl Iterator<Item = usize> {
        self.segments.iter().map(|slot| slot.docs)
    }

    /// The query for the segments that there are.
    fn compiled(&self, query: &TextQuery, scoring: bool, interrupt: &Interrupt<'_>) -> Result<Prepared> {
        let has = |edition| self.segments.iter().any(|slot| slot.edition == edition && slot.reader.is_some());
        let compile =
            |edition| query.root(edition).map(|root| self.compile(root, scoring, interrupt)).transpose();
        let (first, current) = (has(Edition::First), has(Edition::Current));
        if query.is_one() || !first {
            return Ok(Prepared { current: compile(Edition::Current)?, first: None });
        }
        let old = compile(Edition::First)?;
        let current = if current { compile(Edition::Current)? } else { None };
        Ok(Prepared { current, first: Some(old) })
    }

    /// The segments that have a tantivy reader.
    pub(super) fn readers(&self) -> impl Iterator<Item = (usize, &SegmentReader)> {
        self.segments
            .iter()
            .enumerate()
            .filter_map(|(at, slot)| Some((at, self.searcher.segment_readers().get(slot.reader?)?)))
    }

    fn compile(&self, root: &Node, scoring: bool, interrupt: &Interrupt<'_>) -> Result<Compiled> {
        let statistics = if scoring {
            let tokens = match self.tokens.get() {
                Some(tokens) => tokens,
                None => {
                    let tokens = live_tokens(&self.searcher, self.config.fields.len()).map_err(engine)?;
                    self.tokens.get_or_init(|| tokens)
                }
            };
            Some(Statistics { searcher: &self.searcher, tokens })
        } else {
            None
        };
        Compiler { config: &self.config, searcher: &self.searcher, statistics, interrupt }.compile(root)
    }

    /// Makes a query ready for scored searches of this searcher. What its prefixes, fuzzy words and hard phrases find is
    /// found here, once.
    ///
    /// # Errors
    /// [`crate::Error::Corrupt`] when tantivy fails on the bytes, [`crate::Error::Limit`] when a query of many words would
    /// read too much, [`crate::Error::Interrupted`].
    pub fn prepare(&self, query: &TextQuery, interrupt: &Interrupt<'_>) -> Result<Prepared> {
        guarded_read("searching text", || self.compiled(query, true, interrupt))
    }

    /// The best `limit` live documents. `allowed[i]`, where given, is the mask of segment i and is applied before
    /// the cut; a shorter slice means no mask for the segments beyond it.
    ///
    /// # Errors
    /// [`crate::Error::Corrupt`] when tantivy fails on the bytes, [`crate::Error::Interrupted`].
    pub fn best(
        &self,
        prepared: &Prepared,
        allowed: &[Option<Bitmap>],
        limit: usize,
        interrupt: &Interrupt<'_>,
    ) -> Result<Vec<TextHit>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        guarded_read("searching text", || {
            let mut best = Best::new(limit);
            for (segment, reader) in self.readers() {
                let Some(compiled) = prepared.of(self.segments[segment].edition) else { continue };
                let Compiled { weight, exact, .. } = compiled;
                // The sum of two numbers is the same in either order: only longer ones need care.
                let terms = exact.terms();
                best.slack = if terms > 2 { 1.0 - terms as Score * SCORE_NOISE } else { 1.0 };
                let mask = allowed.get(segment).and_then(Option::as_ref);
                let Some(weight) = weight else {
                    each_window(exact, reader, mask, true, interrupt, &mut |ord, score| {
                        best.push(TextHit { segment, ord, score });
                    })?;
                    continue;
                };
                if let Some(mask) = mask
                    && mask.count() < reader.max_doc() as usize / SPARSE_MASK
                {
                    walk(exact, reader, mask.iter(), interrupt, |ord, score| {
                        best.push(TextHit { segment, ord, score });
                    })?;
                    continue;
                }
                let alive = reader.alive_bitset();
                let mut scorer = if terms > 2 { Some(exact.open(reader)?) } else { None };
                let mut going = Ok(());
                weight
                    .for_each_pruning(best.threshold(), reader, &mut |ord, score| {
                        if going.is_ok() {
                            going = interrupt.after(1);
                        }
                        if going.is_err() {
                            return Score::MAX;
                        }
                        let live = alive.is_none_or(|alive| alive.is_alive(ord));
                        if live && mask.is_none_or(|mask| mask.contains(ord)) {
                            let score = scorer.as_mut().map_or(Some(score), |scorer| scorer.score(ord));
                            if let Some(score) = score {
                                best.push(TextHit { segment, ord, score });
                            }
                        }
                        best.threshold()
                    })
                    .map_err(engine)?;
                going?;
            }
            Ok(best.into_sorted())
        })
    }

    /// The live ords of each segment that match, for text as a filter.
    ///
    /// # Errors
    /// As [`Self::prepare`].
    pub fn matches(&self, query: &TextQuery, interrupt: &Interrupt<'_>) -> Result<Vec<Bitmap>> {
        let mut found: Vec<Bitmap> = self.segments.iter().map(|slot| Bitmap::empty(slot.docs)).collect();
        guarded_read("searching text", || {
            let prepared = self.compiled(query, false, interrupt)?;
            for (segment, reader) in self.readers() {
                let Some(compiled) = prepared.of(self.segments[segment].edition) else { continue };
                let Compiled { weight, exact, .. } = compiled;
                let found = &mut found[segment];
                let Some(weight) = weight else {
                    each_window(exact, reader, None, false, interrupt, &mut |ord, _| found.insert(ord))?;
                    continue;
                };
                let alive = reader.alive_bitset();
                let mut going = Ok(());
                weight
                    .for_each_no_score(reader, &mut |ords| {
                        if going.is_ok() {
                            going = interrupt.after(ords.len());
                        }
                        for ord in ords {
                            if alive.is_none_or(|alive| alive.is_alive(*ord)) {
                                found.insert(*ord);
                            }
                        }
                    })
                    .map_err(engine)?;
                going?;
            }
            Ok(found)
        })
    }

    /// BM25 of given documents (segment, ord): `None` where the document is dead or does not match.
    ///
    /// # Errors
    /// As [`Self::best`].
    pub fn scores(
        &self,
        prepared: &Prepared,
        docs: &[(usize, u32)],
        interrupt: &Interrupt<'_>,
    ) -> Result<Vec<Option<f32>>> {
        let mut scores = vec![None; docs.len()];
        if docs.is_empty() {
            return Ok(scores);
        }
        guarded_read("scoring text", || {
            let mut order: Vec<usize> = (0..docs.len()).collect();
            order.sort_unstable_by_key(|at| docs[*at]);
            for (segment, reader) in self.readers() {
                let start = order.partition_point(|at| docs[*at].0 < segment);
                let end = order.partition_point(|at| docs[*at].0 <= segment);
                let wanted = &order[start..end];
                if wanted.is_empty() {
                    continue;
                }
                let Some(compiled) = prepared.of(self.segments[segment].edition) else { continue };
                let Compiled { weight, exact, .. } = compiled;
                let mut next = 0;
                let mut found = |ord, score| {
                    while next < wanted.len() && docs[wanted[next]].1 < ord {
                        next += 1;
                    }
                    while next < wanted.len() && docs[wanted[next]].1 == ord {
                        scores[wanted[next]] = Some(score);
                        next += 1;
                    }
                };
                let ords = wanted.iter().map(|at| docs[*at].1);
                if weight.is_some() {
                    walk(exact, reader, ords, interrupt, found)?;
                } else {
                    let mut mask = Bitmap::empty(reader.max_doc() as usize);
                    ords.for_each(|ord| mask.insert(ord));
                    each_window(exact, reader, Some(&mask), true, interrupt, &mut found)?;
                }
            }
            Ok(scores)
        })
    }
}

impl Prepared {
    /// What had to be left out of the scores.
    pub fn warnings(&self) -> &[String] {
        let old = self.first.iter().flatten();
        self.current.iter().chain(old).next().map_or(&[], |compiled| &compiled.warnings)
    }

    /// The query for segments of an edition.
    fn of(&self, edition: Edition) -> Option<&Compiled> {
        match (edition, &self.first) {
            (Edition::First, Some(first)) => first.as_ref(),
            _ => self.current.as_ref(),
        }
    }
}

/// Calls `found` with the live matches of a heavy query among those of `mask`.
fn each_window(
    exact: &Exact,
    reader: &SegmentReader,
    mask: Option<&Bitmap>,
    scoring: bool,
    interrupt: &Interrupt<'_>,
    found: &mut dyn FnMut(u32, Score),
) -> Result<()> {
    let mut windows = Windows::open(exact, reader, scoring, interrupt)?;
    for base in (0..reader.max_doc()).step_by(WINDOW as usize) {
        let first = base as usize / 64;
        let mut bits: Bits = std::array::from_fn(|at| match mask {
            Some(mask) => mask.words().get(first + at).copied().unwrap_or(0),
            None => u64::MAX,
        });
        for (at, word) in bits.iter_mut().enumerate() {
            let start = base + 64 * at as u32;
            let count = reader.max_doc().saturating_sub(start).min(64);
            *word &= if count < 64 { (1 << count) - 1 } else { u64::MAX };
            if let Some(alive) = reader.alive_bitset() {
                for bit in 0..count {
                    if !alive.is_alive(start + bit) {
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

/// Scores the live matches among `ords`, which ascend.
fn walk(
    exact: &Exact,
    reader: &SegmentReader,
    ords: impl Iterator<Item = u32>,
    interrupt: &Interrupt<'_>,
    mut found: impl FnMut(u32, Score),
) -> Result<()> {
    let mut scorer = exact.open(reader)?;
    for ord in ords.take_while(|ord| *ord < reader.max_doc()) {
        interrupt.after(4)?;
        if reader.alive_bitset().is_none_or(|alive| alive.is_alive(ord))
            && let Some(score) = scorer.score(ord)
        {
            found(ord, score);
        }
    }
    Ok(())
}
