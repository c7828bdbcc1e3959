//! From text to tokens: the tokenizers a table can name.
//!
//! | name | tokens |
//! |---|---|
//! | `default` | words: runs of letters and digits, lower-cased, accents folded (`Ångström` = `angstrom`) |
//! | `en_stem`, `de_stem`, ... | the same, then the Snowball stemmer of the language |
//! | `whitespace` | what stands between white space, exactly as written |
//! | `raw` | the whole value as one token, exactly as written |
//! | `trigram` (also `ngram`) | every three characters, lower-cased: finds any substring |
//!
//! Scripts written without spaces (Chinese, Japanese, Thai, Khmer, ...; Korean too, for its suffixes) become
//! **overlapping pairs** in the word tokenizers, and every last character of a run a token of its own:
//! `東京都` is 東京, 京都, 都. So each character starts exactly one token: a phrase of pairs is a substring search, and
//! a single character is a prefix search. `trigram` follows the same rule with three.
//!
//! No token is ever dropped for its length: tokens are cut at [`MAX_TOKEN_BYTES`], in documents and queries alike.

use crate::error::{Error, Result};
use tantivy::tokenizer::{
    AsciiFoldingFilter, Language, Stemmer, TextAnalyzer, Token, TokenStream, Tokenizer,
};

/// Longer tokens are cut here, at a character boundary: enough to tell real words and ids apart.
const MAX_TOKEN_BYTES: usize = 256;

/// `raw` values are cut here: tantivy drops terms of 65,530 bytes and more.
const MAX_RAW_BYTES: usize = 32 * 1024;

const STEMMERS: [(&str, Language); 18] = [
    ("ar_stem", Language::Arabic),
    ("da_stem", Language::Danish),
    ("de_stem", Language::German),
    ("el_stem", Language::Greek),
    ("en_stem", Language::English),
    ("es_stem", Language::Spanish),
    ("fi_stem", Language::Finnish),
    ("fr_stem", Language::French),
    ("hu_stem", Language::Hungarian),
    ("it_stem", Language::Italian),
    ("nl_stem", Language::Dutch),
    ("no_stem", Language::Norwegian),
    ("pt_stem", Language::Portuguese),
    ("ro_stem", Language::Romanian),
    ("ru_stem", Language::Russian),
    ("sv_stem", Language::Swedish),
    ("ta_stem", Language::Tamil),
    ("tr_stem", Language::Turkish),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Split {
    Words,
    Whitespace,
    Raw,
    Trigrams,
}

/// How a table turns text into tokens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Analysis {
    split: Split,
    language: Option<Language>,
}

/// A token of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct QueryToken {
    pub position: usize,
    pub text: String,
    /// The token is shorter than the grams of the index: it stands for every gram that begins with it.
    pub open: bool,
}

impl Analysis {
    pub(super) fn from_name(name: Option<&str>) -> Result<Self> {
        let words = |language| Self { split: Split::Words, language };
        let other = |split| Self { split, language: None };
        let name = name.unwrap_or("default");
        match name {
            "default" => Ok(words(None)),
            "whitespace" => Ok(other(Split::Whitespace)),
            "raw" => Ok(other(Split::Raw)),
            "trigram" | "ngram" => Ok(other(Split::Trigrams)),
            _ => match STEMMERS.iter().find(|(known, _)| *known == name) {
                Some((_, language)) => Ok(words(Some(*language))),
                None => {
                    let stemmers: Vec<&str> = STEMMERS.iter().map(|(known, _)| *known).collect();
                    Err(Error::Schema(format!(
                        "unknown tokenizer '{name}': use default, whitespace, raw, trigram or a stemmer ({})",
                        stemmers.join(", ")
                    )))
                }
            },
        }
    }

    /// The analyzer that indexes documents.
    pub(super) fn analyzer(self) -> TextAnalyzer {
        let scan = Scan { split: self.split, token: Token::default() };
        match (self.split, self.language) {
            // Folded first, so that `naïve` and `naive` have one stem; English has no accents to lose.
            (_, Some(Language::English)) => TextAnalyzer::builder(scan)
                .filter(AsciiFoldingFilter)
                .filter(Stemmer::new(Language::English))
                .build(),
            // Other stemmers know their accents: fold afterwards.
            (_, Some(language)) => {
                TextAnalyzer::builder(scan).filter(Stemmer::new(language)).filter(AsciiFoldingFilter).build()
            }
            (Split::Words | Split::Trigrams, None) => {
                TextAnalyzer::builder(scan).filter(AsciiFoldingFilter).build()
            }
            (Split::Whitespace | Split::Raw, None) => TextAnalyzer::builder(scan).build(),
        }
    }

    /// The same without stemming, for prefixes.
    pub(super) fn unstemmed(self) -> Self {
        Self { split: self.split, language: None }
    }

    /// Whether consecutive tokens overlap everywhere, so that only their sequence means anything.
    pub(super) fn is_gram(self) -> bool {
        self.split == Split::Trigrams
    }

    /// The tokens of a piece of query text. The short grams at the end of a run are left out where a full one
    /// covers them (the text may go on in a document), and open where they are all there is.
    pub(super) fn query_tokens(self, text: &str) -> Vec<QueryToken> {
        let mut analyzer = self.analyzer();
        let mut stream = analyzer.token_stream(text);
        let mut tokens: Vec<(Token, bool)> = Vec::new();
        while stream.advance() {
            let token = stream.token();
            let slice = text.get(token.offset_from..token.offset_to).unwrap_or_default();
            let short = match self.split {
                Split::Words => {
                    slice.chars().next().is_some_and(is_unspaced)
                        && slice.chars().filter(|c| !is_mark(*c)).nth(1).is_none()
                }
                Split::Trigrams => slice.chars().nth(2).is_none(),
                _ => false,
            };
            let covered = short
                && tokens.last().is_some_and(|(last, _)| {
                    last.offset_to == token.offset_to && last.offset_from < token.offset_from
                });
            if !covered {
                tokens.push((token.clone(), short));
            }
        }
        let last = tokens.len().saturating_sub(1);
        tokens
            .into_iter()
            .enumerate()
            .map(|(at, (token, short))| QueryToken {
                position: token.position,
                text: token.text,
                open: short && at == last,
            })
            .collect()
    }
}

/// Scripts that are written without spaces between words, and Hangul.
fn is_unspaced(c: char) -> bool {
    let c = c as u32;
    c >= 0xE00
        && matches!(c,
            0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1100..=0x11FF | 0x1780..=0x17FF | 0x1950..=0x19DF
            | 0x1A20..=0x1AAF | 0x2E80..=0x2FDF | 0x3005..=0x3007 | 0x3021..=0x3029 | 0x3031..=0x303B
            | 0x3040..=0x318F | 0x31A0..=0x31BF | 0x31F0..=0x31FF | 0x3400..=0x4DBF | 0x4E00..=0x9FFF
            | 0xA960..=0xA97F | 0xAC00..=0xD7FF | 0xF900..=0xFAFF | 0xFF66..=0xFFDC
            | 0x1B000..=0x1B16F | 0x20000..=0x3FFFF)
}

/// Marks that Unicode does not call alphabetic but that stand inside words: accents written apart, viramas, Thai
/// tones, joiners. Without them `हिन्दी` would be two words.
fn is_mark(c: char) -> bool {
    matches!(c as u32,
        0x0300..=0x036F | 0x0483..=0x0489 | 0x0591..=0x05C7 | 0x0610..=0x061A | 0x064B..=0x065F | 0x0670
        | 0x06D6..=0x06ED | 0x0711 | 0x0730..=0x074A | 0x093C | 0x094D | 0x0951..=0x0954 | 0x09BC | 0x09CD
        | 0x0A3C | 0x0A4D | 0x0ABC | 0x0ACD | 0x0B3C | 0x0B4D | 0x0BCD | 0x0C4D | 0x0CBC | 0x0CCD | 0x0D4D | 0x0DCA
        | 0x0E31 | 0x0E34..=0x0E3A | 0x0E47..=0x0E4E | 0x0EB1 | 0x0EB4..=0x0EBC | 0x0EC8..=0x0ECD
        | 0x102B..=0x103E | 0x17B4..=0x17D3 | 0x1AB0..=0x1AFF | 0x1DC0..=0x1DFF | 0x200C | 0x200D
        | 0x20D0..=0x20FF | 0x3099 | 0x309A | 0xFE00..=0xFE0F | 0xFE20..=0xFE2F)
}

/// Marks that folding removes: the combining forms of what AsciiFoldingFilter removes in composed letters.
fn is_dropped(c: char) -> bool {
    matches!(c as u32, 0x0300..=0x036F | 0x200C | 0x200D | 0xFE00..=0xFE0F)
}

fn in_word(c: char) -> bool {
    c.is_alphanumeric() || is_mark(c)
}

/// The part of tokenizing that is ours; folding and stemming are tantivy's filters behind it.
#[derive(Clone)]
struct Scan {
    split: Split,
    token: Token,
}

impl Tokenizer for Scan {
    type TokenStream<'a> = ScanStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> ScanStream<'a> {
        self.token.reset();
        ScanStream { split: self.split, text, at: 0, token: &mut self.token }
    }
}

struct ScanStream<'a> {
    split: Split,
    text: &'a str,
    at: usize,
    token: &'a mut Token,
}

impl ScanStream<'_> {
    /// Byte range of the next token and where to go on after it.
    fn next_range(&self) -> Option<(usize, usize, usize)> {
        let rest = self.text.get(self.at..)?;
        match self.split {
            Split::Raw => (!rest.is_empty()).then_some((self.at, self.text.len(), self.text.len())),
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
        self.token.offset_from = from;
        self.token.offset_to = to;
        self.token.text.clear();
        let limit = if self.split == Split::Raw { MAX_RAW_BYTES } else { MAX_TOKEN_BYTES };
        let slice = &self.text[from..to];
        match self.split {
            Split::Raw | Split::Whitespace => {
                let mut end = slice.len().min(limit);
                while !slice.is_char_boundary(end) {
                    end -= 1;
                }
                self.token.text.push_str(&slice[..end]);
            }
            Split::Words | Split::Trigrams => {
                for c in slice.chars().flat_map(char::to_lowercase).filter(|c| !is_dropped(*c)) {
                    if self.token.text.len() + c.len_utf8() > limit {
                        break;
                    }
                    self.token.text.push(c);
                }
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
