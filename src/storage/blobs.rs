//! `t_chunks`: payload bytes in chunks of any length with one checksum over the whole.
//!
//! Chunks of a payload have consecutive ids, so the directory needs the first id only and reading is one range
//! scan of the b-tree.

use super::blob_reader::BlobReader;
use super::run::Run;
use super::shadow::longest_value;
use super::{PayloadEntry, PayloadKind, Storage};
use crate::error::{Error, Result};
use crate::limits::CHUNK_BYTES;
use rusqlite::{Connection, OptionalExtension, params};

/// Chunks are not made shorter than this, however little the connection allows.
const LEAST_CHUNK: usize = 1024;

impl Storage {
    /// Writes a payload and returns its directory entry.
    pub fn write_payload(&self, conn: &Connection, kind: PayloadKind, bytes: &[u8]) -> Result<PayloadEntry> {
        self.upgrade_format(conn)?;
        let size = longest_value(conn)?.clamp(LEAST_CHUNK, CHUNK_BYTES);
        let chunks = self.name("chunks");
        let sql = format!("SELECT id FROM {chunks} ORDER BY id DESC LIMIT 1");
        let last: Option<i64> = conn.query_row(&sql, [], |row| row.get(0)).optional()?;
        // A damaged table may hold an id at the end of the range; 'rebuild' removes it before it writes.
        let room = i64::try_from(bytes.len() / size + 2).unwrap_or(i64::MAX);
        if last.unwrap_or(0).checked_add(room).is_none() {
            return Err(Error::corrupt(format!("{}_chunks", self.table), "its ids are used up"));
        }
        let first = last.unwrap_or(0) + 1;
        let mut statement = conn.prepare_cached(&format!("INSERT INTO {chunks}(id, data) VALUES(?1, ?2)"))?;
        let mut count = 0_u32;
        for chunk in bytes.chunks(size) {
            statement.run(params![first + i64::from(count), chunk])?;
            count += 1;
        }
        let checksum = crc32fast::hash(bytes);
        Ok(PayloadEntry { kind, first, chunks: count, bytes: bytes.len() as u64, checksum })
    }

    /// Frees the pages of a payload whose place another one takes in this transaction, so that they are used for that one. Its
    /// ids stay taken until its segment is dropped.
    pub fn empty_payload(&self, conn: &Connection, entry: &PayloadEntry) -> Result<()> {
        let chunks = self.name("chunks");
        let sql = format!("UPDATE {chunks} SET data = x'00' WHERE id >= ?1 AND id - ?1 < ?2");
        conn.prepare_cached(&sql)?.run(params![entry.first, entry.chunks])?;
        Ok(())
    }

    /// Reads a payload and verifies its length and checksum. `place` names it in errors.
    pub fn read_payload(&self, conn: &Connection, entry: &PayloadEntry, place: &str) -> Result<Vec<u8>> {
        self.begin_payload(conn, entry, place)?.finish(self, conn)
    }

    /// The first `length` bytes of a payload, unverified; fewer where its first chunk has fewer.
    pub fn payload_head(&self, conn: &Connection, entry: &PayloadEntry, length: usize) -> Result<Vec<u8>> {
        let mut reader = self.chunk_reader(conn);
        let Some(id) = chunks_of(entry).next() else { return Ok(Vec::new()) };
        let mut head = vec![0; reader.open(id)?.unwrap_or(0).min(length)];
        reader.read(&mut head, 0)?;
        Ok(head)
    }

    /// The length that the directory gives, once the chunks bear it out: memory is allocated for it.
    pub fn length_of(&self, conn: &Connection, entry: &PayloadEntry, place: &str) -> Result<usize> {
        let mut reader = self.chunk_reader(conn);
        let mut total = 0_u64;
        for id in chunks_of(entry) {
            match reader.open(id)? {
                Some(length) if length > 0 => total += length as u64,
                _ => return Err(Error::corrupt(place, "a chunk is missing or not a blob")),
            }
            // Some false directory names more chunks than anybody waits for.
            if total > entry.bytes {
                break;
            }
        }
        if total != entry.bytes {
            let what = format!("the chunks have {total} bytes where {} belong", entry.bytes);
            return Err(Error::corrupt(place, what));
        }
        usize::try_from(total).map_err(|_| Error::OutOfMemory { bytes: total })
    }

    pub(super) fn chunk_reader<'a>(&'a self, conn: &'a Connection) -> BlobReader<'a> {
        BlobReader::new(conn, &self.database, format!("{}_chunks", self.table), "data")
    }

    /// Removes the chunks of a payload.
    pub fn drop_payload(&self, conn: &Connection, entry: &PayloadEntry) -> Result<()> {
        let sql = format!("DELETE FROM {} WHERE id BETWEEN ?1 AND ?2", self.name("chunks"));
        conn.prepare_cached(&sql)?.run([entry.first, last_chunk(entry)])?;
        Ok(())
    }
}

/// The ids of the chunks of a payload.
pub(super) fn chunks_of(entry: &PayloadEntry) -> impl Iterator<Item = i64> {
    (entry.first..=last_chunk(entry)).take(entry.chunks as usize)
}

fn last_chunk(entry: &PayloadEntry) -> i64 {
    entry.first.saturating_add(i64::from(entry.chunks) - 1)
}
