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
        let restricts = |query: &&TextQuery| request.vector.is_some() && !query.is_empty() && !query.ranks();
        let restricting = query.as_deref().filter(restricts);
        let mut masks = Masks::build(source, &view, &request, restricting)?;
        trace.passing = masks.total();
        trace.filter = clock.elapsed();
        let batch = request.first_batch();
        let legs = match (&request.vector, query) {
            (Some(vector), None) => Legs::Vector(Box::new(Nearest::new(source, &request, vector, batch))),
            (None, Some(query)) if unranked => {
                trace.unranked = true;
                let matched = masks.match_few(source, &view, &query)?;
                Legs::Listing(Box::new(Listing::new(source, &view, query, request.descending, matched)?))
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
        if let Legs::Listing(listing) = &mut self.legs {
            return Ok(listing.next(source, &self.view, &self.masks, &mut self.trace)?.map(Hit::bare));
        }
        let clock = Instant::now();
        let Self { view, masks, trace, .. } = self;
        let hit = match &mut self.legs {
            Legs::Vector(nearest) => nearest
                .next(source, view, masks, trace)?
                .map(|near| Hit { distance: Some(near.distance), ..Hit::bare(near.rowid) }),
            Legs::Text(matching) => matching
                .next(source, view, masks, trace)?
                .map(|found| Hit { bm25: Some(found.score), ..Hit::bare(found.rowid) }),
            Legs::Hybrid(hybrid) => hybrid.next(source, view, masks, &self.request, trace)?,
            Legs::Listing(_) => None,
        };
        let hit = hit.filter(|hit| self.request.until.iter().all(|bound| holds(bound, hit.rank())));
        self.ended = hit.is_none();
        self.trace.search += clock.elapsed();
        self.taken += usize::from(hit.is_some());
        Ok(hit)
    }

    /// The next rows of an unranked search, at most `count`; none after the last. `None`: the search is ranked.
    pub fn listed(&mut self, source: &Source<'_>, count: usize) -> Result<Option<Vec<i64>>> {
        let Legs::Listing(listing) = &mut self.legs else { return Ok(None) };
        let mut rowids = Vec::with_capacity(count);
        while rowids.len() < count
            && let Some(rowid) = listing.next(source, &self.view, &self.masks, &mut self.trace)?
        {
            rowids.push(rowid);
        }
        Ok(Some(rowids))
    }

    /// How many rows a ranked text search gives in all, found without ranking them. `None`: it is another search, or one
    /// that ends before its rows do.
    pub fn total(&self, source: &Source<'_>) -> Result<Option<usize>> {
        let Legs::Text(matching) = &self.legs else { return Ok(None) };
        if self.request.limit.is_some() || !self.request.until.is_empty() {
            return Ok(None);
        }
        Ok(Some(Masks::build(source, &self.view, &self.request, Some(matching.query()))?.total()))
    }

    /// The same search from its row number `given` on, counted from 0.
    pub fn resumed(&self, source: &Source<'_>, given: usize) -> Result<Self> {
        let mut request = self.request.clone();
        request.hint = request.hint.max(Some(given.saturating_add(1)));
        let mut search = Self::start(source, Arc::clone(&self.view), request)?;
        for _ in 0..given {
            search.next(source)?;
        }
        Ok(search)
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
