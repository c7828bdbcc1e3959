//! Words with marks that are typed without them, in tables with a stemmer that knows the marks.

use super::*;

const DOCS: [&str; 5] = [
    "a informação pública",
    "as informações",
    "informacao publica",
    "outra coisa",
    "informac\u{327}a\u{303}o?",
];

fn made(edition: Edition) -> Arc<TextPayload> {
    let mut rows = DOCS.iter().map(|text| vec![Some(Cow::Borrowed(*text))]);
    let bytes = writer::build_by(&config(&[("body", 1.0)], "pt_stem"), edition, &mut rows).unwrap();
    Arc::new(TextPayload::decode(bytes).unwrap())
}

#[test]
fn a_word_typed_without_its_marks_finds_the_word() {
    let config = config(&[("body", 1.0)], "pt_stem");
    let searcher = open(&config, &[&made(config.edition())]);
    let cases: &[(&str, &[u32])] = &[
        // What the stemmer knows is found as ever.
        ("informação", &[0, 1, 4]),
        ("informações", &[0, 1, 4]),
        ("INFORMAC\u{327}A\u{303}O", &[0, 1, 4]),
        ("informacao", &[0, 2, 4]),
        ("informacoes", &[1]),
        ("publica", &[0, 2]),
        ("pública", &[0, 2]),
        ("\"informacao publica\"", &[0, 2]),
        ("\"informação pública\"", &[0]),
        ("\"a informacao\"", &[0]),
        ("\"informacao outra\"", &[]),
        ("informacao AND publica", &[0, 2]),
        ("+publica -informacao", &[]),
        ("informac*", &[0, 1, 2, 4]),
        ("\"a informac\"*", &[0]),
        ("informacas~1", &[0, 1, 2, 4]),
    ];
    for (text, expected) in cases {
        assert_eq!(found(&searcher, text), *expected, "{text}");
    }
}

#[test]
fn older_indexes_find_what_they_found_beside_newer_ones() {
    let config = config(&[("body", 1.0)], "pt_stem");
    let (second, third) = (made(Edition::Second), made(Edition::Third));
    assert!(!second.is_current(&config) && third.is_current(&config));
    let searcher = open(&config, &[&second, &third]);
    for (text, expected) in [
        ("informacao", [vec![2], vec![0, 2, 4]]),
        ("informação", [vec![0, 1, 4], vec![0, 1, 4]]),
        ("publica", [vec![0, 2], vec![0, 2]]),
    ] {
        let query = searcher.parse(text, None, Syntax::Query).unwrap();
        let found: Vec<Vec<u32>> =
            searcher.matching(&query).unwrap().iter().map(|set| set.iter().collect()).collect();
        assert_eq!(found, expected, "{text}");
    }
    assert!(merge(&config, &[(&second, None), (&third, None)]).is_err());
    assert!(merge(&config, &[(&third, None), (&third, None)]).is_ok());
}

#[test]
fn rules_that_change_nothing_for_a_tokenizer_make_no_index_old() {
    for (tokenizer, number) in [
        ("default", 2),
        ("en_stem", 2),
        ("raw", 2),
        ("whitespace", 2),
        ("trigram", 2),
        ("fr_stem", 3),
        ("tr_stem", 3),
    ] {
        assert_eq!(config(&[("body", 1.0)], tokenizer).edition_number(), number, "{tokenizer}");
    }
}

#[test]
fn words_are_marked_by_either_spelling() {
    for (query, text, expected) in [
        ("informacao", "a informação pública", "a [informação] pública"),
        ("informação", "a informação pública", "a [informação] pública"),
        (
            "\"informacao publica\"",
            "a informação pública e informação",
            "a [informação pública] e informação",
        ),
        ("\"informação pública\"", "a informação pública", "a [informação pública]"),
        ("\"a informacao\"~1", "a nova informac\u{327}a\u{303}o", "[a nova informac\u{327}a\u{303}o]"),
        ("informac*", "informação", "[informação]"),
    ] {
        assert_eq!(marking::marked("pt_stem", query, text), expected, "{query} {text}");
    }
    let config = config(&[("body", 1.0)], "pt_stem");
    let query = TextQuery::parse(&config, "educacao", None, Syntax::Query).unwrap();
    let text = "informação educação população nação ação";
    // Words are counted, not their spellings.
    let cut = |tokens| snippet(&config, &query, 0, &[Some(text)], "[", "]", "…", tokens);
    assert_eq!(cut(5), "informação [educação] população nação ação");
    assert_eq!(cut(3), "informação [educação] população…");
}
