//! Codes back into vectors, as sums over rows.

use super::quantizer::Kind;
use super::view::View;
use crate::vector::background::Background;
use crate::vector::{Metric, aligned};

impl View<'_> {
    /// The background of the rows `ords`, from their codes: off by the mean of the codes' errors, which cancel out.
    pub fn background(&self, ords: impl Iterator<Item = u32>) -> Background {
        let quantizer = self.quantizer;
        let mut sums = Sums { sum: vec![0.0; quantizer.dim], squares: 0.0, rows: 0 };
        match (quantizer.kind, self.signs) {
            (Kind::Float, _) => ords.for_each(|ord| {
                sums.add(aligned::as_f32(self.row(ord)).iter().take(quantizer.dim).map(|x| f64::from(*x)));
            }),
            (Kind::Int8, _) => ords.for_each(|ord| {
                let scale = self.factors.get(ord as usize * 2).map_or(quantizer.uniform, |scale| *scale);
                let codes = self.row(ord).iter().zip(&quantizer.mean);
                sums.add(codes.map(|(code, mean)| {
                    f64::from(scale) * f64::from(i16::from(*code) - 128) + f64::from(*mean)
                }));
            }),
            (Kind::Bit, Some(signs)) => {
                let mut turned = Sums { sum: vec![0.0; signs.shape.dims], squares: 0.0, rows: 0 };
                let mut norms = 0.0;
                ords.for_each(|ord| {
                    turned.add(signs.values(ord));
                    norms += signs.square(ord);
                });
                let mut centred: Vec<f32> = turned.sum.iter().map(|x| *x as f32).collect();
                signs.shape.rotate_back(&mut centred);
                let rows = f64::from(turned.rows);
                let (mut dot, mut square) = (0.0, 0.0);
                for ((sum, x), mean) in sums.sum.iter_mut().zip(&centred).zip(&quantizer.mean) {
                    let (x, mean) = (f64::from(*x), f64::from(*mean));
                    *sum = x + rows * mean;
                    dot += x * mean;
                    square += mean * mean;
                }
                sums.squares = norms + 2.0 * dot + rows * square;
                sums.rows = turned.rows;
            }
            (Kind::Bit, None) => {}
        }
        let unit = if quantizer.metric == Metric::Cosine { 1.0 } else { f64::from(quantizer.unit) };
        sums.sum.iter_mut().for_each(|sum| *sum *= unit);
        Background::from_sums(sums.rows as usize, sums.sum, sums.squares * unit * unit)
    }

    pub(super) fn row(&self, ord: u32) -> &[u8] {
        &self.table.bytes[ord as usize * self.table.stride..][..self.table.stride]
    }
}

struct Sums {
    sum: Vec<f64>,
    squares: f64,
    rows: u32,
}

impl Sums {
    fn add(&mut self, row: impl Iterator<Item = f64>) {
        for (sum, x) in self.sum.iter_mut().zip(row) {
            *sum += x;
            self.squares += x * x;
        }
        self.rows += 1;
    }
}
