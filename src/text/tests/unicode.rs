//! The same word in every form in which Unicode lets it be written, under every tokenizer.

use super::*;
use unicode_normalization::UnicodeNormalization;

const WORD_TOKENIZERS: [&str; 20] = [
    "default", "trigram", "ar_stem", "da_stem", "de_stem", "el_stem", "en_stem", "es_stem", "fi_stem",
    "fr_stem", "hu_stem", "it_stem", "nl_stem", "no_stem", "pt_stem", "ro_stem", "ru_stem", "sv_stem",
    "ta_stem", "tr_stem",
];

/// A word of each script whose composed form differs from its decomposed one, or which has no other form.
const WORDS: [&str; 26] = [
    "Ångström",
    "préférée",
    "informação",
    "informações",
    "größer",
    "Straße",
    "fußgängerübergänge",
    "ığdır",
    "việtnam",
    "войной",
    "новый",
    "ёлка",
    "λόγος",
    "ΐδιος",
    "ἀρχή",
    "أحمد",
    "مؤسسة",
    "שָׁלוֹם",
    "हिन्दी",
    "क़लम",
    "தமிழ்",
    "ガラス",
    "パン",
    "한국어",
    "東京都",
    "ภาษาไทย",
];

/// `text` with `what` between its letters.
fn sown(text: &str, what: char) -> String {
    text.nfc().flat_map(|c| [c, what]).collect::<String>().trim_end_matches(what).to_owned()
}

fn finds(tokenizer: &str, document: &str, query: &str) -> bool {
    let config = config(&[("body", 1.0)], tokenizer);
    let searcher = open(&config, &[&bodies(&config, &[document])]);
    !hits(&searcher, &format!("\"{query}\"")).is_empty()
}

#[test]
fn canonically_equal_words_are_equal_in_every_script_under_every_tokenizer() {
    for tokenizer in WORD_TOKENIZERS.into_iter().chain(["raw", "whitespace"]) {
        for word in WORDS {
            let forms = [word.nfc().collect::<String>(), word.nfd().collect()];
            for document in &forms {
                for query in &forms {
                    assert!(finds(tokenizer, document, query), "{tokenizer}: {query:?} in {document:?}");
                }
            }
        }
    }
}

#[test]
fn words_meet_whatever_invisible_characters_stand_in_them() {
    for tokenizer in WORD_TOKENIZERS {
        for word in WORDS {
            for ignored in ['\u{AD}', '\u{200B}', '\u{200C}', '\u{200D}', '\u{2060}', '\u{FEFF}', '\u{200E}']
            {
                let written = sown(word, ignored);
                assert!(finds(tokenizer, &written, word), "{tokenizer}: {word:?} in {written:?}");
                assert!(finds(tokenizer, word, &written), "{tokenizer}: {written:?} in {word:?}");
            }
        }
    }
    assert!(!finds("whitespace", "infor\u{AD}mation", "information"), "whitespace changes no character");
    assert!(!finds("raw", "infor\u{AD}mation", "information"), "raw changes no character");
}

#[test]
fn capitals_meet_their_small_letters() {
    let cases = [
        ("default", "ΟΔΟΣ", "οδος"),
        ("default", "ΛΌΓΟΣ", "λόγος"),
        ("default", "ΛΟΓΟΣ", "λόγος"),
        ("default", "λόγοσ", "λόγος"),
        ("el_stem", "ΛΟΓΟΣ", "λόγος"),
        ("tr_stem", "KIZLAR", "kızlar"),
        ("tr_stem", "IŞIKLAR", "ışıklar"),
        ("tr_stem", "İSTANBUL", "istanbul"),
        ("default", "KIZLAR", "kızlar"),
        ("default", "İSTANBUL", "istanbul"),
        ("default", "10 µm", "10 μm"),
        ("default", "10 ΜM", "10 µm"),
        ("default", "STRASSE", "straße"),
        ("de_stem", "STRASSE", "straße"),
        ("default", "ԵՒ", "և"),
        ("default", "ВОЙНА", "война"),
        ("ru_stem", "ВОЙНЫ", "войной"),
        ("default", "Ⴀⴀ", "ⴀⴀ"),
        ("trigram", "ΔΡΌΜΟΣ", "δρόμος"),
        ("default", "ＦＵＬＬ", "full"),
    ];
    for (tokenizer, one, other) in cases {
        assert!(finds(tokenizer, one, other), "{tokenizer}: {other:?} in {one:?}");
        assert!(finds(tokenizer, other, one), "{tokenizer}: {one:?} in {other:?}");
    }
    for word in WORDS {
        let (upper, lower) = (word.to_uppercase(), word.to_lowercase());
        assert!(finds("default", &upper, &lower), "{lower:?} in {upper:?}");
        assert!(finds("default", &lower, &upper), "{upper:?} in {lower:?}");
    }
}

#[test]
fn letters_that_differ_stay_different() {
    for (one, other) in [("й", "и"), ("ё", "е"), ("が", "か"), ("한", "하"), ("آ", "ا"), ("x²", "x2y")]
    {
        assert!(!finds("default", one, other), "{other:?} in {one:?}");
        assert!(!finds("default", other, one), "{one:?} in {other:?}");
    }
    assert!(!finds("raw", "ﬁ", "fi"));
    assert!(!finds("whitespace", "µm", "μm"));
}

#[test]
fn stemmers_know_the_accents_of_their_language_in_either_form() {
    let cases = [
        ("fr_stem", "préférée", "préférées"),
        ("pt_stem", "informação", "informações"),
        ("ru_stem", "война", "войной"),
        ("es_stem", "canción", "canciones"),
        ("hu_stem", "könyvek", "könyveket"),
    ];
    for (tokenizer, one, other) in cases {
        for document in [one.nfc().collect::<String>(), one.nfd().collect()] {
            for query in [other.nfc().collect::<String>(), other.nfd().collect()] {
                assert!(finds(tokenizer, &document, &query), "{tokenizer}: {query:?} in {document:?}");
            }
        }
    }
}

#[test]
fn marks_stand_around_the_bytes_of_the_original() {
    let cases = [
        ("default", "résumé", "Un re\u{301}sume\u{301}!", "Un [re\u{301}sume\u{301}]!"),
        ("default", "information", "in\u{AD}for\u{AD}mation desk", "[in\u{AD}for\u{AD}mation] desk"),
        ("default", "in\u{AD}formation", "information desk", "[information] desk"),
        ("default", "desk", "in\u{AD}for\u{AD}mation desk", "in\u{AD}for\u{AD}mation [desk]"),
        ("default", "новый", "новыи\u{306} год", "[новыи\u{306}] год"),
        ("default", "год", "новыи\u{306} год", "новыи\u{306} [год]"),
        ("pt_stem", "informações", "a informac\u{327}a\u{303}o", "a [informac\u{327}a\u{303}o]"),
        ("default", "国", "\u{1112}\u{1161}\u{11AB}国", "\u{1112}\u{1161}\u{11AB}[国]"),
        ("default", "fine", "the ﬁne print", "the [ﬁne] print"),
        ("trigram", "éfé", "pre\u{301}fe\u{301}re", "pr[e\u{301}fe\u{301}]re"),
        ("raw", "é", "e\u{301}", "[e\u{301}]"),
        ("whitespace", "\"é!\"", "a e\u{301}! b", "a [e\u{301}!] b"),
        ("default", "bom", "\u{FEFF}bom", "\u{FEFF}[bom]"),
    ];
    for (tokenizer, query, text, expected) in cases {
        assert_eq!(marking::marked(tokenizer, query, text), expected, "{tokenizer} {query:?} {text:?}");
    }
}

fn old(config: &TextConfig, docs: &[&str]) -> Arc<TextPayload> {
    let mut rows = docs.iter().map(|text| vec![Some(Cow::Borrowed(*text))]);
    Arc::new(TextPayload::decode(writer::build_by(config, Edition::First, &mut rows).unwrap()).unwrap())
}

#[test]
fn a_query_finds_what_each_index_can_find_by_its_own_rules() {
    let config = plain();
    let first = old(&config, &["войной", "войнои\u{306}", "plain λόγος"]);
    let second = bodies(&config, &["войной", "войнои\u{306}", "plain λόγος"]);
    assert!(!first.is_current(&config) && second.is_current(&config));
    let searcher = open(&config, &[&first, &second]);
    let found = |query: &str| {
        let query = searcher.parse(query, None, Syntax::Query).unwrap();
        let matching = searcher.matching(&query).unwrap();
        let pairs: Vec<(usize, u32)> =
            matching.iter().enumerate().flat_map(|(at, set)| set.iter().map(move |ord| (at, ord))).collect();
        let mut hits: Vec<(usize, u32)> =
            searcher.search(&query, &[], 100).unwrap().iter().map(|hit| (hit.segment, hit.ord)).collect();
        hits.sort_unstable();
        assert_eq!(hits, pairs);
        let scores = searcher.score(&query, &pairs).unwrap();
        assert!(scores.iter().all(Option::is_some), "{scores:?}");
        pairs
    };
    assert_eq!(found("войной"), [(0, 0), (1, 0), (1, 1)]);
    assert_eq!(found("plain"), [(0, 2), (1, 2)]);
    assert_eq!(found("λόγος"), [(0, 2), (1, 2)]);
    assert_eq!(found("λογος"), [(1, 2)]);
    assert_eq!(found("λόγ*"), [(0, 2), (1, 2)]);
}

#[test]
fn indexes_of_different_rules_are_not_mixed_in_one() {
    let config = plain();
    let (first, second) = (old(&config, &["a"]), bodies(&config, &["b"]));
    let error = merge(&config, &[(&first, None), (&second, None)]).unwrap_err();
    assert!(error.to_string().contains("different rules"), "{error}");
    let merged = merge(&config, &[(&first, None), (&first, None)]).unwrap();
    assert!(!TextPayload::decode(merged).unwrap().is_current(&config));
}
