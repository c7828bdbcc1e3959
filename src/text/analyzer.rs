//! From text to tokens: the tokenizers a table can name.
//!
//! | name | tokens |
//! |---|---|
//! | `default` | words: runs of letters and digits, lower-cased, accents folded (`Ångström` = `angstrom`) |
//! | `en_stem` | the same, then the Snowball stemmer |
//! | `de_stem`, `fr_stem`, ... | lower-cased, the Snowball stemmer of the language, accents folded; and once more without accents |
//! | `whitespace` | what stands between white space, exactly as written |
//! | `raw` | the whole value as one token, exactly as written |
//! | `code` | as `default`, and identifiers by their parts and as a whole (see `code`) |
//! | `trigram` (also `ngram`) | every three characters, lower-cased: finds any substring |
//!
//! Scripts written without spaces (Chinese, Japanese, Thai, Khmer, ...; Korean too, for its suffixes) become
//! **overlapping pairs** in the word tokenizers, and every last character of a run a token of its own:
//! `東京都` is 東京, 京都, 都. So each character starts exactly one token: a phrase of pairs is a substring search, and
//! a single character is a prefix search. `trigram` follows the same rule with three.
//!
//! A name may be followed by `chars=...`, punctuation that belongs to words: `default chars=_-`.
//!
//! No token is ever dropped for its length: tokens are cut at [`MAX_TOKEN_BYTES`], in documents and queries alike.

use super::letters::{is_mark, is_unspaced};
use super::scan::{Cut, Scan, Split};
use super::unmarked::{Distinct, Unmarked};
use crate::error::{Error, Result};
use tantivy::tokenizer::{AsciiFoldingFilter, Language, Stemmer, TextAnalyzer, Token, TokenStream};

pub(super) const STEMMERS: [(&str, Language); 18] = [
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

/// Which rules made the tokens of an index. An index keeps the rules it was made with, and a query is read by the rules of
/// every index it is put to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Edition {
    /// Texts as they are written: a word in NFD is another word than in NFC.
    First,
    /// Texts in normal form (see `normal`), letters folded by way of their capitals (see `letters`).
    Second,
    /// The same; with a stemmer that knows accents, words with marks are indexed without them, too (see `unmarked`).
    /// Queries are read as by the second.
    Third,
}

impl Edition {
    /// The number in a payload.
    pub(super) fn number(self) -> u8 {
        match self {
            Self::First => 1,
            Self::Second => 2,
            Self::Third => 3,
        }
    }

    pub(super) fn from_number(number: u8) -> Option<Self> {
        [Self::First, Self::Second, Self::Third].into_iter().find(|edition| edition.number() == number)
    }
}

/// How a column turns text into tokens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Analysis {
    cut: Cut,
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
    /// The tokenizer that a declaration names, with its settings.
    pub(super) fn from_name(declared: Option<&str>, edition: Edition) -> Result<Self> {
        let declared = declared.unwrap_or("default");
        let (name, settings) = declared.split_once(char::is_whitespace).unwrap_or((declared, ""));
        let mut analysis = Self::named(name, edition)?;
        for setting in settings.split_whitespace() {
            let Some(chars) = setting.strip_prefix("chars=") else {
                return Err(Error::Schema(format!(
                    "tokenizer '{declared}': {setting} is not understood; the only setting is chars=, as in 'default chars=_-'"
                )));
            };
            if !matches!(analysis.cut.split, Split::Words | Split::Code) {
                return Err(Error::Schema(format!(
                    "tokenizer '{declared}': chars= is for tokenizers of words, and {name} is none"
                )));
            }
            for c in chars.chars() {
                if !c.is_ascii_punctuation() {
                    return Err(Error::Schema(format!(
                        "tokenizer '{declared}': chars= takes ASCII punctuation, not {c:?}"
                    )));
                }
                analysis.cut.extra |= 1 << (c as u32);
            }
        }
        Ok(analysis)
    }

    fn named(name: &str, edition: Edition) -> Result<Self> {
        let cut = |split, turkish| Cut { split, edition, turkish, extra: 0 };
        let words = |language| Self { cut: cut(Split::Words, language == Some(Language::Turkish)), language };
        let other = |split| Self { cut: cut(split, false), language: None };
        match name {
            "default" => Ok(words(None)),
            "code" => Ok(other(Split::Code)),
            "whitespace" => Ok(other(Split::Whitespace)),
            "raw" => Ok(other(Split::Raw)),
            "trigram" | "ngram" => Ok(other(Split::Trigrams)),
            _ => match STEMMERS.iter().find(|(known, _)| *known == name) {
                Some((_, language)) => Ok(words(Some(*language))),
                None => {
                    let stemmers: Vec<&str> = STEMMERS.iter().map(|(known, _)| *known).collect();
                    Err(Error::Schema(format!(
                        "unknown tokenizer '{name}': use default, code, whitespace, raw, trigram or a stemmer ({})",
                        stemmers.join(", ")
                    )))
                }
            },
        }
    }

    /// The rules by which a tokenizer reads texts today: where the third are the second, the second.
    pub(super) fn edition(self) -> Edition {
        match self.language {
            None | Some(Language::English) => Edition::Second,
            Some(_) => Edition::Third,
        }
    }

    /// The analyzer that indexes documents.
    pub(super) fn analyzer(self) -> TextAnalyzer {
        match self.language {
            Some(language) if language != Language::English && self.cut.edition == Edition::Third => {
                TextAnalyzer::builder(Scan::new(self.cut))
                    .filter(Unmarked)
                    .filter(Stemmer::new(language))
                    .filter(AsciiFoldingFilter)
                    .filter(Distinct)
                    .build()
            }
            _ => self.plain_analyzer(Scan::new(self.cut)),
        }
    }

    /// The analyzer that reads queries.
    fn query_analyzer(self) -> TextAnalyzer {
        self.plain_analyzer(Scan::of_query(self.cut))
    }

    fn plain_analyzer(self, scan: Scan) -> TextAnalyzer {
        match (self.cut.split, self.language) {
            // Folded first, so that `naïve` and `naive` have one stem; English has no accents to lose.
            (_, Some(Language::English)) => TextAnalyzer::builder(scan)
                .filter(AsciiFoldingFilter)
                .filter(Stemmer::new(Language::English))
                .build(),
            // Other stemmers know their accents: fold afterwards.
            (_, Some(language)) => {
                TextAnalyzer::builder(scan).filter(Stemmer::new(language)).filter(AsciiFoldingFilter).build()
            }
            (Split::Words | Split::Code | Split::Trigrams, None) => {
                TextAnalyzer::builder(scan).filter(AsciiFoldingFilter).build()
            }
            (Split::Whitespace | Split::Raw, None) => TextAnalyzer::builder(scan).build(),
        }
    }

    /// The same without stemming, for prefixes.
    pub(super) fn unstemmed(self) -> Self {
        Self { cut: self.cut, language: None }
    }

    /// Whether a whole value is one token.
    pub(super) fn is_raw(self) -> bool {
        self.cut.split == Split::Raw
    }

    /// Where in `token`, a token of `analyzer` as it is written, the letters end that were typed as `prefix`. A word that
    /// begins so is marked as a whole, a gram only as far as it was typed.
    pub(super) fn typed_end(self, analyzer: &mut TextAnalyzer, token: &str, prefix: &str) -> usize {
        let unspaced = token.chars().next().is_some_and(is_unspaced);
        let gram = self.is_gram() || unspaced && matches!(self.cut.split, Split::Words | Split::Code);
        if !gram {
            return token.len();
        }
        let mut ends = token.char_indices().skip(1).map(|(at, _)| at);
        let typed = |end: &usize| {
            let mut stream = analyzer.token_stream(&token[..*end]);
            stream.advance() && stream.token().text.starts_with(prefix)
        };
        let Some(end) = ends.find(typed) else { return token.len() };
        let marks = token[end..].find(|c| !is_mark(c)).unwrap_or(token.len() - end);
        end + marks
    }

    /// Whether another edition may make other tokens of `text`.
    pub(super) fn may_differ(self, text: &str) -> bool {
        !text.is_ascii() || self.language == Some(Language::Turkish)
    }

    /// Whether consecutive tokens overlap everywhere, so that only their sequence means anything.
    pub(super) fn is_gram(self) -> bool {
        self.cut.split == Split::Trigrams
    }

    /// The token that stands for all of `word` where it is one identifier of several parts.
    pub(super) fn whole(self, word: &str) -> Option<String> {
        if self.cut.split != Split::Code {
            return None;
        }
        let mut analyzer = self.analyzer();
        let mut stream = analyzer.token_stream(word);
        let first = stream.advance().then(|| stream.token().position)?;
        let (whole, end) = stream
            .advance()
            .then(|| (stream.token().text.clone(), stream.token().offset_to))
            .filter(|_| stream.token().position == first)?;
        while stream.advance() {
            if stream.token().offset_to > end {
                return None;
            }
        }
        Some(whole)
    }

    /// The length of a token of the query, before it is stemmed; 0 where it is not a word of letters.
    pub(super) fn letters(self, text: &str) -> Vec<usize> {
        let count = |token: QueryToken| {
            let first = token.text.chars().next();
            let word = !self.is_gram() && !token.open && !first.is_some_and(is_unspaced);
            if word { token.text.chars().count() } else { 0 }
        };
        self.unstemmed().query_tokens(text).into_iter().map(count).collect()
    }

    /// The tokens of a piece of query text. The short grams at the end of a run are left out where a full one
    /// covers them (the text may go on in a document), and open where they are all there is.
    pub(super) fn query_tokens(self, text: &str) -> Vec<QueryToken> {
        let mut analyzer = self.query_analyzer();
        // The offsets below are those of the normal text, which is its own normal form.
        let normal = self.cut.normal(text);
        let text = normal.text.as_ref();
        let mut stream = analyzer.token_stream(text);
        let mut tokens: Vec<(Token, bool)> = Vec::new();
        while stream.advance() {
            let token = stream.token();
            let slice = text.get(token.offset_from..token.offset_to).unwrap_or_default();
            let short = match self.cut.split {
                Split::Words | Split::Code => {
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
