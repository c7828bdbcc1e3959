//! The JSON options of `hybrid_query(text, vector, options)`.

use super::formula::Fusion;
use crate::error::{Error, Result};
use crate::text_options::TextOptions;
use serde_json::Value as Json;

/// Largest depth of a leg: beyond a few hundred the fused order hardly changes, the time does.
const MAX_DEPTH: usize = 10_000;

/// Depth of a leg unless the query says otherwise.
const DEPTH: usize = 100;

/// How a hybrid query is run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HybridOptions {
    /// How the legs are fused.
    pub fusion: Fusion,
    /// Rows each leg contributes; `None` for 100.
    pub depth: Option<usize>,
    /// The vector column; `None` for the table's only one.
    pub column: Option<String>,
    /// How the texts are meant.
    pub text: TextOptions,
    /// Breadth of the graph walk; `None` for the table's setting.
    pub ef_search: Option<usize>,
    /// Column whose values group the rows.
    pub group_by: Option<String>,
    /// Rows of each group; `None` for 1.
    pub group_rows: Option<usize>,
    /// Lambda of maximal marginal relevance.
    pub mmr: Option<f32>,
}

impl HybridOptions {
    /// Rows a leg, whose own depth is `own`, contributes to pages of `page` rows. It does not depend on the offset, so that pages fit together.
    pub fn depth_for(&self, own: Option<usize>, page: usize) -> usize {
        own.or(self.depth).unwrap_or(DEPTH).max(page.min(MAX_DEPTH))
    }
}

/// Parses the options; an empty text means the defaults.
///
/// # Errors
/// [`Error::Value`] that shows the word or value and what is allowed there.
pub fn parse_options(json: &str) -> Result<HybridOptions> {
    let bad = |why: String| Err(Error::Value(format!("hybrid_query options: {why}")));
    let mut options = HybridOptions::default();
    if json.trim().is_empty() {
        return Ok(options);
    }
    let map = match serde_json::from_str(json) {
        Ok(Json::Object(map)) => map,
        Ok(other) => return bad(format!("expected a JSON object like {{\"fusion\":\"rrf\"}}, got {other}")),
        Err(error) => return bad(format!("not valid JSON: {error}")),
    };
    let (mut k, mut alpha, mut weights) = (None, None, None);
    for (name, value) in &map {
        let wrong = |allowed: &str| bad(format!("\"{name}\" must be {allowed}, got {value}"));
        let number = |low: f64, high: f64| {
            value.as_f64().filter(|number| (low..=high).contains(number)).map(|number| number as f32)
        };
        let count = |max: usize| {
            value.as_u64().and_then(|n| usize::try_from(n).ok()).filter(|n| (1..=max).contains(n))
        };
        match name.as_str() {
            "fusion" => {
                options.fusion = match value.as_str() {
                    Some("rrf") => Fusion::rrf(),
                    Some("convex") => Fusion::default(),
                    Some("dbsf") => Fusion::dbsf(),
                    _ => return wrong("\"rrf\", \"convex\" or \"dbsf\""),
                };
            }
            "k" => match number(0.0, 1e6) {
                Some(number) => k = Some(number),
                None => return wrong("a number from 0 to 1000000"),
            },
            "alpha" => match number(0.0, 1.0) {
                Some(number) => alpha = Some(number),
                None => return wrong("a number from 0 (text only) to 1 (vector only)"),
            },
            // An object has a weight for each column of the texts.
            "weights" if !value.is_object() => match parse_weights(value) {
                Some(pair) => weights = Some(pair),
                None => {
                    return wrong("two numbers from 0 to 1000000, [vector, text], that are not both 0");
                }
            },
            "depth" => match count(MAX_DEPTH) {
                Some(number) => options.depth = Some(number),
                None => return wrong(&format!("a whole number from 1 to {MAX_DEPTH}")),
            },
            "ef_search" => match count(crate::limits::MAX_K) {
                Some(number) => options.ef_search = Some(number),
                None => return wrong("a whole number of at least 1"),
            },
            "group_by" => match value.as_str() {
                Some(text) => options.group_by = Some(text.to_owned()),
                None => return wrong("the name of a column"),
            },
            "group_rows" => match count(crate::limits::MAX_K) {
                Some(number) => options.group_rows = Some(number),
                None => return wrong("a whole number of at least 1"),
            },
            "mmr" => match number(0.0, 1.0) {
                Some(lambda) => options.mmr = Some(lambda),
                None => return wrong("a number from 0 (unlike each other) to 1 (as ranked)"),
            },
            "column" => match value.as_str() {
                Some(text) => options.column = Some(text.to_owned()),
                None => return wrong("the name of a vector column"),
            },
            _ => match options.text.set(name, value) {
                Some(Ok(())) => {}
                Some(Err(allowed)) => return wrong(allowed),
                None => {
                    return bad(format!(
                        "unknown word \"{name}\"; allowed are fusion, k, alpha, weights, depth, column, ef_search, group_by, group_rows, mmr, {}",
                        TextOptions::OF_TABLE.join(", ")
                    ));
                }
            },
        }
    }
    if let Err(why) = options.text.check() {
        return bad(why);
    }
    if options.group_rows.is_some() && options.group_by.is_none() {
        return bad("\"group_rows\" needs \"group_by\", the name of a column".to_owned());
    }
    // Only one formula has a k, so it need not be named.
    if k.is_some() && !map.contains_key("fusion") {
        if alpha.is_some() {
            return bad(
                "\"k\" is for \"fusion\":\"rrf\", \"alpha\" for \"convex\"; name the one you mean".to_owned()
            );
        }
        options.fusion = Fusion::rrf();
    }
    // Knobs of a formula that was not chosen are checked and unused, so that one word switches the formula.
    match &mut options.fusion {
        Fusion::Rrf { k: own, weights: pair } => {
            *own = k.unwrap_or(*own);
            *pair = weights.unwrap_or(*pair);
        }
        Fusion::Convex { alpha: own } => {
            let shared = weights.map(|[vector, text]| vector / (vector + text));
            *own = alpha.or(shared).unwrap_or(*own);
        }
        Fusion::Dbsf { weights: pair } => *pair = weights.unwrap_or(*pair),
    }
    Ok(options)
}

fn parse_weights(value: &Json) -> Option<[f32; 2]> {
    let [vector, text] = value.as_array()?.as_slice() else {
        return None;
    };
    let weight = |value: &Json| value.as_f64().filter(|weight| (0.0..=1e6).contains(weight));
    let (vector, text) = (weight(vector)? as f32, weight(text)? as f32);
    (vector + text > 0.0).then_some([vector, text])
}
