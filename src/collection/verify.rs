//! Integrity check: the index against the rows it was made from.

use super::Views;
use super::compare::Compared;
use super::connected::Connected;
use super::view::View;
use crate::error::Result;
use crate::storage::{PayloadKind, Settings};
use std::collections::BTreeSet;

/// Checks everything that is derived; returns one sentence for each defect.
pub fn verify(on: Connected<'_>, settings: &Settings) -> Result<Vec<String>> {
    let mut defects = Vec::new();
    let view = match Views::default().current(on, settings) {
        Ok(view) => view,
        Err(error @ crate::error::Error::Corrupt { .. }) => return Ok(vec![error.to_string()]),
        Err(error) => return Err(error),
    };
    check_payloads(on, &view, &mut defects)?;
    defects.extend(on.storage.check_tiles(on.conn)?);
    if !defects.is_empty() {
        return Ok(defects);
    }
    if let Err(error) = check_rows(on, &view, &mut defects) {
        match error {
            crate::error::Error::Corrupt { .. } => defects.push(error.to_string()),
            other => return Err(other),
        }
    }
    Ok(defects)
}

fn check_payloads(on: Connected<'_>, view: &View, defects: &mut Vec<String>) -> Result<()> {
    for part in &view.segments {
        for entry in &part.segment.record.directory {
            let place = on.storage.location(part.segment.record.id, entry.kind);
            match on.storage.read_payload(on.conn, entry, &place) {
                Ok(_) => {}
                Err(error @ crate::error::Error::Corrupt { .. }) => defects.push(error.to_string()),
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

fn check_rows(on: Connected<'_>, view: &View, defects: &mut Vec<String>) -> Result<()> {
    let Connected { storage, conn, schema } = on;
    let table = &storage.table;
    let mut indexed: BTreeSet<i64> = BTreeSet::new();
    let mut living: Vec<Vec<(u32, i64)>> = vec![Vec::new(); view.parts()];
    for (part, living) in living.iter_mut().enumerate() {
        let alive = view.part_alive(part);
        for ord in 0..view.part_len(part) as u32 {
            if alive.as_ref().is_none_or(|alive| alive.contains(ord)) {
                let rowid = view.rowid(on, part, ord)?;
                living.push((ord, rowid));
                if !indexed.insert(rowid) {
                    defects.push(format!("{table}: row {rowid} is indexed twice"));
                }
            }
        }
    }
    let stored: BTreeSet<i64> = storage.all_rowids(conn)?.into_iter().collect();
    for rowid in stored.difference(&indexed).take(10) {
        defects.push(format!("{table}: row {rowid} is not indexed"));
    }
    for rowid in indexed.difference(&stored).take(10) {
        defects.push(format!("{table}: row {rowid} is indexed but not stored"));
    }
    for part in &view.segments {
        if schema.full_texts().next().is_some() {
            part.segment.text(on)?;
        }
        for (at, _) in schema.vectors().enumerate() {
            part.segment.vector(on, at)?;
            debug_assert!(part.segment.record.payload(PayloadKind::Vector(at as u32)).is_some());
        }
    }
    for at in 0..schema.vectors().count() {
        // Reading refuses what is not well formed.
        storage.for_each_vector(conn, at, stored.iter().copied(), |_| Ok(()))?;
    }
    if defects.is_empty() {
        for (part, rows) in view.segments.iter().zip(living) {
            Compared { on, part, rows }.check(defects)?;
        }
    }
    Ok(())
}
