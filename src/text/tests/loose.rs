//! Phrases with `~n`, against every way to give their words places.

use super::*;

fn texts(docs: &[String]) -> Vec<&str> {
    docs.iter().map(String::as_str).collect()
}

/// Whether the words from `at` on can have places of their own whose shifts, with those of the `taken` ones, are within `slop`.
fn fits(phrase: &[&str], words: &[&str], slop: i64, taken: &mut Vec<usize>) -> bool {
    let at = taken.len();
    let shifts = || taken.iter().enumerate().map(|(offset, place)| *place as i64 - offset as i64);
    if shifts().max().unwrap_or(0) - shifts().min().unwrap_or(0) > slop {
        return false;
    }
    if at == phrase.len() {
        return true;
    }
    (0..words.len()).any(|place| {
        if words[place] != phrase[at] || taken.contains(&place) {
            return false;
        }
        taken.push(place);
        let fits = fits(phrase, words, slop, taken);
        taken.pop();
        fits
    })
}

#[test]
fn loose_phrases_find_the_rows_where_their_words_are_within_the_slop() {
    let config = plain();
    let mut seen = [0; 2];
    for seed in 1..5_u64 {
        let mut dice = Dice(seed * 7919);
        let word = |dice: &mut Dice| ["a", "b", "c", "a", "x", "y", "z"][dice.roll(7)];
        let docs: Vec<String> = (0..300)
            .map(|_| (0..1 + dice.roll(12)).map(|_| word(&mut dice)).collect::<Vec<_>>().join(" "))
            .collect();
        let searcher = open(&config, &[&bodies(&config, &texts(&docs))]);
        for _ in 0..200 {
            let phrase: Vec<&str> = (0..2 + dice.roll(4)).map(|_| word(&mut dice)).collect();
            let slop = 1 + dice.roll(7);
            let expected: Vec<u32> = (0..300)
                .filter(|ord| {
                    let words: Vec<&str> = docs[*ord as usize].split(' ').collect();
                    fits(&phrase, &words, slop as i64, &mut Vec::new())
                })
                .collect();
            let text = format!("\"{}\"~{slop}", phrase.join(" "));
            assert_eq!(found(&searcher, &text), expected, "seed {seed}: {text}");
            let others: Vec<String> = (0..70).map(|at| format!("zz{at}")).collect();
            let among = format!("{text} {}", others.join(" "));
            assert_eq!(found(&searcher, &among), expected, "seed {seed}: {text} among others");
            seen[usize::from(phrase.len() > 2)] += expected.len();
        }
    }
    assert!(seen.iter().all(|seen| *seen > 1000), "{seen:?}");
}

/// Once the words were taken in the order of their frequency, so that other rows decided; one word served as two; and of a distance
/// only the last eight bits counted.
#[test]
fn a_loose_phrase_depends_on_the_text_alone() {
    let config = plain();
    let spread = "alpha x beta y gamma";
    let more = ["beta", "beta", "gamma gamma"];
    for others in 0..more.len() {
        let docs: Vec<&str> = std::iter::once(spread).chain(more[..others].iter().copied()).collect();
        let searcher = open(&config, &[&bodies(&config, &docs)]);
        assert_eq!(found(&searcher, "\"alpha beta gamma\"~2"), [0], "{docs:?}");
        assert!(found(&searcher, "\"alpha beta gamma\"~1").is_empty(), "{docs:?}");
    }
    let far = format!("a {}b {}c", "x ".repeat(200), "x ".repeat(200));
    let searcher = open(&config, &[&bodies(&config, &["one new idea", "new and new", &far])]);
    assert_eq!(found(&searcher, "\"new new\"~1"), [1]);
    assert!(found(&searcher, "\"new new new\"~9").is_empty());
    for (slop, expected) in [(144, &[][..]), (399, &[]), (400, &[2]), (100_000, &[2])] {
        assert_eq!(found(&searcher, &format!("\"a b c\"~{slop}")), expected, "{slop}");
    }
}

#[test]
fn a_loose_phrase_over_a_long_text_can_be_interrupted() {
    let config = plain();
    let searcher = open(&config, &[&bodies(&config, &[&"a b c ".repeat(10_000)])]);
    let query = searcher.parse("\"a c b a\"~1 \"c a c\"~2", None, Syntax::Query).unwrap();
    let stop = || true;
    assert!(matches!(searcher.prepare(&query, &Interrupt::new(&stop)), Err(Error::Interrupted)));
    assert!(matches!(searcher.prepare_unscored(&query, &Interrupt::new(&stop)), Err(Error::Interrupted)));
}
