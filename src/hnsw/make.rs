//! Makes a [`VectorIndex`]: codes, groups of equal rows, the graph, and finer codes where those asked for are too coarse.

use super::build::Draft;
use super::index::VectorIndex;
use super::layout::{BREADTH_WORD, Header};
use super::merge::{Part, Stay};
use super::{Rows, background, breadth, fidelity, repair};
use crate::bitmap::Bitmap;
use crate::error::{Error, Result};
use crate::limits::MAX_THREADS;
use crate::schema::{IndexKind, VectorSpec};
use crate::vector::Codes;
use crate::vector::aligned::{self, Block};
use crate::vector::background::Background;
use crate::vector::codes::{CodeSet, Kind};

/// Fewer vectors than this are scanned faster than a graph is walked.
const GRAPH_FROM: usize = 256;

/// Rows with equal codes: `heads` are in the graph, `members` are not.
#[derive(Default)]
struct EqualRows {
    pub heads: Vec<u32>,
    pub starts: Vec<u32>,
    pub members: Vec<u32>,
}

impl EqualRows {
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
        Self::make_fine(spec, rows, (&[], Stay::Long), threads, progress)
    }

    /// As [`VectorIndex::build`], but starts from the graphs of `parts`, the largest first.
    pub fn merge(
        spec: &VectorSpec,
        rows: &Rows<'_>,
        parts: (&[Part<'_>], Stay),
        threads: usize,
        progress: &mut dyn FnMut(usize, usize) -> bool,
    ) -> Result<Self> {
        Self::make_fine(spec, rows, parts, threads, progress)
    }

    /// Makes the index on the codes asked for, and again on finer ones when they turn out too coarse for the data.
    fn make_fine(
        spec: &VectorSpec,
        rows: &Rows<'_>,
        (mut parts, stay): (&[Part<'_>], Stay),
        threads: usize,
        progress: &mut dyn FnMut(usize, usize) -> bool,
    ) -> Result<Self> {
        let mut spec = spec.clone();
        let threads = threads.min(rows.data.len() / spec.dim.max(1)).clamp(1, MAX_THREADS);
        // What was too coarse for the older graph is not tried again.
        if let Some(base) = parts.first() {
            spec.codes = match (base.index.quantizer.kind, spec.codes) {
                (Kind::Float, _) => Codes::None,
                (Kind::Int8, Codes::Bit) => Codes::Int8,
                (_, codes) => codes,
            };
        }
        loop {
            let index = Self::make(&spec, rows, (std::mem::take(&mut parts), stay), threads, progress)?;
            spec.codes = match index.quantizer.kind {
                Kind::Int8 if !fidelity::sufficient(&index, &spec, rows) => Codes::None,
                Kind::Bit if !fidelity::sufficient(&index, &spec, rows) => Codes::Int8,
                _ => return index.with_breadth(&spec, rows, threads, progress),
            };
        }
    }

    /// Measures how broadly it has to be walked, and notes that.
    fn with_breadth(
        mut self,
        spec: &VectorSpec,
        rows: &Rows<'_>,
        threads: usize,
        progress: &mut dyn FnMut(usize, usize) -> bool,
    ) -> Result<Self> {
        if !self.has_graph() {
            return Ok(self);
        }
        let total = self.len();
        let breadth = breadth::measure(&self, spec, rows, threads, &mut || progress(total, total))? as u32;
        self.header.breadth = breadth;
        self.block.bytes_mut()[BREADTH_WORD * 4..][..4].copy_from_slice(&breadth.to_le_bytes());
        Ok(self)
    }

    fn make(
        spec: &VectorSpec,
        rows: &Rows<'_>,
        (parts, stay): (&[Part<'_>], Stay),
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
            let groups = EqualRows { starts: vec![0], ..EqualRows::default() };
            return Self::freeze(codes, present, None, &groups, &background);
        };
        if live < GRAPH_FROM {
            let groups = EqualRows { starts: vec![0], ..EqualRows::default() };
            return Self::freeze(codes, present, None, &groups, &background);
        }
        let groups = EqualRows::find(&codes, &present);
        let mut nodes = present.clone();
        groups.members.iter().for_each(|ord| nodes.remove(*ord));
        let m = usize::from(m).max(2);
        let mut draft = Draft::new(nodes.iter(), count, m)?;
        let ef = usize::from(ef_construction).max(m);
        let mut adopted = Vec::with_capacity(parts.len());
        for part in parts {
            adopted.push(draft.adopt(&codes, part, &nodes, threads, &mut || progress(0, live))?);
        }
        let base = if adopted.is_empty() { Bitmap::empty(count) } else { adopted.remove(0) };
        let waves: Vec<Vec<u32>> = adopted.iter().map(|part| draft.waves(part)).collect();
        let mut placed = base;
        waves.iter().flatten().for_each(|ord| placed.insert(*ord));
        let waiting: usize = waves.iter().map(Vec::len).sum();
        let (mut before, total) = (0, draft.order.len() + waiting);
        let placed = |ord| placed.contains(ord);
        let inserted = stay.inserted(ef).max(m);
        draft.grow(&codes, inserted, threads, &placed, &mut |done, _| progress(done, total))?;
        before += draft.order.len();
        for rows in &waves {
            draft.join(&codes, rows, (ef, stay), threads, &mut |done| progress(before + done, total))?;
            before += rows.len();
        }
        repair::connect(&mut draft, codes.view(), &mut || progress(total, total))?;
        Self::freeze(codes, present, Some(draft), &groups, &background)
    }

    /// Lays everything out in one block, in the stored form. Pages of the block take memory when they are first written, and what
    /// was copied there is freed at once, so nothing of size is there twice.
    fn freeze(
        mut codes: CodeSet,
        present: Bitmap,
        mut draft: Option<Draft>,
        groups: &EqualRows,
        background: &Background,
    ) -> Result<Self> {
        codes.strip();
        for layer in draft.iter_mut().flat_map(|draft| &mut draft.layers) {
            layer.keys = Vec::new();
        }
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
            breadth: 0,
            counts: draft.as_ref().map_or(Vec::new(), |d| d.counts.iter().map(|c| *c as u32).collect()),
        };
        let too_large = || Error::Value("the vectors of one segment do not fit in memory".into());
        let layout = header.layout(quantizer.stride).ok_or_else(too_large)?;
        let mut block = Block::try_zeroed(layout.total)?;
        let bytes = block.bytes_mut();
        let mut put =
            |range: &std::ops::Range<usize>, from: &[u8]| bytes[range.clone()].copy_from_slice(from);
        put(&(0..super::layout::HEADER), aligned::as_bytes(&header.to_words()));
        put(&layout.mean, aligned::as_bytes(&codes.quantizer.mean));
        if let Some(draft) = draft {
            put(&layout.slots, aligned::as_bytes(&draft.order[..layout.slots.len() / 4]));
            for (range, layer) in std::iter::once(&layout.links).chain(&layout.upper).zip(draft.layers) {
                put(range, aligned::as_bytes(&layer.links));
            }
        }
        if let Some(signs) = codes.signs.take() {
            put(&layout.signs, &signs.block.bytes()[..layout.signs.len()]);
        }
        if keep_factors {
            put(&layout.factors, aligned::as_bytes(&codes.factors));
        }
        put(&layout.codes, &codes.codes.bytes()[..layout.codes.len()]);
        drop(codes.codes);
        put(&layout.present, aligned::as_bytes(present.words()));
        put(&layout.heads, aligned::as_bytes(&groups.heads));
        put(&layout.starts, aligned::as_bytes(&groups.starts));
        put(&layout.members, aligned::as_bytes(&groups.members));
        put(&layout.background, aligned::as_bytes(&background::to_words(background)));
        Ok(Self::from_parts(block, header, layout, codes.quantizer, present))
    }
}
