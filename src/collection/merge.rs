//! Merge: several segments become one, dead rows fall out.
//!
//! The graph of the largest input is kept and the rows of the others are inserted into it; text merges without
//! tokenising again, unless older rules made one of the indexes. Inside a commit the number of rows inserted is bounded; `optimize` has no bound.

use super::payloads::{LoadedVectors, Progress, threads, write_text};
use super::view::{SegmentView, View};
use super::{Connected, cache, seal};
use crate::bitmap::Bitmap;
use crate::collection::Views;
use crate::columns::Columns;
use crate::error::Result;
use crate::hnsw::VectorIndex;
use crate::memory;
use crate::schema::{ColumnType, Schema};
use crate::storage::{PayloadEntry, PayloadKind, Settings, Storage};
use crate::text::{self, TextConfig};
use rusqlite::Connection;

/// Rows that a merge inside a commit may insert into a graph: about one to two seconds of work.
const COMMIT_ROWS: usize = 16_384;

/// Below this share of live rows the old graph is not worth healing.
const HEAL_SHARE: f32 = 0.6;

/// Size class of a segment: powers of four.
fn class(rows: usize) -> u32 {
    (rows.max(1) / 256).max(1).ilog2() / 2
}

/// Merges size classes that hold `automerge` segments or more, smallest first, and rewrites segments that are
/// mostly dead. Answers whether anything changed.
pub fn automerge(
    storage: &Storage,
    conn: &Connection,
    schema: &Schema,
    settings: &Settings,
    progress: Progress<'_>,
) -> Result<bool> {
    let mut changed = false;
    if settings.automerge == 0 {
        return Ok(false);
    }
    loop {
        let view = Views::default().current(Connected { storage, conn, schema }, settings)?;
        let Some(chosen) = choose(&view, settings.automerge.max(2)) else { return Ok(changed) };
        merge(storage, conn, schema, &view, &chosen, progress)?;
        changed = true;
    }
}

fn choose(view: &View, fan: usize) -> Option<Vec<usize>> {
    let mut by_class: std::collections::BTreeMap<u32, Vec<usize>> = std::collections::BTreeMap::new();
    for (at, segment) in view.segments.iter().enumerate() {
        let live = segment.live();
        if live * 2 < segment.segment.rows() && live <= COMMIT_ROWS {
            return Some(vec![at]);
        }
        by_class.entry(class(live)).or_default().push(at);
    }
    by_class.into_values().find(|members| {
        let total: usize = members.iter().map(|at| view.segments[*at].live()).sum();
        let largest = members.iter().map(|at| view.segments[*at].live()).max().unwrap_or(0);
        members.len() >= fan && total - largest <= COMMIT_ROWS
    })
}

/// Seals the delta and merges everything into one segment without dead rows, whose text today's rules have read.
pub fn optimize(
    storage: &Storage,
    conn: &Connection,
    schema: &Schema,
    settings: &Settings,
    progress: Progress<'_>,
) -> Result<()> {
    seal(storage, conn, schema, progress)?;
    let view = Views::default().current(Connected { storage, conn, schema }, settings)?;
    let clean = view.segments.iter().all(|segment| segment.dead.is_none());
    let mut dated = false;
    if clean && schema.full_texts().next().is_some() {
        for segment in &view.segments {
            dated |=
                segment.segment.text_edition(Connected { storage, conn, schema })? != Some(text::EDITION);
        }
    }
    if view.segments.len() > 1 || !clean || dated {
        let all: Vec<usize> = (0..view.segments.len()).collect();
        merge(storage, conn, schema, &view, &all, progress)?;
    }
    Ok(())
}

fn merge(
    storage: &Storage,
    conn: &Connection,
    schema: &Schema,
    view: &View,
    chosen: &[usize],
    progress: Progress<'_>,
) -> Result<()> {
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
        let directory = payloads(storage, conn, schema, &inputs, &alive, progress)?;
        storage.add_segment(conn, rows, directory)?;
    }
    for input in &inputs {
        storage.drop_segment(conn, &input.segment.record)?;
        cache::forget(input.segment.record.id);
    }
    storage.renew_nonce(conn)
}

fn payloads(
    storage: &Storage,
    conn: &Connection,
    schema: &Schema,
    inputs: &[&SegmentView],
    alive: &[Option<Bitmap>],
    progress: Progress<'_>,
) -> Result<Vec<PayloadEntry>> {
    let mut directory = Vec::new();
    let types: Vec<ColumnType> = schema.metadata().map(|(_, kind)| kind).collect();
    let loaded = inputs
        .iter()
        .map(|s| s.segment.columns(Connected { storage, conn, schema }))
        .collect::<Result<Vec<_>>>()?;
    let pairs: Vec<_> = loaded.iter().zip(alive).map(|(c, a)| (&c.columns, a.as_ref())).collect();
    let rows: usize = inputs.iter().map(|s| s.live()).sum();
    memory::check(rows.saturating_mul((1 + types.len()) * 48))?;
    let columns = Columns::merge(&pairs, &types);
    directory.push(storage.write_payload(conn, PayloadKind::Columns, &columns.encode())?);

    let rowids: Vec<i64> = (0..columns.len() as u32).map(|ord| columns.rowid(ord)).collect();
    if schema.full_texts().next().is_some() {
        directory.push(merged_text(storage, conn, schema, inputs, alive, &rowids)?);
    }
    storage.pack(conn, rowids.iter().copied())?;
    for (at, (_, spec)) in schema.vectors().enumerate() {
        let vectors = LoadedVectors::read(storage, conn, (at, spec), &rowids)?;
        let Some(base) = inputs.first() else { continue };
        let index = if (base.live() as f32) < HEAL_SHARE * base.segment.rows() as f32 {
            VectorIndex::build(spec, &vectors.rows(), threads(), progress)?
        } else {
            let old = base.segment.vector(Connected { storage, conn, schema }, at)?;
            let mut next = 0_u32;
            let map: Vec<Option<u32>> = (0..base.segment.rows() as u32)
                .map(|ord| {
                    let lives = alive[0].as_ref().is_none_or(|alive| alive.contains(ord));
                    lives.then(|| {
                        next += 1;
                        next - 1
                    })
                })
                .collect();
            VectorIndex::merge(spec, &vectors.rows(), old, &map, threads(), progress)?
        };
        drop(vectors);
        directory.push(storage.write_payload(conn, PayloadKind::Vector(at as u32), index.encode())?);
    }
    Ok(directory)
}

/// Writes the text index of the rows `rowids`, the live ones of `inputs`. Where an input was made by older rules, the texts
/// are tokenized again; a merge inside a commit is small enough for that.
fn merged_text(
    storage: &Storage,
    conn: &Connection,
    schema: &Schema,
    inputs: &[&SegmentView],
    alive: &[Option<Bitmap>],
    rowids: &[i64],
) -> Result<PayloadEntry> {
    let texts = inputs
        .iter()
        .map(|s| s.segment.text(Connected { storage, conn, schema }))
        .collect::<Result<Vec<_>>>()?;
    if !texts.iter().all(|text| text.is_current()) {
        return write_text(storage, conn, schema, rowids);
    }
    let pairs: Vec<_> = texts.iter().zip(alive).map(|(t, a)| (t.as_ref(), a.as_ref())).collect();
    // The engine writes the files in memory, then they are put together.
    memory::check(
        texts.iter().map(|text| text.memory_bytes()).fold(0, usize::saturating_add).saturating_mul(3),
    )?;
    let bytes = text::merge(&TextConfig::of(schema), &pairs)?;
    storage.write_payload(conn, PayloadKind::Text, &bytes)
}
