//! Where rows are, for whoever writes them: by name alone, so that a writer does not read again what it has just written.

use super::connected::Connected;
use super::view::SegmentView;
use crate::error::Result;
use crate::storage::{LogEntry, LogOp, LogPosition};
use std::collections::HashMap;

/// Where a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the log.
    Log,
    /// In a segment.
    Segment {
        /// Its number, `t_segments.seq`.
        segment: i64,
        /// The row in it.
        ord: u32,
    },
}

/// The places of all rows in one snapshot. A cache, valid as long as a view is.
pub struct Places {
    nonce: [u8; 16],
    position: LogPosition,
    /// With their dead rows as of the last seal.
    segments: Vec<SegmentView>,
    /// The rows that the log has added or taken away, and whether it has them.
    moved: HashMap<i64, bool>,
    /// Whether the log has revisions, so that the table is of the format that allows them.
    revised: bool,
}

impl Places {
    /// The places of the current snapshot.
    pub fn open(on: Connected<'_>, nonce: [u8; 16], segments: Vec<SegmentView>) -> Result<Self> {
        let mut places =
            Self { nonce, position: LogPosition::default(), segments, moved: HashMap::new(), revised: false };
        places.follow(on)?;
        Ok(places)
    }

    /// The segments.
    pub fn segments(&self) -> &[SegmentView] {
        &self.segments
    }

    /// Whether they are those of a snapshot.
    pub fn is_of(&self, nonce: [u8; 16], end: LogPosition) -> bool {
        (self.nonce, self.position) == (nonce, end)
    }

    /// Whether they are those of a snapshot once they have followed its log.
    pub fn may_go_on(&self, on: Connected<'_>, nonce: [u8; 16], end: LogPosition) -> Result<bool> {
        Ok(self.nonce == nonce
            && self.position.seq <= end.seq
            && on.storage.log_has(on.conn, self.position)?)
    }

    /// Takes over what the log has more.
    pub fn follow(&mut self, on: Connected<'_>) -> Result<()> {
        for entry in on.storage.log_since(on.conn, self.position.seq)? {
            self.take(entry);
        }
        Ok(())
    }

    /// Takes over the entry that was appended to the log whose places these are.
    pub fn appended(&mut self, entry: LogEntry) {
        if Some(entry.position.seq) == self.position.seq.checked_add(1) {
            self.take(entry);
        }
    }

    fn take(&mut self, entry: LogEntry) {
        match entry.op {
            LogOp::Add => drop(self.moved.insert(entry.rowid, true)),
            LogOp::Remove | LogOp::Kill { .. } => drop(self.moved.insert(entry.rowid, false)),
            LogOp::Revise { .. } => self.revised = true,
        }
        self.position = entry.position;
    }

    /// Whether the log has revisions.
    pub fn has_revisions(&self) -> bool {
        self.revised
    }

    /// Where a row is, if it is indexed.
    pub fn find(&self, on: Connected<'_>, rowid: i64) -> Result<Option<Place>> {
        if let Some(is_here) = self.moved.get(&rowid) {
            return Ok(is_here.then_some(Place::Log));
        }
        for view in self.segments.iter().rev() {
            let columns = view.segment.columns(on)?.whole();
            if let Some(ord) = columns.find_rowid(rowid).filter(|ord| !view.is_dead(*ord)) {
                return Ok(Some(Place::Segment { segment: view.segment.record.seq, ord }));
            }
        }
        Ok(None)
    }
}
