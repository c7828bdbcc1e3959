//! One leg of a hybrid search: where it draws from, and what it gives to one fusion.

use super::candidates::Over;
use super::drawn::{Drawn, Standing};
use super::explain::Trace;
use super::fusion::{Edge, LegHit, LegKind, RowId};
use super::matching::Matching;
use super::nearest::Nearest;
use super::request::Leg;
use super::row_map::RowMap;
use crate::collection::Snapshot;
use crate::error::Result;
use crate::text::TextQuery;
use crate::vector::Metric;
use std::sync::Arc;

/// A leg that is drawn deeper and deeper.
pub struct RunningLeg {
    source: Source,
    /// Its own weight in the fusion.
    pub weight: f32,
    /// Rows that it is drawn to.
    pub depth: usize,
    /// The greatest distance, or the least BM25, of its rows.
    bound: Option<f64>,
    /// What a row scores that has nothing to do with the query, where the formula asks for it.
    pub background: Option<f64>,
    pub drawn: Drawn,
}

enum Source {
    Vector(Box<Nearest>, Metric),
    Text(Box<Matching>),
}

impl RunningLeg {
    /// A vector leg.
    pub fn nearest(nearest: Nearest, metric: Metric, leg: &Leg, depth: usize) -> Self {
        let source = Source::Vector(Box::new(nearest), metric);
        let Leg { weight, bound, .. } = *leg;
        Self { source, weight, depth, bound, background: None, drawn: Drawn::new(false) }
    }

    /// A text leg.
    pub fn matching(matching: Matching, leg: &Leg, depth: usize) -> Self {
        let source = Source::Text(Box::new(matching));
        let Leg { weight, bound, .. } = *leg;
        Self { source, weight, depth, bound, background: None, drawn: Drawn::new(true) }
    }

    /// Computes the background: for vectors the mean similarity of all rows to the query, for texts 0.
    pub fn find_background(&mut self, snapshot: Snapshot<'_>) -> Result<()> {
        self.background = match &self.source {
            Source::Vector(nearest, _) => nearest.typical_similarity(snapshot)?,
            Source::Text(_) => Some(0.0),
        };
        Ok(())
    }

    /// What it compares.
    pub fn kind(&self) -> LegKind {
        match &self.source {
            Source::Vector(_, metric) => LegKind::Vector(*metric),
            Source::Text(_) => LegKind::Text,
        }
    }

    /// Whether it compares texts.
    pub fn is_text(&self) -> bool {
        matches!(self.source, Source::Text(_))
    }

    /// The parsed text of a text leg.
    pub fn text(&self) -> Option<&Arc<TextQuery>> {
        match &self.source {
            Source::Vector(..) => None,
            Source::Text(matching) => Some(matching.query()),
        }
    }

    /// Whether a row with this distance or BM25 is within the leg's own bound.
    pub fn admits(&self, raw: f64) -> bool {
        within(self.bound, self.is_text(), raw)
    }

    /// Whether it ranks rows at all; a text of forbidden words only does not.
    pub fn ranks(&self) -> bool {
        self.text().is_none_or(|query| query.ranks())
    }

    /// Draws to the depth, and one row more. The rowids of the rows are noted in `rowids`.
    pub fn draw(&mut self, over: &Over<'_>, rowids: &mut RowMap<i64>, trace: &mut Trace) -> Result<()> {
        let (ranks, text) = (self.ranks(), self.is_text());
        let Self { source, depth, drawn, bound, .. } = self;
        let admits = |raw: f64| within(*bound, text, raw);
        drawn.take(*depth, || {
            let found = match source {
                Source::Vector(nearest, _) => nearest
                    .next(over, trace)?
                    .filter(|near| admits(near.distance))
                    .map(|near| ((near.part, near.ord), near.rowid, near.distance)),
                Source::Text(_) if !ranks => None,
                Source::Text(matching) => matching
                    .next(over, trace)?
                    .filter(|found| admits(f64::from(found.score)))
                    .map(|found| ((found.part, found.ord), found.rowid, f64::from(found.score))),
            };
            Ok(found.map(|(id, rowid, raw)| {
                rowids.insert(id, rowid);
                (id, raw)
            }))
        })
    }

    /// Distance or BM25 of given rows, with their rowids; `None` where a row has none.
    pub fn raws(&self, snapshot: Snapshot<'_>, rows: &[(RowId, i64)]) -> Result<Vec<Option<f64>>> {
        match &self.source {
            Source::Vector(nearest, _) => nearest.distances(snapshot, rows),
            Source::Text(_) if !self.ranks() => Ok(vec![None; rows.len()]),
            Source::Text(matching) => {
                let ids: Vec<RowId> = rows.iter().map(|(id, _)| *id).collect();
                let scores = matching.scores(snapshot, &ids)?;
                Ok(scores.into_iter().map(|score| score.map(f64::from)).collect())
            }
        }
    }
}

/// Whether a BM25 is at least, or a distance at most, the bound.
fn within(bound: Option<f64>, text: bool, raw: f64) -> bool {
    bound.is_none_or(|bound| if text { raw >= bound } else { raw <= bound })
}

/// What a leg gives to one fusion.
pub struct Draw {
    pub hits: Vec<LegHit>,
    pub stands: RowMap<Standing>,
    pub edge: Option<Edge>,
    /// Raw scores, computed, of rows that only other legs drew.
    pub fill: RowMap<f64>,
}

impl Draw {
    /// What was drawn up to the depth.
    pub fn of(drawn: &Drawn) -> Self {
        let (mut hits, mut stands) = (Vec::new(), RowMap::default());
        for (hit, standing) in drawn.hits() {
            hits.push(hit);
            stands.insert(hit.id, standing);
        }
        Self { hits, stands, edge: drawn.edge(), fill: RowMap::default() }
    }

    /// Whether a row that the leg did not draw belongs to the group of equals that the depth cuts.
    pub fn is_edge(&self, id: RowId) -> bool {
        self.edge.is_some_and(|edge| self.fill.get(&id) == Some(&edge.raw))
    }
}
