//! Starts a graph from an older one: links between rows that live on are taken over, links through dropped rows are
//! healed by what lay behind them.

use super::build::Draft;
use super::graph::{NONE, Scratch};
use super::index::VectorIndex;
use super::neighbors::{Link, choose};
use super::parallel;
use crate::bitmap::Bitmap;
use crate::vector::codes::CodeSet;

/// Dropped rows looked through from one row, at most.
const THROUGH: usize = 32;

impl Draft {
    /// Takes over layer 0 of `base`. Returns the rows whose links are in place.
    pub fn adopt(
        &mut self,
        codes: &CodeSet,
        base: &VectorIndex,
        map: &[Option<u32>],
        nodes: &Bitmap,
        threads: usize,
    ) -> Bitmap {
        let mut placed = Bitmap::empty(nodes.len());
        if !base.has_graph() || map.len() != base.rows() || self.order.is_empty() {
            return placed;
        }
        let old = base.base_layer();
        let now = |ord: u32| map[ord as usize].filter(|new| nodes.contains(*new));
        let view = codes.view();
        let mut rows: Vec<(u32, Vec<Link>)> = (0..base.rows() as u32)
            .filter(|ord| old.row(*ord).first() != Some(&NONE))
            .filter_map(|ord| now(ord).map(|_| (ord, Vec::new())))
            .collect();
        let degree = self.layers[0].degree;
        let layer = self.layers[0].view(&[]);
        let mut workers: Vec<_> = (0..threads.max(1))
            .map(|_| (Scratch::default(), view.blank_query(), view.blank_query()))
            .collect();
        parallel::each(&mut workers, &mut rows, 64, |(scratch, query, other), _, (ord, links)| {
            let Some(own) = now(*ord) else { return };
            let mut found: Vec<u32> = Vec::new();
            let mut dead: Vec<u32> = Vec::new();
            let mut look = |from: u32, dead: &mut Vec<u32>| {
                for next in old.row(from).iter().copied().take_while(|next| *next != NONE) {
                    match now(next) {
                        Some(new) if new != own => found.push(new),
                        Some(_) => (),
                        None if dead.len() < THROUGH && !dead.contains(&next) => dead.push(next),
                        None => (),
                    }
                }
            };
            look(*ord, &mut dead);
            let healed = !dead.is_empty();
            let mut at = 0;
            while at < dead.len() {
                look(dead[at], &mut dead);
                at += 1;
            }
            found.sort_unstable();
            found.dedup();
            view.row_query(own, query);
            scratch.nodes.clear();
            scratch.nodes.extend_from_slice(&found);
            scratch.score(view, layer, query, &mut Default::default());
            *links = scratch.keys.iter().copied().zip(found).collect();
            if healed || links.len() > degree {
                choose(view, layer, links, degree, 4, other, scratch);
            } else {
                links.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            }
        });
        for (ord, links) in rows {
            if let Some(new) = now(ord)
                && !links.is_empty()
            {
                self.layers[0].set(new, &links);
                placed.insert(new);
                self.anchor.get_or_insert(new);
            }
        }
        placed
    }
}
