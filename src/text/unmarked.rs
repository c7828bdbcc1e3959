//! Words with marks, as they are typed without them.
//!
//! Stemmers know the accents of their language: the stem of `informação` is `inform`, that of `informacao` is `informaca`.
//! So a word with marks stands in the index twice at the same place, by its stem and by the stem of the word without
//! marks, where these differ.

use tantivy::tokenizer::{
    AsciiFoldingFilter, RawTokenizer, TextAnalyzer, Token, TokenFilter, TokenStream, Tokenizer,
};

/// Before a stemmer: each word with marks is followed, at its place, by the word without them.
#[derive(Clone)]
pub(super) struct Unmarked;

impl TokenFilter for Unmarked {
    type Tokenizer<T: Tokenizer> = UnmarkedTokenizer<T>;

    fn transform<T: Tokenizer>(self, tokenizer: T) -> UnmarkedTokenizer<T> {
        let folder = TextAnalyzer::builder(RawTokenizer::default()).filter(AsciiFoldingFilter).build();
        UnmarkedTokenizer { tokenizer, folder }
    }
}

#[derive(Clone)]
pub(super) struct UnmarkedTokenizer<T> {
    tokenizer: T,
    folder: TextAnalyzer,
}

impl<T: Tokenizer> Tokenizer for UnmarkedTokenizer<T> {
    type TokenStream<'a> = UnmarkedStream<'a, T::TokenStream<'a>>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Self::TokenStream<'a> {
        UnmarkedStream {
            tail: self.tokenizer.token_stream(text),
            folder: &mut self.folder,
            folded: String::new(),
            pending: false,
        }
    }
}

pub(super) struct UnmarkedStream<'a, T> {
    tail: T,
    folder: &'a mut TextAnalyzer,
    folded: String,
    /// `folded` is the next token.
    pending: bool,
}

impl<T: TokenStream> TokenStream for UnmarkedStream<'_, T> {
    fn advance(&mut self) -> bool {
        if std::mem::take(&mut self.pending) {
            std::mem::swap(&mut self.tail.token_mut().text, &mut self.folded);
            return true;
        }
        if !self.tail.advance() {
            return false;
        }
        let word = &self.tail.token().text;
        if !word.is_ascii() {
            let mut folded = self.folder.token_stream(word);
            if folded.advance() && folded.token().text != *word {
                self.folded.clone_from(&folded.token().text);
                self.pending = true;
            }
        }
        true
    }

    fn token(&self) -> &Token {
        self.tail.token()
    }

    fn token_mut(&mut self) -> &mut Token {
        self.tail.token_mut()
    }
}

/// Behind all filters: of equal tokens at one place the first.
#[derive(Clone)]
pub(super) struct Distinct;

impl TokenFilter for Distinct {
    type Tokenizer<T: Tokenizer> = DistinctTokenizer<T>;

    fn transform<T: Tokenizer>(self, tokenizer: T) -> DistinctTokenizer<T> {
        DistinctTokenizer { tokenizer }
    }
}

#[derive(Clone)]
pub(super) struct DistinctTokenizer<T> {
    tokenizer: T,
}

impl<T: Tokenizer> Tokenizer for DistinctTokenizer<T> {
    type TokenStream<'a> = DistinctStream<T::TokenStream<'a>>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Self::TokenStream<'a> {
        DistinctStream { tail: self.tokenizer.token_stream(text), last: String::new(), position: usize::MAX }
    }
}

pub(super) struct DistinctStream<T> {
    tail: T,
    last: String,
    position: usize,
}

impl<T: TokenStream> TokenStream for DistinctStream<T> {
    fn advance(&mut self) -> bool {
        while self.tail.advance() {
            let Token { position, text, .. } = self.tail.token();
            if *position != self.position || *text != self.last {
                self.position = *position;
                self.last.clone_from(text);
                return true;
            }
        }
        false
    }

    fn token(&self) -> &Token {
        self.tail.token()
    }

    fn token_mut(&mut self) -> &mut Token {
        self.tail.token_mut()
    }
}
