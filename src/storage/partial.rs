//! A payload on its way into memory, chunk by chunk.

use super::blobs::chunks_of;
use super::{PayloadEntry, Storage};
use crate::error::{Error, Result};
use crate::memory;
use crate::vector::aligned::Block;
use rusqlite::Connection;

/// What has been read of a payload. The pieces may be read in different transactions, since the chunks of a segment do not
/// change while it is there.
pub struct PartialPayload<R> {
    entry: PayloadEntry,
    /// Names it in errors.
    place: String,
    read: usize,
    checksum: crc32fast::Hasher,
    room: R,
}

impl Storage {
    /// Begins to read a payload, once its chunks bear out the length. `place` names it in errors.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::OutOfMemory`] and those of SQLite.
    pub fn begin_payload(
        &self,
        conn: &Connection,
        entry: &PayloadEntry,
        place: &str,
    ) -> Result<PartialPayload<Vec<u8>>> {
        let room = memory::room(self.length_of(conn, entry, place)?)?;
        Ok(PartialPayload::new(entry, place, room))
    }

    /// As [`begin_payload`](Self::begin_payload), into aligned memory.
    ///
    /// # Errors
    /// The same.
    pub fn begin_block(
        &self,
        conn: &Connection,
        entry: &PayloadEntry,
        place: &str,
    ) -> Result<PartialPayload<Front>> {
        let block = Block::try_zeroed(self.length_of(conn, entry, place)?)?;
        Ok(PartialPayload::new(entry, place, Front { block, end: 0 }))
    }
}

impl<R: Rooms> PartialPayload<R> {
    fn new(entry: &PayloadEntry, place: &str, room: R) -> Self {
        let (entry, place) = (entry.clone(), place.to_owned());
        Self { entry, place, read: 0, checksum: crc32fast::Hasher::new(), room }
    }

    /// Reads on to the end of the first `end` chunks, each to where it stays, and checks them while the processor has them at
    /// hand. True: these are all.
    ///
    /// # Errors
    /// As [`Storage::begin_payload`].
    pub fn go_on(&mut self, storage: &Storage, conn: &Connection, end: usize) -> Result<bool> {
        let corrupt = |what| Error::corrupt(self.place.as_str(), what);
        let mut reader = storage.chunk_reader(conn);
        for id in chunks_of(&self.entry).take(end).skip(self.read) {
            let length = reader.open(id)?.unwrap_or(0);
            let part = self.room.next(length).ok_or_else(|| corrupt("a chunk has another length"))?;
            reader.read(part, 0)?;
            self.checksum.update(part);
            self.read += 1;
        }
        let is_complete = self.read >= self.entry.chunks as usize;
        if is_complete && self.checksum.clone().finalize() != self.entry.checksum {
            return Err(corrupt("checksum mismatch"));
        }
        Ok(is_complete)
    }
}

impl PartialPayload<Vec<u8>> {
    /// Reads what is left.
    ///
    /// # Errors
    /// As [`Storage::begin_payload`].
    pub fn finish(mut self, storage: &Storage, conn: &Connection) -> Result<Vec<u8>> {
        self.go_on(storage, conn, usize::MAX)?;
        Ok(self.room)
    }
}

impl PartialPayload<Front> {
    /// Reads what is left.
    ///
    /// # Errors
    /// As [`Storage::begin_payload`].
    pub(crate) fn finish(mut self, storage: &Storage, conn: &Connection) -> Result<Block> {
        self.go_on(storage, conn, usize::MAX)?;
        Ok(self.room.block)
    }
}

/// Memory that is filled from its front.
pub trait Rooms {
    /// The next `length` bytes.
    fn next(&mut self, length: usize) -> Option<&mut [u8]>;
}

impl Rooms for Vec<u8> {
    fn next(&mut self, length: usize) -> Option<&mut [u8]> {
        let start = self.len();
        let end = start.checked_add(length).filter(|end| *end <= self.capacity())?;
        self.resize(end, 0);
        self.get_mut(start..)
    }
}

/// A block whose first bytes are filled.
pub struct Front {
    block: Block,
    end: usize,
}

impl Rooms for Front {
    fn next(&mut self, length: usize) -> Option<&mut [u8]> {
        let start = self.end;
        self.end = start.checked_add(length)?;
        self.block.bytes_mut().get_mut(start..self.end)
    }
}
