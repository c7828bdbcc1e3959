//! Search among allowed rows only: the whole graph is walked, results are gated.
//!
//! The beam keeps its breadth, as in an unfiltered search, and grows until enough of it passes, so the cost follows the
//! share of rows that pass *near the query*. Once it is full, a node that does not pass leads to passing neighbours
//! only, and those skipped are not marked as seen (Weaviate's PathSeer rule). Where nothing near the query passes, a
//! graph has no path to follow: the walk notices that early and gives up, and the caller scans. Deterministic.

use super::filtered_beam::FilteredBeam;
use super::frontier::{node_of, pack};
use super::graph::{Layer, NONE, ONE_BY_ONE, ONE_UNTIL, SLACK, Scratch, TWO_UNTIL, search_layer};
use super::index::VectorIndex;
use super::stop::{Breadth, Stop};
use super::{Candidate, Outcome, SearchStats, Wanted};
use crate::bitmap::Bitmap;
use crate::vector::codes::{Query, View};

/// Nodes expanded between two looks at how many of the nearest nodes pass.
const LOOK_EVERY: u64 = 16;

/// Nodes expanded before the first look of a walk on trial.
const TRIAL: u64 = 8;

/// Nodes that a walk on trial expands before its first check.
const PROBE: usize = 32;

/// An unfiltered walk suffices only if at least this part of the share that passes elsewhere passes near the query.
const USUAL: f64 = 0.75;

/// How a filtered walk measures itself; made by the planner.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// The walk gives up at its first look when fewer of the nearest 32 nodes pass.
    pub dense: usize,
    /// Nodes that pass to hold at least.
    pub floor: usize,
    /// The walk gives up when none of this many nearest nodes passes; 0 disables the check.
    pub sample: usize,
    /// The walk gives up after this many distances and estimates.
    pub looks: u64,
    /// Whether a walk that gives up is followed by a scan.
    pub or_scan: bool,
    /// The share of the rows that pass, where nearly all do: then an unfiltered walk comes first.
    pub most: Option<f64>,
}

/// What a walk looks for, and when it stops.
#[derive(Clone, Copy)]
struct Goal<'a> {
    allowed: &'a Bitmap,
    bounds: &'a Bounds,
    stop: Option<Stop>,
}

impl VectorIndex {
    /// Whether the node, or a row that shares it, is allowed.
    #[inline]
    pub(super) fn node_allowed(&self, node: u32, allowed: &Bitmap) -> bool {
        allowed.contains(node)
            || self.has_groups() && self.members_of(node).iter().any(|ord| allowed.contains(*ord))
    }

    /// As [`VectorIndex::search`], among the `allowed` rows. The answer is not complete when the walk gave up and no
    /// scan was to follow it; a scan gives the rows of [`VectorIndex::scan_near`].
    pub fn search_filtered(
        &self,
        query: &[f32],
        wanted: Wanted<'_>,
        allowed: &Bitmap,
        bounds: &Bounds,
        stats: &mut SearchStats,
    ) -> Outcome {
        let count = self.count_to(allowed, wanted.rows.max(bounds.floor));
        let want = wanted.rows.min(count);
        let wanted = Wanted { rows: want, ..wanted };
        self.with_query(query, |query, scratch| {
            if !self.has_graph() || want == 0 {
                return self.finish(query, Vec::new(), want == 0);
            }
            if let Some(share) = bounds.most
                && let Some(candidates) =
                    self.walk_all(query, wanted, (allowed, share, bounds.floor), scratch, stats)
            {
                return self.finish(query, candidates, true);
            }
            // Taken out while it is in use: the rest of the scratch memory is lent to the steps.
            let mut pool = std::mem::take(&mut scratch.pool);
            pool.reset(wanted.ef, bounds.floor.min(count), bounds.sample);
            let stop = self.stop(query, wanted);
            let goal = Goal { allowed, bounds, stop };
            let done = self.walk_allowed(query, &goal, &mut pool, scratch, stats);
            let candidates = self.spread(query, pool.passing(), wanted, Some(allowed));
            scratch.pool = pool;
            let complete = done && candidates.len() >= wanted.to_hold();
            if !complete && bounds.or_scan {
                let candidates = self.scan(query, wanted, Some(allowed), scratch, stats);
                return Outcome { scanned: true, ..self.finish(query, candidates, true) };
            }
            self.finish(query, candidates, complete)
        })
    }

    /// Rows with a vector that are allowed; counting ends when there are `enough`.
    fn count_to(&self, allowed: &Bitmap, enough: usize) -> usize {
        let mut count = 0;
        for (present, allowed) in self.present.words().iter().zip(allowed.words()) {
            count += (present & allowed).count_ones() as usize;
            if count >= enough {
                break;
            }
        }
        count
    }

    /// Walks as if all rows were allowed, and leaves out afterwards those that are not: where few are not, that takes a sixth less time
    /// than to ask of each node. `None` where fewer rows pass near the query than elsewhere.
    fn walk_all(
        &self,
        query: &Query,
        wanted: Wanted<'_>,
        (allowed, share, floor): (&Bitmap, f64, usize),
        scratch: &mut Scratch,
        stats: &mut SearchStats,
    ) -> Option<Vec<Candidate>> {
        let of_all = |passing: usize| (passing as f64 / share).ceil() as usize;
        let stop = self.stop(query, Wanted { rows: of_all(wanted.rows), ..wanted });
        let breadth = Breadth { ef: wanted.ef.max(of_all(floor)), stop, without: None };
        let start = self.entry(query, scratch, stats);
        search_layer(self.codes(), self.base_layer(), query, &[start], breadth, scratch, stats);
        let entries = scratch.beam.entries();
        let passing = entries.iter().filter(|entry| self.node_allowed(node_of(**entry), allowed)).count();
        let usual = passing as f64 >= entries.len() as f64 * share * USUAL;
        let candidates = self.spread(query, entries, wanted, Some(allowed));
        (usual && candidates.len() >= wanted.to_hold()).then_some(candidates)
    }

    /// Walks until the pool has no open node; false when the walk gave up.
    fn walk_allowed(
        &self,
        query: &Query,
        goal: &Goal<'_>,
        pool: &mut FilteredBeam,
        scratch: &mut Scratch,
        stats: &mut SearchStats,
    ) -> bool {
        let Goal { allowed, bounds, stop } = *goal;
        let (codes, layer) = (self.codes(), self.base_layer());
        let place = (codes, layer, query);
        let passes = |node: u32| self.node_allowed(node, allowed);
        let start = self.entry(query, scratch, stats);
        scratch.visited.reset(self.rows());
        scratch.visited.insert(start);
        scratch.nodes.clear();
        scratch.nodes.push(start);
        scratch.score(codes, layer, query, stats);
        for (node, key) in scratch.nodes.iter().zip(&scratch.keys) {
            pool.insert(pack(*key, *node), u64::MAX, passes);
        }
        scratch.nodes.clear();
        scratch.waiting.clear();
        let looks = |stats: &SearchStats| stats.distances + stats.estimates;
        let budget = looks(stats).saturating_add(bounds.looks);
        let mut on_trial = bounds.dense > 0;
        let mut look = stats.hops + if on_trial { TRIAL } else { LOOK_EVERY };
        let mut steps = 0;
        // As in an unfiltered search, two groups of nodes are under way.
        loop {
            steps += 1;
            std::mem::swap(&mut scratch.nodes, &mut scratch.waiting);
            if steps <= ONE_BY_ONE {
                settle(place, pool, passes, u64::MAX, scratch, stats);
            }
            let limit = pool.limit(stop, query);
            let count = match steps {
                _ if steps <= ONE_UNTIL => 1,
                _ if steps <= TWO_UNTIL => 2,
                _ => 4,
            };
            let mut expanded = 0;
            while expanded < count
                && let Some(node) = pool.next_open(limit)
            {
                expanded += 1;
                if limit != u64::MAX && !passes(node) {
                    for next in layer.row(node).iter().copied().take_while(|next| *next != NONE) {
                        if passes(next) && scratch.visited.insert(next) {
                            scratch.nodes.push(next);
                        }
                    }
                } else {
                    scratch.gather(layer, node);
                }
            }
            stats.hops += expanded as u64;
            if limit != u64::MAX {
                codes.prefetch_signs(&scratch.nodes);
            }
            settle(place, pool, passes, limit, scratch, stats);
            let limit = pool.limit(stop, query);
            if expanded == 0 && pool.open(limit).next().is_none() {
                return true;
            }
            pool.open(limit).take(count).for_each(|next| layer.prefetch(next));
            scratch.screen(codes, layer, query, (limit, SLACK), stats);
            codes.prefetch(&scratch.nodes);
            if stats.hops >= look {
                look = stats.hops + LOOK_EVERY;
                let near = pool.nearest().iter().take(PROBE);
                let sparse = on_trial && near.filter(|e| passes(node_of(**e))).count() < bounds.dense;
                if sparse || looks(stats) >= budget || !worthwhile(pool, bounds, passes) {
                    return false;
                }
                on_trial = false;
            }
        }
    }
}

/// Scores the nodes that wait and puts them into the pool.
#[inline]
fn settle(
    (codes, layer, query): (View<'_>, Layer<'_>, &Query),
    pool: &mut FilteredBeam,
    passes: impl Fn(u32) -> bool + Copy,
    limit: u64,
    scratch: &mut Scratch,
    stats: &mut SearchStats,
) {
    std::mem::swap(&mut scratch.nodes, &mut scratch.waiting);
    scratch.score(codes, layer, query, stats);
    for (node, key) in scratch.nodes.iter().zip(&scratch.keys) {
        pool.insert(pack(*key, *node), limit, passes);
    }
    scratch.nodes.clear();
    std::mem::swap(&mut scratch.nodes, &mut scratch.waiting);
}

/// Looks at the nodes nearest to the query. Where none of them passes, the walk is at a loss.
fn worthwhile(pool: &FilteredBeam, bounds: &Bounds, passes: impl Fn(u32) -> bool) -> bool {
    let nearest = pool.nearest().get(..bounds.sample).filter(|nearest| !nearest.is_empty());
    nearest.is_none_or(|nearest| nearest.iter().any(|entry| passes(node_of(*entry))))
}
