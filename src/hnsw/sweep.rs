//! Every allowed row by its codes, in no order: for callers who take rows until they have enough.

use super::graph::Scratch;
use super::index::VectorIndex;
use super::{Candidate, SearchStats};
use crate::bitmap::Bitmap;
use crate::vector::codes::Query;

/// Rows scored at once.
const BATCH: usize = 256;

impl VectorIndex {
    /// Hands `each` every row that has a vector and is `allowed`, with its distance by codes, in order of ord.
    pub fn sweep(
        &self,
        query: &[f32],
        allowed: Option<&Bitmap>,
        stats: &mut SearchStats,
        mut each: impl FnMut(Candidate),
    ) {
        self.with_query(query, |query, scratch| {
            scratch.nodes.clear();
            for (at, word) in self.present.words().iter().enumerate() {
                let allowed = allowed.map_or(u64::MAX, |set| set.words().get(at).copied().unwrap_or(0));
                let mut rest = word & allowed;
                while rest != 0 {
                    scratch.nodes.push(at as u32 * 64 + rest.trailing_zeros());
                    rest &= rest - 1;
                }
                if scratch.nodes.len() >= BATCH {
                    self.hand_out(scratch, query, stats, &mut each);
                }
            }
            self.hand_out(scratch, query, stats, &mut each);
        });
    }

    /// Whether the row `ord` has a vector.
    pub fn has(&self, ord: u32) -> bool {
        self.present.contains(ord)
    }

    /// The distance by codes from `query` to the row `ord`; `None` where it has no vector.
    pub fn measure(&self, query: &[f32], ord: u32) -> Option<f32> {
        if !self.has(ord) {
            return None;
        }
        Some(self.with_query(query, |query, scratch| {
            self.codes().score(query, &[ord], &mut scratch.dots, &mut scratch.keys);
            query.distance(scratch.keys[0])
        }))
    }

    fn hand_out(
        &self,
        scratch: &mut Scratch,
        query: &Query,
        stats: &mut SearchStats,
        each: &mut impl FnMut(Candidate),
    ) {
        stats.distances += scratch.nodes.len() as u64;
        self.codes().score(query, &scratch.nodes, &mut scratch.dots, &mut scratch.keys);
        for (ord, key) in scratch.nodes.iter().zip(&scratch.keys) {
            each(Candidate { ord: *ord, distance: query.distance(*key) });
        }
        scratch.nodes.clear();
    }
}
