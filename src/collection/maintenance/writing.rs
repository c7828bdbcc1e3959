//! Writes the payloads of a job ahead, as chunks of a range that its claim reserves.

use super::super::Connected;
use super::Site;
use super::build::{Built, Bytes};
use super::work::Step;
use crate::error::{Error, Result};
use crate::storage::{Claim, PayloadEntry, Range};

/// Chunks that a step writes.
const WRITE_CHUNKS: u32 = 2;

/// Payloads on their way to the file.
pub struct Writing {
    pub built: Built,
    /// Payload and bytes of each chunk.
    chunks: Vec<(usize, std::ops::Range<usize>)>,
    chunk_bytes: usize,
}

impl Writing {
    /// Nothing is written yet.
    pub fn new(built: Built) -> Self {
        Self { built, chunks: Vec::new(), chunk_bytes: 0 }
    }

    /// Writes some chunks; `None` when all of them are there.
    pub fn step(&mut self, site: &Site<'_>, claim: &mut Claim) -> Result<Option<Step>> {
        let Connected { storage, conn, .. } = site.on;
        let allowed = storage.chunk_bytes(conn)?;
        if claim.range.chunks == 0 {
            self.cut(allowed);
            let Some(last) = self.chunks.last().map(|_| self.chunks.len() - 1) else { return Ok(None) };
            let count = u32::try_from(self.chunks.len()).map_err(|_| too_large())?;
            claim.range = storage.reserve(conn, count, self.chunk(last))?;
            claim.written = 0;
            storage.put_claim(conn, claim)?;
            return Ok(Some(Step::Worked));
        }
        if self.chunk_bytes > allowed {
            // A connection that may not write what the others can.
            return Ok(Some(Step::Waits));
        }
        if claim.range.chunks as usize != self.chunks.len() {
            return Err(Error::Value("another range was reserved for a merge".into()));
        }
        let end = (claim.written + WRITE_CHUNKS).min(claim.range.chunks - 1);
        if claim.written >= end {
            return Ok(None);
        }
        for at in claim.written..end {
            storage.write_chunk(conn, claim.range.first + i64::from(at), self.chunk(at as usize))?;
        }
        claim.written = end;
        storage.put_claim(conn, claim)?;
        Ok(Some(Step::Worked))
    }

    fn cut(&mut self, chunk_bytes: usize) {
        self.chunk_bytes = chunk_bytes;
        self.chunks.clear();
        for (at, (_, bytes, _)) in self.built.payloads.iter().enumerate() {
            let length = bytes.get().len();
            let starts = (0..length).step_by(chunk_bytes);
            self.chunks.extend(starts.map(|start| (at, start..(start + chunk_bytes).min(length))));
        }
    }

    fn chunk(&self, at: usize) -> &[u8] {
        let Some((payload, range)) = self.chunks.get(at) else { return &[] };
        self.built
            .payloads
            .get(*payload)
            .and_then(|(_, bytes, _)| bytes.get().get(range.clone()))
            .unwrap_or(&[])
    }

    pub fn directory(&self, range: Range) -> Vec<PayloadEntry> {
        let mut first = range.first;
        let entry = |(at, (kind, bytes, checksum)): (usize, &(_, Bytes, u32))| {
            let chunks = self.chunks.iter().filter(|(of, _)| *of == at).count() as u32;
            let start = first;
            first += i64::from(chunks);
            PayloadEntry {
                kind: *kind,
                first: start,
                chunks,
                bytes: bytes.get().len() as u64,
                checksum: *checksum,
            }
        };
        self.built.payloads.iter().enumerate().map(entry).collect()
    }
}

fn too_large() -> Error {
    Error::Value("a segment has more chunks than can be counted".into())
}
