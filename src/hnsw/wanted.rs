//! What a search of an index is to find.

/// Before it may end, a walk that looks for rows within a distance holds one `HOLD`th of its breadth, and `HOLD_LEAST` rows at least:
/// otherwise it would end where it begins, far from the query. In 13 segments of 800,000 rows a quarter has recall .980, an eighth .977
/// with a larger factor beyond that distance, which takes as many steps.
const HOLD: usize = 4;
const HOLD_LEAST: usize = 8;

/// Standard deviations of an estimate by 1-bit codes that a scan allows for. With three it passes over fewer than one in 700 of the rows that
/// it looks for, and those are among the last of them. With two it takes 4 to 8 % less time, and of 20,000 rows that filtered queries
/// looked for none was passed over.
const THOROUGH: f32 = 3.0;
const ROUGH: f32 = 2.0;

/// Rows that a search is to find.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// How many, at most.
    pub rows: usize,
    /// Breadth of the beam.
    pub ef: usize,
    /// Rows farther than this by codes are not wanted, since enough nearer ones are known from other segments.
    pub within: f64,
    /// Standard deviations of an estimate by 1-bit codes that a scan allows for.
    pub slack: f32,
    /// Which of rows that are equally far come first: those for which this is smallest. Without it, those with the smallest ords.
    pub order: Option<&'a (dyn Fn(u32) -> i64 + Sync)>,
}

impl Wanted<'_> {
    /// The nearest rows, however far they are.
    pub fn nearest(rows: usize, ef: usize) -> Self {
        Self { rows, ef, within: f64::INFINITY, slack: THOROUGH, order: None }
    }

    /// The same where a graph was declared, and so an approximate answer accepted.
    pub fn roughly(self) -> Self {
        Self { slack: ROUGH, ..self }
    }

    /// The same, if no farther than this.
    pub fn within(self, within: f64) -> Self {
        Self { within, ..self }
    }

    /// No more than there are.
    pub(super) fn of(self, rows: usize) -> Self {
        let wanted = self.rows.min(rows);
        Self { rows: wanted, ef: self.ef.clamp(wanted, rows.max(1)), ..self }
    }

    /// Rows that a walk has to hold before it may end.
    pub(super) fn to_hold(self) -> usize {
        if self.within == f64::INFINITY { self.rows } else { self.rows.min((self.ef / HOLD).max(HOLD_LEAST)) }
    }
}
