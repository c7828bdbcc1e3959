//! The part of tokenizing that is ours; folding of Latin accents and stemming are tantivy's filters behind it.

use super::analyzer::Edition;
use super::code::{self, Place};
use super::letters::{fold, is_dropped, is_extra, is_inside, is_mark, is_unspaced, pair};
use super::normal::{Form, Normal};
use std::collections::VecDeque;
use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

/// Longer tokens are cut here, at a character boundary: enough to tell real words and ids apart.
const MAX_TOKEN_BYTES: usize = 256;

/// `raw` values are cut here: tantivy drops terms of 65,530 bytes and more.
const MAX_RAW_BYTES: usize = 32 * 1024;

/// Where tokens begin and end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Split {
    Words,
    /// Words and identifiers of programs (see `code`).
    Code,
    Whitespace,
    Raw,
    Trigrams,
}

/// How texts are cut into tokens and their letters folded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    pub split: Split,
    pub edition: Edition,
    /// `I` is the capital of `ı`.
    pub turkish: bool,
    /// ASCII characters that belong to words, one bit each.
    pub extra: u128,
}

impl Cut {
    /// The text as this reads it.
    pub(super) fn normal(self, text: &str) -> Normal<'_> {
        let form = match (self.edition, self.split) {
            (Edition::First, _) => Form::AsWritten,
            (_, Split::Whitespace | Split::Raw) => Form::Canonical,
            (_, Split::Words | Split::Code | Split::Trigrams) => Form::Letters,
        };
        Normal::of(text, form)
    }

    fn lower(self, slice: &str, limit: usize, into: &mut String) {
        let mut full = false;
        let mut push = |c: char| {
            full |= into.len() + c.len_utf8() > limit;
            if !full {
                into.push(c);
            }
            full
        };
        for c in slice.chars() {
            let mut stop = false;
            match self.edition {
                Edition::First => {
                    for c in c.to_lowercase().filter(|c| !is_dropped(*c)) {
                        stop = push(c);
                    }
                }
                _ => fold(c, self.turkish, |c| stop = push(c)),
            }
            if stop {
                break;
            }
        }
    }
}

/// The tokenizer before its filters.
#[derive(Clone)]
pub(super) struct Scan {
    cut: Cut,
    /// Whether identifiers are tokens beside their parts: in documents.
    wholes: bool,
    token: Token,
}

impl Scan {
    /// Reads documents.
    pub(super) fn new(cut: Cut) -> Self {
        Self { cut, wholes: true, token: Token::default() }
    }

    /// Reads queries.
    pub(super) fn of_query(cut: Cut) -> Self {
        Self { wholes: false, ..Self::new(cut) }
    }
}

impl Tokenizer for Scan {
    type TokenStream<'a> = ScanStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> ScanStream<'a> {
        self.token.reset();
        let (cut, wholes, normal) = (self.cut, self.wholes, self.cut.normal(text));
        ScanStream { cut, wholes, normal, at: 0, waiting: VecDeque::new(), token: &mut self.token }
    }
}

pub(super) struct ScanStream<'a> {
    cut: Cut,
    wholes: bool,
    normal: Normal<'a>,
    at: usize,
    /// Tokens of an identifier that are still to be given.
    waiting: VecDeque<Place>,
    token: &'a mut Token,
}

impl ScanStream<'_> {
    /// Byte range of the next token in the normal text and where to go on after it.
    fn next_range(&self) -> Option<(usize, usize, usize)> {
        let rest = self.normal.text.get(self.at..)?;
        match self.cut.split {
            Split::Code => None,
            Split::Raw => (!rest.is_empty()).then_some((self.at, self.at + rest.len(), self.at + rest.len())),
            Split::Whitespace => {
                let start = rest.find(|c: char| !c.is_whitespace())?;
                let len = rest[start..].find(char::is_whitespace).unwrap_or(rest.len() - start);
                Some((self.at + start, self.at + start + len, self.at + start + len))
            }
            Split::Trigrams => {
                let mut ends = rest.char_indices().map(|(at, c)| at + c.len_utf8());
                let first = ends.next()?;
                let end = ends.take(2).last().unwrap_or(first);
                Some((self.at, self.at + end, self.at + first))
            }
            Split::Words => {
                let mut from = self.at;
                loop {
                    let rest = &self.normal.text[from..];
                    let begin =
                        from + rest.find(|c: char| c.is_alphanumeric() || is_extra(c, self.cut.extra))?;
                    let word = &self.normal.text[begin..];
                    if let Some((end, step)) = pair(word) {
                        return Some((begin, begin + end, begin + step));
                    }
                    let len = word
                        .find(|c: char| !is_inside(c, self.cut.extra) || (is_unspaced(c) && !is_mark(c)))
                        .unwrap_or(word.len());
                    if self.cut.extra == 0 || word[..len].contains(char::is_alphanumeric) {
                        return Some((begin, begin + len, begin + len));
                    }
                    // Characters that belong to words are none alone.
                    from = begin + len;
                }
            }
        }
    }
}

impl ScanStream<'_> {
    fn next_of_code(&mut self) -> bool {
        if self.waiting.is_empty() {
            self.at = code::scan(&self.normal.text, self.at, self.cut.extra, self.wholes, &mut self.waiting);
        }
        let Some(place) = self.waiting.pop_front() else { return false };
        if !place.beside {
            self.token.position = self.token.position.wrapping_add(1);
        }
        let original = self.normal.original(place.range.clone());
        self.token.offset_from = original.start;
        self.token.offset_to = original.end;
        self.token.text.clear();
        let slice = &self.normal.text[place.range];
        if slice.contains('_') {
            self.cut.lower(&slice.replace('_', ""), MAX_TOKEN_BYTES, &mut self.token.text);
        } else {
            self.cut.lower(slice, MAX_TOKEN_BYTES, &mut self.token.text);
        }
        true
    }
}

impl TokenStream for ScanStream<'_> {
    fn advance(&mut self) -> bool {
        if self.cut.split == Split::Code {
            return self.next_of_code();
        }
        let Some((from, to, next)) = self.next_range() else { return false };
        self.at = next;
        self.token.position = self.token.position.wrapping_add(1);
        let original = self.normal.original(from..to);
        self.token.offset_from = original.start;
        self.token.offset_to = original.end;
        self.token.text.clear();
        let limit = if self.cut.split == Split::Raw { MAX_RAW_BYTES } else { MAX_TOKEN_BYTES };
        let slice = &self.normal.text[from..to];
        match self.cut.split {
            Split::Raw | Split::Whitespace => {
                let mut end = slice.len().min(limit);
                while !slice.is_char_boundary(end) {
                    end -= 1;
                }
                self.token.text.push_str(&slice[..end]);
            }
            Split::Words | Split::Code | Split::Trigrams => {
                self.cut.lower(slice, limit, &mut self.token.text)
            }
        }
        true
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}
