use super::super::layout::BREADTH_WORD;
use super::*;
use crate::vector::Metric;

/// Seeded numbers between -1 and 1.
struct Noise(u64);

impl Noise {
    fn rows(&mut self, count: usize, dim: usize) -> Vec<f32> {
        let mut next = || {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..count * dim).map(|_| next()).collect()
    }
}

const DIM: usize = 96;

fn build(data: &[f32], threads: usize) -> VectorIndex {
    let rows = Rows { dim: DIM, data, present: None };
    VectorIndex::build(&VectorSpec::new(DIM, Metric::L2), &rows, threads, &mut |_, _| true).unwrap()
}

/// Mean recall@10 of queries that are not rows.
fn recall(index: &VectorIndex, data: &[f32], queries: &[f32], breadth: usize) -> f64 {
    let row = |ord: u32| &data[ord as usize * DIM..][..DIM];
    let mut found = 0;
    for query in queries.chunks_exact(DIM) {
        let distance = |ord: u32| metric::distance(Metric::L2, query, row(ord));
        let mut all: Vec<f64> = (0..index.rows() as u32).map(distance).collect();
        all.sort_unstable_by(f64::total_cmp);
        let wanted = Wanted::nearest(index.rerank_width(10), breadth);
        let near = index.search(query, wanted, &mut SearchStats::default());
        found += near.candidates.iter().filter(|near| distance(near.ord) <= all[9]).count().min(10);
    }
    found as f64 / (queries.len() / DIM * 10) as f64
}

#[test]
fn noise_is_walked_as_broadly_as_it_needs_and_clusters_are_not() {
    let mut noise = Noise(7);
    let data = noise.rows(10_000, DIM);
    let queries = noise.rows(100, DIM);
    let index = build(&data, 2);
    assert!(index.breadth() > USUAL, "{}", index.breadth());
    let (before, now) =
        (recall(&index, &data, &queries, USUAL), recall(&index, &data, &queries, index.breadth()));
    assert!(now >= 0.97 && before < now - 0.01, "recall {before} at {USUAL}, {now} at {}", index.breadth());

    let centres = noise.rows(100, DIM);
    let mut data = noise.rows(5_000, DIM);
    for (at, row) in data.chunks_exact_mut(DIM).enumerate() {
        let centre = &centres[at % 100 * DIM..][..DIM];
        row.iter_mut().zip(centre).for_each(|(x, c)| *x = *x * 0.1 + c);
    }
    assert_eq!(build(&data, 2).breadth(), USUAL);
}

#[test]
fn the_breadth_is_stored_and_is_the_usual_one_where_an_older_build_stored_none() {
    let data = Noise(8).rows(6_000, DIM);
    let index = build(&data, 1);
    assert!(index.breadth() > USUAL, "{}", index.breadth());
    assert_eq!(index.encode(), build(&data, 3).encode());
    let spec = VectorSpec::new(DIM, Metric::L2);
    let mut bytes = index.encode().to_vec();
    let read = |bytes: &[u8]| VectorIndex::decode(bytes.to_vec(), &spec, 6_000);
    assert_eq!(read(&bytes).unwrap().breadth(), index.breadth());
    assert_eq!(VectorIndex::breadth_in(&bytes[..VectorIndex::HEAD]), Some(index.breadth()));
    bytes[BREADTH_WORD * 4..][..4].fill(0);
    assert_eq!(read(&bytes).unwrap().breadth(), USUAL);
    assert_eq!(VectorIndex::breadth_in(&bytes), Some(USUAL));
    bytes[BREADTH_WORD * 4..][..4].fill(0xff);
    assert!(read(&bytes).is_err());
    assert_eq!(VectorIndex::breadth_in(&bytes[..100]), None);
}

#[test]
fn nearly_the_same_rows_are_asked_wherever_they_are_in_the_index() {
    let rows: Vec<f32> = Noise(11).rows(9_000, DIM);
    let reversed: Vec<f32> = rows.chunks_exact(DIM).rev().flatten().copied().collect();
    let spec = VectorSpec::new(DIM, Metric::L2);
    let asked = |data: &[f32]| -> Vec<u32> {
        let rows = Rows { dim: DIM, data, present: None };
        let index = build(data, 2);
        let check = Check { index: &index, spec: &spec, rows: &rows, threads: 1 };
        check.sample().iter().map(|asked| asked.ord).collect()
    };
    let (first, second) = (asked(&rows), asked(&reversed));
    let again = first.iter().filter(|ord| second.contains(&(8_999 - **ord))).count();
    assert!(again * 4 > first.len() * 3, "{again} of {}", first.len());
    let early = first.iter().filter(|ord| **ord < 4_500).count();
    assert!((first.len() / 3..first.len() * 2 / 3).contains(&early), "{early} of {}", first.len());
}

/// The breadth for data that misses `of(breadth)`, and how often that was measured.
fn chosen(of: impl Fn(f64) -> f64) -> (usize, usize) {
    let mut asked = 0;
    let step = choose(&mut |step| {
        asked += 1;
        Ok(of(STEPS[step] as f64))
    });
    (STEPS[step.unwrap()], asked)
}

#[test]
fn the_first_breadth_that_misses_little_is_chosen_in_few_measurements() {
    assert_eq!(chosen(|_| MISSED), (128, 1));
    assert_eq!(chosen(|breadth| 3.0 / breadth), (160, 2));
    assert_eq!(chosen(|breadth| 7.6 / breadth).0, 384);
    assert_eq!(chosen(|breadth| 200.0 / (breadth * breadth)).0, 128);
    let (breadth, asked) = chosen(|breadth| 0.1 * (128.0 / breadth).powf(1.6));
    assert!(breadth == 384 && asked <= 4, "{breadth} after {asked}");
    assert_eq!(chosen(|breadth| 0.5 * (128.0 / breadth).sqrt()).0, 4096);
}

#[test]
fn what_no_walk_finds_does_not_make_walks_broader() {
    assert_eq!(chosen(|_| 0.1), (128, 3));
    assert_eq!(chosen(|breadth| 0.1 + 1.0 / breadth).0, 128);
    // Broader walks help at first.
    let breadth = chosen(|breadth| 0.05 + 40.0 * breadth.powi(-2)).0;
    assert!(breadth <= 1024, "{breadth}");
}

#[test]
fn equal_rows_and_a_stop_while_it_is_measured_are_no_trouble() {
    let row = Noise(9).rows(1, DIM);
    assert_eq!(build(&row.repeat(5_000), 2).breadth(), USUAL);
    let data = Noise(10).rows(6_000, DIM);
    let (rows, spec) = (Rows { dim: DIM, data: &data, present: None }, VectorSpec::new(DIM, Metric::L2));
    let mut ends = 0;
    let stopped = VectorIndex::build(&spec, &rows, 2, &mut |done, total| {
        ends += usize::from(done == total);
        ends < 3
    });
    assert!(matches!(stopped, Err(Error::Interrupted)));
}

/// Mixtures of two centres each, with some noise: walks have to go from one cluster to the next.
fn mixtures(count: usize) -> Vec<f32> {
    let mut noise = Noise(12);
    let (centres, mut data) = (noise.rows(200, DIM), noise.rows(count, DIM));
    for (at, row) in data.chunks_exact_mut(DIM).enumerate() {
        let centre = |which: usize| &centres[which % 200 * DIM..][..DIM];
        let both = centre(at * 7).iter().zip(centre(at * 13 + at / 200));
        row.iter_mut().zip(both).for_each(|(x, (a, b))| *x = *x * 0.2 + a * 0.6 + b * 0.4);
    }
    data
}

/// Runs `job` with the check of an index of such rows and its sample.
fn with_check(job: impl FnOnce(&Check<'_>, &mut [Asked])) {
    let data = mixtures(6_000);
    let (index, spec) = (build(&data, 2), VectorSpec::new(DIM, Metric::L2));
    let rows = Rows { dim: DIM, data: &data, present: None };
    let check = Check { index: &index, spec: &spec, rows: &rows, threads: 2 };
    job(&check, &mut check.sample());
}

#[test]
fn broad_walks_from_rows_reach_as_far_as_scans_of_all_rows() {
    with_check(|check, sample| {
        check.scan(sample);
        let scanned: Vec<f64> = sample.iter().map(|asked| asked.limit).collect();
        sample.iter_mut().for_each(|asked| asked.limit = 0.0);
        check.walk(sample);
        let both = || scanned.iter().zip(sample.iter().map(|asked| asked.limit));
        // What a walk misses makes the tenth it has found a farther one.
        assert!(both().all(|(scanned, walked)| walked >= *scanned));
        let equal = both().filter(|(scanned, walked)| walked == *scanned).count();
        assert!(equal * 100 >= scanned.len() * 98, "{equal} of {}", scanned.len());
    });
}

#[test]
fn walks_stand_for_scans_only_where_few_rows_have_much_around_them_that_walks_miss() {
    with_check(|check, sample| {
        let first = &mut sample[..FIRST];
        check.scan(first);
        assert!(check.is_found_but_for_few(first));
        // Nothing is found that is near enough, as if the walks had missed it.
        first[..FIRST / 16].iter_mut().for_each(|asked| asked.limit = -1.0);
        assert!(check.is_found_but_for_few(first));
        first[..FIRST / 8].iter_mut().for_each(|asked| asked.limit = -1.0);
        assert!(!check.is_found_but_for_few(first));
    });
}
