//! The vector leg: rows in order of exact distance, as many as the caller takes.
//!
//! Candidates by code are reranked on the stored vectors, lazily. They come in stages: the first holds what the caller
//! will probably take; each later one walks the graphs with a beam four times as wide, until that would cost about as
//! much as a scan; the last holds every qualifying row by code. There a row is given by the provable error bound of the
//! codes, so the order is exact and no row is ever left out.

use super::candidate_heap::CandidateHeap;
use super::candidates::{Candidates, Over};
use super::explain::Trace;
use super::request::{Request, VectorLeg, holds};
use super::row_map::RowId;
use crate::collection::Snapshot;
use crate::error::Result;
use crate::value::Op;
use crate::vector::Metric;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// After a scan, rows are reranked until the next is farther by this share of the likely error, which is five standard
/// deviations; but not more rows than this.
const ENOUGH: f64 = 0.42;
const MOST_RERANKED: usize = 1024;

/// How much wider each stage is than the one before.
const WIDER: usize = 4;

/// A row with its exact distance; ordered by distance, then rowid.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Near {
    /// Exact distance.
    pub distance: f64,
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

/// A running vector search.
pub struct Nearest {
    candidates: Candidates,
    column: usize,
    within: Vec<(Op, f64)>,
    /// The largest distance that `within` allows.
    radius: f64,
    /// Whether every row within the radius is wanted, also those that a walk misses.
    thorough: bool,
    /// Whether the caller said how many rows it will take.
    hinted: bool,
    exact: bool,
    pool: CandidateHeap,
    /// Reranked rows that were not given yet.
    ready: BinaryHeap<Reverse<Near>>,
    /// The row given last, and rows nearer than it that only a later stage found: they come at the very end.
    last: Option<Near>,
    late: Vec<Near>,
    /// Rows the caller will probably take.
    batch: usize,
    /// Rows that the stages so far may give, beyond which their order is not good enough; 0 before the first.
    trusted: usize,
    /// Whether the pool holds every qualifying row.
    complete: bool,
    given: usize,
    /// Vectors read.
    reranked: usize,
    done: bool,
}

impl Nearest {
    /// A search for the request's vector leg; nothing is computed before the first row is taken.
    pub fn new(snapshot: Snapshot<'_>, request: &Request, leg: &VectorLeg) -> Self {
        Self::within(snapshot, request, leg, request.first_stage(), request.within.clone())
    }

    /// The same, with these bounds on the distance instead of the request's.
    pub fn within(
        snapshot: Snapshot<'_>,
        request: &Request,
        leg: &VectorLeg,
        batch: usize,
        within: Vec<(Op, f64)>,
    ) -> Self {
        let metric =
            snapshot.schema.vectors().nth(leg.column).map_or(Metric::Cosine, |(_, spec)| spec.metric);
        let of_table = Some(snapshot.settings.ef_search).filter(|ef| *ef > 0);
        let ef = request.ef.or(of_table).map(|ef| ef.max(1));
        let bounds = |wanted: [Op; 2]| {
            within.iter().filter(move |(op, _)| wanted.contains(op)).map(|(_, bound)| *bound)
        };
        let radius = bounds([Op::Lt, Op::Le]).fold(f64::INFINITY, f64::min);
        let range = bounds([Op::Gt, Op::Ge]).fold(f64::NEG_INFINITY, f64::max)..=radius;
        Self {
            candidates: Candidates::new(leg.column, leg.query.clone(), metric, ef, request.plan, range),
            column: leg.column,
            radius,
            thorough: radius < f64::INFINITY && request.limit.is_none() && request.ef.is_none(),
            hinted: request.hint.is_some(),
            within,
            exact: request.exact,
            pool: CandidateHeap::default(),
            ready: BinaryHeap::new(),
            last: None,
            late: Vec::new(),
            batch,
            trusted: 0,
            complete: false,
            given: 0,
            reranked: 0,
            done: false,
        }
    }

    /// The mean similarity of all rows to the query.
    pub fn typical_similarity(&self, snapshot: Snapshot<'_>) -> Result<Option<f64>> {
        snapshot.typical_similarity(self.column, self.candidates.query())
    }

    /// Exact distances of given rows, with their rowids; `None` where a row has no vector.
    pub fn distances(&self, snapshot: Snapshot<'_>, rows: &[(RowId, i64)]) -> Result<Vec<Option<f64>>> {
        let mut distances = Vec::with_capacity(rows.len());
        let wanted = rows.iter().map(|((part, ord), rowid)| (*part, *ord, *rowid));
        snapshot.for_each_distance(self.column, self.candidates.query(), wanted, |distance| {
            distances.push(distance);
        })?;
        Ok(distances)
    }

    /// The next row in order of distance.
    pub fn next(&mut self, over: &Over<'_>, trace: &mut Trace) -> Result<Option<Near>> {
        while !self.done {
            let Some(near) = self.advance(over, trace)? else {
                self.done = true;
                break;
            };
            if self.within.iter().all(|bound| holds(bound, near.distance)) {
                return Ok(Some(near));
            }
            let beyond = |(op, _): &&(Op, f64)| matches!(op, Op::Lt | Op::Le);
            if self.within.iter().filter(beyond).any(|bound| !holds(bound, near.distance)) {
                self.pass_radius(over, trace)?;
            }
        }
        Ok(None)
    }

    /// A row beyond the radius came. Distances only grow, so all that can follow is what was missed before.
    fn pass_radius(&mut self, over: &Over<'_>, trace: &mut Trace) -> Result<()> {
        if self.complete {
            self.pool.clear();
            self.ready.clear();
        } else if self.thorough {
            self.take_all(over, trace)?;
        } else {
            self.done = true;
        }
        Ok(())
    }

    fn advance(&mut self, over: &Over<'_>, trace: &mut Trace) -> Result<Option<Near>> {
        loop {
            if self.given >= self.trusted {
                self.widen(over, trace)?;
            }
            if !self.settled() {
                self.rerank(over, trace)?;
                continue;
            }
            let Some(Reverse(near)) = self.ready.pop() else {
                if !self.complete {
                    self.widen(over, trace)?;
                    continue;
                }
                // Every row was given but those that an earlier stage had missed.
                self.late.sort_unstable_by(|a, b| b.cmp(a));
                return Ok(self.late.pop());
            };
            if self.last.is_some_and(|last| near < last) {
                self.late.push(near);
                continue;
            }
            self.given += 1;
            self.last = Some(near);
            return Ok(Some(near));
        }
    }

    /// The next stage: more candidates.
    fn widen(&mut self, over: &Over<'_>, trace: &mut Trace) -> Result<()> {
        let first = self.trusted == 0;
        if self.exact || self.thorough && !(first && self.hinted) {
            return self.take_all(over, trace);
        }
        let count = if first { self.batch } else { self.trusted.saturating_mul(WIDER) };
        let (found, complete) = self.candidates.best(over, count, trace)?;
        self.pool.fill(found);
        if complete {
            (self.complete, self.trusted) = (true, usize::MAX);
            trace.full |= !first;
            return Ok(());
        }
        self.trusted = self.candidates.serves.max(count);
        let surely = self.radius - self.candidates.likely;
        if self.thorough && self.pool.within(surely) < self.batch {
            // The scan that has to follow when the radius is passed is better made before a row is given.
            return self.take_all(over, trace);
        }
        Ok(())
    }

    /// The last stage: every qualifying row by code.
    fn take_all(&mut self, over: &Over<'_>, trace: &mut Trace) -> Result<()> {
        let all = self.candidates.all(over, trace)?;
        self.pool.fill(all);
        (self.complete, self.trusted) = (true, usize::MAX);
        trace.full = true;
        Ok(())
    }

    /// Whether the best reranked row can be handed out (or there is none left to rerank).
    fn settled(&mut self) -> bool {
        let Some(coded) = self.pool.nearest() else { return true };
        let Some(Reverse(near)) = self.ready.peek() else { return false };
        // Strictly: equal distances come in order of rowid, so a row that may still be equal has to be looked at.
        let beats = |error: f64| near.distance < coded.distance - error;
        if self.complete {
            return beats(self.candidates.bound);
        }
        let enough = self.candidates.rerank_width(self.batch.max(self.given + 1));
        let likely = self.candidates.likely;
        beats(likely)
            || self.reranked >= enough
                && (!self.candidates.scanned || self.reranked >= MOST_RERANKED || beats(likely * ENOUGH))
    }

    /// Computes exact distances for the next candidates of the pool.
    fn rerank(&mut self, over: &Over<'_>, trace: &mut Trace) -> Result<()> {
        // A few more than the caller will take, then in small steps: each costs a look-up in the file.
        let count = if self.reranked == 0 { self.batch + 2 } else { (self.reranked / 4).clamp(8, 64) };
        let drawn = self.pool.draw(count);
        let mut stored = Vec::with_capacity(drawn.len());
        for coded in drawn {
            let near =
                Near { distance: coded.distance, rowid: coded.rowid, part: coded.part, ord: coded.ord };
            if coded.part as usize >= over.snapshot.view.segments.len() {
                self.ready.push(Reverse(near));
            } else {
                stored.push(near);
            }
        }
        self.reranked += stored.len();
        trace.reranked += stored.len() as u64;
        let (query, ready) = (self.candidates.query(), &mut self.ready);
        let mut rows = stored.iter();
        let wanted = stored.iter().map(|near| (near.part, near.ord, near.rowid));
        over.snapshot.for_each_distance(self.column, query, wanted, |distance| {
            if let (Some(near), Some(distance)) = (rows.next(), distance) {
                ready.push(Reverse(Near { distance, ..*near }));
            }
        })
    }
}
