//! Makes every node of layer 0 reachable from the entry.
//!
//! An unreached node is hung onto the nearest reached node. Where that one is full, the new node takes over its last
//! link, so nothing that was reachable is lost.

use super::SearchStats;
use super::build::{Draft, LayerDraft};
use super::frontier::{key_of, node_of};
use super::graph::{Layer, NONE, Scratch, search_layer};
use super::stop::Breadth;
use crate::bitmap::Bitmap;
use crate::error::{Error, Result};
use crate::vector::codes::View;

fn flood(layer: &LayerDraft, from: u32, reached: &mut Bitmap) {
    let mut stack = vec![from];
    reached.insert(from);
    while let Some(node) = stack.pop() {
        for (_, next) in layer.row(node) {
            if !reached.contains(next) {
                reached.insert(next);
                stack.push(next);
            }
        }
    }
}

/// Links every node that cannot be reached from the entry; returns how many there were. `go_on` may return false to stop with
/// [`Error::Interrupted`].
pub(super) fn connect(draft: &mut Draft, codes: View<'_>, go_on: &mut dyn FnMut() -> bool) -> Result<usize> {
    let Some(entry) = draft.order.first().copied() else { return Ok(0) };
    let layer = &mut draft.layers[0];
    let rows = layer.links.len() / layer.degree;
    let mut reached = Bitmap::empty(rows);
    flood(layer, entry, &mut reached);
    let mut lost: Vec<u32> = draft.order.iter().copied().filter(|ord| !reached.contains(*ord)).collect();
    lost.sort_unstable();
    let (mut scratch, mut query) = (Scratch::default(), codes.blank_query());
    let mut stats = SearchStats::default();
    let mut hung = 0;
    for node in lost {
        if reached.contains(node) {
            continue;
        }
        if hung % 64 == 0 && !go_on() {
            return Err(Error::Interrupted);
        }
        hung += 1;
        codes.row_query(node, &mut query);
        codes.row_signs(node, &mut query);
        let view = Layer { links: &layer.links, degree: layer.degree, ords: &[] };
        search_layer(codes, view, &query, &[entry], Breadth::full(64), &mut scratch, &mut stats);
        let near: Vec<(f32, u32)> = scratch
            .beam
            .entries()
            .iter()
            .map(|e| (key_of(*e), node_of(*e)))
            .filter(|l| l.1 != node)
            .collect();
        let free = |ord: u32| view.row(ord).last() == Some(&NONE);
        let host = near.iter().find(|link| free(link.1)).or(near.first()).copied();
        let Some((key, host)) = host else { continue };
        let mut row: Vec<(f32, u32)> = layer.row(host).collect();
        if row.len() == layer.degree
            && let Some(moved) = row.pop()
        {
            let mut own: Vec<(f32, u32)> = layer.row(node).filter(|link| link.1 != moved.1).collect();
            own.truncate(layer.degree - 1);
            own.push(moved);
            layer.set(node, &own);
        }
        row.push((key, node));
        row.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        layer.set(host, &row);
        flood(layer, node, &mut reached);
    }
    Ok(hung)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::codes::CodeSet;
    use crate::vector::{Codes, Metric};

    #[test]
    fn nodes_that_no_link_leads_to_are_hung_back_and_nothing_else_is_lost() {
        let (rows, dim) = (600_usize, 12);
        let data: Vec<f32> = (0..rows * dim).map(|at| ((at * 7919 % 1009) as f32).sin()).collect();
        let present = Bitmap::full(rows);
        let codes = CodeSet::encode(Metric::L2, Codes::Int8, dim, &data, &present, 1).unwrap();
        for m in [2, 4, 16] {
            let mut draft = Draft::new(0..rows as u32, rows, m).unwrap();
            draft.grow(&codes, 40, 1, &|_| false, &mut |_, _| true).unwrap();
            connect(&mut draft, codes.view(), &mut || true).unwrap();
            let entry = draft.order[0];
            let reached = |draft: &Draft| {
                let mut reached = Bitmap::empty(rows);
                flood(&draft.layers[0], entry, &mut reached);
                reached.count()
            };
            assert_eq!(reached(&draft), rows);
            // Single nodes, and a pair that lead to each other only.
            let lost = [5_u32, 77, 300, 301, 599].map(|ord| if ord == entry { ord + 1 } else { ord });
            for node in 0..rows as u32 {
                let kept: Vec<(f32, u32)> =
                    draft.layers[0].row(node).filter(|link| !lost.contains(&link.1)).collect();
                draft.layers[0].set(node, &kept);
            }
            draft.layers[0].set(lost[2], &[(1.0, lost[3])]);
            draft.layers[0].set(lost[3], &[(1.0, lost[2])]);
            assert!(reached(&draft) <= rows - lost.len());
            let hung = connect(&mut draft, codes.view(), &mut || true).unwrap();
            assert!((1..=lost.len()).contains(&hung), "{m}: {hung}");
            assert_eq!(reached(&draft), rows, "{m}");
            assert_eq!(connect(&mut draft, codes.view(), &mut || true).unwrap(), 0);
        }
    }
}
