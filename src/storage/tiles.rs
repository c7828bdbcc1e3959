//! Tiles: how the vectors of neighbouring rows share pages of the file.
//!
//! A row of `t_vectors` wastes what is left of a page behind it: a quarter of the file at 384 or 768 dimensions, half
//! of it at 512. So rows are taken together by rowid, `rows` at a time, and the slots of one *tile* stand side by side in
//! `pieces` blobs that fill a page each. Where a slot is follows from the rowid alone; a vector lies in one piece or in
//! few that follow each other.
//!
//! ```text
//! tile of a row  = rowid / rows, rounded down              index = rowid mod rows
//! piece          = row of t_tiles, id = tile * pieces + 0 .. pieces - 1; all PIECE bytes, the last one fewer
//! tile's bytes   = slot*rows                               the pieces in order
//! slot           = vector for each VECTOR column
//! vector         = narrow form after 1:u8 (STORE f32)  |  the stored halves after 1:u8 (STORE f16)  |  zeros: there is none
//! ```
//!
//! This file knows the arithmetic and the bytes; what is read and written when is in `packing`.

use crate::schema::{Schema, VectorSpec};
use crate::vector::narrow::{narrow, narrow_len, widen};
use crate::vector::{Store, f16_to_f32};

/// Bytes of a piece: with its record and cell headers it is the largest value that SQLite keeps on one page of 4 KiB. On
/// larger pages a whole number of pieces fits as well.
pub(super) const PIECE: usize = 4057;

/// What SQLite adds to a row of one blob, in bytes of a page: cell pointer, lengths, rowid.
const ROW_OVERHEAD: usize = 13;

/// Bytes of a leaf page of 4 KiB for cells, and the most that a cell keeps on it.
const PAGE: usize = 4096;
const LEAF: usize = PAGE - 8;

/// Rows whose vectors have fewer bytes than this stay single: many share a page, so little of it is lost.
const WORTHWHILE: usize = 256;

/// A tile may have to be taken apart when a row leaves it, so it has few rows and pieces.
const MAX_ROWS: usize = 64;
const MAX_PIECES: usize = 64;

/// Where a vector column is in a slot.
#[derive(Debug, Clone)]
struct Part {
    start: usize,
    len: usize,
    /// Bytes of a stored vector.
    raw: usize,
    store: Store,
}

/// The arithmetic of a table's tiles.
#[derive(Debug, Clone)]
pub(super) struct Tiling {
    /// Rows of a tile.
    pub rows: usize,
    /// Pieces of a tile.
    pub pieces: usize,
    /// Stored bytes that a tile has to hold to be smaller than its rows are singly.
    pub least: usize,
    stride: usize,
    parts: Vec<Part>,
}

/// Where the slot of a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The tile's first rowid.
    pub low: i64,
    /// The tile's last rowid.
    pub high: i64,
    /// Id of the tile's first piece.
    pub first: i64,
    /// Id of the tile's last piece.
    pub last: i64,
    /// Number of the slot.
    pub index: usize,
}

/// Bytes of the file that a row of `bytes` bytes takes by itself, in 1/1000, page 4 KiB.
fn single_cost(bytes: usize) -> usize {
    let payload = bytes + 4;
    let local = if payload <= LEAF - 27 {
        payload
    } else {
        // SQLite's rule for what stays on the leaf when the rest goes to overflow pages.
        let least = (PAGE - 12) * 32 / 255 - 23;
        let local = least + (payload - least) % (PAGE - 4);
        if local <= LEAF - 27 { local } else { least }
    };
    let overflow = (payload - local).div_ceil(PAGE - 4) * PAGE;
    let a_page = (LEAF / (local + ROW_OVERHEAD - 4)).max(1);
    (overflow + PAGE.div_ceil(a_page)) * 1000
}

/// The vector columns of a slot.
fn parts(schema: &Schema) -> Vec<Part> {
    let mut start = 0;
    let part = |(_, VectorSpec { dim, store, .. }): (usize, &VectorSpec)| {
        let (len, raw) = match store {
            Store::F32 => (1 + narrow_len(*dim), dim * 4),
            Store::F16 => (1 + dim * 2, dim * 2),
        };
        start += len;
        Part { start: start - len, len, raw, store: *store }
    };
    schema.vectors().map(part).collect()
}

impl Tiling {
    /// How many rows to take together; 0 where they are stored as well singly.
    pub fn choose(schema: &Schema) -> usize {
        let raw: usize = parts(schema).iter().map(|part| part.raw).sum();
        if raw < WORTHWHILE {
            return 0;
        }
        let all: Vec<_> = (2..=MAX_ROWS)
            .filter_map(|rows| Self::new(schema, rows))
            .filter(|tiling| tiling.pieces <= MAX_PIECES)
            .collect();
        let a_row = |tiling: &Self| tiling.cost() / tiling.rows;
        let Some(best) = all.iter().map(a_row).min() else { return 0 };
        // The smallest of those that are within a hundredth of the best.
        let chosen = all.iter().find(|tiling| a_row(tiling) <= best + best / 100);
        chosen.filter(|tiling| tiling.least <= tiling.rows * raw).map_or(0, |tiling| tiling.rows)
    }

    /// Tiles of `rows` rows; `None` for no rows or too many.
    pub fn new(schema: &Schema, rows: usize) -> Option<Self> {
        let parts = parts(schema);
        let stride = parts.last().map_or(0, |part| part.start + part.len);
        let raw: usize = parts.iter().map(|part| part.raw).sum();
        let pieces = rows.checked_mul(stride)?.div_ceil(PIECE);
        if !(1..=MAX_ROWS).contains(&rows) || stride == 0 {
            return None;
        }
        let mut tiling = Self { rows, pieces, least: 0, stride, parts };
        // A tile that is only just smaller is not worth its writing.
        tiling.least = (tiling.cost() * 20).div_ceil(single_cost(raw) * 19) * raw;
        Some(tiling)
    }

    /// What a tile takes of the file, as [`single_cost`] counts.
    fn cost(&self) -> usize {
        if self.pieces == 1 { single_cost(self.bytes()) } else { self.pieces * PAGE * 1000 }
    }

    /// Where a row's slot is; `None` for rowids at the very ends of their range, which stay single.
    pub fn slot_of(&self, rowid: i64) -> Option<Place> {
        let (rows, pieces) = (self.rows as i64, self.pieces as i64);
        let tile = rowid.div_euclid(rows);
        let low = tile.checked_mul(rows)?;
        let first = tile.checked_mul(pieces)?;
        let (high, last) = (low.checked_add(rows - 1)?, first.checked_add(pieces - 1)?);
        Some(Place { low, high, first, last, index: rowid.rem_euclid(rows) as usize })
    }

    /// The tile that a piece belongs to.
    pub fn place_of_piece(&self, id: i64) -> Option<Place> {
        self.slot_of(id.div_euclid(self.pieces as i64).checked_mul(self.rows as i64)?)
    }

    /// Bytes of a whole tile.
    pub fn bytes(&self) -> usize {
        self.rows * self.stride
    }

    /// Stored bytes that the vectors of all its rows have together.
    pub fn raw_bytes(&self) -> usize {
        self.rows * self.parts.iter().map(|part| part.raw).sum::<usize>()
    }

    /// Bytes of the `at`-th piece of a tile.
    pub fn piece_len(&self, at: usize) -> usize {
        if at + 1 < self.pieces { PIECE } else { self.bytes() - (self.pieces - 1) * PIECE }
    }

    /// Bytes of one vector column in a slot, counted from the start of its tile.
    pub fn range(&self, place: Place, column: usize) -> Option<std::ops::Range<usize>> {
        let part = self.parts.get(column)?;
        let start = place.index * self.stride + part.start;
        Some(start..start + part.len)
    }

    /// Bytes of a slot, counted from the start of its tile.
    pub fn slot(&self, place: Place) -> std::ops::Range<usize> {
        let start = place.index * self.stride;
        start..start + self.stride
    }

    /// The pieces that hold a range of a tile's bytes: number, range of the piece.
    pub fn pieces_of(
        range: &std::ops::Range<usize>,
    ) -> impl Iterator<Item = (usize, std::ops::Range<usize>)> + use<> {
        let (mut at, end) = (range.start, range.end);
        std::iter::from_fn(move || {
            let stop = end.min((at / PIECE + 1) * PIECE);
            let found = (at < end).then(|| (at / PIECE, at % PIECE..at % PIECE + (stop - at)));
            at = stop;
            found
        })
    }

    /// Writes a slot; returns whether every vector has a form for it.
    pub fn fill(&self, vectors: &[Option<&[u8]>], slot: &mut [u8]) -> bool {
        slot.fill(0);
        self.parts.iter().zip(vectors).all(|(part, vector)| {
            let Some(out) = slot.get_mut(part.start..part.start + part.len) else { return false };
            let (Some(vector), Some((mark, out))) = (vector, out.split_first_mut()) else { return true };
            *mark = 1;
            match part.store {
                _ if vector.len() != part.raw => false,
                Store::F32 => narrow(vector, out),
                Store::F16 => {
                    out.copy_from_slice(vector);
                    true
                }
            }
        })
    }

    /// Reads the bytes of [`range`](Self::range) into `vector`; `Some(false)` where the row has no vector, `None` where
    /// the bytes are damaged.
    pub fn read(&self, column: usize, bytes: &[u8], vector: &mut [f32]) -> Option<bool> {
        let part = self.parts.get(column)?;
        match bytes.split_first()? {
            (0, _) => Some(false),
            (1, rest) => match part.store {
                Store::F32 => widen(rest, vector).then_some(true),
                Store::F16 => {
                    (rest.len() == part.raw && vector.len() * 2 == part.raw)
                        .then(|| f16_to_f32(rest, vector))?;
                    vector.iter().all(|value| value.is_finite()).then_some(true)
                }
            },
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Metric;

    fn tiling(dim: usize) -> Option<Tiling> {
        of(&Schema::new().vector("v", dim, Metric::Cosine))
    }

    fn of(schema: &Schema) -> Option<Tiling> {
        Tiling::new(schema, Tiling::choose(schema))
    }

    #[test]
    fn pieces_are_nearly_full_at_every_common_dimension() {
        for dim in [128, 256, 300, 384, 512, 768, 784, 960, 1024, 1536, 2048, 3072, 4096] {
            let tiling = tiling(dim).unwrap_or_else(|| panic!("{dim} has no tiles"));
            let share = (tiling.pieces * PAGE) as f64 / (tiling.rows * dim * 4) as f64;
            assert!(share < 0.95, "{dim}: {share}, {tiling:?}");
            assert!(tiling.least <= tiling.rows * dim * 4);
        }
    }

    #[test]
    fn small_rows_stay_single() {
        assert!(tiling(4).is_none());
        assert!(tiling(63).is_none());
        assert!(of(&Schema::new().full_text("body")).is_none());
    }

    #[test]
    fn every_rowid_has_a_slot_of_its_own_or_none() {
        let tiling = tiling(384).unwrap();
        let mut seen = std::collections::HashSet::new();
        for rowid in -200..200 {
            let place = tiling.slot_of(rowid).unwrap();
            assert!((place.low..=place.high).contains(&rowid));
            assert_eq!(place.last - place.first + 1, tiling.pieces as i64);
            for piece in place.first..=place.last {
                let same = tiling.place_of_piece(piece).unwrap();
                assert_eq!((same.low, same.first), (place.low, place.first));
            }
            assert!(seen.insert((place.first, place.index)));
        }
        for rowid in [i64::MIN, i64::MIN + 1, i64::MAX - 1, i64::MAX] {
            if let Some(place) = tiling.slot_of(rowid) {
                assert!((place.low..=place.high).contains(&rowid));
            }
        }
        // More pieces than rows: the ids run out before the rowids do.
        let wide = self::tiling(16_384).unwrap();
        assert!(
            wide.pieces > wide.rows && wide.slot_of(i64::MAX).is_none() && wide.slot_of(i64::MIN).is_none()
        );
    }

    #[test]
    fn the_pieces_of_a_tile_cover_it_once() {
        for dim in [70, 384, 1000, 5000] {
            let tiling = tiling(dim).unwrap();
            let all: Vec<_> = Tiling::pieces_of(&(0..tiling.bytes())).collect();
            assert_eq!(all.len(), tiling.pieces);
            for (at, range) in all {
                assert_eq!(range, 0..tiling.piece_len(at));
            }
        }
        assert_eq!(
            Tiling::pieces_of(&(4000..9000)).collect::<Vec<_>>(),
            [(0, 4000..4057), (1, 0..4057), (2, 0..886)]
        );
    }

    #[test]
    fn a_slot_gives_back_what_was_put_in() {
        let tiling = tiling(100).unwrap();
        let floats: Vec<f32> = (0..100).map(|i| i as f32 * 0.37 - 9.0).collect();
        let vector: Vec<u8> = floats.iter().flat_map(|value| value.to_le_bytes()).collect();
        let mut slot = vec![0xff; tiling.stride];
        let mut out = vec![0.0; 100];
        assert!(tiling.fill(&[Some(&vector)], &mut slot));
        assert_eq!(tiling.read(0, &slot, &mut out), Some(true));
        assert_eq!(out, floats);
        assert!(tiling.fill(&[None], &mut slot));
        assert_eq!(tiling.read(0, &slot, &mut out), Some(false));
        assert!(!tiling.fill(&[Some(&vector[4..])], &mut slot));
        slot[0] = 2;
        assert_eq!(tiling.read(0, &slot, &mut out), None);
        assert_eq!(tiling.read(0, &[], &mut out), None);
    }
}
