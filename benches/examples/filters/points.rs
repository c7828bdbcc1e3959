//! Each pass rate and correlation: the default search, the scan of the passing rows, and the unfiltered search.
//!
//! The rows of a query pass by a list of rowids. Times are those of the search alone, as `explain` tells them: what a
//! list of tens of thousands of rowids costs before that is not what filters on columns cost, see `doors`.

use super::K;
use super::data::{Data, Order, median, passing};
use nearlite::{Collection, Error as SearchError, PartPlan};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::error::Error;

pub struct Asked {
    pub rates: Vec<f64>,
    pub correlations: Vec<f64>,
    pub rounds: usize,
    /// Whether to walk the graph at every point besides.
    pub walk: bool,
}

/// One way to search, over all queries of a point.
#[derive(Default)]
struct Way {
    /// Microseconds of each query, the best of the rounds.
    best: Vec<f64>,
    hits: usize,
    wanted: usize,
    short: usize,
    wrong: usize,
    plans: BTreeMap<String, usize>,
    distances: f64,
    estimates: f64,
    hops: f64,
    reranked: f64,
    fallbacks: u64,
}

/// What a query may return: rowids, and the distances a hit must not pass, for its rows and for the k-th of them.
struct Truth<'a> {
    ids: Option<&'a [i64]>,
    worst: f32,
    count: usize,
}

impl Way {
    fn run(
        &mut self,
        table: &Collection,
        at: usize,
        query: &[f32],
        plan: Option<PartPlan>,
        truth: &Truth<'_>,
    ) -> Result<(), SearchError> {
        let mut search = table.search().nearest("e", query).limit(K).columns(["id"]);
        if let Some(ids) = truth.ids {
            search = search.ids(ids.iter().copied());
        }
        if let Some(plan) = plan {
            search = search.plan(plan);
        }
        let found = search.explain()?;
        let number = |name: &str| found.plan[name].as_f64().unwrap_or(0.0);
        let time = number("search_us");
        if let Some(best) = self.best.get_mut(at) {
            *best = best.min(time);
            return Ok(());
        }
        self.best.push(time);
        let near = found.hits.iter().filter(|h| h.hit.distance.is_some_and(|d| d <= truth.worst)).count();
        self.hits += near;
        self.wanted += truth.count;
        self.short += usize::from(found.hits.len() < truth.count);
        // Sorted ids: a hit that does not pass the filter would be a wrong answer.
        let passes = |rowid: i64| truth.ids.is_none_or(|ids| ids.binary_search(&rowid).is_ok());
        self.wrong += found.hits.iter().filter(|h| !passes(h.hit.rowid)).count();
        let largest = found.plan["parts"].as_array().and_then(|parts| parts.first());
        let name = largest.and_then(|part| part["plan"].as_str()).unwrap_or("nothing");
        let name = if number("fallbacks") > 0.0 { format!("{name} after a walk") } else { name.to_owned() };
        *self.plans.entry(name).or_default() += 1;
        self.distances += number("distances");
        self.estimates += number("estimates");
        self.hops += number("hops");
        self.reranked += number("reranked");
        self.fallbacks += number("fallbacks") as u64;
        Ok(())
    }

    fn report(mut self) -> Value {
        let count = self.best.len().max(1) as f64;
        let round = |x: f64| (x * 10.0).round() / 10.0;
        json!({
            "us": round(median(&mut self.best)),
            "p90_us": self.best.get(self.best.len() * 9 / 10).copied().map(round),
            "recall": (self.hits as f64 / self.wanted.max(1) as f64 * 1e4).round() / 1e4,
            "short": self.short,
            "wrong": self.wrong,
            "plans": self.plans,
            "distances": round(self.distances / count),
            "estimates": round(self.estimates / count),
            "hops": round(self.hops / count),
            "reranked": round(self.reranked / count),
            "fallbacks": self.fallbacks,
        })
    }
}

pub fn measure(table: &Collection, data: &Data, asked: &Asked) -> Result<Value, Box<dyn Error>> {
    let orders: Vec<Order> =
        data.queries.iter().map(|query| data.order(query)).collect::<nearlite::Result<_>>()?;
    let rows = data.rows();
    let mut points = Vec::new();
    for rate in &asked.rates {
        for correlation in &asked.correlations {
            if *rate >= 100.0 && *correlation != 0.0 {
                continue;
            }
            let count = ((rows as f64 * rate / 100.0).round() as usize).clamp(1, rows);
            let point = measure_one(table, data, &orders, count, *correlation, asked)?;
            eprintln!(
                "{rate:>6} % {correlation:>5}: {} us, recall {}, {}; scan {} us, unfiltered {} us, walk {} us {}",
                point["default"]["us"],
                point["default"]["recall"],
                point["default"]["plans"],
                point["scan"]["us"],
                point["unfiltered"]["us"],
                point["walk"]["us"],
                point["walk"]["recall"],
            );
            points.push(json!({"rate": rate, "correlation": correlation, "passing": count, "ways": point}));
        }
    }
    Ok(points.into())
}

fn measure_one(
    table: &Collection,
    data: &Data,
    orders: &[Order],
    count: usize,
    correlation: f64,
    asked: &Asked,
) -> Result<Value, Box<dyn Error>> {
    let rows = data.rows();
    // A walk among few rows far away goes over the whole graph.
    let walked = asked.walk && correlation > -1.0 && count * 200 >= rows;
    let (mut default, mut scan, mut unfiltered, mut walk) =
        (Way::default(), Way::default(), Way::default(), Way::default());
    for (at, (query, order)) in data.queries.iter().zip(orders).enumerate() {
        let mut positions = passing(rows, count, correlation, at as u64 * 7919 + count as u64);
        positions.sort_unstable();
        let worst = |nth: Option<usize>| nth.and_then(|nth| order.get(nth)).map_or(f32::MAX, |row| row.0);
        let last = K.min(count);
        let mut ids: Vec<i64> =
            positions.iter().map(|position| i64::from(order[*position as usize].1) + 1).collect();
        ids.sort_unstable();
        let truth = Truth {
            ids: Some(&ids),
            worst: worst(positions.get(last - 1).map(|position| *position as usize)),
            count: last,
        };
        let all = Truth { ids: None, worst: worst(Some(K - 1)), count: K };
        for _ in 0..asked.rounds {
            // The rows that are reranked come from the file: the unfiltered search brings the index into the caches,
            // the first filtered one the rows, so it is run once more than it is timed.
            unfiltered.run(table, at, query, None, &all)?;
            Way::default().run(table, 0, query, None, &truth)?;
            default.run(table, at, query, None, &truth)?;
            scan.run(table, at, query, Some(PartPlan::Scan), &truth)?;
            if walked {
                walk.run(table, at, query, Some(PartPlan::FilteredGraph), &truth)?;
            }
        }
    }
    let mut ways = json!({
        "default": default.report(),
        "scan": scan.report(),
        "unfiltered": unfiltered.report(),
    });
    if walked {
        ways["walk"] = walk.report();
    }
    Ok(ways)
}
