//! A hybrid search: any number of legs, fused.
//!
//! Each leg is drawn to the depth, the lists are fused, and the rows handed out; a caller who takes more gets legs four
//! times as deep. Invariants: every row comes once; rows of a deeper round come after those of the rounds before.
//!
//! A row of a group of equals that reaches beyond the depth of its leg waits for the other legs, or until the depth has
//! reached the end of the group: nothing but the other legs knows which row of such a group is better.

use super::candidates::Over;
use super::drawn::Standing;
use super::explain::Trace;
use super::fusion::{self, Fused, FusedLeg, FusedList, LegScore, RowId};
use super::matching::Matching;
use super::nearest::Nearest;
use super::request::{Hit, LegQuery, Request, holds};
use super::row_map::{RowMap, RowSet};
use super::running_leg::{Draw, RunningLeg};
use crate::collection::Snapshot;
use crate::error::Result;
use crate::text::TextQuery;
use crate::vector::Metric;
use crate::vector::metric::narrow;
use std::sync::Arc;

/// A running hybrid search.
pub struct Hybrid {
    legs: Vec<RunningLeg>,
    rowids: RowMap<i64>,
    fused: FusedList,
    next: usize,
    given: RowSet,
    /// Score of the row given last.
    worst: f32,
    /// Whether a row came out of the last round.
    fresh: bool,
    started: bool,
}

impl Hybrid {
    /// Plans the legs of the request, whose texts were parsed in order; nothing is searched before the first row is taken.
    pub fn new(
        snapshot: Snapshot<'_>,
        request: &Request,
        texts: Vec<Arc<TextQuery>>,
        trace: &mut Trace,
    ) -> Self {
        let mut texts = texts.into_iter();
        let mut legs = Vec::with_capacity(request.legs.len());
        for leg in &request.legs {
            let depth = request.depth(leg);
            // One row beyond the depth shows whether the depth cuts a group of equals.
            let batch = depth.saturating_add(1);
            match &leg.query {
                LegQuery::Vector(vector) => {
                    let spec = snapshot.schema.vectors().nth(vector.column);
                    let metric = spec.map_or(Metric::Cosine, |(_, spec)| spec.metric);
                    let is_first = legs.iter().all(RunningLeg::is_text);
                    let is_bound = is_first || !request.within_first;
                    let within = if is_bound { request.within.clone() } else { Vec::new() };
                    let nearest = Nearest::within(snapshot, request, vector, batch, within);
                    legs.push(RunningLeg::nearest(nearest, metric, leg, depth));
                }
                LegQuery::Text(_) => {
                    let Some(query) = texts.next() else { continue };
                    if query.is_empty() {
                        trace.degraded = Some("the query text has no searchable word: vector only");
                    } else if !query.ranks() {
                        trace.degraded =
                            Some("the query text has forbidden words only: it restricts, the vector ranks");
                    }
                    legs.push(RunningLeg::matching(Matching::new(query, batch), leg, depth));
                }
            }
        }
        Self {
            legs,
            rowids: RowMap::default(),
            fused: FusedList::default(),
            next: 0,
            given: RowSet::default(),
            worst: f32::INFINITY,
            fresh: false,
            started: false,
        }
    }

    /// The first parsed text.
    pub fn query(&self) -> Option<&Arc<TextQuery>> {
        self.legs.iter().find_map(RunningLeg::text)
    }

    /// The next row in order of the fused score.
    pub fn next(&mut self, over: &Over<'_>, request: &Request, trace: &mut Trace) -> Result<Option<Hit>> {
        loop {
            while let Some(fused) = self.fused.rows.get(self.next).copied() {
                self.next += 1;
                if self.given.insert(fused.id) {
                    self.fresh = true;
                    let Some(mut hit) = self.hit(over.snapshot, request, &fused)? else { continue };
                    // Rows beyond the first depth come after those within it, whatever deeper ranks add.
                    let score = fused.score.min(self.worst);
                    self.worst = score;
                    hit.score = Some(score);
                    return Ok(Some(hit));
                }
            }
            if self.started {
                if self.legs.iter().all(|leg| leg.drawn.exhausted()) {
                    return Ok(None);
                }
                self.deepen();
            }
            self.fuse(over, request, trace)?;
            (self.started, self.fresh) = (true, false);
        }
    }

    /// Makes the legs four times as deep.
    fn deepen(&mut self) {
        // No row came: every leg is cut inside a group of equals, and only the ends of those of the texts decide.
        let mut texts = self.legs.iter().filter(|leg| leg.is_text());
        let all = self.fresh || texts.all(|leg| leg.drawn.exhausted());
        for leg in self.legs.iter_mut().filter(|leg| all || leg.is_text()) {
            leg.depth = leg.depth.saturating_mul(4);
        }
    }

    /// Takes each leg to its depth and fuses them.
    fn fuse(&mut self, over: &Over<'_>, request: &Request, trace: &mut Trace) -> Result<()> {
        let mut draws = Vec::with_capacity(self.legs.len());
        for (at, leg) in self.legs.iter_mut().enumerate() {
            trace.leg = at;
            if !self.started && request.hybrid.fusion.needs_background() {
                leg.find_background(over.snapshot)?;
            }
            leg.draw(over, &mut self.rowids, trace)?;
            draws.push(Draw::of(&leg.drawn));
        }
        self.fill(over.snapshot, request.hybrid.fusion.fills_missing(), &mut draws)?;
        let legs = &self.legs;
        let listed = |id: RowId| {
            let stands = || draws.iter().map(|draw| draw.stands.get(&id));
            if stands().any(|standing| standing == Some(&Standing::Within)) {
                return true;
            }
            // Equal distances come in order of rowid, as do rows that are equal in all legs.
            let across = stands().zip(legs).any(|(standing, leg)| standing.is_some() && !leg.is_text());
            across
                && stands().zip(&draws).zip(legs).all(|((standing, draw), leg)| {
                    standing.is_some() || leg.drawn.ended() || draw.is_edge(id)
                })
        };
        let inputs: Vec<FusedLeg<'_>> = legs
            .iter()
            .zip(&draws)
            .map(|(leg, draw)| FusedLeg {
                kind: leg.kind(),
                weight: leg.weight,
                hits: &draw.hits,
                edge: draw.edge,
                background: leg.background,
                fill: &draw.fill,
            })
            .collect();
        let tie = |id: RowId| self.rowids.get(&id).copied().unwrap_or(i64::MAX);
        self.fused = fusion::fuse(&request.hybrid.fusion, &inputs, &listed, &tie);
        self.next = 0;
        Ok(())
    }

    /// Raw scores of rows that a leg did not draw and another one did: where the formula wants them, and where they decide
    /// whether the row belongs to the group that the depth cuts.
    fn fill(&self, snapshot: Snapshot<'_>, always: bool, draws: &mut [Draw]) -> Result<()> {
        for (at, leg) in self.legs.iter().enumerate() {
            if !(leg.ranks() && (always || draws[at].edge.is_some())) {
                continue;
            }
            let (mut missing, mut seen) = (Vec::new(), RowSet::default());
            for (other, draw) in draws.iter().enumerate() {
                for hit in draw.hits.iter().filter(|_| other != at) {
                    if !draws[at].stands.contains_key(&hit.id) && seen.insert(hit.id) {
                        missing.push((hit.id, self.rowid(hit.id)));
                    }
                }
            }
            let raws = leg.raws(snapshot, &missing)?;
            let raws = raws.into_iter().map(|raw| raw.filter(|raw| leg.admits(*raw)));
            let known = missing.iter().zip(raws).filter_map(|((id, _), raw)| Some((*id, raw?)));
            draws[at].fill = known.collect();
        }
        Ok(())
    }

    fn rowid(&self, id: RowId) -> i64 {
        self.rowids.get(&id).copied().unwrap_or(i64::MAX)
    }

    /// The hit of a fused row; `None` where its distance is beyond the bounds.
    fn hit(&self, snapshot: Snapshot<'_>, request: &Request, fused: &Fused) -> Result<Option<Hit>> {
        let scores = self.fused.scores(fused);
        let row = [(fused.id, self.rowid(fused.id))];
        let own = |score: &Option<LegScore>| score.filter(|score| !score.filled);
        let raw = |at: usize| -> Result<Option<f64>> {
            match scores.get(at).and_then(own) {
                Some(score) => Ok(Some(score.exact)),
                None => Ok(self.legs[at].raws(snapshot, &row)?.first().copied().flatten()),
            }
        };
        let of_kind = |text: bool| (0..self.legs.len()).filter(move |at| self.legs[*at].is_text() == text);
        let rank = |text: bool| of_kind(text).filter_map(|at| own(&scores[at])?.rank).min();
        let within = |distance: Option<f64>| {
            request.within.iter().all(|bound| distance.is_some_and(|distance| holds(bound, distance)))
        };
        let distance = of_kind(false).next().map(raw).transpose()?.flatten();
        let mut qualifies = within(distance);
        for at in of_kind(false).skip(1).filter(|_| !request.within_first) {
            qualifies = qualifies || within(raw(at)?);
        }
        if !qualifies {
            return Ok(None);
        }
        let bm25 = of_kind(true).find(|at| self.legs[*at].ranks()).map(raw).transpose()?.flatten();
        Ok(Some(Hit {
            distance,
            bm25: bm25.map(narrow),
            vector_rank: rank(false),
            text_rank: rank(true),
            legs: Some(scores.into()),
            ..Hit::bare(row[0].1)
        }))
    }
}
