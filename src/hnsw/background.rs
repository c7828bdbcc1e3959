//! The background of an index: what its rows have in common, for the similarity of a typical row to a query.

use super::index::VectorIndex;
use super::layout::Layout;
use crate::vector::aligned;
use crate::vector::background::Background;
use crate::vector::codes::LONGEST;

impl VectorIndex {
    /// The background of all rows that have a vector: as it was stored, or from the codes where an older version stored
    /// none.
    pub fn background(&self) -> &Background {
        self.background.get_or_init(|| self.read_background())
    }

    fn read_background(&self) -> Background {
        let stored = aligned::as_u64(&self.block.bytes()[self.layout.background.clone()]);
        match stored.split_last() {
            Some((squares, sum)) if !sum.is_empty() => Background::from_sums(
                self.len(),
                sum[..self.header.dim as usize].iter().map(|bits| f64::from_bits(*bits)).collect(),
                f64::from_bits(*squares),
            ),
            _ => self.codes().background(self.present.iter()),
        }
    }

    /// The background of some rows, from their codes; those without a vector do not count.
    pub fn background_of(&self, ords: impl Iterator<Item = u32>) -> Background {
        self.codes().background(ords.filter(|ord| self.present.contains(*ord)))
    }

    /// Whether some rows, by their codes, are larger together than what is left without them. A row that was shortened to be
    /// coded is larger than all usual rows, however large it was.
    pub fn outweighs(&self, some: &Background, left: &Background) -> bool {
        let longest = f64::from(self.quantizer.unit) * LONGEST / 2.0;
        some.sums().1 > left.sums().1.min(longest * longest)
    }
}

/// The stored form: the sum of the vectors and the sum of their squared norms, as f64.
pub(super) fn to_words(background: &Background) -> Vec<u64> {
    let (sum, squares) = background.sums();
    sum.iter().chain([&squares]).map(|x| x.to_bits()).collect()
}

/// Whether the stored numbers are finite.
pub(super) fn sound(bytes: &[u8], layout: &Layout) -> bool {
    aligned::as_u64(&bytes[layout.background.clone()]).iter().all(|bits| f64::from_bits(*bits).is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hnsw::Rows;
    use crate::schema::VectorSpec;
    use crate::vector::{Codes, Metric};

    #[test]
    fn codes_give_the_background_that_is_stored_for_every_kind_of_codes() {
        let (rows, dim) = (700_usize, 320_usize);
        let value = |at: usize| ((at as f32 * 0.731).sin() + (at % dim) as f32 * 0.01) * 2.5;
        let data: Vec<f32> = (0..rows * dim).map(value).collect();
        let query = &data[3 * dim..4 * dim];
        for metric in [Metric::Cosine, Metric::L2, Metric::Ip] {
            let mut exact = Background::new(dim);
            data.chunks_exact(dim).for_each(|row| exact.add(metric, row));
            let typical = exact.similarity(metric, query).unwrap();
            for codes in [Codes::Int8, Codes::None, Codes::Bit] {
                let spec = VectorSpec { codes, ..VectorSpec::new(dim, metric) };
                let input = Rows { data: &data, dim, present: None };
                let index = VectorIndex::build(&spec, &input, 1, &mut |_, _| true).unwrap();
                let again = VectorIndex::decode(index.encode().to_vec(), &spec, rows).unwrap();
                assert_eq!(again.background(), &exact, "{metric:?} {codes:?}");
                let decoded = again.background_of(0..rows as u32).similarity(metric, query).unwrap();
                let allowed = typical.abs().max(0.1) * if codes == Codes::Bit { 0.02 } else { 1e-3 };
                assert!((decoded - typical).abs() < allowed, "{metric:?} {codes:?}: {decoded} {typical}");
            }
        }
    }
}
