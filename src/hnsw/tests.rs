//! Properties of whole indexes against brute force.

use super::*;
use crate::schema::{IndexKind, VectorSpec};
use crate::vector::codes::{CodeSet, Kind};
use crate::vector::{Codes, Metric, metric};
use std::sync::Arc;

/// A seeded generator: xorshift, good enough for test data.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) as u32
    }

    /// About normal: a sum of uniforms.
    fn normal(&mut self) -> f32 {
        (0..6).map(|_| self.next() as f32 / u32::MAX as f32 - 0.5).sum::<f32>() * 1.4
    }

    fn clustered(&mut self, rows: usize, dim: usize, clusters: usize, spread: f32) -> Vec<f32> {
        let centres: Vec<f32> = (0..clusters * dim).map(|_| self.normal()).collect();
        (0..rows)
            .flat_map(|_| {
                let at = self.next() as usize % clusters;
                let centre = centres[at * dim..][..dim].to_vec();
                centre.into_iter().map(|x| x + spread * self.normal()).collect::<Vec<_>>()
            })
            .collect()
    }
}

fn spec(dim: usize, metric: Metric) -> VectorSpec {
    VectorSpec::new(dim, metric)
}

fn build(spec: &VectorSpec, data: &[f32]) -> VectorIndex {
    let rows = Rows { dim: spec.dim, data, present: None };
    VectorIndex::build(spec, &rows, 2, &mut |_, _| true).unwrap()
}

fn exact(metric: Metric, data: &[f32], query: &[f32], allowed: impl Fn(u32) -> bool) -> Vec<(f64, u32)> {
    let mut all: Vec<(f64, u32)> = data
        .chunks(query.len())
        .enumerate()
        .filter(|(ord, _)| allowed(*ord as u32))
        .map(|(ord, row)| (metric::distance(metric, query, row), ord as u32))
        .collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    all
}

/// Share of the best `k` that `found` holds after an exact rerank; ties count.
fn recall(
    metric: Metric,
    data: &[f32],
    query: &[f32],
    truth: &[(f64, u32)],
    found: &[Candidate],
    k: usize,
) -> f64 {
    let k = k.min(truth.len());
    let limit = truth[k - 1].0;
    let mut distances: Vec<f64> = found
        .iter()
        .map(|c| metric::distance(metric, query, &data[c.ord as usize * query.len()..][..query.len()]))
        .collect();
    distances.sort_by(f64::total_cmp);
    distances.iter().take(k).filter(|d| **d <= limit + 1e-6 * limit.abs()).count() as f64 / k as f64
}

fn mean_recall(spec: &VectorSpec, data: &[f32], queries: &[f32], ef: usize) -> f64 {
    let index = build(spec, data);
    let (mut sum, mut count) = (0.0, 0.0);
    for query in queries.chunks(spec.dim) {
        let out =
            index.search(query, Wanted::nearest(index.rerank_width(10), ef), &mut SearchStats::default());
        assert!(out.complete && out.candidates.is_sorted_by(|a, b| a.distance <= b.distance));
        sum +=
            recall(spec.metric, data, query, &exact(spec.metric, data, query, |_| true), &out.candidates, 10);
        count += 1.0;
    }
    sum / count
}

#[test]
fn recall_is_high_for_every_metric_and_code() {
    for metric in [Metric::Cosine, Metric::L2, Metric::Ip] {
        for (dim, codes) in [
            (48, Codes::Int8),
            (48, Codes::None),
            (8, Codes::Int8),
            (200, Codes::Int8),
            (100, Codes::Bit),
            (512, Codes::Bit),
        ] {
            let mut noise = Noise(7);
            let rows = if dim < 100 { 3000 } else { 2000 };
            let data = noise.clustered(rows, dim, 40, 0.5);
            // Single bits are for queries that have neighbours; among rows all equally far they cannot choose.
            let queries: Vec<f32> = match codes {
                Codes::Bit => data[..40 * dim].iter().map(|x| x + 0.3 * noise.normal()).collect(),
                _ => noise.clustered(40, dim, 40, 0.5),
            };
            let spec = VectorSpec { codes, ..spec(dim, metric) };
            let recall = mean_recall(&spec, &data, &queries, 100);
            assert!(recall > 0.97, "{metric:?} {codes:?} {dim}: {recall}");
        }
    }
}

#[test]
fn every_row_finds_itself_in_tiny_and_clustered_sets() {
    let mut noise = Noise(3);
    for rows in [1, 2, 3, 10, 100, 255, 256, 257, 300, 700] {
        let data = noise.clustered(rows, 40, 5, 0.02);
        let index = build(&spec(40, Metric::L2), &data);
        for (ord, row) in data.chunks(40).enumerate() {
            let out = index.search(row, Wanted::nearest(10, 100), &mut SearchStats::default());
            assert!(out.candidates.iter().any(|c| c.ord == ord as u32), "{rows} {ord}");
        }
    }
}

/// A filtered walk that does not give up.
const WHOLE: Bounds = Bounds { dense: 0, floor: 40, sample: 0, looks: u64::MAX, or_scan: false, most: None };

#[test]
fn ten_thousand_equal_rows_are_all_found() {
    let mut noise = Noise(5);
    let mut data = noise.clustered(500, 64, 5, 0.5);
    let same: Vec<f32> = data[..64].to_vec();
    (0..10_000).for_each(|_| data.extend(&same));
    let index = Arc::new(build(&spec(64, Metric::Cosine), &data));
    let out = index.search(&same, Wanted::nearest(10_001, 64), &mut SearchStats::default());
    let mut ords: Vec<u32> = out.candidates.iter().map(|c| c.ord).collect();
    ords.sort_unstable();
    assert_eq!(ords, std::iter::once(0).chain(500..10_500).collect::<Vec<_>>());
    let odd = Bitmap::from_fn(10_500, |ord| ord > 600 && ord % 7 == 0);
    let out =
        index.search_filtered(&same, Wanted::nearest(50, 64), &odd, &WHOLE, &mut SearchStats::default());
    assert!(out.complete && out.candidates.len() == 50);
}

#[test]
fn the_result_does_not_depend_on_threads() {
    // From 192 dimensions on rows have 1-bit codes too.
    for (dim, metric, codes) in [
        (40, Metric::Cosine, Codes::Int8),
        (200, Metric::L2, Codes::Int8),
        (200, Metric::Ip, Codes::Bit),
        (24, Metric::L2, Codes::None),
    ] {
        let data = Noise(11).clustered(2500, dim, 20, 0.3);
        let spec = VectorSpec { codes, ..spec(dim, metric) };
        let rows = Rows { dim, data: &data, present: None };
        let one = VectorIndex::build(&spec, &rows, 1, &mut |_, _| true).unwrap().encode().to_vec();
        for threads in [2, 3, 7] {
            let other = VectorIndex::build(&spec, &rows, threads, &mut |_, _| true).unwrap();
            assert!(one == other.encode(), "{dim} {metric:?} {codes:?} {threads}");
        }
    }
}

#[test]
fn a_stored_index_answers_as_before_and_damage_is_told() {
    let mut noise = Noise(13);
    for (metric, dim, codes) in [
        (Metric::Cosine, 40, Codes::Int8),
        (Metric::L2, 40, Codes::Int8),
        (Metric::L2, 200, Codes::Int8),
        (Metric::Cosine, 256, Codes::Bit),
    ] {
        let mut data = noise.clustered(600, dim, 5, 0.3);
        let copy = data[..10 * dim].to_vec();
        data.extend(copy);
        let spec = VectorSpec { codes, ..spec(dim, metric) };
        let index = build(&spec, &data);
        let bytes = index.encode().to_vec();
        let back = VectorIndex::decode(bytes.clone(), &spec, index.rows()).unwrap();
        assert!(back.encode() == bytes);
        let stats = &mut SearchStats::default();
        let query = &data[2 * dim..3 * dim];
        assert_eq!(
            index.search(query, Wanted::nearest(20, 50), stats).candidates,
            back.search(query, Wanted::nearest(20, 50), stats).candidates
        );
        for _ in 0..400 {
            let mut bad = bytes.clone();
            match noise.next() % 3 {
                0 => bad.truncate(noise.next() as usize % bytes.len()),
                1 => {
                    let at = noise.next() as usize % 256;
                    bad[at] ^= 1 << (noise.next() % 8);
                }
                _ => {
                    let at = noise.next() as usize % bad.len();
                    bad[at] = noise.next() as u8;
                }
            }
            if let Ok(index) = VectorIndex::decode(bad, &spec, index.rows()) {
                let some = Bitmap::from_fn(index.rows(), |ord| ord % 3 == 0);
                index.search(query, Wanted::nearest(20, 50), stats);
                index.search_filtered(query, Wanted::nearest(20, 50), &some, &WHOLE, stats);
                index.scan_near(query, Wanted::nearest(20, 0), Some(&some), stats);
            }
        }
    }
}

#[test]
fn a_filtered_search_is_complete_or_says_so() {
    let mut noise = Noise(17);
    let (rows, dim) = (4000, 40);
    let data = noise.clustered(rows, dim, 30, 0.4);
    let index = build(&spec(dim, Metric::Cosine), &data);
    for (at, row) in data.chunks(dim).step_by(400).enumerate() {
        let query: Vec<f32> = row.iter().map(|x| x + 0.1 * noise.normal()).collect();
        let order = exact(Metric::Cosine, &data, &query, |_| true);
        let mut near = Bitmap::empty(rows);
        order[..200].iter().for_each(|(_, ord)| near.insert(*ord));
        let mut far = Bitmap::empty(rows);
        order[rows - 200..].iter().for_each(|(_, ord)| far.insert(*ord));
        let mut sets = vec![near, far, Bitmap::empty(rows), Bitmap::full(rows)];
        for rate in [2, 10, 100, 1000] {
            sets.push(Bitmap::from_fn(rows, |ord| ord % rate == at % rate));
        }
        for set in sets {
            let truth = exact(Metric::Cosine, &data, &query, |ord| set.contains(ord));
            let stats = &mut SearchStats::default();
            let out = index.search_filtered(&query, Wanted::nearest(28, 100), &set, &WHOLE, stats);
            assert!(out.candidates.iter().all(|c| set.contains(c.ord)));
            assert_eq!(out.complete, out.candidates.len() == truth.len().min(28));
            let scanned = index.scan_near(&query, Wanted::nearest(28, 0), Some(&set), stats).candidates;
            assert!(scanned.len() >= truth.len().min(28) && scanned.len() <= truth.len());
            if !truth.is_empty() {
                assert!(recall(Metric::Cosine, &data, &query, &truth, &scanned, 10) >= 0.9);
                if out.complete {
                    let got = recall(Metric::Cosine, &data, &query, &truth, &out.candidates, 10);
                    assert!(got >= 0.9, "{} allowed: {got}", truth.len());
                }
            }
            let tight = Bounds { looks: 1, ..WHOLE };
            let out = index.search_filtered(
                &query,
                Wanted::nearest(28, 100),
                &set,
                &tight,
                &mut SearchStats::default(),
            );
            assert!(out.candidates.len() <= 28);
        }
    }
}

#[test]
fn where_nearly_all_rows_pass_an_unfiltered_walk_finds_them_unless_those_near_the_query_do_not() {
    let mut noise = Noise(18);
    let (rows, dim) = (4000, 40);
    let data = noise.clustered(rows, dim, 30, 0.4);
    let index = build(&spec(dim, Metric::Cosine), &data);
    let wanted = Wanted::nearest(28, 100);
    let most = Bounds { most: Some(0.9), ..WHOLE };
    let spread = Bitmap::from_fn(rows, |ord| ord % 10 != 3);
    for row in data.chunks(dim).step_by(400) {
        let query: Vec<f32> = row.iter().map(|x| x + 0.1 * noise.normal()).collect();
        let filtered = |set: &Bitmap, bounds: &Bounds| {
            let mut stats = SearchStats::default();
            (index.search_filtered(&query, wanted, set, bounds, &mut stats), stats)
        };
        let mut free = SearchStats::default();
        index.search(&query, wanted, &mut free);
        let (out, stats) = filtered(&spread, &most);
        assert!(out.complete && out.candidates.iter().all(|found| spread.contains(found.ord)));
        assert!(stats.hops * 4 < free.hops * 5, "{} and {} hops", stats.hops, free.hops);
        let truth = exact(Metric::Cosine, &data, &query, |ord| spread.contains(ord));
        assert!(recall(Metric::Cosine, &data, &query, &truth, &out.candidates, 10) >= 0.9);

        let mut far = Bitmap::full(rows);
        exact(Metric::Cosine, &data, &query, |_| true)[..400].iter().for_each(|(_, ord)| far.remove(*ord));
        let (out, stats) = filtered(&far, &most);
        let (expected, gated) = filtered(&far, &WHOLE);
        assert_eq!((out.complete, out.candidates), (expected.complete, expected.candidates));
        assert!(stats.hops > gated.hops);
    }
}

#[test]
fn merging_drops_and_adds_rows_without_losing_any() {
    let mut noise = Noise(19);
    let dim = 40;
    let data = noise.clustered(3000, dim, 30, 0.4);
    for metric in [Metric::Cosine, Metric::L2, Metric::Ip] {
        let spec = spec(dim, metric);
        let base = build(&spec, &data[..2000 * dim]);
        let mut kept: Vec<u32> = (0..2000).filter(|ord| ord % 5 != 0).collect();
        let map: Vec<Option<u32>> =
            (0..2000).map(|ord| kept.binary_search(&ord).ok().map(|at| at as u32 + 7)).collect();
        let mut merged: Vec<f32> = data[2500 * dim..2507 * dim].to_vec();
        kept.drain(..).for_each(|ord| merged.extend(&data[ord as usize * dim..][..dim]));
        merged.extend(&data[2000 * dim..]);
        let rows = Rows { dim, data: &merged, present: None };
        // Of the last thousand rows some are in graphs of their own, in part or with rows that have died since; one is too small for
        // a graph.
        let (second, third) =
            (build(&spec, &data[2100 * dim..2600 * dim]), build(&spec, &data[2600 * dim..2700 * dim]));
        let after = |first: u32, count: u32| -> Vec<Option<u32>> {
            (0..count).map(|at| (at % 7 != 3).then_some(1607 + first - 2000 + at)).collect()
        };
        let (second_map, third_map) = (after(2100, 500), after(2600, 100));
        let parts = [
            Part { index: &base, map: &map },
            Part { index: &second, map: &second_map },
            Part { index: &third, map: &third_map },
        ];
        for (parts, stay) in [(&parts[..1], Stay::Long), (&parts[..], Stay::Long), (&parts[..], Stay::Short)]
        {
            let one = VectorIndex::merge(&spec, &rows, (parts, stay), 1, &mut |_, _| true).unwrap();
            let two = VectorIndex::merge(&spec, &rows, (parts, stay), 2, &mut |_, _| true).unwrap();
            assert!(one.encode() == two.encode());
            let all =
                one.search(&data[..dim], Wanted::nearest(one.len(), one.len()), &mut SearchStats::default());
            assert_eq!(all.candidates.len(), one.len(), "{metric:?}");
            let (mut sum, mut count) = (0.0, 0.0);
            for query in merged.chunks(dim).step_by(97) {
                let out = one.search(query, Wanted::nearest(28, 100), &mut SearchStats::default());
                let truth = exact(metric, &merged, query, |_| true);
                sum += recall(metric, &merged, query, &truth, &out.candidates, 10);
                count += 1.0;
            }
            assert!(sum / count > 0.97, "{metric:?} {} parts, {stay:?}: {}", parts.len(), sum / count);
        }
    }
}

#[test]
fn rows_without_a_vector_are_never_answered() {
    let data = Noise(23).clustered(1000, 40, 10, 0.4);
    let present = Bitmap::from_fn(1000, |ord| ord % 3 != 0);
    let rows = Rows { dim: 40, data: &data, present: Some(&present) };
    let index = VectorIndex::build(&spec(40, Metric::L2), &rows, 2, &mut |_, _| true).unwrap();
    assert_eq!((index.rows(), index.len()), (1000, present.count()));
    let stats = &mut SearchStats::default();
    let everything = index.search(&data[..40], Wanted::nearest(1000, 1000), stats).candidates;
    assert_eq!(everything.len(), present.count());
    assert!(everything.iter().all(|c| present.contains(c.ord)));
}

/// One row in 500 has a single large number: its bytes are coarse, those of the others are not.
#[test]
fn the_likely_error_holds_and_is_that_of_usual_rows() {
    let mut noise = Noise(31);
    let dim = 96;
    for metric in [Metric::Cosine, Metric::L2, Metric::Ip] {
        let mut data: Vec<f32> = (0..4000 * dim).map(|_| noise.normal()).collect();
        data.chunks_exact_mut(dim).step_by(500).for_each(|row| row[3] = 60.0);
        let index = build(&spec(dim, metric), &data);
        let (mut errors, mut likely, mut bound) = (Vec::new(), 0.0_f64, 0.0_f64);
        for row in data.chunks_exact(dim).skip(1).step_by(799) {
            let query = &row.iter().map(|x| x + 0.5 * noise.normal()).collect::<Vec<_>>();
            let out = index.scan_near(query, Wanted::nearest(1000, 0), None, &mut SearchStats::default());
            (likely, bound) = (likely.max(out.likely_error), bound.max(out.error_bound));
            let exact = |c: &Candidate| metric::distance(metric, query, &data[c.ord as usize * dim..][..dim]);
            errors.extend(out.candidates.iter().map(|c| (c.distance - exact(c)).abs()));
        }
        errors.sort_by(f64::total_cmp);
        let (usual, most) = (errors[errors.len() / 2], errors[errors.len() * 995 / 1000]);
        assert!(most < likely && likely <= bound, "{metric:?}: {most} {likely} {bound}");
        // Five deviations are 7.4 times the median; the query counts as well.
        assert!(likely < 25.0 * usual, "{metric:?}: {usual} {likely} {bound}");
    }
}

#[test]
fn extreme_values_and_dimensions_give_finite_sorted_answers_within_the_bound() {
    let mut noise = Noise(29);
    for (dim, size, codes) in [
        (1, 1.0, Codes::Int8),
        (40, f32::MAX / 8.0, Codes::Int8),
        (300, f32::MAX / 8.0, Codes::Bit),
        (40, 1e-40, Codes::Int8),
        (300, 1e-40, Codes::Bit),
        (40, 1.0, Codes::Int8),
        (33, 1e20, Codes::Int8),
        (200, 1e20, Codes::Int8),
        (256, 1e-7, Codes::Bit),
        (16_384, 1.0, Codes::Int8),
        (16_384, 1.0, Codes::Bit),
    ] {
        for metric in [Metric::Cosine, Metric::L2, Metric::Ip] {
            let rows = if dim > 1000 { 20 } else { 400 };
            let data: Vec<f32> = (0..rows * dim).map(|_| noise.normal() * size).collect();
            let index = build(&VectorSpec { codes, ..spec(dim, metric) }, &data);
            let whole: Vec<f32> = (0..dim).map(|_| noise.normal() * size).collect();
            for factor in [1.0, 0.0, 1e-30] {
                let query: Vec<f32> = whole.iter().map(|x| x * factor).collect();
                let bound = index.error_bound(&query);
                let out = index.search(&query, Wanted::nearest(50, 60), &mut SearchStats::default());
                assert!(out.candidates.is_sorted_by(|a, b| a.distance <= b.distance));
                for c in out.candidates {
                    assert!(c.distance.is_finite(), "{metric:?} {dim} {size}");
                    let row = &data[c.ord as usize * dim..][..dim];
                    let truth = metric::distance_plain(metric, &query, row);
                    let error = (c.distance - truth).abs();
                    assert!(
                        error <= bound * 1.001 + truth.abs() * 1e-5,
                        "{metric:?} {dim} {size} {factor}: {} {truth} +- {bound}",
                        c.distance
                    );
                }
            }
        }
    }
}

#[test]
fn a_graph_of_the_largest_dimension_finds_the_nearest() {
    let dim = 16_384;
    let data = Noise(31).clustered(300, dim, 6, 0.4);
    for codes in [Codes::Int8, Codes::Bit] {
        let index = build(&VectorSpec { codes, ..spec(dim, Metric::L2) }, &data);
        assert!(index.has_graph());
        for (ord, row) in data.chunks(dim).enumerate().step_by(17) {
            let query: Vec<f32> = row.iter().map(|x| x * 1.01).collect();
            let out = index.search(&query, Wanted::nearest(10, 60), &mut SearchStats::default());
            assert_eq!(out.candidates[0].ord, ord as u32, "{codes:?}");
        }
    }
}

#[test]
fn one_row_of_another_size_leaves_the_others_their_codes() {
    for (metric, dim) in [(Metric::L2, 48), (Metric::L2, 200), (Metric::Ip, 48)] {
        for size in [1e6, 1e12, f32::MAX, 1e-30] {
            let mut noise = Noise(41);
            let mut data = noise.clustered(2000, dim, 20, 0.3);
            let stray = 700;
            data[stray * dim..(stray + 1) * dim].iter_mut().for_each(|x| *x = x.signum() * size);
            let index = build(&spec(dim, metric), &data);
            assert_eq!(index.quantizer.kind, Kind::Int8, "{metric:?} {size}");
            let mut sum = 0.0;
            for at in (0..2000).step_by(50) {
                let query = &data[at * dim..(at + 1) * dim].iter().map(|x| x * 0.99).collect::<Vec<_>>();
                let out = index.search(
                    query,
                    Wanted::nearest(index.rerank_width(10), 128),
                    &mut SearchStats::default(),
                );
                assert!(out.complete && out.candidates.iter().all(|c| c.distance.is_finite()));
                // By inner product few links lead to a row that is longer than all others by so much: it may be missed.
                let allowed = |ord: u32| metric == Metric::L2 || ord as usize != stray;
                let found: Vec<_> = out.candidates.iter().copied().filter(|c| allowed(c.ord)).collect();
                sum += recall(metric, &data, query, &exact(metric, &data, query, allowed), &found, 10);
            }
            assert!(sum / 40.0 > 0.97, "{metric:?} {dim} {size}: {}", sum / 40.0);
        }
    }
}

#[test]
fn many_rows_of_a_scan_are_those_of_a_sort() {
    let mut noise = Noise(43);
    let data = noise.clustered(3000, 40, 10, 0.4);
    let index = build(&spec(40, Metric::L2), &data);
    let query: Vec<f32> = (0..40).map(|_| noise.normal()).collect();
    let mut all: Vec<Candidate> = Vec::new();
    index.sweep(&query, None, &mut SearchStats::default(), |c, _| all.push(c));
    all.sort_by(|a, b| a.distance.total_cmp(&b.distance).then(a.ord.cmp(&b.ord)));
    for want in [1, 10, 256, 257, 1000, 2999, 3000, 5000] {
        let out = index.scan_near(&query, Wanted::nearest(want, 0), None, &mut SearchStats::default());
        let least = want.min(3000);
        assert!(out.candidates.len() >= least, "{want}");
        assert_eq!(out.candidates[..least], all[..least], "{want}");
    }
}

#[test]
fn a_flat_index_scans_and_progress_can_stop_a_build() {
    let data = Noise(31).clustered(1000, 40, 10, 0.4);
    let flat = VectorSpec { index: IndexKind::Flat, ..spec(40, Metric::Cosine) };
    let index = build(&flat, &data);
    let out = index.search(&data[..40], Wanted::nearest(5, 5), &mut SearchStats::default());
    assert!(out.complete && out.candidates[0].ord == 0);
    let rows = Rows { dim: 40, data: &data, present: None };
    let stopped = VectorIndex::build(&spec(40, Metric::Cosine), &rows, 2, &mut |done, _| done < 100);
    assert!(matches!(stopped, Err(crate::error::Error::Interrupted)));
}

#[test]
fn tight_clusters_and_outliers_lose_no_recall_to_the_codes() {
    for (metric, spread, outlier) in [
        (Metric::L2, 0.002, 1.0),
        (Metric::Cosine, 0.002, 1.0),
        (Metric::L2, 0.5, 1e4),
        (Metric::Ip, 0.5, 100.0),
    ] {
        let mut noise = Noise(37);
        let mut data = noise.clustered(3000, 48, 30, spread);
        data[480..528].iter_mut().for_each(|x| *x *= outlier);
        let queries: Vec<f32> = data[9600..11520].iter().map(|x| x + 0.5 * spread * noise.normal()).collect();
        let recall = mean_recall(&spec(48, metric), &data, &queries, 256);
        assert!(recall > 0.97, "{metric:?} {spread} {outlier}: {recall}");
    }
}

/// Searches of one index for the rows within a distance, as where nearer ones are known from other segments: unfiltered,
/// filtered and by scan they find those rows, with less work.
#[test]
fn rows_beyond_what_is_known_from_elsewhere_are_not_looked_for() {
    let mut noise = Noise(41);
    let (rows, dim) = (6000, 48);
    for metric in [Metric::Cosine, Metric::L2, Metric::Ip] {
        let data = noise.clustered(rows, dim, 20, 0.7);
        let index = build(&spec(dim, metric), &data);
        let some = Bitmap::from_fn(rows, |ord| ord % 2 == 0);
        let (mut bounded, mut free) = (SearchStats::default(), SearchStats::default());
        let (mut found, mut due) = (0, 0);
        for row in data.chunks(dim).step_by(150) {
            let query: Vec<f32> = row.iter().map(|x| x + 0.3 * noise.normal()).collect();
            let all = exact(metric, &data, &query, |_| true);
            let even = exact(metric, &data, &query, |ord| ord % 2 == 0);
            for last in [0, 3, 12] {
                let (wide, narrow) = (Wanted::nearest(28, 128), Wanted::nearest(28, 128).within(all[last].0));
                index.search(&query, wide, &mut free);
                index.search_filtered(&query, wide, &some, &WHOLE, &mut free);
                index.scan_near(&query, wide, None, &mut free);
                let walked = index.search(&query, narrow, &mut bounded);
                let filtered = index.search_filtered(&query, narrow, &some, &WHOLE, &mut bounded);
                let scanned = index.scan_near(&query, narrow, None, &mut bounded);
                assert!(walked.complete && filtered.complete && scanned.complete);
                assert!(filtered.candidates.iter().all(|near| some.contains(near.ord)));
                let within = |truth: &[(f64, u32)], out: &Outcome| {
                    let near = truth.iter().take_while(|(distance, _)| *distance <= all[last].0);
                    let (mut found, mut due) = (0, 0);
                    for (_, ord) in near {
                        due += 1;
                        found += usize::from(out.candidates.iter().any(|near| near.ord == *ord));
                    }
                    (found, due)
                };
                assert_eq!(within(&all, &scanned), (last + 1, last + 1));
                for (truth, out) in [(&all, &walked), (&even, &filtered)] {
                    let (some, of) = within(truth, out);
                    (found, due) = (found + some, due + of);
                }
            }
        }
        assert!(found * 100 >= due * 97, "{metric:?}: {found} of {due}");
        // By inner product distances have no zero, and walks go as far as ever.
        let least = if metric == Metric::Ip { free.hops } else { free.hops * 2 / 3 };
        assert!(bounded.hops <= least, "{metric:?}: {bounded:?}, {free:?}");
    }
}

/// The bound on the error of inner products by floats was once that of a query divided by its largest number.
#[test]
fn distances_by_codes_are_within_their_bound_of_those_that_are_reported() {
    let mut noise = Noise(47);
    for metric in [Metric::Cosine, Metric::L2, Metric::Ip] {
        for (dim, codes) in [
            (3, Codes::None),
            (24, Codes::None),
            (64, Codes::None),
            (48, Codes::Int8),
            (256, Codes::Int8),
            (512, Codes::Bit),
        ] {
            for size in [1e-3, 0.1, 1e6] {
                // Rows close to one another, rows that bytes express without loss, and ordinary ones.
                let base: Vec<f32> = (0..dim).map(|_| noise.normal() * size).collect();
                let mut data: Vec<f32> =
                    (0..100).flat_map(|_| &base).map(|x| x + 1e-5 * size * noise.normal()).collect();
                (0..50 * dim).for_each(|_| data.push(size * (noise.next() % 255) as f32 - 127.0 * size));
                (100 * dim..150 * dim).for_each(|at| data.push(-data[at]));
                (0..100 * dim).for_each(|_| data.push(noise.normal() * size));
                // The last set has one row of another size.
                data[299 * dim..].iter_mut().for_each(|x| *x *= 1e5);
                for data in [&data[..100 * dim], &data[100 * dim..200 * dim], &data[200 * dim..]] {
                    let index = build(&VectorSpec { codes, ..spec(dim, metric) }, data);
                    for factor in [1e-3, 1.0, 1e6] {
                        for query in [&data[..dim], &data[17 * dim..18 * dim], &base[..]] {
                            let query: Vec<f32> = query.iter().map(|x| x / size * factor).collect();
                            for query in [query, data[..dim].to_vec()] {
                                let bound = index.usual_bound(&query);
                                index.sweep(&query, None, &mut SearchStats::default(), |c, more| {
                                    let row = &data[c.ord as usize * dim..][..dim];
                                    let truth = metric::distance(metric, &query, row);
                                    assert!(
                                        (c.distance - truth).abs() <= bound + more,
                                        "{metric:?} {dim} {codes:?} {size} {factor}: {} {truth} +- {bound}",
                                        c.distance
                                    );
                                });
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The key of a pair differs in its last bits with the direction, so between the two keys of one node there may be others.
#[test]
fn a_row_of_links_holds_no_node_twice() {
    use super::build::{Draft, Worker};
    let dim = 8;
    let data = Noise(53).clustered(20, dim, 2, 0.4);
    let codes = CodeSet::encode(Metric::L2, Codes::Int8, dim, &data, &Bitmap::full(20), 1).unwrap();
    let mut workers = Worker::several(codes.view(), 1);
    let mut draft = Draft::new(0..20, 20, 4).unwrap();
    draft.layers[0].set(5, &[(1.0, 3), (1.000_000_1, 4)]);
    draft.add(codes.view(), 0, vec![(5, (1.000_000_2, 3)), (5, (2.0, 7))], &mut workers);
    assert_eq!(draft.layers[0].row(5).map(|link| link.1).collect::<Vec<_>>(), [4, 3, 7]);
    let worker = &mut workers[0];
    for key in [0.0, 100.0] {
        let other = key * 1.000_001 + 1e-6;
        let mut links = vec![(key, 3), (key, 4), (key, 6), (other, 3), (other, 4), (other, 6)];
        let layer = draft.layer(0);
        super::neighbors::choose(
            codes.view(),
            layer,
            &mut links,
            8,
            6,
            &mut worker.other,
            &mut worker.scratch,
        );
        let mut nodes: Vec<u32> = links.iter().map(|link| link.1).collect();
        nodes.sort_unstable();
        assert_eq!(nodes, [3, 4, 6], "{key}");
    }
}

#[test]
fn a_batch_gathers_a_bounded_amount_of_links_whatever_the_degree() {
    use super::build::batch_of;
    // Once 24 GB at 570,000 rows of degree 512, so that a legal declaration was refused for want of memory.
    for nodes in [1_000, 570_000, 100_000_000] {
        for degree in [4, 32, 128, 512] {
            let batch = batch_of(nodes, degree);
            assert!(batch == 128 || batch * degree * degree * 8 <= 256 << 20, "{nodes} {degree}: {batch}");
        }
    }
    assert_eq!(
        (batch_of(1_000_000, 32), batch_of(570_000, 512), batch_of(570_000, 128)),
        (20_000, 128, 2_048)
    );
}

#[test]
fn a_merge_can_be_stopped_while_it_takes_over_older_graphs() {
    let dim = 8;
    let data = Noise(59).clustered(20_000, dim, 10, 0.4);
    let spec = VectorSpec { index: IndexKind::Hnsw { m: 4, ef_construction: 8 }, ..spec(dim, Metric::L2) };
    let index = build(&spec, &data);
    let map: Vec<Option<u32>> = (0..20_000).map(Some).collect();
    let rows = Rows { dim, data: &data, present: None };
    let mut asked = 0;
    let mut look = |done: usize, _| {
        asked += usize::from(done == 0);
        asked < 3
    };
    let stopped =
        VectorIndex::merge(&spec, &rows, (&[Part { index: &index, map: &map }], Stay::Long), 1, &mut look);
    assert!(matches!(stopped, Err(crate::error::Error::Interrupted)));
    assert_eq!(asked, 3);
}
