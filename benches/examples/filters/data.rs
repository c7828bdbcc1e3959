//! Vectors from files, the true order of the rows for each query, and the rows that pass a filter.

use nearlite::{Metric, ann};
use std::error::Error;
use std::path::Path;

/// Rows, queries, and for each query all rows in order of distance.
pub struct Data {
    pub dim: usize,
    pub metric: Metric,
    pub base: Vec<f32>,
    pub queries: Vec<Vec<f32>>,
}

/// All rows of one query, nearest first, with their exact distances.
pub type Order = Vec<(f32, u32)>;

impl Data {
    /// Reads `NAME.base.f32` and `NAME.query.f32` and takes `count` queries at even steps.
    pub fn read(
        dir: &Path,
        set: &str,
        dim: usize,
        metric: Metric,
        count: usize,
    ) -> Result<Self, Box<dyn Error>> {
        let base = floats(&dir.join(format!("{set}.base.f32")))?;
        let all = floats(&dir.join(format!("{set}.query.f32")))?;
        let step = (all.len() / dim / count.max(1)).max(1);
        let queries = all.chunks_exact(dim).step_by(step).take(count).map(<[f32]>::to_vec).collect();
        Ok(Self { dim, metric, base, queries })
    }

    pub fn rows(&self) -> usize {
        self.base.len() / self.dim
    }

    /// Compares a query with every row.
    pub fn order(&self, query: &[f32]) -> nearlite::Result<Order> {
        let rows = self.base.chunks_exact(self.dim).enumerate();
        let far = |(row, vector)| Ok((ann::distance(self.metric, query, vector)?, row as u32));
        let mut order = rows.map(far).collect::<nearlite::Result<Order>>()?;
        order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        Ok(order)
    }
}

fn floats(path: &Path) -> Result<Vec<f32>, Box<dyn Error>> {
    let bytes = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(bytes.as_chunks::<4>().0.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect())
}

/// `count` positions of an order of `rows` rows, such that passing has the given correlation with being near.
///
/// A Gaussian copula: each row gets the score `c * z + sqrt(1 - c^2) * noise`, where `z` is the normal quantile of its
/// rank and `noise` is standard normal; the rows with the lowest scores pass. So 1 passes the nearest rows, -1 the
/// farthest, 0 random ones. At .5 and a pass rate of 60 % the nearest rows pass with 98 %, at -.5 with 3 %.
pub fn passing(rows: usize, count: usize, correlation: f64, seed: u64) -> Vec<u32> {
    if correlation >= 1.0 {
        return (0..count as u32).collect();
    }
    if correlation <= -1.0 {
        return (rows - count..rows).map(|at| at as u32).collect();
    }
    let mut random = Random(seed);
    let spread = (1.0 - correlation * correlation).sqrt();
    let mut scored: Vec<(f64, u32)> = (0..rows)
        .map(|at| {
            let z = quantile((at as f64 + 0.5) / rows as f64);
            (correlation * z + spread * quantile(random.next()), at as u32)
        })
        .collect();
    if count < rows {
        scored.select_nth_unstable_by(count, |a, b| a.0.total_cmp(&b.0));
        scored.truncate(count);
    }
    scored.into_iter().map(|(_, at)| at).collect()
}

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    /// Uniform between 0 and 1, both excluded.
    pub fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ x >> 31) >> 11) as f64 / (1_u64 << 53) as f64 + 1e-17
    }

    /// The numbers below `count` in random order.
    pub fn shuffled(&mut self, count: usize) -> Vec<u32> {
        let mut all: Vec<u32> = (0..count as u32).collect();
        for at in (1..count).rev() {
            all.swap(at, (self.next() * (at + 1) as f64) as usize);
        }
        all
    }
}

/// The normal quantile, by a rational approximation (Abramowitz and Stegun 26.2.23,
/// whose error of 4.5e-4 is of no account here).
fn quantile(share: f64) -> f64 {
    let tail = share.min(1.0 - share).max(1e-300);
    let t = (-2.0 * tail.ln()).sqrt();
    let above = 2.515517 + t * (0.802853 + t * 0.010328);
    let below = 1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308));
    let z = t - above / below;
    if share < 0.5 { -z } else { z }
}

/// The middle of the values.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
