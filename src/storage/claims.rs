//! Claims: what a merge or a seal in progress has written ahead, and chunks that wait to be removed.
//!
//! A claim is a row of `t_config` called `claim` and its token in hexadecimal, with a [`Claim`] as its value. It reserves a
//! range of `t_chunks` and says how much of the range is written; the range belongs to no segment until the claim is
//! redeemed. Who has the token goes on where the claim says. Chunks of a claim that is given up, and of segments that were
//! replaced, become *trash*: a claim whose range is only removed, slice by slice, by whoever writes next.

use super::maker::Maker;
use super::run::{Run, run};
use super::shadow::longest_value;
use super::{LogPosition, Storage, codec};
use crate::error::{Error, Result};
use crate::limits::CHUNK_BYTES;
use crate::random;
use crate::schema::quoted;
use roaring::RoaringBitmap;
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Name of a claim among all claims of all tables: the process that made it ([`Maker`]), and eight random bytes.
pub type Token = [u8; 16];

/// Chunks are not made shorter than this, however little the connection allows.
const LEAST_CHUNK: usize = 1024;

/// Consecutive chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// `t_chunks.id` of the first one.
    pub first: i64,
    /// Their number.
    pub chunks: u32,
}

/// Work in progress on one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Who may go on with it.
    pub token: Token,
    /// Ascends with the claims of a table.
    pub number: u64,
    /// Changes with every step, so that others see whether it goes on.
    pub stamp: u64,
    /// Whether it is the rows of the log that become a segment.
    pub seal: bool,
    /// Names of the segments that become one.
    pub inputs: Vec<[u8; 16]>,
    /// Where the payloads go; no chunks until they are known.
    pub range: Range,
    /// How many chunks of the range are written, from its front. Its last chunk is written first: it reserves the range.
    pub written: u32,
    /// Chunks to be removed.
    pub trash: Vec<Range>,
}

impl Claim {
    /// A claim of nothing yet, after `others` of the table.
    pub fn new(others: &[Self], seal: bool, inputs: Vec<[u8; 16]>) -> Self {
        let range = Range { first: 0, chunks: 0 };
        let number = others.iter().map(|claim| claim.number).max().map_or(1, |last| last.wrapping_add(1));
        let mut token: Token = random::bytes();
        token[..Maker::LENGTH].copy_from_slice(&Maker::this().bytes());
        Self { token, number, stamp: 0, seal, inputs, range, written: 0, trash: Vec::new() }
    }

    /// The process that made the claim with this token.
    pub fn maker(token: &Token) -> Maker {
        let mut bytes = [0; Maker::LENGTH];
        bytes.copy_from_slice(&token[..Maker::LENGTH]);
        Maker::of(bytes)
    }

    /// Whether nobody goes on with it: what it has written is only to be removed.
    pub fn is_trash(&self) -> bool {
        !self.seal && self.inputs.is_empty()
    }

    /// Whether it is segments that become one.
    pub fn merges(&self) -> bool {
        !self.seal && !self.inputs.is_empty()
    }

    /// Makes it the claim of one that builds the whole index again: what names itself as an input is the log and all
    /// segments.
    pub fn mark_rebuild(&mut self) {
        self.seal = true;
        self.inputs = vec![self.token];
    }

    /// Whether it is that of one that builds the whole index again.
    pub fn is_rebuild(&self) -> bool {
        self.seal && self.inputs == [self.token]
    }

    /// Gives it up. Only what is written of its range becomes trash: once the last chunk is gone, the range is nobody's, and what
    /// is written next may be in it.
    pub fn discard(&mut self) {
        let Range { first, chunks } = self.range;
        if chunks > 0 {
            let written = self.written.min(chunks - 1);
            if written > 0 {
                self.trash.push(Range { first, chunks: written });
            }
            self.trash.push(Range { first: first.saturating_add(i64::from(chunks) - 1), chunks: 1 });
        }
        self.range.chunks = 0;
        self.inputs.clear();
        self.seal = false;
    }

    fn name(token: &Token) -> String {
        let hex: String = token.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("claim {hex}")
    }
}

impl Storage {
    /// All claims, in the order in which they were made.
    pub fn claims(&self, conn: &Connection) -> Result<Vec<Claim>> {
        let sql = format!(
            "SELECT name, value FROM {} WHERE name > 'claim ' AND name < 'claim!'",
            self.name("config")
        );
        let mut statement = conn.prepare_cached(&sql)?;
        let mut rows = statement.query([])?;
        let mut found: Vec<Claim> = Vec::new();
        while let Some(row) = rows.next()? {
            // One that cannot be read, or has the name of another, is nobody's; its chunks go with the next rebuild.
            let claim: Option<Claim> =
                row.get_ref(1)?.as_blob().ok().and_then(|bytes| codec::decode(bytes).ok());
            if let Some(claim) = claim
                && row.get_ref(0)?.as_str().is_ok_and(|name| name == Claim::name(&claim.token))
            {
                found.push(claim);
            }
        }
        found.sort_by_key(|claim| (claim.number, claim.token));
        Ok(found)
    }

    /// Stores a claim, or its new state; one with nothing left to do is removed. So where there are claims the tables of the
    /// index are there.
    pub fn put_claim(&self, conn: &Connection, claim: &mut Claim) -> Result<()> {
        claim.stamp = u64::from_le_bytes(random::bytes());
        let name = Claim::name(&claim.token);
        if claim.is_trash() && claim.trash.is_empty() {
            let sql = format!("DELETE FROM {} WHERE name = ?1", self.name("config"));
            return Ok(conn.prepare_cached(&sql)?.run([name])?);
        }
        self.make_index(conn)?;
        let bytes = codec::encode(claim).map_err(Error::Value)?;
        self.set_config(conn, &name, &rusqlite::types::Value::Blob(bytes))
    }

    /// Removes all claims, whose chunks are gone.
    pub(super) fn drop_claims(&self, conn: &Connection) -> Result<()> {
        let sql = format!("DELETE FROM {} WHERE name > 'claim ' AND name < 'claim!'", self.name("config"));
        Ok(run(conn, &sql, [])?)
    }

    /// How long the chunks are that this connection may write.
    pub fn chunk_bytes(&self, conn: &Connection) -> Result<usize> {
        Ok(longest_value(conn)?.clamp(LEAST_CHUNK, CHUNK_BYTES))
    }

    /// Reserves a range of chunks by writing its last one.
    pub fn reserve(&self, conn: &Connection, chunks: u32, last: &[u8]) -> Result<Range> {
        self.upgrade_format(conn)?;
        let sql = format!("SELECT id FROM {} ORDER BY id DESC LIMIT 1", self.name("chunks"));
        let end: Option<i64> = conn.query_row(&sql, [], |row| row.get(0)).optional()?;
        let first = end.unwrap_or(0).checked_add(1);
        let reserved = first.and_then(|first| Some((first, first.checked_add(i64::from(chunks))?)));
        let Some((first, end)) = reserved else {
            return Err(Error::corrupt(format!("{}_chunks", self.table), "its ids are used up"));
        };
        self.write_chunk(conn, end - 1, last)?;
        Ok(Range { first, chunks })
    }

    /// Writes one chunk. As a SELECT, so that a full disk takes back this statement and not the transaction.
    pub fn write_chunk(&self, conn: &Connection, id: i64, bytes: &[u8]) -> Result<()> {
        let sql = format!("INSERT OR REPLACE INTO {}(id, data) SELECT ?1, ?2", self.name("chunks"));
        Ok(conn.prepare_cached(&sql)?.run(params![id, bytes])?)
    }

    /// Whether every chunk of the range is there.
    pub fn has_range(&self, conn: &Connection, range: Range) -> Result<bool> {
        let sql = format!("SELECT count(*) FROM {} WHERE id BETWEEN ?1 AND ?2", self.name("chunks"));
        let end = range.first.saturating_add(i64::from(range.chunks) - 1);
        let count: i64 = conn.prepare_cached(&sql)?.query_row([range.first, end], |row| row.get(0))?;
        Ok(count == i64::from(range.chunks))
    }

    /// Removes up to `most` chunks from the ends of `trash`; those that are not there do not count.
    pub fn remove_trash(&self, conn: &Connection, trash: &mut Vec<Range>, most: u32) -> Result<()> {
        let chunks = self.name("chunks");
        let last = format!("SELECT id FROM {chunks} WHERE id BETWEEN ?1 AND ?2 ORDER BY id DESC LIMIT 1");
        let mut last = conn.prepare_cached(&last)?;
        let mut delete = conn.prepare_cached(&format!("DELETE FROM {chunks} WHERE id BETWEEN ?1 AND ?2"))?;
        let mut left = most;
        while let Some(range) = trash.last_mut()
            && left > 0
        {
            let end = range.first.saturating_add(i64::from(range.chunks) - 1);
            let found: Option<i64> = last.query_row([range.first, end], |row| row.get(0)).optional()?;
            let there = found.map_or(0, |id| u32::try_from(id - range.first + 1).unwrap_or(range.chunks));
            let count = there.min(left);
            range.chunks = there - count;
            left -= count;
            if count > 0 {
                let from = range.first + i64::from(range.chunks);
                delete.run([from, from + i64::from(count) - 1])?;
            }
            if range.chunks == 0 {
                trash.pop();
            }
        }
        Ok(())
    }

    /// Bytes of the chunks that wait to be removed.
    pub fn trash_bytes(&self, conn: &Connection) -> Result<u64> {
        let claims = self.claims(conn)?;
        if claims.is_empty() {
            return Ok(0);
        }
        let sql = format!(
            "SELECT ifnull(sum(length(data)), 0) FROM {} WHERE id BETWEEN ?1 AND ?2",
            self.name("chunks")
        );
        let mut statement = conn.prepare_cached(&sql)?;
        let mut total = 0_u64;
        for range in claims.iter().flat_map(|claim| &claim.trash) {
            let last = range.first.saturating_add(i64::from(range.chunks) - 1);
            let bytes: i64 = statement.query_row([range.first, last], |row| row.get(0))?;
            total = total.saturating_add(u64::try_from(bytes).unwrap_or(0));
        }
        Ok(total)
    }

    /// Bytes of the free pages of the file.
    pub fn free_bytes(&self, conn: &Connection) -> Result<u64> {
        let pragma = |name: &str| -> Result<u64> {
            let value: i64 =
                conn.query_row(&format!("PRAGMA {}.{name}", quoted(&self.database)), [], |row| row.get(0))?;
            Ok(u64::try_from(value).unwrap_or(0))
        };
        Ok(pragma("freelist_count")?.saturating_mul(pragma("page_size")?))
    }

    /// The first entry of the log; the default when it is empty.
    pub fn log_begin(&self, conn: &Connection) -> Result<i64> {
        let sql = format!("SELECT seq FROM {} ORDER BY seq LIMIT 1", self.name("delta"));
        Ok(conn.prepare_cached(&sql)?.query_row([], |row| row.get(0)).optional()?.unwrap_or(0))
    }

    /// The rows of segments that the log says are dead, by `t_segments.seq`.
    pub fn log_kills(&self, conn: &Connection) -> Result<BTreeMap<i64, RoaringBitmap>> {
        self.log_sealed(conn, 3)
    }

    /// The rows of segments whose metadata the log says has changed, by `t_segments.seq`.
    pub fn log_revised(&self, conn: &Connection) -> Result<BTreeMap<i64, RoaringBitmap>> {
        self.log_sealed(conn, 4)
    }

    fn log_sealed(&self, conn: &Connection, op: i64) -> Result<BTreeMap<i64, RoaringBitmap>> {
        let delta = self.name("delta");
        let sql = format!("SELECT segment, ord FROM {delta} WHERE op = ?1 AND segment IS NOT NULL");
        let mut statement = conn.prepare_cached(&sql)?;
        let mut rows = statement.query([op])?;
        let mut found: BTreeMap<i64, RoaringBitmap> = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let (Ok(segment), Ok(ord)) = (row.get(0), row.get(1)) else { return Err(self.names_no_row()) };
            found.entry(segment).or_default().insert(ord);
        }
        Ok(found)
    }

    /// Removes what the log says of the rows of a segment; the caller has put it elsewhere and renews the nonce.
    pub fn log_remove_segment(&self, conn: &Connection, segment: i64) -> Result<()> {
        let sql = format!("DELETE FROM {} WHERE segment = ?1", self.name("delta"));
        Ok(conn.prepare_cached(&sql)?.run([segment])?)
    }

    /// Removes the entries up to `position`; the caller renews the nonce.
    pub fn log_remove_through(&self, conn: &Connection, position: LogPosition) -> Result<()> {
        let sql = format!("DELETE FROM {} WHERE seq <= ?1", self.name("delta"));
        Ok(conn.prepare_cached(&sql)?.run([position.seq])?)
    }

    /// Removes all segments, tombstones and claims. Of the chunks those in `kept` stay for ever, the others until whoever
    /// gets them as trash removes them.
    pub fn detach_all(&self, conn: &Connection, kept: Range) -> Result<Vec<Range>> {
        for suffix in ["segments", "tombstones"] {
            run(conn, &format!("DELETE FROM {}", self.name(suffix)), [])?;
        }
        self.drop_claims(conn)?;
        let mut trash: Vec<Range> = Vec::new();
        let mut statement = conn.prepare(&format!("SELECT id FROM {} ORDER BY id", self.name("chunks")))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            if (kept.first..kept.first.saturating_add(i64::from(kept.chunks))).contains(&id) {
                continue;
            }
            match trash.last_mut().filter(|last| last.first.checked_add(i64::from(last.chunks)) == Some(id)) {
                Some(last) => last.chunks += 1,
                None => trash.push(Range { first: id, chunks: 1 }),
            }
        }
        Ok(trash)
    }

    /// Removes a segment and its tombstones. Its chunks stay: they are returned as trash.
    pub fn detach_segment(&self, conn: &Connection, record: &super::SegmentRecord) -> Result<Vec<Range>> {
        run(conn, &format!("DELETE FROM {} WHERE segment = ?1", self.name("tombstones")), [record.seq])?;
        run(conn, &format!("DELETE FROM {} WHERE seq = ?1", self.name("segments")), [record.seq])?;
        Ok(record.directory.iter().map(|entry| Range { first: entry.first, chunks: entry.chunks }).collect())
    }
}
