//! Changes of metadata become durable: the columns of the rows that the log names are written as a patch of their segment.
//!
//! Patches are few: a new one takes over the ones below it while these are not [`FEWER`] times as large, and in the end the
//! columns of all rows. So the columns of a row are written about as often as rows of the log are merged, and a predicate is
//! evaluated on little more than the rows that there are.

use super::cache;
use super::connected::Connected;
use super::layers::{Layer, SegmentColumns};
use super::payloads::columns_of_living;
use super::sealed::Segment;
use crate::columns::{Columns, Pick, patch};
use crate::error::Result;
use crate::memory;
use crate::random;
use crate::schema::ColumnType;
use crate::storage::{PayloadEntry, PayloadKind, SegmentRecord, Settings};
use roaring::RoaringBitmap;
use std::sync::Arc;

/// How many times as large as a new patch a layer is that stays below it.
const FEWER: u64 = 4;

/// Rows of a segment whose metadata has changed.
pub struct Changes<'a> {
    /// The segment, as `t_segments` has it.
    pub record: SegmentRecord,
    /// The rows.
    pub rows: RoaringBitmap,
    /// Dead rows, whose metadata is nobody's concern.
    pub dead: &'a RoaringBitmap,
    /// A job is at work on the segment: it has to find the layers that it has read.
    pub in_use: bool,
}

impl Changes<'_> {
    /// Writes what these rows hold now; the caller renews the nonce.
    pub fn write(self, on: Connected<'_>, settings: &Settings) -> Result<()> {
        if self.rows.is_subset(self.dead) {
            return Ok(());
        }
        let segment = Segment::new(self.record.clone(), on.schema, settings.cache_mb);
        self.write_over(on, settings, segment.columns(on)?)
    }

    /// The same for a segment whose columns are in memory.
    pub fn write_over(
        mut self,
        on: Connected<'_>,
        settings: &Settings,
        columns: &SegmentColumns,
    ) -> Result<()> {
        self.rows -= self.dead;
        if self.rows.is_empty() {
            return Ok(());
        }
        // Layers below this one stay.
        let mut keep = columns.layers().len();
        let mut rows = self.rows.clone();
        while let Some(layer) = keep.checked_sub(1).and_then(|at| columns.layers().get(at))
            && !self.in_use
            && (layer.len() as u64) < FEWER * rows.len()
        {
            keep -= 1;
            rows.extend(layer.ords());
        }
        if keep > 0 {
            // They may have died since their patch was written.
            rows -= self.dead;
        }
        memory::check(
            usize::try_from(rows.len())
                .unwrap_or(usize::MAX)
                .saturating_mul((1 + on.schema.metadata().count()) * 48),
        )?;
        let ords: Vec<u32> = rows.iter().collect();
        let (kind, layer, bytes) = self.layer(on, columns, keep, ords)?;
        let gone = |entry: &PayloadEntry| match entry.kind {
            PayloadKind::Columns | PayloadKind::Renewed(_) => keep == 0,
            PayloadKind::Patch(_) => {
                let nth = self.record.patches().position(|patch| patch == entry);
                nth.is_some_and(|nth| nth + 1 >= keep)
            }
            PayloadKind::Text | PayloadKind::Vector(_) => false,
        };
        let (gone, mut directory): (Vec<_>, Vec<_>) = self.record.directory.iter().cloned().partition(gone);
        for entry in &gone {
            on.storage.drop_payload(on.conn, entry)?;
        }
        directory.push(on.storage.write_payload(on.conn, kind, &bytes)?);
        on.storage.set_directory(on.conn, &SegmentRecord { directory, ..self.record.clone() })?;
        let budget = settings.cache_mb.saturating_mul(1 << 20);
        cache::put(self.record.id, kind, cache::Payload::Columns(Arc::new(layer)), budget);
        Ok(())
    }

    /// The new layer over the first `keep` ones, and its stored form.
    fn layer(
        &self,
        on: Connected<'_>,
        columns: &SegmentColumns,
        keep: usize,
        ords: Vec<u32>,
    ) -> Result<(PayloadKind, Layer, Vec<u8>)> {
        let types: Vec<ColumnType> = on.schema.metadata().map(|(_, kind)| kind).collect();
        let name = random::bytes();
        let stored = |ords: &mut dyn Iterator<Item = u32>| {
            let rows: Vec<(i64, bool)> =
                ords.map(|ord| (columns.whole().rowid(ord), !self.dead.contains(ord))).collect();
            columns_of_living(on, &rows)
        };
        let fresh = stored(&mut self.rows.iter())?;
        let mut sources: Vec<&Columns> = columns.columns().skip(keep).collect();
        sources.push(&fresh);
        let made = if sources.len() == 1 {
            fresh
        } else if Columns::can_merge(&sources) {
            let mut changed = self.rows.iter().peekable();
            let (newest, mut next) = (sources.len() as u32 - 1, 0);
            let pick = |ord: &u32| {
                if changed.next_if_eq(ord).is_some() {
                    next += 1;
                    return Pick { columns: newest, ord: next - 1 };
                }
                let place = columns.place(*ord);
                Pick { columns: place.columns - keep as u32, ..place }
            };
            let rows: Vec<Pick> = ords.iter().map(pick).collect();
            Columns::gather(&sources, &rows, &types)
        } else {
            stored(&mut ords.iter().copied())?
        };
        Ok(if keep == 0 {
            let bytes = made.encode();
            (PayloadKind::Renewed(name), Layer::whole(made), bytes)
        } else {
            let bytes = patch::encode(&ords, &made);
            (PayloadKind::Patch(name), Layer::patch(ords, made), bytes)
        })
    }
}
