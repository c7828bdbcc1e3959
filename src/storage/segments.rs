//! `t_segments` and `t_tombstones`: the directory of immutable segments and which of their rows are dead.

use super::run::{Run, run};
use super::tables::{Nonce, says_made};
use super::{Storage, codec};
use crate::error::{Error, Result};
use crate::random;
use roaring::RoaringBitmap;
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

/// Random name of a segment. Equal names mean equal bytes, in every file and every process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SegmentId(pub [u8; 16]);

impl std::fmt::Display for SegmentId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().take(4).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Which index of a segment a payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PayloadKind {
    /// Rowids and metadata columns.
    Columns,
    /// The full-text index.
    Text,
    /// Codes and graph of the n-th vector column.
    Vector(u32),
    /// Columns of some rows, written after the segment; they hold instead of what is below them.
    Patch(PatchName),
    /// Columns of all rows, written after the segment, in place of [`Columns`](Self::Columns).
    Renewed(PatchName),
}

/// Random name of columns that were written after their segment: equal names mean equal bytes, too.
pub type PatchName = [u8; 16];

impl PayloadKind {
    /// Whether it holds metadata.
    pub fn is_columns(self) -> bool {
        matches!(self, Self::Columns | Self::Renewed(_) | Self::Patch(_))
    }
}

impl std::fmt::Display for PayloadKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Columns => f.write_str("columns"),
            Self::Text => f.write_str("text"),
            Self::Vector(at) => write!(f, "vector {at}"),
            Self::Patch(name) => write!(f, "patch {}", SegmentId(*name)),
            Self::Renewed(name) => write!(f, "columns {}", SegmentId(*name)),
        }
    }
}

/// Where the bytes of a payload are, and what they must add up to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayloadEntry {
    /// What it is.
    pub kind: PayloadKind,
    /// `t_chunks.id` of the first chunk; the others follow without gaps.
    pub first: i64,
    /// Number of chunks.
    pub chunks: u32,
    /// Bytes in all chunks together.
    pub bytes: u64,
    /// CRC-32 over them.
    pub checksum: u32,
}

/// One row of `t_segments`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentRecord {
    /// Number within the table; log entries name segments by it.
    pub seq: i64,
    /// Random name.
    pub id: SegmentId,
    /// Rows, dead ones included.
    pub rows: usize,
    /// Its payloads.
    pub directory: Vec<PayloadEntry>,
}

/// From this number on memory for one bit a row is worth looking whether the rows can be there.
const ROWS_BORNE_OUT: usize = 1 << 20;

impl SegmentRecord {
    /// The payload of this kind.
    pub fn payload(&self, kind: PayloadKind) -> Option<&PayloadEntry> {
        self.directory.iter().find(|entry| entry.kind == kind)
    }

    /// The columns of all rows.
    pub fn columns(&self) -> Option<&PayloadEntry> {
        self.directory
            .iter()
            .find(|entry| matches!(entry.kind, PayloadKind::Columns | PayloadKind::Renewed(_)))
    }

    /// The columns of rows that have changed since, oldest first.
    pub fn patches(&self) -> impl Iterator<Item = &PayloadEntry> {
        self.directory.iter().filter(|entry| matches!(entry.kind, PayloadKind::Patch(_)))
    }
}

impl Storage {
    /// A place for error messages: table, segment, payload.
    pub fn location(&self, id: SegmentId, what: impl std::fmt::Display) -> String {
        format!("{} segment {id} {what}", self.table)
    }

    /// How many segments there are.
    pub fn segment_count(&self, conn: &Connection) -> Result<usize> {
        if !self.has_index(conn)? {
            return Ok(0);
        }
        let sql = format!("SELECT count(*) FROM {}", self.name("segments"));
        let count: i64 = conn.prepare_cached(&sql)?.query_row([], |row| row.get(0))?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    /// Rows of all segments, dead ones included.
    pub fn segment_rows(&self, conn: &Connection) -> Result<usize> {
        Ok(self.segments(conn)?.iter().map(|record| record.rows).fold(0, usize::saturating_add))
    }

    /// All segments, oldest first.
    pub fn segments(&self, conn: &Connection) -> Result<Vec<SegmentRecord>> {
        if self.has_index(conn)? { self.listed(conn) } else { Ok(Vec::new()) }
    }

    /// All segments of a snapshot whose root nonce was read already.
    pub fn segments_under(&self, conn: &Connection, nonce: &Nonce) -> Result<Vec<SegmentRecord>> {
        if !self.lean || says_made(nonce) { self.listed(conn) } else { Ok(Vec::new()) }
    }

    fn listed(&self, conn: &Connection) -> Result<Vec<SegmentRecord>> {
        let sql = format!("SELECT seq, id, rows, directory FROM {} ORDER BY seq", self.name("segments"));
        let mut statement = conn.prepare_cached(&sql)?;
        let mut rows = statement.query([])?;
        let mut found = Vec::new();
        let place = || format!("{}_segments", self.table);
        while let Some(row) = rows.next()? {
            let wrong = |error| Error::reading(error, place);
            let bytes = |at| row.get::<_, Vec<u8>>(at).map_err(wrong);
            let id = <[u8; 16]>::try_from(bytes(1)?)
                .map_err(|_| Error::corrupt(place(), "a name is not 16 bytes"))?;
            let count: i64 = row.get(2).map_err(wrong)?;
            let count =
                u32::try_from(count).map_err(|_| Error::corrupt(place(), "a row count is out of range"))?;
            let directory =
                codec::decode(&bytes(3)?).map_err(|e| Error::corrupt(place(), format!("directory: {e}")))?;
            let seq = row.get(0).map_err(wrong)?;
            found.push(SegmentRecord { seq, id: SegmentId(id), rows: count as usize, directory });
        }
        self.check_disjoint(&found)?;
        Ok(found)
    }

    /// Refuses payloads that share chunks, so that all of them together are no larger than the file.
    fn check_disjoint(&self, segments: &[SegmentRecord]) -> Result<()> {
        let entries = segments.iter().flat_map(|record| &record.directory);
        let mut ranges: Vec<_> = entries.map(|entry| (entry.first, entry.chunks)).collect();
        ranges.sort_unstable();
        let overlap = |pair: &[(i64, u32)]| match pair {
            [(first, chunks), (next, _)] => first.saturating_add(i64::from(*chunks)) > *next,
            _ => false,
        };
        if ranges.windows(2).any(overlap) {
            return Err(Error::corrupt(format!("{}_segments", self.table), "two payloads share a chunk"));
        }
        Ok(())
    }

    /// Refuses more rows than the columns of a segment can hold: rowids differ, so those of more than two rows take a
    /// byte each at least.
    pub fn check_rows(&self, conn: &Connection, record: &SegmentRecord) -> Result<()> {
        if record.rows < ROWS_BORNE_OUT {
            return Ok(());
        }
        let place = self.location(record.id, PayloadKind::Columns);
        let entry = record.columns();
        let entry = entry.ok_or_else(|| Error::corrupt(&place, "not in the directory"))?;
        if self.length_of(conn, entry, &place)? < record.rows {
            return Err(Error::corrupt(place, format!("it is too short for {} rows", record.rows)));
        }
        Ok(())
    }

    /// Adds a segment and returns its record.
    pub fn add_segment(
        &self,
        conn: &Connection,
        rows: usize,
        directory: Vec<PayloadEntry>,
    ) -> Result<SegmentRecord> {
        let bytes = codec::encode(&directory).map_err(Error::Value)?;
        let id = random::bytes();
        let sql = format!("INSERT INTO {}(id, rows, directory) VALUES(?1, ?2, ?3)", self.name("segments"));
        conn.prepare_cached(&sql)?.run(params![id, rows as i64, bytes])?;
        Ok(SegmentRecord { seq: conn.last_insert_rowid(), id: SegmentId(id), rows, directory })
    }

    /// Stores what a segment has now, with other columns than before.
    pub fn set_directory(&self, conn: &Connection, record: &SegmentRecord) -> Result<()> {
        let bytes = codec::encode(&record.directory).map_err(Error::Value)?;
        let sql = format!("UPDATE {} SET directory = ?2 WHERE seq = ?1", self.name("segments"));
        Ok(conn.prepare_cached(&sql)?.run(params![record.seq, bytes])?)
    }

    /// Removes a segment with its chunks and tombstones.
    pub fn drop_segment(&self, conn: &Connection, record: &SegmentRecord) -> Result<()> {
        for entry in &record.directory {
            self.drop_payload(conn, entry)?;
        }
        run(conn, &format!("DELETE FROM {} WHERE segment = ?1", self.name("tombstones")), [record.seq])?;
        run(conn, &format!("DELETE FROM {} WHERE seq = ?1", self.name("segments")), [record.seq])?;
        Ok(())
    }

    /// Removes everything that can be built again from `t_rows` and `t_vectors`.
    pub fn drop_index(&self, conn: &Connection) -> Result<()> {
        self.restore_root(conn)?;
        let of_index: &[&str] =
            if self.has_index(conn)? { &["segments", "chunks", "tombstones"] } else { &[] };
        for suffix in of_index.iter().chain(&["delta"]) {
            run(conn, &format!("DELETE FROM {}", self.name(suffix)), [])?;
        }
        self.drop_claims(conn)
    }

    /// Dead rows of a segment as of the last seal; the log may add more.
    pub fn tombstones(&self, conn: &Connection, record: &SegmentRecord) -> Result<RoaringBitmap> {
        let sql = format!("SELECT dead, checksum FROM {} WHERE segment = ?1", self.name("tombstones"));
        let found: Option<(Vec<u8>, i64)> = conn
            .prepare_cached(&sql)?
            .query_row([record.seq], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
            .map_err(|error| Error::reading(error, || self.location(record.id, "tombstones")))?;
        let Some((bytes, checksum)) = found else { return Ok(RoaringBitmap::new()) };
        let place = || self.location(record.id, "tombstones");
        if i64::from(crc32fast::hash(&bytes)) != checksum {
            return Err(Error::corrupt(place(), "checksum mismatch"));
        }
        let dead = RoaringBitmap::deserialize_from(&bytes[..])
            .map_err(|e| Error::corrupt(place(), e.to_string()))?;
        match dead.max() {
            Some(last) if last as usize >= record.rows => {
                Err(Error::corrupt(place(), "a dead row is out of range"))
            }
            _ => Ok(dead),
        }
    }

    /// Replaces the dead rows of a segment.
    pub fn set_tombstones(&self, conn: &Connection, segment: i64, dead: &RoaringBitmap) -> Result<()> {
        let mut bytes = Vec::with_capacity(dead.serialized_size());
        dead.serialize_into(&mut bytes).map_err(|e| Error::Value(e.to_string()))?;
        let checksum = i64::from(crc32fast::hash(&bytes));
        let sql = format!(
            "INSERT OR REPLACE INTO {}(segment, dead, checksum) VALUES(?1, ?2, ?3)",
            self.name("tombstones")
        );
        conn.prepare_cached(&sql)?.run(params![segment, bytes, checksum])?;
        Ok(())
    }
}
