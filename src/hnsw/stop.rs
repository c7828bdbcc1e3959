//! How far a search goes: the breadth of its beam, and where it stops before that is used up.

use super::frontier::{Beam, key_of, pack};
use crate::vector::codes::Query;

/// Where a search stops before its beam is used up: nodes farther than the one at rank `wanted` by a factor are not
/// expanded any more, nor taken in (adaptive beam search: Al-Jazzazi et al. 2025).
///
/// The factor grows with the breadth that the caller asks for, so a broader search still finds more: at breadth 200, on
/// clusters with gaps between them, nearly as much as a plain beam search in half its time.
#[derive(Clone, Copy)]
pub(super) struct Stop {
    wanted: usize,
    factor: f64,
    /// Distances this near to each other may be equal.
    error: f64,
}

impl Stop {
    /// The stop of a search of breadth `ef` for `wanted` rows whose distances by codes deviate by `error`.
    pub fn new(wanted: usize, ef: usize, error: f64) -> Option<Self> {
        const NARROW: f64 = 32.0;
        const GROWTH: f64 = 0.06;
        let factor = 1.0 + GROWTH * (ef as f64 / NARROW - 1.0);
        (factor > 1.0 && wanted > 0).then_some(Self { wanted, factor, error })
    }

    /// The first entry that is of no use.
    #[inline]
    pub fn bound(self, beam: &Beam, query: &Query) -> u64 {
        let Some(entry) = beam.at(self.wanted - 1) else { return u64::MAX };
        self.beyond(entry, query).min(beam.worst())
    }

    /// Rows wanted, at least 1.
    pub fn wanted(self) -> usize {
        self.wanted
    }

    /// The first entry that is of no use when `entry` is the one at the rank wanted.
    #[inline]
    pub fn beyond(self, entry: u64, query: &Query) -> u64 {
        pack(query.beyond(key_of(entry), self.factor, self.error), 0)
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
