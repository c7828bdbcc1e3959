//! What one leg of a hybrid search returned so far: ranks, and where the list is cut.
//!
//! Invariant: hits that are equal (same distance, same BM25, as the floats that are reported) have one rank, and all of
//! them count in the fusion or none does. So a cut inside a group of equals is moved to the end of the group. A group
//! that does not end soon enough counts nothing, in this search for good.

use super::fusion::{LegHit, RowId};
use crate::error::Result;

/// Rows beyond the depth that are drawn at most to find the end of a group of equals.
const MOST_EQUALS: usize = 10_000;

/// How a leg stands to a row that it returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The whole group of equals is within the depth.
    Within,
    /// The group reaches beyond the depth; all of it is known.
    Across,
    /// The group reaches beyond the depth, nobody knows how far.
    Endless,
}

/// Whether a row is handed out that stands so to the legs which returned it. A row of a group that reaches beyond the
/// depth waits for another leg or for a greater depth: nothing but another leg knows which row of the group is better.
pub fn listed(standings: impl Iterator<Item = Standing>) -> bool {
    let (mut legs, mut within, mut endless) = (0, false, false);
    for standing in standings {
        legs += 1;
        within |= standing == Standing::Within;
        endless |= standing == Standing::Endless;
    }
    within || legs > 1 && !endless
}

/// The hits of a leg, best first.
pub struct Drawn {
    /// Whether a larger number is the better one.
    larger: bool,
    hits: Vec<(RowId, f32)>,
    ended: bool,
    /// The value of a group that did not end.
    uncounted: Option<f32>,
    /// The hits that stand within the depth or across it, and where the group across it begins.
    end: usize,
    across: usize,
}

impl Drawn {
    /// No hits yet. `larger`: a larger number is the better one.
    pub fn new(larger: bool) -> Self {
        Self { larger, hits: Vec::new(), ended: false, uncounted: None, end: 0, across: 0 }
    }

    /// Draws hits by `next` until `depth` are known and the group of equals there has ended.
    pub fn take(
        &mut self,
        depth: usize,
        mut next: impl FnMut() -> Result<Option<(RowId, f32)>>,
    ) -> Result<()> {
        let depth = depth.max(1);
        while !self.ended && self.wants(depth) {
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
        let Some(&(_, last)) = self.hits.get(depth - 1).filter(|_| self.hits.len() > depth) else {
            (self.end, self.across) = (self.hits.len(), self.hits.len());
            return Ok(());
        };
        let equals = |hits: &[(RowId, f32)]| hits.iter().take_while(|(_, raw)| *raw == last).count();
        let beyond = equals(&self.hits[depth..]);
        self.end = depth + beyond;
        self.across = self.end;
        if beyond > 0 {
            let before = self.hits[..depth].iter().rev().take_while(|(_, raw)| *raw == last).count();
            self.across = depth - before;
            if self.end == self.hits.len() && !self.ended {
                self.uncounted = Some(last);
            }
        }
        Ok(())
    }

    fn wants(&self, depth: usize) -> bool {
        match (self.hits.get(depth - 1), self.hits.last()) {
            (Some((_, at)), Some((_, last))) if self.hits.len() > depth => {
                at == last && self.hits.len() < depth + MOST_EQUALS
            }
            _ => true,
        }
    }

    /// Whether every hit of the leg stands within the depth: there is nothing more to come.
    pub fn exhausted(&self) -> bool {
        self.ended && self.across == self.hits.len()
    }

    /// Whether there is a group of equals that counts nothing because it was too long.
    pub fn gave_up(&self) -> bool {
        self.uncounted.is_some()
    }

    /// The hits that the fusion sees, with their ranks: as many hits are better, and one.
    pub fn hits(&self) -> impl Iterator<Item = (LegHit, Standing)> {
        let (mut rank, mut before) = (1, None);
        self.hits[..self.end].iter().enumerate().map(move |(at, (id, raw))| {
            if before.is_some_and(|before: f32| before != *raw) {
                rank = at as u32 + 1;
            }
            before = Some(*raw);
            let counts = self.uncounted != Some(*raw);
            let standing = match (at < self.across, counts) {
                (true, _) => Standing::Within,
                (false, true) => Standing::Across,
                (false, false) => Standing::Endless,
            };
            (LegHit { id: *id, rank: counts.then_some(rank), raw: *raw }, standing)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A leg that returns these numbers in this order, the row being the position.
    fn leg(raws: Vec<f32>) -> impl FnMut() -> Result<Option<(RowId, f32)>> {
        let mut hits = raws.into_iter().zip(0..).map(|(raw, ord)| ((0, ord), raw));
        move || Ok(hits.next())
    }

    fn ranks(drawn: &Drawn) -> Vec<Option<u32>> {
        drawn.hits().map(|(hit, _)| hit.rank).collect()
    }

    fn standings(drawn: &Drawn, standing: Standing) -> usize {
        drawn.hits().filter(|(_, other)| *other == standing).count()
    }

    #[test]
    fn equal_hits_share_the_rank_of_the_first_of_them() {
        let mut drawn = Drawn::new(true);
        drawn.take(10, leg(vec![9.0, 9.0, 9.0, 7.0, 6.0, 6.0])).unwrap();
        assert_eq!(ranks(&drawn), [1, 1, 1, 4, 5, 5].map(Some));
        assert!(drawn.exhausted());
        assert_eq!(standings(&drawn, Standing::Within), 6);
    }

    #[test]
    fn a_cut_inside_a_group_moves_to_the_end_of_the_group() {
        let mut next = leg(vec![1.0, 2.0, 2.0, 2.0, 2.0, 3.0, 4.0, 5.0]);
        let mut drawn = Drawn::new(false);
        drawn.take(3, &mut next).unwrap();
        assert_eq!(ranks(&drawn), [1, 2, 2, 2, 2].map(Some));
        assert_eq!(standings(&drawn, Standing::Across), 4);
        assert!(!drawn.exhausted());
        drawn.take(6, &mut next).unwrap();
        assert_eq!(ranks(&drawn), [1, 2, 2, 2, 2, 6].map(Some));
        assert_eq!(standings(&drawn, Standing::Across), 0);
        drawn.take(8, &mut next).unwrap();
        assert_eq!(ranks(&drawn), [1, 2, 2, 2, 2, 6, 7, 8].map(Some));
    }

    #[test]
    fn a_group_that_does_not_end_counts_nothing_now_and_later() {
        let many = MOST_EQUALS + 500;
        let raws: Vec<f32> = [5.0].into_iter().chain(vec![4.0; many]).chain([3.0, 2.0]).collect();
        let mut next = leg(raws);
        let mut drawn = Drawn::new(true);
        drawn.take(100, &mut next).unwrap();
        assert!(drawn.gave_up());
        assert_eq!(drawn.hits().filter(|(hit, _)| hit.rank.is_some()).count(), 1);
        assert_eq!(standings(&drawn, Standing::Within), 1);
        assert_eq!(standings(&drawn, Standing::Endless), 100 + MOST_EQUALS - 1);
        drawn.take(2 * many, &mut next).unwrap();
        assert!(drawn.exhausted());
        let ranked: Vec<_> = ranks(&drawn).into_iter().flatten().collect();
        assert_eq!(ranked, [1, many as u32 + 2, many as u32 + 3]);
        assert_eq!(standings(&drawn, Standing::Within), many + 3);
    }

    #[test]
    fn a_leg_that_ends_inside_the_group_is_not_exhausted_before_the_depth_reaches_its_end() {
        let mut next = leg(vec![4.0; 50]);
        let mut drawn = Drawn::new(true);
        drawn.take(10, &mut next).unwrap();
        assert_eq!((standings(&drawn, Standing::Across), drawn.exhausted()), (50, false));
        drawn.take(40, &mut next).unwrap();
        assert_eq!((standings(&drawn, Standing::Across), drawn.exhausted()), (50, false));
        drawn.take(50, &mut next).unwrap();
        assert_eq!((standings(&drawn, Standing::Within), drawn.exhausted()), (50, true));
    }

    #[test]
    fn hits_that_a_leg_had_missed_are_ranked_where_they_belong() {
        let mut drawn = Drawn::new(false);
        drawn.take(9, leg(vec![1.0, 3.0, 4.0, 2.0])).unwrap();
        let found: Vec<_> = drawn.hits().map(|(hit, _)| (hit.id.1, hit.rank.unwrap())).collect();
        assert_eq!(found, [(0, 1), (3, 2), (1, 3), (2, 4)]);
    }

    #[test]
    fn a_leg_without_hits_is_exhausted() {
        let mut drawn = Drawn::new(true);
        drawn.take(5, leg(vec![])).unwrap();
        assert!(drawn.exhausted() && !drawn.gave_up());
        assert_eq!(drawn.hits().count(), 0);
    }
}
