//! Builds a graph in batches that double: the nodes of a batch search the graph as it was before the batch, then all
//! links of the batch are added at once (ParlayANN, PPoPP 2024). So nothing is locked and the result does not depend
//! on the number of threads.
//!
//! Invariant: between batches every row of links is sorted by key and holds no node twice.

use super::frontier::{key_of, node_of};
use super::graph::{Layer, NONE, Scratch, descend, search_layer};
use super::neighbors::{Link, choose, sort};
use super::stop::Breadth;
use super::{SearchStats, parallel};
use crate::error::{Error, Result};
use crate::memory;
use crate::vector::codes::{CodeSet, Query, View};

/// Links of one layer while they grow.
#[derive(Clone, Default)]
pub(super) struct LayerDraft {
    pub degree: usize,
    pub links: Vec<u32>,
    pub keys: Vec<f32>,
}

impl LayerDraft {
    pub fn new(nodes: usize, degree: usize) -> Result<Self> {
        let count = nodes * degree;
        Ok(Self { degree, links: memory::filled(count, NONE)?, keys: memory::filled(count, 0.0)? })
    }

    pub fn view<'a>(&'a self, ords: &'a [u32]) -> Layer<'a> {
        Layer { links: &self.links, degree: self.degree, ords }
    }

    /// The links of `node` with their keys.
    pub fn row(&self, node: u32) -> impl Iterator<Item = Link> + '_ {
        let range = node as usize * self.degree..(node as usize + 1) * self.degree;
        self.keys[range.clone()]
            .iter()
            .copied()
            .zip(self.links[range].iter().copied())
            .take_while(|l| l.1 != NONE)
    }

    /// Replaces the links of `node`; `row` has at most `degree` links.
    pub fn set(&mut self, node: u32, row: &[Link]) {
        let start = node as usize * self.degree;
        self.links[start..start + self.degree].fill(NONE);
        for (at, (key, next)) in row.iter().take(self.degree).enumerate() {
            self.links[start + at] = *next;
            self.keys[start + at] = *key;
        }
    }
}

/// A graph while it grows.
pub(super) struct Draft {
    /// Ord of each slot, in the order of insertion.
    pub order: Vec<u32>,
    /// Nodes of layer 1, 2 and so on.
    pub counts: Vec<usize>,
    /// Layer 0 first.
    pub layers: Vec<LayerDraft>,
    /// A node taken over from an older graph: every search of layer 0 starts there too.
    pub anchor: Option<u32>,
}

/// What a thread keeps from node to node.
pub(super) struct Worker {
    pub scratch: Scratch,
    pub query: Query,
    pub other: Query,
}

impl Worker {
    /// One for each thread.
    pub fn several(codes: View<'_>, threads: usize) -> Vec<Self> {
        let one =
            || Self { scratch: Scratch::default(), query: codes.blank_query(), other: codes.blank_query() };
        std::iter::repeat_with(one).take(threads.max(1)).collect()
    }
}

/// Links that nodes get, by layer.
pub(super) type Placed = Vec<(usize, Vec<Link>)>;

fn mix(ord: u32) -> u64 {
    let mut x = u64::from(ord).wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The highest layer of `ord`: geometric, one in `m` a layer.
fn level_of(ord: u32, m: usize) -> usize {
    let mut bits = mix(ord) >> 8;
    let mut level = 0;
    while level < 12 && bits.is_multiple_of(m as u64) && bits > 0 {
        bits /= m as u64;
        level += 1;
    }
    level
}

/// Bytes that the links of a node are gathered in: those of each row that it has a link to, in a small allocation of its own.
fn gathered(degree: usize) -> usize {
    degree * degree * size_of::<Link>()
}

/// What a batch may gather, unless 128 nodes alone take more. It is the same on every machine, since the graph depends on the
/// batches. With `m` = 16 it makes those of more than 1.6 million rows smaller, with 64 those of more than 100,000.
const GATHERED: usize = 256 << 20;

/// Nodes of a batch, at most, in a graph of this many.
pub(super) fn batch_of(nodes: usize, degree: usize) -> usize {
    (nodes / 50).min(GATHERED / gathered(degree).max(1)).max(128)
}

impl Draft {
    /// An empty graph for `nodes` (ords below `rows`) with levels already drawn.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn new(nodes: impl Iterator<Item = u32>, rows: usize, m: usize) -> Result<Self> {
        let mut keyed: Vec<(usize, u64, u32)> = memory::room(rows)?;
        keyed.extend(nodes.map(|ord| (usize::MAX - level_of(ord, m), mix(ord ^ 0x5bd1_e995), ord)));
        keyed.sort_unstable();
        let order: Vec<u32> = keyed.iter().map(|entry| entry.2).collect();
        let top = keyed.first().map_or(0, |entry| usize::MAX - entry.0);
        let counts: Vec<usize> =
            (1..=top).map(|level| keyed.partition_point(|entry| usize::MAX - entry.0 >= level)).collect();
        let mut layers = vec![LayerDraft::new(rows, 2 * m)?];
        for count in &counts {
            layers.push(LayerDraft::new(*count, m)?);
        }
        Ok(Self { order, counts, layers, anchor: None })
    }

    /// Nodes that search the same graph, at most.
    pub fn batch(&self) -> usize {
        batch_of(self.order.len(), self.layers.first().map_or(0, |layer| layer.degree))
    }

    fn level(&self, slot: usize) -> usize {
        self.counts.iter().take_while(|count| slot < **count).count()
    }

    pub fn layer(&self, level: usize) -> Layer<'_> {
        self.layers[level].view(if level == 0 { &[] } else { &self.order })
    }

    /// Inserts every node. Nodes for which `placed` returns true already have their links on layer 0.
    pub fn grow(
        &mut self,
        codes: &CodeSet,
        ef: usize,
        threads: usize,
        placed: &(dyn Fn(u32) -> bool + Sync),
        progress: &mut dyn FnMut(usize, usize) -> bool,
    ) -> Result<()> {
        let total = self.order.len();
        let view = codes.view();
        let largest = self.batch();
        let degree = self.layers.first().map_or(0, |layer| layer.degree);
        memory::check(largest.saturating_mul(gathered(degree)))?;
        let mut workers = Worker::several(view, threads);
        let mut done = if self.anchor.is_some() { 0 } else { 1.min(total) };
        while done < total {
            if !progress(done, total) {
                return Err(Error::Interrupted);
            }
            let batch = done.max(1).min(largest).min(total - done);
            let mut found: Vec<(usize, Placed)> =
                (done..done + batch).map(|slot| (slot, Vec::new())).collect();
            let draft = &*self;
            parallel::each(&mut workers, &mut found, 16, |worker, _, (slot, out)| {
                *out = draft.place(view, *slot, ef, placed, worker);
            });
            self.link(view, found, &mut workers);
            done += batch;
        }
        progress(total, total);
        Ok(())
    }

    /// The neighbours of the node in `slot`, for each of its layers.
    fn place(
        &self,
        codes: View<'_>,
        slot: usize,
        ef: usize,
        placed: &(dyn Fn(u32) -> bool + Sync),
        worker: &mut Worker,
    ) -> Placed {
        let ord = self.order[slot];
        let level = self.level(slot);
        let mut out = Vec::with_capacity(level + 1);
        let bottom = usize::from(placed(ord));
        if bottom > level {
            return out;
        }
        let mut stats = SearchStats::default();
        codes.row_query(ord, &mut worker.query);
        codes.row_signs(ord, &mut worker.query);
        let mut starts = vec![0_u32];
        for at in (level + 1..=self.counts.len()).rev() {
            let (layer, scratch) = (self.layer(at), &mut worker.scratch);
            starts[0] = descend(codes, layer, &worker.query, starts[0], scratch, &mut stats);
        }
        for at in (bottom..=level).rev() {
            if at == 0 {
                starts.iter_mut().for_each(|start| *start = self.order[*start as usize]);
                starts.extend(self.anchor);
            }
            let layer = self.layer(at);
            search_layer(
                codes,
                layer,
                &worker.query,
                &starts,
                Breadth::full(ef),
                &mut worker.scratch,
                &mut stats,
            );
            let entries = worker.scratch.beam.entries().iter();
            let own = if at == 0 { ord } else { slot as u32 };
            let mut links: Vec<Link> =
                entries.map(|e| (key_of(*e), node_of(*e))).filter(|link| link.1 != own).collect();
            links.extend(self.layers[at].row(own));
            choose(codes, layer, &mut links, layer.degree, 4, &mut worker.other, &mut worker.scratch);
            starts = links.iter().map(|link| link.1).collect();
            if starts.is_empty() {
                starts.push(0);
            }
            out.push((at, links));
        }
        out
    }

    /// Adds the links of a batch, given by slot, and their reverses.
    fn link(&mut self, codes: View<'_>, found: Vec<(usize, Placed)>, workers: &mut [Worker]) {
        let mut reverse: Vec<Vec<(u32, Link)>> = vec![Vec::new(); self.layers.len()];
        for (slot, node) in found {
            for (level, links) in node {
                let own = if level == 0 { self.order[slot] } else { slot as u32 };
                reverse[level].extend(links.iter().map(|(key, target)| (*target, (*key, own))));
                self.layers[level].set(own, &links);
            }
        }
        for (level, edges) in reverse.into_iter().enumerate() {
            self.add(codes, level, edges, workers);
        }
    }

    /// Adds `(node, link)` edges to one layer and prunes the rows that overflow.
    pub fn add(
        &mut self,
        codes: View<'_>,
        level: usize,
        mut edges: Vec<(u32, Link)>,
        workers: &mut [Worker],
    ) {
        edges.sort_unstable_by_key(|(target, link)| (*target, link.1));
        let mut rows: Vec<(u32, Vec<Link>)> = edges
            .chunk_by(|a, b| a.0 == b.0)
            .map(|group| (group[0].0, group.iter().map(|edge| edge.1).collect()))
            .collect();
        let layer = self.layer(level);
        let draft = &self.layers[level];
        parallel::each(workers, &mut rows, 64, |worker, _, (target, links)| {
            // The key of a pair differs in its last bits with the direction, so a link that was there is known by its node alone.
            let known = |old: &Link| links.binary_search_by_key(&old.1, |link| link.1).is_ok();
            let old: Vec<Link> = draft.row(*target).filter(|old| !known(old)).collect();
            links.extend(old);
            sort(links, &mut worker.scratch.links);
            if links.len() > layer.degree {
                // A few places are left free, so that the next link does not prune again.
                let limit = layer.degree - layer.degree / 8;
                choose(codes, layer, links, limit, 4, &mut worker.other, &mut worker.scratch);
            }
        });
        for (target, links) in rows {
            self.layers[level].set(target, &links);
        }
    }
}
