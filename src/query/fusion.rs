//! Stand-in fusion: RRF only.
use crate::error::Result;
use crate::vector::Metric;
use std::collections::HashMap;
#[derive(Debug, Clone, PartialEq)]
pub enum Fusion { Rrf { k: f32 }, Convex { alpha: f32 } }
impl Default for Fusion { fn default() -> Self { Self::Rrf { k: 60.0 } } }
impl Fusion { pub fn rrf() -> Self { Self::default() } pub fn fills_missing(&self) -> bool { false } }
#[derive(Debug, Clone, Default)]
pub struct HybridOptions { pub fusion: Fusion, pub depth: Option<usize>, pub column: Option<String>, pub ef_search: Option<usize> }
pub struct LegHit { pub id: (u32, u32), pub rank: u32, pub raw: f32 }
#[derive(Debug, Clone, PartialEq)]
pub struct LegScore { pub rank: Option<u32>, pub raw: f32, pub filled: bool }
#[derive(Debug, Clone, PartialEq)]
pub struct Fused { pub id: (u32, u32), pub score: f32, pub vector: Option<LegScore>, pub text: Option<LegScore> }
#[derive(Default)]
pub struct Fill { pub vector: HashMap<(u32, u32), f32>, pub text: HashMap<(u32, u32), f32> }
pub fn fuse(_f: &Fusion, _m: Metric, v: &[LegHit], t: &[LegHit], _fill: Option<&Fill>, tie: &dyn Fn((u32, u32)) -> i64) -> Vec<Fused> {
    let mut map: HashMap<(u32, u32), Fused> = HashMap::new();
    for h in v { let e = map.entry(h.id).or_insert(Fused { id: h.id, score: 0.0, vector: None, text: None }); e.score += 1.0 / (60.0 + h.rank as f32); e.vector = Some(LegScore { rank: Some(h.rank), raw: h.raw, filled: false }); }
    for h in t { let e = map.entry(h.id).or_insert(Fused { id: h.id, score: 0.0, vector: None, text: None }); e.score += 1.0 / (60.0 + h.rank as f32); e.text = Some(LegScore { rank: Some(h.rank), raw: h.raw, filled: false }); }
    let mut all: Vec<_> = map.into_values().collect();
    all.sort_by(|a, b| b.score.total_cmp(&a.score).then(tie(a.id).cmp(&tie(b.id))));
    all
}
pub fn parse_options(_json: &str) -> Result<HybridOptions> { Ok(HybridOptions::default()) }
