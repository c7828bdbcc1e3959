//! Reads blobs of one column row after row, straight to where they are wanted.
//!
//! A prepared SELECT hands out a copy of the whole value; a blob handle reads a range of it, large values by their
//! pages without passing the page cache, and it is moved to another row without running a statement again. A reader
//! lives within one call: an open handle counts as a running statement and would hold up a VACUUM.

use crate::error::Result;
use rusqlite::blob::Blob;
use rusqlite::{Connection, Error, ffi};

/// A handle that is opened at the first row and moved from there on.
pub(super) struct BlobReader<'a> {
    conn: &'a Connection,
    database: &'a str,
    table: String,
    column: &'static str,
    handle: Option<Blob<'a>>,
    at: i64,
}

impl<'a> BlobReader<'a> {
    /// A reader of `column` of `database.table`; nothing is opened yet.
    pub fn new(conn: &'a Connection, database: &'a str, table: String, column: &'static str) -> Self {
        Self { conn, database, table, column, handle: None, at: 0 }
    }

    /// Moves to a row and returns the length of its blob; `None` when the row is missing or holds no blob.
    pub fn open(&mut self, rowid: i64) -> Result<Option<usize>> {
        let moved = match &mut self.handle {
            Some(_) if self.at == rowid => Ok(()),
            Some(handle) => handle.reopen(rowid),
            None => self
                .conn
                .blob_open(self.database, self.table.as_str(), self.column, rowid, true)
                .map(|handle| self.handle = Some(handle)),
        };
        match moved {
            Ok(()) => {
                self.at = rowid;
                Ok(self.handle.as_ref().map(Blob::len))
            }
            Err(error) => {
                // A handle that failed to move cannot be used again.
                self.handle = None;
                match &error {
                    Error::SqliteFailure(cause, Some(why))
                        if cause.extended_code == ffi::SQLITE_ERROR
                            && (why.starts_with("no such rowid") || why.starts_with("cannot open value")) =>
                    {
                        Ok(None)
                    }
                    _ => Err(error.into()),
                }
            }
        }
    }

    /// Fills `out` from byte `start` of the row's blob on.
    pub fn read(&self, out: &mut [u8], start: usize) -> Result<()> {
        match &self.handle {
            Some(handle) => Ok(handle.read_at_exact(out, start)?),
            None => Err(Error::BlobSizeError.into()),
        }
    }
}
