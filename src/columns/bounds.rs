//! The rows of a predicate, some of which can only be decided by reading them.

use crate::bitmap::Bitmap;
use std::sync::Arc;

/// The rows for which a predicate is surely true, and those for which it may be.
#[derive(Debug, Clone, PartialEq)]
pub struct Bounds {
    /// True for these rows.
    pub sure: Bitmap,
    /// True for no other row than these, `sure` among them; `None` where that are the same rows.
    pub possible: Option<Bitmap>,
}

impl From<Bitmap> for Bounds {
    fn from(sure: Bitmap) -> Self {
        Self { sure, possible: None }
    }
}

impl Bounds {
    /// The rows for which the predicate may be true.
    pub fn possible(&self) -> &Bitmap {
        self.possible.as_ref().unwrap_or(&self.sure)
    }

    /// Leaves the truth of `rows` open.
    pub fn leave_open(&mut self, rows: &Bitmap) {
        if rows.is_empty() {
            return;
        }
        let mut possible = self.possible.take().unwrap_or_else(|| self.sure.clone());
        possible.or(rows);
        self.possible = Some(possible);
        self.sure.and_not(rows);
    }

    fn combine(&mut self, other: &Self, with: impl Fn(&mut Bitmap, &Bitmap)) {
        if self.possible.is_some() || other.possible.is_some() {
            let mut possible = self.possible.take().unwrap_or_else(|| self.sure.clone());
            with(&mut possible, other.possible());
            self.possible = Some(possible);
        }
        with(&mut self.sure, &other.sure);
    }

    /// Both predicates hold.
    pub fn and(&mut self, other: &Self) {
        self.combine(other, Bitmap::and);
    }

    /// One of the predicates holds.
    pub fn or(&mut self, other: &Self) {
        self.combine(other, Bitmap::or);
    }

    /// The predicate does not hold.
    pub fn negate(&mut self) {
        if let Some(possible) = self.possible.take() {
            self.possible = Some(std::mem::replace(&mut self.sure, possible));
            if let Some(rows) = &mut self.possible {
                rows.negate();
            }
        }
        self.sure.negate();
    }

    /// The predicate is true for none of `rows`.
    pub fn and_not(&mut self, rows: &Bitmap) {
        self.sure.and_not(rows);
        if let Some(possible) = &mut self.possible {
            possible.and_not(rows);
        }
    }
}

/// [`Bounds`] to keep and to share.
#[derive(Debug, Clone)]
pub struct Passing {
    /// The rows for which a predicate is or may be true.
    pub possible: Arc<Bitmap>,
    /// Those for which it is, where that are not all of them.
    pub sure: Option<Arc<Bitmap>>,
}

impl From<Bounds> for Passing {
    fn from(bounds: Bounds) -> Self {
        match bounds.possible {
            Some(possible) if possible != bounds.sure => {
                Self { possible: Arc::new(possible), sure: Some(Arc::new(bounds.sure)) }
            }
            _ => Self { possible: Arc::new(bounds.sure), sure: None },
        }
    }
}

impl Passing {
    /// The same, where of the rows `ords` that is true which `own` says of them, in their order. A row may be there several
    /// times; then the last time counts.
    pub fn replaced(mut self, ords: &[u32], own: &Self) -> Self {
        // Nothing is copied that nobody else holds.
        let replace = |rows: &mut Arc<Bitmap>, own: &Bitmap| {
            let rows = Arc::make_mut(rows);
            for (at, ord) in (0_u32..).zip(ords) {
                if own.contains(at) { rows.insert(*ord) } else { rows.remove(*ord) }
            }
        };
        if self.sure.is_some() || own.sure.is_some() {
            let sure = self.sure.get_or_insert_with(|| Arc::clone(&self.possible));
            replace(sure, own.sure.as_ref().unwrap_or(&own.possible));
        }
        replace(&mut self.possible, &own.possible);
        self
    }

    /// The same, now that `rows` were read, each with whether it passes.
    pub fn settled(&self, rows: impl Iterator<Item = (u32, bool)>) -> Self {
        let Some(sure) = &self.sure else { return self.clone() };
        let (mut possible, mut sure) = (Bitmap::clone(&self.possible), Bitmap::clone(sure));
        for (ord, passes) in rows {
            if passes { sure.insert(ord) } else { possible.remove(ord) }
        }
        Bounds { possible: Some(possible), sure }.into()
    }

    /// The rows that have to be read, if there are any.
    pub fn open(&self) -> Option<Bitmap> {
        let mut open = Bitmap::clone(&self.possible);
        open.and_not(self.sure.as_ref()?);
        Some(open)
    }
}
