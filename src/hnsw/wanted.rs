//! What a search of an index is to find.

/// Before it may end, a walk that looks for rows within a distance holds one `HOLD`th of its breadth, and `HOLD_LEAST` rows at least:
/// otherwise it would end where it begins, far from the query. In 13 segments of 800,000 rows a quarter has recall .980, an eighth .977
/// with a larger factor beyond that distance, which takes as many steps.
const HOLD: usize = 4;
const HOLD_LEAST: usize = 8;

/// Rows that a search is to find.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// How many, at most.
    pub rows: usize,
    /// Breadth of the beam.
    pub ef: usize,
    /// Rows farther than this by codes are not wanted, since enough nearer ones are known from other segments.
    pub within: f64,
    /// Which of rows that are equally far come first: those for which this is smallest. Without it, those with the smallest ords.
    pub order: Option<&'a (dyn Fn(u32) -> i64 + Sync)>,
}

impl Wanted<'_> {
    /// The nearest rows, however far they are.
    pub fn nearest(rows: usize, ef: usize) -> Self {
        Self { rows, ef, within: f64::INFINITY, order: None }
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
