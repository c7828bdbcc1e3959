//! Checks on a sample of the rows that codes are fine enough for the data.
//!
//! Bytes fail where clusters are tight and far apart: a step of the code is then wider than a cluster, and the nearest
//! rows are lost among equals before the exact rerank sees them; single bits fail sooner. Such data is indexed by
//! finer codes instead.

use super::index::VectorIndex;
use super::{Rows, SearchStats, Wanted};
use crate::schema::VectorSpec;
use crate::vector::codes::Kind;
use crate::vector::metric;

const SAMPLE: usize = 64;
const NEAREST: usize = 10;
/// Candidates that the usual rerank is compared with, as a multiple of those that it sees.
const WIDER: usize = 4;
/// Share of the nearest rows that may be missed: next to none by bytes, a few by single bits, as the user asked.
const TOLERATED: f64 = 0.005;
const TOLERATED_BIT: f64 = 0.03;

/// Whether a rerank of the usual breadth finds what a much broader one finds.
pub(super) fn sufficient(index: &VectorIndex, spec: &VectorSpec, rows: &Rows<'_>) -> bool {
    let reranked = index.rerank_width(NEAREST);
    let wide = reranked * WIDER;
    if index.len() <= reranked {
        return true;
    }
    let (mut right, mut total) = (0_usize, 0_usize);
    let step = index.len().div_ceil(SAMPLE);
    for ord in index.present.iter().step_by(step) {
        let query = &rows.data[ord as usize * rows.dim..][..rows.dim];
        let found = index.search(query, Wanted::nearest(wide, wide), &mut SearchStats::default());
        let exact = |ord: u32| {
            metric::distance(spec.metric, query, &rows.data[ord as usize * rows.dim..][..rows.dim])
        };
        let distances: Vec<f64> = found.candidates.iter().map(|c| exact(c.ord)).collect();
        let mut sorted = distances.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let Some(limit) = sorted.get(NEAREST - 1).copied() else { continue };
        let seen = distances.iter().take(reranked).filter(|d| **d <= limit).count();
        right += seen.min(NEAREST);
        total += NEAREST;
    }
    let tolerated = if index.quantizer.kind == Kind::Bit { TOLERATED_BIT } else { TOLERATED };
    (total - right) as f64 <= total as f64 * tolerated
}
