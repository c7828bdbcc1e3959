//! The background of a vector column at a snapshot: how similar a typical row is to a query, over all living rows.

use super::snapshot::Snapshot;
use super::view::View;
use crate::error::Result;
use crate::vector::Metric;
use crate::vector::background::Background;

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
            let segment = &part.segment;
            let index = segment.vector(self.on, column)?;
            match (&part.dead, segment.living(column)) {
                (Some(dead), Some(living)) => all.join(&living.background(index, dead)),
                _ => all.join(index.background()),
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
