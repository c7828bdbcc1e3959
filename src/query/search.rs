//! A running search: one leg, or several legs fused. Rows are computed as the caller takes them.

use super::candidates::Over;
use super::explain::Trace;
use super::groups::Groups;
use super::hybrid::Hybrid;
use super::listing::Listing;
use super::masks::{Masks, parse_text};
use super::matching::Matching;
use super::mmr::Diversity;
use super::nearest::Nearest;
use super::request::{Hit, LegQuery, Request, holds};
use crate::collection::{Connected, Pinned};
use crate::error::{Error, Result};
use crate::text::TextQuery;
use std::sync::Arc;
use std::time::Instant;

/// A search in progress. Holds what its snapshot saw, so writes that happen meanwhile do not disturb it.
pub struct Search {
    request: Request,
    ranking: Ranking,
    diversity: Option<Diversity>,
    taken: usize,
}

/// The rows that the legs rank, thinned out by groups.
struct Ranking {
    pinned: Pinned,
    masks: Masks,
    legs: Legs,
    groups: Option<Groups>,
    trace: Trace,
    position: u32,
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
        let diversity = match request.mmr {
            Some(lambda) => Some(Diversity::new(on, &request, lambda)?),
            None => None,
        };
        let ranking = Ranking::start(on, pinned, &request)?;
        Ok(Self { request, ranking, diversity, taken: 0 })
    }

    /// The next row, best first; `None` when every qualifying row was given or the limit is reached.
    pub fn next(&mut self, on: Connected<'_>) -> Result<Option<Hit>> {
        let Self { request, ranking, diversity, taken } = self;
        if request.limit.is_some_and(|limit| *taken >= limit) {
            return Ok(None);
        }
        let mut draw = || ranking.draw(on, request);
        let hit = match diversity {
            None => draw()?,
            Some(diversity) => diversity.next(on, request, &mut draw)?,
        };
        *taken += usize::from(hit.is_some());
        Ok(hit)
    }

    /// The next rows of an unranked search, at most `count`; none after the last. `None`: take them by [`Self::next`].
    pub fn listed(&mut self, on: Connected<'_>, count: usize) -> Result<Option<Vec<i64>>> {
        let Ranking { pinned, masks, legs: Legs::Listing(listing), groups: None, .. } = &mut self.ranking
        else {
            return Ok(None);
        };
        let over = &Over { snapshot: pinned.snapshot(on), masks };
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
        &self.ranking.trace
    }

    /// The parsed text of the first text leg, for snippets.
    pub fn text_query(&self) -> Option<&Arc<TextQuery>> {
        match &self.ranking.legs {
            Legs::Vector(_) => None,
            Legs::Text(matching) => Some(matching.query()),
            Legs::Listing(listing) => Some(listing.query()),
            Legs::Hybrid(hybrid) => hybrid.query(),
        }
    }
}

impl Ranking {
    fn start(on: Connected<'_>, pinned: Pinned, request: &Request) -> Result<Self> {
        let clock = Instant::now();
        let snapshot = pinned.snapshot(on);
        let mut trace = Trace::default();
        let mut texts = Vec::new();
        for leg in &request.legs {
            if let LegQuery::Text(text) = &leg.query {
                texts.push(Arc::new(parse_text(snapshot, text)?));
            }
        }
        trace.warnings = texts.iter().flat_map(|query| query.warnings().to_vec()).collect();
        let unranked = request.unranked && request.legs.len() == 1 && texts.len() == 1;
        // Among several legs a text that ranks nothing, such as one of forbidden words only, restricts.
        let others = request.vectors().next().is_some() || texts.iter().any(|query| query.ranks());
        let several = request.legs.len() > 1 && others;
        let restricts = |query: &&Arc<TextQuery>| unranked || several && !query.is_empty() && !query.ranks();
        let restricting: Vec<_> = texts.iter().filter(restricts).map(Arc::clone).collect();
        let masks = Masks::build(snapshot, request, &restricting)?;
        trace.passing = masks.total();
        trace.filter = clock.elapsed();
        let batch = request.first_batch();
        let legs = match request.legs.as_slice() {
            [] => return Err(Error::Value("a search needs a vector, a text or both".into())),
            [leg] => match &leg.query {
                LegQuery::Vector(vector) => {
                    trace.kind = "nearest";
                    Legs::Vector(Box::new(Nearest::new(snapshot, request, vector, batch)))
                }
                LegQuery::Text(_) => {
                    trace.kind = "text";
                    let query = texts.remove(0);
                    if unranked {
                        Legs::Listing(Box::new(Listing::new(query, request.descending)))
                    } else {
                        Legs::Text(Box::new(Matching::new(query, batch)))
                    }
                }
            },
            _ => {
                trace.kind = "hybrid";
                Legs::Hybrid(Box::new(Hybrid::new(snapshot, request, texts, &mut trace)))
            }
        };
        if unranked {
            trace.unranked = true;
            trace.text_hits = masks.total() as u64;
        }
        let groups = request.group.map(Groups::new);
        Ok(Self { pinned, masks, legs, groups, trace, position: 0, ended: false })
    }

    /// The next row whose group has room for it.
    fn draw(&mut self, on: Connected<'_>, request: &Request) -> Result<Option<Hit>> {
        while let Some(mut hit) = self.rank(on, request)? {
            if let Some(groups) = &mut self.groups
                && !groups.admit(on, hit.rowid)?
            {
                continue;
            }
            self.position = self.position.saturating_add(1);
            hit.position = self.position;
            return Ok(Some(hit));
        }
        Ok(None)
    }

    /// The next row of the legs.
    fn rank(&mut self, on: Connected<'_>, request: &Request) -> Result<Option<Hit>> {
        if self.ended {
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
            Legs::Hybrid(hybrid) => hybrid.next(over, request, trace)?,
            Legs::Listing(_) => None,
        };
        let hit = hit.filter(|hit| request.until.iter().all(|bound| holds(bound, hit.rank())));
        self.ended = hit.is_none();
        self.trace.search += clock.elapsed();
        Ok(hit)
    }
}
