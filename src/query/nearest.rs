//! The vector leg: rows in order of exact distance, as many as the caller takes.
//!
//! The first stage asks every part for its best candidates by code and reranks them on the stored vectors, lazily.
//! A caller who takes more than that stage holds gets the second: every qualifying row by code, reranked with the
//! provable error bound of the codes, so the order is exact and no row is ever left out.

use super::explain::Trace;
use super::masks::Masks;
use super::planner::{self, Plan};
use super::request::{Request, VectorLeg};
use super::source::Source;
use crate::columns::Op;
use crate::error::Result;
use crate::hnsw::{Candidate, SearchStats};
use crate::segment::View;
use crate::vector::{Metric, metric};
use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashSet};

/// A row by code: not reranked yet.
#[derive(Debug, Clone, Copy)]
struct Coded {
    distance: f32,
    rowid: i64,
    part: u32,
    ord: u32,
    /// Delta rows are compared on their floats at once.
    exact: bool,
}

/// A row with its exact distance; ordered by distance, then rowid.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Near {
    /// Exact distance.
    pub distance: f32,
    /// Identity.
    pub rowid: i64,
    /// Part of the view.
    pub part: u32,
    /// Row of the part.
    pub ord: u32,
}

impl Eq for Near {}
impl PartialOrd for Near {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Near {
    fn cmp(&self, other: &Self) -> Ordering {
        self.distance.total_cmp(&other.distance).then(self.rowid.cmp(&other.rowid))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    New,
    First,
    Full,
}

/// A running vector search.
pub struct Nearest {
    leg: VectorLeg,
    metric: Metric,
    within: Vec<(Op, f64)>,
    ef: usize,
    exact: bool,
    stage: Stage,
    pool: Vec<Coded>,
    next: usize,
    ready: BinaryHeap<Reverse<Near>>,
    /// Rows given in the first stage; the second leaves them out.
    given: HashSet<(u32, u32)>,
    /// The row given last, and rows nearer than it that only the second stage found: they come at the very end.
    last: Option<Near>,
    late: Vec<Near>,
    /// Largest error of a distance by code.
    bound: f32,
    /// Whether the first stage holds every qualifying row.
    complete: bool,
    /// Rows to take from the first stage: beyond them its order is not good enough.
    trusted: usize,
    reranked: usize,
    /// Error of a distance by code that is seldom passed.
    likely: f32,
    /// Candidates to rerank at once to begin with, and the most before a row is given in the first stage.
    first: usize,
    target: usize,
    done: bool,
}

impl Nearest {
    /// A search for the request's vector leg; nothing is computed before the first row is taken.
    pub fn new(source: &Source<'_>, request: &Request, leg: &VectorLeg, batch: usize) -> Self {
        let metric = source.schema.vectors().nth(leg.column).map_or(Metric::Cosine, |(_, spec)| spec.metric);
        let ef = match (request.ef, source.settings.ef_search) {
            (Some(ef), _) => ef,
            (None, 0) => planner::DEFAULT_EF,
            (None, ef) => ef,
        };
        Self {
            leg: leg.clone(),
            metric,
            within: request.within.clone(),
            ef: ef.max(1),
            exact: request.exact,
            stage: Stage::New,
            pool: Vec::new(),
            next: 0,
            ready: BinaryHeap::new(),
            given: HashSet::new(),
            last: None,
            late: Vec::new(),
            bound: 0.0,
            complete: false,
            trusted: batch,
            reranked: 0,
            likely: 0.0,
            first: batch + 2,
            target: 2 * batch + 8,
            done: false,
        }
    }

    /// The next row in order of distance.
    pub fn next(
        &mut self,
        source: &Source<'_>,
        view: &View,
        masks: &Masks,
        trace: &mut Trace,
    ) -> Result<Option<Near>> {
        while !self.done {
            let Some(near) = self.advance(source, view, masks, trace)? else {
                self.done = true;
                break;
            };
            // Adding zero turns -0.0 into 0.0, which SQLite takes for equal.
            let distance = f64::from(near.distance) + 0.0;
            let holds = |(op, bound): &(Op, f64)| op.accepts(distance.total_cmp(&(bound + 0.0)));
            if self.within.iter().all(holds) {
                return Ok(Some(near));
            }
            let beyond = |(op, _): &&(Op, f64)| matches!(op, Op::Lt | Op::Le);
            // Distances only grow, so the first row beyond an upper bound ends the search.
            if self.within.iter().filter(beyond).any(|bound| !holds(bound)) {
                self.done = true;
            }
        }
        Ok(None)
    }

    fn advance(
        &mut self,
        source: &Source<'_>,
        view: &View,
        masks: &Masks,
        trace: &mut Trace,
    ) -> Result<Option<Near>> {
        if self.stage == Stage::New {
            if self.exact {
                self.collect_all(source, view, masks, trace)?;
            } else {
                self.collect_best(source, view, masks, trace)?;
            }
        }
        loop {
            if self.stage == Stage::First && self.given.len() >= self.trusted {
                self.collect_all(source, view, masks, trace)?;
            }
            if !self.settled() {
                self.rerank(source, view, trace)?;
                continue;
            }
            let Some(Reverse(near)) = self.ready.pop() else {
                // Every row was given but those that the first stage had missed.
                self.late.sort_unstable_by(|a, b| b.cmp(a));
                return Ok(self.late.pop());
            };
            if self.last.is_some_and(|last| near < last) {
                self.late.push(near);
                continue;
            }
            if self.stage == Stage::First {
                self.given.insert((near.part, near.ord));
            }
            self.last = Some(near);
            return Ok(Some(near));
        }
    }

    /// Whether the best reranked row can be handed out (or there is none left to rerank).
    fn settled(&self) -> bool {
        let Some(coded) = self.pool.get(self.next) else { return true };
        let Some(Reverse(near)) = self.ready.peek() else { return false };
        // Equal distances come in order of rowid, so a row that may still be equal has to be looked at, unless the
        // pool is exact and in that order itself.
        let in_order = coded.exact
            && self.bound == 0.0
            && near.distance.total_cmp(&coded.distance).then(near.rowid.cmp(&coded.rowid)).is_le();
        let beats = |error: f32| in_order || near.distance < coded.distance - error;
        if self.stage == Stage::First && !self.complete {
            self.reranked >= self.target || beats(self.likely)
        } else {
            beats(self.bound)
        }
    }

    /// Computes exact distances for the next candidates of the pool.
    fn rerank(&mut self, source: &Source<'_>, view: &View, trace: &mut Trace) -> Result<()> {
        // A few more than the caller will take, then in small steps: each costs a look-up in the file.
        let count = if self.reranked == 0 { self.first } else { 8 };
        let batch = &self.pool[self.next..(self.next + count).min(self.pool.len())];
        self.next += batch.len();
        self.reranked += batch.len();
        let near = |coded: &Coded, distance: f32| {
            Reverse(Near { distance, rowid: coded.rowid, part: coded.part, ord: coded.ord })
        };
        self.ready.extend(batch.iter().filter(|coded| coded.exact).map(|coded| near(coded, coded.distance)));
        let stored = || batch.iter().filter(|coded| !coded.exact);
        trace.reranked += stored().count() as u64;
        let ready = &mut self.ready;
        let mut rows = stored();
        let wanted = stored().map(|coded| (coded.part, coded.ord, coded.rowid));
        source.for_each_distance(view, self.leg.column, &self.leg.query, wanted, |distance| {
            if let (Some(coded), Some(distance)) = (rows.next(), distance) {
                ready.push(near(coded, distance));
            }
        })
    }

    /// Adds the candidates of a segment to the pool.
    fn take(&mut self, source: &Source<'_>, view: &View, part: usize, found: &[Candidate]) -> Result<()> {
        self.pool.reserve(found.len());
        for candidate in found {
            let (distance, ord) = (candidate.distance, candidate.ord);
            let rowid = source.rowid(view, part, ord)?;
            self.pool.push(Coded { distance, rowid, part: part as u32, ord, exact: false });
        }
        Ok(())
    }

    /// First stage: the best of every part, by graph or scan.
    fn collect_best(
        &mut self,
        source: &Source<'_>,
        view: &View,
        masks: &Masks,
        trace: &mut Trace,
    ) -> Result<()> {
        self.stage = Stage::First;
        let want = self.target.max(self.ef);
        // Beyond the last candidate of a part that has more rows, the merged order is not known.
        let mut horizon = f32::INFINITY;
        for part in 0..view.parts() {
            let passing = masks.counts[part];
            let rows = view.part_len(part);
            let mask = masks.parts[part].as_deref();
            let Some(segment) = view.segments.get(part) else {
                trace.part(part, Plan::Delta, rows, passing);
                self.collect_delta(view, masks, part, trace);
                continue;
            };
            let mut plan = planner::choose(rows, passing, want, self.ef, false);
            if plan == Plan::Nothing {
                trace.part(part, plan, rows, passing);
                continue;
            }
            let index =
                segment.segment.vector(source.storage, source.conn, source.schema, self.leg.column)?;
            let mut stats = SearchStats::default();
            let mut found = Vec::new();
            if matches!(plan, Plan::Graph | Plan::FilteredGraph) {
                let budget = (plan == Plan::FilteredGraph).then(|| planner::budget(passing));
                let outcome = index.search(&self.leg.query, want, self.ef, mask, budget, &mut stats);
                self.likely = self.likely.max(outcome.likely_error);
                if outcome.complete {
                    found = outcome.candidates;
                } else {
                    plan = Plan::Scan;
                    trace.fallbacks += 1;
                }
            }
            if plan == Plan::Scan {
                found = index.scan(&self.leg.query, want, mask, &mut stats);
                let nearest = found.first().map_or(0.0, |c| c.distance);
                self.likely = self.likely.max(index.likely_error(&self.leg.query, nearest));
            }
            trace.part(part, plan, rows, passing);
            trace.count(&stats);
            self.bound = self.bound.max(index.error_bound(&self.leg.query));
            // Fewer than asked for are all that have a vector.
            if found.len() == want
                && want < passing
                && let Some(last) = found.last()
            {
                horizon = horizon.min(last.distance);
            }
            self.take(source, view, part, &found)?;
        }
        self.pool.retain(|coded| coded.distance <= horizon);
        if horizon == f32::INFINITY {
            (self.complete, self.trusted) = (true, usize::MAX);
        }
        self.sort_pool();
        Ok(())
    }

    /// Second stage: every qualifying row by code.
    fn collect_all(
        &mut self,
        source: &Source<'_>,
        view: &View,
        masks: &Masks,
        trace: &mut Trace,
    ) -> Result<()> {
        self.stage = Stage::Full;
        self.pool.clear();
        self.ready.clear();
        self.next = 0;
        trace.full = true;
        for part in 0..view.parts() {
            let passing = masks.counts[part];
            let Some(segment) = view.segments.get(part) else {
                self.collect_delta(view, masks, part, trace);
                continue;
            };
            if passing == 0 {
                continue;
            }
            let index =
                segment.segment.vector(source.storage, source.conn, source.schema, self.leg.column)?;
            let mut stats = SearchStats::default();
            let found = index.scan(&self.leg.query, passing, masks.parts[part].as_deref(), &mut stats);
            self.bound = self.bound.max(index.error_bound(&self.leg.query));
            trace.part(part, Plan::Scan, view.part_len(part), passing);
            trace.count(&stats);
            self.take(source, view, part, &found)?;
        }
        let given = &self.given;
        self.pool.retain(|coded| !given.contains(&(coded.part, coded.ord)));
        self.sort_pool();
        Ok(())
    }

    fn collect_delta(&mut self, view: &View, masks: &Masks, part: usize, trace: &mut Trace) {
        let Some(vectors) = view.delta.vectors(self.leg.column) else { return };
        let dim = self.leg.query.len();
        for (slot, vector) in vectors.data.chunks_exact(dim).enumerate() {
            if vectors.present[slot] && masks.contains(part, slot as u32) {
                let distance = metric::distance(self.metric, &self.leg.query, vector);
                let (slot, part) = (slot as u32, part as u32);
                self.pool.push(Coded {
                    distance,
                    rowid: view.delta.rowid(slot),
                    part,
                    ord: slot,
                    exact: true,
                });
                trace.distances += 1;
            }
        }
    }

    fn sort_pool(&mut self) {
        self.pool.sort_unstable_by(|a, b| a.distance.total_cmp(&b.distance).then(a.rowid.cmp(&b.rowid)));
    }
}
