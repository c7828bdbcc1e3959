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
        let Ranking { pinned, masks, legs: Legs::Listing(listing), groups: None, trace, .. } =
            &mut self.ranking
        else {
            return Ok(None);
        };
        let over = &Over { snapshot: pinned.snapshot(on), masks };
        let mut rowids = Vec::with_capacity(count);
        while rowids.len() < count
            && let Some(rowid) = listing.next(over, trace)?
        {
            if keeps(over, trace, rowid)? {
                rowids.push(rowid);
            }
        }
        Ok(Some(rowids))
    }

    /// How many rows a ranked text search gives in all, found without ranking them. `None`: it is another search, or one
    /// that ends before its rows do.
    pub fn total(&self, on: Connected<'_>) -> Result<Option<usize>> {
        let Self { request, ranking: Ranking { pinned, legs, .. }, .. } = self;
        let Legs::Text(matching) = legs else { return Ok(None) };
        if request.limit.is_some()
            || !request.until.is_empty()
            || request.group.is_some()
            || request.mmr.is_some()
        {
            return Ok(None);
        }
        let matching = [Arc::clone(matching.query())];
        Ok(Some(Masks::build(pinned.snapshot(on), request, &matching, true)?.total()))
    }

    /// The same search from its row number `given` on, counted from 0.
    pub fn resumed(&self, on: Connected<'_>, given: usize) -> Result<Self> {
        let mut request = self.request.clone();
        request.hint = request.hint.max(Some(given.saturating_add(1)));
        let mut search = Self::start(on, self.ranking.pinned.clone(), request)?;
        for _ in 0..given {
            search.next(on)?;
        }
        Ok(search)
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
        let many = request.legs.len() > 1;
        let restricts = |query: &&Arc<TextQuery>| many && !query.is_empty() && !query.ranks();
        let restricting: Vec<_> = texts.iter().filter(restricts).map(Arc::clone).collect();
        // The ranks of a fusion depend on all rows of a leg.
        let mut masks = Masks::build(snapshot, request, &restricting, request.legs.len() > 1)?;
        trace.passing = masks.total();
        trace.passing_at_most = masks.is_open();
        trace.checked_by_row = masks.read();
        trace.filter = clock.elapsed();
        let batch = request.first_batch();
        let legs = match request.legs.as_slice() {
            [] => return Err(Error::Value("a search needs a vector, a text or both".into())),
            [leg] => match &leg.query {
                LegQuery::Vector(vector) => {
                    trace.kind = "nearest";
                    Legs::Vector(Box::new(Nearest::new(snapshot, request, vector)))
                }
                LegQuery::Text(_) => {
                    trace.kind = "text";
                    let query = texts.remove(0);
                    if unranked {
                        trace.unranked = true;
                        let matched = masks.match_few(snapshot, &query)?;
                        Legs::Listing(Box::new(Listing::new(snapshot, query, request.descending, matched)?))
                    } else {
                        Legs::Text(Box::new(Matching::new(query, batch)))
                    }
                }
            },
            _ if !others && let Some(query) = texts.iter().find(|query| !query.is_empty()) => {
                // None of them ranks, and all restrict.
                trace.kind = "text";
                Legs::Text(Box::new(Matching::new(Arc::clone(query), batch)))
            }
            _ => {
                trace.kind = "hybrid";
                Legs::Hybrid(Box::new(Hybrid::new(snapshot, request, texts, &mut trace)))
            }
        };
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
            while let Some(rowid) = listing.next(over, trace)? {
                if keeps(over, trace, rowid)? {
                    return Ok(Some(Hit::bare(rowid)));
                }
            }
            return Ok(None);
        }
        let clock = Instant::now();
        let within = |hit: &Hit| request.until.iter().all(|bound| holds(bound, hit.rank()));
        let hit = loop {
            let hit = self.legs.next(over, request, trace)?.filter(within);
            match &hit {
                Some(found) if !keeps(over, trace, found.rowid)? => {}
                _ => break hit,
            }
        };
        self.ended = hit.is_none();
        self.trace.search += clock.elapsed();
        Ok(hit)
    }
}

impl Legs {
    /// The next row, of ranked legs.
    fn next(&mut self, over: &Over<'_>, request: &Request, trace: &mut Trace) -> Result<Option<Hit>> {
        Ok(match self {
            Legs::Vector(nearest) => nearest
                .next(over, trace)?
                .map(|near| Hit { distance: Some(near.distance), ..Hit::bare(near.rowid) }),
            Legs::Text(matching) => matching
                .next(over, trace)?
                .map(|found| Hit { bm25: Some(found.score), ..Hit::bare(found.rowid) }),
            Legs::Hybrid(hybrid) => hybrid.next(over, request, trace)?,
            Legs::Listing(_) => None,
        })
    }
}

/// Whether a row that was found qualifies, where the filter left that open.
fn keeps(over: &Over<'_>, trace: &mut Trace, rowid: i64) -> Result<bool> {
    if !over.masks.is_open() {
        return Ok(true);
    }
    if over.snapshot.interrupted() {
        return Err(Error::Interrupted);
    }
    let keeps = over.masks.keeps(over.snapshot.on, rowid)?;
    trace.checked_by_row = over.masks.read();
    Ok(keeps)
}
