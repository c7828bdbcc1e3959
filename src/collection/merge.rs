//! Merge: several segments become one, dead rows fall out.
//!
//! The graph of the largest input is kept and those of the others are joined to it; text merges without
//! tokenising again, unless older rules made one of the indexes. These merges are made as a whole, by commands and by large
//! commits; `maintenance` makes the others.

use super::graphs::Graphs;
use super::layers::SegmentColumns;
use super::maintenance::{self, Site};
use super::payloads::{LoadedVectors, Progress, columns_of, write_text};
use super::permits::Permits;
use super::view::{SegmentView, View};
use super::{Connected, cache, seal};
use crate::bitmap::Bitmap;
use crate::collection::Views;
use crate::columns::Columns;
use crate::error::Result;
use crate::hnsw::{Part, VectorIndex};
use crate::memory;
use crate::schema::ColumnType;
use crate::storage::{PayloadEntry, PayloadKind, Settings};
use crate::text::{self, TextConfig};

/// Merges what the policy asks for, as long as a merge costs no more than inserting `limit` rows. The log is empty. Returns
/// whether anything changed.
pub fn automerge(site: &Site<'_>, limit: usize, progress: Progress<'_>) -> Result<bool> {
    let mut changed = false;
    while let Some(chosen) = maintenance::at_once(site, limit)? {
        let view = Views::default().current(site.on, site.settings)?;
        let is_chosen = |at: &usize| chosen.contains(&view.segments[*at].segment.record.seq);
        let chosen: Vec<usize> = (0..view.segments.len()).filter(is_chosen).collect();
        let rows = |at: &usize| view.segments[*at].segment.rows();
        let of_all = (0..view.segments.len()).map(|at| rows(&at)).sum();
        let graphs = Graphs::among(chosen.iter().map(rows).sum(), of_all);
        merge(site.on, &view, &chosen, graphs, progress)?;
        changed = true;
    }
    Ok(changed)
}

/// Seals the delta and merges everything into one segment without dead rows, whose text today's rules have read.
pub fn optimize(on: Connected<'_>, settings: &Settings, progress: Progress<'_>) -> Result<()> {
    maintenance::settle(on.storage, on.conn)?;
    seal(on, false, progress)?;
    let view = Views::default().current(on, settings)?;
    let clean = view.segments.iter().all(|segment| segment.dead.is_none());
    let mut dated = false;
    if clean && on.schema.full_texts().next().is_some() {
        let today = TextConfig::of(on.schema).edition_number();
        for segment in &view.segments {
            dated |= segment.segment.text_edition(on)? != Some(today);
        }
    }
    if view.segments.len() > 1 || !clean || dated {
        let all: Vec<usize> = (0..view.segments.len()).collect();
        merge(on, &view, &all, Graphs::lasting(), progress)?;
    }
    Ok(())
}

fn merge(
    on: Connected<'_>,
    view: &View,
    chosen: &[usize],
    graphs: Graphs,
    progress: Progress<'_>,
) -> Result<()> {
    let Connected { storage, conn, .. } = on;
    let mut inputs: Vec<&SegmentView> = chosen.iter().map(|at| &view.segments[*at]).collect();
    inputs.sort_by_key(|s| (std::cmp::Reverse(s.live()), s.segment.record.seq));
    let alive: Vec<Option<Bitmap>> = inputs
        .iter()
        .map(|s| {
            s.dead.as_ref().map(|dead| {
                let mut alive = dead.clone();
                alive.negate();
                alive
            })
        })
        .collect();
    let rows: usize = inputs.iter().map(|s| s.live()).sum();
    if rows > 0 {
        let directory = payloads(on, &inputs, &alive, graphs, progress)?;
        storage.add_segment(conn, rows, directory)?;
    }
    for input in &inputs {
        storage.drop_segment(conn, &input.segment.record)?;
        cache::forget(input.segment.record.id);
    }
    storage.renew_nonce(conn)
}

fn payloads(
    on: Connected<'_>,
    inputs: &[&SegmentView],
    alive: &[Option<Bitmap>],
    new: Graphs,
    progress: Progress<'_>,
) -> Result<Vec<PayloadEntry>> {
    let Connected { storage, conn, schema } = on;
    let mut directory = Vec::new();
    let types: Vec<ColumnType> = schema.metadata().map(|(_, kind)| kind).collect();
    let loaded = inputs.iter().map(|s| s.segment.columns(on)).collect::<Result<Vec<_>>>()?;
    let pairs: Vec<_> = loaded.iter().zip(alive).map(|(c, a)| (c.as_ref(), a.as_ref())).collect();
    let rows: usize = inputs.iter().map(|s| s.live()).sum();
    memory::check(rows.saturating_mul((1 + types.len()) * 48))?;
    let layers: Vec<&Columns> = loaded.iter().flat_map(|columns| columns.columns()).collect();
    let columns = if Columns::can_merge(&layers) {
        SegmentColumns::merge(&pairs, &types)
    } else {
        columns_of(on, &live_rowids(&pairs))?
    };
    release(on, inputs, PayloadKind::Columns)?;
    directory.push(storage.write_payload(conn, PayloadKind::Columns, &columns.encode(&schema.layout()))?);

    let rowids: Vec<i64> = (0..columns.len() as u32).map(|ord| columns.rowid(ord)).collect();
    if schema.full_texts().next().is_some() {
        directory.push(merged_text(on, inputs, alive, &rowids)?);
    }
    storage.pack(conn, rowids.iter().copied())?;
    let maps = maintenance::maps_of(inputs.iter().zip(alive).map(|(s, a)| (s.segment.rows(), a.as_ref())));
    for (at, (_, spec)) in schema.vectors().enumerate() {
        let vectors = LoadedVectors::read(on, (at, spec), &rowids)?;
        let Some(base) = inputs.first() else { continue };
        let threads = Permits::take();
        let mut graphs = Vec::new();
        if maintenance::keeps_graph(base.live(), base.segment.rows()) {
            for input in inputs {
                graphs.push(input.segment.vector(on, at)?);
            }
        }
        let parts: Vec<Part<'_>> = graphs.iter().zip(&maps).map(|(index, map)| Part { index, map }).collect();
        let spec = new.of(spec, rows);
        let index =
            VectorIndex::merge(&spec, &vectors.rows(), (&parts, new.stay), threads.count(), progress)?;
        drop(parts);
        drop(vectors);
        release(on, inputs, PayloadKind::Vector(at as u32))?;
        directory.push(storage.write_payload(conn, PayloadKind::Vector(at as u32), index.encode())?);
    }
    Ok(directory)
}

/// Gives up the payloads of this kind, of which nothing more is read: the new one is written into their pages, not behind them.
fn release(on: Connected<'_>, inputs: &[&SegmentView], kind: PayloadKind) -> Result<()> {
    let entries = inputs.iter().filter_map(|input| input.segment.record.payload(kind));
    entries.into_iter().try_for_each(|entry| on.storage.empty_payload(on.conn, entry))
}

/// The rowids of the live rows, one input after the other.
fn live_rowids(inputs: &[(&SegmentColumns, Option<&Bitmap>)]) -> Vec<i64> {
    let lives = |alive: &Option<&Bitmap>, ord: u32| alive.is_none_or(|alive| alive.contains(ord));
    inputs
        .iter()
        .flat_map(|(columns, alive)| {
            let columns = columns.whole();
            (0..columns.len() as u32).filter(|ord| lives(alive, *ord)).map(|ord| columns.rowid(ord))
        })
        .collect()
}

/// Writes the text index of the rows `rowids`, the live ones of `inputs`. Where an input was made by older rules, the texts
/// are tokenized again; a merge inside a commit is small enough for that.
fn merged_text(
    on: Connected<'_>,
    inputs: &[&SegmentView],
    alive: &[Option<Bitmap>],
    rowids: &[i64],
) -> Result<PayloadEntry> {
    let texts = inputs.iter().map(|s| s.segment.text(on)).collect::<Result<Vec<_>>>()?;
    let config = TextConfig::of(on.schema);
    if !texts.iter().all(|text| text.is_current(&config)) {
        release(on, inputs, PayloadKind::Text)?;
        return write_text(on, rowids);
    }
    let pairs: Vec<_> = texts.iter().zip(alive).map(|(t, a)| (t.as_ref(), a.as_ref())).collect();
    // The engine writes the files in memory, then they are put together.
    memory::check(
        texts.iter().map(|text| text.memory_bytes()).fold(0, usize::saturating_add).saturating_mul(3),
    )?;
    let bytes = text::merge(&config, &pairs)?;
    release(on, inputs, PayloadKind::Text)?;
    on.storage.write_payload(on.conn, PayloadKind::Text, &bytes)
}
