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
