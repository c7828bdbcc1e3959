//! A running search: one leg, or two legs fused. Rows are computed as the caller takes them.

use super::explain::Trace;
use super::fusion::{self, Fused, LegHit};
use super::masks::Masks;
use super::matching::Matching;
use super::nearest::Nearest;
use super::request::{Hit, Request, holds};
use super::source::Source;
use crate::error::{Error, Result};
use crate::segment::View;
use crate::text::TextQuery;
use crate::vector::Metric;
use crate::vector::metric::narrow;
use std::collections::{HashMap, HashSet};
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
}

enum Legs {
    Vector(Box<Nearest>),
    Text(Box<Matching>),
    Hybrid(Box<Hybrid>),
}

struct Hybrid {
    vector: Nearest,
    text: Matching,
    metric: Metric,
    depth: usize,
    near: Vec<LegHit>,
    matched: Vec<LegHit>,
    rowids: HashMap<(u32, u32), i64>,
    fused: Vec<Fused>,
    next: usize,
    given: HashSet<(u32, u32)>,
    worst: f32,
    started: bool,
    exhausted: bool,
}

impl Search {
    /// Plans `request` on `view`.
    pub fn start(source: &Source<'_>, view: Arc<View>, request: Request) -> Result<Self> {
        let clock = Instant::now();
        let mut trace = Trace::default();
        let masks = Masks::build(source, &view, &request)?;
        trace.passing = masks.total();
        trace.filter = clock.elapsed();
        let batch = request.first_batch();
        let legs = match (&request.vector, &request.text) {
            (Some(vector), None) => Legs::Vector(Box::new(Nearest::new(source, &request, vector, batch))),
            (None, Some(text)) => {
                let matching = Matching::new(source, &view, text, batch)?;
                trace.warnings = matching.query().warnings().to_vec();
                Legs::Text(Box::new(matching))
            }
            (Some(vector), Some(text)) => {
                let depth = request.hybrid.depth_for(batch);
                let text = Matching::new(source, &view, text, depth)?;
                trace.warnings = text.query().warnings().to_vec();
                if text.query().is_empty() {
                    trace.degraded = Some("the query text has no searchable word: vector only");
                }
                let metric =
                    source.schema.vectors().nth(vector.column).map_or(Metric::Cosine, |(_, s)| s.metric);
                Legs::Hybrid(Box::new(Hybrid {
                    vector: Nearest::new(source, &request, vector, depth),
                    text,
                    metric,
                    depth,
                    near: Vec::new(),
                    matched: Vec::new(),
                    rowids: HashMap::new(),
                    fused: Vec::new(),
                    next: 0,
                    given: HashSet::new(),
                    worst: f32::INFINITY,
                    started: false,
                    exhausted: false,
                }))
            }
            (None, None) => return Err(Error::Value("a search needs a vector, a text or both".into())),
        };
        trace.kind = match legs {
            Legs::Vector(_) => "nearest",
            Legs::Text(_) => "text",
            Legs::Hybrid(_) => "hybrid",
        };
        Ok(Self { view, masks, request, legs, trace, taken: 0 })
    }

    /// The next row, best first; `None` when every qualifying row was given or the limit is reached.
    pub fn next(&mut self, source: &Source<'_>) -> Result<Option<Hit>> {
        if self.request.limit.is_some_and(|limit| self.taken >= limit) {
            return Ok(None);
        }
        let clock = Instant::now();
        let Self { view, masks, trace, .. } = self;
        let hit = match &mut self.legs {
            Legs::Vector(nearest) => nearest.next(source, view, masks, trace)?.map(|near| Hit {
                rowid: near.rowid,
                distance: Some(near.distance),
                bm25: None,
                score: None,
                vector_rank: None,
                text_rank: None,
                fused: None,
            }),
            Legs::Text(matching) => matching.next(source, view, masks, trace)?.map(|found| Hit {
                rowid: found.rowid,
                distance: None,
                bm25: Some(found.score),
                score: None,
                vector_rank: None,
                text_rank: None,
                fused: None,
            }),
            Legs::Hybrid(hybrid) => hybrid.next(source, view, masks, &self.request, trace)?,
        };
        self.trace.search += clock.elapsed();
        self.taken += usize::from(hit.is_some());
        Ok(hit)
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
            Legs::Hybrid(hybrid) => Some(hybrid.text.query()),
        }
    }
}

impl Hybrid {
    fn next(
        &mut self,
        source: &Source<'_>,
        view: &View,
        masks: &Masks,
        request: &Request,
        trace: &mut Trace,
    ) -> Result<Option<Hit>> {
        loop {
            while let Some(fused) = self.fused.get(self.next) {
                self.next += 1;
                let fused = *fused;
                if self.given.insert(fused.id) {
                    let mut hit = self.hit(&fused);
                    if hit.distance.is_none() {
                        hit.distance = self.distance(source, view, request, fused.id)?;
                    }
                    let within = |bound| hit.distance.is_some_and(|distance| holds(bound, distance));
                    if !request.within.iter().all(within) {
                        continue;
                    }
                    if hit.bm25.is_none() {
                        hit.bm25 = self.score(source, view, fused.id)?;
                    }
                    // Rows beyond the first depth come after those within it, whatever deeper ranks add.
                    let score = hit.score.unwrap_or(0.0).min(self.worst);
                    self.worst = score;
                    hit.score = Some(score);
                    return Ok(Some(hit));
                }
            }
            if self.exhausted {
                return Ok(None);
            }
            if self.started {
                self.depth = self.depth.saturating_mul(4);
            }
            self.started = true;
            self.deepen(source, view, masks, request, trace)?;
        }
    }

    /// Takes each leg to the current depth and fuses anew.
    fn deepen(
        &mut self,
        source: &Source<'_>,
        view: &View,
        masks: &Masks,
        request: &Request,
        trace: &mut Trace,
    ) -> Result<()> {
        let mut ended = 0;
        while self.near.len() < self.depth {
            let Some(near) = self.vector.next(source, view, masks, trace)? else {
                ended += 1;
                break;
            };
            self.rowids.insert((near.part, near.ord), near.rowid);
            let rank = self.near.len() as u32 + 1;
            self.near.push(LegHit { id: (near.part, near.ord), rank, raw: narrow(near.distance) });
        }
        while self.matched.len() < self.depth {
            let Some(found) = self.text.next(source, view, masks, trace)? else {
                ended += 1;
                break;
            };
            self.rowids.insert((found.part, found.ord), found.rowid);
            let rank = self.matched.len() as u32 + 1;
            self.matched.push(LegHit { id: (found.part, found.ord), rank, raw: found.score });
        }
        self.exhausted = ended == 2;
        let filled = if request.hybrid.fusion.fills_missing() {
            Some(self.fill(source, view, request)?)
        } else {
            None
        };
        let rowids = &self.rowids;
        let tie = |id: (u32, u32)| rowids.get(&id).copied().unwrap_or(i64::MAX);
        self.fused = fusion::fuse(
            &request.hybrid.fusion,
            self.metric,
            &self.near,
            &self.matched,
            filled.as_ref(),
            &tie,
        );
        self.next = 0;
        Ok(())
    }

    /// Raw scores of rows that only one leg returned, computed for the other.
    fn fill(&self, source: &Source<'_>, view: &View, request: &Request) -> Result<fusion::Fill> {
        let near: HashSet<_> = self.near.iter().map(|hit| hit.id).collect();
        let matched: HashSet<_> = self.matched.iter().map(|hit| hit.id).collect();
        let mut fill = fusion::Fill::default();
        if let Some(leg) = &request.vector {
            let missing: Vec<_> =
                self.matched.iter().filter(|hit| !near.contains(&hit.id)).map(|h| h.id).collect();
            let mut ids = missing.iter();
            let rows =
                missing.iter().map(|id| (id.0, id.1, self.rowids.get(id).copied().unwrap_or(i64::MAX)));
            source.for_each_distance(view, leg.column, &leg.query, rows, |distance| {
                if let (Some(id), Some(distance)) = (ids.next(), distance) {
                    fill.vector.insert(*id, narrow(distance));
                }
            })?;
        }
        let missing: Vec<_> =
            self.near.iter().filter(|hit| !matched.contains(&hit.id)).map(|h| h.id).collect();
        let scores = self.text.scores(source, view, &missing)?;
        for (id, score) in missing.into_iter().zip(scores) {
            if let Some(score) = score {
                fill.text.insert(id, score);
            }
        }
        Ok(fill)
    }

    /// Distance of a row that the vector leg did not return within its depth.
    fn distance(
        &self,
        source: &Source<'_>,
        view: &View,
        request: &Request,
        id: (u32, u32),
    ) -> Result<Option<f64>> {
        let Some(leg) = &request.vector else { return Ok(None) };
        let row = (id.0, id.1, self.rowids.get(&id).copied().unwrap_or(i64::MAX));
        let mut found = None;
        source.for_each_distance(view, leg.column, &leg.query, std::iter::once(row), |distance| {
            found = distance;
        })?;
        Ok(found)
    }

    /// BM25 of a row that the text leg did not return within its depth.
    fn score(&self, source: &Source<'_>, view: &View, id: (u32, u32)) -> Result<Option<f32>> {
        if self.text.query().is_empty() {
            return Ok(None);
        }
        Ok(self.text.scores(source, view, &[id])?.first().copied().flatten())
    }

    fn hit(&self, fused: &Fused) -> Hit {
        let near = fused.vector.as_ref().filter(|leg| !leg.filled);
        let matched = fused.text.as_ref().filter(|leg| !leg.filled);
        Hit {
            rowid: self.rowids.get(&fused.id).copied().unwrap_or(0),
            distance: near.map(|leg| f64::from(leg.raw)),
            bm25: matched.map(|leg| leg.raw),
            score: Some(fused.score),
            vector_rank: near.and_then(|leg| leg.rank),
            text_rank: matched.and_then(|leg| leg.rank),
            fused: Some(Box::new(*fused)),
        }
    }
}
