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
use crate::vector::aligned::Block;
use rusqlite::{Connection, params};

/// Chunks are not made shorter than this, however little the connection allows.
const LEAST_CHUNK: usize = 1024;

impl Storage {
    /// Writes a payload and returns its directory entry.
    pub fn write_payload(&self, conn: &Connection, kind: PayloadKind, bytes: &[u8]) -> Result<PayloadEntry> {
        self.raise_format(conn)?;
        let size = longest_value(conn)?.clamp(LEAST_CHUNK, CHUNK_BYTES);
        let chunks = self.name("chunks");
        let last: Option<i64> =
            conn.query_row(&format!("SELECT max(id) FROM {chunks}"), [], |row| row.get(0))?;
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

    /// Reads a payload and verifies its length and checksum. `place` names it in errors.
    pub fn read_payload(&self, conn: &Connection, entry: &PayloadEntry, place: &str) -> Result<Vec<u8>> {
        let mut bytes = vec![0; self.length_of(conn, entry, place)?];
        self.read_chunks(conn, entry, place, &mut bytes)?;
        Ok(bytes)
    }

    /// As [`read_payload`](Self::read_payload), into aligned memory.
    pub fn read_block(&self, conn: &Connection, entry: &PayloadEntry, place: &str) -> Result<Block> {
        let length = self.length_of(conn, entry, place)?;
        let mut block = Block::zeroed(length);
        let bytes = block.bytes_mut().get_mut(..length).unwrap_or_default();
        self.read_chunks(conn, entry, place, bytes)?;
        Ok(block)
    }

    /// The length that the directory gives, once the chunks bear it out: memory is allocated for it.
    fn length_of(&self, conn: &Connection, entry: &PayloadEntry, place: &str) -> Result<usize> {
        let chunks = self.name("chunks");
        let sql = format!(
            "SELECT count(*), coalesce(sum(length(data)), 0) FROM {chunks} WHERE id BETWEEN ?1 AND ?2"
        );
        let (there, bytes): (i64, i64) = conn
            .prepare_cached(&sql)?
            .query_row([entry.first, last_chunk(entry)], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if there != i64::from(entry.chunks) {
            return Err(Error::corrupt(place, format!("{there} chunks where {} belong", entry.chunks)));
        }
        usize::try_from(bytes)
            .ok()
            .filter(|bytes| *bytes as u64 == entry.bytes)
            .ok_or_else(|| Error::corrupt(place, "the directory gives an impossible length"))
    }

    /// Fills `bytes` from the chunks. Each chunk is read to where it stays, and checked while the processor has it at hand.
    fn read_chunks(
        &self,
        conn: &Connection,
        entry: &PayloadEntry,
        place: &str,
        mut bytes: &mut [u8],
    ) -> Result<()> {
        let mut reader = BlobReader::new(conn, &self.database, format!("{}_chunks", self.table), "data");
        let mut checksum = crc32fast::Hasher::new();
        for id in (entry.first..=last_chunk(entry)).take(entry.chunks as usize) {
            let length = reader.open(id)?.ok_or_else(|| Error::corrupt(place, "a chunk is not a blob"))?;
            let Some((part, rest)) = std::mem::take(&mut bytes).split_at_mut_checked(length) else {
                return Err(Error::corrupt(place, "a chunk has another length"));
            };
            bytes = rest;
            reader.read(part, 0)?;
            checksum.update(part);
        }
        if !bytes.is_empty() || checksum.finalize() != entry.checksum {
            return Err(Error::corrupt(place, "checksum mismatch"));
        }
        Ok(())
    }

    /// Removes the chunks of a payload.
    pub fn drop_payload(&self, conn: &Connection, entry: &PayloadEntry) -> Result<()> {
        let sql = format!("DELETE FROM {} WHERE id BETWEEN ?1 AND ?2", self.name("chunks"));
        conn.prepare_cached(&sql)?.run([entry.first, last_chunk(entry)])?;
        Ok(())
    }
}

fn last_chunk(entry: &PayloadEntry) -> i64 {
    entry.first.saturating_add(i64::from(entry.chunks) - 1)
}
