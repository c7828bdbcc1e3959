//! The words by which one row differs from others.

use super::*;

#[test]
fn words_that_are_rare_elsewhere_and_frequent_here_come_first() {
    let config = config(&[("title", 2.0), ("body", 1.0)], "en_stem");
    let docs: Vec<[Option<&str>; 2]> = vec![
        [Some("the owls"), Some("the owls of the forest hunt mice and the mice hide, a hapax \"quoted\"")],
        [Some("the wolf"), Some("the wolf of the forest hunts deer")],
        [Some("mice"), Some("the mice of the house, an owl")],
        [None, Some("the house of the wolf")],
    ];
    let rows: Vec<&[Option<&str>]> = docs.iter().map(<[_; 2]>::as_slice).collect();
    let both = [payload(&config, &rows[..2]), payload(&config, &rows[2..])];
    let searcher = open(&config, &[&both[0], &both[1]]);
    let words = |field, most| searcher.characteristic(&docs[0], field, most).unwrap();
    // "owls" has the weight of the title besides; "hapax", "quoted" and "hide" are in no other row.
    assert_eq!(words(None, 2), r#""owls" "mice""#);
    assert_eq!(words(Some(1), 2), r#""mice" "owls""#);
    let all = words(None, 100);
    assert!(all.contains("\"hunt\"") && all.contains("\"forest\"") && all.contains("\"the\""), "{all}");
    assert!(
        !all.contains("hapax") && !all.contains("quoted") && !all.contains("hide") && !all.contains("\"a\""),
        "{all}"
    );
    assert_eq!(searcher.characteristic(&[None::<&str>, None], None, 25).unwrap(), "");
    // The words find the other rows that have them, by their stems.
    let query = searcher.parse(&words(None, 2), None, Syntax::Query).unwrap();
    let found: Vec<Vec<u32>> = searcher
        .matches(&query, &Interrupt::never())
        .unwrap()
        .iter()
        .map(|rows| rows.iter().collect())
        .collect();
    assert_eq!(found, [vec![0], vec![0]]);
}

/// Once a word that a query cannot hold ended it.
#[test]
fn a_word_too_long_for_a_query_leaves_room_for_the_others() {
    let mut config = config(&[("tag", 1.0), ("body", 1.0)], "default");
    config.fields[0].tokenizer = Some("raw".into());
    let long = "long ".repeat(4000);
    let docs: Vec<[Option<&str>; 2]> = vec![
        [Some(&long), Some("an owl hunts")],
        [Some(&long), Some("the owl sleeps")],
        [Some("x"), Some("a wolf")],
        [Some("y"), Some("the house")],
    ];
    let rows: Vec<&[Option<&str>]> = docs.iter().map(<[_; 2]>::as_slice).collect();
    let searcher = open(&config, &[&payload(&config, &rows)]);
    assert_eq!(searcher.characteristic(&docs[0], None, 25).unwrap(), "\"owl\"");
}
