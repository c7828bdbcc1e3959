//! Finds the view of the current snapshot, from memory where the root nonce and the log say it is still right.

use super::background::Backgrounds;
use super::cache;
use super::connected::Connected;
use super::delta::{Delta, revised_metadata};
use super::places::{Place, Places};
use super::sealed::Segment;
use super::view::{SegmentView, Texts, View};
use crate::bitmap::Bitmap;
use crate::error::{Error, Result};
use crate::memory;
use crate::storage::{LogEntry, LogOp, LogPosition, Settings, Storage};
use parking_lot::ReentrantMutex;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The last view of one table on one connection. A cache: it may be dropped at any moment.
///
/// The thread that makes a view may come back for one, when a view or a trigger in place of a shadow table leads back to
/// the table; waiting for itself it would wait for ever.
#[derive(Default)]
pub struct Views {
    last: ReentrantMutex<RefCell<Option<Arc<View>>>>,
    places: ReentrantMutex<RefCell<Option<Places>>>,
    /// Releases of memory that were asked for when it was last used.
    releases: AtomicU64,
}

impl Views {
    /// The view of the current snapshot. Call inside a read transaction.
    pub fn current(&self, on: Connected<'_>, settings: &Settings) -> Result<Arc<View>> {
        self.at(on, settings, on.storage.nonce(on.conn)?)
    }

    /// The view of the current snapshot, whose root nonce was read already.
    pub fn at(&self, on: Connected<'_>, settings: &Settings, nonce: [u8; 16]) -> Result<Arc<View>> {
        let end = on.storage.log_end(on.conn)?;
        let slot = self.last.lock();
        let mut slot = slot.try_borrow_mut().map_err(|_| Error::recursive())?;
        let releases = cache::releases();
        if self.releases.swap(releases, Ordering::Relaxed) != releases {
            *slot = None;
        }
        let view = match slot.take() {
            Some(view) if view.nonce == nonce && view.position == end => view,
            Some(view)
                if view.nonce == nonce
                    && view.position.seq <= end.seq
                    && on.storage.log_has(on.conn, view.position)? =>
            {
                catch_up(view, on)?
            }
            other => Arc::new(open(on, settings, nonce, other)?),
        };
        *slot = Some(Arc::clone(&view));
        Ok(view)
    }

    /// Where a row is in the current snapshot, whose root nonce was read already; and whether the log has revisions.
    pub fn place(
        &self,
        on: Connected<'_>,
        settings: &Settings,
        nonce: [u8; 16],
        rowid: i64,
    ) -> Result<(Option<Place>, bool)> {
        let end = on.storage.log_end(on.conn)?;
        let slot = self.places.lock();
        let taken = slot.try_borrow_mut().map_err(|_| Error::recursive())?.take();
        let places = match taken {
            Some(places) if places.is_of(nonce, end) => places,
            Some(mut places) if places.may_go_on(on, nonce, end)? => {
                places.follow(on)?;
                places
            }
            other => {
                let last = self.last.lock();
                let known = last.try_borrow().map_err(|_| Error::recursive())?.clone();
                let known = known.iter().flat_map(|view| &view.segments);
                let known: Vec<&SegmentView> =
                    known.chain(other.iter().flat_map(|places| places.segments())).collect();
                Places::open(on, nonce, segments(on, settings, nonce, &known)?)?
            }
        };
        let found = places.find(on, rowid);
        let revised = places.has_revisions();
        *slot.try_borrow_mut().map_err(|_| Error::recursive())? = Some(places);
        Ok((found?, revised))
    }

    /// The log has another entry, since a place was asked for.
    pub fn appended(&self, entry: LogEntry) {
        if let Ok(mut places) = self.places.lock().try_borrow_mut()
            && let Some(places) = places.as_mut()
        {
            places.appended(entry);
        }
    }
}

/// The segments with their dead rows as of the last seal. Those that are among `known` keep their loaded payloads, even past
/// the cache's budget.
fn segments(
    on: Connected<'_>,
    settings: &Settings,
    nonce: [u8; 16],
    known: &[&SegmentView],
) -> Result<Vec<SegmentView>> {
    let Connected { storage, conn, schema } = on;
    let (mut segments, layout) = (Vec::new(), schema.layout());
    for record in storage.segments_under(conn, &nonce)? {
        let dead = storage.tombstones(conn, &record)?;
        storage.check_rows(conn, &record)?;
        let dead = if dead.is_empty() {
            None
        } else {
            let mut bitmap = Bitmap::try_empty(record.rows)?;
            dead.iter().for_each(|ord| bitmap.insert(ord));
            Some(bitmap)
        };
        let before = known.iter().find(|view| view.segment.record.id == record.id).copied();
        let same = |view: &&&SegmentView| view.segment.record == record;
        let renewed = |view: &&&SegmentView| {
            let known = &view.segment.record;
            (known.id, known.seq, known.rows) == (record.id, record.seq, record.rows)
        };
        let known = match known.iter().find(same) {
            Some(view) => Some(Arc::clone(&view.segment)),
            None => {
                known.iter().find(renewed).map(|view| Arc::new(view.segment.with_columns_of(record.clone())))
            }
        };
        // Columns were added or dropped.
        let known = known.map(|segment| segment.relaid(&layout).map_or(segment, Arc::new));
        let kept = known.as_ref().and_then(|known| {
            // The setting was taken back.
            let bare = if settings.resident_vectors == 0 { known.without_vectors() } else { None };
            bare.inspect(|segment| cache::forget_vectors(segment.record.id)).map(Arc::new)
        });
        let segment = match kept.or(known) {
            Some(segment) => {
                segment.set_budget(settings.cache_mb);
                segment
            }
            None => Arc::new(Segment::new(record, schema, settings.cache_mb)),
        };
        let mut view = SegmentView::new(segment, dead);
        if let Some(before) = before {
            view.keep(before);
        }
        segments.push(view);
    }
    Ok(segments)
}

fn open(on: Connected<'_>, settings: &Settings, nonce: [u8; 16], old: Option<Arc<View>>) -> Result<View> {
    let schema = on.schema;
    let known: Vec<&SegmentView> = old.iter().flat_map(|view| &view.segments).collect();
    let segments = segments(on, settings, nonce, &known)?;
    drop(known);
    let position = LogPosition::default();
    let backgrounds = Backgrounds::new(schema.vectors().count());
    let (delta, text) = (Delta::new(schema), Texts::default());
    let mut view = View { nonce, position, segments, delta, text, backgrounds };
    let entries = on.storage.log_since(on.conn, 0)?;
    let kept = old.map(|old| kept(on, old, &entries)).transpose()?.flatten();
    let known = kept.map_or(0, |(delta, known)| {
        view.delta = delta;
        known
    });
    replay(&mut view, on, &entries, known)?;
    Ok(view)
}

/// What an older view holds of the log, without what a seal has taken since, and how many entries it covers. Reading the rows
/// of a long log again takes tens of milliseconds, after every seal and every merge.
fn kept(on: Connected<'_>, old: Arc<View>, entries: &[LogEntry]) -> Result<Option<(Delta, usize)>> {
    let known = entries.partition_point(|entry| entry.position.seq <= old.position.seq);
    let covered = entries.get(..known).unwrap_or_default();
    // After a rollback the numbers come back, the stamps do not. A seal takes entries from the front, and single ones.
    if covered.last().is_none_or(|last| last.position != old.position) {
        return Ok(None);
    }
    let mut lives: HashSet<i64> = HashSet::new();
    for entry in covered {
        match entry.op {
            LogOp::Add => drop(lives.insert(entry.rowid)),
            LogOp::Remove => drop(lives.remove(&entry.rowid)),
            LogOp::Kill { .. } | LogOp::Revise { .. } => {}
        }
    }
    let delta = match Arc::try_unwrap(old) {
        Ok(view) => view.delta,
        // A cursor holds it.
        Err(view) => {
            memory::check_large(view.delta.memory_bytes())?;
            view.delta.clone()
        }
    };
    Ok(delta.only(on.schema, &lives).map(|delta| (delta, known)))
}

fn catch_up(mut view: Arc<View>, on: Connected<'_>) -> Result<Arc<View>> {
    // In place when no cursor holds the view, on a copy otherwise.
    let entries = on.storage.log_since(on.conn, view.position.seq)?;
    replay(Arc::make_mut(&mut view), on, &entries, 0)?;
    Ok(view)
}

/// Brings a view to where `entries` end. The delta has the first `known` of them.
fn replay(view: &mut View, on: Connected<'_>, entries: &[LogEntry], known: usize) -> Result<()> {
    let Some(last) = entries.last() else { return Ok(()) };
    let position = last.position;
    // The last entry that revises each row of a segment.
    let mut revised: HashMap<(usize, u32), i64> = HashMap::new();
    for entry in entries {
        match entry.op {
            LogOp::Kill { segment, ord } => {
                let part = named(&view.segments, on.storage, (segment, ord))?;
                view.segments[part].kill(ord);
            }
            LogOp::Revise { sealed: Some(sealed) } => {
                revised.insert((named(&view.segments, on.storage, sealed)?, sealed.1), entry.rowid);
            }
            LogOp::Add | LogOp::Remove | LogOp::Revise { sealed: None } => {}
        }
    }
    let mut revised: Vec<_> = revised.into_iter().collect();
    revised.sort_unstable();
    for ((part, ord), rowid) in revised {
        if !view.segments[part].is_dead(ord) {
            let metadata = revised_metadata(on, rowid)?;
            view.segments[part].revised.push(ord, rowid, metadata);
        }
    }
    view.delta.apply(on, entries.get(known..).unwrap_or_default())?;
    if entries.iter().any(|entry| !matches!(entry.op, LogOp::Revise { .. })) {
        view.text = Texts::default();
        view.backgrounds = Backgrounds::new(on.schema.vectors().count());
    }
    view.position = position;
    Ok(())
}

/// The segment whose row a log entry names.
fn named(segments: &[SegmentView], storage: &Storage, (segment, ord): (i64, u32)) -> Result<usize> {
    let found = segments.iter().position(|view| view.segment.record.seq == segment);
    found.filter(|at| (ord as usize) < segments[*at].segment.rows()).ok_or_else(|| storage.names_no_row())
}
