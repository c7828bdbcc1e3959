//! The parser of query text; the language is described in `query_text`.

use super::TextConfig;
use super::analyzer::Edition;
use super::joined::Piece;
use super::lexis::{is_operator, leading_number, quoted};
use super::misread::misread;
use super::query_text::{Node, Scope, limit};
use super::wording::{Place, Suffix, Wording, group};
use crate::error::Result;
use crate::limits;
use crate::text_options::{Minimum, Needs, Syntax, TextOptions};
use std::collections::HashSet;
use tantivy::query::Occur;

/// A recursive-descent parser that skips what it does not understand.
pub(super) struct Parser<'a> {
    config: &'a TextConfig,
    words: Wording<'a>,
    syntax: Syntax,
    needs: Needs,
    text: &'a str,
    at: usize,
    depth: usize,
    /// Clauses around the current one that forbid what they hold.
    forbidding: usize,
    warnings: Vec<String>,
}

impl<'a> Parser<'a> {
    pub(super) fn new(
        config: &'a TextConfig,
        edition: Edition,
        text: &'a str,
        options: &TextOptions,
    ) -> Result<Self> {
        let words = Wording::new(config, edition, options)?;
        let (syntax, needs) = (options.syntax.unwrap_or_default(), options.needs());
        Ok(Self { config, words, syntax, needs, text, at: 0, depth: 0, forbidding: 0, warnings: Vec::new() })
    }

    /// Reads the whole text; gives the warnings, too.
    pub(super) fn read(mut self, scope: Scope) -> Result<(Option<Node>, Vec<String>)> {
        let mut root = self.root(scope)?;
        if !root.as_ref().is_some_and(Node::ranks) && self.words.search_stop_words() {
            (self.at, self.depth, self.forbidding) = (0, 0, 0);
            root = self.root(scope)?;
        }
        for warning in std::mem::take(&mut self.words.warnings) {
            self.warn(warning);
        }
        let mut stopped = std::mem::take(&mut self.words.stopped);
        if !stopped.is_empty() {
            let mut seen = HashSet::new();
            stopped.retain(|word| seen.insert(word.clone()));
            stopped.truncate(16);
            self.warn(format!("stop words are left out: {}", stopped.join(", ")));
        }
        Ok((root, self.warnings))
    }

    fn root(&mut self, scope: Scope) -> Result<Option<Node>> {
        match self.syntax {
            Syntax::Query => self.clauses(scope, false),
            Syntax::Words => Ok(self.of_words(scope)),
        }
    }

    /// Reads the whole text as words.
    fn of_words(&mut self, scope: Scope) -> Option<Node> {
        let (whole, only) = self.words.whole_text(scope, self.text);
        let whole = whole.map(|piece| piece.placed(Occur::Should, false));
        if only {
            return whole;
        }
        let ended = self.text.ends_with(char::is_whitespace);
        let mut words = self.text.split_whitespace().peekable();
        let mut runs = Vec::new();
        while let Some(word) = words.next() {
            let place = Place { last: !ended && words.peek().is_none(), ..Place::default() };
            let piece = self.words.cut_word(scope, word, place);
            runs.extend(piece.map(|piece| vec![(Occur::Should, piece)]));
        }
        let needs = self.needs;
        if needs == Needs::All {
            runs = vec![runs.into_iter().flatten().collect()];
        }
        let words = assemble(runs, false, needs);
        match (words, whole) {
            (Some(words), Some(whole)) => Some(group([(Occur::Should, words), (Occur::Should, whole)])),
            (words, whole) => words.or(whole),
        }
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
            let signed = occur != Occur::Should;
            let piece = self.atom(scope, true, signed)?;
            self.forbidding -= usize::from(occur == Occur::MustNot);
            if let Some(piece) = piece {
                match runs.last_mut() {
                    Some(run) if joined => run.push((occur, piece)),
                    _ => runs.push(vec![(occur, piece)]),
                }
            }
            joined = self.needs == Needs::All;
            occur = Occur::Should;
            pending = None;
        }
        let needs = match self.needs {
            Needs::AtLeast(_) if inner => Needs::One,
            needs => needs,
        };
        Ok(assemble(runs, self.forbidding > 0, needs))
    }

    fn dangling(&mut self, operator: Option<&str>) {
        if let Some(operator) = operator {
            self.warn(format!("{operator} at the end is ignored; \"{operator}\" is the word"));
        }
    }

    /// One word, phrase or group; `None` when there is no token in it.
    fn atom(&mut self, scope: Scope, columns: bool, signed: bool) -> Result<Option<Piece>> {
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
                Ok(self.words.phrase(scope, &phrase, &suffix).map(Piece::Node))
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
                    return self.atom(scope.and(field), false, signed);
                }
                self.at += end;
                Ok(self.word(scope, word, signed))
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

    fn word(&mut self, scope: Scope, word: &str, signed: bool) -> Option<Piece> {
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
            self.words.phrase(scope, unstarred, &suffix).map(Piece::Node)
        } else if let Some((before, after)) = word.rsplit_once('~')
            && (after.is_empty() || matches!(after.as_bytes(), [b'0'..=b'9']))
        {
            let distance = after.parse().unwrap_or(1_u8);
            if distance > 2 {
                self.warn("at most 2 typing errors are searched");
            }
            self.words.fuzzy(scope, before, distance.min(2)).map(Piece::Node)
        } else {
            let last = self.rest().is_empty() && boost == 1.0;
            self.words.plain(scope, word, Place { forbidden: self.forbidding > 0, signed, last })
        };
        node.map(|piece| piece.boosted(boost))
    }
}

/// OR over the runs; a run of several clauses is their AND. `needs` says how many of the runs a row has to have.
fn assemble(runs: Vec<Vec<(Occur, Piece)>>, forbidden: bool, needs: Needs) -> Option<Node> {
    let all = needs != Needs::One;
    let placed = |run: Vec<(Occur, Piece)>| {
        let joined = all || run.len() > 1;
        run.into_iter()
            .map(|(occur, piece)| {
                let place = if joined { Occur::Must } else { occur };
                (occur, piece.placed(place, forbidden || occur == Occur::MustNot))
            })
            .collect::<Vec<_>>()
    };
    let mut runs: Vec<Vec<(Occur, Node)>> =
        runs.into_iter().map(placed).filter(|run| !run.is_empty()).collect();
    let anded = |run: Vec<(Occur, Node)>| {
        run.into_iter()
            .map(|(occur, node)| (if occur == Occur::MustNot { occur } else { Occur::Must }, node))
            .collect::<Vec<_>>()
    };
    if let Needs::AtLeast(minimum) = needs {
        return at_least(minimum, runs, anded);
    }
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

/// At least this many of the runs without a sign; the others as they are.
fn at_least(
    minimum: Minimum,
    runs: Vec<Vec<(Occur, Node)>>,
    anded: impl Fn(Vec<(Occur, Node)>) -> Vec<(Occur, Node)>,
) -> Option<Node> {
    let (mut optional, mut others) = (Vec::new(), Vec::new());
    for mut run in runs {
        if run.len() == 1 && run[0].0 == Occur::Should {
            optional.extend(run.pop().map(|(_, node)| node));
        } else if run.len() == 1 || run.iter().all(|(occur, _)| *occur == Occur::MustNot) {
            others.extend(run);
        } else {
            optional.push(Node::Group(anded(run)));
        }
    }
    if !optional.is_empty() {
        others.insert(0, (Occur::Must, Node::AtLeast(minimum, optional)));
    }
    (!others.is_empty()).then(|| group(others))
}
