//! Maximal marginal relevance (Carbonell & Goldstein 1998): picks rows that are relevant and unlike each other.
//!
//! Every pick maximises `lambda * relevance - (1 - lambda) * (greatest cosine similarity to a row already picked)`.
//! lambda 1 is pure relevance, 0 pure diversity (Qdrant's `diversity` is 1 - lambda). It runs after fusion on a few
//! dozen candidates, `4 * k` is customary, and costs `k * candidates` dot products.

/// The positions of up to `k` candidates in the order they are picked; the first is the most relevant one.
///
/// `relevance` is scaled to 0..1, larger is better; `vectors` are the candidates' vectors in the same order, an empty
/// one for a candidate without a vector, which resembles nothing. NaN counts as 0. Ties go to the earlier candidate.
pub fn mmr(relevance: &[f32], vectors: &[Vec<f32>], lambda: f32, k: usize) -> Vec<usize> {
    let lambda = f64::from(if lambda.is_nan() { 1.0 } else { lambda.clamp(0.0, 1.0) });
    let count = relevance.len();
    let relevance = |at: usize| if relevance[at].is_nan() { 0.0 } else { f64::from(relevance[at]) };
    let norms: Vec<f64> = vectors.iter().map(|vector| dot(vector, vector).sqrt()).collect();
    let similarity = |a: usize, b: usize| -> f64 {
        let (Some(left), Some(right)) = (vectors.get(a), vectors.get(b)) else {
            return 0.0;
        };
        let cosine = dot(left, right) / (norms[a] * norms[b]);
        if left.len() == right.len() && cosine.is_finite() { cosine } else { 0.0 }
    };
    let mut nearest: Vec<Option<f64>> = vec![None; count];
    let mut left: Vec<usize> = (0..count).collect();
    let mut picked = Vec::with_capacity(k.min(count));
    while picked.len() < k && !left.is_empty() {
        let score = |at: usize| match nearest[at] {
            None => relevance(at),
            Some(nearest) => lambda * relevance(at) - (1.0 - lambda) * nearest,
        };
        let best = (1..left.len()).fold(
            0,
            |best, slot| {
                if score(left[slot]) > score(left[best]) { slot } else { best }
            },
        );
        // `remove` keeps the order of the rest, on which ties depend.
        let chosen = left.remove(best);
        picked.push(chosen);
        for at in &left {
            let next = similarity(*at, chosen);
            let known = &mut nearest[*at];
            *known = Some(known.map_or(next, |known| known.max(next)));
        }
    }
    picked
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
}

#[cfg(test)]
mod tests {
    use super::mmr;

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
    fn odd_input_never_panics_and_picks_each_candidate_once() {
        let vectors = [vec![], vec![0.0, 0.0], vec![f32::NAN, 1.0], vec![f32::INFINITY, 0.0], vec![1.0]];
        let mut picked = mmr(&[f32::NAN, 1.0, f32::INFINITY, 0.0, 0.5, 0.2], &vectors, 0.5, 99);
        picked.sort_unstable();
        assert_eq!(picked, [0, 1, 2, 3, 4, 5]);
        assert!(mmr(&[], &[], f32::NAN, 3).is_empty());
        assert!(mmr(&[1.0], &[], 0.5, 0).is_empty());
    }
}
