//! A hybrid search: the vector leg and the text leg, fused.
//!
//! Each leg is drawn to the depth, both lists are fused, and the rows handed out; a caller who takes more gets legs four
//! times as deep. Invariants: every row comes once; rows of a deeper round come after those of the rounds before.
//!
//! A row of a group of equals that reaches beyond the depth of its leg waits for the other leg, or until the depth has
//! reached the end of the group: nothing but the other leg knows which row of such a group is better.

use super::candidates::Over;
use super::explain::Trace;
use super::fusion::{self, Edge, Fill, Fused, LegHit, RowId};
use super::leg::{Drawn, Standing};
use super::matching::Matching;
use super::nearest::Nearest;
use super::request::{Hit, Request, holds};
use super::row_map::{RowMap, RowSet};
use crate::collection::Snapshot;
use crate::error::{Error, Result};
use crate::text::TextQuery;
use crate::vector::Metric;
use crate::vector::metric::narrow;
use std::sync::Arc;

/// A running hybrid search.
pub struct Hybrid {
    vector: Nearest,
    text: Matching,
    metric: Metric,
    near: Drawn,
    /// How deep the vector leg and the text leg are drawn.
    depths: [usize; 2],
    matched: Drawn,
    rowids: RowMap<i64>,
    fused: Vec<Fused>,
    next: usize,
    given: RowSet,
    /// Score of the row given last.
    worst: f32,
    /// Whether a row came out of the last round.
    fresh: bool,
    started: bool,
}

impl Hybrid {
    /// Plans both legs of the request; nothing is searched before the first row is taken.
    pub fn new(
        snapshot: Snapshot<'_>,
        request: &Request,
        query: Arc<TextQuery>,
        trace: &mut Trace,
    ) -> Result<Self> {
        let Some(vector) = &request.vector else {
            return Err(Error::Value("a hybrid search needs a vector and a text".into()));
        };
        let depth = request.depth();
        // One row beyond the depth shows whether the depth cuts a group of equals.
        let text = Matching::new(query, depth.saturating_add(1));
        if text.query().is_empty() {
            trace.degraded = Some("the query text has no searchable word: vector only");
        } else if !text.query().ranks() {
            trace.degraded = Some("the query text has forbidden words only: it restricts, the vector ranks");
        }
        let metric = snapshot.schema.vectors().nth(vector.column).map_or(Metric::Cosine, |(_, s)| s.metric);
        Ok(Self {
            vector: Nearest::new(snapshot, request, vector, depth.saturating_add(1)),
            text,
            metric,
            depths: [depth; 2],
            near: Drawn::new(false),
            matched: Drawn::new(true),
            rowids: RowMap::default(),
            fused: Vec::new(),
            next: 0,
            given: RowSet::default(),
            worst: f32::INFINITY,
            fresh: false,
            started: false,
        })
    }

    /// The parsed text.
    pub fn query(&self) -> &Arc<TextQuery> {
        self.text.query()
    }

    /// The next row in order of the fused score.
    pub fn next(&mut self, over: &Over<'_>, request: &Request, trace: &mut Trace) -> Result<Option<Hit>> {
        loop {
            while let Some(fused) = self.fused.get(self.next) {
                self.next += 1;
                let fused = *fused;
                if self.given.insert(fused.id) {
                    self.fresh = true;
                    let mut hit = self.hit(&fused);
                    if hit.distance.is_none() {
                        hit.distance = self.distance(over.snapshot, request, fused.id)?;
                    }
                    let within = |bound| hit.distance.is_some_and(|distance| holds(bound, distance));
                    if !request.within.iter().all(within) {
                        continue;
                    }
                    if hit.bm25.is_none() {
                        hit.bm25 = self.score(over.snapshot, fused.id)?;
                    }
                    // Rows beyond the first depth come after those within it, whatever deeper ranks add.
                    let score = hit.score.unwrap_or(0.0).min(self.worst);
                    self.worst = score;
                    hit.score = Some(score);
                    return Ok(Some(hit));
                }
            }
            if self.started {
                if self.near.exhausted() && self.matched.exhausted() {
                    return Ok(None);
                }
                // No row: both legs are cut inside a group of equals, and only the end of that of the texts decides.
                let both = self.fresh || self.matched.exhausted();
                let [near, matched] = self.depths.map(|depth| depth.saturating_mul(4));
                self.depths = [if both { near } else { self.depths[0] }, matched];
            }
            (self.started, self.fresh) = (true, false);
            self.deepen(over, request, trace)?;
        }
    }

    /// Takes each leg to the current depth and fuses them.
    fn deepen(&mut self, over: &Over<'_>, request: &Request, trace: &mut Trace) -> Result<()> {
        let Self { vector, text, near, matched, rowids, .. } = self;
        let [near_depth, text_depth] = self.depths;
        near.take(near_depth, || {
            Ok(vector.next(over, trace)?.map(|near| {
                rowids.insert((near.part, near.ord), near.rowid);
                ((near.part, near.ord), narrow(near.distance))
            }))
        })?;
        if text.query().ranks() {
            matched.take(text_depth, || {
                Ok(text.next(over, trace)?.map(|found| {
                    rowids.insert((found.part, found.ord), found.rowid);
                    ((found.part, found.ord), found.score)
                }))
            })?;
        } else {
            matched.take(text_depth, || Ok(None))?;
        }
        let (near, matched) = (Leg::of(near), Leg::of(matched));
        let fill = self.fill(over.snapshot, request, [&near, &matched])?;
        let matched_ended = self.matched.ended();
        let listed = |id: RowId| match (near.stands.get(&id), matched.stands.get(&id)) {
            (Some(Standing::Within), _) | (_, Some(Standing::Within)) => true,
            // Equal distances come in order of rowid, as do rows that are equal in both legs.
            (Some(Standing::Across), Some(_)) => true,
            (Some(Standing::Across), None) => matched_ended || matched.is_edge(fill.text.get(&id)),
            _ => false,
        };
        let rowids = &self.rowids;
        let tie = |id: RowId| rowids.get(&id).copied().unwrap_or(i64::MAX);
        let legs = fusion::Legs {
            hits: [&near.hits, &matched.hits],
            edges: [near.edge, matched.edge],
            fill: &fill,
            listed: &listed,
        };
        self.fused = fusion::fuse(&request.hybrid.fusion, self.metric, &legs, &tie);
        self.next = 0;
        Ok(())
    }

    /// Raw scores of rows that only one leg drew, computed for the other: where the formula wants them, and where they
    /// decide whether the row belongs to the group that the depth cuts.
    fn fill(&self, snapshot: Snapshot<'_>, request: &Request, [near, matched]: [&Leg; 2]) -> Result<Fill> {
        let always = request.hybrid.fusion.fills_missing();
        let mut fill = Fill::default();
        if let Some(leg) = &request.vector
            && (always || near.edge.is_some())
        {
            let missing: Vec<RowId> = matched.missing_in(near).collect();
            let mut ids = missing.iter();
            let rows =
                missing.iter().map(|id| (id.0, id.1, self.rowids.get(id).copied().unwrap_or(i64::MAX)));
            snapshot.for_each_distance(leg.column, &leg.query, rows, |distance| {
                if let (Some(id), Some(distance)) = (ids.next(), distance) {
                    fill.vector.insert(*id, narrow(distance));
                }
            })?;
        }
        if self.text.query().ranks() && (always || matched.edge.is_some()) {
            let missing: Vec<RowId> = near.missing_in(matched).collect();
            let scores = self.text.scores(snapshot, &missing)?;
            for (id, score) in missing.into_iter().zip(scores) {
                if let Some(score) = score {
                    fill.text.insert(id, score);
                }
            }
        }
        Ok(fill)
    }

    /// Distance of a row that the vector leg did not return within its depth.
    fn distance(&self, snapshot: Snapshot<'_>, request: &Request, id: RowId) -> Result<Option<f64>> {
        let Some(leg) = &request.vector else { return Ok(None) };
        let row = (id.0, id.1, self.rowids.get(&id).copied().unwrap_or(i64::MAX));
        let mut found = None;
        snapshot.for_each_distance(leg.column, &leg.query, std::iter::once(row), |distance| {
            found = distance;
        })?;
        Ok(found)
    }

    /// BM25 of a row that the text leg did not return within its depth.
    fn score(&self, snapshot: Snapshot<'_>, id: RowId) -> Result<Option<f32>> {
        if !self.text.query().ranks() {
            return Ok(None);
        }
        Ok(self.text.scores(snapshot, &[id])?.first().copied().flatten())
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

/// What a leg gives to one fusion.
struct Leg {
    hits: Vec<LegHit>,
    stands: RowMap<Standing>,
    edge: Option<Edge>,
}

impl Leg {
    fn of(drawn: &Drawn) -> Self {
        let (mut hits, mut stands) = (Vec::new(), RowMap::default());
        for (hit, standing) in drawn.hits() {
            hits.push(hit);
            stands.insert(hit.id, standing);
        }
        Self { hits, stands, edge: drawn.edge() }
    }

    fn missing_in(&self, other: &Self) -> impl Iterator<Item = RowId> {
        self.hits.iter().map(|hit| hit.id).filter(|id| !other.stands.contains_key(id))
    }

    /// Whether a row of this score belongs to the group that the depth cuts.
    fn is_edge(&self, raw: Option<&f32>) -> bool {
        self.edge.is_some_and(|edge| raw == Some(&edge.raw))
    }
}
