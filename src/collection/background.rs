//! What is kept of the backgrounds of vector columns: of the living rows of a segment with it, of all living rows with a view.
//!
//! Segments store the sums of all their rows. Dead rows are taken out by their codes; what is left is kept with the
//! segment, so that a view with a few more dead rows pays for those alone.

use crate::bitmap::Bitmap;
use crate::hnsw::VectorIndex;
use crate::vector::background::Background;
use parking_lot::Mutex;
use std::sync::OnceLock;

/// The background of one vector column over the rows of a segment that are not dead, for the last such set.
#[derive(Default)]
pub struct Living {
    last: Mutex<Option<(Bitmap, Background)>>,
}

impl Clone for Living {
    fn clone(&self) -> Self {
        Self { last: Mutex::new(self.last.lock().clone()) }
    }
}

impl Living {
    /// The background of the rows of `index` without the `dead`.
    pub fn background(&self, index: &VectorIndex, dead: &Bitmap) -> Background {
        let mut last = self.last.lock();
        let (known, mut background) =
            last.take().unwrap_or_else(|| (Bitmap::empty(dead.len()), index.background().clone()));
        let (mut more, mut fewer) = (dead.clone(), known.clone());
        more.and_not(&known);
        fewer.and_not(dead);
        let gone = index.background_of(more.iter());
        background.join(&index.background_of(fewer.iter()));
        background.remove(&gone);
        // The codes of what is gone are off by a share of its size. Where that was larger than all that is left, say by one row
        // far longer than the others, hardly anything else would be left; so the codes of the living rows are added up instead.
        if index.outweighs(&gone, &background) {
            let mut living = Bitmap::full(dead.len());
            living.and_not(dead);
            background = index.background_of(living.iter());
        }
        *last = Some((dead.clone(), background.clone()));
        background
    }
}

/// The backgrounds of a view's vector columns, computed when first needed.
#[derive(Clone, Default)]
pub struct Backgrounds {
    pub columns: Vec<OnceLock<Background>>,
}

impl Backgrounds {
    /// For this many vector columns.
    pub fn new(columns: usize) -> Self {
        Self { columns: (0..columns).map(|_| OnceLock::new()).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hnsw::Rows;
    use crate::schema::VectorSpec;
    use crate::vector::{Codes, Metric};

    /// What the codes of a long row are off by used to stay when it was taken out, and was more than all else that was left.
    #[test]
    fn a_row_far_longer_than_the_others_leaves_nothing_behind() {
        let (rows, dim) = (400_usize, 320_usize);
        for size in [1e3, 1e6, 1e20, f32::MAX] {
            let mut data: Vec<f32> =
                (0..rows * dim).map(|at| ((at * at) as f32 * 0.731).sin() + 0.3).collect();
            let query = data[3 * dim..4 * dim].to_vec();
            data[70 * dim..71 * dim].iter_mut().for_each(|x| *x = x.abs().min(1.0).sqrt() * size);
            for metric in [Metric::L2, Metric::Ip, Metric::Cosine] {
                for codes in [Codes::Int8, Codes::None, Codes::Bit] {
                    let spec = VectorSpec { codes, ..VectorSpec::new(dim, metric) };
                    let input = Rows { data: &data, dim, present: None };
                    let index = VectorIndex::build(&spec, &input, 1, &mut |_, _| true).unwrap();
                    let living = Living::default();
                    let mut dead = Bitmap::empty(rows);
                    for gone in [70, 71, 300] {
                        dead.insert(gone);
                        let mut exact = Background::new(dim);
                        let left = data.chunks_exact(dim).enumerate();
                        left.filter(|(at, _)| !dead.contains(*at as u32))
                            .for_each(|(_, row)| exact.add(metric, row));
                        let typical = exact.similarity(metric, &query).unwrap();
                        let found = living.background(&index, &dead).similarity(metric, &query).unwrap();
                        let allowed = typical.abs().max(0.1) * if codes == Codes::Bit { 0.03 } else { 3e-3 };
                        let what = format!("{metric:?} {codes:?} {size} {gone}: {found} {typical}");
                        assert!((found - typical).abs() < allowed, "{what}");
                    }
                }
            }
        }
    }
}
