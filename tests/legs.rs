//! Searches of several legs beside formulas worked out by hand: any number of vectors and a text, each fusion, groups and
//! diversity, all at once and row by row.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Rng, env_number};
use nearlite::rusqlite::Row;
use nearlite::{Collection, Database, Fusion, Metric, Mmr, Schema, Search, col};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

const WORDS: [&str; 5] = ["amber", "badger", "cobalt", "dahlia", "ember"];

/// A table in which a vector may be missing, partly in segments and partly in the log.
fn table(rng: &mut Rng, rows: usize) -> (Database, Collection) {
    let db = Database::in_memory().unwrap();
    let schema = Schema::new()
        .integer_key("id")
        .full_text("body")
        .integer("year")
        .unindexed("note")
        .vector("a", 3, Metric::Cosine)
        .vector("b", 2, Metric::L2);
    let things = db.collection("things").create(schema).unwrap();
    let number = |rng: &mut Rng| rng.below(2_001) as f32 / 1_000.0 - 1.0;
    for id in 1..=rows {
        let body: Vec<&str> = (0..1 + rng.below(6)).map(|_| WORDS[rng.below(WORDS.len())]).collect();
        let vector = |rng: &mut Rng, dim: usize| {
            let vector: Vec<f32> = (0..dim).map(|_| number(rng)).collect();
            (rng.below(8) > 0).then_some(vector)
        };
        let year = (rng.below(6) > 0).then(|| 2000 + rng.below(5));
        let note = if id % 2 == 0 { json!(id % 3) } else { json!(format!("n{}", id % 3)) };
        let (a, b) = (vector(rng, 3), vector(rng, 2));
        things
            .insert(&json!({"id": id, "body": body.join(" "), "year": year, "note": note, "a": a, "b": b}))
            .unwrap();
        if id == rows / 2 {
            things.flush().unwrap();
        }
    }
    (db, things)
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Kind {
    Cosine,
    L2,
    Text,
}

/// A leg's rows with the distance or score of each.
type Leg = (Kind, BTreeMap<i64, f64>);

/// The fused score of every row, where every leg returned all that it has.
fn fused(fusion: &Fusion, legs: &[Leg]) -> BTreeMap<i64, f64> {
    let vectors = legs.iter().filter(|(kind, _)| *kind != Kind::Text).count() as f64;
    let mixed = legs.iter().any(|(kind, _)| *kind == Kind::Text) && vectors > 0.0;
    let mut scores = BTreeMap::new();
    for (kind, raws) in legs {
        let good = |raw: f64| match kind {
            Kind::Cosine => 1.0 - raw,
            Kind::L2 => 1.0 / (1.0 + raw),
            Kind::Text => raw,
        };
        let goods: Vec<f64> = raws.values().map(|raw| good(*raw)).collect();
        let mean = goods.iter().sum::<f64>() / goods.len() as f64;
        let square = goods.iter().map(|good| (good - mean).powi(2)).sum::<f64>();
        let deviation = (square / (goods.len() as f64 - 1.0)).sqrt();
        for (row, raw) in raws {
            let rank = 1 + goods.iter().filter(|other| **other > good(*raw)).count();
            let adds = match *fusion {
                Fusion::Rrf { k, weights } => {
                    f64::from(weights[usize::from(*kind == Kind::Text)]) / (f64::from(k) + rank as f64)
                }
                Fusion::Convex { alpha } => {
                    let alpha = if mixed { f64::from(alpha) } else { 1.0 };
                    let weight = if *kind == Kind::Text { 1.0 - alpha } else { alpha / vectors };
                    // Every row with a vector is in the list, so its mean is that of the column.
                    let similar = |raw: f64| if *kind == Kind::L2 { -raw * raw } else { good(raw) };
                    let all = raws.values().map(|raw| similar(*raw));
                    let low =
                        if *kind == Kind::Text { 0.0 } else { all.clone().sum::<f64>() / raws.len() as f64 };
                    let best = all.fold(f64::NEG_INFINITY, f64::max);
                    weight * ((similar(*raw) - low) / (best - low)).clamp(0.0, 1.0)
                }
                Fusion::Dbsf { weights } => {
                    let low = mean - 3.0 * deviation;
                    f64::from(weights[usize::from(*kind == Kind::Text)]) * (good(*raw) - low)
                        / (6.0 * deviation)
                }
                _ => unreachable!(),
            };
            *scores.entry(*row).or_default() += adds;
        }
    }
    scores
}

#[test]
fn any_number_of_legs_is_fused_by_every_formula() {
    let seed = env_number("NEARLITE_SEED", 1);
    println!("NEARLITE_SEED={seed}");
    let mut rng = Rng(seed);
    for _ in 0..4 {
        let (_db, things) = table(&mut rng, 80);
        let number = |rng: &mut Rng| rng.below(2_001) as f32 / 1_000.0 - 1.0;
        let vectors: Vec<(&str, Kind, Vec<f32>)> = (0..3)
            .map(|at| match at {
                1 => ("b", Kind::L2, (0..2).map(|_| number(&mut rng)).collect()),
                _ => ("a", Kind::Cosine, (0..3).map(|_| number(&mut rng)).collect()),
            })
            .collect();
        let text = format!("{} OR {}", WORDS[rng.below(5)], WORDS[rng.below(5)]);
        let fusions = [
            Fusion::rrf(),
            Fusion::Rrf { k: 3.0, weights: [2.0, 1.0] },
            Fusion::convex(0.7),
            Fusion::Dbsf { weights: [1.0, 2.0] },
        ];
        for (count, with_text) in [(1, true), (2, false), (2, true), (3, false), (3, true)] {
            let mut legs: Vec<Leg> = Vec::new();
            for (column, kind, query) in &vectors[..count] {
                let hits = things.search().nearest(*column, query).exact(true).limit(1_000).run().unwrap();
                legs.push((
                    *kind,
                    hits.iter().map(|hit| (hit.rowid, f64::from(hit.distance.unwrap()))).collect(),
                ));
            }
            if with_text {
                let hits = things.search().text(&text).limit(1_000).run().unwrap();
                legs.push((
                    Kind::Text,
                    hits.iter().map(|hit| (hit.rowid, f64::from(hit.bm25.unwrap()))).collect(),
                ));
            }
            for fusion in fusions {
                let search = || {
                    let mut search = things.search().fuse(fusion).exact(true).limit(1_000);
                    for (column, _, query) in &vectors[..count] {
                        search = search.nearest(*column, query);
                    }
                    if with_text { search.text(&text) } else { search }
                };
                let expected = fused(&fusion, &legs);
                let hits = search().run().unwrap();
                let context = format!("{count} vectors, {with_text}, {fusion:?}");
                assert_eq!(hits.len(), expected.len(), "{context}");
                for hit in &hits {
                    let score = expected[&hit.rowid];
                    assert!((f64::from(hit.score) - score).abs() < 1e-4, "{context}: {hit:?}, not {score}");
                    assert_eq!(hit.distance.map(f64::from), legs[0].1.get(&hit.rowid).copied(), "{context}");
                }
                assert!(hits.windows(2).all(|pair| pair[0].score >= pair[1].score), "{context}");
                // Row by row the same rows come, and a small page is the start of the large one.
                let rows: Vec<i64> = search().iter().unwrap().map(|hit| hit.unwrap().rowid).collect();
                let all: Vec<i64> = hits.iter().map(|hit| hit.rowid).collect();
                assert_eq!(rows, all, "{context}");
                let page = search().limit(7).offset(3).run().unwrap();
                assert_eq!(page.iter().map(|hit| hit.rowid).collect::<Vec<_>>(), all[3..10], "{context}");
                let why = search().limit(5).explain().unwrap();
                for explained in &why.hits {
                    let sum: f32 = [&explained.vector, &explained.text]
                        .into_iter()
                        .flatten()
                        .map(|leg| leg.contribution)
                        .sum();
                    assert!((sum - explained.hit.score).abs() < 1e-5, "{context}: {explained:?}");
                }
            }
        }
    }
}

#[test]
fn legs_that_are_not_deep_enough_go_on_until_every_row_has_come_once() {
    let seed = env_number("NEARLITE_SEED", 1);
    println!("NEARLITE_SEED={seed}");
    let mut rng = Rng(seed);
    let (_db, things) = table(&mut rng, 400);
    for fusion in [Fusion::rrf(), Fusion::convex(0.5), Fusion::dbsf()] {
        let search = || {
            let search = things.search().nearest("a", [0.3, -0.2, 0.9]).nearest("b", [0.1, 0.4]).fuse(fusion);
            search.text("amber OR badger OR cobalt OR dahlia OR ember").depth(4)
        };
        let hits: Vec<_> = search().iter().unwrap().map(Result::unwrap).collect();
        let rows: BTreeSet<i64> = hits.iter().map(|hit| hit.rowid).collect();
        assert_eq!((hits.len(), rows.len()), (400, 400), "{fusion:?}");
        assert!(hits.windows(2).all(|pair| pair[0].score >= pair[1].score), "{fusion:?}");
        let near = search().within(0.5).iter().unwrap().map(Result::unwrap).count();
        let of = |column: &str, query: &[f32]| -> BTreeSet<i64> {
            let near =
                things.search().nearest(column, query).within(0.5).exact(true).limit(1_000).run().unwrap();
            near.iter().map(|hit| hit.rowid).collect()
        };
        let within = &of("a", &[0.3, -0.2, 0.9]) | &of("b", &[0.1, 0.4]);
        assert_eq!(near, within.len(), "{fusion:?}: rows near one of the vectors");
    }
}

/// A search of one vector, of a text, of several legs, of none.
fn some_search(things: &Collection, kind: usize) -> Search<'_> {
    let search = things.search();
    match kind {
        0 => search.nearest("a", [0.3, -0.2, 0.9]),
        1 => search.text("amber OR badger"),
        2 => search.nearest("a", [0.3, -0.2, 0.9]).nearest("b", [0.0, 0.0]).text("amber").depth(5),
        _ => search.filter(col("id").le(150)),
    }
}

#[test]
fn groups_hold_the_best_rows_of_each_value_whatever_ranks_them() {
    let seed = env_number("NEARLITE_SEED", 1);
    println!("NEARLITE_SEED={seed}");
    let mut rng = Rng(seed);
    let (_db, things) = table(&mut rng, 200);
    let value = |rowid: i64, column: &str| {
        let row: serde_json::Value = things.get_one(rowid).unwrap().unwrap();
        row[column].to_string()
    };
    for kind in 0..4 {
        let search = || some_search(&things, kind);
        for column in ["year", "note", "body", "id"] {
            for room in [1, 3] {
                let mut given: BTreeMap<String, usize> = BTreeMap::new();
                let all = search().iter().unwrap().map(|hit| hit.unwrap().rowid);
                let expected: Vec<i64> = all
                    .filter(|rowid| {
                        let taken = given.entry(value(*rowid, column)).or_default();
                        *taken += 1;
                        *taken <= room
                    })
                    .collect();
                let grouped = search().group_by(column, room);
                let found: Vec<i64> = grouped.iter().unwrap().map(|hit| hit.unwrap().rowid).collect();
                assert_eq!(found, expected, "search {kind}, {column}, {room}");
            }
        }
    }
}

#[test]
fn diverse_rows_come_one_by_one_and_each_of_them_once() {
    let seed = env_number("NEARLITE_SEED", 1);
    println!("NEARLITE_SEED={seed}");
    let mut rng = Rng(seed);
    let (_db, things) = table(&mut rng, 150);
    let search = || things.search().nearest("a", [0.3, -0.2, 0.9]).rerank(Mmr::lambda(0.4)).limit(6);
    let hits = search().run().unwrap();
    let all: Vec<i64> = search().iter().unwrap().map(|hit| hit.unwrap().rowid).collect();
    assert_eq!(hits.iter().map(|hit| hit.rowid).collect::<Vec<_>>(), all[..6]);
    let with_a_vector = things.search().nearest("a", [0.3, -0.2, 0.9]).limit(1_000).run().unwrap().len();
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), with_a_vector);
    assert_eq!(all.len(), with_a_vector);
    // By hand: six of the nearest 24, each by relevance and likeness to those before it.
    let nearest = things.search().nearest("a", [0.3, -0.2, 0.9]).limit(24).run().unwrap();
    let vector = |rowid: i64| -> Vec<f64> {
        let row: serde_json::Value = things.get_one(rowid).unwrap().unwrap();
        row["a"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
    };
    let cosine = |a: &[f64], b: &[f64]| {
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    };
    let mut left: Vec<(i64, f64, Vec<f64>)> = nearest
        .iter()
        .map(|hit| (hit.rowid, 1.0 - f64::from(hit.distance.unwrap()), vector(hit.rowid)))
        .collect();
    let mut picked: Vec<(i64, Vec<f64>)> = Vec::new();
    while picked.len() < 6 {
        let score = |(_, relevance, own): &(i64, f64, Vec<f64>)| {
            let like = picked.iter().map(|(_, other)| cosine(own, other)).reduce(f64::max);
            like.map_or(*relevance, |like| 0.4 * relevance - 0.6 * like)
        };
        let best =
            (0..left.len()).max_by(|a, b| score(&left[*a]).total_cmp(&score(&left[*b])).then(b.cmp(a)));
        let (rowid, _, own) = left.remove(best.unwrap());
        picked.push((rowid, own));
    }
    assert_eq!(picked.iter().map(|(rowid, _)| *rowid).collect::<Vec<_>>(), all[..6]);
    // Over groups and several legs.
    let both = things.search().nearest("a", [0.3, -0.2, 0.9]).nearest("b", [0.0, 0.0]).text("amber OR ember");
    let both = both.group_by("year", 2).rerank(Mmr::lambda(0.5));
    let years: Vec<String> = both
        .iter()
        .unwrap()
        .map(|hit| hit.unwrap().row::<serde_json::Value>().unwrap()["year"].to_string())
        .collect();
    assert_eq!(years.len(), 12, "{years:?}: five years and none");
}

/// `rank` was the relevance of rows that came in another order, and SQLite was told that they were in the order of `rank`.
#[test]
fn rows_that_were_picked_are_ranked_by_the_picks() {
    let conn = common::open_memory();
    conn.execute_batch("CREATE VIRTUAL TABLE docs USING nearlite(body TEXT FULLTEXT, v VECTOR(2))").unwrap();
    for (body, vector) in
        [("owl", "[1,0]"), ("owl owl", "[0.99,0.1]"), ("hawk", "[0,1]"), ("owl a", "[0.9,0.3]")]
    {
        conn.execute("INSERT INTO docs(body, v) VALUES(?1, ?2)", [body, vector]).unwrap();
    }
    let found = |legs: &str, rest: &str| {
        let sql = format!(
            "SELECT rowid, rank, score FROM docs WHERE docs MATCH hybrid_query({legs}, '{{\"mmr\":0.3}}') {rest}"
        );
        let read =
            |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, f64>(1)?, row.get::<_, Option<f64>>(2)?));
        common::rows(&conn, &sql, [], read).unwrap()
    };
    for legs in ["near('v', '[1,0]')", "near('v', '[1,0]'), words('owl')"] {
        let ids = |rest: &str| found(legs, rest).into_iter().map(|row| row.0).collect::<Vec<_>>();
        let picked = found(legs, "");
        assert_eq!(picked.iter().map(|row| row.1).collect::<Vec<_>>(), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(picked[1].0, 3, "the row that is unlike the first");
        let order = ids("");
        assert_eq!(ids("ORDER BY rank"), order);
        assert_eq!(ids("ORDER BY rank LIMIT 2"), order[..2]);
        assert_eq!(ids("ORDER BY +rank"), order);
        assert_eq!(ids("AND rank <= 2 ORDER BY rank"), order[..2]);
        assert_eq!(ids("AND rank > 3"), order[3..]);
        for rest in ["", "AND k = 2"] {
            let by_score = found(legs, &format!("{rest} ORDER BY score DESC"));
            assert!(by_score.is_sorted_by(|a, b| a.2 >= b.2), "{by_score:?}");
            let mut expected = ids(rest);
            let mut rows: Vec<i64> = by_score.into_iter().map(|row| row.0).collect();
            expected.sort_unstable();
            rows.sort_unstable();
            assert_eq!(rows, expected, "{rest}");
        }
    }
}
