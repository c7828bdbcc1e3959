//! `t_chunks`: payload bytes in chunks with one checksum over the whole.
//!
//! Chunks of a payload have consecutive ids, so the directory needs the first id only and reading is one range
//! scan of the b-tree.

use super::{PayloadEntry, PayloadKind, Storage};
use crate::error::{Error, Result};
use crate::limits::CHUNK_BYTES;
use rusqlite::{Connection, params};

impl Storage {
    /// Writes a payload and returns its directory entry.
    pub fn write_payload(&self, conn: &Connection, kind: PayloadKind, bytes: &[u8]) -> Result<PayloadEntry> {
        let chunks = self.name("chunks");
        let last: Option<i64> =
            conn.query_row(&format!("SELECT max(id) FROM {chunks}"), [], |row| row.get(0))?;
        // A damaged table may hold an id at the end of the range; 'rebuild' removes it before it writes.
        let room = i64::try_from(bytes.len() / CHUNK_BYTES + 2).unwrap_or(i64::MAX);
        if last.unwrap_or(0).checked_add(room).is_none() {
            return Err(Error::corrupt(format!("{}_chunks", self.table), "its ids are used up"));
        }
        let first = last.unwrap_or(0) + 1;
        let mut statement = conn.prepare_cached(&format!("INSERT INTO {chunks}(id, data) VALUES(?1, ?2)"))?;
        let mut count = 0_u32;
        for chunk in bytes.chunks(CHUNK_BYTES) {
            statement.execute(params![first + i64::from(count), chunk])?;
            count += 1;
        }
        let checksum = crc32fast::hash(bytes);
        Ok(PayloadEntry { kind, first, chunks: count, bytes: bytes.len() as u64, checksum })
    }

    /// Reads a payload and verifies its length and checksum. `place` names it in errors.
    pub fn read_payload(&self, conn: &Connection, entry: &PayloadEntry, place: &str) -> Result<Vec<u8>> {
        let sql = format!("SELECT data FROM {} WHERE id BETWEEN ?1 AND ?2 ORDER BY id", self.name("chunks"));
        let mut statement = conn.prepare_cached(&sql)?;
        let end = entry.first.saturating_add(i64::from(entry.chunks) - 1);
        let mut rows = statement.query([entry.first, end])?;
        // The stored length is trusted for the allocation only as far as the chunk count bears it out.
        let bound = u64::from(entry.chunks).saturating_mul(CHUNK_BYTES as u64);
        if entry.bytes > bound {
            return Err(Error::corrupt(place, "the directory gives an impossible length"));
        }
        let mut bytes = Vec::new();
        while let Some(row) = rows.next()? {
            let rusqlite::types::ValueRef::Blob(chunk) = row.get_ref(0)? else {
                return Err(Error::corrupt(place, "a chunk is not a blob"));
            };
            if bytes.is_empty() && chunk.len() == CHUNK_BYTES {
                bytes.reserve_exact(usize::try_from(entry.bytes).unwrap_or(0));
            }
            bytes.extend_from_slice(chunk);
            if bytes.len() as u64 > entry.bytes {
                break;
            }
        }
        if bytes.len() as u64 != entry.bytes {
            return Err(Error::corrupt(place, format!("{} bytes where {} belong", bytes.len(), entry.bytes)));
        }
        if crc32fast::hash(&bytes) != entry.checksum {
            return Err(Error::corrupt(place, "checksum mismatch"));
        }
        Ok(bytes)
    }

    /// Removes the chunks of a payload.
    pub fn drop_payload(&self, conn: &Connection, entry: &PayloadEntry) -> Result<()> {
        let sql = format!("DELETE FROM {} WHERE id BETWEEN ?1 AND ?2", self.name("chunks"));
        let end = entry.first.saturating_add(i64::from(entry.chunks) - 1);
        conn.prepare_cached(&sql)?.execute([entry.first, end])?;
        Ok(())
    }
}
