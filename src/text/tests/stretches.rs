//! Matches of a part of a segment: those of the whole that are in it.

use super::*;

#[test]
fn the_matches_of_a_range_are_those_of_the_whole_that_are_in_it() {
    let config = plain();
    let docs = corpus(9_000, 11);
    let docs: Vec<&str> = docs.iter().map(String::as_str).collect();
    let dead = Bitmap::from_fn(9_000, |ord| ord % 7 == 3);
    let segments = [(bodies(&config, &docs), Some(dead)), (bodies(&config, &docs[..100]), None)];
    let searcher = TextSearcher::open(&config, &segments).unwrap();
    let heavy: String = (0..90).map(|n| format!("w{n} ")).collect();
    let never = Interrupt::never();
    let mut dice = Dice(3);
    for text in [
        "w1",
        "w299",
        "absent",
        "-w1",
        "w1 AND w2",
        "w1 -w2",
        "\"w1 w2\"",
        "w29*",
        "w250~1",
        "\"w1 w2\"*",
        &heavy,
        "",
    ] {
        let query = searcher.parse(text, None, Syntax::Query).unwrap();
        let whole = searcher.matching(&query).unwrap();
        let prepared = searcher.prepare_unscored(&query, &never).unwrap();
        for (segment, docs) in [(0, 9_000), (1, 100)] {
            for _ in 0..20 {
                let start = dice.roll(docs + 1) as u32;
                let end = start + dice.roll(docs + 1 - start as usize) as u32;
                for few in [0, 500, u32::MAX] {
                    let mut found = Vec::new();
                    let range = start..end;
                    let mut each = |ord| found.push(ord);
                    let seen = searcher
                        .matches_within(&prepared, segment, range.clone(), few, &never, &mut each)
                        .unwrap();
                    assert!(seen.start <= start && seen.end >= end, "{text} {range:?} {seen:?}");
                    let expected: Vec<u32> = whole[segment].iter().filter(|ord| seen.contains(ord)).collect();
                    assert_eq!(found, expected, "{text} {range:?} few {few}");
                    assert!(few > 0 || text.is_empty() || seen == range, "{text} {range:?} {seen:?}");
                }
            }
        }
    }
}
