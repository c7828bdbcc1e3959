//! Words that stand for many: prefixes, fuzzy words, phrases that end in a prefix. Against a scan of the texts.

use super::*;

/// Segments of `docs` cut at random, and where each begins.
fn cut(config: &TextConfig, docs: &[String], dice: &mut Dice) -> (TextSearcher, Vec<usize>) {
    let mut starts = vec![0];
    while starts[starts.len() - 1] < docs.len() {
        starts.push(starts[starts.len() - 1] + 1 + dice.roll(docs.len()));
    }
    let end = starts.len() - 1;
    starts[end] = docs.len();
    let segments: Vec<_> = starts
        .windows(2)
        .map(|ends| bodies(config, &docs[ends[0]..ends[1]].iter().map(String::as_str).collect::<Vec<_>>()))
        .collect();
    (open(config, &segments.iter().collect::<Vec<_>>()), starts)
}

/// Documents that match, counted over all segments.
fn matching(searcher: &TextSearcher, starts: &[usize], text: &str) -> Vec<usize> {
    let query = searcher.parse(text, None, Syntax::Query).unwrap();
    let mut by_search: Vec<usize> = searcher
        .search(&query, &[], usize::MAX)
        .unwrap()
        .into_iter()
        .map(|hit| starts[hit.segment] + hit.ord as usize)
        .collect();
    by_search.sort_unstable();
    let sets = searcher.matching(&query).unwrap();
    let by_sets: Vec<usize> = sets
        .iter()
        .zip(starts)
        .flat_map(|(set, start)| set.iter().map(|ord| start + ord as usize).collect::<Vec<_>>())
        .collect();
    assert_eq!(by_search, by_sets, "{text}");
    by_sets
}

/// Phrases with a prefix once tried the first 1,024 continuations of each segment, whatever stood before them.
#[test]
fn phrases_that_end_in_a_prefix_find_every_row_that_a_scan_finds() {
    let config = plain();
    for seed in 1..6_u64 {
        println!("seed {seed}");
        let mut dice = Dice(seed * 7919);
        let docs: Vec<String> = (0..2500)
            .map(|_| {
                let words: Vec<String> = (0..2 + dice.roll(9))
                    .map(|_| match dice.roll(3) {
                        0 => format!("x{:04}", dice.roll(4000)),
                        1 => ["alpha", "beta", "gamma"][dice.roll(3)].to_owned(),
                        _ => format!("y{}", dice.roll(40)),
                    })
                    .collect();
                words.join(" ")
            })
            .collect();
        let (searcher, starts) = cut(&config, &docs, &mut dice);
        let mut most = 0;
        for round in 0..40 {
            let first = ["alpha", "beta", "y7", "alpha beta", "gamma y1", "alpha alpha"][dice.roll(6)];
            let end = ["x", "x0", "x1", "x39", "y", "y1", "a", "alpha", "zz"][dice.roll(9)];
            let phrase = format!("{first} {end}");
            let expected: Vec<usize> = (0..docs.len())
                .filter(|at| format!(" {}", docs[*at]).contains(&format!(" {phrase}")))
                .collect();
            most = most.max(expected.len());
            let quoted = format!("\"{phrase}\"*");
            assert_eq!(matching(&searcher, &starts, &quoted), expected, "{quoted}");
            // Among so many words that the query is evaluated in windows, and beside phrases with the same ending.
            let others: Vec<String> =
                (0..70).map(|at| format!("qq{at} \"qq{at} {end}\"* \"y{at} qq\"*")).collect();
            let heavy = format!("{quoted} {}", others.join(" "));
            if round % 8 == 0 {
                assert_eq!(matching(&searcher, &starts, &heavy), expected, "{quoted} among others");
            }
        }
        assert!(most > 300, "{most}");
    }
}

#[test]
fn the_word_itself_ranks_before_its_continuations_and_typos() {
    let config = plain();
    let fillers = vec!["some other text".to_owned(); 30];
    for (text, first, second) in [
        ("java*", "a java book", "a javascript book"),
        ("quick~", "a quick fox", "a quikc fox"),
        ("quick~2", "a quick fox", "a qucik fox"),
        ("\"a java\"*", "a java book", "a javascript book"),
        ("java* book", "a java book", "a javascript book"),
    ] {
        for swapped in [false, true] {
            let mut docs = vec![first.to_owned(), second.to_owned()];
            if swapped {
                docs.reverse();
            }
            docs.extend(fillers.clone());
            let searcher =
                open(&config, &[&bodies(&config, &docs.iter().map(String::as_str).collect::<Vec<_>>())]);
            let expected = if swapped { [1, 0] } else { [0, 1] };
            assert_eq!(hits(&searcher, text)[..2], expected, "{text}");
        }
    }
}

/// A prefix or a fuzzy word once scored the same wherever and however often it stood.
#[test]
fn a_word_that_stands_for_others_scores_like_a_word() {
    let config = plain();
    let mut docs = corpus(300, 8);
    docs[3] = "lonely words here".into();
    docs[7] = "lonely lonely lonely and a few words more, as many as make it long".into();
    docs[9] = "lonely and a few words more, as many as make it long, and then some others".into();
    let searcher = open(&config, &[&bodies(&config, &docs.iter().map(String::as_str).collect::<Vec<_>>())]);
    let scores = |text: &str| {
        let query = searcher.parse(text, None, Syntax::Query).unwrap();
        searcher.search(&query, &[], 10).unwrap()
    };
    let word = scores("lonely");
    for text in ["lonel*", "lonelz~", "lonley~"] {
        assert_eq!(scores(text), word, "{text}");
    }
    let phrase = scores("\"lonely words\"");
    assert_eq!(phrase.len(), 1);
    let prefix = scores("\"lonely word\"*");
    assert_eq!(prefix.len(), 1);
    assert!((prefix[0].score / phrase[0].score - 1.0).abs() < 1e-5);
    // Two words stand for as many documents as have either.
    let one = bodies(&config, &["ab", "ac", "ab ac", "b", "c", "d"]);
    let other = bodies(&config, &["word", "a", "word", "word", "b", "c"]);
    let best = |segment: &Arc<TextPayload>, text: &str| {
        let searcher = open(&config, &[segment]);
        let query = searcher.parse(text, None, Syntax::Query).unwrap();
        searcher.search(&query, &[], 10).unwrap().iter().map(|hit| hit.score).fold(f32::MAX, f32::min)
    };
    let ratio = best(&one, "a*") / best(&other, "word");
    assert!((0.9..1.1).contains(&ratio), "{ratio}");
}

/// A phrase of two words that ends in a prefix once had the score 1.
#[test]
fn a_phrase_with_a_prefix_counts_as_much_as_its_words() {
    let config = plain();
    let mut docs = vec!["quick fox", "thing two three four"];
    docs.extend(["filler words of no interest"; 200]);
    let searcher = open(&config, &[&bodies(&config, &docs)]);
    assert_eq!(hits(&searcher, "\"quick fo\"* thing"), [0, 1]);
}

#[test]
fn stems_of_prefixes_are_found_and_count_as_the_word() {
    let config = config(&[("body", 1.0)], "en_stem");
    let searcher = open(&config, &[&bodies(&config, &["runningwear late", "a run late", "walking late"])]);
    assert_eq!(hits(&searcher, "running*")[0], 1);
    assert_eq!(found(&searcher, "running*"), [0, 1]);
}

/// Once the last word of such a phrase was looked for as it is written, and the index has its stem.
#[test]
fn the_stem_of_the_last_word_ends_a_phrase_with_a_prefix() {
    let config = config(&[("body", 1.0)], "en_stem");
    let docs =
        ["vector databases and state-machines", "vector databank", "the state of a machine", "a vector"];
    let searcher = open(&config, &[&bodies(&config, &docs)]);
    for (text, expected) in [
        ("\"vector databases\"*", &[0][..]),
        ("\"vector database\"*", &[0]),
        ("\"vector databa\"*", &[0, 1]),
        ("state-machine*", &[0]),
        ("state-machines*", &[0]),
        ("\"vector databases\"* \"state machine\"* \"vector data\"*", &[0, 1]),
    ] {
        assert_eq!(found(&searcher, text), expected, "{text}");
    }
    let marked = |query: &str| super::marking::marked("en_stem", query, docs[0]);
    assert_eq!(marked("\"vector database\"*"), "[vector databases] and state-machines");
    assert_eq!(marked("state-machine*"), "vector databases and [state-machines]");
}
