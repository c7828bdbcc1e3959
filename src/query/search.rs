//! A running search: one leg, or two legs fused. Rows are computed as the caller takes them.

use super::explain::Trace;
use super::hybrid::Hybrid;
use super::listing::Listing;
use super::masks::{Masks, parse_text};
use super::matching::Matching;
use super::nearest::Nearest;
use super::request::{Hit, Request, holds};
use super::source::Source;
use crate::collection::View;
use crate::error::{Error, Result};
use crate::text::TextQuery;
use std::sync::Arc;
use std::time::Instant;

/// A search in progress. Holds its view, so writes that happen meanwhile do not disturb it.
pub struct Search {
    view: Arc<View>,
    masks: Masks,
    request: Request,
    legs: Legs,
    trace: Trace,
    taken: usize,
    /// A row was beyond a bound behind which there is none within it.
    ended: bool,
}

enum Legs {
    Vector(Box<Nearest>),
    Text(Box<Matching>),
    Listing(Box<Listing>),
    Hybrid(Box<Hybrid>),
}

impl Search {
    /// Plans `request` on `view`.
    pub fn start(source: &Source<'_>, view: Arc<View>, request: Request) -> Result<Self> {
        let clock = Instant::now();
        let mut trace = Trace::default();
        let query = match &request.text {
            Some(leg) => Some(Arc::new(parse_text(source, &view, leg)?)),
            None => None,
        };
        trace.warnings = query.as_ref().map_or_else(Vec::new, |query| query.warnings().to_vec());
        let unranked = request.unranked && request.vector.is_none();
        let restricts =
            |query: &&TextQuery| unranked || request.vector.is_some() && !query.is_empty() && !query.ranks();
        let restricting = query.as_deref().filter(restricts);
        // The ranks of a fusion depend on all rows of a leg.
        let fused = request.vector.is_some() && query.is_some();
        let masks = Masks::build(source, &view, &request, restricting, fused)?;
        trace.passing = masks.total();
        trace.passing_at_most = masks.is_open();
        trace.checked_by_row = masks.read;
        trace.filter = clock.elapsed();
        let batch = request.first_batch();
        let legs = match (&request.vector, query) {
            (Some(vector), None) => Legs::Vector(Box::new(Nearest::new(source, &request, vector, batch))),
            (None, Some(query)) if unranked => {
                trace.unranked = true;
                trace.text_hits = masks.total() as u64;
                Legs::Listing(Box::new(Listing::new(query, request.descending)))
            }
            (None, Some(query)) => Legs::Text(Box::new(Matching::new(query, batch))),
            (Some(_), Some(query)) => {
                Legs::Hybrid(Box::new(Hybrid::new(source, &request, query, &mut trace)?))
            }
            (None, None) => return Err(Error::Value("a search needs a vector, a text or both".into())),
        };
        trace.kind = match legs {
            Legs::Vector(_) => "nearest",
            Legs::Text(_) | Legs::Listing(_) => "text",
            Legs::Hybrid(_) => "hybrid",
        };
        Ok(Self { view, masks, request, legs, trace, taken: 0, ended: false })
    }

    /// The next row, best first; `None` when every qualifying row was given or the limit is reached.
    pub fn next(&mut self, source: &Source<'_>) -> Result<Option<Hit>> {
        if self.ended || self.request.limit.is_some_and(|limit| self.taken >= limit) {
            return Ok(None);
        }
        if matches!(self.legs, Legs::Listing(_)) {
            return Ok(self.next_listed(source)?.map(Hit::bare));
        }
        let clock = Instant::now();
        let hit = loop {
            let hit = self.find(source)?;
            let Some(found) = &hit else { break hit };
            if !self.request.until.iter().all(|bound| holds(bound, found.rank())) {
                break None;
            }
            if self.keeps(source, found.rowid)? {
                break hit;
            }
        };
        self.ended = hit.is_none();
        self.trace.search += clock.elapsed();
        self.taken += usize::from(hit.is_some());
        Ok(hit)
    }

    /// The next row that the legs give.
    fn find(&mut self, source: &Source<'_>) -> Result<Option<Hit>> {
        let Self { view, masks, trace, .. } = self;
        Ok(match &mut self.legs {
            Legs::Vector(nearest) => nearest
                .next(source, view, masks, trace)?
                .map(|near| Hit { distance: Some(near.distance), ..Hit::bare(near.rowid) }),
            Legs::Text(matching) => matching
                .next(source, view, masks, trace)?
                .map(|found| Hit { bm25: Some(found.score), ..Hit::bare(found.rowid) }),
            Legs::Hybrid(hybrid) => hybrid.next(source, view, masks, &self.request, trace)?,
            Legs::Listing(_) => None,
        })
    }

    fn next_listed(&mut self, source: &Source<'_>) -> Result<Option<i64>> {
        loop {
            let Legs::Listing(listing) = &mut self.legs else { return Ok(None) };
            let Some(rowid) = listing.next(source, &self.view, &self.masks)? else { return Ok(None) };
            if self.keeps(source, rowid)? {
                return Ok(Some(rowid));
            }
        }
    }

    /// Whether a row that was found qualifies, where the filter left that open.
    fn keeps(&mut self, source: &Source<'_>, rowid: i64) -> Result<bool> {
        if !self.masks.is_open() {
            return Ok(true);
        }
        if source.interrupted() {
            return Err(Error::Interrupted);
        }
        let keeps = self.masks.keeps(source, rowid)?;
        self.trace.checked_by_row = self.masks.read;
        Ok(keeps)
    }

    /// The next rows of an unranked search, at most `count`; none after the last. `None`: the search is ranked.
    pub fn listed(&mut self, source: &Source<'_>, count: usize) -> Result<Option<Vec<i64>>> {
        if !matches!(self.legs, Legs::Listing(_)) {
            return Ok(None);
        }
        let mut rowids = Vec::with_capacity(count);
        while rowids.len() < count
            && let Some(rowid) = self.next_listed(source)?
        {
            rowids.push(rowid);
        }
        Ok(Some(rowids))
    }

    /// The row given last is gone: it does not count against the limit.
    pub fn skip_last(&mut self) {
        self.taken = self.taken.saturating_sub(1);
    }

    /// What was done so far.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// The parsed text of the text leg, for snippets.
    pub fn text_query(&self) -> Option<&Arc<TextQuery>> {
        match &self.legs {
            Legs::Vector(_) => None,
            Legs::Text(matching) => Some(matching.query()),
            Legs::Listing(listing) => Some(listing.query()),
            Legs::Hybrid(hybrid) => Some(hybrid.query()),
        }
    }
}
