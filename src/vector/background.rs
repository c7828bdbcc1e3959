//! How similar a typical row is to a query: the mean similarity over a set of rows, in one dot product.
//!
//! ```text
//! cosine   mean of <q/|q|, x/|x|>  =  <q/|q|, sum of x/|x|> / rows
//! ip       mean of <q, x>          =  <q, sum of x> / rows
//! l2       mean of -|q - x|²       =  -(|q|² - 2 <q, sum of x> / rows + sum of |x|² / rows)
//! ```
//!
//! Sums are f64, so that sets can be joined and rows taken out again: what is left of a row that was added and removed is
//! below the rounding of any score.

use super::Metric;

/// Sums over the vectors of a set of rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Background {
    rows: f64,
    /// Of the vectors; for cosine of the vectors at length 1, where a zero vector stays zero.
    sum: Vec<f64>,
    /// Of the squared norms.
    squares: f64,
}

impl Background {
    /// No rows.
    pub fn new(dim: usize) -> Self {
        Self { rows: 0.0, sum: vec![0.0; dim], squares: 0.0 }
    }

    /// From stored sums.
    pub fn from_sums(rows: usize, sum: Vec<f64>, squares: f64) -> Self {
        Self { rows: rows as f64, sum, squares }
    }

    /// Sum of the vectors, and of their squared norms.
    pub fn sums(&self) -> (&[f64], f64) {
        (&self.sum, self.squares)
    }

    /// Adds a row.
    pub fn add(&mut self, metric: Metric, vector: &[f32]) {
        let square: f64 = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
        let scale = match metric {
            Metric::Cosine if square > 0.0 => 1.0 / square.sqrt(),
            Metric::Cosine | Metric::L2 | Metric::Ip => 1.0,
        };
        self.sum.iter_mut().zip(vector).for_each(|(sum, x)| *sum += f64::from(*x) * scale);
        self.squares += square * scale * scale;
        self.rows += 1.0;
    }

    /// Adds the rows of another set.
    pub fn join(&mut self, other: &Self) {
        self.shift(other, 1.0);
    }

    /// Takes out rows that were added before.
    pub fn remove(&mut self, other: &Self) {
        self.shift(other, -1.0);
    }

    fn shift(&mut self, other: &Self, times: f64) {
        self.sum.iter_mut().zip(&other.sum).for_each(|(sum, x)| *sum += x * times);
        self.squares += other.squares * times;
        self.rows += other.rows * times;
    }

    /// The mean similarity of the rows to `query`: cosine, dot product, or the negated squared distance. `None` without
    /// rows, and where numbers beyond f64 leave no mean.
    pub fn similarity(&self, metric: Metric, query: &[f32]) -> Option<f64> {
        if self.rows < 0.5 {
            return None;
        }
        let dot = query.iter().zip(&self.sum).map(|(q, x)| f64::from(*q) * x).sum::<f64>() / self.rows;
        let square: f64 = query.iter().map(|q| f64::from(*q) * f64::from(*q)).sum();
        let mean = match metric {
            Metric::Cosine if square > 0.0 => dot / square.sqrt(),
            Metric::Cosine => 0.0,
            Metric::Ip => dot,
            Metric::L2 => -(square - 2.0 * dot + self.squares / self.rows).max(0.0),
        };
        mean.is_finite().then_some(mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::metric::distance_plain;

    #[test]
    fn the_similarity_is_the_mean_over_all_rows_and_rows_can_be_taken_out() {
        let dim = 7;
        let row =
            |at: usize| -> Vec<f32> { (0..dim).map(|i| ((at * dim + i) as f32 * 0.7).sin() * 3.0).collect() };
        let mut rows: Vec<Vec<f32>> = (0..40).map(row).collect();
        rows.push(vec![0.0; dim]);
        let query = row(77);
        for metric in [Metric::Cosine, Metric::L2, Metric::Ip] {
            let similarity = |row: &Vec<f32>| match (metric, distance_plain(metric, &query, row)) {
                (Metric::Cosine, distance) => 1.0 - distance,
                (Metric::L2, distance) => -distance * distance,
                (Metric::Ip, distance) => -distance,
            };
            let mut all = Background::new(dim);
            assert_eq!(all.similarity(metric, &query), None);
            rows.iter().for_each(|row| all.add(metric, row));
            let expected = rows.iter().map(similarity).sum::<f64>() / rows.len() as f64;
            let found = all.similarity(metric, &query).unwrap();
            assert!((found - expected).abs() < 1e-6, "{metric:?}: {found} {expected}");
            let mut some = Background::new(dim);
            rows[10..].iter().for_each(|row| some.add(metric, row));
            all.remove(&some);
            let expected = rows[..10].iter().map(similarity).sum::<f64>() / 10.0;
            let found = all.similarity(metric, &query).unwrap();
            assert!((found - expected).abs() < 1e-6, "{metric:?}: {found} {expected}");
        }
    }
}
