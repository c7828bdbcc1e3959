//! Words of a query as nodes: by the tokenizer of each column, and as the options of the query say.
//!
//! Columns with different tokenizers read a word differently. It is then one node for each way to read it, in a group that
//! any of them satisfies, so a row has the word if any of its columns has.

use super::TextConfig;
use super::analyzer::{Analysis, Edition, QueryToken};
use super::joined::{Joined, Part, Piece};
use super::query_text::{Leaf, MAX_FUZZY_CHARS, MAX_IMPLICIT_PHRASE, MAX_OPEN_CLAUSES, Matcher, Node, Scope};
use super::stop_words::StopWords;
use crate::error::Result;
use crate::text_options::{Fuzzy, TextOptions};
use tantivy::query::Occur;

/// What may follow a word or phrase.
#[derive(Default)]
pub(super) struct Suffix {
    pub star: bool,
    pub tilde: Option<u32>,
    pub boost: Option<f32>,
}

/// Where a plain word stands.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    /// Some clause forbids it.
    pub forbidden: bool,
    /// A sign, or an operator, says what it is.
    pub signed: bool,
    /// The text ends with it.
    pub last: bool,
}

/// What a word that begins with typing errors counts beside one that begins as typed.
const ERRORS: f32 = 0.5;

pub(super) struct Wording<'a> {
    config: &'a TextConfig,
    /// The first column of each way to read a text, with it.
    readings: Vec<(usize, Analysis)>,
    fuzzy: Fuzzy,
    prefix_last: bool,
    stop_words: Option<StopWords>,
    /// Stop words that were left out.
    pub stopped: Vec<String>,
    /// Words that may still be searched with typing errors.
    fuzzy_left: usize,
    pub warnings: Vec<String>,
}

impl<'a> Wording<'a> {
    pub(super) fn new(config: &'a TextConfig, edition: Edition, options: &TextOptions) -> Result<Self> {
        let mut readings = Vec::new();
        for field in config.readings() {
            readings.push((field, config.analysis(field, edition)?));
        }
        Ok(Self {
            config,
            readings,
            fuzzy: options.errors(),
            prefix_last: options.ends_open(),
            stop_words: options.unsearched().map(StopWords::of).transpose()?,
            stopped: Vec::new(),
            fuzzy_left: MAX_OPEN_CLAUSES / 2 / config.fields.len().max(1),
            warnings: Vec::new(),
        })
    }

    /// Searches stop words, too. False: there are none to search.
    pub(super) fn search_stop_words(&mut self) -> bool {
        self.stop_words = None;
        !std::mem::take(&mut self.stopped).is_empty()
    }

    /// The ways to read a text in the columns of a scope.
    fn readings(&self, scope: Scope) -> Vec<(Scope, Analysis)> {
        if let [(_, only)] = self.readings.as_slice() {
            return vec![(scope, *only)];
        }
        let alike = |first: usize| self.readings.iter().filter(move |(field, _)| *field == first);
        match scope {
            Scope::All => self.readings.iter().map(|(first, how)| (Scope::Alike(*first), *how)).collect(),
            Scope::One(field) => alike(self.config.reading(field)).map(|(_, how)| (scope, *how)).collect(),
            Scope::Alike(first) => alike(first).map(|(_, how)| (scope, *how)).collect(),
            Scope::Nowhere => self.readings.iter().take(1).map(|(_, how)| (scope, *how)).collect(),
        }
    }

    /// The whole text as a word, in the columns whose values are one token each. The flag: there are no others.
    pub(super) fn whole_text(&mut self, scope: Scope, text: &str) -> (Option<Piece>, bool) {
        let readings = self.readings(scope);
        let raw = |(_, how): &&(Scope, Analysis)| how.is_raw();
        let only = readings.iter().all(|reading| raw(&reading));
        let place = Place { last: true, ..Place::default() };
        let pieces: Vec<Piece> = readings
            .iter()
            .filter(raw)
            .filter_map(|(scope, how)| self.read(*scope, *how, text, place))
            .collect();
        (several(pieces), only)
    }

    /// A plain word of a text whose columns with values of one token each are taken care of.
    pub(super) fn cut_word(&mut self, scope: Scope, word: &str, place: Place) -> Option<Piece> {
        self.word_in(self.readings(scope).into_iter().filter(|(_, how)| !how.is_raw()).collect(), word, place)
    }

    /// A plain word.
    pub(super) fn plain(&mut self, scope: Scope, word: &str, place: Place) -> Option<Piece> {
        self.word_in(self.readings(scope), word, place)
    }

    fn word_in(&mut self, readings: Vec<(Scope, Analysis)>, word: &str, place: Place) -> Option<Piece> {
        let open = place.last && self.prefix_last;
        if !place.signed
            && !place.forbidden
            && !open
            && let Some(stop_words) = &mut self.stop_words
            && stop_words.has(word)
        {
            self.stopped.push(word.to_owned());
            return None;
        }
        let pieces =
            readings.into_iter().filter_map(|(scope, how)| self.read(scope, how, word, place)).collect();
        several(pieces)
    }

    /// A plain word as one tokenizer reads it.
    fn read(&mut self, scope: Scope, how: Analysis, word: &str, place: Place) -> Option<Piece> {
        let tokens = how.query_tokens(word);
        let whole = how.whole(word);
        let star = place.last && self.prefix_last && !place.forbidden;
        let suffix = Suffix { star, ..Suffix::default() };
        let letters = match self.fuzzy {
            Fuzzy::Distance(0) => Vec::new(),
            _ if place.forbidden => Vec::new(),
            _ => how.letters(word),
        };
        let mut errors = |at: usize, token: &QueryToken| {
            letters.get(at).map_or(0, |letters| self.errors(*letters, &token.text))
        };
        if whole.is_none() && (tokens.len() < 2 || how.is_gram()) {
            let first = tokens.first()?;
            let errors = if how.is_gram() { 0 } else { errors(0, first) };
            let exact = self.phrase_in(scope, how, word, &suffix);
            let term = first.text.clone();
            return match (errors, star) {
                (0, _) => exact,
                (distance, false) => Some(leaf(scope, Matcher::Fuzzy { term, distance, open: false })),
                (distance, true) => Some(open_fuzzy(exact, scope, term, distance)),
            }
            .map(Piece::Node);
        }
        let last = tokens.len().saturating_sub(1);
        let mut nodes = Vec::with_capacity(tokens.len());
        for (at, token) in tokens.iter().enumerate() {
            let distance = errors(at, token);
            let term = token.text.clone();
            nodes.push(match (distance, star && at == last) {
                (0, false) => None,
                (distance, false) => Some(leaf(scope, Matcher::Fuzzy { term, distance, open: false })),
                (distance, true) => {
                    let begin =
                        how.unstemmed().query_tokens(word).pop().map_or(term.clone(), |last| last.text);
                    let also = (!term.starts_with(&begin)).then(|| term.clone());
                    let exact = leaf(scope, Matcher::Prefix { prefix: begin, also });
                    Some(if distance == 0 { exact } else { open_fuzzy(Some(exact), scope, term, distance) })
                }
            });
        }
        let phrase = match whole {
            Some(prefix) if star => Some(leaf(scope, Matcher::Prefix { prefix, also: None })),
            Some(whole) => Some(term(scope, whole)),
            None if tokens.len() > MAX_IMPLICIT_PHRASE => None,
            None => self.phrase_in(scope, how, word, &suffix),
        };
        let parts = tokens.iter().zip(nodes).map(|(token, node)| Part::of(scope, token, node)).collect();
        let apostrophe = word.contains(['\'', '’']);
        Some(Piece::Joined(Joined { phrase, parts, apostrophe, boost: 1.0 }))
    }

    /// How many typing errors a word of this length may have.
    fn errors(&mut self, letters: usize, token: &str) -> u8 {
        let distance = match self.fuzzy {
            _ if letters == 0 || token.chars().count() > MAX_FUZZY_CHARS => 0,
            Fuzzy::Distance(distance) => distance,
            Fuzzy::Auto if token.contains(|c: char| c.is_numeric()) => 0,
            Fuzzy::Auto => match letters {
                ..4 => 0,
                4..8 => 1,
                _ => 2,
            },
        };
        if distance > 0 && self.fuzzy_left == 0 {
            self.warnings.push("of so many words, the last ones are searched without typing errors".into());
            return 0;
        }
        self.fuzzy_left -= usize::from(distance > 0);
        distance
    }

    /// Words with up to `distance` errors each.
    pub(super) fn fuzzy(&self, scope: Scope, word: &str, distance: u8) -> Option<Node> {
        any(self.readings(scope).into_iter().filter_map(|(scope, how)| {
            let tokens = how.query_tokens(word);
            let mut nodes: Vec<Node> = tokens
                .into_iter()
                .map(|token| match distance {
                    1.. if token.text.chars().count() <= MAX_FUZZY_CHARS => {
                        leaf(scope, Matcher::Fuzzy { term: token.text, distance, open: false })
                    }
                    _ => term(scope, token.text),
                })
                .collect();
            match nodes.len() {
                0 | 1 => nodes.pop(),
                _ => Some(group(nodes.into_iter().map(|node| (Occur::Must, node)))),
            }
        }))
    }

    /// A phrase, or what stands before a `*`.
    pub(super) fn phrase(&mut self, scope: Scope, text: &str, suffix: &Suffix) -> Option<Node> {
        let nodes: Vec<Node> = self
            .readings(scope)
            .into_iter()
            .filter_map(|(scope, how)| self.phrase_in(scope, how, text, suffix))
            .collect();
        any(nodes)
    }

    fn phrase_in(&mut self, scope: Scope, how: Analysis, text: &str, suffix: &Suffix) -> Option<Node> {
        let mut tokens = how.query_tokens(text);
        let last = tokens.pop()?;
        let stem = last.text.clone();
        let mut end = last.text;
        let prefix = suffix.star || last.open;
        if suffix.star {
            end = how.unstemmed().query_tokens(text).pop().map_or(end, |token| token.text);
        }
        let also = (prefix && !stem.starts_with(&end)).then_some(stem);
        let matcher = match (tokens.is_empty(), prefix) {
            (true, true) => Matcher::Prefix { prefix: end, also },
            (true, false) => Matcher::Term(end),
            (false, _) => {
                let slop = suffix.tilde.unwrap_or(0);
                if prefix && slop > 0 {
                    self.warnings.push("a phrase with a prefix takes no ~distance".into());
                }
                let first = tokens[0].position;
                let tokens = tokens
                    .into_iter()
                    .map(|token| (token.position, token.text))
                    .chain([(last.position, end)])
                    .map(|(position, text)| (position.saturating_sub(first), text))
                    .collect();
                Matcher::Phrase { tokens, slop: if prefix { 0 } else { slop }, prefix, also }
            }
        };
        Some(leaf(scope, matcher).boosted(suffix.boost.unwrap_or(1.0)))
    }
}

/// Words that begin as typed, and for less those that begin so with typing errors.
fn open_fuzzy(exact: Option<Node>, scope: Scope, term: String, distance: u8) -> Node {
    let errors = leaf(scope, Matcher::Fuzzy { term, distance, open: true }).boosted(ERRORS);
    group(exact.into_iter().chain([errors]).map(|node| (Occur::Should, node)))
}

fn several(mut pieces: Vec<Piece>) -> Option<Piece> {
    match pieces.len() {
        0 | 1 => pieces.pop(),
        _ => Some(Piece::Several(pieces)),
    }
}

fn any(nodes: impl IntoIterator<Item = Node>) -> Option<Node> {
    let nodes: Vec<(Occur, Node)> = nodes.into_iter().map(|node| (Occur::Should, node)).collect();
    (!nodes.is_empty()).then(|| group(nodes))
}

pub(super) fn leaf(scope: Scope, matcher: Matcher) -> Node {
    Node::Leaf(Leaf { scope, matcher, boost: 1.0 })
}

pub(super) fn term(scope: Scope, text: String) -> Node {
    leaf(scope, Matcher::Term(text))
}

/// A group; one that holds a single wanted child is that child.
pub(super) fn group(children: impl IntoIterator<Item = (Occur, Node)>) -> Node {
    let mut children: Vec<(Occur, Node)> = children.into_iter().collect();
    if let [(Occur::Should | Occur::Must, _)] = children.as_slice()
        && let Some((_, only)) = children.pop()
    {
        return only;
    }
    Node::Group(children)
}
