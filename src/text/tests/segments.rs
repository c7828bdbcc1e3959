//! Building, merging, opening and searching segments.

use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};

fn of(config: &TextConfig, docs: &[String]) -> Arc<TextPayload> {
    bodies(config, &docs.iter().map(String::as_str).collect::<Vec<_>>())
}

const QUERIES: [&str; 7] =
    ["w1", "w0 w1 w2", "w200 w7 w3", "+w1 -w2", "w1 AND w5", "\"w1 w2\"", "w29* w250~1"];

#[test]
fn a_searcher_and_its_queries_can_be_shared_by_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<TextSearcher>();
    shared::<TextQuery>();
    shared::<TextPayload>();
}

#[test]
fn several_segments_score_like_one_that_holds_the_same_documents() {
    let config = plain();
    let docs = corpus(900, 7);
    let whole = open(&config, &[&of(&config, &docs)]);
    let parts = [of(&config, &docs[..100]), of(&config, &docs[100..101]), of(&config, &docs[101..])];
    let several = open(&config, &[&parts[0], &parts[1], &parts[2]]);
    let starts = [0_u32, 100, 101];
    for text in QUERIES {
        let query = whole.parse(text, None, Syntax::Query).unwrap();
        for limit in [1, 10, 2000] {
            let expected = whole.search(&query, &[], limit).unwrap();
            let got = several.search(&query, &[], limit).unwrap();
            assert_eq!(got.len(), expected.len(), "{text}");
            assert!(!got.is_empty(), "{text}");
            for (got, expected) in got.iter().zip(&expected) {
                assert!((got.score - expected.score).abs() < 1e-4, "{text}: {got:?} {expected:?}");
            }
            // Sums of the same numbers in another order may differ in the last bit: compare what is clearly ranked.
            let mut ords: Vec<u32> = got.iter().map(|hit| starts[hit.segment] + hit.ord).collect();
            let mut all: Vec<u32> = expected.iter().map(|hit| hit.ord).collect();
            if limit == 2000 {
                ords.sort_unstable();
                all.sort_unstable();
                assert_eq!(ords, all, "{text}");
            }
        }
    }
}

#[test]
fn a_merge_equals_an_index_built_from_the_live_documents() {
    let config = plain();
    let docs = corpus(400, 11);
    let parts = [of(&config, &docs[..150]), of(&config, &docs[150..]), of(&config, &[])];
    let alive = Bitmap::from_fn(150, |ord| ord % 3 != 1);
    let none = Bitmap::empty(250);
    for second in [None, Some(&none)] {
        let merged =
            merge(&config, &[(&parts[2], None), (&parts[0], Some(&alive)), (&parts[1], second)]).unwrap();
        let mut live: Vec<String> = docs[..150]
            .iter()
            .enumerate()
            .filter(|(at, _)| at % 3 != 1)
            .map(|(_, doc)| doc.clone())
            .collect();
        if second.is_none() {
            live.extend_from_slice(&docs[150..]);
        }
        let merged = Arc::new(TextPayload::decode(merged).unwrap());
        assert_eq!(merged.docs(), live.len());
        let merged = open(&config, &[&merged]);
        let built = open(&config, &[&of(&config, &live)]);
        for text in QUERIES {
            let query = built.parse(text, None, Syntax::Query).unwrap();
            let expected = built.search(&query, &[], 500).unwrap();
            let got = merged.search(&query, &[], 500).unwrap();
            assert_eq!(got.len(), expected.len(), "{text}");
            // Where documents fall out, tantivy estimates the tokens that are left from the rounded field lengths.
            for (got, expected) in got.iter().zip(&expected) {
                assert_eq!(got.ord, expected.ord, "{text}");
                assert!((got.score / expected.score - 1.0).abs() < 0.01, "{text}: {got:?} {expected:?}");
            }
        }
    }
}

#[test]
fn a_merge_without_dead_documents_scores_exactly_like_an_index_built_at_once() {
    let config = plain();
    let docs = corpus(400, 12);
    let parts = [of(&config, &docs[..150]), of(&config, &docs[150..])];
    let merged = merge(&config, &[(&parts[0], None), (&parts[1], Some(&Bitmap::full(250)))]).unwrap();
    let merged = open(&config, &[&Arc::new(TextPayload::decode(merged).unwrap())]);
    let built = open(&config, &[&of(&config, &docs)]);
    for text in QUERIES {
        let query = built.parse(text, None, Syntax::Query).unwrap();
        for limit in [10, 500] {
            let expected = built.search(&query, &[], limit).unwrap();
            assert_eq!(merged.search(&query, &[], limit).unwrap(), expected, "{text}");
        }
    }
}

#[test]
fn a_merge_comes_by_in_pieces_and_ends_where_it_is_stopped() {
    let config = plain();
    let docs = corpus(12_000, 13);
    let parts = [of(&config, &docs[..7_000]), of(&config, &docs[7_000..])];
    let inputs: Vec<_> = parts.iter().map(|part| (part.as_ref(), None)).collect();
    let whole = merge(&config, &inputs).unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let merged = |until: usize| {
        asked.store(0, Ordering::Relaxed);
        let count = Arc::clone(&asked);
        let go_on: GoOn = Arc::new(move || count.fetch_add(1, Ordering::Relaxed) + 1 < until);
        merge_while(&config, &inputs, &go_on)
    };
    let paced = merged(usize::MAX).unwrap();
    assert_eq!(paced.len(), whole.len());
    let pieces = asked.load(Ordering::Relaxed);
    // A piece of each file may be missing.
    assert!((paced.len() / (64 << 10)).abs_diff(pieces) <= 6, "{pieces} pieces of {} bytes", paced.len());
    assert!(pieces > 4, "{pieces} pieces are too few to mean anything");
    assert!(merged(3).is_err());
    assert_eq!(asked.load(Ordering::Relaxed), 3);
}

#[test]
fn merging_nothing_alive_gives_an_empty_index() {
    let config = plain();
    let one = bodies(&config, &["a b"]);
    for inputs in [vec![], vec![(one.as_ref(), Some(Bitmap::empty(1)))]] {
        let inputs: Vec<_> = inputs.iter().map(|(payload, alive)| (*payload, alive.as_ref())).collect();
        let merged = Arc::new(TextPayload::decode(merge(&config, &inputs).unwrap()).unwrap());
        assert_eq!(merged.docs(), 0);
        assert!(hits(&open(&config, &[&merged]), "a").is_empty());
    }
}

#[test]
fn empty_and_missing_texts_keep_the_ords_dense() {
    let config = config(&[("title", 1.0), ("body", 1.0)], "default");
    let docs: [&[Option<&str>]; 5] = [
        &[None, None],
        &[Some(""), Some("...")],
        &[Some("x"), None],
        &[None, Some("x y")],
        &[Some("y"), Some("y x")],
    ];
    let searcher = open(&config, &[&payload(&config, &docs)]);
    assert_eq!(found(&searcher, "x"), [2, 3, 4]);
    assert_eq!(found(&searcher, "y"), [3, 4]);
    assert_eq!(found(&searcher, "NOT x"), [0, 1]);
}

#[test]
fn an_index_of_empty_documents_alone_can_be_searched_and_merged() {
    let config = plain();
    let empty = payload(&config, &[&[None], &[Some("")]]);
    assert_eq!(empty.docs(), 2);
    let words = bodies(&config, &["a b", "c"]);
    assert!(hits(&open(&config, &[&empty]), "a b*").is_empty());
    let merged = merge(&config, &[(&empty, None), (&words, None), (&empty, None)]).unwrap();
    let merged = Arc::new(TextPayload::decode(merged).unwrap());
    assert_eq!(merged.docs(), 6);
    assert_eq!(found(&open(&config, &[&merged]), "a c"), [2, 3]);
}

#[test]
fn dead_documents_do_not_bend_the_scores_of_the_others() {
    const LONG: &str = "long long long long long long long long long long";
    let config = plain();
    let half = |at: usize| at % 2 == 1;
    let docs: Vec<String> =
        (0..400).map(|at| format!("foo w{at} {}", if half(at) { "" } else { LONG })).collect();
    let live: Vec<String> =
        docs.iter().enumerate().filter(|(at, _)| half(*at)).map(|(_, doc)| doc.clone()).collect();
    let bars: Vec<String> = (0..300).map(|at| format!("bar v{at}")).collect();
    let dead = Bitmap::from_fn(400, |ord| !half(ord));
    let bars = of(&config, &bars);
    let dirty =
        TextSearcher::open(&config, &[(of(&config, &docs), Some(dead)), (Arc::clone(&bars), None)]).unwrap();
    let clean = open(&config, &[&of(&config, &live), &bars]);
    let query = clean.parse("foo bar", None, Syntax::Query).unwrap();
    let (got, expected) = (dirty.search(&query, &[], 500).unwrap(), clean.search(&query, &[], 500).unwrap());
    assert_eq!(got.len(), 500);
    // 200 rows with foo are rarer than 300 with bar, though 400 were written.
    assert!(got[0].segment == 0 && expected[0].segment == 0);
    for (got, expected) in got.iter().zip(&expected) {
        assert!((got.score / expected.score - 1.0).abs() < 0.01, "{got:?} {expected:?}");
    }
    let all = TextSearcher::open(&config, &[(of(&config, &docs), Some(Bitmap::full(400)))]).unwrap();
    assert!(all.search(&query, &[], 9).unwrap().is_empty());
}

#[test]
fn deleted_documents_never_come_back() {
    let config = plain();
    let docs = corpus(300, 3);
    let deleted = Bitmap::from_fn(300, |ord| ord % 2 == 0 || ord > 250);
    let segments =
        [(of(&config, &docs), Some(deleted.clone())), (of(&config, &docs[..5]), Some(Bitmap::full(5)))];
    let searcher = TextSearcher::open(&config, &segments).unwrap();
    for text in QUERIES.into_iter().chain(["NOT w1"]) {
        let query = searcher.parse(text, None, Syntax::Query).unwrap();
        for limit in [3, 1000] {
            for hit in searcher.search(&query, &[], limit).unwrap() {
                assert!(hit.segment == 0 && !deleted.contains(hit.ord), "{text}: {hit:?}");
            }
        }
        let mut matching = searcher.matching(&query).unwrap();
        assert!(!matching[0].is_empty() && matching[1].is_empty(), "{text}");
        matching[0].and(&deleted);
        assert!(matching[0].is_empty(), "{text}");
        let all: Vec<(usize, u32)> = deleted.iter().map(|ord| (0, ord)).collect();
        assert!(searcher.score(&query, &all).unwrap().iter().all(Option::is_none));
    }
}

#[test]
fn masks_are_applied_before_the_cut_whatever_their_size() {
    let config = plain();
    let docs = corpus(3000, 5);
    let segments = [of(&config, &docs[..2000]), of(&config, &docs[2000..])];
    let searcher = open(&config, &[&segments[0], &segments[1]]);
    for text in QUERIES {
        let query = searcher.parse(text, None, Syntax::Query).unwrap();
        let all = searcher.search(&query, &[], usize::MAX).unwrap();
        for every in [1, 2, 10, 90, 500, 5000] {
            let masks = [Some(Bitmap::from_fn(2000, |ord| ord % every == every - 1)), None];
            for masks in [&masks[..], &masks[..1]] {
                let allowed = |hit: &&TextHit| {
                    masks[0].as_ref().is_some_and(|mask| hit.segment > 0 || mask.contains(hit.ord))
                };
                let expected: Vec<TextHit> = all.iter().filter(allowed).take(10).copied().collect();
                let got = searcher.search(&query, masks, 10).unwrap();
                assert_eq!(got.len(), expected.len(), "{text} every {every}");
                for (got, expected) in got.iter().zip(&expected) {
                    assert!((got.score - expected.score).abs() < 1e-4, "{text} every {every}");
                }
            }
        }
    }
}

#[test]
fn equal_scores_come_in_the_order_of_segment_and_ord() {
    let config = plain();
    let same = bodies(&config, &["same words"; 200]);
    let searcher = open(&config, &[&same, &same, &same]);
    for text in ["same", "same words", "sam*", "\"same words\"", "NOT other"] {
        let query = searcher.parse(text, None, Syntax::Query).unwrap();
        for limit in [1, 7, 199, 200, 201, 450, 1000] {
            let got = searcher.search(&query, &[], limit).unwrap();
            let places: Vec<(usize, u32)> = got.iter().map(|hit| (hit.segment, hit.ord)).collect();
            let expected: Vec<(usize, u32)> =
                (0..3).flat_map(|segment| (0..200).map(move |ord| (segment, ord))).take(limit).collect();
            assert_eq!(places, expected, "{text} {limit}");
        }
    }
}

#[test]
fn scores_of_given_documents_follow_the_order_asked_for() {
    let config = plain();
    let segments = [bodies(&config, &["a", "b", "a b"]), bodies(&config, &["c", "a"])];
    let searcher = open(&config, &[&segments[0], &segments[1]]);
    let query = searcher.parse("a", None, Syntax::Query).unwrap();
    let docs = [(1, 1), (0, 2), (0, 1), (0, 2), (0, 0), (9, 0), (0, 77), (1, 0)];
    let scores = searcher.score(&query, &docs).unwrap();
    assert_eq!(
        scores.iter().map(Option::is_some).collect::<Vec<_>>(),
        [true, true, false, true, true, false, false, false]
    );
    assert_eq!(scores[1], scores[3]);
    for hit in searcher.search(&query, &[], 10).unwrap() {
        let at = docs.iter().position(|doc| *doc == (hit.segment, hit.ord)).unwrap();
        assert_eq!(scores[at], Some(hit.score));
    }
}

#[test]
fn column_weights_multiply_the_score() {
    let docs: [&[Option<&str>]; 2] = [&[Some("x"), Some("y")], &[Some("y"), Some("x")]];
    for (weight, first) in [(3.0, 0), (0.25, 1)] {
        let config = config(&[("title", weight), ("body", 1.0)], "default");
        let searcher = open(&config, &[&payload(&config, &docs)]);
        let query = searcher.parse("x", None, Syntax::Query).unwrap();
        let got = searcher.search(&query, &[], 2).unwrap();
        assert_eq!(got[0].ord, first);
        let ratio = got[0].score / got[1].score;
        assert!((ratio - f32::max(weight, 1.0 / weight)).abs() < 1e-4);
    }
}

#[test]
fn a_wrong_number_of_texts_or_columns_is_an_error() {
    let config = plain();
    let two = TextConfig { fields: vec![config.fields[0].clone(); 2], tokenizer: None };
    let docs = vec![vec![None, None]];
    assert!(matches!(build(&config, &mut docs.into_iter()), Err(Error::Value(_))));
    let one = bodies(&config, &["a"]);
    assert!(matches!(TextSearcher::open(&two, &[(Arc::clone(&one), None)]), Err(Error::Corrupt { .. })));
    assert!(matches!(merge(&two, &[(&one, None)]), Err(Error::Corrupt { .. })));
}

#[test]
fn mutilated_payloads_are_errors_and_never_panics() {
    let config = plain();
    let good = bytes_of(&config, &[&[Some("a b c")], &[Some("d e")]]);
    for len in 0..good.len() {
        assert!(TextPayload::decode(good[..len].to_vec()).is_err(), "cut to {len}");
    }
    let mut longer = good.clone();
    longer.push(0);
    assert!(TextPayload::decode(longer).is_err());
    let mut dice = Dice(99);
    for _ in 0..2000 {
        let mut bad = good.clone();
        let at = dice.roll(60);
        bad[at] ^= 1 << dice.roll(8);
        // Frame bytes: decoding refuses them, or what is left still has bounds that hold.
        if let Ok(payload) = TextPayload::decode(bad) {
            assert!(payload.file(5).len() <= good.len());
        }
    }
}

#[test]
fn damaged_engine_files_give_errors_and_not_panics() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let config = plain();
    let docs = corpus(50, 1);
    let docs: Vec<[Option<&str>; 1]> = docs.iter().map(|text| [Some(text.as_str())]).collect();
    let good = bytes_of(&config, &docs.iter().map(<[_; 1]>::as_slice).collect::<Vec<_>>());
    let mut dice = Dice(4);
    let mut refused = 0;
    for _ in 0..300 {
        let mut bad = good.clone();
        let at = 60 + dice.roll(good.len() - 60);
        bad[at] ^= 1 << dice.roll(8);
        let Ok(payload) = TextPayload::decode(bad) else { continue };
        let Ok(searcher) = TextSearcher::open(&config, &[(Arc::new(payload), None)]) else {
            refused += 1;
            continue;
        };
        let query = searcher.parse("w1 \"w2 w3\" w4*", None, Syntax::Query).unwrap();
        refused += usize::from(searcher.search(&query, &[], 10).is_err());
    }
    std::panic::set_hook(hook);
    assert!(refused > 0);
}

#[test]
fn a_smaller_limit_gives_the_beginning_of_a_larger_one() {
    let config = plain();
    let mut dice = Dice(31);
    let distinct = corpus(150, 30);
    let docs: Vec<String> = (0..6000).map(|_| distinct[dice.roll(distinct.len())].clone()).collect();
    let segments = [of(&config, &docs[..4500]), of(&config, &docs[4500..])];
    let searcher = open(&config, &[&segments[0], &segments[1]]);
    for round in 0..200 {
        let words: Vec<String> = (0..2 + round % 6).map(|_| format!("w{}", dice.roll(60))).collect();
        let query = searcher.parse(&words.join(" "), None, Syntax::Query).unwrap();
        let all = searcher.search(&query, &[], usize::MAX).unwrap();
        for limit in [1, 10, 100, 1000] {
            let got = searcher.search(&query, &[], limit).unwrap();
            assert_eq!(got, all[..limit.min(all.len())], "{words:?} limit {limit}");
        }
    }
}
