//! Identifiers of programs, for the tokenizer `code`.
//!
//! ```text
//! getUserById, get_user_by_id   get user by id, and the whole: getuserbyid       HTTPServer   http server httpserver
//! 1.2.3, v1.2                   1 2 3, and the whole: 1.2.3                      counter++    counter, and counter++
//! C++, C#                       c++, c#: one letter is no part                   src/main.rs  src main rs
//! ```
//! Parts stand at successive positions, and the whole stands at that of its first part. So a phrase of parts finds a piece of
//! an identifier, one term finds all of it, whatever its style, and a path or `a.b::c` is a phrase of identifiers.

use super::letters::{is_extra, is_inside, is_mark, is_unspaced, pair};
use std::collections::VecDeque;
use std::ops::Range;

/// A token in the normal text.
pub(super) struct Place {
    pub range: Range<usize>,
    /// It stands at the position of the token before it.
    pub beside: bool,
}

/// Adds the tokens of the next identifier at or after `at` to `tokens`; `extra` belongs to words, too. `wholes`: with the whole
/// beside its parts. Returns where to go on.
pub(super) fn scan(text: &str, at: usize, extra: u128, wholes: bool, tokens: &mut VecDeque<Place>) -> usize {
    let starts = |c: char| c.is_alphanumeric() || is_extra(c, extra) && c != '_';
    let mut from = at;
    loop {
        let Some(start) = text.get(from..).and_then(|rest| rest.find(starts)) else { return text.len() };
        let begin = from + start;
        let word = &text[begin..];
        if let Some((end, step)) = pair(word) {
            tokens.push_back(Place { range: begin..begin + end, beside: false });
            return begin + step;
        }
        let len = length(word, extra);
        if !word[..len].contains(char::is_alphanumeric) {
            from = begin + len.max(1);
            continue;
        }
        let mut parts = parts(&word[..len]);
        let mut end = len;
        if let [only] = parts.as_slice()
            && only.end == len
        {
            end += symbols(&word[len..]);
            if end > len && word[..len].chars().nth(1).is_none() {
                parts.clear();
            }
        }
        let whole = parts.len() > 1 || end > len;
        let mut parts = parts.into_iter().map(|part| begin + part.start..begin + part.end);
        match parts.next() {
            None => tokens.push_back(Place { range: begin..begin + end, beside: false }),
            Some(first) => {
                tokens.push_back(Place { range: first, beside: false });
                if whole && wholes {
                    tokens.push_back(Place { range: begin..begin + end, beside: true });
                }
                tokens.extend(parts.map(|range| Place { range, beside: false }));
            }
        }
        return begin + end;
    }
}

/// The length of the identifier that `word` begins with, without underscores at its end.
fn length(word: &str, extra: u128) -> usize {
    let mut before = ' ';
    let mut chars = word.char_indices().peekable();
    let mut end = word.len();
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map_or(' ', |(_, next)| *next);
        let version = c == '.' && before.is_ascii_digit() && next.is_ascii_digit();
        let inside = c == '_' || version || is_inside(c, extra) && (!is_unspaced(c) || is_mark(c));
        if !inside {
            end = at;
            break;
        }
        before = c;
    }
    word[..end].trim_end_matches('_').len()
}

/// The length of `++` or `#` behind an identifier.
fn symbols(rest: &str) -> usize {
    if rest.starts_with("++") {
        return 2;
    }
    let sharp = rest.strip_prefix('#').is_some_and(|after| !after.starts_with(char::is_alphanumeric));
    usize::from(sharp)
}

/// The parts of an identifier: what stands between underscores, dots and changes of case.
fn parts(word: &str) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut start = None;
    let mut before = ' ';
    let mut chars = word.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let separator = c == '_' || c == '.' && before.is_ascii_digit();
        if separator {
            parts.extend(start.take().map(|start| start..at));
        } else {
            let next = chars.peek().map_or(' ', |(_, next)| *next);
            // The `s` of `URLs` begins no word.
            let plural = next == 's' && !word[at + c.len_utf8() + 1..].starts_with(char::is_lowercase);
            let hump = c.is_uppercase()
                && (before.is_lowercase()
                    || before.is_numeric()
                    || before.is_uppercase() && next.is_lowercase() && !plural);
            if hump {
                parts.extend(start.take().map(|start| start..at));
            }
            start.get_or_insert(at);
        }
        before = c;
    }
    parts.extend(start.map(|start| start..word.len()));
    parts
}
