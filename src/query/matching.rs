//! The text leg: rows in order of BM25, as many as the caller takes.

use super::candidates::Over;
use super::explain::Trace;
use crate::collection::{Snapshot, TextView};
use crate::error::Result;
use crate::text::{Interrupt, Prepared, TextHit, TextQuery, Ties};
use std::cell::OnceCell;
use std::collections::HashSet;
use std::sync::Arc;

/// How many times more rows each further pass takes than the one before; the one after these takes all. Steps of 4 to begin
/// with, because a pass for few rows skips most documents: with a second step of 16 the first 100 rows cost half as much
/// again where SQLite does not show LIMIT.
const DEEPER: [usize; 3] = [4, 4, 16];

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
    /// The searcher, and the query as it wants it, from the first search on.
    prepared: OnceCell<(Arc<TextView>, Prepared)>,
    limit: usize,
    found: Vec<Match>,
    next: usize,
    seen: HashSet<i64>,
    passes: usize,
    exhausted: bool,
}

impl Matching {
    /// A search for the text; it starts when the first row is taken.
    pub fn new(query: Arc<TextQuery>, batch: usize) -> Self {
        Self {
            exhausted: query.is_empty(),
            query,
            prepared: OnceCell::new(),
            limit: batch.max(16),
            found: Vec::new(),
            next: 0,
            seen: HashSet::new(),
            passes: 0,
        }
    }

    /// The parsed query, for snippets and for filling scores.
    pub fn query(&self) -> &Arc<TextQuery> {
        &self.query
    }

    /// BM25 of given rows (part, ord): `None` where the row does not match.
    pub fn scores(&self, snapshot: Snapshot<'_>, rows: &[(u32, u32)]) -> Result<Vec<Option<f32>>> {
        let asked = || snapshot.interrupted();
        let interrupt = Interrupt::new(&asked);
        let (text, prepared) = self.prepared(snapshot, &interrupt)?;
        let documents: Vec<_> = rows.iter().map(|(part, ord)| text.document(*part as usize, *ord)).collect();
        text.searcher.scores(prepared, &documents, &interrupt)
    }

    /// The next row in order of score.
    pub fn next(&mut self, over: &Over<'_>, trace: &mut Trace) -> Result<Option<Match>> {
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
            self.search(over, trace)?;
        }
    }

    fn prepared(
        &self,
        snapshot: Snapshot<'_>,
        interrupt: &Interrupt<'_>,
    ) -> Result<&(Arc<TextView>, Prepared)> {
        match self.prepared.get() {
            Some(prepared) => Ok(prepared),
            None => {
                let text = snapshot.text_for(&self.query)?;
                let prepared = text.searcher.prepare(&self.query, interrupt)?;
                Ok(self.prepared.get_or_init(|| (text, prepared)))
            }
        }
    }

    fn search(&mut self, over: &Over<'_>, trace: &mut Trace) -> Result<()> {
        if self.passes > 0 {
            let deeper = DEEPER.get(self.passes - 1);
            self.limit = deeper.map_or(usize::MAX, |times| self.limit.saturating_mul(*times));
        }
        let asked = || over.snapshot.interrupted();
        let interrupt = Interrupt::new(&asked);
        let (text, prepared) = self.prepared(over.snapshot, &interrupt)?;
        let allowed = text.masks(&over.masks.parts);
        if self.passes == 0 {
            trace.warnings.extend_from_slice(prepared.warnings());
        }
        let hits = text.searcher.best(prepared, &allowed, self.limit, &ByRowid { over, text }, &interrupt)?;
        let row = |hit: &TextHit| {
            let (part, ord) = text.locate(hit.segment, hit.ord);
            Match { score: hit.score, rowid: hit.tie, part: part as u32, ord }
        };
        let found: Vec<Match> = hits.iter().map(row).collect();
        (self.found, self.next) = (found, 0);
        self.passes += 1;
        trace.text_hits += self.found.len() as u64;
        self.exhausted = self.found.len() < self.limit;
        Ok(())
    }
}

/// Rows of one score come in order of rowid.
struct ByRowid<'a> {
    over: &'a Over<'a>,
    text: &'a TextView,
}

impl Ties for ByRowid<'_> {
    fn number(&self, segment: usize, ord: u32) -> Result<i64> {
        let (part, ord) = self.text.locate(segment, ord);
        self.over.snapshot.rowid(part, ord)
    }

    fn ascends(&self, segment: usize) -> Result<bool> {
        let (part, _) = self.text.locate(segment, 0);
        // Outside of segments there are so few rows that there is nothing to skip.
        Ok(part < self.over.snapshot.view.segments.len() && self.over.snapshot.ascends(part)?)
    }
}
