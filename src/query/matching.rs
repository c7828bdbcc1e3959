//! The text leg: rows in order of BM25, as many as the caller takes.

use super::explain::Trace;
use super::masks::{Masks, parse_text};
use super::request::TextLeg;
use super::source::Source;
use crate::error::Result;
use crate::segment::View;
use crate::text::TextQuery;
use std::collections::HashSet;
use std::sync::Arc;

/// One matching row.
#[derive(Debug, Clone, Copy)]
pub struct Match {
    /// BM25 score.
    pub score: f32,
    /// Identity.
    pub rowid: i64,
    /// Part of the view.
    pub part: u32,
    /// Row of the part.
    pub ord: u32,
}

/// A running text search.
pub struct Matching {
    query: Arc<TextQuery>,
    limit: usize,
    found: Vec<Match>,
    next: usize,
    seen: HashSet<i64>,
    started: bool,
    exhausted: bool,
}

impl Matching {
    /// Parses the leg; the search starts when the first row is taken.
    pub fn new(source: &Source<'_>, view: &View, leg: &TextLeg, batch: usize) -> Result<Self> {
        let query = Arc::new(parse_text(source, view, leg)?);
        let exhausted = query.is_empty();
        let limit = batch.max(16);
        Ok(Self { query, limit, found: Vec::new(), next: 0, seen: HashSet::new(), started: false, exhausted })
    }

    /// The parsed query, for snippets and for filling scores.
    pub fn query(&self) -> &Arc<TextQuery> {
        &self.query
    }

    /// BM25 of given rows (part, ord): `None` where the row does not match.
    pub fn scores(&self, source: &Source<'_>, view: &View, rows: &[(u32, u32)]) -> Result<Vec<Option<f32>>> {
        let text = view.text(source.storage, source.conn, source.schema)?;
        let documents: Vec<_> = rows.iter().map(|(part, ord)| text.document(*part as usize, *ord)).collect();
        text.searcher.score(&self.query, &documents)
    }

    /// The next row in order of score.
    pub fn next(
        &mut self,
        source: &Source<'_>,
        view: &View,
        masks: &Masks,
        trace: &mut Trace,
    ) -> Result<Option<Match>> {
        loop {
            while let Some(found) = self.found.get(self.next) {
                self.next += 1;
                if self.seen.insert(found.rowid) {
                    return Ok(Some(*found));
                }
            }
            if self.exhausted {
                return Ok(None);
            }
            self.search(source, view, masks, trace)?;
        }
    }

    fn search(&mut self, source: &Source<'_>, view: &View, masks: &Masks, trace: &mut Trace) -> Result<()> {
        if self.started {
            self.limit = self.limit.saturating_mul(4);
        }
        self.started = true;
        let text = view.text(source.storage, source.conn, source.schema)?;
        let allowed = text.masks(&masks.parts);
        let hits = text.searcher.search(&self.query, &allowed, self.limit)?;
        trace.text_hits += hits.len() as u64;
        self.exhausted = hits.len() < self.limit;
        self.found.clear();
        self.next = 0;
        for hit in hits {
            let (part, ord) = text.locate(hit.segment, hit.ord);
            let rowid = source.rowid(view, part, ord)?;
            self.found.push(Match { score: hit.score, rowid, part: part as u32, ord });
        }
        self.found.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.rowid.cmp(&b.rowid)));
        Ok(())
    }
}
