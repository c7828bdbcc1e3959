//! Stored form: the block itself (grammar in `layout`). Decoding proves every bound that searches rely on.

use super::background;
use super::graph::NONE;
use super::index::VectorIndex;
use super::layout::{Header, LARGEST_BREADTH};
use crate::bitmap::Bitmap;
use crate::schema::VectorSpec;
use crate::vector::aligned::{self, Block};
use crate::vector::codes::{Kind, Quantizer, Signs};

impl VectorIndex {
    /// The stored form.
    pub fn encode(&self) -> &[u8] {
        &self.block.bytes()[..self.layout.total]
    }

    /// As [`decode_block`](Self::decode_block), for bytes anywhere.
    #[cfg(test)]
    pub fn decode(bytes: Vec<u8>, spec: &VectorSpec, rows: usize) -> Result<Self, String> {
        Self::decode_block(Block::copy_of(&bytes), bytes.len(), spec, rows)
    }

    /// Takes the stored form of an index of `rows` rows, the first `length` bytes of `block`, and says what is damaged.
    ///
    /// # Errors
    /// A sentence for [`crate::Error::Corrupt`].
    pub fn decode_block(block: Block, length: usize, spec: &VectorSpec, rows: usize) -> Result<Self, String> {
        let header = Header::from_bytes(block.bytes())?;
        let kind = match header.kind {
            0 => Kind::Int8,
            1 => Kind::Float,
            2 => Kind::Bit,
            other => return Err(format!("the index has codes of kind {other}")),
        };
        let dim = header.dim as usize;
        if dim != spec.dim || header.metric != spec.metric as u32 {
            return Err(format!("the index has {dim} dimensions and metric {}", header.metric));
        }
        if header.rows as usize != rows || rows >= NONE as usize / 2 {
            return Err(format!("the index has {} rows, the segment {rows}", header.rows));
        }
        if header.degree > 1024 || header.m > 512 || header.has_factors > 1 {
            return Err("the index has an impossible degree".into());
        }
        if header.breadth > LARGEST_BREADTH {
            return Err(format!("the index asks for walks of breadth {}", header.breadth));
        }
        let finite = [header.unit, header.uniform, header.residual, header.largest];
        if finite.iter().any(|x| !x.is_finite() || *x < 0.0) || header.unit == 0.0 {
            return Err("the index has an impossible scale".into());
        }
        let stride = Quantizer::stride_of(kind, dim);
        let layout = header.layout(stride).ok_or("the index claims more than memory holds")?;
        if layout.total != length {
            return Err(format!("the index has {length} bytes, its header asks for {}", layout.total));
        }
        let bytes = block.bytes();
        let mean = aligned::as_f32(&bytes[layout.mean.clone()]).to_vec();
        if mean.iter().any(|x| !x.is_finite()) {
            return Err("the mean of the index is not finite".into());
        }
        if aligned::as_f32(&bytes[layout.factors.clone()]).iter().any(|x| !x.is_finite()) {
            return Err("a factor of the index is not finite".into());
        }
        if kind == Kind::Int8
            && header.has_factors == 0
            && (header.uniform == 0.0 || spec.metric == crate::vector::Metric::L2)
        {
            return Err("the index has no factors".into());
        }
        if kind == Kind::Float && aligned::as_f32(&bytes[layout.codes.clone()]).iter().any(|x| !x.is_finite())
        {
            return Err("a vector of the index is not finite".into());
        }
        let signs = (header.has_signs == 1).then(|| Signs::new(dim));
        if header.has_background > 1 || !background::sound(bytes, &layout) {
            return Err("the background of the index is not finite".into());
        }
        if kind == Kind::Bit && signs.is_none() {
            return Err("the index has no codes".into());
        }
        if let Some(shape) = &signs
            && !shape.sound(&bytes[layout.signs.clone()])
        {
            return Err("a factor of a 1-bit code is not finite".into());
        }
        let words = aligned::as_u64(&bytes[layout.present.clone()]);
        let present = Bitmap::from_fn(rows, |ord| words[ord / 64] >> (ord % 64) & 1 == 1);
        if present.words() != words || present.count() != header.live as usize {
            return Err(format!("the index does not have its {} vectors", header.live));
        }
        let quantizer = Quantizer {
            metric: spec.metric,
            kind,
            dim,
            stride,
            unit: header.unit,
            uniform: header.uniform,
            residual: header.residual,
            usual: Default::default(),
            largest: header.largest,
            mean,
            signs,
        };
        let index = Self::from_parts(block, header, layout, quantizer, present);
        index.check_groups()?;
        index.check_graph()?;
        Ok(index)
    }

    fn check_graph(&self) -> Result<(), String> {
        let header = &self.header;
        if header.degree == 0 {
            return if header.counts.is_empty() { Ok(()) } else { Err("upper layers without links".into()) };
        }
        if header.m == 0 || !self.present.contains(header.entry) {
            return Err(format!("the entry {} is not a row", header.entry));
        }
        let links = self.u32s(&self.layout.links);
        if let Some(bad) = links.iter().find(|id| **id != NONE && **id >= header.rows) {
            return Err(format!("a link leads to row {bad}"));
        }
        let mut nodes = self.present.clone();
        self.u32s(&self.layout.members).iter().for_each(|ord| nodes.remove(*ord));
        if nodes.count() < self.rows()
            && let Some(bad) = links.iter().find(|id| **id != NONE && !nodes.contains(**id))
        {
            return Err(format!("a link leads to row {bad}, which is not in the graph"));
        }
        if !nodes.contains(header.entry) {
            return Err(format!("the entry {} is not in the graph", header.entry));
        }
        if let Some(bad) = self.u32s(&self.layout.slots).iter().find(|ord| !self.present.contains(**ord)) {
            return Err(format!("an upper node is row {bad}"));
        }
        let shrinking = header.counts.windows(2).all(|pair| pair[0] >= pair[1]);
        if !shrinking || header.counts.contains(&0) {
            return Err("the upper layers do not shrink".into());
        }
        for (count, range) in header.counts.iter().zip(&self.layout.upper) {
            if let Some(bad) = self.u32s(range).iter().find(|id| **id != NONE && **id >= *count) {
                return Err(format!("an upper link leads to node {bad} of {count}"));
            }
        }
        Ok(())
    }

    fn check_groups(&self) -> Result<(), String> {
        let heads = self.u32s(&self.layout.heads);
        let starts = self.u32s(&self.layout.starts);
        let members = self.u32s(&self.layout.members);
        let ascending = heads.windows(2).all(|pair| pair[0] < pair[1])
            && starts.windows(2).all(|pair| pair[0] <= pair[1])
            && starts.first() == Some(&0)
            && starts.last().map(|last| *last as usize) == Some(members.len());
        let mut seen = Bitmap::empty(self.rows());
        let distinct = heads.iter().chain(members).all(|ord| {
            let fresh = self.present.contains(*ord) && !seen.contains(*ord);
            if fresh {
                seen.insert(*ord);
            }
            fresh
        });
        if !ascending || !distinct {
            return Err("the groups of equal rows are out of order".into());
        }
        Ok(())
    }
}
