//! Fusion: one ranked list out of the legs of a hybrid query, any number of vector legs and text legs.
//!
//! Three formulas, chosen by [`Fusion`]; larger fused scores are better in all of them:
//!
//! * **rrf** (Cormack, Clarke, Büttcher 2009): `sum of weight / (k + rank)`, ranks from 1. Looks at ranks only, so it
//!   needs no tuning; a leg that did not return the row adds nothing. The scores are no similarities (two legs at
//!   k = 60 reach 0.033): never put a threshold on them.
//! * **convex** (after Bruch, Gai, Ingber 2023): `alpha * v + (1 - alpha) * t`, the legs of a kind sharing its part. Scores
//!   are scaled from the *background*, what a row scores that has nothing to do with the query, to the best of the list,
//!   and cut to 0 and 1. For a text that is BM25 0, for a vector the mean similarity of all rows to the query: a scale
//!   from cosine -1 would leave all candidates of most models between .6 and 1, and the text would decide alone. Neither
//!   end depends on how deep the list is. A row that one leg missed gets its true score there (`fill`).
//! * **dbsf** (Qdrant): scores scaled from `mean - 3 sd` to `mean + 3 sd` of their leg, times weight. Not clamped: the
//!   few scores far above the mean are what the formula is good for.
//!
//! Invariant: the order is total and deterministic (score, the same before it was cut, number of legs, best rank, rowid) and
//! no score is NaN.

mod formula;
mod options;
mod scale;
#[cfg(test)]
mod tests;

pub use formula::{Fusion, LegKind};
pub use options::{HybridOptions, parse_options};

pub use super::row_map::RowId;
use super::row_map::RowMap;
use crate::vector::metric::narrow;
use scale::{Scale, goodness, similarity};
use serde::Serialize;

/// One hit of a leg.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LegHit {
    /// The row.
    pub id: RowId,
    /// Rank in the leg, from 1; equal hits share it.
    pub rank: u32,
    /// Distance (smaller is better) or BM25 (larger is better).
    pub raw: f64,
}

/// What one leg gave to a fused row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LegScore {
    /// Rank in the leg, from 1; `None` when the leg did not return the row.
    pub rank: Option<u32>,
    /// Distance or BM25.
    pub raw: f32,
    /// The score as the formula uses it, before the weight.
    pub normalized: f32,
    /// Weight of the leg.
    pub weight: f32,
    /// `weight * normalized`: what was added to the fused score.
    pub contribution: f32,
    /// Whether the leg did not return the row and its score was computed afterwards.
    pub filled: bool,
    /// `raw` before it was narrowed.
    #[serde(skip)]
    pub(crate) exact: f64,
}

/// The group of equal hits at which a leg was cut: every row of it counts, whether the leg drew it or not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Edge {
    /// Distance or BM25 of the group.
    pub raw: f64,
    /// Rank of the group.
    pub rank: u32,
}

/// One leg as it is fused.
pub struct FusedLeg<'a> {
    /// What it compares.
    pub kind: LegKind,
    /// Its own weight, 1 unless the query says otherwise; the fusion has one for all legs of a kind besides.
    pub weight: f32,
    /// Its hits.
    pub hits: &'a [LegHit],
    /// Where it was cut inside a group of equals.
    pub edge: Option<Edge>,
    /// What a row scores that has nothing to do with the query: 0 for texts, the mean similarity of all rows for vectors.
    /// Only convex asks for it; without one the worst row of the list stands for it.
    pub background: Option<f64>,
    /// Raw scores, computed by the caller, of rows that it did not draw. A row that has none (no vector, no term of the
    /// query) is left out and gets nothing from the leg.
    pub fill: &'a RowMap<f64>,
}

/// A fused row.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Fused {
    /// The row.
    pub id: RowId,
    /// Larger is better; never NaN.
    pub score: f32,
    slot: usize,
}

/// The fused rows, best first, and why each stands where it stands.
#[derive(Debug, Default)]
pub struct FusedList {
    /// The rows.
    pub rows: Vec<Fused>,
    legs: usize,
    scores: Vec<Option<LegScore>>,
}

impl FusedList {
    /// What each leg gave to a row of the list.
    pub fn scores(&self, row: &Fused) -> &[Option<LegScore>] {
        &self.scores[row.slot * self.legs..(row.slot + 1) * self.legs]
    }
}

/// Fuses the legs. Rows that are not `listed` only take part in the statistics of their leg. `tie` gives the rowid, the
/// last word between rows that are equal in everything else.
pub fn fuse(
    fusion: &Fusion,
    legs: &[FusedLeg<'_>],
    listed: &dyn Fn(RowId) -> bool,
    tie: &dyn Fn(RowId) -> i64,
) -> FusedList {
    let width = legs.len();
    let is_text = |leg: &FusedLeg<'_>| leg.kind == LegKind::Text;
    let mixed = legs.iter().any(is_text) && !legs.iter().all(is_text);
    let all = |text: bool| legs.iter().filter(|leg| is_text(leg) == text).map(|leg| leg.weight).sum::<f32>();
    let all = [all(false), all(true)];
    let weights: Vec<f32> = legs
        .iter()
        .map(|leg| fusion.weight(leg.kind, leg.weight, all[usize::from(is_text(leg))], mixed))
        .collect();
    let mut slots: RowMap<usize> = RowMap::default();
    let mut scores: Vec<Option<LegScore>> = Vec::new();
    for (at, leg) in legs.iter().enumerate() {
        for hit in leg.hits.iter().filter(|hit| listed(hit.id)) {
            let next = slots.len();
            let slot = *slots.entry(hit.id).or_insert(next);
            if slot == next {
                scores.resize(scores.len() + width, None);
            }
            let known = &mut scores[slot * width + at];
            // A row that a leg returns twice counts at its better rank.
            if known.is_none_or(|known| known.rank.is_none_or(|rank| hit.rank < rank)) {
                *known = Some(leg_score(Some(hit.rank), hit.raw, weights[at]));
            }
        }
    }
    for (id, slot) in &slots {
        for (at, leg) in legs.iter().enumerate() {
            let score = &mut scores[slot * width + at];
            if score.is_none()
                && let Some(&raw) = leg.fill.get(id)
            {
                let rank = leg.edge.filter(|edge| edge.raw == raw).map(|edge| edge.rank);
                if rank.is_some() || fusion.fills_missing() {
                    *score = Some(leg_score(rank, raw, weights[at]));
                }
            }
        }
    }
    // The score of each row with nothing cut off.
    let mut uncut = vec![0.0_f64; slots.len()];
    for (at, leg) in legs.iter().enumerate() {
        // Statistics are of what the leg returned, in rank order, so that the sums do not depend on hashing.
        let mut hits: Vec<&LegHit> = leg.hits.iter().collect();
        hits.sort_unstable_by_key(|hit| (hit.rank, hit.id));
        let goodness = |raw: f64| match fusion {
            Fusion::Convex { .. } => similarity(leg.kind, raw),
            _ => goodness(leg.kind, raw),
        };
        let returned: Vec<f64> = hits.iter().map(|hit| goodness(hit.raw)).collect();
        let column = || scores.iter().skip(at).step_by(width).flatten();
        let filled = column().filter(|score| score.filled).map(|score| goodness(score.exact));
        let scale = Scale::new(fusion, leg.background, &returned, &filled.collect::<Vec<_>>());
        for (score, uncut) in scores.iter_mut().skip(at).step_by(width).zip(&mut uncut) {
            let Some(score) = score else { continue };
            let whole = scale.apply(score.rank, goodness(score.exact));
            let normalized = if scale.cuts() { whole.clamp(0.0, 1.0) } else { whole };
            *uncut += f64::from(score.weight) * whole;
            let contribution = f64::from(score.weight) * normalized;
            score.normalized = normalized as f32;
            score.contribution = contribution as f32;
        }
    }
    let of = |slot: usize| scores[slot * width..(slot + 1) * width].iter().flatten();
    let mut rows: Vec<Fused> = slots
        .into_iter()
        .map(|(id, slot)| {
            let sum: f32 = of(slot).map(|leg| leg.contribution).sum();
            // Adding 0.0 turns -0.0 into 0.0, so that total_cmp sees equal scores as equal.
            Fused { id, score: sum.clamp(f32::MIN, f32::MAX) + 0.0, slot }
        })
        .collect();
    rows.sort_by_cached_key(|row| {
        let ranks = || of(row.slot).filter_map(|leg| leg.rank);
        let best = ranks().min().unwrap_or(u32::MAX);
        let uncut = Descending(uncut[row.slot] as f32 + 0.0);
        (Descending(row.score), uncut, std::cmp::Reverse(ranks().count()), best, tie(row.id), row.id)
    });
    FusedList { rows, legs: width, scores }
}

/// Orders floats from the largest to the smallest.
struct Descending(f32);
impl Ord for Descending {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.0.total_cmp(&self.0)
    }
}
impl PartialOrd for Descending {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for Descending {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl Eq for Descending {}

fn leg_score(rank: Option<u32>, exact: f64, weight: f32) -> LegScore {
    let (raw, filled) = (narrow(exact), rank.is_none());
    LegScore { rank, raw, normalized: 0.0, weight, contribution: 0.0, filled, exact }
}
