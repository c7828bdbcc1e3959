//! The options of text queries against plain lists of words.

use super::*;
use crate::text_options::{Fuzzy, Minimum, Operator};

/// The rows that a query with options finds in one segment; search, matching and scores agree.
fn found_by(searcher: &TextSearcher, text: &str, options: &TextOptions) -> Vec<u32> {
    let query = searcher.parse(text, None, options.clone()).unwrap();
    let matching: Vec<u32> = searcher.matching(&query).unwrap()[0].iter().collect();
    let hits = searcher.search(&query, &[], 10_000).unwrap();
    let mut by_search: Vec<u32> = hits.iter().map(|hit| hit.ord).collect();
    by_search.sort_unstable();
    assert_eq!(by_search, matching, "{text:?} {options:?}");
    let few = searcher.search(&query, &[], 7).unwrap();
    assert_eq!(few, hits[..hits.len().min(7)], "{text:?} {options:?}: the best 7 are no beginning");
    let asked: Vec<(usize, u32)> = hits.iter().map(|hit| (0, hit.ord)).collect();
    let scores = searcher.score(&query, &asked).unwrap();
    assert!(hits.iter().zip(scores).all(|(hit, score)| score == Some(hit.score)), "{text:?} {options:?}");
    matching
}

/// Least number of insertions, deletions, replacements and swaps of neighbours, none touched twice.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            table[i][j] = match (i, j) {
                (0, rest) | (rest, 0) => rest,
                _ => {
                    let replaced = table[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                    let least = replaced.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
                    let swap = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                    if swap { least.min(table[i - 2][j - 2] + 1) } else { least }
                }
            };
        }
    }
    table[a.len()][b.len()]
}

fn within(typed: &str, word: &str, errors: usize) -> bool {
    distance(&typed.chars().collect::<Vec<_>>(), &word.chars().collect::<Vec<_>>()) <= errors
}

/// Words of few letters, so that many are near each other.
fn word(dice: &mut Dice) -> String {
    let letters = 1 + dice.roll(9);
    (0..letters).map(|_| ['a', 'b', 'c'][dice.roll(3)]).collect()
}

#[test]
fn options_find_the_rows_that_a_look_at_every_word_finds() {
    for (seed, tokenizers) in
        [(1, ["default"; 3]), (2, ["default", "whitespace", "code"]), (3, ["code", "default", "code"])]
    {
        let mut dice = Dice(seed);
        let mut config = config(&[("a", 1.0), ("b", 2.0), ("c", 1.0)], "default");
        for (field, tokenizer) in config.fields.iter_mut().zip(tokenizers) {
            field.tokenizer = Some(tokenizer.into());
        }
        let docs: Vec<[String; 3]> = (0..300)
            .map(|_| {
                std::array::from_fn(|_| {
                    (0..dice.roll(4)).map(|_| word(&mut dice)).collect::<Vec<_>>().join(" ")
                })
            })
            .collect();
        let texts: Vec<Vec<Option<&str>>> =
            docs.iter().map(|doc| doc.iter().map(|text| Some(text.as_str())).collect()).collect();
        let searcher =
            open(&config, &[&payload(&config, &texts.iter().map(Vec::as_slice).collect::<Vec<_>>())]);
        let mut seen = 0;
        for _ in 0..400 {
            let words: Vec<String> = (0..1 + dice.roll(5)).map(|_| word(&mut dice)).collect();
            let (needs, fuzzy, prefix) = (dice.roll(4), dice.roll(5), dice.roll(3) == 0);
            let mut options = TextOptions::from([Syntax::Query, Syntax::Words][dice.roll(2)]);
            let mut distinct = words.clone();
            distinct.sort();
            distinct.dedup();
            // The last word, as a prefix, is another one than the same word before it.
            let open =
                prefix && words.len() > 1 && words[..words.len() - 1].contains(&words[words.len() - 1]);
            let count = distinct.len() + usize::from(open);
            let minimum = match dice.roll(2) {
                0 => Minimum::Words(1 + dice.roll(6) as u32),
                _ => Minimum::share(dice.roll(100) as f64 / 100.0),
            };
            let needed = match needs {
                0 => 1,
                1 => {
                    options = options.operator(Operator::And);
                    count
                }
                _ => {
                    options = options.minimum_match(minimum);
                    match minimum {
                        Minimum::Words(n) => (n as usize).min(count),
                        Minimum::Share(share) => (count * share as usize / 10_000).max(1),
                    }
                }
            };
            options = match fuzzy {
                0 | 1 => options,
                4 => options.fuzzy(Fuzzy::Auto),
                distance => options.fuzzy(Fuzzy::Distance(distance as u8 - 1)),
            };
            let errors = |typed: &str| match (fuzzy, typed.len()) {
                (2 | 3, _) => fuzzy - 1,
                (4, 4..8) => 1,
                (4, 8..) => 2,
                _ => 0,
            };
            options = options.prefix_last(prefix);
            let has = |typed: &str, last: bool, word: &str| {
                let ends = if last { 0..=word.len() } else { word.len()..=word.len() };
                ends.into_iter().any(|end| within(typed, &word[..end], errors(typed)))
            };
            let mut asked: Vec<(&String, bool)> = distinct.iter().map(|word| (word, false)).collect();
            if prefix {
                let last = &words[words.len() - 1];
                if !open {
                    asked.retain(|(word, _)| *word != last);
                }
                asked.push((last, true));
            }
            let expected: Vec<u32> = (0..docs.len() as u32)
                .filter(|ord| {
                    let all: Vec<&str> = docs[*ord as usize]
                        .iter()
                        .flat_map(|text| text.split(' '))
                        .filter(|w| !w.is_empty())
                        .collect();
                    let matched =
                        |(typed, last): &&(&String, bool)| all.iter().any(|word| has(typed, *last, word));
                    asked.iter().filter(matched).count() >= needed
                })
                .collect();
            let text = words.join(" ");
            let found = found_by(&searcher, &text, &options);
            let apart =
                found.iter().chain(&expected).find(|ord| found.contains(ord) != expected.contains(ord));
            let apart = apart.map(|ord| (found.contains(ord), &docs[*ord as usize]));
            assert_eq!(apart, None, "seed {seed}: {text:?} {options:?}");
            seen += expected.len();
        }
        assert!(seen > 5_000, "{seen}");
    }
}

/// One document a text, each with a title and a body.
fn library(titles_and_bodies: &[(&str, &str)]) -> TextSearcher {
    let config = config(&[("title", 1.0), ("body", 1.0)], "default");
    let docs: Vec<[Option<&str>; 2]> =
        titles_and_bodies.iter().map(|(title, body)| [Some(*title), Some(*body)]).collect();
    open(&config, &[&payload(&config, &docs.iter().map(<[_; 2]>::as_slice).collect::<Vec<_>>())])
}

#[test]
fn and_asks_for_every_word_in_any_column_beside_operators_too() {
    let searcher =
        library(&[("whale song", "ships"), ("whale", "song and ships"), ("ships", "sea"), ("a wi-fi", "x")]);
    let and = TextOptions::new().operator(Operator::And);
    for (text, expected) in [
        ("whale ships", vec![0, 1]),
        ("song sea", vec![]),
        ("song OR sea", vec![0, 1, 2]),
        ("whale OR sea ships", vec![0, 1, 2]),
        ("ships -whale", vec![2]),
        ("ships (sea song)", vec![]),
        ("ships (sea OR song)", vec![0, 1, 2]),
        ("title:ships sea", vec![2]),
        ("\"whale song\" ships", vec![0]),
        ("wi-fi", vec![3]),
        ("wi-box", vec![]),
        ("whale +ships", vec![0, 1]),
        ("-whale", vec![2, 3]),
        ("", vec![]),
    ] {
        assert_eq!(found_by(&searcher, text, &and), expected, "{text}");
    }
    assert_eq!(found_by(&searcher, "wi-box", &TextOptions::new()), [3]);
}

#[test]
fn a_minimum_counts_words_without_signs_phrases_and_brackets_once() {
    let searcher = library(&[("a b", "c"), ("a", "d"), ("b c", ""), ("d e", "f"), ("a b", "x")]);
    let two = TextOptions::new().minimum_match(Minimum::Words(2));
    for (text, expected) in [
        ("a b c", vec![0, 2, 4]),
        ("a a a", vec![0, 1, 4]),
        ("\"a b\" c d", vec![0]),
        ("(a b) c d", vec![0, 1, 2]),
        ("+a b c d", vec![0]),
        ("a b c -x", vec![0, 2]),
        ("a AND b OR c", vec![0]),
        ("a", vec![0, 1, 4]),
        ("-a", vec![2, 3]),
    ] {
        assert_eq!(found_by(&searcher, text, &two), expected, "{text}");
    }
    let all = TextOptions::new().minimum_match(Minimum::share(1.0));
    assert_eq!(found_by(&searcher, "a b c", &all), [0]);
    assert_eq!(found_by(&searcher, "a b c", &TextOptions::new().minimum_match(Minimum::Words(9))), [0]);
    // Rounded down: two in three.
    assert_eq!(
        found_by(&searcher, "a b c", &TextOptions::new().minimum_match(Minimum::share(0.75))),
        [0, 2, 4]
    );
    assert_eq!(
        found_by(&searcher, "a b", &TextOptions::new().minimum_match(Minimum::share(0.4))),
        [0, 1, 2, 4]
    );
}

#[test]
fn the_last_word_is_a_prefix_until_it_ends() {
    let searcher =
        library(&[("running shoes", "shop"), ("run", "shore"), ("sh", ""), ("theory", "of the sea")]);
    let typed = |text| found_by(&searcher, text, &TextOptions::new().prefix_last(true));
    assert_eq!(typed("run"), [0, 1]);
    assert_eq!(typed("run "), [1]);
    assert_eq!(typed("sh run"), [0, 1, 2]);
    assert_eq!(typed("-run sh"), [0, 2]);
    assert_eq!(typed("sh -run"), [2]);
    assert_eq!(typed("\"running sh\""), Vec::<u32>::new());
    assert_eq!(typed("run sho"), [0, 1]);
    let words = TextOptions::from(Syntax::Words).prefix_last(true).operator(Operator::And);
    assert_eq!(found_by(&searcher, "shore ru", &words), [1]);
    assert_eq!(found_by(&searcher, "\"running-sh", &words), [0]);
    let stops = words.stop_words("the, of");
    assert_eq!(found_by(&searcher, "the sea", &stops), [3]);
    assert_eq!(found_by(&searcher, "sea the", &stops), [3]);
    assert_eq!(found_by(&searcher, "the", &stops), [3]);
}

#[test]
fn stop_words_are_left_out_of_words_and_kept_in_phrases_and_alone() {
    let searcher = library(&[
        ("to be or not to be", "Hamlet"),
        ("the who", "a band"),
        ("be quick", "the hare"),
        ("für uns", "été"),
    ]);
    let english = TextOptions::new().stop_words("en");
    for (text, expected) in [
        ("the hare", vec![2]),
        ("the band of the be", vec![1]),
        ("to be or not to be", vec![0, 2]),
        ("\"not to be\"", vec![0]),
        ("+the hare", vec![1, 2]),
        ("hare -the", vec![]),
        ("hare AND the", vec![2]),
        ("the*", vec![1, 2]),
        ("THE, Hare!", vec![2]),
        ("the -hare", vec![1]),
        ("title:the band", vec![1]),
        ("the", vec![1, 2]),
    ] {
        assert_eq!(found_by(&searcher, text, &english), expected, "{text}");
    }
    let and = english.clone().operator(Operator::And);
    assert_eq!(found_by(&searcher, "the hare", &and), [2]);
    assert_eq!(found_by(&searcher, "to be", &and), [0]);
    let query = searcher.parse("the hare of the", None, english).unwrap();
    assert_eq!(query.warnings(), ["stop words are left out: the, of"]);
    let own = TextOptions::new().stop_words("Hare; ETE");
    assert_eq!(found_by(&searcher, "hare band été", &own), [1]);
    assert_eq!(found_by(&searcher, "für band", &TextOptions::new().stop_words("de")), [1]);
    assert_eq!(found_by(&searcher, "fu\u{308}r band", &TextOptions::new().stop_words("de")), [1]);
    assert_eq!(found_by(&searcher, "für band", &TextOptions::new().stop_words("")), [1, 3]);
}

#[test]
fn weights_of_a_query_go_before_those_declared() {
    let searcher = library(&[("whale", "x y"), ("x y", "whale")]);
    let first = |title: f32| {
        let options = TextOptions::new().weight("TITLE", title);
        let query = searcher.parse("whale*", None, options.clone()).unwrap();
        let prefix = searcher.search(&query, &[], 1).unwrap()[0].ord;
        let query = searcher.parse("whale", None, options).unwrap();
        assert_eq!(searcher.search(&query, &[], 1).unwrap()[0].ord, prefix);
        prefix
    };
    assert_eq!((first(5.0), first(0.2)), (0, 1));
    let error = searcher.parse("whale", None, TextOptions::new().weight("nope", 1.0)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "\"weights\": there is no FULLTEXT column 'nope'; FULLTEXT columns are title, body"
    );
}

#[test]
fn a_long_text_with_typing_errors_is_searched_all_the_same() {
    let searcher = library(&[("whale", "ships"), ("last", "word9999")]);
    let letter = |number: usize| char::from(b'a' + (number % 26) as u8);
    let words = (0..1500).map(|at| format!("zz{}{}{} ", letter(at / 676), letter(at / 26), letter(at)));
    let text: String = words.collect();
    let query =
        searcher.parse(&format!("{text} whle last"), None, TextOptions::new().fuzzy(Fuzzy::Auto)).unwrap();
    assert_eq!(searcher.matching(&query).unwrap()[0].iter().collect::<Vec<_>>(), [1]);
    assert_eq!(query.warnings(), ["of so many words, the last ones are searched without typing errors"]);
    let few = TextOptions::new().fuzzy(Fuzzy::Distance(1));
    assert_eq!(found_by(&searcher, "whle", &few), [0]);
    // A word with a digit has no errors unless a number of them is given.
    assert_eq!(found_by(&searcher, "word9998", &TextOptions::new().fuzzy(Fuzzy::Auto)), Vec::<u32>::new());
    assert_eq!(found_by(&searcher, "word9998", &few), [1]);
}
