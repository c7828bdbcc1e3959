//! Seeded data for the benches: clusters of a low-dimensional kind, as embeddings are.

pub mod baseline;

/// `rows` vectors of `dim` dimensions around 200 centres; `seed` picks the points, the centres are always the same.
pub fn vectors(rows: usize, dim: usize, seed: u64) -> Vec<f32> {
    let mut centres = Noise(1);
    let basis: Vec<f32> = (0..200 * dim).map(|_| centres.normal()).collect();
    let mut noise = Noise(seed | 1);
    let mut out = Vec::with_capacity(rows * dim);
    for _ in 0..rows {
        let (a, b) = (noise.next() as usize % 200, noise.next() as usize % 200);
        let mix = noise.next() as f32 / u32::MAX as f32;
        for at in 0..dim {
            let centre = basis[a * dim + at] * mix + basis[b * dim + at] * (1.0 - mix);
            out.push(centre + 0.6 * noise.normal());
        }
    }
    out
}

struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) as u32
    }

    fn normal(&mut self) -> f32 {
        (0..6).map(|_| self.next() as f32 / u32::MAX as f32 - 0.5).sum::<f32>() * 1.4
    }
}
