//! What could be given back of the room that a collection takes in its file.

use super::connected::Connected;
use super::view::View;
use crate::error::Result;

/// Bytes that could be free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// What maintenance would turn into free pages: the share of dead rows in the segments, and chunks that wait to be removed.
    pub dead: u64,
    /// Free pages of the file, which VACUUM gives back.
    pub free: u64,
}

impl Space {
    /// As one snapshot has it.
    ///
    /// # Errors
    /// Those of reading.
    pub fn of(on: Connected<'_>, view: &View) -> Result<Self> {
        let share = |bytes: u64, dead: usize, rows: usize| {
            u64::try_from(u128::from(bytes) * dead as u128 / rows.max(1) as u128).unwrap_or(u64::MAX)
        };
        let of_segments = view.segments.iter().map(|part| {
            let bytes = part.segment.record.directory.iter().map(|entry| entry.bytes).sum();
            share(bytes, part.segment.rows() - part.live(), part.segment.rows())
        });
        let dead = of_segments.sum::<u64>() + on.storage.trash_bytes(on.conn)?;
        Ok(Self { dead, free: on.storage.free_bytes(on.conn)? })
    }
}
