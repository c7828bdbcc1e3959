//! Rows that match a text, in order of rowid and without scores: for callers who count, test, or order otherwise.
//!
//! Rowids mostly ascend with the ords of a part. Then the text is matched in windows as rows are taken, and a caller who
//! takes ten pays for the first window. Other parts are matched as a whole.

use super::candidates::Over;
use super::explain::Trace;
use crate::collection::{Snapshot, TextView};
use crate::error::Result;
use crate::text::{Interrupt, Prepared, TextQuery};
use std::ops::Range;
use std::sync::Arc;

/// Rows of the first window of a part; each further one is four times as large, up to the largest.
const FIRST_WINDOW: u32 = 1 << 11;
const LARGEST_WINDOW: u32 = 1 << 18;

/// Where a text has about this many matches in a segment, they are found at once: that costs less than windows.
const FEW: u32 = 1 << 12;

/// A running listing.
pub struct Listing {
    query: Arc<TextQuery>,
    /// What is left to match, and the searcher for it; `None` where the masks hold the matching rows.
    prepared: Option<(Arc<TextView>, Prepared)>,
    descending: bool,
    /// Parts that may have rows to come; made when the first row is taken.
    parts: Option<Vec<Rows>>,
}

/// The rows of a part.
struct Rows {
    part: usize,
    ords: Ords,
    head: Head,
}

/// Where the next row of a part comes among those of others.
#[derive(Clone, Copy)]
enum Head {
    /// It has this rowid.
    Row(i64),
    /// It has this rowid or comes later.
    From(i64),
}

impl Head {
    fn rowid(self) -> i64 {
        let (Self::Row(rowid) | Self::From(rowid)) = self;
        rowid
    }
}

enum Ords {
    /// Rowids ascend with the ords.
    Windows {
        /// Ascending ords that match and were not given.
        found: std::vec::IntoIter<u32>,
        /// Ords that were not looked at.
        rest: Range<u32>,
        /// How many of them are looked at next.
        window: u32,
    },
    /// Rowids in the order asked for.
    Sorted(std::vec::IntoIter<i64>),
}

/// Where matching rows come from.
struct Matches<'a> {
    over: &'a Over<'a>,
    prepared: Option<&'a (Arc<TextView>, Prepared)>,
}

impl Listing {
    /// The rows that `masks` leave and that match, by rowid. `matched`: the masks leave matching rows only.
    pub fn new(
        snapshot: Snapshot<'_>,
        query: Arc<TextQuery>,
        descending: bool,
        matched: bool,
    ) -> Result<Self> {
        let prepared = if matched {
            None
        } else {
            let asked = || snapshot.interrupted();
            let text = snapshot.text_for(&query)?;
            let prepared = text.searcher.prepare_unscored(&query, &Interrupt::new(&asked))?;
            Some((text, prepared))
        };
        Ok(Self { query, prepared, descending, parts: None })
    }

    /// The parsed text, for snippets.
    pub fn query(&self) -> &Arc<TextQuery> {
        &self.query
    }

    /// Rowid of the next row.
    pub fn next(&mut self, over: &Over<'_>, trace: &mut Trace) -> Result<Option<i64>> {
        let Self { prepared, descending, parts, .. } = self;
        let matches = Matches { over, prepared: prepared.as_ref() };
        let parts = match parts {
            Some(parts) => parts,
            None => {
                let mut rows = Vec::new();
                for part in 0..over.snapshot.view.parts() {
                    rows.extend(Rows::new(&matches, part, *descending, trace)?);
                }
                parts.insert(rows)
            }
        };
        loop {
            let heads = parts.iter().enumerate().map(|(at, rows)| (rows.head.rowid(), at));
            let first = if *descending { heads.max() } else { heads.min() };
            let Some((_, at)) = first else { return Ok(None) };
            let head = parts[at].head;
            if !parts[at].advance(&matches, *descending, trace)? {
                parts.swap_remove(at);
            }
            if let Head::Row(rowid) = head {
                return Ok(Some(rowid));
            }
        }
    }
}

impl Rows {
    /// `None` where a part has no rows.
    fn new(matches: &Matches<'_>, part: usize, descending: bool, trace: &mut Trace) -> Result<Option<Self>> {
        let Over { snapshot, masks } = *matches.over;
        let len = snapshot.view.part_len(part) as u32;
        if masks.counts[part] == 0 || len == 0 {
            return Ok(None);
        }
        if snapshot.ascends(part)? {
            let bound = snapshot.rowid(part, if descending { len - 1 } else { 0 })?;
            let found = Vec::new().into_iter();
            let ords = Ords::Windows { found, rest: 0..len, window: FIRST_WINDOW };
            return Ok(Some(Self { part, ords, head: Head::From(bound) }));
        }
        let (ords, _) = matches.within(part, 0..len)?;
        trace.text_hits += ords.len() as u64;
        let mut rowids = Vec::with_capacity(ords.len());
        for ord in ords {
            rowids.push(snapshot.rowid(part, ord)?);
        }
        rowids.sort_unstable();
        if descending {
            rowids.reverse();
        }
        let mut rowids = rowids.into_iter();
        let first = rowids.next();
        Ok(first.map(|rowid| Self { part, ords: Ords::Sorted(rowids), head: Head::Row(rowid) }))
    }

    /// Goes on to the next row; false at the end.
    fn advance(&mut self, matches: &Matches<'_>, descending: bool, trace: &mut Trace) -> Result<bool> {
        let next = match &mut self.ords {
            Ords::Sorted(rowids) => rowids.next(),
            Ords::Windows { found, rest, window } => loop {
                let next = if descending { found.next_back() } else { found.next() };
                if let Some(ord) = next {
                    break Some(matches.over.snapshot.rowid(self.part, ord)?);
                }
                if rest.start >= rest.end {
                    break None;
                }
                let range = if descending {
                    rest.end.saturating_sub(*window).max(rest.start)..rest.end
                } else {
                    rest.start..rest.start.saturating_add(*window).min(rest.end)
                };
                let (ords, seen) = matches.within(self.part, range)?;
                trace.text_hits += ords.len() as u64;
                *found = ords.into_iter();
                *rest = if descending { rest.start..seen.start } else { seen.end.min(rest.end)..rest.end };
                *window = window.saturating_mul(4).min(LARGEST_WINDOW);
            },
        };
        if let Some(rowid) = next {
            self.head = Head::Row(rowid);
        }
        Ok(next.is_some())
    }
}

impl Matches<'_> {
    /// The matching ords of a part in `range`, ascending, and which ords were looked at; these are more where few match.
    fn within(&self, part: usize, range: Range<u32>) -> Result<(Vec<u32>, Range<u32>)> {
        let Self { over: Over { snapshot, masks }, prepared } = *self;
        let view = snapshot.view;
        let mask = masks.parts.get(part).and_then(|mask| mask.as_deref());
        let Some((text, prepared)) = prepared else {
            let all =
                mask.map_or_else(|| (0..view.part_len(part) as u32).collect(), |mask| mask.iter().collect());
            return Ok((all, 0..u32::MAX));
        };
        let asked = || snapshot.interrupted();
        let interrupt = Interrupt::new(&asked);
        let mut ords = Vec::new();
        let allowed = |ord: u32| mask.is_none_or(|mask| mask.contains(ord));
        // The rows outside segments may be indexed in blocks; a segment is one.
        let whole = part < view.segments.len();
        let mut seen = range.clone();
        let mut at = range.start;
        while at < range.end {
            let (segment, first) = text.document(part, at);
            let base = at - first;
            let docs = text.docs(segment);
            let wanted = first..docs.min(range.end - base);
            if wanted.is_empty() {
                break;
            }
            at = base + wanted.end;
            let few = if whole { FEW } else { 0 };
            let mut found = |ord: u32| {
                if allowed(base + ord) {
                    ords.push(base + ord);
                }
            };
            let looked =
                text.searcher.matches_within(prepared, segment, wanted, few, &interrupt, &mut found)?;
            if whole {
                seen = looked;
            }
        }
        Ok((ords, seen))
    }
}
