//! Where the candidates of a vector search come from: for each part of the view a walk of its graph, wider each time
//! more rows are asked for, or once and for all every qualifying row by its codes.

use super::candidate_heap::Coded;
use super::explain::Trace;
use super::masks::Masks;
use super::planner::{self, PartPlan};
use crate::collection::{Snapshot, View};
use crate::columns::Columns;
use crate::error::Result;
use crate::hnsw::{Bounds, Candidate, Outcome, SearchStats, Wanted};
use crate::vector::{Metric, metric};
use std::ops::RangeInclusive;

/// A walk that goes on must cost less than about half a scan of the codes, or the scan is made: all walks together
/// then cost less than that scan. A walk costs about as much as `WALK_ROWS` rows of a scan for each place in its
/// beam: 30 measured on 63,422 embeddings of 384 dimensions, 6 on 60,000 of 784 that are scanned from memory.
const WALK_ROWS: usize = 32;

/// A segment is walked again if it has to be walked this much more broadly.
const BROADER: f64 = 1.25;

/// What a search goes over; it does not change while rows are taken.
#[derive(Clone, Copy)]
pub struct Over<'a> {
    /// The collection.
    pub snapshot: Snapshot<'a>,
    /// Rows that qualify.
    pub masks: &'a Masks,
}

/// The candidates for one query vector.
pub struct Candidates {
    column: usize,
    query: Vec<f32>,
    metric: Metric,
    /// Breadth of the first walk; each segment has its own where nobody asks for one.
    ef: Option<usize>,
    /// The plan of every segment, where the caller insists on one.
    plan: Option<PartPlan>,
    /// Distances that returned rows may have; rows that are provably outside can be left out.
    range: RangeInclusive<f64>,
    /// Parts all of whose qualifying rows are known.
    whole: Vec<Option<Vec<Coded>>>,
    /// How broadly parts were walked; `None` where they were scanned.
    breadths: Vec<Option<usize>>,
    walked: bool,
    /// Segments of the view; the distances by code of two are not wrong in the same way.
    pub segments: usize,
    /// A rerank for `k` rows reads `width.0 + width.1 * k` candidates.
    width: (usize, usize),
    /// Rows that a LIMIT would have asked the breadth of the last stage for, at the least.
    pub serves: usize,
    /// Whether every segment was scanned in the last stage, so that nothing but the codes is in doubt.
    pub scanned: bool,
    /// Largest error of a distance by code in the parts that are whole.
    pub bound: f64,
    /// Error of a distance by code that is seldom passed.
    pub likely: f64,
}

impl Candidates {
    /// Nothing is computed yet. `column` is counted among the vector columns.
    pub fn new(
        column: usize,
        query: Vec<f32>,
        metric: Metric,
        ef: Option<usize>,
        plan: Option<PartPlan>,
        range: RangeInclusive<f64>,
    ) -> Self {
        Self {
            column,
            query,
            metric,
            ef,
            plan,
            range,
            whole: Vec::new(),
            breadths: Vec::new(),
            walked: false,
            segments: 1,
            width: (8, 2),
            serves: 0,
            scanned: true,
            bound: 0.0,
            likely: 0.0,
        }
    }

    /// The query vector.
    pub fn query(&self) -> &[f32] {
        &self.query
    }

    /// Candidates that are to be put in exact order for `rows` rows.
    pub fn rerank_width(&self, rows: usize) -> usize {
        self.width.1.saturating_mul(rows).saturating_add(self.width.0).saturating_mul(self.segments)
    }

    /// The best candidates of every part for `count` rows; `true` when these are all rows that qualify and can be in the
    /// range. Asked again, `count` is larger.
    pub fn best(&mut self, over: &Over<'_>, count: usize, trace: &mut Trace) -> Result<(Vec<Coded>, bool)> {
        trace.stages += 1;
        (self.serves, self.scanned) = (usize::MAX, true);
        self.whole.resize(over.snapshot.view.parts(), None);
        self.breadths.resize(over.snapshot.view.parts(), None);
        self.segments = over.snapshot.view.segments.len().max(1);
        let view = over.snapshot.view;
        let passing: usize = over.masks.counts[..view.segments.len()].iter().sum();
        let share = |part: usize| over.masks.counts[part] as f64 / passing.max(1) as f64;
        let mut nearest = NearestSoFar::default();
        let mut best: Vec<Best> = Vec::with_capacity(view.parts());
        for part in order(view) {
            let found = self.take(over, part, count, (share(part), nearest.last()), trace)?;
            // Twice the rows that are asked for, as codes are not exact (more where codes are bits).
            if !self.walked && self.segments > 1 {
                nearest.add(self.distances(&found), self.width.1.saturating_mul(count));
            }
            best.push(found);
        }
        if !self.walked && self.ef.is_none() && self.segments > 1 {
            self.walk_again(over, &mut best, count, nearest.last(), trace)?;
        }
        // Beyond it the merged order is not known.
        let horizon = best.iter().fold(f64::INFINITY, |least, part| least.min(part.end));
        let complete = horizon == f64::INFINITY;
        let is_near = |distance: f64| complete || distance <= horizon;
        let mut found = Vec::new();
        for Best { part, rows, .. } in best {
            if let Some(whole) = &self.whole[part] {
                found.extend(whole.iter().filter(|coded| is_near(coded.distance)));
            } else if let Some(segment) = view.segments.get(part) {
                let columns = segment.segment.columns(over.snapshot.on)?.whole();
                let near = rows.into_iter().filter(|candidate| is_near(candidate.distance));
                found.extend(near.map(|candidate| coded(columns, part, candidate)));
            }
        }
        self.walked = true;
        Ok((found, complete))
    }

    /// Searches a part, unless all of it is known.
    fn take(
        &mut self,
        over: &Over<'_>,
        part: usize,
        count: usize,
        (share, within): (f64, f64),
        trace: &mut Trace,
    ) -> Result<Best> {
        if self.whole[part].is_none() {
            match self.search(over, part, count, (share, within), trace)? {
                Searched::Whole(all) => self.whole[part] = Some(all),
                Searched::Best(rows, end) => return Ok(Best { part, rows, end }),
            }
        }
        Ok(Best { part, rows: Vec::new(), end: f64::INFINITY })
    }

    /// Distances of what was found of a part.
    fn distances<'a>(&'a self, best: &'a Best) -> impl Iterator<Item = f64> + 'a {
        let whole = self.whole[best.part].iter().flatten().map(|coded| coded.distance);
        whole.chain(best.rows.iter().map(|candidate| candidate.distance))
    }

    /// Walks those segments once more that turned out to hold a larger share of the nearest rows than of all rows, as broadly as
    /// that takes.
    fn walk_again(
        &mut self,
        over: &Over<'_>,
        best: &mut [Best],
        count: usize,
        within: f64,
        trace: &mut Trace,
    ) -> Result<()> {
        let of =
            |found: &Best| self.distances(found).map(|distance| (distance, found.part)).collect::<Vec<_>>();
        let mut nearest: Vec<(f64, usize)> = best.iter().flat_map(of).collect();
        let count_of = count.min(nearest.len());
        let Some(last) = count_of.checked_sub(1) else { return Ok(()) };
        nearest.select_nth_unstable_by(last, |a, b| a.0.total_cmp(&b.0));
        for found in best {
            let part = found.part;
            let (Some(walked), Some(segment)) = (self.breadths[part], over.snapshot.view.segments.get(part))
            else {
                continue;
            };
            let held = nearest[..count_of].iter().filter(|(_, of)| *of == part).count();
            let share = held as f64 / count_of as f64;
            let needed = segment.segment.vector(over.snapshot.on, self.column)?.breadth_for(share);
            if needed as f64 > walked as f64 * BROADER {
                *found = self.take(over, part, count, (share, within), trace)?;
            }
        }
        Ok(())
    }

    /// Every row that qualifies and can be in the range.
    pub fn all(&mut self, over: &Over<'_>, trace: &mut Trace) -> Result<Vec<Coded>> {
        self.walked = true;
        Ok(self.best(over, usize::MAX, trace)?.0)
    }

    /// Searches a part that is not whole yet.
    fn search(
        &mut self,
        over: &Over<'_>,
        part: usize,
        count: usize,
        (share, within): (f64, f64),
        trace: &mut Trace,
    ) -> Result<Searched> {
        let Over { snapshot, masks } = *over;
        let view = snapshot.view;
        let (rows, passing) = (view.part_len(part), masks.counts[part]);
        let Some(segment) = view.segments.get(part) else {
            trace.part(part, PartPlan::Delta, rows, passing, None);
            return Ok(Searched::Whole(self.delta(over, part, trace)));
        };
        if passing == 0 {
            trace.part(part, PartPlan::Nothing, rows, passing, None);
            return Ok(Searched::Whole(Vec::new()));
        }
        let mask = masks.parts[part].as_deref();
        let index = segment.segment.vector(snapshot.on, self.column)?;
        let columns = segment.segment.columns(snapshot.on)?.whole();
        let least = index.rerank_width(0);
        let each = index.rerank_width(1) - least;
        self.width = (self.width.0.max(least), self.width.1.max(each));
        let want = index.rerank_width(count);
        self.serves = self.serves.min((want - least) / each);
        // Fewer than asked for are all that have a vector.
        let is_whole =
            |found: &[Candidate]| found.len() < want && within == f64::INFINITY || found.len() >= passing;
        let searched = |found: Vec<Candidate>| {
            let more = !is_whole(&found);
            let last = found.last().filter(|_| found.len() >= want);
            let end = last.map_or(within, |last: &Candidate| last.distance.min(within));
            if more {
                return Searched::Best(found, end);
            }
            Searched::Whole(found.into_iter().map(|candidate| coded(columns, part, candidate)).collect())
        };
        let ef = self.ef.unwrap_or_else(|| index.breadth_for(share));
        let ef = if self.walked { ef.max(want) } else { ef };
        let forced = self.plan.filter(|plan| *plan == PartPlan::Scan || index.has_graph());
        // The floor of a filtered walk has room for the rows wanted; another one is as broad as they are many.
        let planned = if passing < rows { index.filtered_breadth(ef) } else { ef.max(want) };
        let choose = || planner::choose(rows, passing, want.min(rows), planned.min(rows), index.has_graph());
        let mut plan = forced.unwrap_or_else(choose);
        if self.walked && WALK_ROWS.saturating_mul(ef) > passing {
            plan = PartPlan::Scan;
        }
        let mut stats = SearchStats::default();
        self.breadths[part] = None;
        let by_rowid: &(dyn Fn(u32) -> i64 + Sync) = &|ord| columns.rowid(ord);
        let order = (!columns.ascends()).then_some(by_rowid);
        let wanted = Wanted { order, ..Wanted::nearest(want, ef).within(within) };
        let walk = match (plan, mask) {
            (PartPlan::FilteredGraph, Some(mask)) => {
                let bounds = if forced.is_some() { planner::unbounded } else { planner::bounds };
                let bounds = Bounds { or_scan: !self.walked, ..bounds(rows, passing, want, planned) };
                Some(index.search_filtered(&self.query, wanted, mask, &bounds, &mut stats))
            }
            (PartPlan::Graph | PartPlan::FilteredGraph, _) => {
                Some(index.search(&self.query, wanted, &mut stats))
            }
            _ => None,
        };
        if let Some(outcome) = walk {
            if outcome.complete {
                self.scanned &= outcome.scanned;
                self.take_errors(&outcome, is_whole(&outcome.candidates));
                trace.fallbacks += u64::from(outcome.scanned);
                let plan = if outcome.scanned { PartPlan::Scan } else { plan };
                self.breadths[part] = (!outcome.scanned).then_some(ef.max(want.min(rows)));
                trace.part(part, plan, rows, passing, self.breadths[part]);
                trace.count(&stats);
                return Ok(searched(outcome.candidates));
            }
            plan = PartPlan::Scan;
            trace.fallbacks += 1;
        }
        let searched = if self.walked {
            // What is provably out of the range is left out.
            let error = index.usual_bound(&self.query);
            self.bound = self.bound.max(error);
            let (from, to) = (self.range.start() - error, self.range.end() + error);
            let mut all = Vec::new();
            index.sweep(&self.query, mask, &mut stats, |candidate, more| {
                // A row that may be off by more than the others is read as early as if it were nearer by that.
                let distance = candidate.distance - more;
                if candidate.distance + more >= from && distance <= to {
                    all.push(coded(columns, part, Candidate { distance, ..candidate }));
                }
            });
            Searched::Whole(all)
        } else {
            let outcome = index.scan_near(&self.query, wanted, mask, &mut stats);
            self.take_errors(&outcome, is_whole(&outcome.candidates));
            searched(outcome.candidates)
        };
        trace.part(part, plan, rows, passing, None);
        trace.count(&stats);
        Ok(searched)
    }

    /// The bound counts for parts that are whole; the last stage sweeps the others.
    fn take_errors(&mut self, outcome: &Outcome, whole: bool) {
        self.likely = self.likely.max(outcome.likely_error);
        if whole {
            self.bound = self.bound.max(outcome.error_bound);
        }
    }

    /// The rows in memory, compared on their floats.
    fn delta(&self, over: &Over<'_>, part: usize, trace: &mut Trace) -> Vec<Coded> {
        let Some(vectors) = over.snapshot.view.delta.vectors(self.column) else { return Vec::new() };
        let mut all = Vec::new();
        for (slot, vector) in vectors.data.chunks_exact(self.query.len()).enumerate() {
            if vectors.present[slot] && over.masks.contains(part, slot as u32) {
                let distance = metric::distance(self.metric, &self.query, vector);
                let (part, ord) = (part as u32, slot as u32);
                all.push(Coded { distance, rowid: over.snapshot.view.delta.rowid(ord), part, ord });
                trace.distances += 1;
            }
        }
        all
    }
}

/// What a stage has found of a part that is not known as a whole.
struct Best {
    part: usize,
    rows: Vec<Candidate>,
    /// Beyond it there may be more.
    end: f64,
}

/// What is known of a part after a search.
enum Searched {
    /// All rows that can be returned.
    Whole(Vec<Coded>),
    /// The best rows, sorted, and the distance beyond which there may be more.
    Best(Vec<Candidate>, f64),
}

/// A row of a segment, with its identity. To look that up costs an access to memory, so it is done for rows that may be returned.
fn coded(columns: &Columns, part: usize, candidate: Candidate) -> Coded {
    let Candidate { distance, ord } = candidate;
    Coded { distance, rowid: columns.rowid(ord), part: part as u32, ord }
}

/// The parts of the view, those first that will know the most of the nearest rows.
fn order(view: &View) -> impl Iterator<Item = usize> {
    let mut order: Vec<usize> = (0..view.segments.len()).collect();
    order.sort_by_key(|part| std::cmp::Reverse(view.part_len(*part)));
    (view.segments.len()..view.parts()).chain(order)
}

/// Distances of the nearest rows of the parts that were searched, in order.
#[derive(Default)]
struct NearestSoFar {
    distances: Vec<f64>,
    wanted: usize,
}

impl NearestSoFar {
    /// Adds those of a part; no more than `wanted` are kept.
    fn add(&mut self, found: impl Iterator<Item = f64>, wanted: usize) {
        self.wanted = wanted;
        self.distances.extend(found);
        self.distances.sort_unstable_by(f64::total_cmp);
        self.distances.truncate(wanted);
    }

    /// The distance of the last row wanted: farther rows of other parts are of no use.
    fn last(&self) -> f64 {
        let last = self.wanted.checked_sub(1).and_then(|at| self.distances.get(at));
        last.copied().unwrap_or(f64::INFINITY)
    }
}
