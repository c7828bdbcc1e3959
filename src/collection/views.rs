//! Finds the view of the current snapshot, from memory where the root nonce and the log say it is still right.

use super::background::Backgrounds;
use super::cache;
use super::connected::Connected;
use super::delta::Delta;
use super::sealed::Segment;
use super::view::{SegmentView, View};
use crate::bitmap::Bitmap;
use crate::error::{Error, Result};
use crate::storage::{LogEntry, LogOp, LogPosition, Settings, Storage};
use parking_lot::ReentrantMutex;
use std::cell::RefCell;
use std::sync::{Arc, OnceLock};

/// The last view of one table on one connection. A cache: it may be dropped at any moment.
///
/// The thread that makes a view may come back for one, when a view or a trigger in place of a shadow table leads back to
/// the table; waiting for itself it would wait for ever.
#[derive(Default)]
pub struct Views {
    last: ReentrantMutex<RefCell<Option<Arc<View>>>>,
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
        let view = match slot.take() {
            Some(view) if view.nonce == nonce && view.position == end => view,
            Some(view)
                if view.nonce == nonce
                    && view.position.seq <= end.seq
                    && on.storage.log_has(on.conn, view.position)? =>
            {
                catch_up(view, on)?
            }
            Some(view) if view.nonce == nonce => Arc::new(open(on, settings, nonce, Some(&view))?),
            other => Arc::new(open(on, settings, nonce, other.as_deref())?),
        };
        *slot = Some(Arc::clone(&view));
        Ok(view)
    }
}

fn open(on: Connected<'_>, settings: &Settings, nonce: [u8; 16], old: Option<&View>) -> Result<View> {
    let Connected { storage, conn, schema } = on;
    let (mut segments, layout) = (Vec::new(), schema.layout());
    for record in storage.segments(conn)? {
        let dead = storage.tombstones(conn, &record)?;
        storage.check_rows(conn, &record)?;
        let dead = if dead.is_empty() {
            None
        } else {
            let mut bitmap = Bitmap::try_empty(record.rows)?;
            dead.iter().for_each(|ord| bitmap.insert(ord));
            Some(bitmap)
        };
        // Segments that are still there keep their loaded payloads, even past the cache's budget.
        let known = old.and_then(|view| view.segments.iter().find(|s| s.segment.record == record));
        // Columns were added or dropped.
        let known = known
            .map(|known| known.segment.relaid(&layout).map_or_else(|| Arc::clone(&known.segment), Arc::new));
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
        segments.push(SegmentView { segment, dead });
    }
    let position = LogPosition::default();
    let backgrounds = Backgrounds::new(schema.vectors().count());
    let (delta, text) = (Delta::new(schema), OnceLock::new());
    let mut view = View { nonce, position, segments, delta, text, backgrounds };
    replay(&mut view, on)?;
    Ok(view)
}

fn catch_up(mut view: Arc<View>, on: Connected<'_>) -> Result<Arc<View>> {
    // In place when no cursor holds the view, on a copy otherwise.
    replay(Arc::make_mut(&mut view), on)?;
    Ok(view)
}

fn replay(view: &mut View, on: Connected<'_>) -> Result<()> {
    let entries = on.storage.log_since(on.conn, view.position.seq)?;
    let Some(last) = entries.last() else { return Ok(()) };
    let position = last.position;
    for entry in &entries {
        kill(view, on.storage, entry)?;
    }
    view.delta.apply(on, &entries)?;
    view.text = OnceLock::new();
    view.backgrounds = Backgrounds::new(on.schema.vectors().count());
    view.position = position;
    Ok(())
}

fn kill(view: &mut View, storage: &Storage, entry: &LogEntry) -> Result<()> {
    let LogOp::Kill { segment, ord } = entry.op else { return Ok(()) };
    let place =
        || Error::corrupt(format!("{}_delta", storage.table), "a log entry names a row of no segment");
    let target = view.segments.iter_mut().find(|s| s.segment.record.seq == segment).ok_or_else(place)?;
    let rows = target.segment.rows();
    if ord as usize >= rows {
        return Err(place());
    }
    target.dead.get_or_insert_with(|| Bitmap::empty(rows)).insert(ord);
    Ok(())
}
