//! Random boolean queries against a plain evaluation of the same tree.

use super::*;
use crate::text::query_text::{Matcher, Node};
use tantivy::query::Occur;

/// Whether a document of `words` matches; positions are the words' places.
fn matches(node: &Node, words: &[&str]) -> bool {
    match node {
        Node::Leaf(leaf) => match &leaf.matcher {
            Matcher::Term(term) => words.contains(&term.as_str()),
            Matcher::Prefix { prefix, .. } => words.iter().any(|word| word.starts_with(prefix)),
            Matcher::Phrase { tokens, prefix, .. } => words.windows(tokens.len()).any(|window| {
                window.iter().zip(tokens).enumerate().all(|(at, (word, (_, token)))| {
                    word == token || (*prefix && at + 1 == tokens.len() && word.starts_with(token.as_str()))
                })
            }),
            Matcher::Fuzzy { .. } => unreachable!("not generated here"),
        },
        Node::AtLeast(minimum, children) => {
            children.iter().filter(|child| matches(child, words)).count() >= minimum.of(children.len())
        }
        Node::Group(children) => {
            let of = |wanted: Occur| children.iter().filter(move |(occur, _)| *occur == wanted);
            let (must, should, not) = (of(Occur::Must), of(Occur::Should), of(Occur::MustNot));
            let forced = must.clone().count() > 0;
            let choice =
                forced || should.clone().count() == 0 || should.clone().any(|(_, node)| matches(node, words));
            must.clone().all(|(_, node)| matches(node, words))
                && choice
                && !not.clone().any(|(_, node)| matches(node, words))
        }
    }
}

pub(super) fn random_query(dice: &mut Dice, depth: usize) -> String {
    let mut text = String::new();
    for at in 0..1 + dice.roll(4) {
        if at > 0 {
            text.push_str([" ", " ", " AND ", " OR ", " NOT "][dice.roll(5)]);
        }
        text.push_str(["", "", "", "+", "-"][dice.roll(5)]);
        let word = |dice: &mut Dice| format!("w{}", dice.roll(25));
        text.push_str(&match dice.roll(8) {
            0 => format!("\"{} {}\"", word(dice), word(dice)),
            1 => format!("\"{} w{}\"*", word(dice), dice.roll(3)),
            2 => format!("w{}*", dice.roll(30)),
            3 | 4 if depth < 3 => format!("({})", random_query(dice, depth + 1)),
            _ => word(dice),
        });
    }
    text
}

#[test]
fn boolean_queries_match_exactly_what_their_tree_says() {
    let config = plain();
    let docs = corpus(400, 21);
    let texts: Vec<&str> = docs.iter().map(String::as_str).collect();
    let searcher = open(&config, &[&bodies(&config, &texts)]);
    let mut dice = Dice(77);
    let mut seen = 0;
    for _ in 0..1500 {
        let text = random_query(&mut dice, 0);
        let Some(root) = searcher.parse(&text, None, Syntax::Query).unwrap().root else { continue };
        let expected: Vec<u32> = (0..docs.len() as u32)
            .filter(|ord| matches(&root, &docs[*ord as usize].split(' ').collect::<Vec<_>>()))
            .collect();
        assert_eq!(found(&searcher, &text), expected, "{text}");
        seen += expected.len();
    }
    assert!(seen > 10_000);
}
