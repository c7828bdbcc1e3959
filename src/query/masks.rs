//! The filter of a query as one bitmap per part of the view, live rows only, with its exact cardinality.

use super::filter::{Filter, Predicate};
use super::request::{Leg, Request, Required, TextLeg};
use crate::bitmap::Bitmap;
use crate::collection::{Connected, Snapshot, TextView, metadata_of};
use crate::columns::{Columns, Passing};
use crate::error::{Error, Result};
use crate::text::{Interrupt, TextConfig, TextQuery};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Which rows qualify, part by part.
pub struct Masks {
    /// `None` where every row of the part qualifies.
    pub parts: Vec<Option<Arc<Bitmap>>>,
    /// Qualifying rows of each part.
    pub counts: Vec<usize>,
    /// The filter, where rows in `parts` have still to be read before it is known whether they qualify.
    open: Option<Predicate>,
    /// Rows that were read for that.
    read: AtomicU64,
}

/// Rows that are read before a search starts. Where more have to be, they are read as the search finds them.
const READ_AHEAD: usize = 8_192;

impl Masks {
    /// Evaluates the filter and the required texts of the request, and `restricting` besides: the texts of
    /// legs that rank nothing, such as one of forbidden words only beside a vector. Where the columns leave the filter
    /// open for many rows, these are in the masks, unless `exact`, and [`keeps`](Self::keeps) has to be asked about each.
    pub fn build(
        snapshot: Snapshot<'_>,
        request: &Request,
        restricting: &[Arc<TextQuery>],
        exact: bool,
    ) -> Result<Self> {
        let predicate = match &request.filter {
            Some(filter) => Some(
                filter.bind(&snapshot.storage.table, snapshot.schema, &|test| snapshot.resolve_keys(test))?,
            ),
            None => None,
        };
        let view = snapshot.view;
        let (mut parts, mut passing) = (Vec::with_capacity(view.parts()), Vec::with_capacity(view.parts()));
        for part in 0..view.parts() {
            let (mask, own) = filtered(snapshot, predicate.as_ref(), part)?;
            parts.push(mask);
            passing.push(own);
        }
        for required in &request.must_match {
            require_text(snapshot, &parse_text(snapshot, &required.text)?, required.least, &mut parts)?;
        }
        for query in restricting {
            require_text(snapshot, query, None, &mut parts)?;
        }
        let open: Vec<Option<Bitmap>> =
            parts.iter().zip(&passing).map(|(mask, own)| open(mask, own)).collect();
        let unread: usize = open.iter().flatten().map(Bitmap::count).sum();
        let mut masks = Self { parts, counts: Vec::new(), open: None, read: AtomicU64::new(0) };
        if let Some(predicate) = predicate.filter(|_| unread > 0) {
            if exact || unread <= READ_AHEAD {
                for (part, open) in open.iter().enumerate() {
                    if let Some(open) = open {
                        masks.settle(snapshot, &predicate, part, open)?;
                    }
                }
            } else {
                masks.open = Some(predicate);
            }
        }
        masks.counts = counts(snapshot, &masks.parts);
        Ok(masks)
    }

    /// Reads the rows of a part for which the filter is open, and keeps those that pass.
    fn settle(
        &mut self,
        snapshot: Snapshot<'_>,
        predicate: &Predicate,
        part: usize,
        open: &Bitmap,
    ) -> Result<()> {
        let Some(mask) = self.parts.get_mut(part).and_then(Option::as_mut) else { return Ok(()) };
        let mask = Arc::make_mut(mask);
        let mut read = Vec::new();
        for (nth, ord) in open.iter().enumerate() {
            if nth % 256 == 0 && snapshot.interrupted() {
                return Err(Error::Interrupted);
            }
            let passes = passes(*snapshot, predicate, snapshot.rowid(part, ord)?)?;
            if !passes {
                mask.remove(ord);
            }
            read.push((ord, passes));
            self.read.fetch_add(1, Ordering::Relaxed);
        }
        // What a living row of a segment holds changes only with an entry of the log, so the next search need not read it again.
        snapshot.view.settle(part, predicate.cache_key().as_deref(), &read);
        Ok(())
    }

    /// Whether some rows of the masks may not qualify.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Rows that were read because the columns left the filter open for them.
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Whether a row that a search over these masks has found qualifies.
    pub fn keeps(&self, on: Connected<'_>, rowid: i64) -> Result<bool> {
        let Some(predicate) = &self.open else { return Ok(true) };
        self.read.fetch_add(1, Ordering::Relaxed);
        passes(on, predicate, rowid)
    }

    /// Leaves matching rows only, where the masks leave so few rows that each is looked at; whether they do.
    pub fn match_few(&mut self, snapshot: Snapshot<'_>, query: &TextQuery) -> Result<bool> {
        if !are_few(snapshot, &self.parts) {
            return Ok(false);
        }
        keep_matching(snapshot, snapshot.text_for(query)?.as_ref(), query, None, &mut self.parts)?;
        self.counts = counts(snapshot, &self.parts);
        Ok(true)
    }

    /// Qualifying rows in all parts.
    pub fn total(&self) -> usize {
        self.counts.iter().sum()
    }

    /// Whether a row qualifies.
    pub fn contains(&self, part: usize, ord: u32) -> bool {
        self.parts.get(part).is_some_and(|mask| mask.as_ref().is_none_or(|mask| mask.contains(ord)))
    }
}

fn counts(snapshot: Snapshot<'_>, parts: &[Option<Arc<Bitmap>>]) -> Vec<usize> {
    let count = |(part, mask): (usize, &Option<Arc<Bitmap>>)| {
        mask.as_ref().map_or_else(|| snapshot.view.part_len(part), |mask| snapshot.view.count(part, mask))
    };
    parts.iter().enumerate().map(count).collect()
}

/// Whether a stored row passes the filter.
fn passes(on: Connected<'_>, predicate: &Predicate, rowid: i64) -> Result<bool> {
    let Some(row) = on.storage.row(on.conn, rowid)? else { return Ok(false) };
    Ok(predicate.matches(rowid, &metadata_of(on.schema, &row.values)) == Some(true))
}

/// The rows of a mask for which the filter is open.
fn open(mask: &Option<Arc<Bitmap>>, passing: &Option<Passing>) -> Option<Bitmap> {
    let mut open = passing.as_ref()?.open()?;
    if let Some(mask) = mask {
        open.and(mask);
    }
    (!open.is_empty()).then_some(open)
}

/// The living rows of a part that may qualify, and what the filter says of all its rows.
fn filtered(
    snapshot: Snapshot<'_>,
    predicate: Option<&Predicate>,
    part: usize,
) -> Result<(Option<Arc<Bitmap>>, Option<Passing>)> {
    let view = snapshot.view;
    let alive = view.part_alive(part);
    let Some(predicate) = predicate else { return Ok((alive, None)) };
    if view.part_len(part) == 0 {
        return Ok((Some(Arc::new(Bitmap::empty(0))), None));
    }
    let make = |columns: &Columns| predicate.eval(columns).into();
    let passing = snapshot.predicate(part, predicate.cache_key().as_deref(), &make)?;
    let mask = match alive {
        None => Arc::clone(&passing.possible),
        Some(mut alive) => {
            Arc::make_mut(&mut alive).and(&passing.possible);
            alive
        }
    };
    Ok((Some(mask), Some(passing)))
}

/// Parses a text leg.
pub fn parse_text(snapshot: Snapshot<'_>, leg: &TextLeg) -> Result<TextQuery> {
    if snapshot.schema.full_texts().next().is_none() {
        let table = &snapshot.storage.table;
        return Err(Error::QueryText(format!("{table} has no FULLTEXT column to match a text against")));
    }
    let options = snapshot.settings.text_options(snapshot.schema, &leg.options);
    TextConfig::of(snapshot.schema).parse(&leg.query, leg.field, options)
}

/// Rowids of all live rows that match a text, within its bound.
pub fn matching_rowids(snapshot: Snapshot<'_>, leg: &Leg) -> Result<HashSet<i64>> {
    rowids(snapshot, &Request { must_match: Required::of(leg).into_iter().collect(), ..Request::default() })
}

/// Rowids of all live rows that pass a filter, in no order.
pub fn passing_rowids(snapshot: Snapshot<'_>, filter: &Filter) -> Result<Vec<i64>> {
    rowids(snapshot, &Request { filter: Some(filter.clone()), ..Request::default() })
}

/// Number of live rows that pass a filter.
pub fn passing_count(snapshot: Snapshot<'_>, filter: &Filter) -> Result<usize> {
    let request = Request { filter: Some(filter.clone()), ..Request::default() };
    Ok(Masks::build(snapshot, &request, &[], true)?.total())
}

fn rowids<C: Default + Extend<i64>>(snapshot: Snapshot<'_>, request: &Request) -> Result<C> {
    let masks = Masks::build(snapshot, request, &[], true)?;
    let mut rowids = C::default();
    for (part, mask) in masks.parts.iter().enumerate() {
        let all = || Bitmap::full(snapshot.view.part_len(part));
        for ord in mask.as_ref().map_or_else(|| Arc::new(all()), Arc::clone).iter() {
            rowids.extend([snapshot.rowid(part, ord)?]);
        }
    }
    Ok(rowids)
}

/// Leaves the rows that match, and have at least the BM25 `least`.
fn require_text(
    snapshot: Snapshot<'_>,
    query: &TextQuery,
    least: Option<f64>,
    parts: &mut [Option<Arc<Bitmap>>],
) -> Result<()> {
    let view = snapshot.view;
    let text = snapshot.text_for(query)?;
    if are_few(snapshot, parts) {
        return keep_matching(snapshot, &text, query, least, parts);
    }
    let mut matching: Vec<Bitmap> =
        (0..view.parts()).map(|part| Bitmap::empty(view.part_len(part))).collect();
    let asked = || snapshot.interrupted();
    for (segment, found) in text.searcher.matches(query, &Interrupt::new(&asked))?.iter().enumerate() {
        let (part, base) = text.locate(segment, 0);
        if part < view.segments.len() {
            matching[part].or(found);
        } else {
            found.iter().for_each(|ord| matching[part].insert(base + ord));
        }
    }
    for (mask, mut found) in parts.iter_mut().zip(matching) {
        if let Some(mask) = mask.as_ref() {
            found.and(mask);
        }
        *mask = Some(Arc::new(found));
    }
    if least.is_some() { keep_matching(snapshot, &text, query, least, parts) } else { Ok(()) }
}

/// Below one row in this many, each row is looked at instead of all that match.
const SPARSE: usize = 64;

fn are_few(snapshot: Snapshot<'_>, parts: &[Option<Arc<Bitmap>>]) -> bool {
    let few = |part: usize| snapshot.view.part_len(part) / SPARSE;
    parts.iter().enumerate().all(|(part, mask)| mask.as_ref().is_some_and(|mask| mask.count() <= few(part)))
}

/// Keeps of some rows those that match, and have at least the BM25 `least`.
fn keep_matching(
    snapshot: Snapshot<'_>,
    text: &TextView,
    query: &TextQuery,
    least: Option<f64>,
    parts: &mut [Option<Arc<Bitmap>>],
) -> Result<()> {
    let asked = || snapshot.interrupted();
    let interrupt = Interrupt::new(&asked);
    let prepared = text.searcher.prepare(query, &interrupt)?;
    for (part, mask) in parts.iter_mut().enumerate() {
        let Some(mask) = mask.as_mut().filter(|mask| !mask.is_empty()) else { continue };
        let documents: Vec<_> = mask.iter().map(|ord| text.document(part, ord)).collect();
        let scores = text.searcher.scores(&prepared, &documents, &interrupt)?;
        let mut kept = Bitmap::empty(mask.len());
        for (ord, score) in mask.iter().zip(scores) {
            if score.is_some_and(|score| least.is_none_or(|least| f64::from(score) >= least)) {
                kept.insert(ord);
            }
        }
        *mask = Arc::new(kept);
    }
    Ok(())
}
