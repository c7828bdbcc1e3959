//! Temporary exact stand-in.
use crate::bitmap::Bitmap;
use crate::error::Result;
use crate::schema::VectorSpec;
use crate::vector::metric;
pub struct Rows<'a> { pub dim: usize, pub data: &'a [f32], pub present: Option<&'a Bitmap> }
pub struct Candidate { pub ord: u32, pub distance: f32 }
#[derive(Default, Clone, Debug)] pub struct SearchStats { pub distances: u64, pub hops: u64 }
pub struct Outcome { pub candidates: Vec<Candidate>, pub complete: bool }
pub struct VectorIndex { spec: VectorSpec, rows: usize, present: Vec<bool>, data: Vec<f32> }
impl VectorIndex {
    pub fn build(spec: &VectorSpec, rows: &Rows, _t: usize, _p: &mut dyn FnMut(usize, usize) -> bool) -> Result<Self> {
        let n = rows.data.len() / rows.dim;
        Ok(Self { spec: spec.clone(), rows: n, present: (0..n).map(|i| rows.present.is_none_or(|p| p.contains(i as u32))).collect(), data: rows.data.to_vec() })
    }
    pub fn merge(spec: &VectorSpec, rows: &Rows, _b: &Self, _m: &[Option<u32>], t: usize, p: &mut dyn FnMut(usize, usize) -> bool) -> Result<Self> { Self::build(spec, rows, t, p) }
    pub fn encode(&self) -> Vec<u8> { self.present.iter().map(|b| *b as u8).chain(self.data.iter().flat_map(|x| x.to_le_bytes())).collect() }
    pub fn decode(bytes: Vec<u8>, spec: &VectorSpec, rows: usize) -> Result<Self, String> {
        if bytes.len() != rows + rows * spec.dim * 4 { return Err("length".into()); }
        let (p, d) = bytes.split_at(rows);
        Ok(Self { spec: spec.clone(), rows, present: p.iter().map(|b| *b != 0).collect(), data: d.chunks(4).map(|c| f32::from_le_bytes([c[0], c[1], c[2], c[3]])).collect() })
    }
    pub fn rows(&self) -> usize { self.rows }
    pub fn memory_bytes(&self) -> usize { self.data.len() * 4 }
    pub fn search(&self, q: &[f32], want: usize, _ef: usize, allowed: Option<&Bitmap>, _b: Option<u64>, s: &mut SearchStats) -> Outcome { Outcome { candidates: self.scan(q, want, allowed, s), complete: true } }
    pub fn scan(&self, q: &[f32], want: usize, allowed: Option<&Bitmap>, s: &mut SearchStats) -> Vec<Candidate> {
        let mut v: Vec<_> = (0..self.rows).filter(|i| self.present[*i] && allowed.is_none_or(|a| a.contains(*i as u32))).map(|i| Candidate { ord: i as u32, distance: metric::distance(self.spec.metric, q, &self.data[i * self.spec.dim..(i + 1) * self.spec.dim]) }).collect();
        s.distances += v.len() as u64;
        v.sort_by(|a, b| a.distance.total_cmp(&b.distance));
        v.truncate(want);
        v
    }
    pub fn error_bound(&self, _q: &[f32]) -> f32 { 0.0 }
}
