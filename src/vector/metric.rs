//! The exact distance that is reported: summed in f32 on the fast path, in f64 where f32 would overflow or lose digits
//! at its small end. Both are given as f64, so that distances beyond the range of f32 keep their order.
//!
//! Invariant: for finite input the result is finite and neither NaN nor -0.0. Cosine of a zero vector is 1.

use super::kernels::{self, Pairs};
use super::{Metric, Store, aligned, half};

/// Exact distance of `a` and `b` (equal lengths) in the unit of the metric.
pub(crate) fn distance(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    fast(metric, &kernels::get().f32, a, aligned::as_bytes(b)).unwrap_or_else(|| distance_plain(metric, a, b))
}

/// The same of `a` and the stored bytes of as many finite numbers, straight from where they lie.
pub(crate) fn distance_to_stored(metric: Metric, a: &[f32], store: Store, b: &[u8]) -> f64 {
    let kernels = kernels::get();
    let pairs = match store {
        Store::F32 => &kernels.f32,
        Store::F16 => &kernels.f16,
    };
    fast(metric, pairs, a, b).unwrap_or_else(|| distance_plain(metric, a, &decoded(store, b)))
}

fn decoded(store: Store, bytes: &[u8]) -> Vec<f32> {
    match store {
        Store::F32 => bytes.as_chunks::<4>().0.iter().map(|x| f32::from_le_bytes(*x)).collect(),
        Store::F16 => {
            let mut out = vec![0.0; bytes.len() / 2];
            half::f16_to_f32(bytes, &mut out);
            out
        }
    }
}

/// The least dot product that is trusted: the products that f32 rounds to zero add up to less than a part in 10^8 of it.
const LEAST_DOT: f32 = 1e-25;

/// `None` where f32 does not carry the numbers.
fn fast(metric: Metric, pairs: &Pairs, a: &[f32], b: &[u8]) -> Option<f64> {
    match metric {
        Metric::Cosine => {
            let [dot, aa, bb] = (pairs.norms)(a, b);
            let norms = aa * bb;
            let good = norms.is_finite() && dot.is_finite() && aa > 1e-18 && bb > 1e-18;
            good.then(|| f64::from((1.0 - dot / norms.sqrt()).clamp(0.0, 2.0)))
        }
        Metric::L2 => {
            let [square] = (pairs.square)(a, b);
            let good = square.is_finite() && (square > 1e-30 || square == 0.0 && aligned::as_bytes(a) == b);
            good.then(|| f64::from(square.sqrt()))
        }
        Metric::Ip => {
            let [dot] = (pairs.dot)(a, b);
            (dot.is_finite() && dot.abs() > LEAST_DOT).then(|| f64::from(-dot))
        }
    }
}

/// The same distance by a plain loop in f64: the oracle of the fast kernels.
pub(crate) fn distance_plain(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let pairs = || a.iter().zip(b).map(|(x, y)| (f64::from(*x), f64::from(*y)));
    match metric {
        Metric::Cosine => {
            let aa: f64 = pairs().map(|(x, _)| x * x).sum();
            let bb: f64 = pairs().map(|(_, y)| y * y).sum();
            if aa == 0.0 || bb == 0.0 {
                1.0
            } else {
                let dot: f64 = pairs().map(|(x, y)| x * y).sum();
                (1.0 - dot / (aa.sqrt() * bb.sqrt())).clamp(0.0, 2.0)
            }
        }
        Metric::L2 => pairs().map(|(x, y)| (x - y) * (x - y)).sum::<f64>().sqrt(),
        // Taken from zero, so that no product is 0.0 and not -0.0.
        Metric::Ip => 0.0 - pairs().map(|(x, y)| x * y).sum::<f64>(),
    }
}

/// A distance as f32; one beyond its range becomes the end of it.
pub(crate) fn narrow(distance: f64) -> f32 {
    distance.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32
}

/// Scales `vector` to length 1; a zero vector stays zero.
pub(crate) fn normalize(vector: &mut [f32]) {
    let square = kernels::get().dot_f32(vector, vector);
    if square.is_finite() && square > 1e-18 {
        let factor = 1.0 / square.sqrt();
        vector.iter_mut().for_each(|x| *x *= factor);
        return;
    }
    let norm = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
    if norm > 0.0 {
        vector.iter_mut().for_each(|x| *x = (f64::from(*x) / norm) as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extremes_give_finite_distances_equal_to_the_plain_loop() {
        let values = [0.0, 1e-45, -1e-45, 1e-30, 1.0, -1.0, 1e20, f32::MAX, f32::MIN];
        for metric in [Metric::Cosine, Metric::L2, Metric::Ip] {
            for x in values {
                for y in values {
                    for dim in [1, 3, 64, 100] {
                        let a = vec![x; dim];
                        let mut b = vec![y; dim];
                        b[0] = x;
                        let (fast, plain) = (distance(metric, &a, &b), distance_plain(metric, &a, &b));
                        assert!(fast.is_finite(), "{metric:?} {x} {y} {dim}");
                        assert!(
                            (fast - plain).abs() <= 1e-5 * plain.abs().max(1.0),
                            "{metric:?} {x} {y} {dim}: {fast} {plain}"
                        );
                    }
                }
            }
        }
        assert_eq!(distance(Metric::Cosine, &[0.0; 5], &[1.0; 5]), 1.0);
    }

    #[test]
    fn a_distance_from_bytes_is_that_of_the_decoded_vector_to_the_bit_wherever_the_bytes_lie() {
        let dim = 53;
        let query: Vec<f32> = (0..dim).map(|i| (i as f32 * 0.7).sin()).collect();
        let rows: [Vec<f32>; 5] = [
            (0..dim).map(|i| (i as f32 * 0.3).cos()).collect(),
            query.clone(),
            vec![0.0; dim],
            vec![6e4; dim],
            vec![1e-7; dim],
        ];
        for metric in [Metric::Cosine, Metric::L2, Metric::Ip] {
            for query in [query.clone(), vec![1e30; dim]] {
                for row in &rows {
                    let halves = half::f32_to_f16(row);
                    let from_halves = decoded(Store::F16, &halves);
                    for (store, bytes, row) in
                        [(Store::F32, aligned::as_bytes(row), row), (Store::F16, &halves, &from_halves)]
                    {
                        let expected = distance(metric, &query, row);
                        for shift in 0..5 {
                            let moved = [&[0; 5][..shift], bytes].concat();
                            let found = distance_to_stored(metric, &query, store, &moved[shift..]);
                            assert_eq!(found.to_bits(), expected.to_bits(), "{metric:?} {store:?} {shift}");
                        }
                    }
                }
            }
        }
    }
}
