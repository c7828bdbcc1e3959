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
