//! Payloads of a segment on their way into memory, at once or piece by piece.

use super::super::cache::{self, Payload};
use super::super::connected::Connected;
use super::super::layers::Layer;
use super::Segment;
use crate::columns::{Columns, Unreadable, patch};
use crate::error::{Error, Result};
use crate::hnsw::VectorIndex;
use crate::memory;
use crate::schema::VectorSpec;
use crate::storage::{Front, PartialPayload, PayloadKind};
use crate::text::TextPayload;
use std::sync::Arc;

/// A payload of which a part is read.
pub struct Loading {
    kind: PayloadKind,
    bytes: Bytes,
}

/// Vector indexes are read in place, so they need aligned memory.
enum Bytes {
    Plain(PartialPayload<Vec<u8>>),
    Block(PartialPayload<Front>),
}

impl Segment {
    /// The payload, from the cache or from the file.
    pub(super) fn load(&self, on: Connected<'_>, kind: PayloadKind) -> Result<Payload> {
        match self.cached(kind) {
            Some(found) => Ok(found),
            None => {
                let loading = self.begin(on, kind)?;
                self.finish(on, loading)
            }
        }
    }

    /// Reads a payload that is not in memory up to its first `end` chunks. True: it is in memory now.
    ///
    /// # Errors
    /// [`Error::Corrupt`] and those of SQLite.
    pub fn load_some(
        &self,
        on: Connected<'_>,
        kind: PayloadKind,
        loading: &mut Option<Loading>,
        end: usize,
    ) -> Result<bool> {
        if self.is_loaded(kind) {
            *loading = None;
            return Ok(true);
        }
        let mut begun = match loading.take().filter(|loading| loading.kind == kind) {
            Some(begun) => begun,
            None => self.begin(on, kind)?,
        };
        let is_complete = match &mut begun.bytes {
            Bytes::Plain(bytes) => bytes.go_on(on.storage, on.conn, end)?,
            Bytes::Block(block) => block.go_on(on.storage, on.conn, end)?,
        };
        if is_complete {
            let payload = self.finish(on, begun)?;
            self.hold(kind, payload);
        } else {
            *loading = Some(begun);
        }
        Ok(is_complete)
    }

    /// Whether a payload is in memory.
    pub fn is_loaded(&self, kind: PayloadKind) -> bool {
        let is_held = match kind {
            PayloadKind::Text => self.text.get().is_some(),
            PayloadKind::Vector(at) => self.vectors.get(at as usize).is_some_and(|slot| slot.get().is_some()),
            _ => self.columns.get().is_some(),
        };
        is_held || self.cached(kind).is_some()
    }

    /// Keeps what a cache without room would drop. Columns are put together of several payloads later.
    fn hold(&self, kind: PayloadKind, payload: Payload) {
        match (kind, payload) {
            (PayloadKind::Text, Payload::Text(text)) => drop(self.text.set(text)),
            (PayloadKind::Vector(at), Payload::Vector(index)) => {
                self.vectors.get(at as usize).map(|slot| slot.set(index));
            }
            _ => {}
        }
    }

    fn cached(&self, kind: PayloadKind) -> Option<Payload> {
        let fits = |payload: &Payload| match payload {
            Payload::Columns(layer) => layer.has(&self.layout),
            _ => true,
        };
        cache::get(self.record.id, kind).filter(fits)
    }

    fn begin(&self, on: Connected<'_>, kind: PayloadKind) -> Result<Loading> {
        let Connected { storage, conn, .. } = on;
        let entry = self.record.payload(kind).ok_or_else(|| self.missing(storage, kind))?;
        let place = storage.location(self.record.id, kind);
        let bytes = match kind {
            PayloadKind::Vector(_) => Bytes::Block(storage.begin_block(conn, entry, &place)?),
            _ => Bytes::Plain(storage.begin_payload(conn, entry, &place)?),
        };
        Ok(Loading { kind, bytes })
    }

    /// Reads the rest, decodes it and puts it into the cache.
    fn finish(&self, on: Connected<'_>, Loading { kind, bytes }: Loading) -> Result<Payload> {
        let decoded = match bytes {
            Bytes::Plain(bytes) => {
                let bytes = bytes.finish(on.storage, on.conn)?;
                if kind == PayloadKind::Text {
                    self.decode_text(bytes)
                } else {
                    self.decode_columns(kind, &bytes)?
                }
            }
            Bytes::Block(block) => {
                let block = block.finish(on.storage, on.conn)?;
                // The length was compared with that of the block.
                let length = self.record.payload(kind).and_then(|entry| usize::try_from(entry.bytes).ok());
                VectorIndex::decode_block(
                    block,
                    length.unwrap_or(usize::MAX),
                    self.spec(on, kind)?,
                    self.record.rows,
                )
                .map(|index| Payload::Vector(Arc::new(index)))
            }
        };
        let place = || on.storage.location(self.record.id, kind);
        let payload = decoded.map_err(|what| Error::corrupt(place(), what))?;
        cache::put(self.record.id, kind, payload.clone(), self.budget());
        Ok(payload)
    }

    fn decode_columns(&self, kind: PayloadKind, bytes: &[u8]) -> Result<Result<Payload, String>> {
        let (layout, rows) = (&self.layout, self.record.rows);
        if layout.altered {
            // What is not stored takes memory all the same.
            memory::check(rows.saturating_mul(8 * layout.fields.len()))?;
        }
        let layer = match kind {
            PayloadKind::Patch(_) => patch::decode(bytes, layout, rows)
                .map(|(ords, columns)| Layer::patch(ords, columns, layout.clone())),
            _ => Columns::decode(bytes, layout, rows).map(|columns| Layer::whole(columns, layout.clone())),
        };
        match layer {
            Ok(layer) => Ok(Ok(Payload::Columns(Arc::new(layer)))),
            Err(Unreadable::Damaged(what)) => Ok(Err(what)),
            Err(Unreadable::Refused(error)) => Err(error),
        }
    }

    fn decode_text(&self, bytes: Vec<u8>) -> Result<Payload, String> {
        let text = TextPayload::decode(bytes)?;
        if text.docs() != self.record.rows {
            return Err(format!("{} documents where {} belong", text.docs(), self.record.rows));
        }
        Ok(Payload::Text(Arc::new(text)))
    }

    fn spec<'a>(&self, on: Connected<'a>, kind: PayloadKind) -> Result<&'a VectorSpec> {
        let PayloadKind::Vector(at) = kind else { return Err(self.missing(on.storage, kind)) };
        let spec = on.schema.vectors().nth(at as usize).map(|(_, spec)| spec);
        spec.ok_or_else(|| self.missing(on.storage, kind))
    }
}
