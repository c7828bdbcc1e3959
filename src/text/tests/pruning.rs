//! Blocks that are skipped hold nothing better, whatever the lengths of texts are elsewhere.

use super::*;

fn of(config: &TextConfig, docs: &[String]) -> Arc<TextPayload> {
    bodies(config, &docs.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The best document of a block once was the best by the average length of its segment, and the block was skipped by it.
#[test]
fn the_best_row_is_found_among_short_ones_when_others_are_long() {
    let config = plain();
    let mut docs = vec![format!("owl{}", " x".repeat(9)); 256];
    docs[200] = format!("owl owl{}", " x".repeat(98));
    let long = vec!["y ".repeat(500); 1000];
    let searcher = open(&config, &[&of(&config, &docs), &of(&config, &long)]);
    assert_eq!(hits(&searcher, "owl")[0], 200);
    let query = searcher.parse("owl", None, Syntax::Query).unwrap();
    let best = searcher.search(&query, &[], 1).unwrap();
    assert_eq!(best[0].ord, 200, "{best:?}");
}

/// Documents of `words` different words, of lengths up to `longest`, in which some words stand often.
fn documents(count: usize, longest: usize, dice: &mut Dice) -> Vec<String> {
    let one = |dice: &mut Dice| {
        let mut text = String::new();
        for _ in 0..1 + dice.roll(4) {
            text.push_str(&format!("w{} ", dice.roll(6)).repeat(1 + dice.roll(5)));
        }
        text + &"z ".repeat(dice.roll(longest))
    };
    (0..count).map(|_| one(dice)).collect()
}

#[test]
fn a_search_for_few_rows_is_the_beginning_of_one_that_skips_nothing() {
    let config = plain();
    for seed in 1..9_u64 {
        let mut dice = Dice(seed * 7919);
        let (short, long) = (documents(1500, 10, &mut dice), documents(900, 600, &mut dice));
        let dead = Bitmap::from_fn(1500, |ord| ord % 3 == 1 || ord > 1200);
        let open = |docs: &[String], dead: Option<&Bitmap>| {
            Arc::new(OpenedText::open(&config, &of(&config, docs), dead).unwrap())
        };
        let recent = documents(700, if seed % 2 == 0 { 3 } else { 300 }, &mut dice);
        let dead_recent: Vec<bool> = (0..700).map(|row| row % 5 == 2).collect();
        let mut reader = TextReader::new(&config).unwrap();
        let mut log = RecentTexts::default();
        for text in &recent {
            log.push(&mut reader, &[Some(Cow::Borrowed(text))]);
        }
        let mut parts = vec![open(&short, Some(&dead)), open(&long, None)];
        parts.extend(log.indexes(&config, &dead_recent).unwrap());
        let searcher = TextSearcher::over(&config, parts).unwrap();
        for text in ["w1", "w0 w5", "w1 AND w2", "+w3 w4 w5", "w2^3 w1 w0 w4"] {
            let query = searcher.parse(text, None, Syntax::Query).unwrap();
            let all = searcher.search(&query, &[], usize::MAX).unwrap();
            assert!(all.len() > 100, "{text}");
            for limit in [1, 2, 10, 100] {
                let got = searcher.search(&query, &[], limit).unwrap();
                assert_eq!(got, all[..limit], "seed {seed}: {text} limit {limit}");
            }
        }
    }
}
