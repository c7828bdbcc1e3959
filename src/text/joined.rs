//! Words that the tokenizer splits: `TCP/IP`, `Alice's`, `北京天气`.
//!
//! Their parts are words of the query, so a longer word never finds less than its parts, and the whole ranks first because
//! it is looked for besides. Where the word is required, all its parts are; where it is forbidden, the whole is.

use super::analyzer::QueryToken;
use super::letters::is_unspaced;
use super::query_text::{Matcher, Node, Scope};
use super::wording::{group, leaf, term};
use tantivy::query::Occur;

/// What the whole and each part count for. nDCG@10 on scifact (stemmed; unstemmed; title and body apart) and nfcorpus (stemmed;
/// unstemmed): phrases alone .687 .652 .677, .317 .297; 1 and 1/2 .693 .664 .682, .321 .301; 1/2 and 1/2 .691 .660 .675,
/// .322 .302; .8 and .2 .689 .655 .674, .321 .301.
const WHOLE: f32 = 1.0;
const PARTS: f32 = 0.5;

/// What a clause is before its place in the query is known.
pub(super) enum Piece {
    Node(Node),
    /// A word that the tokenizer splits.
    Joined(Joined),
    /// One word as the tokenizers of different columns read it: a row has it in any column.
    Several(Vec<Piece>),
}

impl Piece {
    pub(super) fn boosted(self, by: f32) -> Self {
        match self {
            Self::Node(node) => Self::Node(node.boosted(by)),
            Self::Joined(mut joined) => {
                joined.boost *= by;
                Self::Joined(joined)
            }
            Self::Several(pieces) => {
                Self::Several(pieces.into_iter().map(|piece| piece.boosted(by)).collect())
            }
        }
    }

    pub(super) fn placed(self, occur: Occur, forbidden: bool) -> Node {
        match self {
            Self::Node(node) => node,
            Self::Joined(joined) if forbidden => joined.whole(),
            Self::Joined(joined) if occur == Occur::Must => joined.all(),
            Self::Joined(joined) => joined.any(),
            Self::Several(pieces) => {
                group(pieces.into_iter().map(|piece| (Occur::Should, piece.placed(occur, forbidden))))
            }
        }
    }
}

pub(super) struct Joined {
    /// The whole; `None` where it has too many tokens to look for it in one piece.
    pub phrase: Option<Node>,
    pub parts: Vec<Part>,
    /// The word has an apostrophe, which leaves letters that mean nothing alone (`l'eau`, `Alice's`).
    pub apostrophe: bool,
    pub boost: f32,
}

pub(super) struct Part {
    node: Node,
    /// A single letter or digit: alone it says hardly anything.
    letter: bool,
}

impl Part {
    /// `node` is the part where it is more than its token.
    pub(super) fn of(scope: Scope, token: &QueryToken, node: Option<Node>) -> Self {
        let mut chars = token.text.chars();
        let first = chars.next();
        let letter = token.open || chars.next().is_none() && !first.is_some_and(is_unspaced);
        let text = token.text.clone();
        let node = node.unwrap_or_else(|| {
            if token.open {
                leaf(scope, Matcher::Prefix { prefix: text, also: None })
            } else {
                term(scope, text)
            }
        });
        Self { node, letter }
    }
}

impl Joined {
    /// Rows that have the whole or some of the parts.
    pub(super) fn any(self) -> Node {
        let words = self.parts.iter().any(|part| !part.letter);
        let scale = if self.phrase.is_some() { PARTS } else { 1.0 };
        let parts = self.parts.into_iter().filter(|part| !(words && part.letter));
        let parts = parts.map(|part| (Occur::Should, part.node.boosted(scale * self.boost)));
        let whole = self.phrase.map(|phrase| (Occur::Should, phrase.boosted(WHOLE * self.boost)));
        group(whole.into_iter().chain(parts))
    }

    /// Rows that have all parts.
    pub(super) fn all(self) -> Node {
        let words = self.parts.iter().any(|part| !part.letter);
        let scale = if self.phrase.is_some() { PARTS } else { 1.0 };
        let parts = self.parts.into_iter().filter(|part| !(words && part.letter && self.apostrophe));
        let parts = parts.map(|part| (Occur::Must, part.node.boosted(scale * self.boost)));
        let whole = self.phrase.map(|phrase| (Occur::Should, phrase.boosted(WHOLE * self.boost)));
        group(parts.chain(whole))
    }

    /// Rows that have the whole.
    pub(super) fn whole(self) -> Node {
        match self.phrase {
            Some(phrase) => phrase.boosted(self.boost),
            None => group(self.parts.into_iter().map(|part| (Occur::Must, part.node))),
        }
    }
}
