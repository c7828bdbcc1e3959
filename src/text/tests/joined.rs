//! Words that the tokenizer splits: their parts are found, the whole ranks first.

use super::*;

fn searcher(tokenizer: &str, docs: &[&str]) -> TextSearcher {
    let config = config(&[("body", 1.0)], tokenizer);
    open(&config, &[&bodies(&config, docs)])
}

#[test]
fn a_longer_run_of_letters_never_finds_less_than_a_shorter_one() {
    let docs = ["北京的天气很好", "北京天气预报说有雨", "上海的天气", "完全无关的内容"];
    let searcher = searcher("default", &docs);
    let sentence = "北京天气预报说有雨";
    let mut before = 0;
    for letters in 2..=sentence.chars().count() {
        let query: String = sentence.chars().take(letters).collect();
        let hits = hits(&searcher, &query);
        assert!(hits.len() >= before, "{query}: {hits:?}");
        assert!(letters < 3 || hits[0] == 1, "{query}: {hits:?}");
        before = hits.len();
    }
    assert_eq!(found(&searcher, "北京天气"), [0, 1, 2]);
    assert_eq!(hits(&searcher, "北京天气"), [1, 0, 2]);
    for (query, doc) in
        [("東京の天気", "東京は今日天気がいい"), ("서울날씨", "서울의 날씨"), ("苹果价格表", "苹果的价格")]
    {
        assert_eq!(found(&self::searcher("default", &[doc]), query), [0], "{query}");
    }
}

#[test]
fn the_parts_of_a_split_word_are_found_and_the_whole_ranks_first() {
    let filler: Vec<String> = (0..40).map(|at| format!("s l filler text n{at}x")).collect();
    for (tokenizer, query, whole, part) in [
        ("default", "Alice's", "Alice's job", "Alice works in Berlin"),
        ("en_stem", "Crohn’s", "of Crohn’s kind", "the Crohn disease"),
        ("fr_stem", "l'eau", "boire de l'eau", "une eau claire"),
        ("it_stem", "l'arte", "è l'arte nuova", "storia dell'arte"),
        ("default", "apple,orange", "an apple,orange mix", "one orange there"),
        ("default", "install/remove", "to install/remove it", "please remove it"),
        ("default", "TCP/IP", "about TCP/IP here", "the TCP stack"),
        ("default", "COVID-19", "of COVID-19 now", "the covid wave"),
        ("default", "foo_bar.baz", "see foo_bar.baz there", "the baz one"),
    ] {
        let mut docs = vec![part, whole];
        docs.extend(filler.iter().map(String::as_str));
        let searcher = searcher(tokenizer, &docs);
        assert_eq!(hits(&searcher, query), [1, 0], "{tokenizer} {query}");
    }
}

#[test]
fn a_required_word_needs_all_its_parts_and_a_forbidden_one_is_the_whole() {
    let docs = ["tcp ip", "ip only", "the tcp/ip suite", "tcp only", "Alice works"];
    let searcher = searcher("default", &docs);
    let cases: [(&str, &[u32]); 10] = [
        ("tcp/ip", &[0, 1, 2, 3]),
        ("+tcp/ip", &[0, 2]),
        ("tcp/ip AND suite", &[2]),
        ("tcp -tcp/ip", &[3]),
        ("ip -ip/tcp", &[0, 1, 2]),
        ("tcp NOT (tcp/ip)", &[3]),
        ("\"tcp/ip\"", &[0, 2]),
        ("tcp/i*", &[0, 2]),
        ("+Alice's", &[4]),
        ("works AND Alice's", &[4]),
    ];
    for (query, expected) in cases {
        assert_eq!(found(&searcher, query), expected, "{query}");
    }
}

#[test]
fn single_letters_count_where_there_is_nothing_else() {
    let searcher = searcher("default", &["a/b/c", "s is a letter", "x ray", "ray"]);
    assert_eq!(found(&searcher, "b/c"), [0]);
    assert_eq!(found(&searcher, "Ray's"), [2, 3]);
    assert_eq!(hits(&searcher, "x-ray"), [2, 3]);
}

#[test]
fn parts_are_marked_and_the_whole_in_one_piece() {
    assert_eq!(marking::marked("default", "TCP/IP", "TCP or TCP/IP"), "[TCP] or [TCP/IP]");
    assert_eq!(marking::marked("default", "北京天气", "北京的天气"), "[北京]的[天气]");
}
