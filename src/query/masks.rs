//! The filter of a query as one bitmap per part of the view, live rows only, with its exact cardinality.

use super::filter::{Filter, Predicate};
use super::request::{Request, TextLeg};
use crate::bitmap::Bitmap;
use crate::collection::{Snapshot, TextView};
use crate::columns::Columns;
use crate::error::{Error, Result};
use crate::text::{Interrupt, TextQuery};
use std::collections::HashSet;
use std::sync::Arc;

/// Which rows qualify, part by part.
pub struct Masks {
    /// `None` where every row of the part qualifies.
    pub parts: Vec<Option<Arc<Bitmap>>>,
    /// Qualifying rows of each part.
    pub counts: Vec<usize>,
}

impl Masks {
    /// Evaluates the filter and the required texts of the request, and `restricting` besides: the texts of
    /// legs that rank nothing, such as one of forbidden words only beside a vector.
    pub fn build(snapshot: Snapshot<'_>, request: &Request, restricting: &[Arc<TextQuery>]) -> Result<Self> {
        let predicate = match &request.filter {
            Some(filter) => Some(
                filter.bind(&snapshot.storage.table, snapshot.schema, &|keys| snapshot.resolve_keys(keys))?,
            ),
            None => None,
        };
        let view = snapshot.view;
        let mut parts = Vec::with_capacity(view.parts());
        for part in 0..view.parts() {
            parts.push(filtered(snapshot, predicate.as_ref(), part)?);
        }
        for leg in &request.must_match {
            require_text(snapshot, &parse_text(snapshot, leg)?, &mut parts)?;
        }
        for query in restricting {
            require_text(snapshot, query, &mut parts)?;
        }
        let counts = parts
            .iter()
            .enumerate()
            .map(|(part, mask)| mask.as_ref().map_or_else(|| view.part_len(part), |mask| mask.count()))
            .collect();
        Ok(Self { parts, counts })
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

fn filtered(
    snapshot: Snapshot<'_>,
    predicate: Option<&Predicate>,
    part: usize,
) -> Result<Option<Arc<Bitmap>>> {
    let view = snapshot.view;
    let alive = view.part_alive(part);
    let Some(predicate) = predicate else { return Ok(alive.map(Arc::new)) };
    if view.part_len(part) == 0 {
        return Ok(Some(Arc::new(Bitmap::empty(0))));
    }
    let make = |columns: &Columns| predicate.eval(columns);
    let passing = snapshot.predicate(part, predicate.cache_key(), make)?;
    Ok(Some(match alive {
        None => passing,
        Some(mut alive) => {
            alive.and(&passing);
            Arc::new(alive)
        }
    }))
}

/// Parses a text leg against the view's searcher.
pub fn parse_text(snapshot: Snapshot<'_>, leg: &TextLeg) -> Result<TextQuery> {
    if snapshot.schema.full_texts().next().is_none() {
        let table = &snapshot.storage.table;
        return Err(Error::QueryText(format!("{table} has no FULLTEXT column to match a text against")));
    }
    snapshot.text()?.searcher.parse(&leg.query, leg.field, leg.syntax)
}

/// Rowids of all live rows that match a text.
pub fn matching_rowids(snapshot: Snapshot<'_>, leg: &TextLeg) -> Result<HashSet<i64>> {
    rowids(snapshot, &Request { must_match: vec![leg.clone()], ..Request::default() })
}

/// Rowids of all live rows that pass a filter, in no order.
pub fn passing_rowids(snapshot: Snapshot<'_>, filter: &Filter) -> Result<Vec<i64>> {
    rowids(snapshot, &Request { filter: Some(filter.clone()), ..Request::default() })
}

/// Number of live rows that pass a filter.
pub fn passing_count(snapshot: Snapshot<'_>, filter: &Filter) -> Result<usize> {
    let request = Request { filter: Some(filter.clone()), ..Request::default() };
    Ok(Masks::build(snapshot, &request, &[])?.total())
}

fn rowids<C: Default + Extend<i64>>(snapshot: Snapshot<'_>, request: &Request) -> Result<C> {
    let masks = Masks::build(snapshot, request, &[])?;
    let mut rowids = C::default();
    for (part, mask) in masks.parts.iter().enumerate() {
        let all = || Bitmap::full(snapshot.view.part_len(part));
        for ord in mask.as_ref().map_or_else(|| Arc::new(all()), Arc::clone).iter() {
            rowids.extend([snapshot.rowid(part, ord)?]);
        }
    }
    Ok(rowids)
}

fn require_text(snapshot: Snapshot<'_>, query: &TextQuery, parts: &mut [Option<Arc<Bitmap>>]) -> Result<()> {
    let view = snapshot.view;
    let text = snapshot.text()?;
    let few = |part: usize| view.part_len(part) / SPARSE;
    if parts
        .iter()
        .enumerate()
        .all(|(part, mask)| mask.as_ref().is_some_and(|mask| mask.count() <= few(part)))
    {
        return keep_matching(snapshot, text, query, parts);
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
    Ok(())
}

/// Below one row in this many, each row is looked at instead of all that match.
const SPARSE: usize = 64;

/// Keeps of a few rows those that match.
fn keep_matching(
    snapshot: Snapshot<'_>,
    text: &TextView,
    query: &TextQuery,
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
            if score.is_some() {
                kept.insert(ord);
            }
        }
        *mask = Arc::new(kept);
    }
    Ok(())
}
