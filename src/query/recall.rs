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
    let step = (rowids.len() / sample).max(1);
    let mut queries = Vec::new();
    let chosen = rowids.iter().step_by(step).take(sample).copied();
    on.for_each_vector(column, chosen, |vector| {
        queries.extend(vector.map(<[f32]>::to_vec));
        Ok(())
    })?;
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
