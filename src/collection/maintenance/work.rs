//! What a job makes a segment of.

use super::super::sealed::Segment;
use super::worker;
use crate::bitmap::Bitmap;
use crate::error::Error;
use crate::storage::LogPosition;
use rusqlite::ErrorCode;
use std::sync::Arc;

/// A segment that is merged.
pub struct Input {
    pub segment: Arc<Segment>,
    /// The rows that lived when the merge was planned; all when `None`.
    pub alive: Option<Bitmap>,
}

impl Input {
    /// The rows that lived.
    pub fn live(&self) -> usize {
        self.alive.as_ref().map_or(self.segment.rows(), Bitmap::count)
    }
}

/// What becomes a segment.
pub enum Work {
    /// The rows that the log names up to a position.
    Seal { through: LogPosition },
    /// All rows, those included that the log names up to a position, as they were under a nonce.
    Rebuild { through: LogPosition, nonce: [u8; 16] },
    /// Segments, the largest first.
    Merge { inputs: Vec<Input> },
}

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It did a slice.
    Worked,
    /// It waits for its builder, or for a transaction to end.
    Waits,
    /// The segment is there.
    Installed,
    /// What it was made of is not there any more.
    Lost,
}

/// Whether a step that failed with this error may succeed another time: somebody else had the file, or wanted it to end.
pub fn is_passing(error: &Error) -> bool {
    match error {
        Error::Interrupted => true,
        Error::Sqlite(error) => {
            worker::is_busy(error) || error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted)
        }
        _ => false,
    }
}
