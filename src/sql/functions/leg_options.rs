//! The JSON options of one leg: `near(column, vector, options)` and `text_query(text, options)`.

use crate::error::{Error, Result};
use crate::query::Leg;
use crate::text::Syntax;
use crate::text_options::TextOptions;
use serde_json::Value as Json;

/// Largest depth and weight of a leg.
const MAX_DEPTH: u64 = 10_000;
const MAX_WEIGHT: f64 = 1e6;

/// What a leg says about itself.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct LegOptions {
    /// Column of a text leg; a vector leg has it as an argument.
    pub(crate) column: Option<String>,
    /// How a text is meant.
    pub(crate) text: TextOptions,
    /// How much the leg counts beside others of its kind; 1 where it does not say.
    pub(crate) weight: Option<f32>,
    /// Rows it contributes.
    pub(crate) depth: Option<usize>,
    /// The greatest distance, or the least BM25, of its rows.
    pub(crate) bound: Option<f64>,
    /// The model that made the vector.
    pub(crate) model: Option<String>,
}

impl LegOptions {
    /// The leg that says so.
    pub(crate) fn leg(&self, leg: impl Into<Leg>) -> Leg {
        Leg { weight: self.weight.unwrap_or(1.0), depth: self.depth, bound: self.bound, ..leg.into() }
    }

    /// These options, and where they say nothing, `other`. A text that either says to be words is.
    pub(crate) fn over(self, other: Self) -> Self {
        let mut text = self.text.over(&other.text);
        if other.text.syntax == Some(Syntax::Words) {
            text.syntax = other.text.syntax;
        }
        Self {
            column: self.column.or(other.column),
            text,
            weight: self.weight.or(other.weight),
            depth: self.depth.or(other.depth),
            bound: self.bound.or(other.bound),
            model: self.model.or(other.model),
        }
    }

    /// Parses the options of `function`; `text` for those of a text leg. An empty text means the defaults.
    ///
    /// # Errors
    /// [`Error::Value`] that shows the word or value and what is allowed there.
    pub(crate) fn parse(function: &str, json: &str, text: bool) -> Result<Self> {
        let bad = |why: String| Err(Error::Value(format!("{function} options: {why}")));
        let mut options = Self::default();
        if json.trim().is_empty() {
            return Ok(options);
        }
        let map = match serde_json::from_str(json) {
            Ok(Json::Object(map)) => map,
            Ok(other) => return bad(format!("expected a JSON object like {{\"weight\":2}}, got {other}")),
            Err(error) => return bad(format!("not valid JSON: {error}")),
        };
        for (name, value) in &map {
            let wrong = |allowed: &str| bad(format!("\"{name}\" must be {allowed}, got {value}"));
            match (name.as_str(), text) {
                ("column", true) => match value.as_str() {
                    Some(column) => options.column = Some(column.to_owned()),
                    None => return wrong("the name of a FULLTEXT column"),
                },
                ("weight" | "depth", _) => {
                    if let Some(Err(allowed)) = options.share(name, value) {
                        return wrong(allowed);
                    }
                }
                ("max_distance", false) | ("min_bm25", true) => match value.as_f64() {
                    Some(bound) => options.bound = Some(bound),
                    None => return wrong("a number"),
                },
                ("model", false) => match value.as_str() {
                    Some(model) => options.model = Some(model.to_owned()),
                    None => return wrong("the name of a model"),
                },
                _ => {
                    match if text { options.text.set(name, value) } else { None } {
                        Some(Ok(())) => continue,
                        Some(Err(allowed)) => return wrong(allowed),
                        None => {}
                    }
                    let known = if text {
                        format!(
                            "column, weight, depth, min_bm25, weights, {}",
                            TextOptions::OF_TABLE.join(", ")
                        )
                    } else {
                        "weight, depth, max_distance, model".to_owned()
                    };
                    return bad(format!("unknown word \"{name}\"; allowed are {known}"));
                }
            }
        }
        match options.text.check() {
            Err(why) => bad(why),
            Ok(()) => Ok(options),
        }
    }

    /// Reads a word of the options that legs of every kind have; `None` where it is not one of them.
    ///
    /// # Errors
    /// What is allowed there.
    pub(crate) fn share(&mut self, name: &str, value: &Json) -> Option<Result<(), &'static str>> {
        Some(match name {
            "weight" => match value.as_f64().filter(|weight| (0.0..=MAX_WEIGHT).contains(weight)) {
                Some(weight) => {
                    self.weight = Some(weight as f32);
                    Ok(())
                }
                None => Err("a number from 0 to 1000000"),
            },
            "depth" => match value.as_u64().filter(|depth| (1..=MAX_DEPTH).contains(depth)) {
                Some(depth) => {
                    self.depth = usize::try_from(depth).ok();
                    Ok(())
                }
                None => Err("a whole number from 1 to 10000"),
            },
            _ => return None,
        })
    }
}
