//! A running search: one leg, or two legs fused. Rows are computed as the caller takes them.

use super::explain::Trace;
use super::hybrid::Hybrid;
use super::masks::Masks;
use super::matching::Matching;
use super::nearest::Nearest;
use super::request::{Hit, Request};
use super::source::Source;
use crate::error::{Error, Result};
use crate::segment::View;
use crate::text::TextQuery;
use std::sync::Arc;
use std::time::Instant;

/// A search in progress. Holds its view, so writes that happen meanwhile do not disturb it.
pub struct Search {
    view: Arc<View>,
    masks: Masks,
    request: Request,
    legs: Legs,
    trace: Trace,
    taken: usize,
}

enum Legs {
    Vector(Box<Nearest>),
    Text(Box<Matching>),
    Hybrid(Box<Hybrid>),
}

impl Search {
    /// Plans `request` on `view`.
    pub fn start(source: &Source<'_>, view: Arc<View>, request: Request) -> Result<Self> {
        let clock = Instant::now();
        let mut trace = Trace::default();
        let masks = Masks::build(source, &view, &request)?;
        trace.passing = masks.total();
        trace.filter = clock.elapsed();
        let batch = request.first_batch();
        let legs = match (&request.vector, &request.text) {
            (Some(vector), None) => Legs::Vector(Box::new(Nearest::new(source, &request, vector, batch))),
            (None, Some(text)) => {
                let matching = Matching::new(source, &view, text, batch)?;
                trace.warnings = matching.query().warnings().to_vec();
                Legs::Text(Box::new(matching))
            }
            (Some(_), Some(_)) => Legs::Hybrid(Box::new(Hybrid::new(source, &view, &request, &mut trace)?)),
            (None, None) => return Err(Error::Value("a search needs a vector, a text or both".into())),
        };
        trace.kind = match legs {
            Legs::Vector(_) => "nearest",
            Legs::Text(_) => "text",
            Legs::Hybrid(_) => "hybrid",
        };
        Ok(Self { view, masks, request, legs, trace, taken: 0 })
    }

    /// The next row, best first; `None` when every qualifying row was given or the limit is reached.
    pub fn next(&mut self, source: &Source<'_>) -> Result<Option<Hit>> {
        if self.request.limit.is_some_and(|limit| self.taken >= limit) {
            return Ok(None);
        }
        let clock = Instant::now();
        let Self { view, masks, trace, .. } = self;
        let hit = match &mut self.legs {
            Legs::Vector(nearest) => nearest.next(source, view, masks, trace)?.map(|near| Hit {
                rowid: near.rowid,
                distance: Some(near.distance),
                bm25: None,
                score: None,
                vector_rank: None,
                text_rank: None,
                fused: None,
            }),
            Legs::Text(matching) => matching.next(source, view, masks, trace)?.map(|found| Hit {
                rowid: found.rowid,
                distance: None,
                bm25: Some(found.score),
                score: None,
                vector_rank: None,
                text_rank: None,
                fused: None,
            }),
            Legs::Hybrid(hybrid) => hybrid.next(source, view, masks, &self.request, trace)?,
        };
        self.trace.search += clock.elapsed();
        self.taken += usize::from(hit.is_some());
        Ok(hit)
    }

    /// What was done so far.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// The parsed text of the text leg, for snippets.
    pub fn text_query(&self) -> Option<&Arc<TextQuery>> {
        match &self.legs {
            Legs::Vector(_) => None,
            Legs::Text(matching) => Some(matching.query()),
            Legs::Hybrid(hybrid) => Some(hybrid.query()),
        }
    }
}
