use super::*;

#[test]
fn an_index_without_its_vectors_gives_the_same_hits_and_passes_errors_on() {
    let vectors: Vec<f32> = (0..3000).flat_map(|i| [(i as f32 * 0.7).sin(), i as f32 / 3000.0]).collect();
    let index = Index::build(&VectorSpec::new(2, Metric::L2), vectors, 1).unwrap();
    let queries = [[0.1, 0.5], [-0.9, 0.2], [0.0, 2.0]];
    let expected = queries.map(|query| index.search(&query, 10, 40).unwrap());
    let (slim, vectors) = index.split();
    for (query, expected) in queries.iter().zip(expected) {
        let read = |row: u32, to: &mut [f32]| {
            to.copy_from_slice(&vectors[row as usize * 2..][..2]);
            Ok::<(), Error>(())
        };
        assert_eq!(slim.search(query, 10, 40, read).unwrap(), expected);
    }
    let failed = slim.search(&queries[0], 10, 40, |_, _| Err(Error::Interrupted));
    assert!(matches!(failed, Err(Error::Interrupted)));
}

#[test]
fn what_no_index_can_answer_is_refused() {
    let rows = || (0..600).map(|i| (i as f32 * 0.37).sin()).collect::<Vec<f32>>();
    for spec in [VectorSpec::new(0, Metric::L2), VectorSpec::new(16_385, Metric::L2)] {
        assert!(matches!(Index::build(&spec, rows(), 1), Err(Error::Schema(_))));
    }
    let spec = VectorSpec::new(2, Metric::L2);
    for bad in [f32::NAN, f32::INFINITY] {
        let error = Index::build(&spec, vec![0.0, 1.0, 2.0, bad], 1).unwrap_err();
        assert_eq!(error.to_string(), format!("row 1: value {bad} at index 1 is not a finite number"));
    }
    let ragged = Index::build(&spec, vec![0.0; 7], 1).unwrap_err();
    assert_eq!(ragged.to_string(), "7 numbers are no whole number of rows of 2 dimensions");
    for metric in [Metric::Cosine, Metric::L2, Metric::Ip] {
        let index = Index::build(&VectorSpec::new(2, metric), rows(), 1).unwrap();
        for query in [[f32::NAN, 0.0], [0.0, f32::NEG_INFINITY]] {
            assert!(matches!(index.search(&query, 5, 10), Err(Error::NotFinite { .. })));
            assert!(matches!(index.exact(&query, 5), Err(Error::NotFinite { .. })));
        }
        for query in [&[][..], &[1.0], &[1.0; 3]] {
            let wrong = |error: Error| {
                let got = query.len();
                assert_eq!(error.to_string(), format!("the query: expected 2 dimensions, got {got}"));
            };
            wrong(index.search(query, 5, 10).unwrap_err());
            wrong(index.exact(query, 5).unwrap_err());
        }
        for k in [0, 1, 300, 1000, usize::MAX] {
            let found = index.search(&[0.3, 0.1], k, 10).unwrap();
            assert_eq!(found.len(), k.min(300), "{metric:?} {k}");
        }
        let (slim, rows) = index.split();
        let read = |row: u32, to: &mut [f32]| {
            to.copy_from_slice(&rows[row as usize * 2..][..2]);
            Ok::<(), Error>(())
        };
        assert_eq!(slim.search(&[0.3, 0.1], usize::MAX, 10, read).unwrap().len(), 300);
        assert!(matches!(slim.search(&[f32::NAN, 0.1], 5, 10, read), Err(Error::NotFinite { .. })));
        assert!(matches!(slim.search(&[0.1], 5, 10, read), Err(Error::Dimension { .. })));
    }
}

#[test]
fn a_distance_is_of_two_vectors_of_one_length_and_of_finite_numbers() {
    for metric in [Metric::Cosine, Metric::L2, Metric::Ip] {
        // A sum over the shorter of the two is a plausible number, and wrong.
        for (a, b) in [(20, 33), (33, 20), (0, 1), (1, 0)] {
            let error = distance(metric, &vec![0.5; a], &vec![3.0; b]).unwrap_err();
            assert_eq!(error.to_string(), format!("the second vector: expected {a} dimensions, got {b}"));
        }
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for (a, b, which) in [(bad, 1.0, "first"), (1.0, bad, "second")] {
                let error = distance(metric, &[1.0, a], &[1.0, b]).unwrap_err();
                let expected = format!("the {which} vector: value {bad} at index 1 is not a finite number");
                assert_eq!(error.to_string(), expected);
            }
        }
        assert!(distance(metric, &[1.0, 2.0], &[1.0, 2.5]).is_ok());
    }
}

#[test]
fn any_number_of_threads_builds_the_same_index() {
    let rows = || (0..1_500).map(|i| (i as f32 * 0.37).sin()).collect::<Vec<f32>>();
    let built = |spec: &VectorSpec, threads, rows| Index::build(spec, rows, threads).unwrap();
    let spec = VectorSpec::new(3, Metric::L2);
    let one = built(&spec, 1, rows());
    for threads in [0, 400, 1 << 40, usize::MAX] {
        assert_eq!(built(&spec, threads, rows()).index.encode(), one.index.encode(), "{threads}");
        assert!(built(&spec, threads, Vec::new()).is_empty());
    }
}

/// A walk that is to find a large share of the rows costs far more than to compare all of them.
#[test]
fn more_rows_than_a_walk_finds_cheaply_are_scanned_for() {
    let (dim, count) = (8, 6_000);
    let index = Index::build(&VectorSpec::new(dim, Metric::L2), scattered(dim * count, 3), 2).unwrap();
    let query = scattered(dim, 9);
    for (k, ef, scanned) in
        [(10, 64, false), (100, 256, false), (300, 64, true), (10, 400, true), (count, 64, true)]
    {
        assert_eq!(candidates(&index.index, &query, k, ef).scanned, scanned, "{k} {ef}");
        let found = index.search(&query, k, ef).unwrap();
        assert_eq!(found, index.exact(&query, k).unwrap()[..found.len()], "{k} {ef}");
        assert_eq!(found.len(), k);
    }
}

/// Numbers without a pattern, of all signs.
fn scattered(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
        })
        .collect()
}

#[test]
fn a_search_among_some_rows_finds_those_that_comparing_all_finds() {
    let (dim, count) = (8, 12_000);
    let index = Index::build(&VectorSpec::new(dim, Metric::L2), scattered(dim * count, 3), 2).unwrap();
    let queries = scattered(dim * 20, 9);
    let sets = [
        RowSet::all(count),
        RowSet::from_fn(count, |row| row % 10 != 0),
        RowSet::from_fn(count, |row| row % 50 == 7),
        RowSet::from_fn(count, |row| row < 3),
        RowSet::none(count),
    ];
    for set in &sets {
        let (mut same, mut all) = (0, 0);
        for query in queries.chunks(dim) {
            let mut exact = index.exact(query, count).unwrap();
            exact.retain(|hit| set.contains(hit.row));
            exact.truncate(10);
            let found = index.search_among(query, 10, 128, set).unwrap();
            assert_eq!(found.len(), exact.len());
            assert!(found.iter().all(|hit| set.contains(hit.row)));
            assert!(found.windows(2).all(|pair| pair[0].distance <= pair[1].distance));
            same += found.iter().filter(|hit| exact.contains(hit)).count();
            all += exact.len();
        }
        assert!(same * 100 >= all * 95, "{same} of {all} among {} rows", set.count());
    }
    let error = index.search_among(&queries[..dim], 10, 64, &RowSet::all(5)).unwrap_err();
    assert_eq!(error.to_string(), "the set of rows is over 5 rows, the index has 12000");
}

#[test]
fn an_index_comes_back_from_its_file_and_damage_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.ann");
    let dims = [(2, 0), (5, 1), (33, 700), (64, 300)];
    for (at, (dim, count)) in dims.into_iter().enumerate() {
        let metric = [Metric::Cosine, Metric::L2, Metric::Ip][at % 3];
        let spec = VectorSpec::new(dim, metric);
        let index = Index::build(&spec, scattered(dim * count, 5), 1).unwrap();
        index.save(&path).unwrap();
        let back = Index::load(&path).unwrap();
        let slim = Slim::load(&path).unwrap();
        let query = scattered(dim, 11);
        assert_eq!(back.search(&query, 10, 64).unwrap(), index.search(&query, 10, 64).unwrap());
        assert_eq!((slim.len(), back.memory_bytes()), (count, index.memory_bytes()));
        let bytes = std::fs::read(&path).unwrap();
        let damaged = folder.path().join("damaged.ann");
        let refused = |bytes: &[u8], what: &str| {
            std::fs::write(&damaged, bytes).unwrap();
            let error = Index::load(&damaged).err().unwrap_or_else(|| panic!("{what}"));
            assert!(
                matches!(&error, Error::Value(why) if why.contains("this is no sound index")),
                "{what}: {error}"
            );
            assert!(Slim::load(&damaged).is_err(), "{what}");
        };
        for cut in [0, 15, 47, 56, bytes.len() / 2, bytes.len() - 1] {
            refused(&bytes[..cut], &format!("cut at {cut}"));
        }
        refused(&[&bytes[..], b"x"].concat(), "longer");
        // Every byte of the head, and some of all others, with the checksum made right again: what is decoded has to prove itself.
        for at in (0..bytes.len()).filter(|at| *at < 130 || at % 4001 == 0) {
            for flip in [1, 0x80] {
                let mut bad = bytes.clone();
                bad[at] ^= flip;
                refused_or_sound(&damaged, &bad, &query);
                let end = bad.len() - 8;
                if at < end {
                    let checksum = u64::from(crc32fast::hash(&bad[..end])).to_le_bytes();
                    bad[end..].copy_from_slice(&checksum);
                    refused_or_sound(&damaged, &bad, &query);
                }
            }
        }
        let (slim, _) = index.split();
        slim.save(&path).unwrap();
        assert_eq!(Slim::load(&path).unwrap().len(), count);
        if count > 0 {
            assert!(Index::load(&path).unwrap_err().to_string().contains("it holds no vectors"));
        }
    }
    assert!(matches!(Index::load(folder.path().join("nothing")), Err(Error::File { .. })));
    let index = Index::build(&VectorSpec::new(1, Metric::L2), vec![1.0], 1).unwrap();
    assert!(matches!(index.save(folder.path().join("no/such/folder")), Err(Error::File { .. })));
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

/// Nothing panics: an index that is loaded can be searched.
fn refused_or_sound(path: &std::path::Path, bytes: &[u8], query: &[f32]) {
    std::fs::write(path, bytes).unwrap();
    if let Ok(index) = Index::load(path) {
        let _ = index.search(query, 10, 64);
        let _ = index.exact(query, 3);
    }
}
