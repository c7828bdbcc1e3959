//! The live rows of several JSON columns as one, without reading their texts again.

use super::super::column::Data;
use super::builder::BlockBuilder;
use super::typed::{Typed, Values, ValuesBuilder};
use super::{Block, JsonColumn, Lost};
use std::sync::Arc;

/// Whether the columns know enough of each other's paths: one that is kept in a column and may be among the rest of
/// another has to be read from the texts.
pub fn can_merge(columns: &[&JsonColumn]) -> bool {
    let Some(blocks) = columns.iter().map(|column| column.block()).collect::<Option<Vec<_>>>() else {
        return false;
    };
    let knows = |block: &Block, path: &str| {
        block.rest.is_none() || block.find(path).is_some() || !block.lost.may_have(path)
    };
    blocks.iter().all(|from| {
        let rests = blocks.iter().filter(|block| !block.rest.is_none());
        rests.clone().all(|block| from.paths.iter().all(|path| knows(block, &path.path)))
    })
}

/// The rows `ords` of each column, one column after the other.
pub fn merge(parts: &[(Option<&JsonColumn>, &[u32])]) -> JsonColumn {
    let mut builder = BlockBuilder::default();
    for (column, ords) in parts {
        let base = builder.rows;
        if let Some(block) = column.and_then(JsonColumn::block) {
            // The new place of each row, `GONE` for dead ones.
            let mut places = vec![GONE; block.rows];
            for (place, ord) in (base..).zip(*ords) {
                if let Some(slot) = places.get_mut(*ord as usize) {
                    *slot = place;
                }
            }
            add(&mut builder, block, &places);
        }
        builder.rows = base + ords.len() as u32;
    }
    JsonColumn { blocks: vec![Arc::new(builder.finish())] }
}

const GONE: u32 = u32::MAX;

fn add(builder: &mut BlockBuilder, block: &Block, places: &[u32]) {
    let place = |ord: u32| places.get(ord as usize).copied().filter(|place| *place != GONE);
    block.odd.for_each(block.rows, |ord| builder.odd.extend(place(ord)));
    block.rest.for_each(block.rows, |ord| builder.rest.extend(place(ord)));
    match &block.lost {
        Lost::Known(hashes) => hashes.iter().for_each(|hash| builder.lose(*hash)),
        // Of these no path is known. Those of the merged column are all kept, or absent here.
        Lost::Many => builder.hide(),
    }
    for column in &block.paths {
        let present = column.present(block.rows);
        let mut rows = present.iter().filter_map(place).peekable();
        if rows.peek().is_none() {
            continue;
        }
        let Some(path) = builder.path(&column.path) else {
            let rows: Vec<u32> = rows.collect();
            builder.rest.extend(rows);
            continue;
        };
        rows.for_each(|row| path.touch(row));
        column.lists.for_each(block.rows, |ord| path.lists.extend(place(ord)));
        column.objects.for_each(block.rows, |ord| path.objects.extend(place(ord)));
        add_values(&mut path.scalars, &column.scalars, block.rows, &place);
        add_values(&mut path.elements, &column.elements, block.rows, &place);
    }
}

fn add_values(to: &mut ValuesBuilder, from: &Values, rows: usize, place: &dyn Fn(u32) -> Option<u32>) {
    from.nulls.for_each(rows, |ord| to.nulls.extend(place(ord)));
    let placed = |typed: &Option<Box<Typed>>, push: &mut dyn FnMut(u32, &Data, usize)| {
        if let Some(typed) = typed {
            for (ord, at) in typed.entries() {
                if let Some(place) = place(ord) {
                    push(place, &typed.column.data, at);
                }
            }
        }
    };
    placed(&from.bools, &mut |row, data, at| {
        if let Data::Ints(ints) = data {
            to.bools.push(row, ints.get(at));
        }
    });
    placed(&from.ints, &mut |row, data, at| {
        if let Data::Ints(ints) = data {
            to.ints.push(row, ints.get(at));
        }
    });
    placed(&from.reals, &mut |row, data, at| {
        if let Data::Reals(reals) = data {
            to.reals.push(row, reals[at]);
        }
    });
    // Each distinct text is looked up once.
    let mut known: Vec<Option<u32>> = Vec::new();
    placed(&from.texts, &mut |row, data, at| {
        let Data::Texts { dictionary, codes, .. } = data else { return };
        known.resize(dictionary.len(), None);
        let code = codes.get(at) as usize;
        let number = match known.get(code).copied().flatten() {
            Some(number) => number,
            None => {
                let number = to.number(dictionary.get(code));
                if let Some(slot) = known.get_mut(code) {
                    *slot = Some(number);
                }
                number
            }
        };
        to.texts.push(row, number);
    });
}
