//! Checks on a sample of the rows that codes are fine enough for the data.
//!
//! Bytes fail where clusters are tight and far apart: a step of the code is then wider than a cluster, and the nearest
//! rows are lost among equals before the exact rerank sees them. Such data is indexed by floats instead.

use super::index::VectorIndex;
use super::{Rows, SearchStats};
use crate::schema::VectorSpec;
use crate::vector::metric;

const SAMPLE: usize = 64;
const NEAREST: usize = 10;
/// Candidates that a rerank of `NEAREST` sees, and those it is compared with.
const RERANKED: usize = 28;
const WIDE: usize = 200;
/// Share of the nearest rows that may be missed.
const TOLERATED: f64 = 0.005;

/// Whether a rerank of the usual breadth finds what a much broader one finds.
pub(super) fn sufficient(index: &VectorIndex, spec: &VectorSpec, rows: &Rows<'_>) -> bool {
    if index.len() <= RERANKED {
        return true;
    }
    let (mut right, mut total) = (0_usize, 0_usize);
    let step = index.len().div_ceil(SAMPLE);
    for ord in index.present.iter().step_by(step) {
        let query = &rows.data[ord as usize * rows.dim..][..rows.dim];
        let found = index.search(query, WIDE, WIDE, None, None, &mut SearchStats::default());
        let exact = |ord: u32| {
            metric::distance(spec.metric, query, &rows.data[ord as usize * rows.dim..][..rows.dim])
        };
        let distances: Vec<f32> = found.candidates.iter().map(|c| exact(c.ord)).collect();
        let mut sorted = distances.clone();
        sorted.sort_unstable_by(f32::total_cmp);
        let Some(limit) = sorted.get(NEAREST - 1).copied() else { continue };
        let seen = distances.iter().take(RERANKED).filter(|d| **d <= limit).count();
        right += seen.min(NEAREST);
        total += NEAREST;
    }
    (total - right) as f64 <= total as f64 * TOLERATED
}
