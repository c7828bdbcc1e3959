//! Tests of the text layer as its callers see it.

mod characteristic;
mod code;
mod heavy;
mod joined;
mod language;
mod loose;
mod marking;
mod modes;
mod open_words;
mod oracle;
mod pruning;
mod quality;
mod recent;
mod segments;
mod stretches;
mod unicode;
mod unmarked;

use super::*;
use crate::bitmap::Bitmap;
use std::borrow::Cow;
use std::sync::Arc;

fn config(fields: &[(&str, f32)], tokenizer: &str) -> TextConfig {
    TextConfig {
        fields: fields
            .iter()
            .map(|(name, weight)| Field { name: (*name).into(), weight: *weight, tokenizer: None })
            .collect(),
        tokenizer: Some(tokenizer.into()),
    }
}

/// One column, `body`.
fn plain() -> TextConfig {
    config(&[("body", 1.0)], "default")
}

fn bytes_of(config: &TextConfig, docs: &[&[Option<&str>]]) -> Vec<u8> {
    build(config, &mut docs.iter().map(|doc| doc.iter().map(|text| text.map(Cow::Borrowed)).collect()))
        .unwrap()
}

fn payload(config: &TextConfig, docs: &[&[Option<&str>]]) -> Arc<TextPayload> {
    Arc::new(TextPayload::decode(bytes_of(config, docs)).unwrap())
}

/// A payload of documents with one text each.
fn bodies(config: &TextConfig, docs: &[&str]) -> Arc<TextPayload> {
    let docs: Vec<[Option<&str>; 1]> = docs.iter().map(|text| [Some(*text)]).collect();
    payload(config, &docs.iter().map(<[_; 1]>::as_slice).collect::<Vec<_>>())
}

fn open(config: &TextConfig, segments: &[&Arc<TextPayload>]) -> TextSearcher {
    let segments: Vec<_> = segments.iter().map(|segment| (Arc::clone(segment), None)).collect();
    TextSearcher::open(config, &segments).unwrap()
}

/// Equal scores in the order of segment and ord.
struct ByOrd;

impl Ties for ByOrd {
    fn number(&self, segment: usize, ord: u32) -> Result<i64> {
        Ok((segment as i64) << 32 | i64::from(ord))
    }

    fn ascends(&self, _: usize) -> Result<bool> {
        Ok(true)
    }
}

impl TextSearcher {
    fn parse(&self, query: &str, field: Option<usize>, options: impl Into<TextOptions>) -> Result<TextQuery> {
        self.config().parse(query, field, options)
    }

    fn search(&self, query: &TextQuery, allowed: &[Option<Bitmap>], limit: usize) -> Result<Vec<TextHit>> {
        let never = Interrupt::never();
        self.best(&self.prepare(query, &never)?, allowed, limit, &ByOrd, &never)
    }

    fn score(&self, query: &TextQuery, docs: &[(usize, u32)]) -> Result<Vec<Option<f32>>> {
        let never = Interrupt::never();
        self.scores(&self.prepare(query, &never)?, docs, &never)
    }

    fn matching(&self, query: &TextQuery) -> Result<Vec<Bitmap>> {
        self.matches(query, &Interrupt::never())
    }
}

/// Ords of the hits of one segment, best first.
fn hits(searcher: &TextSearcher, query: &str) -> Vec<u32> {
    let query = searcher.parse(query, None, Syntax::Query).unwrap();
    searcher.search(&query, &[], 1000).unwrap().into_iter().map(|hit| hit.ord).collect()
}

/// Ords that match in the only segment, ascending; checks that search, matching and score agree.
fn found(searcher: &TextSearcher, text: &str) -> Vec<u32> {
    let query = searcher.parse(text, None, Syntax::Query).unwrap();
    let matching = searcher.matching(&query).unwrap();
    let hits = searcher.search(&query, &[], 1000).unwrap();
    let mut by_search: Vec<u32> = hits.iter().map(|hit| hit.ord).collect();
    by_search.sort_unstable();
    let ords: Vec<u32> = matching[0].iter().collect();
    assert_eq!(by_search, ords, "search and matching differ for {text:?}");
    let wanted: Vec<(usize, u32)> = (0..matching[0].len() as u32).map(|ord| (0, ord)).collect();
    for (ord, score) in searcher.score(&query, &wanted).unwrap().into_iter().enumerate() {
        let hit = hits.iter().find(|hit| hit.ord == ord as u32).map(|hit| hit.score);
        match (hit, score) {
            (None, None) => {}
            (Some(hit), Some(score)) => assert!((hit - score).abs() < 1e-4, "{text:?}: {hit} {score}"),
            other => panic!("{text:?}: scores differ at {ord}: {other:?}"),
        }
    }
    ords
}

/// A small generator, so that tests repeat.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

/// `count` documents of words whose frequencies differ widely.
fn corpus(count: usize, seed: u64) -> Vec<String> {
    let mut dice = Dice(seed);
    (0..count)
        .map(|_| {
            let words = 3 + dice.roll(40);
            (0..words)
                .map(|_| {
                    let most = 1 + dice.roll(300);
                    format!("w{}", dice.roll(most))
                })
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect()
}
