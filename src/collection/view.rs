//! What one snapshot of a collection sees. Immutable once shared.

use super::background::Backgrounds;
use super::connected::Connected;
use super::delta::Delta;
use super::resident::Resident;
use super::revised::Revised;
use super::sealed::Segment;
use crate::bitmap::Bitmap;
use crate::columns::{Columns, Passing, Pick};
use crate::error::Result;
use crate::storage::LogPosition;
use crate::text::{TextConfig, TextSearcher};
use std::sync::{Arc, OnceLock};

/// A segment with the rows that are dead in this view.
#[derive(Clone)]
pub struct SegmentView {
    /// The segment.
    pub segment: Arc<Segment>,
    /// Dead rows, if there are any.
    pub dead: Option<Bitmap>,
    /// Rows whose metadata is not what the segment has.
    pub revised: Revised,
}

impl SegmentView {
    /// Whether a row is dead.
    pub fn is_dead(&self, ord: u32) -> bool {
        self.dead.as_ref().is_some_and(|dead| dead.contains(ord))
    }

    /// All columns that hold values of its rows.
    pub fn columns<'a>(&'a self, on: Connected<'a>) -> Result<Vec<&'a Columns>> {
        let mut columns: Vec<&Columns> = self.segment.columns(on)?.columns().collect();
        columns.push(self.revised.columns(on.schema));
        Ok(columns)
    }

    /// Where the values of a row are in [`columns`](Self::columns).
    pub fn place(&self, on: Connected<'_>, ord: u32) -> Result<Pick> {
        let sealed = self.segment.columns(on)?;
        Ok(match self.revised.place(ord) {
            Some(slot) => Pick { columns: sealed.layers().len() as u32, ord: slot },
            None => sealed.place(ord),
        })
    }

    /// Live rows.
    pub fn live(&self) -> usize {
        self.segment.rows() - self.dead.as_ref().map_or(0, Bitmap::count)
    }
}

/// One searcher over the text of all segments and of the delta.
pub struct TextView {
    /// The searcher; its segment `i` is the view's segment `i`, then come the delta's blocks.
    pub searcher: TextSearcher,
    segments: usize,
    /// Documents of each of the searcher's segments.
    docs: Vec<usize>,
}

impl TextView {
    /// Part and ord of a document of the searcher.
    pub fn locate(&self, segment: usize, ord: u32) -> (usize, u32) {
        if segment < self.segments {
            (segment, ord)
        } else {
            (self.segments, Delta::text_base(segment - self.segments) + ord)
        }
    }

    /// Documents of one of the searcher's segments.
    pub fn docs(&self, segment: usize) -> u32 {
        self.docs.get(segment).map_or(0, |docs| *docs as u32)
    }

    /// The searcher's address of a row of a part.
    pub fn document(&self, part: usize, ord: u32) -> (usize, u32) {
        if part < self.segments {
            (part, ord)
        } else {
            let block = Delta::text_block(ord);
            (self.segments + block, ord - Delta::text_base(block))
        }
    }

    /// Masks over parts (segments, then delta) as masks over the searcher's segments.
    pub fn masks(&self, parts: &[Option<Arc<Bitmap>>]) -> Vec<Option<Bitmap>> {
        let of = |document: usize, docs: usize| {
            let (part, base) = self.locate(document, 0);
            let mask = parts.get(part)?.as_ref()?;
            if part < self.segments {
                return Some(Bitmap::clone(mask));
            }
            Some(Bitmap::from_fn(docs, |i| mask.contains(base + i as u32)))
        };
        self.docs.iter().enumerate().map(|(document, docs)| of(document, *docs)).collect()
    }
}

/// Segments, tombstones and delta of one snapshot. The delta counts as the last part.
#[derive(Clone)]
pub struct View {
    /// Root nonce it was read under.
    pub nonce: [u8; 16],
    /// Where the log ended.
    pub position: LogPosition,
    /// Sealed parts, oldest first.
    pub segments: Vec<SegmentView>,
    /// Rows in no segment.
    pub delta: Delta,
    pub(super) text: OnceLock<Arc<TextView>>,
    pub(super) backgrounds: Backgrounds,
}

impl View {
    /// Number of parts: segments and the delta.
    pub fn parts(&self) -> usize {
        self.segments.len() + 1
    }

    /// Rows of a part, dead ones included.
    pub fn part_len(&self, part: usize) -> usize {
        self.segments.get(part).map_or_else(|| self.delta.slots(), |s| s.segment.rows())
    }

    /// Live rows of a part; `None` when all are alive.
    pub fn part_alive(&self, part: usize) -> Option<Bitmap> {
        match self.segments.get(part) {
            Some(segment) => segment.dead.as_ref().map(|dead| {
                let mut alive = dead.clone();
                alive.negate();
                alive
            }),
            None if self.delta.live() == self.delta.slots() => None,
            None => Some(self.delta.alive()),
        }
    }

    /// Live rows of all parts.
    pub fn live(&self) -> usize {
        self.segments.iter().map(SegmentView::live).sum::<usize>() + self.delta.live()
    }

    /// Rowid of a row; the part's columns must be loaded.
    pub fn rowid(&self, on: Connected<'_>, part: usize, ord: u32) -> Result<i64> {
        match self.segments.get(part) {
            Some(view) => Ok(view.segment.columns(on)?.whole().rowid(ord)),
            None => Ok(self.delta.rowid(ord)),
        }
    }

    /// Whether the rowids of a part ascend with the ords.
    pub fn ascends(&self, on: Connected<'_>, part: usize) -> Result<bool> {
        match self.segments.get(part) {
            Some(view) => Ok(view.segment.columns(on)?.whole().ascends()),
            None => Ok(self.delta.ascends()),
        }
    }

    /// The vectors of a part that are kept in memory. They are loaded only for the current snapshot: the stored vectors
    /// are read in that one.
    pub fn resident(&self, on: Connected<'_>, part: usize, at: usize) -> Result<Option<&Arc<Resident>>> {
        let Some(view) = self.segments.get(part) else { return Ok(None) };
        view.segment.resident(on, at, || {
            if on.storage.nonce(on.conn)? != self.nonce || on.storage.log_end(on.conn)? != self.position {
                return Ok(None);
            }
            let columns = view.segment.columns(on)?;
            let ords = (0..view.segment.rows() as u32).filter(|ord| !view.is_dead(*ord));
            Ok(Some(ords.map(|ord| (ord, columns.whole().rowid(ord))).collect()))
        })
    }

    /// Evaluates `make` on the columns of a part; results for segments are cached under `key`, without what the log says of
    /// their rows.
    pub fn predicate(
        &self,
        on: Connected<'_>,
        part: usize,
        key: Option<&str>,
        make: &dyn Fn(&Columns) -> Passing,
    ) -> Result<Passing> {
        let (own, revised) = match self.segments.get(part) {
            Some(view) => (view.segment.columns(on)?.predicate(key, make), &view.revised),
            None => (make(self.delta.columns(on.schema)), &self.delta.revised),
        };
        Ok(revised.over(own, on.schema, make))
    }

    /// Keeps with the predicate `key` on a part, whose columns are loaded, that rows were read, each with whether it passes.
    pub fn settle(&self, part: usize, key: Option<&str>, rows: &[(u32, bool)]) {
        if let (Some(view), Some(key)) = (self.segments.get(part), key)
            && let Some(columns) = view.segment.loaded_columns()
        {
            columns.settle(key, rows.iter().copied().filter(|(ord, _)| view.revised.place(*ord).is_none()));
        }
    }

    /// The text searcher of this view, opened at first use.
    pub fn text(&self, on: Connected<'_>) -> Result<&Arc<TextView>> {
        if let Some(found) = self.text.get() {
            return Ok(found);
        }
        let config = TextConfig::of(on.schema);
        let mut inputs = Vec::with_capacity(self.segments.len() + 1);
        for view in &self.segments {
            inputs.push((Arc::clone(view.segment.text(on)?), view.dead.clone()));
        }
        inputs.extend(self.delta.text(on, &config)?);
        let docs = inputs.iter().map(|(payload, _)| payload.docs()).collect();
        let searcher = TextSearcher::open(&config, &inputs)?;
        Ok(self.text.get_or_init(|| Arc::new(TextView { searcher, segments: self.segments.len(), docs })))
    }
}
