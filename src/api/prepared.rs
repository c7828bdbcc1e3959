//! A search that was checked: one leg or several, fused, made diverse, and cut to what was asked for.

use super::feed::{Feed, Rows};
use super::hits::Hits;
use super::read_row::Columns;
use super::search::Mmr;
use super::statement::{condition, target, told};
use crate::collection::{Connected, OpenCollection};
use crate::error::{Error, Result};
use crate::query::fusion::{Fused, Fusion, LegScore};
use crate::query::mmr::mmr;
use crate::query::{self, Drawn, Request, Standing, VectorLeg};
use crate::vector::Metric;
use crate::vector::metric::narrow;
use rusqlite::Connection;
use std::collections::HashMap;
use std::sync::Arc;

/// Candidates for each row that reranking or grouping returns.
pub(super) const CANDIDATES: usize = 4;

/// A search that was checked against the schema.
#[derive(Clone)]
pub(super) struct Prepared {
    pub request: Request,
    /// Vector legs beyond the first.
    pub more: Vec<VectorLeg>,
    pub limit: usize,
    pub offset: usize,
    pub rerank: Option<Mmr>,
    pub group: Option<(Arc<Columns>, usize)>,
    pub columns: Arc<Columns>,
}

impl Prepared {
    /// Begins the search; `bounded` when no more rows than the limit are taken. Of several vector legs each gives
    /// `depth` rows.
    pub fn start(
        &self,
        inner: &OpenCollection,
        conn: &Connection,
        bounded: bool,
        depth: usize,
    ) -> Result<Feed> {
        let rows = if self.request.vector.is_none() && self.request.text.is_none() {
            // No view is asked for here, which would notice a table made anew.
            inner.check(conn)?;
            let (condition, params) = condition(inner, conn, self.request.filter.as_ref())?;
            let limit = if bounded && self.group.is_none() {
                format!(" LIMIT {}", self.limit.saturating_add(self.offset))
            } else {
                String::new()
            };
            let sql = format!("SELECT rowid FROM {} WHERE {condition} ORDER BY rowid{limit}", target(inner));
            let mut statement = conn.prepare_cached(&sql).map_err(told)?;
            let ids =
                statement.query_map(rusqlite::params_from_iter(&params), |row| row.get(0)).map_err(told)?;
            Rows::Plain(ids.collect::<rusqlite::Result<Vec<i64>>>().map_err(told)?.into_iter())
        } else if !self.more.is_empty() {
            self.fuse_legs(inner, conn, depth)?
        } else {
            let search = query::Search::start(inner.on(conn), inner.pin(conn)?, self.request.clone())?;
            Rows::Ranked(Box::new(search))
        };
        Ok(Feed::new(rows, self.group.clone(), Arc::clone(&self.columns)))
    }

    /// Runs the search to its end; the hits and the plan.
    pub fn run(
        &self,
        inner: &OpenCollection,
        conn: &Connection,
        mut reasons: Option<&mut Vec<query::Hit>>,
    ) -> Result<(Hits, serde_json::Value)> {
        let wanted = self.limit.saturating_add(self.offset);
        let candidates = if self.rerank.is_some() { wanted.saturating_mul(CANDIDATES) } else { wanted };
        let mut depth = self.request.depth();
        let (mut feed, mut found) = (self.start(inner, conn, true, depth)?, Vec::new());
        while self.limit > 0 && found.len() < candidates {
            match feed.next(inner.on(conn))? {
                Some(mut hit) => {
                    if reasons.is_some() && hit.fused.is_none() {
                        hit.fused = single(&hit, found.len() as u32 + 1);
                    }
                    found.push(hit);
                }
                None if feed.cut() => {
                    // Several legs that went to a depth and gave too few rows for what was left out of them.
                    depth = depth.saturating_mul(4);
                    feed = self.start(inner, conn, true, depth)?;
                    found.clear();
                }
                None => break,
            }
        }
        if let Some(Mmr { lambda }) = self.rerank {
            found = self.diverse(inner.on(conn), lambda, found, wanted)?;
        }
        let mut hits = Vec::with_capacity(found.len().saturating_sub(self.offset));
        for found in found.into_iter().skip(self.offset) {
            if let Some(hit) = feed.hit(inner.on(conn), &found)? {
                hits.push(hit);
                if let Some(reasons) = &mut reasons {
                    reasons.push(found);
                }
            }
        }
        let plan = match &feed.rows {
            Rows::Ranked(search) => serde_json::to_value(search.trace()).unwrap_or_default(),
            Rows::Fused { plan, .. } => plan.clone(),
            Rows::Plain(_) => serde_json::json!({"kind": "rows"}),
        };
        Ok((Hits { hits }, plan))
    }

    /// Runs every leg by itself and fuses the ranks: reciprocal rank fusion over any number of legs.
    fn fuse_legs(&self, inner: &OpenCollection, conn: &Connection, depth: usize) -> Result<Rows> {
        let Fusion::Rrf { k, weights: [vector, text] } = self.request.hybrid.fusion else {
            let table = inner.table();
            return Err(Error::Value(format!("{table}: several nearest are fused by rrf only")));
        };
        let (on, pinned) = (inner.on(conn), inner.pin(conn)?);
        let mut asked = self.request.clone();
        let mut words = asked.text.take();
        if let Some(leg) = &words {
            let query = query::parse_text(pinned.snapshot(on), leg)?;
            if !query.is_empty() && !query.ranks() {
                // Forbidden words only: they restrict every leg and rank nothing.
                asked.must_match.extend(words.take());
            }
        }
        let plain = Request { vector: None, text: None, hint: Some(depth.saturating_add(1)), ..asked };
        let near = self.request.vector.iter().chain(&self.more);
        let mut legs: Vec<(Request, f32)> =
            near.map(|leg| (Request { vector: Some(leg.clone()), ..plain.clone() }, vector)).collect();
        legs.extend(
            words.map(|words| (Request { text: Some(words), within: Vec::new(), ..plain.clone() }, text)),
        );
        let (mut fused, mut place): (Vec<query::Hit>, HashMap<i64, usize>) = Default::default();
        let (mut query, mut plans, mut cut) = (None, Vec::new(), false);
        for (request, weight) in legs {
            let is_text = request.text.is_some();
            {
                let mut search = query::Search::start(on, pinned.clone(), request)?;
                let (mut drawn, mut hits) = (Drawn::new(is_text), Vec::new());
                drawn.take(depth, || {
                    let Some(hit) = search.next(on)? else { return Ok(None) };
                    let raw = if is_text { hit.bm25 } else { hit.distance.map(narrow) }.unwrap_or(0.0);
                    hits.push(hit);
                    Ok(Some(((0, hits.len() as u32 - 1), raw)))
                })?;
                cut |= !drawn.exhausted();
                for (leg_hit, standing) in drawn.hits() {
                    // A group of equals that the depth cuts counts nothing: not all of it is known.
                    let Some(hit) = hits.get(leg_hit.id.1 as usize).filter(|_| standing == Standing::Within)
                    else {
                        continue;
                    };
                    let at = *place.entry(hit.rowid).or_insert(fused.len());
                    if at == fused.len() {
                        fused.push(query::Hit { score: Some(0.0), ..hit.clone() });
                    }
                    let row = &mut fused[at];
                    row.distance = row.distance.or(hit.distance);
                    row.bm25 = row.bm25.or(hit.bm25);
                    let fused = row.fused.get_or_insert_default();
                    let (rank, raw) = (leg_hit.rank, leg_hit.raw);
                    let adds = weight / (k + rank as f32);
                    row.score = row.score.map(|score| score + adds);
                    let known = if is_text { &mut row.text_rank } else { &mut row.vector_rank };
                    *known = Some(known.map_or(rank, |known| known.min(rank)));
                    let leg = if is_text { &mut fused.text } else { &mut fused.vector };
                    let leg = leg.get_or_insert(LegScore { raw, weight, ..LegScore::default() });
                    if leg.rank.is_none_or(|best| rank < best) {
                        (leg.rank, leg.raw) = (Some(rank), raw);
                    }
                    // Of several vector legs the sum.
                    leg.normalized += 1.0 / (k + rank as f32);
                    leg.contribution += adds;
                }
                query = query.take().or_else(|| search.text_query().cloned());
                plans.push(serde_json::to_value(search.trace()).unwrap_or_default());
            }
        }
        if !self.request.within.is_empty() {
            // Rows of the text leg are anywhere.
            fused.retain(|hit| hit.distance.is_some());
        }
        fused.sort_by(|a, b| a.rank().total_cmp(&b.rank()).then(a.rowid.cmp(&b.rowid)));
        let plan = serde_json::json!({"kind": "several legs", "legs": plans});
        Ok(Rows::Fused { hits: fused.into_iter(), text: query, plan, cut })
    }

    /// Picks `wanted` of the candidates by maximal marginal relevance.
    fn diverse(
        &self,
        on: Connected<'_>,
        lambda: f32,
        found: Vec<query::Hit>,
        wanted: usize,
    ) -> Result<Vec<query::Hit>> {
        let Some(leg) = &self.request.vector else {
            return Err(Error::Value(format!("{}: rerank by MMR needs nearest", on.storage.table)));
        };
        let mut vectors = Vec::with_capacity(found.len());
        on.for_each_vector(leg.column, found.iter().map(|hit| hit.rowid), |vector| {
            vectors.push(vector.map(<[f32]>::to_vec).unwrap_or_default());
            Ok(())
        })?;
        let spec = on.schema.vectors().nth(leg.column).map(|(_, spec)| spec);
        let one_leg = self.request.text.is_none() && self.more.is_empty();
        let relevance: Vec<f32> = if one_leg && spec.is_some_and(|s| s.metric == Metric::Cosine) {
            // The paper's own measure: both terms of the sum are cosines.
            found.iter().map(|hit| 1.0 - hit.distance.map_or(1.0, narrow)).collect()
        } else {
            let scores = found.iter().map(|hit| -hit.rank());
            let best = scores.clone().fold(f64::NEG_INFINITY, f64::max);
            let worst = scores.clone().fold(f64::INFINITY, f64::min);
            let span = if best > worst { best - worst } else { 1.0 };
            scores.map(|score| ((score - worst) / span) as f32).collect()
        };
        let picked = mmr(&relevance, &vectors, lambda, wanted);
        Ok(picked.into_iter().filter_map(|at| found.get(at).cloned()).collect())
    }
}

/// What the only leg gave to a row: all of its score.
fn single(hit: &query::Hit, rank: u32) -> Option<Box<Fused>> {
    let raw = hit.distance.map(narrow).or(hit.bm25)?;
    let score = narrow(-hit.rank());
    let (rank, weight) = (Some(rank), 1.0);
    let leg = LegScore { rank, raw, normalized: score, weight, contribution: score, filled: false };
    let (vector, text) = if hit.distance.is_some() { (Some(leg), None) } else { (None, Some(leg)) };
    Some(Box::new(Fused { id: (0, 0), score, vector, text }))
}
