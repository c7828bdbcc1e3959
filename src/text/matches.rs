//! The documents that match a text, without scores: all of them, or stretch by stretch for callers who take few.

use super::compile::Compiled;
use super::interrupt::Interrupt;
use super::query_text::TextQuery;
use super::searcher::{Prepared, TextSearcher};
use super::windows::each_window;
use super::{engine, guarded_read};
use crate::bitmap::Bitmap;
use crate::error::Result;
use std::ops::Range;
use tantivy::{COLLECT_BLOCK_BUFFER_LEN, DocSet};

impl TextSearcher {
    /// The live ords of each segment that match, for text as a filter.
    ///
    /// # Errors
    /// As [`Self::prepare`].
    pub fn matches(&self, query: &TextQuery, interrupt: &Interrupt<'_>) -> Result<Vec<Bitmap>> {
        let prepared = self.prepare_unscored(query, interrupt)?;
        let mut all = Vec::new();
        for (segment, docs) in self.documents().enumerate() {
            let mut found = Bitmap::empty(docs);
            self.matches_within(&prepared, segment, 0..docs as u32, 0, interrupt, &mut |ord| {
                found.insert(ord)
            })?;
            all.push(found);
        }
        Ok(all)
    }

    /// Calls `found` with the live ords of a segment that match and are in `range`, ascending; with those of the whole
    /// segment where fewer than about `few` match. Returns the ords that were looked at.
    ///
    /// # Errors
    /// As [`Self::prepare`].
    pub fn matches_within(
        &self,
        prepared: &Prepared,
        segment: usize,
        range: Range<u32>,
        few: u32,
        interrupt: &Interrupt<'_>,
        found: &mut dyn FnMut(u32),
    ) -> Result<Range<u32>> {
        guarded_read("searching text", || {
            let (Some(reader), Some(compiled)) = (self.reader(segment), prepared.of(self.edition(segment)))
            else {
                return Ok(0..u32::MAX);
            };
            let mut range = range.start..range.end.min(reader.max_doc());
            let Compiled { weight, exact, .. } = compiled;
            let Some(weight) = weight else {
                each_window(exact, reader, range.clone(), None, false, interrupt, &mut |ord, _| found(ord))?;
                return Ok(range);
            };
            let mut docs = weight.scorer(reader, 1.0).map_err(engine)?;
            if docs.size_hint() < few {
                range = 0..reader.max_doc();
            }
            if docs.doc() < range.start {
                docs.seek(range.start);
            }
            let alive = reader.alive_bitset();
            let mut buffer = [0; COLLECT_BLOCK_BUFFER_LEN];
            loop {
                let count = docs.fill_buffer(&mut buffer);
                interrupt.after(count)?;
                for ord in &buffer[..count] {
                    if *ord >= range.end {
                        return Ok(range);
                    }
                    if alive.is_none_or(|alive| alive.is_alive(*ord)) {
                        found(*ord);
                    }
                }
                if count < buffer.len() {
                    return Ok(range);
                }
            }
        })
    }
}
