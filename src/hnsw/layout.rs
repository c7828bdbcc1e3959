//! Where the parts of an index lie in its one block of memory, which is also its stored form.
//!
//! ```text
//! header    256 bytes, 64 little-endian words (see `Header`)
//! mean      dim f32
//! codes     rows * stride bytes
//! factors   rows * 2 f32: scale, squared norm            (when has_factors)
//! present   rows bits in u64 words
//! signs     rows * s bytes                               (when has_signs)
//! links     rows * degree u32, NONE-padded               (when degree > 0)
//! slots     counts[0] u32: ord of each upper node
//! upper     for each layer l >= 1: counts[l-1] * m u32
//! heads     groups u32, ascending: the node of each group of equal codes
//! starts    groups + 1 u32
//! members   u32, the other rows of each group
//! background  dim + 1 f64: the sum of the vectors, and of their squared norms    (from version 3)
//! ```
//! `s` is `dim` rounded up to a multiple of 64, divided by 8, plus 16, rounded up to a multiple of 64: 64 at 384 dimensions.
//! Every part starts at a multiple of 64. A row of links ends at its first NONE.

use crate::vector::aligned::{self, LINE};
use crate::vector::codes::Signs;
use std::ops::Range;

pub(super) const MAGIC: u32 = 0x3156_4c4e;
/// Version 1 had no signs, version 2 no background; everything else is the same.
pub(super) const VERSION: u32 = 3;
pub(super) const HEADER: usize = 256;
pub(super) const MAX_LEVELS: usize = 16;

/// The numbers of the header.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Header {
    /// The kind of codes (`vector::codes::Kind`) as a number.
    pub kind: u32,
    /// The metric as a number.
    pub metric: u32,
    /// Dimensions.
    pub dim: u32,
    /// Rows, those without a vector included.
    pub rows: u32,
    /// Rows with a vector.
    pub live: u32,
    /// Links of a node on the lowest layer; 0 where there is no graph.
    pub degree: u32,
    /// Links of a node on the upper layers.
    pub m: u32,
    /// The node where walks begin.
    pub entry: u32,
    /// 1 where rows have factors.
    pub has_factors: u32,
    /// 1 where rows have 1-bit codes.
    pub has_signs: u32,
    /// 1 where the background of the rows is stored.
    pub has_background: u32,
    /// Groups of rows with equal codes.
    pub groups: u32,
    /// Rows in groups besides the node of each.
    pub members: u32,
    /// The quantizer's constants of the same names.
    pub unit: f32,
    pub uniform: f32,
    pub residual: f32,
    pub largest: f32,
    /// Nodes of each upper layer, from the lowest.
    pub counts: Vec<u32>,
    /// Breadth of a walk unless a search asks for another; 0 where it was not measured.
    pub breadth: u32,
}

/// The word of the header that says it. Older builds left it 0 and do not read it.
pub(super) const BREADTH_WORD: usize = 18 + MAX_LEVELS;
/// Breadth of a walk on easy data, and where it was not measured.
pub(super) const USUAL_BREADTH: usize = 128;
/// The largest that is read from a file: a later build may choose more than this one does.
pub(super) const LARGEST_BREADTH: u32 = 1 << 20;

/// Byte ranges of the parts.
#[derive(Debug, Clone, Default)]
pub(super) struct Layout {
    pub mean: Range<usize>,
    pub codes: Range<usize>,
    pub factors: Range<usize>,
    pub present: Range<usize>,
    pub signs: Range<usize>,
    pub links: Range<usize>,
    pub slots: Range<usize>,
    pub upper: Vec<Range<usize>>,
    pub heads: Range<usize>,
    pub starts: Range<usize>,
    pub members: Range<usize>,
    pub background: Range<usize>,
    pub total: usize,
}

impl Header {
    pub fn to_words(&self) -> Vec<u32> {
        let mut words = vec![
            MAGIC,
            VERSION,
            self.kind,
            self.metric,
            self.dim,
            self.rows,
            self.live,
            self.degree,
            self.m,
            self.entry,
            self.has_factors | self.has_signs << 1 | self.has_background << 2,
            self.groups,
            self.members,
            self.unit.to_bits(),
            self.uniform.to_bits(),
            self.residual.to_bits(),
            self.largest.to_bits(),
            self.counts.len() as u32,
        ];
        words.extend(&self.counts);
        words.resize(HEADER / 4, 0);
        words[BREADTH_WORD] = self.breadth;
        words
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let bytes = bytes.get(..HEADER).ok_or_else(|| "the index is shorter than its header".to_string())?;
        let words = aligned::as_u32(bytes);
        let word = |at: usize| words.get(at).copied().unwrap_or(0);
        if word(0) != MAGIC {
            return Err("the index has no nearlite mark".into());
        }
        if !(1..=VERSION).contains(&word(1)) {
            return Err(format!("the index has version {}, this build reads {VERSION}", word(1)));
        }
        let levels = word(17) as usize;
        if levels > MAX_LEVELS {
            return Err(format!("the index claims {levels} layers"));
        }
        Ok(Self {
            kind: word(2),
            metric: word(3),
            dim: word(4),
            rows: word(5),
            live: word(6),
            degree: word(7),
            m: word(8),
            entry: word(9),
            has_factors: word(10) & 1,
            has_signs: word(10) >> 1 & 1,
            has_background: word(10) >> 2,
            groups: word(11),
            members: word(12),
            unit: f32::from_bits(word(13)),
            uniform: f32::from_bits(word(14)),
            residual: f32::from_bits(word(15)),
            largest: f32::from_bits(word(16)),
            counts: (0..levels).map(|at| word(18 + at)).collect(),
            breadth: word(BREADTH_WORD),
        })
    }

    /// The layout that these numbers give; `None` when it does not fit in memory at all.
    pub fn layout(&self, stride: usize) -> Option<Layout> {
        let mut end = HEADER;
        let mut part = |count: usize, size: usize| -> Option<Range<usize>> {
            let start = end;
            let stop = start.checked_add(count.checked_mul(size)?)?;
            end = stop.checked_next_multiple_of(LINE)?;
            Some(start..stop)
        };
        let rows = self.rows as usize;
        Some(Layout {
            mean: part(self.dim as usize, 4)?,
            codes: part(rows, stride)?,
            factors: part(if self.has_factors == 1 { rows } else { 0 }, 8)?,
            present: part(rows.div_ceil(64), 8)?,
            signs: part(if self.has_signs == 1 { rows } else { 0 }, Signs::stride_of(self.dim as usize))?,
            links: part(rows.checked_mul(self.degree as usize)?, 4)?,
            slots: part(self.counts.first().copied().unwrap_or(0) as usize, 4)?,
            upper: self
                .counts
                .iter()
                .map(|count| part((*count as usize).checked_mul(self.m as usize)?, 4))
                .collect::<Option<Vec<_>>>()?,
            heads: part(self.groups as usize, 4)?,
            starts: part(self.groups as usize + 1, 4)?,
            members: part(self.members as usize, 4)?,
            background: part(if self.has_background == 1 { self.dim as usize + 1 } else { 0 }, 8)?,
            total: end,
        })
    }
}
