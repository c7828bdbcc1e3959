//! Measures recall on the user's own data: stored vectors as queries, the usual search against the exact one.

use super::request::{Request, VectorLeg};
use super::search::Search;
use crate::collection::{Connected, Pinned};
use crate::error::{Error, Result};

/// Mean recall@k of default searches on vector column `column` (counted among the vector columns) over `sample`
/// stored rows taken at even steps; `None` when no row has a vector. A row counts as found when its exact distance
/// is not beyond the true k-th, so ties are fair.
pub fn recall(
    on: Connected<'_>,
    pinned: &Pinned,
    column: usize,
    sample: usize,
    k: usize,
) -> Result<Option<f64>> {
    if sample == 0 || k == 0 {
        return Err(Error::Value(format!(
            "{}: recall needs a sample and a k of 1 or more",
            on.storage.table
        )));
    }
    let rowids = on.storage.all_rowids(on.conn)?;
    let k = k.min(rowids.len());
    let queries = sampled(on, column, &rowids, sample)?;
    let (mut found, mut possible) = (0_usize, 0_usize);
    for query in queries {
        let distances = |exact: bool| -> Result<Vec<f64>> {
            let legs = vec![VectorLeg { column, query: query.clone() }.into()];
            let request = Request { legs, limit: Some(k), hint: Some(k), exact, ..Request::default() };
            let mut search = Search::start(on, pinned.clone(), request)?;
            let mut distances = Vec::with_capacity(k);
            while let Some(hit) = search.next(on)? {
                distances.extend(hit.distance);
            }
            Ok(distances)
        };
        let truth = distances(true)?;
        let Some(last) = truth.last() else { continue };
        // Distances come from one kernel on the same stored bytes, so equal rows have equal distances.
        found += distances(false)?.iter().filter(|distance| **distance <= *last).count();
        possible += truth.len();
    }
    Ok((possible > 0).then(|| found as f64 / possible as f64))
}

/// `sample` vectors of the column, or all where there are fewer. Where many rows have none, more rows are looked at.
fn sampled(on: Connected<'_>, column: usize, rowids: &[i64], sample: usize) -> Result<Vec<Vec<f32>>> {
    let mut looked = sample;
    loop {
        let mut found = Vec::new();
        on.for_each_vector(column, spread(rowids, looked), |vector| {
            found.extend(vector.map(<[f32]>::to_vec));
            Ok(())
        })?;
        if found.len() >= sample || looked >= rowids.len() {
            let places: Vec<usize> = (0..found.len()).collect();
            return Ok(spread(&places, sample).map(|at| std::mem::take(&mut found[at])).collect());
        }
        looked = looked.saturating_mul(4);
    }
}

/// `count` of the items, spread evenly over all of them; every one where there are no more.
fn spread<T: Copy>(items: &[T], count: usize) -> impl Iterator<Item = T> {
    let count = count.min(items.len());
    (0..count).map(move |at| items[(at as u128 * items.len() as u128 / count as u128) as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A step rounded down never came to the rows at the end: of 1,999 rows for a sample of 1,000 not to the second half.
    #[test]
    fn a_sample_is_spread_over_all_rows() {
        for (rows, count) in [(1_999, 1_000), (150, 100), (7, 3), (5, 9), (100, 1), (0, 4)] {
            let all: Vec<i64> = (0..rows).collect();
            let chosen: Vec<i64> = spread(&all, count).collect();
            assert_eq!(chosen.len(), count.min(all.len()));
            let most = (rows as usize).div_ceil(count) as i64;
            let gaps = chosen.windows(2).map(|pair| pair[1] - pair[0]);
            assert!(gaps.chain(chosen.last().map(|last| rows - last)).all(|gap| (1..=most).contains(&gap)));
        }
    }
}
