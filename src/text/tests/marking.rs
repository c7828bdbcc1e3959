//! Snippets and highlights.

use super::*;

pub(super) fn marked(tokenizer: &str, query: &str, text: &str) -> String {
    let config = config(&[("title", 1.0), ("body", 1.0)], tokenizer);
    let query = TextQuery::parse(&config, query, None, Syntax::Query).unwrap();
    highlight(&config, &query, 1, &[None, Some(text)], "[", "]")
}

#[test]
fn highlight_marks_what_the_query_matched_and_nothing_else() {
    let cases = [
        ("default", "quick fox", "The Quick brown FOX, quickly", "The [Quick] brown [FOX], quickly"),
        ("default", "\"brown fox\"", "a brown dog, a brown fox", "a brown dog, a [brown fox]"),
        ("default", "\"fox brown\"~1", "brown fox", "brown fox"),
        ("default", "\"fox brown\"~2", "a brown fox", "a [brown fox]"),
        ("default", "\"a b c\"~2", "a x b y c, a x x b x c, x c b a", "[a x b y c], a x x b x c, x c b a"),
        ("default", "\"new new\"~1", "new, old, old, new and new", "new, old, old, [new and new]"),
        ("default", "\"the zzz\"~1000000", "the the the zzz the", "[the the the zzz] the"),
        ("code", "getuserbyid", "getUserById, x.getUserById()", "[getUserById], x.[getUserById]()"),
        ("default", "\"quick fox\"~1", "quick brown fox", "[quick brown fox]"),
        ("default", "\"brown f\"*", "brown fox brown dog", "[brown fox] brown dog"),
        ("default", "qui*", "quick quiet queen", "[quick] [quiet] queen"),
        ("default", "foz~", "fox ofz foxes", "[fox] [ofz] foxes"),
        ("default", "fox NOT dog", "fox dog", "[fox] dog"),
        ("default", "title:fox dog", "fox dog", "fox [dog]"),
        ("default", "(fox OR cat) AND +dog", "fox cat dog", "[fox] [cat] [dog]"),
        ("default", "", "fox", "fox"),
        ("default", "fox", "", ""),
        ("default", "cafe", "Un café\u{301}!", "Un [café\u{301}]!"),
        ("en_stem", "running", "He runs and ran", "He [runs] and ran"),
        ("default", "京都の", "東京都の天気", "東[京都の]天気"),
        ("default", "都", "東京都", "東京[都]"),
        ("trigram", "rown", "brownish", "b[rown]ish"),
        ("trigram", "cd", "abcd efgh", "ab[cd] efgh"),
        ("trigram", "d", "abcd efgd", "abc[d] efg[d]"),
        ("trigram", "cd*", "abcd efgh", "ab[cd] efgh"),
        ("trigram", "e\u{301}", "abe\u{301}cd", "ab[e\u{301}]cd"),
        ("default", "天", "東京都の天気", "東京都の[天]気"),
        ("default", "天*", "東京都の天気", "東京都の[天]気"),
        ("default", "ก", "กี่ข", "[กี่]ข"),
        ("default", "\"a 天\"", "a 天気", "[a 天]気"),
        ("default", "cats OR (dogs AND birds)", "cats and dogs", "[cats] and dogs"),
        ("default", "cats OR (dogs AND birds)", "birds, cats and dogs", "[birds], [cats] and [dogs]"),
        ("default", "cats OR (dogs NOT birds)", "birds, cats and dogs", "birds, [cats] and dogs"),
        ("default", "cats OR (+dogs birds)", "cats and birds", "[cats] and birds"),
        ("default", "cats OR (dogs AND title:birds)", "birds, cats and dogs", "birds, [cats] and dogs"),
        ("raw", "fox", "fox", "[fox]"),
        ("default", "a\u{0}b", "x a\u{0}b", "x [a\u{0}b]"),
    ];
    for (tokenizer, query, text, expected) in cases {
        assert_eq!(marked(tokenizer, query, text), expected, "{tokenizer} {query:?} {text:?}");
    }
}

#[test]
fn a_word_that_another_column_completes_is_marked() {
    let config = config(&[("title", 1.0), ("body", 1.0)], "default");
    let query = TextQuery::parse(&config, "cats OR (dogs AND title:birds)", None, Syntax::Query).unwrap();
    let texts = [Some("birds"), Some("cats, dogs, birds")];
    assert_eq!(highlight(&config, &query, 1, &texts, "[", "]"), "[cats], [dogs], birds");
    assert_eq!(highlight(&config, &query, 0, &texts, "[", "]"), "[birds]");
    assert!(marks(&config, &query, 0, &texts) && !marks(&config, &query, 0, &[Some("dogs"), Some("cats")]));
}

fn cut(query: &str, text: &str, tokens: usize) -> String {
    let config = plain();
    let query = TextQuery::parse(&config, query, None, Syntax::Query).unwrap();
    snippet(&config, &query, 0, &[Some(text)], "<b>", "</b>", "…", tokens)
}

#[test]
fn a_snippet_shows_the_stretch_with_the_most_different_words() {
    let text = "One two three fox five. Six seven eight nine ten fox dog. Eleven twelve thirteen.";
    assert_eq!(cut("fox dog", text, 5), "…ten <b>fox</b> <b>dog</b>. Eleven twelve…");
    assert_eq!(cut("fox dog", text, 100), text.replace("fox", "<b>fox</b>").replace("dog", "<b>dog</b>"));
    assert_eq!(cut("absent", text, 3), "One two three…");
    assert_eq!(cut("thirteen", text, 3), "…Eleven twelve <b>thirteen</b>.");
    assert_eq!(cut("", text, 2), "One two…");
    assert_eq!(cut("one", text, 1), "<b>One</b>…");
    assert_eq!(cut("eight", text, 0), "…<b>eight</b>…");
    assert_eq!(cut("fox", "", 5), "");
    assert_eq!(cut("fox", "...", 5), "...");
}

#[test]
fn snippets_begin_with_a_sentence_where_one_fits() {
    let text = "Alpha beta gamma. Delta epsilon fox zeta eta theta iota kappa.";
    assert_eq!(cut("fox", text, 5), "…Delta epsilon <b>fox</b> zeta eta…");
}

#[test]
fn snippets_of_odd_texts_keep_to_character_boundaries() {
    let words = ["東京都", "é", "e\u{301}", "\u{0}", "🙂", "foo", "ßẞ", "İ", "ก็", "\n", ". ", "fox", " "];
    let config = plain();
    let mut dice = Dice(8);
    for _ in 0..2000 {
        let text: String = (0..dice.roll(30)).map(|_| words[dice.roll(words.len())]).collect();
        let query: String = (0..1 + dice.roll(3)).map(|_| words[dice.roll(words.len())]).collect();
        let query = TextQuery::parse(&config, &query, None, Syntax::Query).unwrap();
        let whole = highlight(&config, &query, 0, &[Some(&text)], "<", ">");
        assert_eq!(whole.replace(['<', '>'], ""), text);
        let part = snippet(&config, &query, 0, &[Some(&text)], "<", ">", "…", 1 + dice.roll(6));
        let inner = part.replace(['<', '>'], "");
        assert!(text.contains(inner.trim_matches('…')), "{part:?} of {text:?}");
    }
}
