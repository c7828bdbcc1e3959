//! hnsw_rs, a graph by other hands, as a second opinion on the recall of ours.
#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

use nearlite::{Metric, VectorSpec, ann::Index};

const DIM: usize = 96;
const K: usize = 10;

#[test]
fn recall_at_equal_breadth_is_that_of_another_graph() {
    let data = support::vectors(6_000, DIM, 7);
    let queries = support::vectors(100, DIM, 9);
    let theirs = support::baseline::build(&data, DIM, 1);
    let ours = Index::build(&VectorSpec::new(DIM, Metric::Cosine), data.clone(), 2).unwrap();
    for (ef, least) in [(100, 0.9), (400, 0.99)] {
        let (mut by_us, mut by_them) = (0, 0);
        for query in queries.chunks(DIM) {
            let truth: Vec<u32> = ours.exact(query, K).unwrap().iter().map(|hit| hit.row).collect();
            let found = ours.search(query, K, ef).unwrap();
            assert_eq!(found.len(), K);
            by_us += found.iter().filter(|hit| truth.contains(&hit.row)).count();
            by_them +=
                theirs.search(query, K, ef).iter().filter(|h| truth.contains(&(h.d_id as u32))).count();
        }
        let total = (queries.len() / DIM * K) as f64;
        let (by_us, by_them) = (by_us as f64 / total, by_them as f64 / total);
        // The layers of the other graph are drawn anew each time: what it finds varies a little.
        assert!(by_us >= least && by_us >= by_them - 0.03, "ef {ef}: {by_us}, hnsw_rs {by_them}");
    }
}
