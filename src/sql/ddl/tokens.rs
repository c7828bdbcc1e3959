//! The tokens of a declaration.

/// A word, a name, a string or a sign of a declaration.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A bare word or number, as written.
    Word(String),
    /// A quoted name, without its quotes.
    Quoted(String),
    /// A string literal, without its quotes.
    Text(String),
    Sign(char),
}

impl Token {
    /// As the user wrote it, near enough to find it.
    pub fn shown(&self) -> String {
        match self {
            Self::Word(word) => word.clone(),
            Self::Quoted(name) => format!("\"{name}\""),
            Self::Text(text) => format!("'{text}'"),
            Self::Sign(sign) => sign.to_string(),
        }
    }
}

/// The tokens of an argument, without its comments.
pub(super) fn tokenize(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if first.is_whitespace() {
            rest = rest.trim_start();
        } else if rest.starts_with("--") {
            rest = rest.split_once('\n').map_or("", |(_, after)| after);
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.split_once("*/").map_or("", |(_, after)| after);
        } else if matches!(first, '"' | '`' | '\'') {
            let (content, after) = quoted(rest, first)?;
            tokens.push(if first == '\'' { Token::Text(content) } else { Token::Quoted(content) });
            rest = after;
        } else if first == '[' && tokens.is_empty() {
            // Only a name starts an argument; later on a bracket belongs to FLOAT[n].
            let (content, after) = rest[1..].split_once(']').ok_or("a [ without its ]")?;
            tokens.push(Token::Quoted(content.to_owned()));
            rest = after;
        } else if is_word(first) {
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            tokens.push(Token::Word(word.to_owned()));
            rest = after;
        } else {
            tokens.push(Token::Sign(first));
            rest = &rest[first.len_utf8()..];
        }
    }
    Ok(tokens)
}

/// Numbers are words, too: `2.0`, `1e3`. A sign is not.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$' | '.') || !c.is_ascii() && !c.is_whitespace()
}

/// The content of the literal at the start of `text`, where a doubled quote stands for one, and what follows it.
fn quoted(text: &str, quote: char) -> Result<(String, &str), String> {
    let mut content = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c != quote {
            content.push(c);
        } else if chars.next_if(|&(_, next)| next == quote).is_some() {
            content.push(quote);
        } else {
            return Ok((content, &text[at + quote.len_utf8()..]));
        }
    }
    Err(format!("a {quote} without its end"))
}

/// Whether the token is the bare word `word` in any case.
pub(super) fn is_keyword(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(next) if next.eq_ignore_ascii_case(word))
}
