//! The part of tokenizing that is ours; folding of Latin accents and stemming are tantivy's filters behind it.

use super::analyzer::Edition;
use super::letters::{fold, in_word, is_dropped, is_mark, is_unspaced};
use super::normal::{Form, Normal};
use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

/// Longer tokens are cut here, at a character boundary: enough to tell real words and ids apart.
const MAX_TOKEN_BYTES: usize = 256;

/// `raw` values are cut here: tantivy drops terms of 65,530 bytes and more.
const MAX_RAW_BYTES: usize = 32 * 1024;

/// Where tokens begin and end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Split {
    Words,
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
}

impl Cut {
    /// The text as this reads it.
    pub(super) fn normal(self, text: &str) -> Normal<'_> {
        let form = match (self.edition, self.split) {
            (Edition::First, _) => Form::AsWritten,
            (_, Split::Whitespace | Split::Raw) => Form::Canonical,
            (_, Split::Words | Split::Trigrams) => Form::Letters,
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
    token: Token,
}

impl Scan {
    pub(super) fn new(cut: Cut) -> Self {
        Self { cut, token: Token::default() }
    }
}

impl Tokenizer for Scan {
    type TokenStream<'a> = ScanStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> ScanStream<'a> {
        self.token.reset();
        ScanStream { cut: self.cut, normal: self.cut.normal(text), at: 0, token: &mut self.token }
    }
}

pub(super) struct ScanStream<'a> {
    cut: Cut,
    normal: Normal<'a>,
    at: usize,
    token: &'a mut Token,
}

impl ScanStream<'_> {
    /// Byte range of the next token in the normal text and where to go on after it.
    fn next_range(&self) -> Option<(usize, usize, usize)> {
        let rest = self.normal.text.get(self.at..)?;
        match self.cut.split {
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
                let start = rest.find(|c: char| c.is_alphanumeric())?;
                let word = &rest[start..];
                let begin = self.at + start;
                let mut chars = word.char_indices();
                let (_, first) = chars.next()?;
                if !is_unspaced(first) {
                    let len = word
                        .find(|c: char| !in_word(c) || (is_unspaced(c) && !is_mark(c)))
                        .unwrap_or(word.len());
                    return Some((begin, begin + len, begin + len));
                }
                // Marks cling to their letter, so that a pair is two letters in Thai as in Chinese.
                let mut end = first.len_utf8();
                let mut step = end;
                let mut letters = 1;
                for (at, c) in chars {
                    if is_mark(c) {
                        end = at + c.len_utf8();
                        if letters == 1 {
                            step = end;
                        }
                    } else if letters == 1 && c.is_alphanumeric() && is_unspaced(c) {
                        letters = 2;
                        end = at + c.len_utf8();
                    } else {
                        break;
                    }
                }
                Some((begin, begin + end, begin + step))
            }
        }
    }
}

impl TokenStream for ScanStream<'_> {
    fn advance(&mut self) -> bool {
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
            Split::Words | Split::Trigrams => self.cut.lower(slice, limit, &mut self.token.text),
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
