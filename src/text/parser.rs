//! The parser of query text; the language is described in `query_text`.

use super::TextConfig;
use super::analyzer::{Analysis, Edition};
use super::joined::{Joined, Part, Piece};
use super::lexis::{is_operator, leading_number, quoted};
use super::misread::misread;
use super::query_text::{Leaf, MAX_FUZZY_CHARS, MAX_IMPLICIT_PHRASE, Matcher, Node, Scope, limit};
use crate::error::Result;
use crate::limits;
use tantivy::query::Occur;

/// A recursive-descent parser that skips what it does not understand.
pub(super) struct Parser<'a> {
    config: &'a TextConfig,
    analysis: Analysis,
    text: &'a str,
    at: usize,
    depth: usize,
    /// Clauses around the current one that forbid what they hold.
    forbidding: usize,
    pub warnings: Vec<String>,
}

/// What may follow a word or phrase.
#[derive(Default)]
struct Suffix {
    star: bool,
    tilde: Option<u32>,
    boost: Option<f32>,
}

impl<'a> Parser<'a> {
    pub(super) fn new(config: &'a TextConfig, edition: Edition, text: &'a str) -> Result<Self> {
        let analysis = config.analysis(edition)?;
        Ok(Self { config, analysis, text, at: 0, depth: 0, forbidding: 0, warnings: Vec::new() })
    }

    /// Reads the whole text.
    pub(super) fn parse(&mut self, scope: Scope) -> Result<Option<Node>> {
        self.clauses(scope, false)
    }

    /// Reads the whole text as words.
    pub(super) fn words(&mut self, scope: Scope) -> Option<Node> {
        let whole = self.analysis.is_raw();
        let words: Vec<&str> = if whole { vec![self.text] } else { self.text.split_whitespace().collect() };
        assemble(
            words
                .into_iter()
                .filter_map(|word| Some(vec![(Occur::Should, self.plain(scope, word)?)]))
                .collect(),
            false,
        )
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn warn(&mut self, what: impl Into<String>) {
        let what = what.into();
        if self.warnings.len() < 16 && !self.warnings.contains(&what) {
            self.warnings.push(what);
        }
    }

    /// Reads clauses up to the closing bracket or the end.
    fn clauses(&mut self, scope: Scope, inner: bool) -> Result<Option<Node>> {
        // Runs of clauses joined by AND.
        let mut runs: Vec<Vec<(Occur, Piece)>> = Vec::new();
        let mut joined = false;
        let mut occur = Occur::Should;
        // The operator that was read last, if nothing has followed it yet.
        let mut pending: Option<&str> = None;
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            let Some(first) = trimmed.chars().next() else {
                if inner {
                    self.warn("a bracket is not closed");
                }
                self.dangling(pending);
                break;
            };
            if first == ')' {
                self.at += 1;
                if inner {
                    self.dangling(pending);
                    break;
                }
                self.warn("a closing bracket has no opening one");
                continue;
            }
            if let Some(operator) = ["AND", "OR", "NOT"].into_iter().find(|word| is_operator(trimmed, word)) {
                self.at += operator.len();
                match (pending, operator) {
                    (Some("OR"), "NOT") => self.warn("OR NOT forbids the word, as NOT alone does"),
                    (Some("NOT"), "NOT") => self.warn("NOT NOT is one NOT"),
                    (Some(before), "AND" | "OR") => {
                        self.warn(format!("{before} before {operator} is ignored"));
                    }
                    (None, "AND" | "OR") if runs.is_empty() => {
                        self.warn(format!("{operator} at the start is ignored; \"{operator}\" is the word"));
                    }
                    _ => {}
                }
                pending = Some(operator);
                match operator {
                    "AND" => joined = !runs.is_empty(),
                    "OR" => joined = false,
                    _ => occur = Occur::MustNot,
                }
                continue;
            }
            if matches!(first, '+' | '-') {
                self.at += 1;
                let signed =
                    self.rest().chars().next().is_some_and(|next| !next.is_whitespace() && next != ')');
                if !signed {
                    self.warn(format!("a {first} that is apart from its word is ignored"));
                } else {
                    occur = if first == '+' { Occur::Must } else { Occur::MustNot };
                }
                continue;
            }
            self.forbidding += usize::from(occur == Occur::MustNot);
            let piece = self.atom(scope, true)?;
            self.forbidding -= usize::from(occur == Occur::MustNot);
            if let Some(piece) = piece {
                match runs.last_mut() {
                    Some(run) if joined => run.push((occur, piece)),
                    _ => runs.push(vec![(occur, piece)]),
                }
            }
            joined = false;
            occur = Occur::Should;
            pending = None;
        }
        Ok(assemble(runs, self.forbidding > 0))
    }

    fn dangling(&mut self, operator: Option<&str>) {
        if let Some(operator) = operator {
            self.warn(format!("{operator} at the end is ignored; \"{operator}\" is the word"));
        }
    }

    /// One word, phrase or group; `None` when there is no token in it.
    fn atom(&mut self, scope: Scope, columns: bool) -> Result<Option<Piece>> {
        let rest = self.rest();
        match rest.chars().next() {
            Some('(') => {
                self.at += 1;
                self.depth += 1;
                if self.depth > limits::MAX_QUERY_DEPTH {
                    return Err(limit(
                        "nesting of brackets in the full-text query",
                        self.depth,
                        limits::MAX_QUERY_DEPTH,
                    ));
                }
                let node = self.clauses(scope, true)?;
                self.depth -= 1;
                let boost = self.suffix(false).boost;
                Ok(node.map(|node| Piece::Node(node.boosted(boost.unwrap_or(1.0)))))
            }
            Some('"') => {
                if self.text[..self.at].ends_with(char::is_alphanumeric) {
                    self.warn("a quote right behind a word begins a phrase");
                }
                let Some((phrase, len)) = quoted(rest) else {
                    self.at += 1;
                    self.warn("a quote is not closed");
                    return Ok(None);
                };
                self.at += len;
                if phrase.contains('*') {
                    self.warn("a * inside quotes is punctuation; \"two wo\"* takes it behind them");
                }
                let suffix = self.suffix(true);
                Ok(self.phrase(scope, &phrase, &suffix).map(Piece::Node))
            }
            _ => {
                let end = rest
                    .find(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '"'))
                    .unwrap_or(rest.len());
                let word = &rest[..end];
                if columns
                    && let Some((name, after)) = word.split_once(':')
                    && let Some(field) =
                        self.config.fields.iter().position(|field| field.name.eq_ignore_ascii_case(name))
                    && (!after.is_empty() || rest[end..].starts_with(['(', '"']))
                {
                    self.at += name.len() + 1;
                    if after.starts_with(['+', '-']) {
                        self.warn("a sign behind a column is ignored; write it before the column");
                    }
                    return self.atom(scope.and(field), false);
                }
                self.at += end;
                Ok(self.word(scope, word))
            }
        }
    }

    /// Reads `~N`, `*` and `^N` behind a phrase; behind a group only `^N`.
    fn suffix(&mut self, phrase: bool) -> Suffix {
        let rest = self.rest();
        let end =
            rest.find(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '"')).unwrap_or(rest.len());
        let mut suffix = Suffix::default();
        let mut left = &rest[..end];
        loop {
            if phrase && let Some(next) = left.strip_prefix('*') {
                suffix.star = true;
                left = next;
            } else if phrase && let Some(next) = left.strip_prefix('~') {
                let digits = next.len() - next.trim_start_matches(|c: char| c.is_ascii_digit()).len();
                suffix.tilde = next[..digits].parse().ok();
                if digits > 0 && suffix.tilde.is_none() {
                    self.warn("a distance behind ~ is too large and ignored");
                }
                left = &next[digits..];
            } else if let Some(next) = left.strip_prefix('^')
                && let Some((boost, len)) = leading_number(next)
            {
                suffix.boost = Some(boost);
                left = &next[len..];
            } else {
                break;
            }
        }
        self.at += end - left.len();
        suffix
    }

    fn word(&mut self, scope: Scope, word: &str) -> Option<Piece> {
        if let Some(what) = misread(word, self.rest()) {
            self.warn(what);
        }
        let mut word = word;
        let mut boost = 1.0;
        if let Some((before, after)) = word.rsplit_once('^')
            && let Some((number, len)) = leading_number(after)
            && len == after.len()
        {
            (word, boost) = (before, number);
        }
        let unstarred = word.trim_end_matches('*');
        let node = if unstarred.len() < word.len() {
            let suffix = Suffix { star: true, ..Suffix::default() };
            self.phrase(scope, unstarred, &suffix).map(Piece::Node)
        } else if let Some((before, after)) = word.rsplit_once('~')
            && (after.is_empty() || matches!(after.as_bytes(), [b'0'..=b'9']))
        {
            let distance = after.parse().unwrap_or(1_u8);
            if distance > 2 {
                self.warn("at most 2 typing errors are searched");
            }
            self.fuzzy(scope, before, distance.min(2)).map(Piece::Node)
        } else {
            self.plain(scope, word)
        };
        node.map(|piece| piece.boosted(boost))
    }

    /// A word without operators.
    fn plain(&mut self, scope: Scope, word: &str) -> Option<Piece> {
        let tokens = self.analysis.query_tokens(word);
        if tokens.len() < 2 || self.analysis.is_gram() {
            return self.phrase(scope, word, &Suffix::default()).map(Piece::Node);
        }
        let phrase = if tokens.len() > MAX_IMPLICIT_PHRASE {
            None
        } else {
            self.phrase(scope, word, &Suffix::default())
        };
        let parts = tokens.iter().map(|token| Part::of(scope, token)).collect();
        let apostrophe = word.contains(['\'', '’']);
        Some(Piece::Joined(Joined { phrase, parts, apostrophe, boost: 1.0 }))
    }

    fn fuzzy(&mut self, scope: Scope, word: &str, distance: u8) -> Option<Node> {
        let tokens = self.analysis.query_tokens(word);
        let mut nodes: Vec<Node> = tokens
            .into_iter()
            .map(|token| match distance {
                1.. if token.text.chars().count() <= MAX_FUZZY_CHARS => {
                    leaf(scope, Matcher::Fuzzy { term: token.text, distance })
                }
                _ => term(scope, token.text),
            })
            .collect();
        match nodes.len() {
            0 | 1 => nodes.pop(),
            _ => Some(group(nodes.into_iter().map(|node| (Occur::Must, node)))),
        }
    }

    fn phrase(&mut self, scope: Scope, text: &str, suffix: &Suffix) -> Option<Node> {
        let mut tokens = self.analysis.query_tokens(text);
        let last = tokens.pop()?;
        let stem = last.text.clone();
        let mut end = last.text;
        let prefix = suffix.star || last.open;
        if suffix.star {
            end = self.analysis.unstemmed().query_tokens(text).pop().map_or(end, |token| token.text);
        }
        let matcher = match (tokens.is_empty(), prefix) {
            (true, true) => {
                let also = (!stem.starts_with(&end)).then_some(stem);
                Matcher::Prefix { prefix: end, also }
            }
            (true, false) => Matcher::Term(end),
            (false, _) => {
                let slop = suffix.tilde.unwrap_or(0);
                if prefix && slop > 0 {
                    self.warn("a phrase with a prefix takes no ~distance");
                }
                let first = tokens[0].position;
                let tokens = tokens
                    .into_iter()
                    .map(|token| (token.position, token.text))
                    .chain([(last.position, end)])
                    .map(|(position, text)| (position.saturating_sub(first), text))
                    .collect();
                Matcher::Phrase { tokens, slop: if prefix { 0 } else { slop }, prefix }
            }
        };
        Some(leaf(scope, matcher).boosted(suffix.boost.unwrap_or(1.0)))
    }
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

/// OR over the runs; a run of several clauses is their AND.
fn assemble(runs: Vec<Vec<(Occur, Piece)>>, forbidden: bool) -> Option<Node> {
    let placed = |run: Vec<(Occur, Piece)>| {
        let joined = run.len() > 1;
        run.into_iter()
            .map(|(occur, piece)| {
                let place = if joined { Occur::Must } else { occur };
                (occur, piece.placed(place, forbidden || occur == Occur::MustNot))
            })
            .collect::<Vec<_>>()
    };
    let mut runs: Vec<Vec<(Occur, Node)>> = runs.into_iter().map(placed).collect();
    let anded = |run: Vec<(Occur, Node)>| {
        run.into_iter()
            .map(|(occur, node)| (if occur == Occur::MustNot { occur } else { Occur::Must }, node))
            .collect::<Vec<_>>()
    };
    match runs.len() {
        0 => None,
        1 => runs.pop().map(|run| group(if run.len() > 1 { anded(run) } else { run })),
        _ => Some(group(runs.into_iter().flat_map(|run| match run.len() {
            1 => run,
            _ if run.iter().all(|(occur, _)| *occur == Occur::MustNot) => run,
            _ => vec![(Occur::Should, Node::Group(anded(run)))],
        }))),
    }
}
