//! Words that a query leaves out. They stay in the index, so phrases hold them, and a query of nothing else finds them.
//!
//! A word is compared as it is typed, lower-cased: before the stemmer, and alike for every tokenizer. With a list of words it is compared
//! without accents, with that of a language as the language writes it, since tantivy's list can be asked but not read.

use super::analyzer::{Analysis, Edition, STEMMERS};
use crate::error::Result;
use crate::text_options::stop_words_of;
use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;
use tantivy::tokenizer::{RawTokenizer, StopWordFilter, TextAnalyzer, TokenStream};
use unicode_normalization::UnicodeNormalization;

pub(super) struct StopWords {
    analysis: Analysis,
    words: Rc<HashSet<String>>,
    /// Lets only words through that are not in the list of the language.
    language: Option<TextAnalyzer>,
}

/// The filter of the language called `name`, where there is a list of it.
fn language(name: &str) -> Option<StopWordFilter> {
    let (_, language) = STEMMERS.iter().find(|(known, _)| known.strip_suffix("_stem") == Some(name))?;
    StopWordFilter::new(*language)
}

impl StopWords {
    /// The words of a list: a language or words.
    pub(super) fn of(list: &str) -> Result<Self> {
        let analysis = Analysis::from_name(None, Edition::Second)?;
        let mut words = Rc::default();
        let language = language(list.trim().to_ascii_lowercase().as_str());
        if language.is_none() {
            words = LAST.with_borrow_mut(|last| read(last, analysis, list));
        }
        let language =
            language.map(|filter| TextAnalyzer::builder(RawTokenizer::default()).filter(filter).build());
        Ok(Self { analysis, words, language })
    }

    /// Whether a word of the query is one.
    pub(super) fn has(&mut self, word: &str) -> bool {
        if let Some(language) = &mut self.language {
            let whole: String = word.nfc().collect();
            let bare = whole.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
            return !bare.is_empty() && !language.token_stream(&bare).advance();
        }
        self.words.contains(&folded(self.analysis, word))
    }
}

/// A list and its words.
type Read = (String, Rc<HashSet<String>>);

thread_local! {
    /// The list that was read last: one query after the other has the list of the same table.
    static LAST: RefCell<Option<Read>> = const { RefCell::new(None) };
}

fn read(last: &mut Option<Read>, analysis: Analysis, list: &str) -> Rc<HashSet<String>> {
    if let Some((of, words)) = last
        && of == list
    {
        return Rc::clone(words);
    }
    let words = stop_words_of(list).map(|word| folded(analysis, word)).filter(|word| !word.is_empty());
    let words = Rc::new(words.collect::<HashSet<_>>());
    *last = Some((list.to_owned(), Rc::clone(&words)));
    words
}

fn folded(analysis: Analysis, word: &str) -> String {
    let tokens: Vec<String> = analysis.query_tokens(word).into_iter().map(|token| token.text).collect();
    tokens.join(" ")
}
