//! What is kept of the backgrounds of vector columns: of the dead rows with a segment, of all living rows with a view.
//!
//! Segments store the sums of all their rows. Dead rows are taken out by their codes; what was taken out is kept with the
//! segment, so that a view with a few more dead rows pays for those alone.

use crate::bitmap::Bitmap;
use crate::hnsw::VectorIndex;
use crate::vector::background::Background;
use parking_lot::Mutex;
use std::sync::OnceLock;

/// The dead rows of a segment, and the background of one vector column over them.
#[derive(Default)]
pub struct DeadRows {
    last: Mutex<Option<(Bitmap, Background)>>,
}

impl Clone for DeadRows {
    fn clone(&self) -> Self {
        Self { last: Mutex::new(self.last.lock().clone()) }
    }
}

impl DeadRows {
    /// The background of the rows `dead` of `index`.
    pub fn background(&self, index: &VectorIndex, dead: &Bitmap, dim: usize) -> Background {
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
    pub columns: Vec<OnceLock<Background>>,
}

impl Backgrounds {
    /// For this many vector columns.
    pub fn new(columns: usize) -> Self {
        Self { columns: (0..columns).map(|_| OnceLock::new()).collect() }
    }
}
