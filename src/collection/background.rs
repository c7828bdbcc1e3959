//! The background of a vector column at a snapshot: how similar a typical row is to a query, over all living rows.
//!
//! Segments store the sums of all their rows. Dead rows are taken out by their codes; what was taken out is kept with the
//! segment, so that a view with a few more dead rows pays for those alone.

use super::sealed::Segment;
use super::snapshot::Snapshot;
use super::view::View;
use crate::bitmap::Bitmap;
use crate::error::Result;
use crate::hnsw::VectorIndex;
use crate::vector::Metric;
use crate::vector::background::Background;
use parking_lot::Mutex;
use std::sync::OnceLock;

/// The dead rows of a segment, and the background of one vector column over them.
#[derive(Default)]
pub struct DeadRows {
    last: Mutex<Option<(Bitmap, Background)>>,
}

impl DeadRows {
    /// The background of the rows `dead` of `index`.
    fn background(&self, index: &VectorIndex, dead: &Bitmap, dim: usize) -> Background {
        let mut last = self.last.lock();
        let (known, mut background) =
            last.take().unwrap_or_else(|| (Bitmap::empty(dead.len()), Background::new(dim)));
        let (mut more, mut fewer) = (dead.clone(), known.clone());
        more.and_not(&known);
        fewer.and_not(dead);
        background.join(&index.background_of(more.iter()));
        background.remove(&index.background_of(fewer.iter()));
        *last = Some((dead.clone(), background.clone()));
        background
    }
}

/// The backgrounds of a view's vector columns, computed when first needed.
#[derive(Clone, Default)]
pub struct Backgrounds {
    columns: Vec<OnceLock<Background>>,
}

impl Backgrounds {
    /// For this many vector columns.
    pub fn new(columns: usize) -> Self {
        Self { columns: (0..columns).map(|_| OnceLock::new()).collect() }
    }
}

impl Snapshot<'_> {
    /// The mean similarity of all living rows to `query` in a vector column: cosine, dot product or the negated squared
    /// distance. `None` where no row has a vector.
    pub fn typical_similarity(self, column: usize, query: &[f32]) -> Result<Option<f64>> {
        let (Some((_, spec)), Some(slot)) =
            (self.schema.vectors().nth(column), self.view.backgrounds.columns.get(column))
        else {
            return Ok(None);
        };
        let background = match slot.get() {
            Some(found) => found,
            None => {
                let found = self.background(column, spec.dim, spec.metric)?;
                slot.get_or_init(|| found)
            }
        };
        Ok(background.similarity(spec.metric, query))
    }

    fn background(self, column: usize, dim: usize, metric: Metric) -> Result<Background> {
        let View { segments, delta, .. } = self.view;
        let mut all = Background::new(dim);
        for part in segments {
            let segment: &Segment = &part.segment;
            let index = segment.vector(self.on, column)?;
            all.join(index.background());
            if let (Some(dead), Some(rows)) = (&part.dead, segment.dead_rows(column)) {
                all.remove(&rows.background(index, dead, dim));
            }
        }
        if let Some(vectors) = delta.vectors(column) {
            let living = delta.alive();
            for (slot, row) in vectors.data.chunks_exact(dim).enumerate() {
                if vectors.present.get(slot) == Some(&true) && living.contains(slot as u32) {
                    all.add(metric, row);
                }
            }
        }
        Ok(all)
    }
}
