//! Maximal marginal relevance (Carbonell & Goldstein 1998): picks rows that are relevant and unlike each other.
//!
//! Every pick maximises `lambda * relevance - (1 - lambda) * (greatest cosine similarity to a row already picked)`.
//! lambda 1 is pure relevance, 0 pure diversity (Qdrant's `diversity` is 1 - lambda). It runs after fusion and grouping, on
//! four candidates for each row that the caller takes, and costs `rows * candidates` dot products. A caller who takes more
//! makes the pool four times larger; the rows given stay.

use super::request::{Hit, Request};
use crate::collection::Connected;
use crate::error::{Error, Result};
use crate::vector::Metric;
use crate::vector::metric::narrow;

/// How much larger the pool is each time the caller has taken what it was made for.
const WIDER: usize = 4;

/// A search whose rows are picked by maximal marginal relevance.
pub struct Diversity {
    /// Vector column whose vectors are compared, that of the first vector leg.
    column: usize,
    /// The distance is one minus a cosine: both terms of the sum are cosines, as in the paper.
    cosine: bool,
    picks: Picks,
    hits: Vec<Hit>,
    given: usize,
    /// Rows that the pool was made for.
    wanted: usize,
    ended: bool,
}

impl Diversity {
    /// The first stage makes the pool of [`Request::picks`].
    pub fn new(on: Connected<'_>, request: &Request, lambda: f32) -> Result<Self> {
        let Some(leg) = request.vectors().next() else {
            return Err(Error::Value(format!(
                "{}: MMR compares vectors, so it needs a vector leg",
                on.storage.table
            )));
        };
        let spec = on.schema.vectors().nth(leg.column).map(|(_, spec)| spec);
        let cosine = request.legs.len() == 1 && spec.is_some_and(|spec| spec.metric == Metric::Cosine);
        let picks = Picks::new(lambda);
        Ok(Self { column: leg.column, cosine, picks, hits: Vec::new(), given: 0, wanted: 0, ended: false })
    }

    /// The next row; `draw` gives the ranked ones.
    pub fn next(
        &mut self,
        on: Connected<'_>,
        request: &Request,
        draw: &mut dyn FnMut() -> Result<Option<Hit>>,
    ) -> Result<Option<Hit>> {
        if self.given >= self.wanted && !self.ended {
            self.wanted = if self.wanted == 0 { request.picks() } else { self.wanted.saturating_mul(WIDER) };
            self.fill(on, request.candidates(self.wanted), draw)?;
        }
        let Some(at) = self.picks.pick() else { return Ok(None) };
        self.given += 1;
        let picked = u32::try_from(self.given).ok();
        Ok(self.hits.get(at).map(|hit| Hit { picked, ..hit.clone() }))
    }

    /// Draws rows until there were `count` of them.
    fn fill(
        &mut self,
        on: Connected<'_>,
        count: usize,
        draw: &mut dyn FnMut() -> Result<Option<Hit>>,
    ) -> Result<()> {
        let known = self.hits.len();
        while self.hits.len() < count {
            match draw()? {
                Some(hit) => self.hits.push(hit),
                None => {
                    self.ended = true;
                    break;
                }
            }
        }
        let new = self.hits[known..].iter().map(|hit| hit.rowid);
        on.for_each_vector(self.column, new, |vector| {
            self.picks.push(vector.unwrap_or_default());
            Ok(())
        })?;
        self.picks.set_relevance(self.relevance());
        Ok(())
    }

    fn relevance(&self) -> Vec<f32> {
        if self.cosine {
            return self.hits.iter().map(|hit| 1.0 - hit.distance.map_or(1.0, narrow)).collect();
        }
        let scores = self.hits.iter().map(Hit::relevance);
        let best = scores.clone().fold(f64::NEG_INFINITY, f64::max);
        let worst = scores.clone().fold(f64::INFINITY, f64::min);
        let span = if best > worst { best - worst } else { 1.0 };
        scores.map(|score| ((score - worst) / span) as f32).collect()
    }
}

/// The candidates and which of them were picked.
struct Picks {
    lambda: f64,
    candidates: Vec<Candidate>,
    /// Positions that were not picked, in order.
    left: Vec<usize>,
    picked: Vec<usize>,
}

struct Candidate {
    /// Empty where there is none: it resembles nothing.
    vector: Vec<f32>,
    norm: f64,
    /// Scaled to 0..1, larger is better.
    relevance: f64,
    /// Greatest similarity to a picked one.
    nearest: Option<f64>,
}

impl Candidate {
    fn similarity(&self, other: &Self) -> f64 {
        let cosine = dot(&self.vector, &other.vector) / (self.norm * other.norm);
        if self.vector.len() == other.vector.len() && cosine.is_finite() { cosine } else { 0.0 }
    }
}

impl Picks {
    fn new(lambda: f32) -> Self {
        let lambda = f64::from(if lambda.is_nan() { 1.0 } else { lambda.clamp(0.0, 1.0) });
        Self { lambda, candidates: Vec::new(), left: Vec::new(), picked: Vec::new() }
    }

    fn push(&mut self, vector: &[f32]) {
        let norm = dot(vector, vector).sqrt();
        let mut new = Candidate { vector: vector.to_vec(), norm, relevance: 0.0, nearest: None };
        let similar = self.picked.iter().map(|at| new.similarity(&self.candidates[*at]));
        new.nearest = similar.reduce(f64::max);
        self.left.push(self.candidates.len());
        self.candidates.push(new);
    }

    /// Relevance of every candidate, in the order in which they came. NaN counts as 0.
    fn set_relevance(&mut self, relevance: Vec<f32>) {
        for (candidate, relevance) in self.candidates.iter_mut().zip(relevance) {
            candidate.relevance = if relevance.is_nan() { 0.0 } else { f64::from(relevance) };
        }
    }

    /// Position of the next candidate; the first is the most relevant one. Ties go to the earlier candidate.
    fn pick(&mut self) -> Option<usize> {
        let lambda = self.lambda;
        let score = |at: usize| {
            let candidate = &self.candidates[at];
            match candidate.nearest {
                None => candidate.relevance,
                Some(nearest) => lambda * candidate.relevance - (1.0 - lambda) * nearest,
            }
        };
        if self.left.is_empty() {
            return None;
        }
        let better = |best: usize, slot: usize| score(self.left[slot]) > score(self.left[best]);
        let best = (1..self.left.len()).fold(0, |best, slot| if better(best, slot) { slot } else { best });
        // `remove` keeps the order of the rest, on which ties depend.
        let chosen = self.left.remove(best);
        self.picked.push(chosen);
        for at in &self.left {
            let similarity = self.candidates[*at].similarity(&self.candidates[chosen]);
            let nearest = &mut self.candidates[*at].nearest;
            *nearest = Some(nearest.map_or(similarity, |known| known.max(similarity)));
        }
        Some(chosen)
    }
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
}

#[cfg(test)]
mod tests {
    use super::Picks;

    fn mmr(relevance: &[f32], vectors: &[Vec<f32>], lambda: f32, k: usize) -> Vec<usize> {
        let mut picks = Picks::new(lambda);
        for at in 0..relevance.len() {
            picks.push(vectors.get(at).map_or(&[], Vec::as_slice));
        }
        picks.set_relevance(relevance.to_vec());
        (0..k).map_while(|_| picks.pick()).collect()
    }

    #[test]
    fn near_duplicates_give_way_to_something_else() {
        let vectors = [vec![1.0, 0.0], vec![0.999, 0.01], vec![0.0, 1.0], vec![-1.0, 0.0]];
        let relevance = [1.0, 0.95, 0.6, 0.1];
        assert_eq!(mmr(&relevance, &vectors, 1.0, 3), [0, 1, 2]);
        // After 0: candidate 1 has 0.5*0.95 - 0.5*1.0 = -0.02, 2 has 0.3, 3 has 0.05 + 0.5 = 0.55.
        assert_eq!(mmr(&relevance, &vectors, 0.5, 4), [0, 3, 2, 1]);
        assert_eq!(mmr(&relevance, &vectors, 0.8, 2), [0, 1]);
    }

    #[test]
    fn the_first_pick_is_the_most_relevant_even_for_pure_diversity() {
        let vectors = [vec![1.0, 0.0], vec![1.0, 0.1], vec![0.0, 1.0]];
        assert_eq!(mmr(&[0.1, 0.9, 0.5], &vectors, 0.0, 2), [1, 2]);
    }

    #[test]
    fn a_candidate_that_comes_later_is_compared_with_what_was_picked_before() {
        let mut picks = Picks::new(0.5);
        picks.push(&[1.0, 0.0]);
        picks.set_relevance(vec![1.0]);
        assert_eq!(picks.pick(), Some(0));
        picks.push(&[0.9, 0.1]);
        picks.push(&[0.0, 1.0]);
        picks.set_relevance(vec![1.0, 0.9, 0.5]);
        assert_eq!([picks.pick(), picks.pick(), picks.pick()], [Some(2), Some(1), None]);
    }

    #[test]
    fn odd_input_never_panics_and_picks_each_candidate_once() {
        let vectors = [vec![], vec![0.0, 0.0], vec![f32::NAN, 1.0], vec![f32::INFINITY, 0.0], vec![1.0]];
        let mut picked = mmr(&[f32::NAN, 1.0, f32::INFINITY, 0.0, 0.5, 0.2], &vectors, 0.5, 99);
        picked.sort_unstable();
        assert_eq!(picked, [0, 1, 2, 3, 4, 5]);
        assert!(mmr(&[], &[], f32::NAN, 3).is_empty());
        assert!(mmr(&[1.0], &[], 0.5, 0).is_empty());
    }
}
