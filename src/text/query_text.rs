//! From query text to a tree of words: tantivy's query language, read leniently.
//!
//! ```text
//! word word           either (OR): more matching words rank higher        +word -word     required, forbidden
//! a AND b OR c        (a AND b) or c; operators are upper-case            NOT a           like -a
//! "two words"~2       a phrase, here with up to 2 moves                   "two wo"*       last word as a prefix
//! sqli*               words that begin so                                 word~ word~2    1 or 2 typing errors
//! column:word  column:"a b"  column:(a b)   only in that column           word^2          counts twice
//! ```
//! The parser is our own, not tantivy's: that one knows no prefix or fuzzy words, fails on unknown columns, and drops
//! clauses it cannot use. Here nothing a person types is an error: stray quotes, brackets and operators are skipped,
//! a colon after anything but a column name is punctuation. Only size and depth are limited.
//!
//! A word that the tokenizer splits (`sqlite-vec`, `東京都`) is a phrase; one of more than [`MAX_IMPLICIT_PHRASE`] tokens (a
//! sentence without spaces, a path) is a bag of its tokens, because such a phrase would hardly ever match.

use super::TextConfig;
use super::analyzer::Analysis;
use crate::error::{Error, Result};
use crate::limits;
use tantivy::query::Occur;

/// Unquoted words of more tokens than this are no phrase.
const MAX_IMPLICIT_PHRASE: usize = 4;

/// Longer words get no fuzzy match: the automaton grows with the word.
const MAX_FUZZY_CHARS: usize = 64;

/// Words times columns of one query.
const MAX_CLAUSES: usize = 1 << 15;

/// Columns that a word is looked for in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    All,
    One(usize),
    /// Two different columns were asked for at once: nothing can match.
    Nowhere,
}

impl Scope {
    fn and(self, field: usize) -> Self {
        match self {
            Self::All => Self::One(field),
            Self::One(other) if other == field => self,
            _ => Self::Nowhere,
        }
    }

    pub(super) fn contains(self, field: usize) -> bool {
        match self {
            Self::All => true,
            Self::One(only) => only == field,
            Self::Nowhere => false,
        }
    }
}

/// What a leaf of the tree matches; texts are tokens of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Matcher {
    Term(String),
    /// Tokens with their relative positions; `prefix`: the last one is only the beginning of a token.
    Phrase {
        tokens: Vec<(usize, String)>,
        slop: u32,
        prefix: bool,
    },
    /// Tokens that begin with `prefix`, and the token `also`: the stem of the same word.
    Prefix {
        prefix: String,
        also: Option<String>,
    },
    Fuzzy {
        term: String,
        distance: u8,
    },
}

#[derive(Debug, Clone)]
pub(super) struct Leaf {
    pub scope: Scope,
    pub matcher: Matcher,
    pub boost: f32,
}

#[derive(Debug, Clone)]
pub(super) enum Node {
    Leaf(Leaf),
    /// tantivy's boolean clause: without a `Must`, at least one `Should` has to match.
    Group(Vec<(Occur, Node)>),
}

impl Node {
    fn boosted(mut self, by: f32) -> Self {
        fn walk(node: &mut Node, by: f32) {
            match node {
                Node::Leaf(leaf) => leaf.boost *= by,
                Node::Group(children) => children.iter_mut().for_each(|(_, child)| walk(child, by)),
            }
        }
        walk(&mut self, by);
        self
    }

    /// Calls `visit` with every leaf that a matching document can contain: not the forbidden ones.
    pub(super) fn wanted_leaves<'a>(&'a self, visit: &mut dyn FnMut(&'a Leaf)) {
        match self {
            Self::Leaf(leaf) => visit(leaf),
            Self::Group(children) => {
                for (occur, child) in children {
                    if *occur != Occur::MustNot {
                        child.wanted_leaves(visit);
                    }
                }
            }
        }
    }

    fn count_leaves(&self) -> usize {
        match self {
            Self::Leaf(_) => 1,
            Self::Group(children) => children.iter().map(|(_, child)| child.count_leaves()).sum(),
        }
    }
}

/// A parsed full-text query; it belongs to a table, not to one state of it.
#[derive(Debug, Clone)]
pub struct TextQuery {
    pub(super) root: Option<Node>,
    warnings: Vec<String>,
}

impl TextQuery {
    /// Parses `query`; with `field`, only that column is searched.
    ///
    /// # Errors
    /// [`Error::Limit`] when the text is too long or too deep.
    pub fn parse(config: &TextConfig, query: &str, field: Option<usize>) -> Result<Self> {
        if query.len() > limits::MAX_QUERY_BYTES {
            return Err(limit(
                "length of the full-text query in bytes",
                query.len(),
                limits::MAX_QUERY_BYTES,
            ));
        }
        let scope = field.map_or(Scope::All, Scope::One);
        let mut parser = Parser {
            config,
            analysis: config.analysis()?,
            text: query,
            at: 0,
            depth: 0,
            warnings: Vec::new(),
        };
        let root = parser.clauses(scope, false)?;
        let clauses = root.as_ref().map_or(0, Node::count_leaves) * config.fields.len().max(1);
        if clauses > MAX_CLAUSES {
            return Err(limit("words times columns of the full-text query", clauses, MAX_CLAUSES));
        }
        Ok(Self { root, warnings: parser.warnings })
    }

    /// Whether the query has no word at all: nothing was typed, or only punctuation.
    pub fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// What was ignored or changed while reading the query.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

fn limit(what: &str, got: usize, max: usize) -> Error {
    Error::Limit { what: what.into(), got: got as u64, max: max as u64 }
}

struct Parser<'a> {
    config: &'a TextConfig,
    analysis: Analysis,
    text: &'a str,
    at: usize,
    depth: usize,
    warnings: Vec<String>,
}

/// What may follow a word or phrase.
#[derive(Default)]
struct Suffix {
    star: bool,
    tilde: Option<u32>,
    boost: Option<f32>,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn warn(&mut self, what: impl Into<String>) {
        if self.warnings.len() < 16 {
            self.warnings.push(what.into());
        }
    }

    /// Reads clauses up to the closing bracket or the end.
    fn clauses(&mut self, scope: Scope, inner: bool) -> Result<Option<Node>> {
        // Runs of clauses joined by AND.
        let mut runs: Vec<Vec<(Occur, Node)>> = Vec::new();
        let mut joined = false;
        let mut occur = Occur::Should;
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            let Some(first) = trimmed.chars().next() else {
                if inner {
                    self.warn("a bracket is not closed");
                }
                break;
            };
            if first == ')' {
                self.at += 1;
                if inner {
                    break;
                }
                self.warn("a closing bracket has no opening one");
                continue;
            }
            if let Some(operator) = ["AND", "OR", "NOT"].into_iter().find(|word| is_operator(trimmed, word)) {
                self.at += operator.len();
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
                if signed {
                    occur = if first == '+' { Occur::Must } else { Occur::MustNot };
                }
                continue;
            }
            let node = self.atom(scope, true)?;
            if let Some(node) = node {
                match runs.last_mut() {
                    Some(run) if joined => run.push((occur, node)),
                    _ => runs.push(vec![(occur, node)]),
                }
            }
            joined = false;
            occur = Occur::Should;
        }
        Ok(assemble(runs))
    }

    /// One word, phrase or group; `None` when there is no token in it.
    fn atom(&mut self, scope: Scope, columns: bool) -> Result<Option<Node>> {
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
                Ok(node.map(|node| node.boosted(boost.unwrap_or(1.0))))
            }
            Some('"') => {
                let Some((phrase, len)) = quoted(rest) else {
                    self.at += 1;
                    self.warn("a quote is not closed");
                    return Ok(None);
                };
                self.at += len;
                let suffix = self.suffix(true);
                Ok(self.phrase(scope, &phrase, &suffix))
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

    fn word(&mut self, scope: Scope, word: &str) -> Option<Node> {
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
            self.phrase(scope, unstarred, &suffix)
        } else if let Some((before, after)) = word.rsplit_once('~')
            && (after.is_empty() || matches!(after.as_bytes(), [b'0'..=b'9']))
        {
            let distance = after.parse().unwrap_or(1_u8);
            if distance > 2 {
                self.warn("at most 2 typing errors are searched");
            }
            self.fuzzy(scope, before, distance.min(2))
        } else {
            let tokens = self.analysis.query_tokens(word);
            if tokens.len() > MAX_IMPLICIT_PHRASE && !self.analysis.is_gram() {
                Some(group(tokens.into_iter().map(|token| (Occur::Should, term(scope, token.text)))))
            } else {
                self.phrase(scope, word, &Suffix::default())
            }
        };
        node.map(|node| node.boosted(boost))
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

fn leaf(scope: Scope, matcher: Matcher) -> Node {
    Node::Leaf(Leaf { scope, matcher, boost: 1.0 })
}

fn term(scope: Scope, text: String) -> Node {
    leaf(scope, Matcher::Term(text))
}

/// A group; one that holds a single wanted child is that child.
fn group(children: impl IntoIterator<Item = (Occur, Node)>) -> Node {
    let mut children: Vec<(Occur, Node)> = children.into_iter().collect();
    if let [(Occur::Should | Occur::Must, _)] = children.as_slice()
        && let Some((_, only)) = children.pop()
    {
        return only;
    }
    Node::Group(children)
}

/// OR over the runs; a run of several clauses is their AND.
fn assemble(mut runs: Vec<Vec<(Occur, Node)>>) -> Option<Node> {
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

fn is_operator(text: &str, word: &str) -> bool {
    text.strip_prefix(word).is_some_and(|after| {
        after.chars().next().is_none_or(|next| next.is_whitespace() || matches!(next, '(' | ')' | '"'))
    })
}

/// The inside of the quoted string that `text` begins with (`\"` is a quote), and the length with both quotes.
fn quoted(text: &str) -> Option<(String, usize)> {
    let mut inside = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((inside, at + 1)),
            '\\' => inside.extend(chars.next().map(|(_, escaped)| escaped)),
            _ => inside.push(c),
        }
    }
    None
}

/// A positive decimal number at the start of `text` and its length.
fn leading_number(text: &str) -> Option<(f32, usize)> {
    let len = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f32 = text[..len].parse().ok()?;
    (number.is_finite() && number > 0.0 && number < 1e6).then_some((number, len))
}
