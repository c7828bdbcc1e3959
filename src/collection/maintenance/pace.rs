//! How much of maintenance commits do, by the log entries that they write.

/// Log entries after which a commit does a slice, and those after which it does when the log or the segments are too many.
const USUAL: usize = 16;
const HASTE: usize = 4;

/// Log entries of one transaction for which it does one slice more, and the most that it does. To write 64 rows of 384
/// dimensions with their graph takes about ten milliseconds.
const ENTRIES_A_SLICE: usize = 64;
const MOST_SLICES: usize = 1000;

/// How many times as many slices it does when the segments are too many.
const MORE: usize = 4;

/// How often a transaction waits for the builders of merges, at the most, and the segments too many for which it waits as often
/// again.
const MOST_WAITS: usize = 100;
const EXCESS_A_WAIT: usize = 4;

/// How much commits do.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pace {
    /// Whether there is more to do than is done.
    pub behind: bool,
}

impl Pace {
    /// Log entries for which a slice is due. `long`: the log is too long.
    pub fn entries(self, long: bool) -> usize {
        if self.behind || long { HASTE } else { USUAL }
    }

    /// The slices that a commit of `entries` log entries may do.
    pub fn slices(self, entries: usize) -> usize {
        (1 + entries * self.more() / ENTRIES_A_SLICE).min(MOST_SLICES)
    }

    /// How often a commit that may do `slices` slices waits for a builder, where there are `excess` segments too many.
    pub fn waits(self, slices: usize, excess: usize) -> usize {
        if excess == 0 {
            return 0;
        }
        slices.div_ceil(self.more()).min(MOST_WAITS) * (1 + excess / EXCESS_A_WAIT)
    }

    fn more(self) -> usize {
        if self.behind { MORE } else { 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_does_more_the_more_it_writes_and_the_more_there_is_to_do() {
        let [calm, behind] = [false, true].map(|behind| Pace { behind });
        assert_eq!([1, 64, 20_000].map(|entries| calm.slices(entries)), [1, 2, 313]);
        assert_eq!([1, 64, 20_000].map(|entries| behind.slices(entries)), [1, 5, 1000]);
        assert_eq!([1, 5, 1000].map(|slices| behind.waits(slices, 1)), [1, 2, 100]);
        assert_eq!([0, 3, 4, 9].map(|excess| behind.waits(1000, excess)), [0, 100, 200, 300]);
        assert_eq!([calm.entries(false), calm.entries(true), behind.entries(false)], [16, 4, 4]);
    }
}
