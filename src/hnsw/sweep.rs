//! Every allowed row by its codes, in no order: for callers who take rows until they have enough.

use super::index::VectorIndex;
use super::{Candidate, SearchStats};
use crate::bitmap::Bitmap;

impl VectorIndex {
    /// Hands `each` every row that has a vector and is `allowed`, with its distance by codes and by how much the error of that
    /// may be larger than [`VectorIndex::usual_bound`], in order of ord.
    pub fn sweep(
        &self,
        query: &[f32],
        allowed: Option<&Bitmap>,
        stats: &mut SearchStats,
        mut each: impl FnMut(Candidate, f64),
    ) {
        self.with_query(query, |query, scratch| {
            let codes = self.codes();
            let bound = self.quantizer.bound(query);
            let (usual, some_go_beyond) = (bound(self.usual), codes.largest_extent() != self.usual);
            self.in_batches(allowed, scratch, |scratch| {
                stats.distances += scratch.nodes.len() as u64;
                codes.score(query, &scratch.nodes, &mut scratch.dots, &mut scratch.keys);
                for (ord, key) in scratch.nodes.iter().zip(&scratch.keys) {
                    let more = if some_go_beyond { bound(codes.extent(*ord)) - usual } else { 0.0 };
                    each(Candidate { ord: *ord, distance: query.distance(*key) }, more.max(0.0));
                }
            });
        });
    }

    /// Whether the row `ord` has a vector.
    pub fn has(&self, ord: u32) -> bool {
        self.present.contains(ord)
    }

    /// The distance by codes from `query` to the row `ord`; `None` where it has no vector.
    pub fn measure(&self, query: &[f32], ord: u32) -> Option<f64> {
        if !self.has(ord) {
            return None;
        }
        Some(self.with_query(query, |query, scratch| {
            self.codes().score(query, &[ord], &mut scratch.dots, &mut scratch.keys);
            query.distance(scratch.keys[0])
        }))
    }
}
