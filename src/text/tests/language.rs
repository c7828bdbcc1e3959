//! The query language and the tokenizers.

use super::*;
use crate::limits;

fn library() -> TextSearcher {
    let config = config(&[("title", 1.0), ("body", 1.0)], "default");
    let docs: [&[Option<&str>]; 6] = [
        &[Some("SQLite vectors"), Some("a small database with vector search")],
        &[Some("Postgres"), Some("a large database, not SQLite")],
        &[Some("Cooking"), Some("search for a small recipe")],
        &[Some("sqlite-vec"), Some("an extension")],
        &[Some("Ångström naïve"), Some("the café's résumé")],
        &[Some("time: 10:30"), Some("note on C++ and don't")],
    ];
    open(&config, &[&payload(&config, &docs)])
}

#[test]
fn every_form_of_the_query_language_finds_what_it_should() {
    let library = library();
    let cases: &[(&str, &[u32])] = &[
        ("sqlite", &[0, 1, 3]),
        ("SQLITE postgres", &[0, 1, 3]),
        ("sqlite AND postgres", &[1]),
        ("sqlite AND NOT postgres", &[0, 3]),
        ("sqlite NOT postgres", &[0, 3]),
        ("sqlite -postgres", &[0, 3]),
        ("+sqlite +small", &[0]),
        ("+sqlite small", &[0, 1, 3]),
        ("cooking OR sqlite AND postgres", &[1, 2]),
        ("(cooking OR sqlite) AND (small OR large)", &[0, 1, 2]),
        ("small AND (search NOT recipe)", &[0]),
        ("\"vector search\"", &[0]),
        ("\"search vector\"", &[]),
        ("\"search vector\"~2", &[0]),
        ("\"small search\"~3", &[0]),
        ("\"small search\"~1", &[]),
        ("\"with vec\"*", &[0]),
        ("vec*", &[0, 3]),
        ("VECT*", &[0]),
        ("sqli* AND postg*", &[1]),
        ("recipi~", &[2]),
        ("reciip~1", &[]),
        ("reciip~2", &[2]),
        ("serach~1", &[0, 2]),
        ("title:sqlite", &[0, 3]),
        ("TITLE:sqlite", &[0, 3]),
        ("title:\"sqlite vec\"", &[3]),
        ("title:(sqlite postgres)", &[0, 1, 3]),
        ("body:sqlite", &[1]),
        ("-title:sqlite body:database", &[1]),
        ("title:sql*", &[0, 3]),
        ("title:body:sqlite", &[0, 3]),
        ("sqlite-vec", &[0, 1, 3]),
        ("sqlite^2 postgres^0.5", &[0, 1, 3]),
        ("angstrom", &[4]),
        ("Å\u{0}ngström naive", &[4]),
        ("A\u{30a}ngstro\u{308}m", &[4]),
        ("RESUME cafe", &[4]),
        // Things people type.
        ("time: 10:30", &[5]),
        ("foo:sqlite", &[0, 1, 3]),
        ("c++ don't", &[5]),
        ("\"sqlite", &[0, 1, 3]),
        ("sqlite\"", &[0, 1, 3]),
        ("(sqlite", &[0, 1, 3]),
        ("sqlite))) (", &[0, 1, 3]),
        ("AND sqlite AND", &[0, 1, 3]),
        ("sqlite OR OR", &[0, 1, 3]),
        ("NOT", &[]),
        ("+ - ! ^ ~ * : \\ / [a TO b}", &[0, 1, 2]),
        ("* sqlite", &[0, 1, 3]),
        ("sqlite AND !!!", &[0, 1, 3]),
        ("how do I use sqlite?", &[0, 1, 3]),
        ("title:", &[]),
        ("~2 ^3 sqlite^", &[0, 1, 3]),
    ];
    for (text, expected) in cases {
        assert_eq!(found(&library, text), *expected, "{text:?}");
    }
}

#[test]
fn a_restricted_query_searches_only_that_column() {
    let library = library();
    for (text, field, expected) in [
        ("sqlite", 0, vec![0, 3]),
        ("sqlite", 1, vec![1]),
        ("body:sqlite", 0, vec![]),
        ("(vec* -sqlite)", 1, vec![0]),
    ] {
        let query = library.parse(text, Some(field), Syntax::Query).unwrap();
        assert_eq!(
            library.matching(&query).unwrap()[0].iter().collect::<Vec<_>>(),
            expected,
            "{text} in {field}"
        );
    }
}

#[test]
fn only_forbidden_words_match_everything_else_with_score_zero() {
    let library = library();
    assert_eq!(found(&library, "-sqlite"), [2, 4, 5]);
    assert_eq!(found(&library, "cooking OR (NOT sqlite NOT time)"), [2, 4]);
    let query = library.parse("-sqlite", None, Syntax::Query).unwrap();
    assert!(library.search(&query, &[], 9).unwrap().iter().all(|hit| hit.score == 0.0));
}

#[test]
fn a_query_ranks_if_a_word_in_it_is_not_forbidden() {
    let library = library();
    for (text, ranks) in [
        ("sqlite", true),
        ("-sqlite", false),
        ("--help", false),
        ("NOT (sqlite cooking) -\"a b\"", false),
        ("(-a) (NOT b)", false),
        ("-sqlite cooking", true),
        ("cooking OR (NOT sqlite)", true),
        ("-(-sqlite)", false),
        ("", false),
    ] {
        assert_eq!(library.parse(text, None, Syntax::Query).unwrap().ranks(), ranks, "{text:?}");
    }
}

#[test]
fn queries_without_words_are_empty_and_find_nothing() {
    let library = library();
    for text in
        ["", " \t\n", "...", "\"\"", "()", "\u{0}", "\"!?\"", "AND", "+", "title:()", "*", "((()))", "🙂"]
    {
        let query = library.parse(text, None, Syntax::Query).unwrap();
        assert!(query.is_empty(), "{text:?}");
        assert!(library.search(&query, &[], 10).unwrap().is_empty());
        assert!(library.matching(&query).unwrap()[0].is_empty());
        assert_eq!(library.score(&query, &[(0, 0)]).unwrap(), [None]);
    }
    // There is no list of stop words: these words count, however little.
    assert!(!library.parse("the a", None, Syntax::Query).unwrap().is_empty());
}

#[test]
fn mistakes_are_reported_as_warnings() {
    let library = library();
    for text in ["(a", "a)", "\"a", "a~7", "\"a b\"~2*"] {
        assert!(!library.parse(text, None, Syntax::Query).unwrap().warnings().is_empty(), "{text}");
    }
    assert!(library.parse("a AND \"b c\"~2 d* e~1", None, Syntax::Query).unwrap().warnings().is_empty());
}

#[test]
fn operators_of_other_languages_are_reported() {
    let library = library();
    for text in [
        "a && b",
        "a || b",
        "!b",
        "f*bar",
        "*bar",
        "colo?r",
        "/re/",
        "[a TO b]",
        "NEAR(a b, 5)",
        "^one",
        "{a b}: x",
        "“a b”",
        "a~99999999999",
        "\"a b\"~99999999999",
        "a OR NOT b",
        "body:-fox",
        "AND gate",
        "hospital OR",
        "a AND",
        "NOT",
        "a - b",
        "24\" 4k 27\"",
        "\"foo bar*\"",
        "(a OR)",
        "a AND OR b",
    ] {
        let query = library.parse(text, None, Syntax::Query).unwrap();
        assert!(!query.warnings().is_empty(), "{text}");
        let query = library.parse(text, None, Syntax::Words).unwrap();
        assert!(query.warnings().is_empty(), "{text}");
    }
    for text in
        ["what is it?", "a AND (b OR c)", "a AND NOT b", "10:30", "C++ don't -x +y", "--force", "a* b~2 c^2"]
    {
        let query = library.parse(text, None, Syntax::Query).unwrap();
        assert!(query.warnings().is_empty(), "{text}: {:?}", query.warnings());
    }
}

#[test]
fn no_character_of_words_is_an_operator() {
    let docs = [
        "ERROR: NOT NULL constraint failed: users.id",
        "git push --force overwrites",
        "title:foo in a log",
        "monitor 24\" 4k 27\"",
        "logic AND gate",
        "the +1 nucleosomes",
        "plain",
    ];
    let config = config(&[("title", 1.0), ("body", 1.0)], "default");
    let rows: Vec<[Option<&str>; 2]> = docs.iter().map(|text| [None, Some(*text)]).collect();
    let rows: Vec<&[Option<&str>]> = rows.iter().map(<[_; 2]>::as_slice).collect();
    let searcher = open(&config, &[&payload(&config, &rows)]);
    let first = |text: &str| {
        let query = searcher.parse(text, None, Syntax::Words).unwrap();
        searcher.search(&query, &[], 9).unwrap().first().map(|hit| hit.ord)
    };
    for (text, ord) in [
        ("NOT NULL constraint failed", 0),
        ("git push --force", 1),
        ("-force", 1),
        ("title:foo", 2),
        ("monitor 27\" 24\"", 3),
        ("AND gate", 4),
        ("AND", 4),
        ("stabilizing +1 nucleosomes", 5),
        ("(plain", 6),
        ("plain*", 6),
        ("plain~2 ^9", 6),
    ] {
        assert_eq!(first(text), Some(ord), "{text}");
    }
    assert_eq!(first("plai*"), None);
    assert_eq!(first("\"()\" -"), None);
}

#[test]
fn words_are_what_the_tokenizer_makes_of_them() {
    for (tokenizer, text, expected) in [
        ("raw", "exact value", vec![0]),
        ("raw", "exact", vec![]),
        ("whitespace", "--force", vec![1]),
        ("trigram", "-forc", vec![1]),
    ] {
        let config = config(&[("body", 1.0)], tokenizer);
        let searcher = open(&config, &[&bodies(&config, &["exact value", "push --force"])]);
        let query = searcher.parse(text, None, Syntax::Words).unwrap();
        let found: Vec<u32> = searcher.matching(&query).unwrap()[0].iter().collect();
        assert_eq!(found, expected, "{tokenizer} {text}");
    }
}

#[test]
fn long_and_deep_queries_are_refused_or_answered_but_never_crash() {
    let library = library();
    let at_limit = "a ".repeat(limits::MAX_QUERY_BYTES / 2);
    assert!(library.parse(&at_limit, None, Syntax::Query).is_ok());
    assert!(matches!(library.parse(&(at_limit + "b"), None, Syntax::Query), Err(Error::Limit { .. })));
    assert!(matches!(library.parse(&"a* ".repeat(600), None, Syntax::Query), Err(Error::Limit { .. })));
    assert!(library.parse(&"a* b~ ".repeat(250), None, Syntax::Query).is_ok());
    let nested = |depth: usize| format!("{}sqlite{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(found(&library, &nested(limits::MAX_QUERY_DEPTH)), [0, 1, 3]);
    assert!(matches!(
        library.parse(&nested(limits::MAX_QUERY_DEPTH + 1), None, Syntax::Query),
        Err(Error::Limit { .. })
    ));
    assert!(matches!(library.parse(&"title:(".repeat(2000), None, Syntax::Query), Err(Error::Limit { .. })));
    assert!(matches!(library.parse(&"(".repeat(16_000), None, Syntax::Query), Err(Error::Limit { .. })));
    for text in ["-".repeat(16_000), ")".repeat(16_000), "\"".repeat(16_000), "title:".repeat(2700)] {
        let query = library.parse(&text, None, Syntax::Query).unwrap();
        library.search(&query, &[], 10).unwrap();
    }
    let word = "x".repeat(16_000);
    for text in [word.clone(), format!("{word}*"), format!("{}~2", &word[..9000]), format!("\"{word} a\"")] {
        assert!(found(&library, &text).is_empty());
    }
}

#[test]
fn random_text_never_fails_to_parse_or_search() {
    let library = library();
    let pieces = [
        "sqlite", "a", " ", "(", ")", "\"", "+", "-", "AND ", "OR ", "NOT ", "title:", "body:", "*", "~",
        "~1", "^2", "東京", "é", "\u{301}", "\u{0}", ":", "\\", "[", "ß", "İ", "\u{200d}", "🙂", "١٢", "^",
        "9", "\u{feff}",
    ];
    let mut dice = Dice(42);
    for _ in 0..3000 {
        let text: String = (0..dice.roll(14)).map(|_| pieces[dice.roll(pieces.len())]).collect();
        let query = library.parse(&text, None, Syntax::Query).unwrap();
        library.search(&query, &[], 3).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        library.matching(&query).unwrap();
        let _ = snippet(&library_config(), &query, 0, &[Some(&text)], "<", ">", "…", 3);
    }
}

fn library_config() -> TextConfig {
    config(&[("title", 1.0), ("body", 1.0)], "default")
}

#[test]
fn long_runs_without_spaces_are_found_by_any_part() {
    let config = plain();
    let searcher = open(
        &config,
        &[&bodies(
            &config,
            &[
                "東京都は日本の首都であり世界最大級の都市圏を形成している大都市である",
                "京都の天気は晴れ、SQLiteの使い方",
                "한국어는 조사가 붙는다 데이터베이스를",
                "ฐานข้อมูลเวกเตอร์ขนาดเล็ก",
                "हिन्दी में खोज",
                "都",
            ],
        )],
    );
    let cases: &[(&str, &[u32])] = &[
        ("東京", &[0]),
        ("京都", &[0, 1]),
        ("日本の首都", &[0]),
        ("大都市", &[0]),
        ("\"世界最大級の都市圏を形成\"", &[0]),
        ("\"世界最小級の都市圏\"", &[]),
        ("都", &[0, 1, 5]),
        ("る", &[0]),
        ("天気 AND sqlite", &[1]),
        ("SQLiteの", &[1]),
        ("데이터베이스", &[2]),
        ("베이스를", &[2]),
        ("เวกเตอร์", &[3]),
        ("ข้อมูล", &[3]),
        ("हिन्दी", &[4]),
        ("हिन", &[]),
    ];
    for (text, expected) in cases {
        assert_eq!(found(&searcher, text), *expected, "{text:?}");
    }
    // A whole question is a bag of its pairs: what shares most of them comes first.
    assert_eq!(hits(&searcher, "明日の京都の天気はどうですか")[0], 1);
    let long = "字".repeat(5000);
    let searcher = open(&config, &[&bodies(&config, &[&long])]);
    assert_eq!(found(&searcher, "字字字"), [0]);
}

#[test]
fn long_words_are_kept_and_found() {
    let config = plain();
    let long = "a".repeat(300);
    let url = format!("https://example.org/{}", "path/".repeat(30));
    let searcher = open(&config, &[&bodies(&config, &[&long, &url, &"b".repeat(200_000), "a\u{0}b"])]);
    assert_eq!(found(&searcher, &long), [0]);
    assert_eq!(found(&searcher, "example.org/path"), [1]);
    assert_eq!(found(&searcher, &"b".repeat(10_000)), [2]);
    assert_eq!(found(&searcher, "a"), [3]);
}

#[test]
fn tokenizers_do_what_their_names_say() {
    let docs = ["Running Häuser", "run haus", "foo_bar Foo_Bar", "Running"];
    let cases: &[(&str, &str, &[u32])] = &[
        ("default", "running", &[0, 3]),
        ("en_stem", "runs", &[0, 1, 3]),
        ("en_stem", "running*", &[0, 1, 3]),
        ("en_stem", "ru*", &[0, 1, 3]),
        ("en_stem", "\"haus run\"~2", &[1]),
        ("de_stem", "hauses", &[0, 1]),
        ("de_stem", "häuser", &[0, 1]),
        ("whitespace", "Foo_Bar", &[2]),
        ("whitespace", "foo", &[]),
        ("raw", "Running", &[3]),
        ("raw", "\"Running Häuser\"", &[0]),
        ("raw", "Runn*", &[0, 3]),
        ("trigram", "unnin", &[0, 3]),
        ("trigram", "ar_FO", &[]),
        ("trigram", "\"ar Fo\"", &[2]),
        ("trigram", "hau", &[0, 1]),
        ("trigram", "AR", &[2]),
        ("trigram", "g", &[0, 3]),
        ("ngram", "unn", &[0, 3]),
    ];
    for (tokenizer, text, expected) in cases {
        let config = config(&[("body", 1.0)], tokenizer);
        let searcher = open(&config, &[&bodies(&config, &docs)]);
        assert_eq!(found(&searcher, text), *expected, "{tokenizer} {text}");
    }
}

#[test]
fn every_listed_stemmer_indexes_odd_words() {
    for name in [
        "ar", "da", "de", "el", "en", "es", "fi", "fr", "hu", "it", "nl", "no", "pt", "ro", "ru", "sv", "ta",
        "tr",
    ] {
        let config = config(&[("body", 1.0)], &format!("{name}_stem"));
        config.validate().unwrap();
        let words = "αντιθετε running Häuser книгами مكتبات நூல்கள் kitapları '' a ß İIı ﬁ 東京 \u{301}";
        let searcher = open(&config, &[&bodies(&config, &[words])]);
        for word in words.split(' ').filter(|word| word.chars().any(char::is_alphanumeric)) {
            assert_eq!(found(&searcher, word), [0], "{name} {word}");
        }
    }
}

#[test]
fn an_unknown_tokenizer_is_an_error_that_names_the_known_ones() {
    let error = config(&[("body", 1.0)], "porter").validate().unwrap_err().to_string();
    for part in ["'porter'", "default", "en_stem", "trigram", "raw"] {
        assert!(error.contains(part), "{error}");
    }
    assert!(TextConfig { fields: vec![], tokenizer: None }.validate().is_ok());
}
