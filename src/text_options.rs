//! How the words of a text query are meant where the text does not say it by operators.
//!
//! The same options stand in a query, in the settings of a table and in its declaration; what is nearer to the query goes
//! first ([`TextOptions::over`]).

mod form;

use serde::{Deserialize, Serialize};

/// How a query text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Syntax {
    /// As a query, with operators.
    #[default]
    Query,
    /// As words: no character is an operator. What stands between white space is a word; a text of the tokenizer `raw`
    /// is one.
    Words,
}

/// What words side by side mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Operator {
    /// A row has one of them or more.
    #[default]
    Or,
    /// A row has all of them, each in any column.
    And,
}

/// How many typing errors a word may have. A swap of neighbours is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Fuzzy {
    /// None in a word of up to 3 letters or with a digit, 1 in one of up to 7, 2 in longer ones.
    #[default]
    Auto,
    /// 0, 1 or 2 in every word.
    Distance(u8),
}

/// How many words of a query a row has to have at least. Equal words are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Minimum {
    /// That many, or all where the query has fewer; 0 for no minimum.
    Words(u32),
    /// Hundredths of a percent of the words, rounded down, but one at least.
    Share(u32),
}

impl Minimum {
    /// A share of the words: `share(0.75)` is three in four, rounded down.
    pub fn share(share: f64) -> Self {
        Self::Share((share.clamp(0.0, 1.0) * f64::from(WHOLE)).round() as u32)
    }

    /// How many of `words`.
    pub(crate) fn of(self, words: usize) -> usize {
        match self {
            Self::Words(count) => (count as usize).min(words),
            Self::Share(share) => (words * share.min(WHOLE) as usize / WHOLE as usize).max(1).min(words),
        }
    }
}

/// All words, as a share.
const WHOLE: u32 = 10_000;

/// Words of one list of stop words, and its bytes.
const MAX_STOP_WORDS: usize = 4096;
const MAX_STOP_BYTES: usize = 1 << 16;

/// Largest weight of a column.
const MAX_WEIGHT: f64 = 1e6;

/// What the words of a query have to do with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    One,
    All,
    AtLeast(Minimum),
}

/// How the words of a text query are meant; what is not said is as the table says it.
///
/// ```
/// use nearlite::{Database, Fuzzy, Operator, Schema, TextOptions};
///
/// let notes = Database::in_memory()?.collection("notes").create(
///     Schema::new().integer_key("id").full_text("title").full_text("body")
///         .text_options(TextOptions::new().operator(Operator::And).stop_words("en")))?;
/// notes.insert(&serde_json::json!({"id": 1, "title": "the whale", "body": "ships at sea"}))?;
/// assert_eq!(notes.search().words("the whale of the sea").run()?.keys(), [1]);      // `whale` and `sea`
/// assert!(notes.search().words("whale island").run()?.is_empty());
/// let typed = TextOptions::new().prefix_last(true).fuzzy(Fuzzy::Auto);
/// assert_eq!(notes.search().words("whlae sh").text_options(typed).run()?.keys(), [1]);
/// # Ok::<(), nearlite::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TextOptions {
    pub(crate) syntax: Option<Syntax>,
    operator: Option<Operator>,
    minimum: Option<Minimum>,
    prefix_last: Option<bool>,
    fuzzy: Option<Fuzzy>,
    stop_words: Option<String>,
    weights: Vec<(String, f32)>,
}

impl From<Syntax> for TextOptions {
    fn from(syntax: Syntax) -> Self {
        Self { syntax: Some(syntax), ..Self::default() }
    }
}

impl TextOptions {
    /// Nothing is said.
    pub fn new() -> Self {
        Self::default()
    }

    /// How the text is read.
    pub fn syntax(mut self, syntax: Syntax) -> Self {
        self.syntax = Some(syntax);
        self
    }

    /// What words side by side mean.
    pub fn operator(mut self, operator: Operator) -> Self {
        self.operator = Some(operator);
        self
    }

    /// How many of the words a row has to have. It is for [`Operator::Or`].
    pub fn minimum_match(mut self, minimum: Minimum) -> Self {
        self.minimum = Some(minimum);
        self
    }

    /// Whether the last word stands for all words that begin so, if no white space follows it: for searches while one types.
    pub fn prefix_last(mut self, prefix_last: bool) -> Self {
        self.prefix_last = Some(prefix_last);
        self
    }

    /// How many typing errors each word may have.
    pub fn fuzzy(mut self, fuzzy: Fuzzy) -> Self {
        self.fuzzy = Some(fuzzy);
        self
    }

    /// Words that are not searched: a language (`da de en es fi fr hu it nl no pt ru sv`) or a list; empty for none.
    pub fn stop_words(mut self, words: impl Into<String>) -> Self {
        self.stop_words = Some(words.into());
        self
    }

    /// The weight of a column in this query, in place of the declared one.
    pub fn weight(mut self, column: impl Into<String>, weight: f32) -> Self {
        self.weights.push((column.into(), weight));
        self
    }

    /// The options that a table has, too; a query takes `weights` besides.
    pub(crate) const OF_TABLE: [&'static str; 6] =
        ["syntax", "operator", "minimum_match", "prefix_last", "fuzzy", "stop_words"];

    /// Whether nothing is said.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What is said twice, or cannot be.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.operator == Some(Operator::And) && self.minimum.is_some_and(|min| min != Minimum::Words(0)) {
            return Err("\"minimum_match\" is for operator \"or\"; \"and\" asks for all words".into());
        }
        if let Some(Fuzzy::Distance(distance @ 3..)) = self.fuzzy {
            return Err(format!("\"fuzzy\" takes up to 2 typing errors, got {distance}"));
        }
        if let Some((column, weight)) = self.weights.iter().find(|(_, weight)| !is_weight(f64::from(*weight)))
        {
            return Err(format!("the weight of {column} must be above 0 and up to 1000000, got {weight}"));
        }
        self.stop_words.as_deref().map_or(Ok(()), check_stop_words)
    }

    /// The same for the options of a table.
    pub(crate) fn check_of_table(&self) -> Result<(), String> {
        if !self.weights.is_empty() {
            return Err("the weight of a column is declared with it, by WEIGHT".into());
        }
        self.check()
    }

    /// These options, and where they say nothing, `other`.
    pub(crate) fn over(&self, other: &Self) -> Self {
        // Both say how many words are needed.
        let (operator, minimum) = match (self.operator, self.minimum) {
            (None, None) => (other.operator, other.minimum),
            own => own,
        };
        let mut weights = self.weights.clone();
        let named = |name: &str| self.weights.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
        weights.extend(other.weights.iter().filter(|(name, _)| !named(name)).cloned());
        Self {
            syntax: self.syntax.or(other.syntax),
            operator,
            minimum,
            prefix_last: self.prefix_last.or(other.prefix_last),
            fuzzy: self.fuzzy.or(other.fuzzy),
            stop_words: self.stop_words.clone().or_else(|| other.stop_words.clone()),
            weights,
        }
    }

    /// The words of the query with their meaning.
    pub(crate) fn needs(&self) -> Needs {
        match (self.minimum, self.operator) {
            (Some(minimum), _) if minimum != Minimum::Words(0) => Needs::AtLeast(minimum),
            (_, Some(Operator::And)) => Needs::All,
            _ => Needs::One,
        }
    }

    pub(crate) fn ends_open(&self) -> bool {
        self.prefix_last == Some(true)
    }

    pub(crate) fn errors(&self) -> Fuzzy {
        self.fuzzy.unwrap_or(Fuzzy::Distance(0))
    }

    /// The list of words that are not searched.
    pub(crate) fn unsearched(&self) -> Option<&str> {
        self.stop_words.as_deref().filter(|words| !words.trim().is_empty())
    }

    pub(crate) fn column_weights(&self) -> &[(String, f32)] {
        &self.weights
    }
}

/// The words of a list of stop words.
pub(crate) fn stop_words_of(list: &str) -> impl Iterator<Item = &str> {
    list.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty())
}

fn check_stop_words(list: &str) -> Result<(), String> {
    let words = stop_words_of(list).count();
    if words > MAX_STOP_WORDS || list.len() > MAX_STOP_BYTES {
        return Err(format!(
            "\"stop_words\" takes up to {MAX_STOP_WORDS} words in {MAX_STOP_BYTES} bytes, got {words} words in {} bytes",
            list.len()
        ));
    }
    Ok(())
}

fn is_weight(weight: f64) -> bool {
    weight > 0.0 && weight <= MAX_WEIGHT
}
