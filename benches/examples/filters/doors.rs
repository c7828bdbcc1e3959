//! What a filter costs besides the search: a new predicate, a repeated one, a tenant of many, through both doors.

use super::data::{Data, Random, median};
use super::{K, TENANT};
use nearlite::rusqlite::{Connection, Statement};
use nearlite::{Collection, Filter, PartPlan, Value as Cell, col};
use serde_json::{Value, json};
use std::error::Error;
use std::path::Path;
use std::time::Instant;

/// A predicate in both languages: the SQL has its constants from `?2` on.
struct Case {
    name: String,
    sql: &'static str,
    /// The constants of the call of a number; no two calls have the same in a case of new predicates.
    constants: Box<dyn Fn(usize) -> Vec<Cell>>,
    filter: fn(&[Cell]) -> Filter,
}

fn cases(rows: usize) -> Vec<Case> {
    let mut cases = Vec::new();
    for rate in [60.0, 10.0, 1.0, 0.1] {
        let count = ((rows as f64 * rate / 100.0) as i64).max(1);
        cases.push(Case {
            name: format!("repeated range, {rate} %"),
            sql: "shuffled < ?2",
            constants: Box::new(move |_| vec![count.into()]),
            filter: |c| col("shuffled").lt(c[0].clone()),
        });
        let room = rows as i64 - count;
        cases.push(Case {
            name: format!("new range, {rate} %"),
            sql: "shuffled >= ?2 AND shuffled < ?3",
            constants: Box::new(move |at| {
                let low = (Random(at as u64).next() * room as f64) as i64;
                vec![low.into(), (low + count).into()]
            }),
            filter: |c| col("shuffled").ge(c[0].clone()).and(col("shuffled").lt(c[1].clone())),
        });
    }
    let tenants = rows / TENANT;
    let of = move |at: usize| (at * 7919 % tenants) as i64;
    cases.push(Case {
        name: "tenant of many, integer".into(),
        sql: "tenant = ?2",
        constants: Box::new(move |at| vec![of(at).into()]),
        filter: |c| col("tenant").eq(c[0].clone()),
    });
    cases.push(Case {
        name: "tenant of many, text".into(),
        sql: "tenant_name = ?2",
        constants: Box::new(move |at| vec![format!("tenant-{}", of(at)).into()]),
        filter: |c| col("tenant_name").eq(c[0].clone()),
    });
    cases
}

pub fn measure(table: &Collection, data: &Data, path: &Path, rounds: usize) -> Result<Value, Box<dyn Error>> {
    let conn = Connection::open(path)?;
    nearlite::register(&conn)?;
    let blobs: Vec<Vec<u8>> =
        data.queries.iter().map(|q| q.iter().flat_map(|x| x.to_le_bytes()).collect()).collect();
    let mut out = Vec::new();
    let mut calls = 0;
    for case in cases(data.rows()) {
        let text = format!(
            "SELECT id, distance FROM t WHERE e MATCH ?1 AND {} ORDER BY distance LIMIT {K}",
            case.sql
        );
        let mut statement = conn.prepare(&text)?;
        let mut next = || {
            calls += 1;
            (case.constants)(calls)
        };
        let mut times: [Vec<f64>; 6] = Default::default();
        let mut different = 0;
        // The first round brings pages into the caches and is not counted.
        for round in 0..=rounds {
            for (query, blob) in data.queries.iter().zip(&blobs) {
                let search = |constants: &[Cell]| {
                    table
                        .search()
                        .nearest("e", query)
                        .filter((case.filter)(constants))
                        .limit(K)
                        .columns(["id"])
                };
                let mut one = [0.0; 6];
                let constants = next();
                let clock = Instant::now();
                search(&constants).run()?;
                one[0] = clock.elapsed().as_secs_f64() * 1e6;
                let constants = next();
                let clock = Instant::now();
                let ids = ask(&mut statement, blob, &constants)?;
                one[1] = clock.elapsed().as_secs_f64() * 1e6;
                let constants_again = next();
                let plan = search(&constants_again).explain()?.plan;
                one[2] = plan["filter_us"].as_f64().unwrap_or(0.0);
                one[3] = plan["search_us"].as_f64().unwrap_or(0.0);
                let hits = search(&constants).plan(PartPlan::Scan).explain()?;
                one[4] = hits.plan["search_us"].as_f64().unwrap_or(0.0);
                let same = hits.hits.iter().map(|hit| hit.hit.rowid).eq(ids.iter().copied());
                different += usize::from(!same);
                let clock = Instant::now();
                table.search().nearest("e", query).limit(K).columns(["id"]).run()?;
                one[5] = clock.elapsed().as_secs_f64() * 1e6;
                if round > 0 {
                    times.iter_mut().zip(one).for_each(|(times, one)| times.push(one));
                }
            }
        }
        let [rust, sql, filter, search, scan, unfiltered] =
            times.map(|mut times| (median(&mut times) * 10.0).round() / 10.0);
        eprintln!(
            "{}: Rust {rust} us (filter {filter}, search {search}), SQL {sql} us, scan {scan} us, unfiltered {unfiltered} us",
            case.name
        );
        out.push(json!({
            "case": case.name, "rust_us": rust, "sql_us": sql, "filter_us": filter, "search_us": search,
            "scan_us": scan, "unfiltered_rust_us": unfiltered, "answers_unlike_the_scan": different,
        }));
    }
    Ok(out.into())
}

fn ask(statement: &mut Statement<'_>, query: &[u8], constants: &[Cell]) -> Result<Vec<i64>, Box<dyn Error>> {
    statement.raw_bind_parameter(1, query)?;
    for (at, constant) in constants.iter().enumerate() {
        match constant {
            Cell::Integer(int) => statement.raw_bind_parameter(at + 2, int)?,
            Cell::Text(text) => statement.raw_bind_parameter(at + 2, text)?,
            _ => return Err("a constant is an integer or a text".into()),
        }
    }
    let mut rows = statement.raw_query();
    let mut ids = Vec::new();
    while let Some(row) = rows.next()? {
        ids.push(row.get(0)?);
    }
    Ok(ids)
}
