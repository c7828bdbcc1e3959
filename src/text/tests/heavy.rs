//! Queries of many words: the same rows and scores as in small ones, at a bounded cost.

use super::*;

fn texts(docs: &[String]) -> Vec<&str> {
    docs.iter().map(String::as_str).collect()
}

/// `text` beside words that no document has, so many that it is evaluated in windows.
fn heavy(text: &str) -> String {
    let others: Vec<String> = (0..70).map(|at| format!("zz{at}")).collect();
    format!("({text}) {}", others.join(" "))
}

#[test]
fn a_query_among_many_words_finds_and_scores_what_it_does_alone() {
    let config = config(&[("title", 2.0), ("body", 1.0)], "default");
    let (titles, docs) = (corpus(5000, 41), corpus(5000, 42));
    let rows: Vec<[Option<&str>; 2]> =
        titles.iter().zip(&docs).map(|(title, body)| [Some(title.as_str()), Some(body.as_str())]).collect();
    let rows: Vec<&[Option<&str>]> = rows.iter().map(<[_; 2]>::as_slice).collect();
    let segments = [
        (payload(&config, &rows[..4500]), Some(Bitmap::from_fn(4500, |ord| ord % 7 == 3))),
        (payload(&config, &rows[4500..]), None),
    ];
    let searcher = TextSearcher::open(&config, &segments).unwrap();
    let mask = [Some(Bitmap::from_fn(4500, |ord| ord % 5 != 1))];
    for text in [
        "w1",
        "w1 w2 w3^2.5",
        "w1 AND w5 AND NOT w9",
        "+w1 w7 -w3",
        "NOT w1",
        "w4 OR (NOT w1 NOT w2)",
        "(w1 OR w20) AND (w3 OR \"w1 w2\") AND NOT (w0 AND w8)",
        "\"w1 w2\" \"w0 w0\" \"w2 w1\"~3 \"w0 w0\"~1 \"w1 w2 w3\"~4",
        "w29* w250~1 \"w1 w2\"* title:w1*",
        "title:(w1 w2) body:w3^0.5",
        "title:body:w1 w2",
    ] {
        let alone = searcher.parse(text, None, Syntax::Query).unwrap();
        let among = searcher.parse(&heavy(text), None, Syntax::Query).unwrap();
        assert_eq!(searcher.matching(&among).unwrap(), searcher.matching(&alone).unwrap(), "{text}");
        for masks in [&[][..], &mask[..]] {
            let expected = searcher.search(&alone, masks, usize::MAX).unwrap();
            let got = searcher.search(&among, masks, usize::MAX).unwrap();
            assert!(!got.is_empty(), "{text}");
            let scores = |hits: &[TextHit]| {
                let mut all: Vec<_> = hits.iter().map(|hit| (hit.segment, hit.ord, hit.score)).collect();
                all.sort_unstable_by_key(|hit| (hit.0, hit.1));
                all
            };
            let (got_scores, expected) = (scores(&got), scores(&expected));
            assert_eq!(got_scores.len(), expected.len(), "{text}");
            for (got, expected) in got_scores.iter().zip(&expected) {
                assert_eq!((got.0, got.1), (expected.0, expected.1), "{text}");
                assert!((got.2 - expected.2).abs() <= 2e-6 * expected.2.abs(), "{text} {got:?} {expected:?}");
            }
            assert_eq!(searcher.search(&among, masks, 10).unwrap(), got[..10.min(got.len())], "{text}");
            let few: Vec<(usize, u32)> = got.iter().step_by(97).map(|hit| (hit.segment, hit.ord)).collect();
            for (hit, score) in got.iter().step_by(97).zip(searcher.score(&among, &few).unwrap()) {
                assert_eq!(score, Some(hit.score), "{text}");
            }
        }
    }
}

#[test]
fn a_repeated_word_counts_as_often_as_it_stands_there() {
    let config = plain();
    let docs = corpus(300, 5);
    let searcher = open(&config, &[&bodies(&config, &texts(&docs))]);
    let result = |text: &str| {
        let query = searcher.parse(text, None, Syntax::Query).unwrap();
        searcher.search(&query, &[], usize::MAX).unwrap()
    };
    for (repeated, once) in [
        ("w1 w1", "w1^2"),
        ("w1^2 w2 w1^0.5", "w1^2.5 w2"),
        ("(w1 w2) w1", "w1^2 w2"),
        ("(w1 AND w2) (w1 AND w2)^3", "(w1 AND w2)^4"),
        ("(w1 AND w2) AND w1", "w1^2 AND w2"),
        ("+w1 w1 w2", "+w1^2 w2"),
        ("w1 -w2 -w2 -(w2 OR w3)", "w1 -w2 -w3"),
        ("\"w1 w2\" \"w1 w2\"", "\"w1 w2\"^2"),
        ("w3* w3*", "w3*^2"),
        ("w33~ w33~", "w33~^2"),
    ] {
        let (got, expected) = (result(repeated), result(once));
        assert_eq!(got.len(), expected.len(), "{repeated}");
        for (got, expected) in got.iter().zip(&expected) {
            assert!(
                (got.score - expected.score).abs() <= 2e-6 * expected.score,
                "{repeated} {got:?} {expected:?}"
            );
        }
    }
    assert_eq!(result(&"w1 ".repeat(5000)).len(), result("w1").len());
}

/// Boosts of boosts once made every score infinite.
#[test]
fn no_boost_makes_scores_infinite_or_zero() {
    let config = plain();
    let searcher = open(&config, &[&bodies(&config, &["b", "a b c d", "a", "a a b"])]);
    let order = hits(&searcher, "a");
    for factor in ["999999", "0.000001"] {
        let mut text = "a".to_owned();
        for _ in 0..12 {
            text = format!("({text}^{factor})^{factor}");
        }
        let query = searcher.parse(&text, None, Syntax::Query).unwrap();
        let got = searcher.search(&query, &[], 10).unwrap();
        assert!(got.iter().all(|hit| hit.score.is_finite() && hit.score > 0.0), "{got:?}");
        assert_eq!(got.iter().map(|hit| hit.ord).collect::<Vec<_>>(), order, "{factor}");
    }
}

#[test]
fn a_long_phrase_of_equal_words_is_found_where_it_stands() {
    let config = plain();
    let long = "a ".repeat(9000);
    let docs = [
        format!("{long} b"),
        format!("{}b {}", "a ".repeat(70), "a b ".repeat(5000)),
        "a a a".to_owned(),
        format!("{}{}", "b ".repeat(6000), long),
    ];
    let searcher = open(&config, &[&bodies(&config, &texts(&docs))]);
    let phrase = |words: &str, times: usize, end: &str| format!("\"{}{end}\"", words.repeat(times));
    for (text, expected) in [
        (phrase("a ", 70, ""), vec![0, 1, 3]),
        (phrase("a ", 71, ""), vec![0, 3]),
        (phrase("a ", 200, "b"), vec![0]),
        (phrase("a b ", 100, ""), vec![1]),
        (phrase("b ", 100, "a"), vec![3]),
        (phrase("b ", 100, "a b"), vec![]),
        (phrase("a ", 70, "b a b"), vec![1]),
        (phrase("a ", 8000, ""), vec![0, 3]),
    ] {
        assert_eq!(found(&searcher, &text), expected, "{}...", &text[..20]);
    }
}

/// Once nothing was asked before a pass over all documents was done.
#[test]
fn a_search_ends_when_it_is_interrupted() {
    let config = plain();
    let docs = corpus(4000, 77);
    let searcher = open(&config, &[&bodies(&config, &texts(&docs))]);
    let words: Vec<String> = (0..200).map(|at| format!("w{at}")).collect();
    for text in
        [words.join(" "), words.join("* "), words.join("~1 "), format!("\"{}\"*", words[..2].join(" "))]
    {
        let query = searcher.parse(&text, None, Syntax::Query).unwrap();
        let stop = || true;
        let ended = |result: Result<()>| matches!(result, Err(Error::Interrupted));
        let never = Interrupt::never();
        let prepared = searcher.prepare(&query, &never).unwrap();
        let early = searcher.prepare(&query, &Interrupt::new(&stop)).map(drop);
        let late = searcher.best(&prepared, &[], usize::MAX, &ByOrd, &Interrupt::new(&stop)).map(drop);
        assert!(ended(early) || ended(late), "{}", &text[..9]);
        if text.len() > 100 {
            assert!(ended(searcher.matches(&query, &Interrupt::new(&stop)).map(drop)), "{}", &text[..9]);
        }
    }
}

/// The automata of all fuzzy words were made at once, one for each column, megabytes each, before anybody was asked.
#[test]
fn making_the_automaton_of_a_long_fuzzy_word_can_be_interrupted() {
    let config = plain();
    let searcher = open(&config, &[&bodies(&config, &["a"])]);
    let stop = || true;
    for text in [format!("{}~2", "abcdefgh".repeat(8)), format!("{}~1", "é1".repeat(32))] {
        let query = searcher.parse(&text, None, Syntax::Query).unwrap();
        let ended = searcher.prepare(&query, &Interrupt::new(&stop)).map(drop);
        assert!(matches!(ended, Err(Error::Interrupted)), "{text}");
    }
}

#[test]
fn a_fuzzy_word_finds_and_scores_in_each_column_what_it_does_there_alone() {
    let both = config(&[("title", 1.0), ("body", 1.0)], "default");
    let rows: [&[Option<&str>]; 4] = [
        &[Some("owls"), Some("owl owl")],
        &[Some("mice"), Some("owlet")],
        &[Some("bowl"), Some("mice")],
        &[Some("x"), None],
    ];
    let segments = [payload(&both, &rows[..2]), payload(&both, &rows[2..])];
    let searcher = open(&both, &[&segments[0], &segments[1]]);
    let places = |text: &str| {
        let query = searcher.parse(text, None, Syntax::Query).unwrap();
        let mut all: Vec<_> = searcher.search(&query, &[], 9).unwrap();
        all.sort_by_key(|hit| (hit.segment, hit.ord));
        all.iter().map(|hit| (hit.segment, hit.ord, hit.score)).collect::<Vec<_>>()
    };
    for text in ["owl~1", "owl~2", "mice~1"] {
        let (title, body) = (places(&format!("title:{text}")), places(&format!("body:{text}")));
        let together = places(text);
        let found: std::collections::BTreeSet<_> =
            title.iter().chain(&body).map(|(segment, ord, _)| (*segment, *ord)).collect();
        assert_eq!(together.len(), found.len(), "{text}");
        let twice = places(&format!("title:{text} body:{text} {text}"));
        assert_eq!(twice.len(), found.len(), "{text}");
    }
}
