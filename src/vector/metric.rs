//! The exact distance that is reported, in f32 on the fast path and in f64 where f32 would overflow.
//!
//! Invariant: for finite input the result is finite and not NaN. Cosine of a zero vector is 1.

use super::{Metric, kernels};

/// Exact distance of `a` and `b` (equal lengths) in the unit of the metric.
pub(crate) fn distance(metric: Metric, a: &[f32], b: &[f32]) -> f32 {
    let kernels = kernels::get();
    match metric {
        Metric::Cosine => {
            let (dot, aa, bb) = (kernels.dot_norms)(a, b);
            let norms = aa * bb;
            if norms.is_finite() && dot.is_finite() && aa > 1e-18 && bb > 1e-18 {
                (1.0 - dot / norms.sqrt()).clamp(0.0, 2.0)
            } else {
                distance_plain(metric, a, b)
            }
        }
        Metric::L2 => {
            let square = (kernels.l2_f32)(a, b);
            if square.is_finite() && (square > 1e-30 || square == 0.0 && a == b) {
                square.sqrt()
            } else {
                distance_plain(metric, a, b)
            }
        }
        Metric::Ip => {
            let dot = (kernels.dot_f32)(a, b);
            if dot.is_finite() { -dot } else { distance_plain(metric, a, b) }
        }
    }
}

/// The same distance by a plain loop in f64: the oracle of the fast kernels.
pub(crate) fn distance_plain(metric: Metric, a: &[f32], b: &[f32]) -> f32 {
    let pairs = || a.iter().zip(b).map(|(x, y)| (f64::from(*x), f64::from(*y)));
    let result = match metric {
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
        Metric::Ip => -pairs().map(|(x, y)| x * y).sum::<f64>(),
    };
    result.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32
}

/// Scales `vector` to length 1; a zero vector stays zero.
pub(crate) fn normalize(vector: &mut [f32]) {
    let square = (kernels::get().dot_f32)(vector, vector);
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
}
