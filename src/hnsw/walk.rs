//! A search that can be continued: each call yields the next candidates, never one twice.

use super::frontier::{key_of, node_of, pack};
use super::graph::Scratch;
use super::index::VectorIndex;
use super::{Candidate, SearchStats};
use crate::vector::codes::Query;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

/// A walk over an index, nearest region first. Owns all it needs.
pub(crate) struct Walk {
    index: Arc<VectorIndex>,
    query: Query,
    ef: usize,
    scratch: Scratch,
    open: BinaryHeap<Reverse<u64>>,
    /// Nodes found and not yet yielded.
    ready: BinaryHeap<Reverse<u64>>,
    /// Rows of nodes already taken from `ready`.
    queued: VecDeque<Candidate>,
    started: bool,
}

impl VectorIndex {
    /// Starts a walk; nothing is computed before the first [`Walk::next`].
    pub fn walk(self: &Arc<Self>, query: &[f32], ef: usize) -> Walk {
        Walk {
            query: self.prepare(query),
            index: Arc::clone(self),
            ef: ef.max(1),
            scratch: Scratch::default(),
            open: BinaryHeap::new(),
            ready: BinaryHeap::new(),
            queued: VecDeque::new(),
            started: false,
        }
    }
}

impl Walk {
    /// Up to `want` further candidates, sorted; empty when every row was yielded. A later call may yield a
    /// row that is nearer than an earlier one by what the beam had missed.
    pub fn next(&mut self, want: usize, stats: &mut SearchStats) -> Vec<Candidate> {
        if !self.started {
            self.started = true;
            self.start(stats);
        }
        let index = Arc::clone(&self.index);
        while self.queued.len() < want {
            let need = self.ef.max(want);
            self.expand(&index, need, stats);
            let Some(Reverse(entry)) = self.ready.pop() else { break };
            let (head, distance) = (node_of(entry), self.query.distance(key_of(entry)));
            let rows = std::iter::once(&head).chain(index.members_of(head));
            self.queued.extend(rows.map(|ord| Candidate { ord: *ord, distance }));
        }
        let count = want.min(self.queued.len());
        self.queued.drain(..count).collect()
    }

    fn start(&mut self, stats: &mut SearchStats) {
        let index = Arc::clone(&self.index);
        if !index.has_graph() {
            let all = index.scan(&self.query, index.len(), None, &mut self.scratch, stats);
            self.queued = all.into();
            return;
        }
        let start = index.entry(&self.query, &mut self.scratch, stats);
        self.scratch.visited.reset(index.rows());
        self.scratch.visited.insert(start);
        self.scratch.nodes.clear();
        self.scratch.nodes.push(start);
        self.take_in(&index, stats);
    }

    fn take_in(&mut self, index: &VectorIndex, stats: &mut SearchStats) {
        self.scratch.score(index.codes(), index.base_layer(), &self.query, stats);
        for (node, key) in self.scratch.nodes.iter().zip(&self.scratch.keys) {
            let entry = pack(*key, *node);
            self.open.push(Reverse(entry));
            self.ready.push(Reverse(entry));
        }
    }

    /// Walks on until `ef` nodes were expanded beyond the best one that is ready.
    fn expand(&mut self, index: &VectorIndex, need: usize, stats: &mut SearchStats) {
        // A node may be yielded when it is nearer than all open nodes, or when `need` others are waiting and the
        // open ones are all farther than the first.
        loop {
            let Some(Reverse(next)) = self.open.peek().copied() else {
                // From the entry every node can be reached, from the node that the walk began with not always.
                if index.has_graph() && self.scratch.visited.insert(index.header.entry) {
                    self.scratch.nodes.clear();
                    self.scratch.nodes.push(index.header.entry);
                    self.take_in(index, stats);
                    continue;
                }
                return;
            };
            let settled = self.ready.peek().is_some_and(|Reverse(best)| *best < next);
            if settled && self.ready.len() >= need {
                return;
            }
            self.open.pop();
            stats.hops += 1;
            self.scratch.nodes.clear();
            self.scratch.gather(index.base_layer(), node_of(next));
            index.codes().prefetch(&self.scratch.nodes);
            self.take_in(index, stats);
        }
    }
}
