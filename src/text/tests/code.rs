//! Columns with tokenizers of their own, and the tokenizer of identifiers.

use super::*;
use crate::text_options::Operator;

/// The tokens of a text with their positions, as an index has them.
fn tokens(tokenizer: &str, text: &str) -> Vec<(usize, String)> {
    let config = config(&[("body", 1.0)], tokenizer);
    let mut analyzer = config.analysis(0, config.edition()).unwrap().analyzer();
    let mut stream = analyzer.token_stream(text);
    let mut tokens = Vec::new();
    while stream.advance() {
        let token = stream.token();
        assert!(
            text.get(token.offset_from..token.offset_to).is_some_and(|written| !written.is_empty()),
            "{text}"
        );
        tokens.push((token.position, token.text.clone()));
    }
    tokens
}

fn words(tokenizer: &str, text: &str) -> String {
    let mut last = usize::MAX;
    let mut shown = String::new();
    for (position, token) in tokens(tokenizer, text) {
        shown += if position == last { "=" } else { " " };
        shown += &token;
        last = position;
    }
    shown.trim().to_owned()
}

#[test]
fn identifiers_are_tokens_by_their_parts_and_as_a_whole() {
    for (text, expected) in [
        ("getUserById(id)", "get=getuserbyid user by id id"),
        ("get_user_by_id", "get=getuserbyid user by id"),
        ("HTTPServer XMLHttpRequest", "http=httpserver server xml=xmlhttprequest http request"),
        ("URLs of IDs", "urls of ids"),
        ("__init__ _x", "init x"),
        ("C++ and C# and F#", "c++ and c# and f#"),
        ("counter++; i++", "counter=counter++ i++"),
        ("version 1.2.3-beta, v2.0", "version 1=1.2.3 2 3 beta v2=v2.0 0"),
        ("src/text/mod.rs", "src text mod rs"),
        ("std::vec::Vec<u8>", "std vec vec u8"),
        ("Größe naïveWord", "grosse naive=naiveword word"),
        ("x86_64 utf8 HTTP2Server", "x86=x8664 64 utf8 http2=http2server server"),
        ("end. 3. a.b", "end 3 a b"),
        ("東京都 getA", "東京 京都 都 get=geta a"),
        ("page#section #include", "page section include"),
        ("+ - ++ # _ .", ""),
    ] {
        assert_eq!(words("code", text), expected, "{text}");
    }
    assert_eq!(words("default chars=_-", "a_b c-d - __ e"), "a_b c-d e");
    assert_eq!(words("default chars=+#", "C++ and C#, +"), "c++ and c#");
    assert_eq!(words("en_stem chars=_", "running_late runs"), "running_l run");
    assert_eq!(words("code chars=-", "kebab-case getX"), "kebab-case get=getx x");
}

#[test]
fn any_text_is_cut_at_the_borders_of_letters_and_found_by_itself() {
    let pieces = [
        "get", "User", "_", "__", ".", "1", "2.", "++", "#", "é", "東", "ß", "İ", "s", "S", "-", " ",
        "\u{301}", "ﬁ",
    ];
    let mut dice = Dice(11);
    for _ in 0..3000 {
        let text: String = (0..1 + dice.roll(8)).map(|_| pieces[dice.roll(pieces.len())]).collect();
        for tokenizer in ["code", "default chars=_.#", "code chars=-."] {
            let found = tokens(tokenizer, &text);
            assert!(found.windows(2).all(|pair| pair[0].0 <= pair[1].0), "{text:?}");
            if found.is_empty() {
                continue;
            }
            let config = config(&[("body", 1.0)], tokenizer);
            let searcher = open(&config, &[&bodies(&config, &[&text])]);
            let and = TextOptions::from(Syntax::Words).operator(Operator::And);
            for options in [and, Syntax::Words.into()] {
                let query = searcher.parse(&text, None, options).unwrap();
                assert_eq!(searcher.matching(&query).unwrap()[0].count(), 1, "{tokenizer}: {text:?}");
                let marked = highlight(&config, &query, 0, &[Some(&text)], "[", "]");
                assert_eq!(marked.replace(['[', ']'], ""), text);
                assert!(marked.contains('['), "{tokenizer}: {text:?}");
            }
        }
    }
}

#[test]
fn identifiers_are_found_in_every_style_by_parts_phrases_and_beginnings() {
    let config = config(&[("body", 1.0)], "code");
    let docs = [
        "fn getUserById(id: u64)",
        "def get_user_by_id(id):",
        "class UserById:",
        "C++ and java",
        "plain c",
        "release 1.2.3 in src/text/mod.rs",
        "release 3.2.1 in text/src/mod.rs",
        "counter++",
    ];
    let searcher = open(&config, &[&bodies(&config, &docs)]);
    for (text, expected) in [
        ("getuserbyid", vec![0, 1]),
        ("user", vec![0, 1, 2]),
        ("\"user by\"", vec![0, 1, 2]),
        ("+getUserById", vec![0, 1]),
        ("getUs*", vec![0, 1]),
        ("getus*", vec![0, 1]),
        ("c++", vec![3]),
        ("C", vec![4]),
        ("-getUserById +user", vec![2]),
        ("\"1.2.3\"", vec![5]),
        ("+1.2.3", vec![5, 6]),
        ("\"text/mod.rs\"", vec![5]),
        ("\"src/text\"", vec![5]),
        ("counter", vec![7]),
        ("\"c++ and\"", vec![3]),
    ] {
        assert_eq!(found(&searcher, text), expected, "{text}");
    }
    assert_eq!(hits(&searcher, "1.2.3")[0], 5);
    assert_eq!(hits(&searcher, "src/text/mod.rs")[0], 5);
    assert_eq!(hits(&searcher, "UserById")[0], 2);
    let mark = |text: &str, doc: usize| {
        let query = searcher.parse(text, None, Syntax::Query).unwrap();
        highlight(&config, &query, 0, &[Some(docs[doc])], "[", "]")
    };
    assert_eq!(mark("getuserbyid", 0), "fn [getUserById](id: u64)");
    assert_eq!(mark("user", 0), "fn get[User]ById(id: u64)");
    assert_eq!(mark("\"user by\"", 1), "def get_[user_by]_id(id):");
    assert_eq!(mark("c++", 3), "[C++] and java");
    assert_eq!(mark("1.2.3", 5), "release [1.2.3] in src/text/mod.rs");
    assert_eq!(mark("\"text/mod.rs\"", 5), "release 1.2.3 in src/[text/mod.rs]");
    assert_eq!(mark("get*", 1), "def [get_user_by_id](id):");
    let query = searcher.parse("getuserbyid", None, Syntax::Query).unwrap();
    assert_eq!(
        snippet(&config, &query, 0, &[Some("a b c d e f getUserById(x) g h i")], "[", "]", "…", 6),
        "…f [getUserById](x…"
    );
}

#[test]
fn each_column_is_read_by_its_own_tokenizer() {
    let mut config = config(&[("title", 1.0), ("source", 1.0), ("tag", 1.0)], "en_stem");
    config.fields[1].tokenizer = Some("code".into());
    config.fields[2].tokenizer = Some("raw".into());
    assert!(config.validate().is_ok());
    let docs: [&[Option<&str>]; 3] = [
        &[Some("running ships"), Some("runFast()"), Some("Blue Whale")],
        &[Some("fast"), Some("running"), Some("x")],
        &[None, None, Some("run")],
    ];
    let searcher = open(&config, &[&payload(&config, &docs)]);
    for (text, expected) in [
        ("runs", vec![0]),
        ("run", vec![0, 2]),
        ("runfast", vec![0]),
        ("title:fast", vec![1]),
        ("fast", vec![0, 1]),
        ("source:running", vec![1]),
        ("+ships +runFast", vec![0]),
        ("\"Blue Whale\"", vec![0]),
        ("tag:run", vec![2]),
        ("run -tag:run", vec![0]),
    ] {
        assert_eq!(found(&searcher, text), expected, "{text}");
    }
    let words = |text: &str, operator| {
        let options = TextOptions::from(Syntax::Words).operator(operator);
        let query = searcher.parse(text, None, options).unwrap();
        searcher.matching(&query).unwrap()[0].iter().collect::<Vec<_>>()
    };
    assert_eq!(words("Blue Whale", Operator::And), [0]);
    assert_eq!(words("ship fast", Operator::And), [0]);
    assert_eq!(words("fast runs", Operator::And), [0]);
    assert_eq!(words("Blue", Operator::Or), Vec::<u32>::new());
    let query = searcher.parse("run", None, Syntax::Query).unwrap();
    assert_eq!(highlight(&config, &query, 0, docs[0], "[", "]"), "[running] ships");
    assert_eq!(highlight(&config, &query, 1, docs[0], "[", "]"), "[run]Fast()");
}

#[test]
fn settings_of_tokenizers_are_checked() {
    for (name, says) in [
        ("default chars", "chars is not understood"),
        ("default stem=1", "stem=1 is not understood"),
        ("raw chars=_", "raw is none"),
        ("default chars=é", "not 'é'"),
        ("codes", "use default, code, whitespace"),
        ("", "unknown tokenizer ''"),
    ] {
        let error = config(&[("body", 1.0)], name).validate().unwrap_err().to_string();
        assert!(error.contains(says), "{name}: {error}");
    }
}
