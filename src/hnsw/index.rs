//! [`VectorIndex`]: its making, its numbers and the views that searches work on.

use super::build::Draft;
use super::graph::{Layer, Scratch};
use super::layout::{Header, Layout};
use super::{Rows, background, fidelity, repair};
use crate::bitmap::Bitmap;
use crate::error::{Error, Result};
use crate::limits::MAX_THREADS;
use crate::schema::{IndexKind, VectorSpec};
use crate::vector::Codes;
use crate::vector::aligned::{self, Block};
use crate::vector::background::Background;
use crate::vector::codes::{CodeSet, Kind, Quantizer, Query, SignRows, View};
use crate::vector::kernels::Table;
use std::cell::Cell;
use std::sync::OnceLock;

/// Fewer vectors than this are scanned faster than a graph is walked.
const GRAPH_FROM: usize = 256;

/// An immutable index over the vectors of one segment. Row `i` of its input is `ord` `i`.
pub(crate) struct VectorIndex {
    pub(super) block: Block,
    pub(super) header: Header,
    pub(super) layout: Layout,
    pub(super) quantizer: Quantizer,
    pub(super) present: Bitmap,
    /// Nodes that stand for several rows.
    shared: Bitmap,
    pub(super) background: OnceLock<Background>,
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

/// Rows with equal codes: `heads` are in the graph, `members` are not.
#[derive(Default)]
pub(super) struct Groups {
    pub heads: Vec<u32>,
    pub starts: Vec<u32>,
    pub members: Vec<u32>,
}

impl Groups {
    /// Groups the `present` rows whose codes are the same bytes.
    fn find(codes: &CodeSet, present: &Bitmap) -> Self {
        let stride = codes.quantizer.stride;
        let row = |ord: u32| {
            let at = ord as usize;
            let factor = codes.factors.get(at * 2..at * 2 + 2).unwrap_or_default();
            (&codes.codes.bytes()[at * stride..][..stride], aligned::as_bytes(factor))
        };
        let mut hashed: Vec<(u32, u32)> = present
            .iter()
            .map(|ord| {
                let (code, factor) = row(ord);
                let mut hash = crc32fast::Hasher::new();
                hash.update(code);
                hash.update(factor);
                (hash.finalize(), ord)
            })
            .collect();
        hashed.sort_unstable();
        let mut groups: Vec<(u32, Vec<u32>)> = Vec::new();
        for same in hashed.chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() > 1) {
            let first = groups.len();
            let mut heads: Vec<u32> = Vec::new();
            for (_, ord) in same {
                // Different rows of one hash are rare; a linear search over the heads of the hash is enough.
                match heads.iter().position(|head| row(*head) == row(*ord)) {
                    Some(at) => groups[first + at].1.push(*ord),
                    None => {
                        heads.push(*ord);
                        groups.push((*ord, Vec::new()));
                    }
                }
            }
        }
        groups.retain(|group| !group.1.is_empty());
        groups.sort_unstable_by_key(|group| group.0);
        let mut out = Self { starts: vec![0], ..Self::default() };
        for (head, members) in groups {
            out.heads.push(head);
            out.members.extend(members);
            out.starts.push(out.members.len() as u32);
        }
        out
    }
}

impl VectorIndex {
    /// Builds the index of `rows`. `progress(done, total)` may return false to stop with [`Error::Interrupted`].
    /// The result does not depend on `threads`.
    pub fn build(
        spec: &VectorSpec,
        rows: &Rows<'_>,
        threads: usize,
        progress: &mut dyn FnMut(usize, usize) -> bool,
    ) -> Result<Self> {
        Self::make_fine(spec, rows, None, threads, progress)
    }

    /// As [`VectorIndex::build`], but starts from the graph of `base`, whose ord `i` is now `map[i]`, or dropped.
    pub fn merge(
        spec: &VectorSpec,
        rows: &Rows<'_>,
        base: &Self,
        map: &[Option<u32>],
        threads: usize,
        progress: &mut dyn FnMut(usize, usize) -> bool,
    ) -> Result<Self> {
        Self::make_fine(spec, rows, Some((base, map)), threads, progress)
    }

    /// Makes the index on the codes asked for, and again on finer ones when they turn out too coarse for the data.
    fn make_fine(
        spec: &VectorSpec,
        rows: &Rows<'_>,
        base: Option<(&Self, &[Option<u32>])>,
        threads: usize,
        progress: &mut dyn FnMut(usize, usize) -> bool,
    ) -> Result<Self> {
        let (mut spec, mut base) = (spec.clone(), base);
        let threads = threads.min(rows.data.len() / spec.dim.max(1)).clamp(1, MAX_THREADS);
        // What was too coarse for the older graph is not tried again.
        if let Some((base, _)) = base {
            spec.codes = match (base.quantizer.kind, spec.codes) {
                (Kind::Float, _) => Codes::None,
                (Kind::Int8, Codes::Bit) => Codes::Int8,
                (_, codes) => codes,
            };
        }
        loop {
            let index = Self::make(&spec, rows, base.take(), threads, progress)?;
            spec.codes = match index.quantizer.kind {
                Kind::Float => return Ok(index),
                _ if fidelity::sufficient(&index, &spec, rows) => return Ok(index),
                Kind::Int8 => Codes::None,
                Kind::Bit => Codes::Int8,
            };
        }
    }

    fn make(
        spec: &VectorSpec,
        rows: &Rows<'_>,
        base: Option<(&Self, &[Option<u32>])>,
        threads: usize,
        progress: &mut dyn FnMut(usize, usize) -> bool,
    ) -> Result<Self> {
        let dim = spec.dim.max(1);
        let count = rows.data.len() / dim;
        if rows.dim != spec.dim || rows.data.len() != count * dim || count >= (u32::MAX >> 1) as usize {
            return Err(Error::Value(format!("{} floats are not rows of {dim}", rows.data.len())));
        }
        let present = rows.present.map_or_else(
            || Bitmap::full(count),
            |set| Bitmap::from_fn(count, |ord| set.contains(ord as u32)),
        );
        let live = present.count();
        if !progress(0, live) {
            return Err(Error::Interrupted);
        }
        let mut background = Background::new(dim);
        for ord in present.iter() {
            background.add(spec.metric, &rows.data[ord as usize * dim..][..dim]);
        }
        let codes = CodeSet::encode(spec.metric, spec.codes, dim, rows.data, &present, threads)?;
        let IndexKind::Hnsw { m, ef_construction } = spec.index else {
            let groups = Groups { starts: vec![0], ..Groups::default() };
            return Self::freeze(codes, present, None, &groups, &background);
        };
        if live < GRAPH_FROM {
            let groups = Groups { starts: vec![0], ..Groups::default() };
            return Self::freeze(codes, present, None, &groups, &background);
        }
        let groups = Groups::find(&codes, &present);
        let mut nodes = present.clone();
        groups.members.iter().for_each(|ord| nodes.remove(*ord));
        let m = usize::from(m).max(2);
        let mut draft = Draft::new(nodes.iter(), count, m)?;
        let ef = usize::from(ef_construction).max(m);
        let placed = match base {
            Some((base, map)) => draft.adopt(&codes, base, map, &nodes, threads),
            None => Bitmap::empty(0),
        };
        draft.grow(&codes, ef, threads, &|ord| placed.contains(ord), progress)?;
        repair::connect(&mut draft, codes.view());
        Self::freeze(codes, present, Some(draft), &groups, &background)
    }

    /// Lays everything out in one block, in the stored form.
    fn freeze(
        mut codes: CodeSet,
        present: Bitmap,
        draft: Option<Draft>,
        groups: &Groups,
        background: &Background,
    ) -> Result<Self> {
        codes.strip();
        let quantizer = &codes.quantizer;
        let keep_factors = quantizer.kind == Kind::Int8
            && (quantizer.metric == crate::vector::Metric::L2 || quantizer.uniform == 0.0);
        let header = Header {
            kind: quantizer.kind as u32,
            metric: quantizer.metric as u32,
            dim: quantizer.dim as u32,
            rows: present.len() as u32,
            live: present.count() as u32,
            degree: draft.as_ref().map_or(0, |draft| draft.layers[0].degree as u32),
            m: draft.as_ref().map_or(0, |draft| draft.layers[0].degree as u32 / 2),
            entry: draft.as_ref().and_then(|draft| draft.order.first().copied()).unwrap_or(0),
            has_factors: u32::from(keep_factors),
            has_signs: u32::from(codes.signs.is_some()),
            has_background: 1,
            groups: groups.heads.len() as u32,
            members: groups.members.len() as u32,
            unit: quantizer.unit,
            uniform: quantizer.uniform,
            residual: quantizer.residual,
            largest: quantizer.largest,
            counts: draft.as_ref().map_or(Vec::new(), |d| d.counts.iter().map(|c| *c as u32).collect()),
        };
        let too_large = || Error::Value("the vectors of one segment do not fit in memory".into());
        let layout = header.layout(quantizer.stride).ok_or_else(too_large)?;
        let mut block = Block::try_zeroed(layout.total)?;
        let bytes = block.bytes_mut();
        let mut put =
            |range: &std::ops::Range<usize>, from: &[u8]| bytes[range.clone()].copy_from_slice(from);
        put(&(0..super::layout::HEADER), aligned::as_bytes(&header.to_words()));
        put(&layout.mean, aligned::as_bytes(&quantizer.mean));
        put(&layout.codes, &codes.codes.bytes()[..layout.codes.len()]);
        if keep_factors {
            put(&layout.factors, aligned::as_bytes(&codes.factors));
        }
        put(&layout.present, aligned::as_bytes(present.words()));
        if let Some(signs) = &codes.signs {
            put(&layout.signs, &signs.block.bytes()[..layout.signs.len()]);
        }
        if let Some(draft) = &draft {
            put(&layout.links, aligned::as_bytes(&draft.layers[0].links));
            put(&layout.slots, aligned::as_bytes(&draft.order[..layout.slots.len() / 4]));
            for (range, layer) in layout.upper.iter().zip(&draft.layers[1..]) {
                put(range, aligned::as_bytes(&layer.links));
            }
        }
        put(&layout.heads, aligned::as_bytes(&groups.heads));
        put(&layout.starts, aligned::as_bytes(&groups.starts));
        put(&layout.members, aligned::as_bytes(&groups.members));
        put(&layout.background, aligned::as_bytes(&background::to_words(background)));
        Ok(Self::from_parts(block, header, layout, codes.quantizer, present))
    }

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
        Self { block, header, layout, quantizer, present, shared, background: OnceLock::new() }
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
        self.block.bytes().len() + self.present.memory_bytes() + self.shared.memory_bytes()
    }

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

    pub(super) fn prepare(&self, query: &[f32]) -> Query {
        self.quantizer.query(query)
    }
}
