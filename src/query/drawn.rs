//! What one leg of a hybrid search returned so far: ranks, and where the list is cut.
//!
//! Invariant: hits that are equal (same distance, same BM25, as the floats that are reported) have one rank. Where the
//! depth cuts a group of equals, the [`Edge`] says how the rest of the group is recognised and ranked, so that what a
//! group counts does not depend on which of its rows were drawn.

use super::fusion::{Edge, LegHit, RowId};
use crate::error::Result;

/// How a leg stands to a row that it returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The whole group of equals is within the depth.
    Within,
    /// The group reaches beyond the depth.
    Across,
}

/// The hits of a leg, best first.
pub struct Drawn {
    /// Whether a larger number is the better one.
    larger: bool,
    hits: Vec<(RowId, f64)>,
    ended: bool,
    depth: usize,
}

impl Drawn {
    /// No hits yet. `larger`: a larger number is the better one.
    pub fn new(larger: bool) -> Self {
        Self { larger, hits: Vec::new(), ended: false, depth: 0 }
    }

    /// Draws hits by `next` until `depth` are known, and one more.
    pub fn take(
        &mut self,
        depth: usize,
        mut next: impl FnMut() -> Result<Option<(RowId, f64)>>,
    ) -> Result<()> {
        self.depth = depth.max(1);
        while !self.ended && self.hits.len() <= self.depth {
            match next()? {
                Some(hit) => self.hits.push(hit),
                None => self.ended = true,
            }
        }
        if self.ended {
            // A leg gives rows that it had missed at the very end. Equals keep their order.
            let larger = self.larger;
            self.hits.sort_by(|(_, a), (_, b)| if larger { b.total_cmp(a) } else { a.total_cmp(b) });
        }
        Ok(())
    }

    /// Whether every hit of the leg is known.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Whether every hit of the leg is known and within the depth.
    pub fn exhausted(&self) -> bool {
        self.ended && self.hits.len() <= self.depth
    }

    /// Position of the first hit of the group that the depth cuts, and what its hits are equal to.
    fn cut(&self) -> Option<(usize, f64)> {
        let (_, next) = self.hits.get(self.depth)?;
        let within = &self.hits[..self.depth];
        let equals = within.iter().rev().take_while(|(_, raw)| raw == next).count();
        (equals > 0).then_some((self.depth - equals, *next))
    }

    /// The group that the depth cuts, if it cuts one.
    pub fn edge(&self) -> Option<Edge> {
        self.cut().map(|(at, raw)| Edge { raw, rank: at as u32 + 1 })
    }

    /// The hits up to the depth. The rank of a hit is one more than the number of hits that are better.
    pub fn hits(&self) -> impl Iterator<Item = (LegHit, Standing)> {
        let across = self.cut().map_or(usize::MAX, |(at, _)| at);
        let (mut rank, mut before) = (1, None);
        self.hits.iter().take(self.depth).enumerate().map(move |(at, (id, raw))| {
            if before.is_some_and(|before: f64| before != *raw) {
                rank = at as u32 + 1;
            }
            before = Some(*raw);
            let standing = if at < across { Standing::Within } else { Standing::Across };
            (LegHit { id: *id, rank, raw: *raw }, standing)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A leg that returns these numbers in this order, the row being the position.
    fn leg(raws: &[f64]) -> impl FnMut() -> Result<Option<(RowId, f64)>> {
        let mut hits = raws.iter().zip(0..).map(|(raw, ord)| ((0, ord), *raw));
        move || Ok(hits.next())
    }

    fn ranks(drawn: &Drawn) -> Vec<u32> {
        drawn.hits().map(|(hit, _)| hit.rank).collect()
    }

    fn across(drawn: &Drawn) -> usize {
        drawn.hits().filter(|(_, standing)| *standing == Standing::Across).count()
    }

    #[test]
    fn equal_hits_share_the_rank_of_the_first_of_them() {
        let mut drawn = Drawn::new(true);
        drawn.take(10, leg(&[9.0, 9.0, 9.0, 7.0, 6.0, 6.0])).unwrap();
        assert_eq!(ranks(&drawn), [1, 1, 1, 4, 5, 5]);
        assert!(drawn.exhausted());
        assert_eq!((across(&drawn), drawn.edge()), (0, None));
    }

    #[test]
    fn a_group_that_the_depth_cuts_has_the_rank_of_its_first_hit() {
        let raws = [1.0, 2.0, 2.0, 2.0, 2.0, 3.0, 4.0, 5.0];
        let mut next = leg(&raws);
        let mut drawn = Drawn::new(false);
        for (depth, rank, cut) in
            [(1, None, 0), (2, Some(2), 1), (3, Some(2), 2), (4, Some(2), 3), (5, None, 0), (8, None, 0)]
        {
            drawn.take(depth, &mut next).unwrap();
            assert_eq!(drawn.edge(), rank.map(|rank| Edge { raw: 2.0, rank }), "{depth}");
            assert_eq!((across(&drawn), drawn.exhausted()), (cut, depth == 8), "{depth}");
        }
        assert_eq!(ranks(&drawn), [1, 2, 2, 2, 2, 6, 7, 8]);
    }

    #[test]
    fn a_leg_that_ends_is_exhausted_when_the_depth_has_reached_its_end() {
        let raws = [4.0; 50];
        let mut next = leg(&raws);
        let mut drawn = Drawn::new(true);
        drawn.take(49, &mut next).unwrap();
        assert_eq!((across(&drawn), drawn.exhausted()), (49, false));
        drawn.take(50, &mut next).unwrap();
        assert_eq!((across(&drawn), drawn.exhausted()), (0, true));
        assert_eq!(ranks(&drawn), [1; 50]);
    }

    #[test]
    fn hits_that_a_leg_had_missed_are_ranked_where_they_belong() {
        let mut drawn = Drawn::new(false);
        drawn.take(9, leg(&[1.0, 3.0, 4.0, 2.0])).unwrap();
        let found: Vec<_> = drawn.hits().map(|(hit, _)| (hit.id.1, hit.rank)).collect();
        assert_eq!(found, [(0, 1), (3, 2), (1, 3), (2, 4)]);
    }

    #[test]
    fn a_leg_without_hits_is_exhausted() {
        let mut drawn = Drawn::new(true);
        drawn.take(5, leg(&[])).unwrap();
        assert!(drawn.exhausted() && drawn.ended() && drawn.edge().is_none());
        assert_eq!(drawn.hits().count(), 0);
    }
}
