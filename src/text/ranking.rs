//! The best documents of a text, and the scores of given ones.
//!
//! Invariant: hits come best first, equal scores by the numbers of [`Ties`], whatever the masks and limits.

use super::best::{Best, TextHit, Ties};
use super::compile::Compiled;
use super::exact::Exact;
use super::interrupt::Interrupt;
use super::searcher::{Prepared, TextSearcher};
use super::windows::each_window;
use super::{engine, guarded_read};
use crate::bitmap::Bitmap;
use crate::error::Result;
use tantivy::schema::Field;
use tantivy::{Score, SegmentReader};

/// Masks that allow fewer than one document in this many are walked document by document instead of filtering
/// whatever the query finds.
const SPARSE_MASK: usize = 64;

/// Relative error that one addition can bring into tantivy's sums, with room.
const SCORE_NOISE: Score = 2.5e-7;

impl TextSearcher {
    /// The best `limit` live documents. `allowed[i]`, where given, is the mask of segment i and is applied before
    /// the cut; a shorter slice means no mask for the segments beyond it. Equal scores come in the order of `ties`.
    ///
    /// # Errors
    /// [`crate::Error::Corrupt`] when tantivy fails on the bytes, [`crate::Error::Interrupted`].
    pub fn best(
        &self,
        prepared: &Prepared,
        allowed: &[Option<Bitmap>],
        limit: usize,
        ties: &dyn Ties,
        interrupt: &Interrupt<'_>,
    ) -> Result<Vec<TextHit>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        guarded_read("searching text", || {
            let mut best = Best::new(limit, ties);
            for (segment, reader) in self.readers() {
                let Some(compiled) = prepared.of(self.edition(segment)) else { continue };
                let Compiled { weight, exact, averages, .. } = compiled;
                // The sum of two numbers is the same in either order: only longer ones need care.
                let terms = exact.terms();
                let noise = if terms > 2 { 1.0 - terms as Score * SCORE_NOISE } else { 1.0 };
                best.enter(segment, noise * bound_share(reader, averages)?)?;
                let mask = allowed.get(segment).and_then(Option::as_ref);
                let Some(weight) = weight else {
                    let all = 0..reader.max_doc();
                    each_window(exact, reader, all, mask, true, interrupt, &mut |ord, score| {
                        best.push(ord, score);
                    })?;
                    continue;
                };
                if let Some(mask) = mask
                    && mask.count() < reader.max_doc() as usize / SPARSE_MASK
                {
                    walk(exact, reader, mask.iter(), interrupt, |ord, score| best.push(ord, score))?;
                    continue;
                }
                let alive = reader.alive_bitset();
                let mut scorer = if terms > 2 { Some(exact.open(reader)?) } else { None };
                let mut going = Ok(());
                weight
                    .for_each_pruning(best.threshold(), reader, &mut |ord, score| {
                        if going.is_ok() {
                            going = interrupt.after(1);
                        }
                        if going.is_err() {
                            return Score::MAX;
                        }
                        let live = alive.is_none_or(|alive| alive.is_alive(ord));
                        if live && mask.is_none_or(|mask| mask.contains(ord)) {
                            let score = scorer.as_mut().map_or(Some(score), |scorer| scorer.score(ord));
                            if let Some(score) = score {
                                best.push(ord, score);
                            }
                        }
                        best.threshold()
                    })
                    .map_err(engine)?;
                going?;
            }
            best.into_sorted()
        })
    }

    /// BM25 of given documents (segment, ord): `None` where the document is dead or does not match.
    ///
    /// # Errors
    /// As [`Self::best`].
    pub fn scores(
        &self,
        prepared: &Prepared,
        docs: &[(usize, u32)],
        interrupt: &Interrupt<'_>,
    ) -> Result<Vec<Option<f32>>> {
        let mut scores = vec![None; docs.len()];
        if docs.is_empty() {
            return Ok(scores);
        }
        guarded_read("scoring text", || {
            let mut order: Vec<usize> = (0..docs.len()).collect();
            order.sort_unstable_by_key(|at| docs[*at]);
            for (segment, reader) in self.readers() {
                let start = order.partition_point(|at| docs[*at].0 < segment);
                let end = order.partition_point(|at| docs[*at].0 <= segment);
                let wanted = &order[start..end];
                if wanted.is_empty() {
                    continue;
                }
                let Some(compiled) = prepared.of(self.edition(segment)) else { continue };
                let Compiled { weight, exact, .. } = compiled;
                let mut next = 0;
                let mut found = |ord, score| {
                    while next < wanted.len() && docs[wanted[next]].1 < ord {
                        next += 1;
                    }
                    while next < wanted.len() && docs[wanted[next]].1 == ord {
                        scores[wanted[next]] = Some(score);
                        next += 1;
                    }
                };
                let ords = wanted.iter().map(|at| docs[*at].1);
                if weight.is_some() {
                    walk(exact, reader, ords, interrupt, found)?;
                } else {
                    let mut mask = Bitmap::empty(reader.max_doc() as usize);
                    ords.for_each(|ord| mask.insert(ord));
                    each_window(
                        exact,
                        reader,
                        0..reader.max_doc(),
                        Some(&mask),
                        true,
                        interrupt,
                        &mut found,
                    )?;
                }
            }
            Ok(scores)
        })
    }
}

/// The share of the best score of a block that tantivy's bound for the block is at least.
///
/// For each 128 documents of a word tantivy keeps the frequency and length of the one that scores best by the average length `s` of
/// its segment. Scores here are by the average `g` of all living documents, by which another one may be best. Of one document
/// the norms `1 - b + b * length / average` by `g` and by `s` have a ratio between 1 and `s / g`, so its `tf / (tf + norm)`
/// by `g` is that by `s` times something between 1 and `g / s`. None therefore scores more than the one kept times the larger of
/// `s / g` and `g / s`.
fn bound_share(reader: &SegmentReader, averages: &[(Field, Score)]) -> Result<Score> {
    let mut share: Score = 1.0;
    for (field, average) in averages {
        let index = reader.inverted_index(*field).map_err(engine)?;
        let ratio = index.total_num_tokens() as Score / reader.max_doc() as Score / average;
        // Where either is 0, the column has no words to find.
        if ratio > 0.0 && ratio.is_finite() {
            share = share.min(ratio).min(1.0 / ratio);
        }
    }
    Ok(if share < 1.0 { share * (1.0 - SCORE_NOISE) } else { share })
}

/// Scores the live matches among `ords`, which ascend.
fn walk(
    exact: &Exact,
    reader: &SegmentReader,
    ords: impl Iterator<Item = u32>,
    interrupt: &Interrupt<'_>,
    mut found: impl FnMut(u32, Score),
) -> Result<()> {
    let mut scorer = exact.open(reader)?;
    for ord in ords.take_while(|ord| *ord < reader.max_doc()) {
        interrupt.after(4)?;
        if reader.alive_bitset().is_none_or(|alive| alive.is_alive(ord))
            && let Some(score) = scorer.score(ord)
        {
            found(ord, score);
        }
    }
    Ok(())
}
