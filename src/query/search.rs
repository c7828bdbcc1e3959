//! A running search: one leg, or two legs fused. Rows are computed as the caller takes them.

use super::candidates::Over;
use super::explain::Trace;
use super::hybrid::Hybrid;
use super::listing::Listing;
use super::masks::{Masks, parse_text};
use super::matching::Matching;
use super::nearest::Nearest;
use super::request::{Hit, Request, holds};
use crate::collection::{Connected, Pinned};
use crate::error::{Error, Result};
use crate::text::TextQuery;
use std::sync::Arc;
use std::time::Instant;

/// A search in progress. Holds what its snapshot saw, so writes that happen meanwhile do not disturb it.
pub struct Search {
    pinned: Pinned,
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
    /// Plans `request` on what was pinned.
    pub fn start(on: Connected<'_>, pinned: Pinned, request: Request) -> Result<Self> {
        let clock = Instant::now();
        let snapshot = pinned.snapshot(on);
        let mut trace = Trace::default();
        let query = match &request.text {
            Some(leg) => Some(Arc::new(parse_text(snapshot, leg)?)),
            None => None,
        };
        trace.warnings = query.as_ref().map_or_else(Vec::new, |query| query.warnings().to_vec());
        let unranked = request.unranked && request.vector.is_none();
        let restricts =
            |query: &&TextQuery| unranked || request.vector.is_some() && !query.is_empty() && !query.ranks();
        let restricting = query.as_deref().filter(restricts);
        let masks = Masks::build(snapshot, &request, restricting)?;
        trace.passing = masks.total();
        trace.filter = clock.elapsed();
        let batch = request.first_batch();
        let legs = match (&request.vector, query) {
            (Some(vector), None) => Legs::Vector(Box::new(Nearest::new(snapshot, &request, vector, batch))),
            (None, Some(query)) if unranked => {
                trace.unranked = true;
                trace.text_hits = masks.total() as u64;
                Legs::Listing(Box::new(Listing::new(query, request.descending)))
            }
            (None, Some(query)) => Legs::Text(Box::new(Matching::new(query, batch))),
            (Some(_), Some(query)) => {
                Legs::Hybrid(Box::new(Hybrid::new(snapshot, &request, query, &mut trace)?))
            }
            (None, None) => return Err(Error::Value("a search needs a vector, a text or both".into())),
        };
        trace.kind = match legs {
            Legs::Vector(_) => "nearest",
            Legs::Text(_) | Legs::Listing(_) => "text",
            Legs::Hybrid(_) => "hybrid",
        };
        Ok(Self { pinned, masks, request, legs, trace, taken: 0, ended: false })
    }

    /// The next row, best first; `None` when every qualifying row was given or the limit is reached.
    pub fn next(&mut self, on: Connected<'_>) -> Result<Option<Hit>> {
        if self.ended || self.request.limit.is_some_and(|limit| self.taken >= limit) {
            return Ok(None);
        }
        let Self { pinned, masks, trace, .. } = self;
        let over = &Over { snapshot: pinned.snapshot(on), masks };
        if let Legs::Listing(listing) = &mut self.legs {
            return Ok(listing.next(over)?.map(Hit::bare));
        }
        let clock = Instant::now();
        let hit = match &mut self.legs {
            Legs::Vector(nearest) => nearest
                .next(over, trace)?
                .map(|near| Hit { distance: Some(near.distance), ..Hit::bare(near.rowid) }),
            Legs::Text(matching) => matching
                .next(over, trace)?
                .map(|found| Hit { bm25: Some(found.score), ..Hit::bare(found.rowid) }),
            Legs::Hybrid(hybrid) => hybrid.next(over, &self.request, trace)?,
            Legs::Listing(_) => None,
        };
        let hit = hit.filter(|hit| self.request.until.iter().all(|bound| holds(bound, hit.rank())));
        self.ended = hit.is_none();
        self.trace.search += clock.elapsed();
        self.taken += usize::from(hit.is_some());
        Ok(hit)
    }

    /// The next rows of an unranked search, at most `count`; none after the last. `None`: the search is ranked.
    pub fn listed(&mut self, on: Connected<'_>, count: usize) -> Result<Option<Vec<i64>>> {
        let Legs::Listing(listing) = &mut self.legs else { return Ok(None) };
        let over = &Over { snapshot: self.pinned.snapshot(on), masks: &self.masks };
        let mut rowids = Vec::with_capacity(count);
        while rowids.len() < count
            && let Some(rowid) = listing.next(over)?
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
