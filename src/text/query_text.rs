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
//! A word that the tokenizer splits (`sqlite-vec`, `東京都`) is its parts, and the whole counts besides (see `joined`); one of
//! more than [`MAX_IMPLICIT_PHRASE`] tokens (a sentence without spaces, a path) is its parts alone.

use super::TextConfig;
use super::analyzer::Edition;
use super::merged::merged;
use super::parser::Parser;
use crate::error::{Error, Result};
use crate::limits;
use crate::text_options::{Minimum, TextOptions};
use tantivy::query::Occur;

/// Unquoted words of more tokens than this are not looked for as a whole.
pub(super) const MAX_IMPLICIT_PHRASE: usize = 8;

/// Longer words get no fuzzy match: the automaton grows with the word.
pub(super) const MAX_FUZZY_CHARS: usize = 64;

/// Boosts of boosts end here: scores are sums of 32-bit floats, and their order must not be lost.
const MIN_BOOST: f32 = 1e-9;
const MAX_BOOST: f32 = 1e9;

/// Words times columns of one query.
const MAX_CLAUSES: usize = 1 << 15;

/// Prefixes and fuzzy words times columns: each reads a stretch of the dictionary and holds a bit a document.
pub(super) const MAX_OPEN_CLAUSES: usize = 1024;

/// Columns that a word is looked for in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Scope {
    All,
    /// Those that are read as this one, the first of them.
    Alike(usize),
    One(usize),
    /// Two different columns were asked for at once: nothing can match.
    Nowhere,
}

impl Scope {
    pub(super) fn and(self, field: usize) -> Self {
        match self {
            Self::All => Self::One(field),
            Self::One(other) if other == field => self,
            _ => Self::Nowhere,
        }
    }
}

/// What a leaf of the tree matches; texts are tokens of the index.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Matcher {
    Term(String),
    /// Tokens with their relative positions; `prefix`: the last one is only the beginning of a token, and `also` may stand there.
    Phrase {
        tokens: Vec<(usize, String)>,
        slop: u32,
        prefix: bool,
        also: Option<String>,
    },
    /// Tokens that begin with `prefix`, and the token `also`: the stem of the same word.
    Prefix {
        prefix: String,
        also: Option<String>,
    },
    /// Tokens within `distance` of `term`; `open`: tokens that begin so.
    Fuzzy {
        term: String,
        distance: u8,
        open: bool,
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
    /// At least this many of the nodes.
    AtLeast(Minimum, Vec<Node>),
}

impl Node {
    pub(super) fn boosted(mut self, by: f32) -> Self {
        fn walk(node: &mut Node, by: f32) {
            match node {
                Node::Leaf(leaf) => leaf.boost = (leaf.boost * by).clamp(MIN_BOOST, MAX_BOOST),
                Node::Group(children) => children.iter_mut().for_each(|(_, child)| walk(child, by)),
                Node::AtLeast(_, children) => children.iter_mut().for_each(|child| walk(child, by)),
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
            Self::AtLeast(_, children) => children.iter().for_each(|child| child.wanted_leaves(visit)),
        }
    }

    /// Whether some word of the tree is required or forbidden, so that another one may be there without having matched.
    pub(super) fn is_conditional(&self) -> bool {
        match self {
            Self::Leaf(_) => false,
            Self::Group(children) => {
                children.iter().any(|(occur, child)| *occur != Occur::Should || child.is_conditional())
            }
            Self::AtLeast(..) => true,
        }
    }

    /// Whether a document matches that has the leaves `has`; adds to `leaves` those of the branches that match.
    pub(super) fn matched_leaves<'a>(
        &'a self,
        has: &dyn Fn(&Leaf) -> bool,
        leaves: &mut Vec<&'a Leaf>,
    ) -> bool {
        let before = leaves.len();
        let children = match self {
            Self::Leaf(leaf) => {
                let found = has(leaf);
                if found {
                    leaves.push(leaf);
                }
                return found;
            }
            Self::AtLeast(minimum, children) => {
                let count = children.iter().filter(|child| child.matched_leaves(has, leaves)).count();
                let matches = count >= minimum.of(children.len());
                if !matches {
                    leaves.truncate(before);
                }
                return matches;
            }
            Self::Group(children) => children,
        };
        let (mut required, mut missing, mut optional, mut some) = (false, false, false, false);
        for (occur, child) in children {
            match occur {
                Occur::MustNot => missing |= child.matched_leaves(has, &mut Vec::new()),
                Occur::Must => {
                    required = true;
                    missing |= !child.matched_leaves(has, leaves);
                }
                Occur::Should => {
                    optional = true;
                    some |= child.matched_leaves(has, leaves);
                }
            }
        }
        let matches = !missing && (required || some || !optional);
        if !matches {
            leaves.truncate(before);
        }
        matches
    }

    /// Whether a word can add to a score: one that is not forbidden.
    pub(super) fn ranks(&self) -> bool {
        match self {
            Self::Leaf(_) => true,
            Self::Group(children) => {
                children.iter().any(|(occur, child)| *occur != Occur::MustNot && child.ranks())
            }
            Self::AtLeast(_, children) => children.iter().any(Self::ranks),
        }
    }

    /// Adds the tokens of the tree; false where a word stands for others.
    fn collect<'a>(&'a self, all: &mut Words<'a>) -> bool {
        match self {
            Self::Leaf(leaf) => match &leaf.matcher {
                Matcher::Term(term) => all.words.push(term),
                Matcher::Phrase { tokens, prefix: false, .. } => {
                    all.phrases = true;
                    all.words.extend(tokens.iter().map(|(_, token)| token.as_str()));
                }
                Matcher::Phrase { .. } | Matcher::Prefix { .. } | Matcher::Fuzzy { .. } => return false,
            },
            Self::Group(children) => return children.iter().all(|(_, child)| child.collect(all)),
            Self::AtLeast(_, children) => return children.iter().all(|child| child.collect(all)),
        }
        true
    }

    fn count(&self, counts: &dyn Fn(&Leaf) -> bool) -> usize {
        match self {
            Self::Leaf(leaf) => usize::from(counts(leaf)),
            Self::Group(children) => children.iter().map(|(_, child)| child.count(counts)).sum(),
            Self::AtLeast(_, children) => children.iter().map(|child| child.count(counts)).sum(),
        }
    }
}

/// What a query asks an index for.
#[derive(Debug, Default)]
pub struct Words<'a> {
    /// Tokens, ascending.
    pub words: Vec<&'a str>,
    /// Whether it matters where they stand.
    pub phrases: bool,
}

/// A parsed full-text query; it belongs to a table, not to one state of it.
#[derive(Debug, Clone)]
pub struct TextQuery {
    pub(super) root: Option<Node>,
    /// The query by the rules of the first edition, where they may differ.
    first: Option<Tree>,
    warnings: Vec<String>,
    /// Weights of columns in place of the declared ones.
    pub(super) weights: Vec<(usize, f32)>,
}

/// A query by the rules of one edition; without a word it has no root.
#[derive(Debug, Clone)]
struct Tree {
    root: Option<Node>,
}

impl TextQuery {
    /// Parses `query`; with `field`, only that column is searched. `options` are all there are, those of the table included.
    ///
    /// # Errors
    /// [`Error::Limit`] when the text is too long or too deep, [`Error::QueryText`] for options that cannot be.
    pub fn parse(
        config: &TextConfig,
        query: &str,
        field: Option<usize>,
        options: impl Into<TextOptions>,
    ) -> Result<Self> {
        if query.len() > limits::MAX_QUERY_BYTES {
            return Err(limit(
                "length of the full-text query in bytes",
                query.len(),
                limits::MAX_QUERY_BYTES,
            ));
        }
        let options = options.into();
        options.check().map_err(|why| Error::QueryText(format!("options of a text query: {why}")))?;
        let mut weights = Vec::new();
        for (name, weight) in options.column_weights() {
            match config.fields.iter().position(|field| field.name.eq_ignore_ascii_case(name)) {
                Some(field) => weights.push((field, *weight)),
                None => {
                    let known: Vec<_> = config.fields.iter().map(|field| field.name.as_str()).collect();
                    return Err(Error::Unknown(format!(
                        "\"weights\": there is no FULLTEXT column '{name}'; FULLTEXT columns are {}",
                        known.join(", ")
                    )));
                }
            }
        }
        let (root, warnings) = read(config, Edition::Second, query, field, &options)?;
        let mut differs = false;
        for reading in config.readings() {
            differs |= config.analysis(reading, Edition::First)?.may_differ(query);
        }
        let first = if differs {
            Some(Tree { root: read(config, Edition::First, query, field, &options)?.0 })
        } else {
            None
        };
        Ok(Self { root, first, warnings, weights })
    }

    /// The query by the rules of an edition.
    pub(super) fn root(&self, edition: Edition) -> Option<&Node> {
        match (edition, &self.first) {
            (Edition::First, Some(tree)) => tree.root.as_ref(),
            _ => self.root.as_ref(),
        }
    }

    /// Whether every edition reads the query alike.
    pub(super) fn is_one(&self) -> bool {
        self.first.is_none()
    }

    /// Whether the query has no word at all: nothing was typed, or only punctuation.
    pub fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// The tokens that the query asks for by whatever rules; `None` where some of its words stand for others.
    pub fn words(&self) -> Option<Words<'_>> {
        let mut all = Words::default();
        // What is asked of segments of the first edition is counted in all.
        let roots = self.root.iter().chain(self.first.iter().flat_map(|tree| &tree.root));
        for root in roots {
            if !root.collect(&mut all) {
                return None;
            }
        }
        all.words.sort_unstable();
        all.words.dedup();
        Some(all)
    }

    /// Whether the query ranks rows: one of forbidden words only gives every row that it leaves the score 0.
    pub fn ranks(&self) -> bool {
        self.root.as_ref().is_some_and(Node::ranks)
    }

    /// What was ignored or changed while reading the query.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

fn read(
    config: &TextConfig,
    edition: Edition,
    query: &str,
    field: Option<usize>,
    options: &TextOptions,
) -> Result<(Option<Node>, Vec<String>)> {
    let scope = field.map_or(Scope::All, Scope::One);
    let (root, warnings) = Parser::new(config, edition, query, options)?.read(scope)?;
    let fields = config.fields.len().max(1);
    let count = |counts: &dyn Fn(&Leaf) -> bool| root.as_ref().map_or(0, |root| root.count(counts)) * fields;
    let clauses = count(&|_| true);
    if clauses > MAX_CLAUSES {
        return Err(limit("words times columns of the full-text query", clauses, MAX_CLAUSES));
    }
    let open = count(&|leaf| matches!(leaf.matcher, Matcher::Prefix { .. } | Matcher::Fuzzy { .. }));
    if open > MAX_OPEN_CLAUSES {
        let what = "prefixes and fuzzy words times columns of the full-text query";
        return Err(limit(what, open, MAX_OPEN_CLAUSES));
    }
    Ok((root.map(merged), warnings))
}

pub(super) fn limit(what: &str, got: usize, max: usize) -> Error {
    Error::Limit { what: what.into(), got: got as u64, max: max as u64 }
}
