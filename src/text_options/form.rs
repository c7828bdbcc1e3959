//! Options of text queries as JSON, and as they are declared.

use super::{Fuzzy, Minimum, Operator, Syntax, TextOptions, is_weight};
use serde_json::Value as Json;

impl TextOptions {
    /// Sets the option called `name` from JSON; `None` where there is no such option, otherwise what is allowed if `value` is not.
    pub(crate) fn set(&mut self, name: &str, value: &Json) -> Option<Result<(), &'static str>> {
        let text = value.as_str().map(str::to_ascii_lowercase);
        let text = text.as_deref();
        Some(match name {
            "syntax" => put(
                &mut self.syntax,
                match text {
                    Some("query") => Some(Syntax::Query),
                    Some("words") => Some(Syntax::Words),
                    _ => None,
                },
                "\"query\" or \"words\"",
            ),
            "operator" => put(
                &mut self.operator,
                match text {
                    Some("or") => Some(Operator::Or),
                    Some("and") => Some(Operator::And),
                    _ => None,
                },
                "\"or\" or \"and\"",
            ),
            "minimum_match" => put(
                &mut self.minimum,
                minimum(value),
                "a number of words, or a share of them such as \"75%\" or 0.75",
            ),
            "prefix_last" => put(
                &mut self.prefix_last,
                match (value, value.as_u64()) {
                    (Json::Bool(on), _) => Some(*on),
                    (_, Some(on @ 0..=1)) => Some(on == 1),
                    _ => None,
                },
                "true or false",
            ),
            "fuzzy" => put(
                &mut self.fuzzy,
                match (value, value.as_u64(), text) {
                    (Json::Bool(true), ..) | (.., Some("auto")) => Some(Fuzzy::Auto),
                    (Json::Bool(false), ..) => Some(Fuzzy::Distance(0)),
                    (_, Some(distance @ 0..=2), _) => Some(Fuzzy::Distance(distance as u8)),
                    _ => None,
                },
                "\"auto\", true, false, or a number of typing errors from 0 to 2",
            ),
            "stop_words" => {
                let words = match value {
                    Json::String(words) => Some(words.clone()),
                    Json::Bool(false) => Some(String::new()),
                    Json::Array(words) => {
                        let words: Option<Vec<&str>> = words.iter().map(Json::as_str).collect();
                        words.map(|words| words.join(",") + ",")
                    }
                    _ => None,
                };
                put(&mut self.stop_words, words, "a language such as \"en\", or a list of words")
            }
            "weights" => {
                let allowed = "an object of FULLTEXT columns with numbers above 0 and up to 1000000";
                match weights(value) {
                    Some(weights) => {
                        self.weights = weights;
                        Ok(())
                    }
                    None => Err(allowed),
                }
            }
            _ => return None,
        })
    }

    /// [`set`](Self::set) from a text that is no JSON: a word of a declaration.
    pub(crate) fn set_text(&mut self, name: &str, value: &str) -> Option<Result<(), &'static str>> {
        let json = match serde_json::from_str(value) {
            Ok(json @ (Json::Bool(_) | Json::Number(_))) if name != "stop_words" => json,
            _ => Json::String(value.to_owned()),
        };
        self.set(name, &json)
    }

    /// The options of a table as they are declared: name and value.
    pub(crate) fn declared(&self) -> Vec<(&'static str, String)> {
        let mut all = Vec::new();
        let mut add = |name, value: Option<String>| all.extend(value.map(|value| (name, value)));
        add(
            "syntax",
            self.syntax.map(|syntax| if syntax == Syntax::Words { "words" } else { "query" }.into()),
        );
        add(
            "operator",
            self.operator.map(|operator| if operator == Operator::And { "and" } else { "or" }.into()),
        );
        add(
            "minimum_match",
            self.minimum.map(|minimum| match minimum {
                Minimum::Words(count) => count.to_string(),
                Minimum::Share(share) => format!("{}%", f64::from(share) / 100.0),
            }),
        );
        add("prefix_last", self.prefix_last.map(|on| on.to_string()));
        add(
            "fuzzy",
            self.fuzzy.map(|fuzzy| match fuzzy {
                Fuzzy::Auto => "auto".into(),
                Fuzzy::Distance(distance) => distance.to_string(),
            }),
        );
        add("stop_words", self.stop_words.clone());
        all
    }
}

fn put<T>(place: &mut Option<T>, value: Option<T>, allowed: &'static str) -> Result<(), &'static str> {
    match value {
        Some(value) => {
            *place = Some(value);
            Ok(())
        }
        None => Err(allowed),
    }
}

fn minimum(value: &Json) -> Option<Minimum> {
    if let Some(text) = value.as_str() {
        let percent: f64 = text.trim().strip_suffix('%')?.trim().parse().ok()?;
        return (percent > 0.0 && percent <= 100.0).then(|| Minimum::share(percent / 100.0));
    }
    if let Some(count) = value.as_u64() {
        return Some(Minimum::Words(u32::try_from(count).unwrap_or(u32::MAX)));
    }
    let number = value.as_f64()?;
    match number {
        _ if number > 0.0 && number < 1.0 => Some(Minimum::share(number)),
        _ if number.fract() == 0.0 && (0.0..=1e9).contains(&number) => Some(Minimum::Words(number as u32)),
        _ => None,
    }
}

fn weights(value: &Json) -> Option<Vec<(String, f32)>> {
    let weight = |(name, value): (&String, &Json)| {
        let weight = value.as_f64().filter(|weight| is_weight(*weight))? as f32;
        Some((name.clone(), weight)).filter(|_| weight > 0.0)
    };
    value.as_object()?.iter().map(weight).collect()
}
