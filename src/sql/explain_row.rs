//! `explain_row(docs)`: what each leg of a search gave to the current row.

use crate::query::{Hit, Leg, LegQuery};
use crate::schema::Schema;
use serde_json::{Value as Json, json};

/// The row of a search as JSON: its score, and for each leg column, rank, raw score and share; `null` for a leg that does
/// not know the row.
pub fn json(schema: &Schema, legs: &[Leg], hit: &Hit) -> String {
    let single = legs.len() == 1;
    let explained = legs.iter().enumerate().map(|(at, leg)| {
        let (kind, name, column) = describe(schema, leg);
        if single {
            let raw = if kind == "vector" { hit.distance } else { hit.bm25.map(f64::from) };
            return json!({"kind": kind, "column": column, "rank": hit.position, name: raw});
        }
        let score = hit.legs.as_ref().and_then(|legs| legs.get(at).copied().flatten());
        score.map_or(Json::Null, |score| {
            json!({
                "kind": kind,
                "column": column,
                "rank": score.rank,
                name: score.raw,
                "normalized": score.normalized,
                "weight": score.weight,
                "contribution": score.contribution,
            })
        })
    });
    json!({"position": hit.position, "score": hit.score, "legs": explained.collect::<Vec<_>>()}).to_string()
}

/// Kind of a leg, name of its raw score, name of its column; `null` for all FULLTEXT columns.
fn describe(schema: &Schema, leg: &Leg) -> (&'static str, &'static str, Option<String>) {
    let name = |at: Option<usize>| at.map(|at| schema.columns[at].name.clone());
    match &leg.query {
        LegQuery::Vector(vector) => {
            ("vector", "distance", name(schema.vectors().nth(vector.column).map(|(at, _)| at)))
        }
        LegQuery::Text(text) => {
            let column = text.field.and_then(|field| schema.full_texts().nth(field)).map(|(at, _)| at);
            ("text", "bm25", name(column))
        }
    }
}
