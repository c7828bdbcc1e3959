//! [`VectorIndex`]: its numbers and the views that searches work on.

use super::graph::{Layer, Scratch};
use super::layout::{HEADER, Header, Layout, USUAL_BREADTH};
use crate::bitmap::Bitmap;
use crate::vector::aligned::{self, Block};
use crate::vector::background::Background;
use crate::vector::codes::{Extent, Kind, Quantizer, Query, SignBlocks, SignRows, View};
use crate::vector::kernels::Table;
use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// An immutable index over the vectors of one segment. Row `i` of its input is `ord` `i`.
pub(crate) struct VectorIndex {
    pub(super) block: Block,
    pub(super) header: Header,
    pub(super) layout: Layout,
    pub(super) quantizer: Quantizer,
    pub(super) present: Bitmap,
    /// Nodes that stand for several rows.
    shared: Bitmap,
    /// What the codes of a row lose, unless it is one of few that lose far more.
    pub(super) usual: Extent,
    pub(super) background: OnceLock<Background>,
    /// Whether it was scanned before, and its signs in the form for scans.
    scanned: AtomicBool,
    pub(super) blocks: OnceLock<Option<SignBlocks>>,
}

thread_local! {
    /// What the last search of this thread worked in, for the next one, of whatever index.
    static IDLE: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
}

impl std::fmt::Debug for VectorIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VectorIndex").field("header", &self.header).finish_non_exhaustive()
    }
}

impl VectorIndex {
    /// The index in a block that is laid out.
    pub(super) fn from_parts(
        block: Block,
        header: Header,
        layout: Layout,
        mut quantizer: Quantizer,
        present: Bitmap,
    ) -> Self {
        quantizer.choose_usual(aligned::as_f32(&block.bytes()[layout.factors.clone()]));
        let mut shared = Bitmap::empty(header.rows as usize);
        let heads = aligned::as_u32(&block.bytes()[layout.heads.clone()]);
        heads.iter().for_each(|head| shared.insert(*head));
        let (usual, background) = (Extent::default(), OnceLock::new());
        let (scanned, blocks) = (AtomicBool::new(false), OnceLock::new());
        let mut index =
            Self { block, header, layout, quantizer, present, shared, usual, background, scanned, blocks };
        index.usual = index.codes().usual_extent(&index.present);
        index
    }

    /// Number of rows, with and without a vector.
    pub fn rows(&self) -> usize {
        self.header.rows as usize
    }

    /// Number of rows that have a vector.
    pub fn len(&self) -> usize {
        self.header.live as usize
    }

    /// Bytes held in memory.
    pub fn memory_bytes(&self) -> usize {
        let blocks =
            if self.has_blocks() { SignBlocks::bytes_of(self.header.dim as usize, self.rows()) } else { 0 };
        self.block.bytes().len() + self.present.memory_bytes() + self.shared.memory_bytes() + blocks
    }

    /// Whether its signs are held in blocks, too: where all that is ever done with them is to scan them.
    fn has_blocks(&self) -> bool {
        !self.has_graph() && self.codes().screens()
    }

    /// The signs in blocks, from the second scan on: they take a few times as long to make as one scan.
    pub(super) fn blocks(&self) -> Option<&SignBlocks> {
        if !self.has_blocks() {
            return None;
        }
        if !self.scanned.load(Ordering::Relaxed) {
            self.scanned.store(true, Ordering::Relaxed);
            return None;
        }
        let made = || SignBlocks::new(self.codes().signs?, self.rows());
        self.blocks.get_or_init(made).as_ref()
    }

    /// Breadth of a walk that finds about 98 of 100 nearest rows.
    pub fn breadth(&self) -> usize {
        match self.header.breadth {
            0 => USUAL_BREADTH,
            measured => measured as usize,
        }
    }

    /// Breadth of a walk of which only this share of the nearest rows is wanted, since other segments hold the rest: to find a few of
    /// the nearest takes less breadth than to find all of them.
    pub fn breadth_for(&self, share: f64) -> usize {
        let broader = self.breadth() as f64 / USUAL_BREADTH as f64;
        (USUAL_BREADTH as f64 * broader.powf(share)).round() as usize
    }

    /// The breadth that a filtered walk of breadth `ef` is planned by. Where walks have to be broad to find the nearest rows, they
    /// have to hold more of those that pass, too: at a million rows of breadth 320, of which one in ten passes, recall is .957
    /// when they hold 190 of them, .973 with 320 and .979 with 480, at one and a half times and twice the cost.
    pub fn filtered_breadth(&self, ef: usize) -> usize {
        let broader = self.breadth() as f64 / USUAL_BREADTH as f64;
        (ef as f64 * broader.max(1.0).sqrt()) as usize
    }

    /// The breadth, from the first [`HEAD`](Self::HEAD) bytes of the stored form.
    pub fn breadth_in(head: &[u8]) -> Option<usize> {
        let header =
            Header::from_bytes(Block::copy_of(head).bytes()).ok().filter(|header| header.degree > 0)?;
        Some(if header.breadth == 0 { USUAL_BREADTH } else { header.breadth as usize })
    }

    /// Bytes that [`breadth_in`](Self::breadth_in) needs.
    pub const HEAD: usize = HEADER;

    /// Candidates that are to be put in exact order for `k` results.
    pub fn rerank_width(&self, k: usize) -> usize {
        match self.quantizer.kind {
            Kind::Int8 | Kind::Float => k.saturating_mul(2).saturating_add(8),
            Kind::Bit => k.saturating_mul(16).saturating_add(40),
        }
    }

    /// Upper bound of `|candidate.distance - exact distance|` for this query over all rows.
    pub fn error_bound(&self, query: &[f32]) -> f64 {
        self.quantizer.error_bound(&self.quantizer.query(query))
    }

    /// The same over usual rows; [`VectorIndex::sweep`] says of each row by how much more it may be off.
    pub fn usual_bound(&self, query: &[f32]) -> f64 {
        self.quantizer.bound(&self.quantizer.query(query))(self.usual)
    }

    pub(super) fn codes(&self) -> View<'_> {
        let bytes = self.block.bytes();
        View {
            quantizer: &self.quantizer,
            table: Table { bytes: &bytes[self.layout.codes.clone()], stride: self.quantizer.stride },
            factors: aligned::as_f32(&bytes[self.layout.factors.clone()]),
            signs: self.quantizer.signs.as_ref().map(|shape| SignRows {
                shape,
                table: Table { bytes: &bytes[self.layout.signs.clone()], stride: shape.stride },
            }),
            heights: &[],
            sums: &[],
        }
    }

    pub(super) fn u32s(&self, range: &std::ops::Range<usize>) -> &[u32] {
        aligned::as_u32(&self.block.bytes()[range.clone()])
    }

    /// Whether there is a graph to walk: not for few rows, nor where none was asked for.
    pub fn has_graph(&self) -> bool {
        self.header.degree > 0 && self.header.live > 0
    }

    /// Layer 0.
    pub(super) fn base_layer(&self) -> Layer<'_> {
        Layer { links: self.u32s(&self.layout.links), degree: self.header.degree as usize, ords: &[] }
    }

    /// Layer `level`, from 1.
    pub(super) fn upper_layer(&self, level: usize) -> Layer<'_> {
        Layer {
            links: self.u32s(&self.layout.upper[level - 1]),
            degree: self.header.m as usize,
            ords: self.u32s(&self.layout.slots),
        }
    }

    /// The rows that share the node of `head`, without `head`.
    pub(super) fn members_of(&self, head: u32) -> &[u32] {
        if !self.shared.contains(head) {
            return &[];
        }
        let Ok(at) = self.u32s(&self.layout.heads).binary_search(&head) else { return &[] };
        let starts = self.u32s(&self.layout.starts);
        &self.u32s(&self.layout.members)[starts[at] as usize..starts[at + 1] as usize]
    }

    pub(super) fn has_groups(&self) -> bool {
        self.header.groups > 0
    }

    /// Runs `job` with the scratch memory of this thread.
    pub(super) fn with_scratch<R>(&self, job: impl FnOnce(&mut Scratch) -> R) -> R {
        // Neither a thread that is ending nor a search within a search finds any.
        let mut scratch = IDLE.try_with(Cell::take).ok().flatten().unwrap_or_default();
        let result = job(&mut scratch);
        let _ = IDLE.try_with(|idle| idle.set(Some(scratch)));
        result
    }

    /// The same with the prepared `query`.
    pub(super) fn with_query<R>(&self, query: &[f32], job: impl FnOnce(&Query, &mut Scratch) -> R) -> R {
        self.with_scratch(|scratch| {
            let mut prepared = scratch.query.take().unwrap_or_default();
            self.quantizer.prepare(query, &mut prepared);
            let result = job(&prepared, scratch);
            scratch.query = Some(prepared);
            result
        })
    }
}
