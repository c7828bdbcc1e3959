//! `snippet` and `highlight`: the words of a query, marked in text that comes from the row.

use super::TextConfig;
use super::loose::{Places, each_match};
use super::occurrences::Tokens as Phrase;
use super::query_text::{Leaf, Matcher, Node, TextQuery};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use tantivy::tokenizer::{TextAnalyzer, Token, TokenStream};

/// More occurrences than this are not marked in one text.
const MAX_MARKS: usize = 100_000;

/// An occurrence of a leaf of the query.
struct Mark {
    /// First and last token.
    tokens: (usize, usize),
    /// Where it ends in the text.
    end: usize,
    leaf: usize,
}

/// The tokens of a text.
struct Tokens {
    /// One for each position.
    tokens: Vec<Token>,
    /// The second token of a position.
    also: HashMap<usize, String>,
    /// Where each word begins and ends, in tokens.
    words: HashMap<String, Vec<(usize, usize)>>,
}

impl Tokens {
    fn of(analyzer: &mut TextAnalyzer, text: &str) -> Self {
        let mut tokens: Vec<Token> = Vec::new();
        let mut also = HashMap::new();
        let mut words: HashMap<String, Vec<(usize, usize)>> = HashMap::new();
        // Second tokens that may end behind their first ones, with their ends in the text.
        let mut wholes: Vec<(usize, usize)> = Vec::new();
        let mut stream = analyzer.token_stream(text);
        while stream.advance() {
            let token = stream.token();
            let second = tokens.last().is_some_and(|last: &Token| last.position == token.position);
            let at = tokens.len() - usize::from(second);
            match words.get_mut(&token.text) {
                Some(places) => places.push((at, at)),
                None => {
                    words.insert(token.text.clone(), vec![(at, at)]);
                }
            }
            if second {
                if tokens[at].offset_to < token.offset_to {
                    wholes.push((at, token.offset_to));
                }
                also.insert(at, token.text.clone());
            } else {
                tokens.push(token.clone());
            }
        }
        for (at, end) in wholes {
            let last = at + tokens[at..].iter().take_while(|token| token.offset_to <= end).count() - 1;
            let places = also.get(&at).and_then(|whole| words.get_mut(whole));
            if let Some(places) = places
                && let Ok(place) = places.binary_search_by_key(&at, |(first, _)| *first)
            {
                places[place].1 = last;
            }
        }
        Self { tokens, also, words }
    }

    /// Whether a token at a position is accepted.
    fn says(&self, at: usize, accept: impl Fn(&str) -> bool) -> bool {
        accept(&self.tokens[at].text) || self.also.get(&at).is_some_and(|text| accept(text))
    }

    /// Calls `found` with the first and last token of each occurrence of `matcher`.
    fn each(&self, matcher: &Matcher, found: &mut dyn FnMut(usize, usize)) {
        let mut each_word = |accept: &dyn Fn(&str) -> bool| {
            for (word, places) in &self.words {
                if accept(word) {
                    places.iter().for_each(|(first, last)| found(*first, *last));
                }
            }
        };
        match matcher {
            Matcher::Term(term) => {
                let places = self.words.get(term).into_iter().flatten();
                places.for_each(|(first, last)| found(*first, *last));
            }
            Matcher::Prefix { prefix, also } => {
                each_word(&|word| word.starts_with(prefix) || also.as_deref() == Some(word));
            }
            Matcher::Fuzzy { term, distance, open } => {
                let term: Vec<char> = term.chars().collect();
                each_word(&|word| is_within(&term, word, usize::from(*distance), *open));
            }
            Matcher::Phrase { tokens: phrase, slop: slop @ 1.., .. } => self.each_loose(phrase, *slop, found),
            Matcher::Phrase { tokens: phrase, prefix, also, .. } => {
                let Some((_, first)) = phrase.first() else { return };
                let begins = |text: &str, end: &str| {
                    *prefix && (text.starts_with(end) || also.as_deref() == Some(text))
                };
                for (start, _) in self.words.get(first).into_iter().flatten() {
                    if let Some(end) = self.phrase_end(*start, phrase, &begins) {
                        found(*start, end);
                    }
                }
            }
        }
    }

    /// The occurrences of a phrase with slop.
    fn each_loose(&self, phrase: &Phrase, slop: u32, found: &mut dyn FnMut(usize, usize)) {
        let mut places: BTreeMap<&str, (Vec<u32>, Vec<u32>)> = BTreeMap::new();
        for (offset, word) in phrase {
            let (offsets, positions) = places.entry(word).or_default();
            if offsets.is_empty() {
                let firsts = self.words.get(word).into_iter().flatten();
                positions.extend(firsts.map(|(first, _)| *first as u32));
            }
            offsets.push(*offset as u32);
        }
        let words: Vec<Places<'_>> = places.values().map(|(of, at)| (of.as_slice(), at.as_slice())).collect();
        // It fails only where its work does.
        let _ =
            each_match(&words, slop, &|_| Ok(()), &mut |first, last| found(first as usize, last as usize));
    }

    /// The last token of the phrase that begins at token `start`, if it is there. `continues` says whether a token may stand for
    /// the last one.
    fn phrase_end(
        &self,
        start: usize,
        phrase: &Phrase,
        continues: &dyn Fn(&str, &str) -> bool,
    ) -> Option<usize> {
        let mut at = start;
        for (number, (_, wanted)) in phrase.iter().enumerate().skip(1) {
            let step = phrase[number].0 - phrase[number - 1].0;
            let last = number + 1 == phrase.len();
            let found = (at + 1..self.tokens.len().min(at + step + 1))
                .find(|next| self.says(*next, |text| text == wanted || last && continues(text, wanted)))?;
            at = found;
        }
        Some(at)
    }

    fn has(&self, matcher: &Matcher) -> bool {
        let mut any = false;
        self.each(matcher, &mut |_, _| any = true);
        any
    }
}

/// The leaves that a row with these texts matched; all wanted ones where the row did not match.
fn matched<'a>(root: &'a Node, config: &TextConfig, texts: &[Option<impl AsRef<str>>]) -> Vec<&'a Leaf> {
    let mut leaves = Vec::new();
    if root.is_conditional() {
        let mut analyzers: HashMap<usize, TextAnalyzer> = HashMap::new();
        let mut tokens = |(field, text): (usize, &Option<_>)| {
            let text: &str = AsRef::as_ref(text.as_ref()?);
            let analyzer = match analyzers.entry(config.reading(field)) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => {
                    place.insert(config.analysis(field, config.edition()).ok()?.analyzer())
                }
            };
            Some(Tokens::of(analyzer, text))
        };
        let all: Vec<Option<Tokens>> = texts.iter().enumerate().map(&mut tokens).collect();
        let has = |leaf: &Leaf| {
            all.iter().enumerate().any(|(at, tokens)| {
                config.holds(leaf.scope, at)
                    && tokens.as_ref().is_some_and(|tokens| tokens.has(&leaf.matcher))
            })
        };
        if root.matched_leaves(&has, &mut leaves) {
            return leaves;
        }
        leaves.clear();
    }
    root.wanted_leaves(&mut |leaf| leaves.push(leaf));
    leaves
}

fn find(
    config: &TextConfig,
    query: &TextQuery,
    field: usize,
    texts: &[Option<impl AsRef<str>>],
) -> (Vec<Token>, Vec<Mark>) {
    let Ok(analysis) = config.analysis(field, config.edition()) else { return Default::default() };
    let text = text_at(texts, field);
    let mut analyzer = analysis.analyzer();
    let mut leaves = match &query.root {
        Some(root) => matched(root, config, texts),
        None => Vec::new(),
    };
    leaves.retain(|leaf| config.holds(leaf.scope, field));
    let tokens = Tokens::of(&mut analyzer, text);
    let mut marks = Vec::new();
    for (number, leaf) in leaves.into_iter().enumerate() {
        let typed = match &leaf.matcher {
            Matcher::Prefix { prefix, .. } => Some(prefix),
            Matcher::Phrase { tokens, prefix: true, .. } => tokens.last().map(|(_, text)| text),
            _ => None,
        };
        tokens.each(&leaf.matcher, &mut |first, last| {
            if marks.len() < MAX_MARKS {
                let token = &tokens.tokens[last];
                let mut end = token.offset_to;
                if let Some(prefix) = typed
                    && token.text.starts_with(prefix)
                {
                    let written = text.get(token.offset_from..token.offset_to).unwrap_or_default();
                    end = token.offset_from + analysis.typed_end(&mut analyzer, written, prefix);
                }
                marks.push(Mark { tokens: (first, last), end, leaf: number });
            }
        });
    }
    marks.sort_by_key(|mark| (mark.tokens, mark.leaf));
    (tokens.tokens, marks)
}

fn text_at(texts: &[Option<impl AsRef<str>>], field: usize) -> &str {
    texts.get(field).and_then(Option::as_ref).map_or("", AsRef::as_ref)
}

/// Whether `word`, or with `open` some beginning of it, is at most `max` insertions, deletions, replacements or swaps of
/// neighbours away from `term`.
fn is_within(term: &[char], word: &str, max: usize, open: bool) -> bool {
    let word: Vec<char> = word.chars().take(term.len() + max + 1).collect();
    if term.len().saturating_sub(word.len()) > max || !open && word.len() > term.len() + max {
        return false;
    }
    let mut rows = [vec![0; word.len() + 1], (0..=word.len()).collect(), vec![0; word.len() + 1]];
    for (i, a) in term.iter().enumerate() {
        let [before, last, next] = &mut rows;
        next[0] = i + 1;
        for (j, b) in word.iter().enumerate() {
            let replaced = last[j] + usize::from(a != b);
            next[j + 1] = replaced.min(last[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && term[i - 1] == *b && *a == word[j - 1] {
                next[j + 1] = next[j + 1].min(before[j - 1] + 1);
            }
        }
        rows.rotate_left(1);
    }
    if open { rows[1].iter().any(|distance| *distance <= max) } else { rows[1][word.len()] <= max }
}

/// Byte ranges of the marks, merged where they overlap.
fn ranges(tokens: &[Token], marks: &[Mark]) -> Vec<Range<usize>> {
    let mut merged: Vec<Range<usize>> = Vec::new();
    for mark in marks {
        let (start, end) = (tokens[mark.tokens.0].offset_from, mark.end);
        match merged.last_mut() {
            Some(last) if start < last.end => last.end = last.end.max(end),
            _ => merged.push(start..end),
        }
    }
    merged
}

fn wrap(text: &str, window: Range<usize>, ranges: &[Range<usize>], before: &str, after: &str) -> String {
    let mut out = String::with_capacity(window.len() + ranges.len() * (before.len() + after.len()));
    let mut at = window.start;
    for range in ranges {
        let (start, end) = (range.start.max(window.start), range.end.min(window.end));
        if start >= end {
            continue;
        }
        out.push_str(text.get(at..start).unwrap_or_default());
        out.push_str(before);
        out.push_str(text.get(start..end).unwrap_or_default());
        out.push_str(after);
        at = end;
    }
    out.push_str(text.get(at..window.end).unwrap_or_default());
    out
}

/// Whether [`highlight`] would mark something.
pub fn marks(
    config: &TextConfig,
    query: &TextQuery,
    field: usize,
    texts: &[Option<impl AsRef<str>>],
) -> bool {
    !find(config, query, field, texts).1.is_empty()
}

/// The whole text of a field with every match between `before` and `after`. `texts` are those of all fields of the row:
/// what a required word of another field decides is not marked without it.
pub fn highlight(
    config: &TextConfig,
    query: &TextQuery,
    field: usize,
    texts: &[Option<impl AsRef<str>>],
    before: &str,
    after: &str,
) -> String {
    let text = text_at(texts, field);
    let (tokens, marks) = find(config, query, field, texts);
    wrap(text, 0..text.len(), &ranges(&tokens, &marks), before, after)
}

/// The stretch of at most `max_tokens` tokens that shows the most different words of the query, then the most
/// matches, then comes first; marked as by [`highlight`]. `ellipsis` stands where text is left out.
#[expect(clippy::too_many_arguments, reason = "the SQL function has these arguments")]
pub fn snippet(
    config: &TextConfig,
    query: &TextQuery,
    field: usize,
    texts: &[Option<impl AsRef<str>>],
    before: &str,
    after: &str,
    ellipsis: &str,
    max_tokens: usize,
) -> String {
    let text = text_at(texts, field);
    let (tokens, marks) = find(config, query, field, texts);
    let max_tokens = max_tokens.max(1);
    let first = if tokens.len() > max_tokens { best_start(&tokens, &marks, text, max_tokens) } else { 0 };
    let last = (first + max_tokens).min(tokens.len());
    let start = if first == 0 { 0 } else { tokens[first].offset_from };
    let end = if last == tokens.len() { text.len() } else { tokens[last - 1].offset_to };
    let mut out = String::new();
    if first > 0 {
        out.push_str(ellipsis);
    }
    out.push_str(&wrap(text, start..end, &ranges(&tokens, &marks), before, after));
    if last < tokens.len() {
        out.push_str(ellipsis);
    }
    out
}

/// First token of the best window. Windows that begin at a match are compared; the winner is then moved left, so that
/// its matches stand in the middle or a sentence begins it.
fn best_start(tokens: &[Token], marks: &[Mark], text: &str, max_tokens: usize) -> usize {
    let mut best: Option<((usize, usize), usize, usize)> = None;
    let mut counts: HashMap<usize, usize> = HashMap::new();
    let mut head = 0;
    for (tail, mark) in marks.iter().enumerate() {
        let start = mark.tokens.0;
        while let Some(next) =
            marks.get(head).filter(|next| next.tokens.1 < start + max_tokens || head <= tail)
        {
            *counts.entry(next.leaf).or_default() += 1;
            head += 1;
        }
        let value = (counts.len(), head - tail);
        if best.is_none_or(|(most, _, _)| value > most) {
            let end = marks[tail..head].iter().map(|mark| mark.tokens.1).max().unwrap_or(start);
            best = Some((value, start, end));
        }
        if let Some(count) = counts.get_mut(&mark.leaf) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&mark.leaf);
            }
        }
    }
    let Some((_, start, end)) = best else { return 0 };
    let spare = max_tokens.saturating_sub(end + 1 - start);
    let earliest = start.saturating_sub(spare);
    let sentence = (earliest..=start).find(|at| *at == 0 || begins_sentence(tokens, text, *at));
    sentence.unwrap_or(start.saturating_sub(spare / 2)).min(tokens.len() - max_tokens)
}

fn begins_sentence(tokens: &[Token], text: &str, at: usize) -> bool {
    let gap = text.get(tokens[at - 1].offset_to..tokens[at].offset_from).unwrap_or_default();
    gap.contains(['\n', '。', '！', '？'])
        || (gap.contains(['.', '!', '?']) && gap.ends_with(char::is_whitespace))
}
