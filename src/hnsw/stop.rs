//! How far a search goes: the breadth of its beam, and where it stops before that is used up.

use super::Wanted;
use super::frontier::{Beam, key_of, pack};
use crate::vector::codes::Query;

/// Where a search stops before its beam is used up: nodes farther than the one at rank `wanted` by a factor are not
/// expanded any more, nor taken in (adaptive beam search: Al-Jazzazi et al. 2025).
///
/// The factor grows with the breadth that the caller asks for, so a broader search still finds more: at breadth 200, on
/// clusters with gaps between them, nearly as much as a plain beam search in half its time.
///
/// Where enough rows are known from other segments, the distance of the last of them takes the place of that rank as soon as
/// the walk holds some rows itself, and the factor is smaller. So the walks through many segments cost little more than those
/// through the largest.
#[derive(Clone, Copy)]
pub(super) struct Stop {
    wanted: usize,
    factor: f64,
    /// Distances this near to each other may be equal.
    error: f64,
    /// The first entry that is of no use, given what is known from elsewhere, once the walk holds `hold` rows.
    ceiling: u64,
    hold: usize,
}

impl Stop {
    /// The stop of a search among rows whose distances by codes deviate by `error`.
    pub fn new(wanted: Wanted<'_>, error: f64, query: &Query) -> Option<Self> {
        const NARROW: f64 = 32.0;
        const GROWTH: f64 = 0.06;
        const GROWTH_WITHIN: f64 = 0.045;
        let growth = if wanted.within < f64::INFINITY { GROWTH_WITHIN } else { GROWTH };
        let factor = 1.0 + growth * (wanted.ef as f64 / NARROW - 1.0);
        if factor <= 1.0 || wanted.rows == 0 {
            return None;
        }
        let (rows, hold) = (wanted.rows, wanted.to_hold());
        let mut stop = Self { wanted: rows, factor, error, ceiling: u64::MAX, hold };
        if wanted.within < f64::INFINITY {
            stop.ceiling = stop.beyond(query.key(wanted.within), query);
        }
        Some(stop)
    }

    /// The first entry that is of no use, where `held` are the nearest so far.
    #[inline]
    pub fn bound(self, held: &Beam, query: &Query) -> u64 {
        let own = held.at(self.wanted - 1).map_or(u64::MAX, |entry| self.beyond(key_of(entry), query));
        if self.ceiling >= own {
            return own;
        }
        held.at(self.hold - 1).map_or(u64::MAX, |entry| entry.max(self.ceiling)).min(own)
    }

    /// The first entry that is of no use when `key` is that of the last row wanted.
    #[inline]
    fn beyond(self, key: f32, query: &Query) -> u64 {
        pack(query.beyond(key, self.factor, self.error), 0)
    }
}

/// How far a search goes.
#[derive(Clone, Copy)]
pub(super) struct Breadth {
    /// Nodes in the beam.
    pub ef: usize,
    pub stop: Option<Stop>,
    /// A node that is passed over as if it were not there.
    pub without: Option<u32>,
}

impl Breadth {
    /// A beam of `ef` nodes, used up.
    pub fn full(ef: usize) -> Self {
        Self { ef, stop: None, without: None }
    }
}
