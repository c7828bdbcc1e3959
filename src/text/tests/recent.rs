//! Rows that are in no segment yet, against indexes that tantivy has built of them.

use super::oracle::random_query;
use super::*;
use std::collections::BTreeMap;

type Documents = Vec<[Option<String>; 2]>;

fn documents(count: usize, seed: u64) -> Documents {
    let mut dice = Dice(seed * 31 + 7);
    let (titles, bodies) = (corpus(count, seed), corpus(count, seed + 1));
    let texts = titles.into_iter().zip(bodies);
    texts
        .map(|(title, body)| {
            let title = title.split(' ').take(4).collect::<Vec<_>>().join(" ");
            // Some are empty or missing, some hold what tokenizers read in their own way.
            [
                (dice.roll(4) > 0).then_some(title),
                match dice.roll(12) {
                    0 => None,
                    1 => Some(String::new()),
                    2 => Some(format!("{body} Straße getUserById w1_w2 東京都 naïve")),
                    _ => Some(body),
                },
            ]
        })
        .collect()
}

fn index(config: &TextConfig, docs: &[[Option<String>; 2]]) -> Arc<OpenedText> {
    let docs: Vec<[Option<&str>; 2]> =
        docs.iter().map(|doc| [doc[0].as_deref(), doc[1].as_deref()]).collect();
    let payload = payload(config, &docs.iter().map(<[_; 2]>::as_slice).collect::<Vec<_>>());
    Arc::new(OpenedText::open(config, &payload, None).unwrap())
}

/// Hits by the number of their row among the recent ones, those of `old` apart.
fn hits(
    searcher: &TextSearcher,
    query: &TextQuery,
    limit: usize,
    number: &dyn Fn(usize, u32) -> usize,
) -> BTreeMap<(bool, usize), u32> {
    let found = searcher.search(query, &[], limit).unwrap();
    let place = |hit: &TextHit| {
        if hit.segment == 0 { (true, hit.ord as usize) } else { (false, number(hit.segment, hit.ord)) }
    };
    found.iter().map(|hit| (place(hit), hit.score.to_bits())).collect()
}

#[test]
fn they_score_as_if_they_were_a_segment_of_their_living_rows() {
    let (mut ranked, mut compared) = (0, 0);
    for (seed, tokenizer) in [(1, "default"), (2, "de_stem"), (3, "code"), (4, "trigram"), (5, "en_stem")] {
        let mut config = config(&[("title", 2.5), ("body", 1.0)], tokenizer);
        if seed == 1 {
            config.fields[0].tokenizer = Some("whitespace".into());
        }
        let old = index(&config, &documents(300, seed + 100));
        let docs = documents(900, seed);
        let mut dice = Dice(seed);
        let mut reader = TextReader::new(&config).unwrap();
        let mut recent = RecentTexts::default();
        let mut dead = vec![false; docs.len()];
        for (row, doc) in docs.iter().enumerate() {
            let texts: Vec<_> = doc.iter().map(|text| text.as_deref().map(Cow::Borrowed)).collect();
            recent.push(&mut reader, &texts);
            if row % 150 != 17 {
                continue;
            }
            assert_eq!(recent.rows(), row + 1);
            // With those that died since.
            if row > 300 {
                (0..10).for_each(|_| dead[dice.roll(row)] = true);
            }
            let living: Vec<usize> = (0..=row).filter(|row| !dead[*row]).collect();
            let kept: Documents = living.iter().map(|row| docs[*row].clone()).collect();
            let plain = TextSearcher::over(&config, vec![Arc::clone(&old), index(&config, &kept)]).unwrap();
            let mut parts = vec![Arc::clone(&old)];
            parts.extend(recent.indexes(&config, &dead[..=row]).unwrap());
            let blocks = TextSearcher::over(&config, parts).unwrap();
            let block = |segment: usize, ord: u32| (segment - 1) * RecentTexts::BLOCK + ord as usize;
            for _ in 0..40 {
                let text = random_query(&mut dice, 0);
                let query = config.parse(&text, None, Syntax::Query).unwrap();
                for limit in [10, 10_000] {
                    // Which of several equal rows is the tenth depends on the order of the rows alone, which is the same.
                    let expected = hits(&plain, &query, limit, &|_, ord| living[ord as usize]);
                    ranked += expected.len();
                    assert_eq!(hits(&blocks, &query, limit, &block), expected, "{text} among {row}");
                    let Some(words) = query.words() else { continue };
                    let words = Arc::new(recent.index_of(&config, &words, &dead[..=row]).unwrap());
                    let own = TextSearcher::over(&config, vec![Arc::clone(&old), words]).unwrap();
                    let all = |_, ord: u32| ord as usize;
                    assert_eq!(hits(&own, &query, limit, &all), expected, "{text} among {row}");
                    compared += 1;
                }
            }
        }
    }
    assert!(ranked > 100_000 && compared > 200, "{ranked}, {compared}");
}

#[test]
fn they_may_have_no_words_at_all() {
    let config = plain();
    let query = config.parse("a OR \"a b\"", None, Syntax::Query).unwrap();
    let of_a = query.words().unwrap();
    let mut recent = RecentTexts::default();
    assert_eq!(recent.index_of(&config, &of_a, &[]).unwrap().docs(), 0);
    assert!(recent.indexes(&config, &[]).unwrap().is_empty());
    let mut reader = TextReader::new(&config).unwrap();
    recent.push(&mut reader, &[]);
    recent.push(&mut reader, &[None]);
    recent.push(&mut reader, &[Some(Cow::Borrowed("  "))]);
    let dead = [true, false, false];
    let of = |index| TextSearcher::over(&config, vec![Arc::new(index)]).unwrap();
    let searcher = of(recent.index_of(&config, &of_a, &dead).unwrap());
    for (text, found) in [("a", 0), ("NOT a", 2), ("\"a b\"", 0)] {
        let query = config.parse(text, None, Syntax::Query).unwrap();
        assert_eq!(searcher.search(&query, &[], 10).unwrap().len(), found, "{text}");
    }
    assert_eq!(recent.indexes(&config, &dead).unwrap().len(), 1);
}
