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
use crate::text::{OpenedText, RecentTexts, TextConfig, TextQuery, TextSearcher};
use crate::value::Value;
use std::sync::atomic::{AtomicUsize, Ordering};
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
    /// Live rows, once they were asked for.
    alive: OnceLock<Alive>,
    text: OnceLock<Arc<OpenedText>>,
}

/// Live rows and their number.
#[derive(Clone)]
struct Alive {
    rows: Arc<Bitmap>,
    count: usize,
}

impl SegmentView {
    /// A segment with its dead rows.
    pub fn new(segment: Arc<Segment>, dead: Option<Bitmap>) -> Self {
        Self { segment, dead, revised: Revised::default(), alive: OnceLock::new(), text: OnceLock::new() }
    }

    /// Takes over what an older view has made of the same living rows.
    pub fn keep(&mut self, old: &Self) {
        if Arc::ptr_eq(&self.segment, &old.segment) && self.dead == old.dead {
            (self.alive, self.text) = (old.alive.clone(), old.text.clone());
        }
    }

    /// A row is dead.
    pub fn kill(&mut self, ord: u32) {
        let rows = self.segment.rows();
        self.dead.get_or_insert_with(|| Bitmap::empty(rows)).insert(ord);
        (self.alive, self.text) = (OnceLock::new(), OnceLock::new());
    }

    /// The index of its texts.
    fn text(&self, on: Connected<'_>, config: &TextConfig) -> Result<Arc<OpenedText>> {
        if let Some(found) = self.text.get() {
            return Ok(Arc::clone(found));
        }
        let opened = OpenedText::open(config, self.segment.text(on)?, self.dead.as_ref())?;
        Ok(Arc::clone(self.text.get_or_init(|| Arc::new(opened))))
    }

    /// Live rows; `None` when all are alive.
    fn alive(&self) -> Option<&Alive> {
        let dead = self.dead.as_ref()?;
        let make = || {
            let mut rows = dead.clone();
            rows.negate();
            Alive { count: rows.count(), rows: Arc::new(rows) }
        };
        Some(self.alive.get_or_init(make))
    }

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
    /// The searcher; its segment `i` is the view's segment `i`, then comes the delta, whole or in blocks.
    pub searcher: TextSearcher,
    segments: usize,
    /// Slots of the delta in one of the searcher's segments.
    block: u32,
    /// Documents of each of the searcher's segments.
    docs: Vec<usize>,
}

impl TextView {
    /// Part and ord of a document of the searcher.
    pub fn locate(&self, segment: usize, ord: u32) -> (usize, u32) {
        if segment < self.segments {
            (segment, ord)
        } else {
            (self.segments, (segment - self.segments) as u32 * self.block + ord)
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
            (self.segments + (ord / self.block) as usize, ord % self.block)
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

/// The searchers of a view.
#[derive(Clone, Default)]
pub(super) struct Texts {
    /// Over all words.
    whole: OnceLock<Arc<TextView>>,
    /// What was paid for searchers over the words of one query each, counted in rows of the delta that are indexed.
    paid: Arc<AtomicUsize>,
}

/// What it costs to index the words of one query, counted in rows whose words are all indexed, and the slots for which it
/// costs as much again.
const ONE_QUERY: usize = 16;
const SLOTS_FOR_IT: usize = 512;

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
    pub(super) text: Texts,
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
    pub fn part_alive(&self, part: usize) -> Option<Arc<Bitmap>> {
        match self.segments.get(part) {
            Some(segment) => segment.alive().map(|alive| Arc::clone(&alive.rows)),
            None if self.delta.live() == self.delta.slots() => None,
            None => Some(Arc::new(self.delta.alive())),
        }
    }

    /// Number of rows in a mask of a part. Those of [`part_alive`](Self::part_alive) are counted only once: a million take 10 us.
    pub fn count(&self, part: usize, mask: &Arc<Bitmap>) -> usize {
        let alive = self.segments.get(part).and_then(SegmentView::alive);
        let known = alive.filter(|alive| Arc::ptr_eq(&alive.rows, mask));
        known.map_or_else(|| mask.count(), |alive| alive.count)
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

    /// The value of a metadata column in a row.
    pub fn value(&self, on: Connected<'_>, part: usize, column: usize, ord: u32) -> Result<Value> {
        let view = self.segments.get(part);
        let revised = view.map_or(&self.delta.revised, |view| &view.revised);
        if let Some(slot) = revised.place(ord) {
            return Ok(revised.columns(on.schema).value(column, slot));
        }
        match view {
            Some(view) => Ok(view.segment.columns(on)?.value(column, ord)),
            None => Ok(self.delta.columns(on.schema).value(column, ord)),
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
        if let Some(found) = self.text.whole.get() {
            return Ok(found);
        }
        let config = TextConfig::of(on.schema);
        let recent = self.delta.texts(on, &config)?.indexes(&config, self.delta.dead())?;
        let made = self.text_over(on, &config, recent, RecentTexts::BLOCK as u32)?;
        Ok(self.text.whole.get_or_init(|| made))
    }

    /// A searcher for the words of a query. It costs less to index these words of the delta than all of them; but the
    /// searches of a view that stays together pay no more for theirs than all would cost.
    pub fn text_for(&self, on: Connected<'_>, query: &TextQuery) -> Result<Arc<TextView>> {
        let Some(words) = query.words() else { return self.text(on).cloned() };
        let slots = self.delta.slots();
        let paid = self.text.paid.fetch_add(ONE_QUERY + slots * ONE_QUERY / SLOTS_FOR_IT, Ordering::Relaxed);
        if paid >= slots || self.text.whole.get().is_some() {
            return self.text(on).cloned();
        }
        let config = TextConfig::of(on.schema);
        let index = self.delta.texts(on, &config)?.index_of(&config, &words, self.delta.dead())?;
        self.text_over(on, &config, vec![Arc::new(index)], u32::MAX)
    }

    fn text_over(
        &self,
        on: Connected<'_>,
        config: &TextConfig,
        delta: Vec<Arc<OpenedText>>,
        block: u32,
    ) -> Result<Arc<TextView>> {
        let mut all = Vec::with_capacity(self.segments.len() + delta.len());
        for view in &self.segments {
            all.push(view.text(on, config)?);
        }
        all.extend(delta);
        let docs = all.iter().map(|index| index.docs()).collect();
        let searcher = TextSearcher::over(config, all)?;
        Ok(Arc::new(TextView { searcher, segments: self.segments.len(), block, docs }))
    }
}
