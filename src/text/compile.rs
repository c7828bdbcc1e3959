//! From the tree of words to a tantivy query over all fields.
//!
//! A word is looked for in every field of its scope and the fields' scores, times their weights, add up. Plain words
//! joined by OR end up in one flat union of terms: the only shape for which tantivy skips blocks that cannot reach the
//! top k (block-max WAND).
//! Prefixes and fuzzy words stand for many terms; every document that has any of them scores as for one term that
//! occurs once in a document of average length: `idf(documents that match)`. (tantivy's own constant 1 would drown them.)

use super::queries::{FoundQuery, PlainSeek, PrefixQuery};
use super::query_text::{Leaf, Matcher, Node};
use super::{TextConfig, engine};
use crate::error::Result;
use std::collections::HashMap;
use std::sync::Arc;
use tantivy::query::{
    AllQuery, BooleanQuery, BoostQuery, ConstScoreQuery, EmptyQuery, EnableScoring, FuzzyTermQuery, Occur,
    PhrasePrefixQuery, PhraseQuery, Query, TermQuery,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{BitSet, Score, Searcher, Term};

/// A phrase that ends in a prefix tries this many continuations, in alphabetical order.
const MAX_PHRASE_ENDINGS: u32 = 1024;

pub(super) struct Compiler<'a> {
    pub config: &'a TextConfig,
    pub searcher: &'a Searcher,
    /// Whether scores matter; if not, statistics of prefixes need not be counted.
    pub scoring: bool,
}

type Clauses = Vec<(Occur, Box<dyn Query>)>;

impl Compiler<'_> {
    pub(super) fn compile(&self, root: &Node) -> Result<Box<dyn Query>> {
        let mut clauses = Vec::new();
        self.node(root, Occur::Should, false, &mut clauses)?;
        Ok(boolean(clauses))
    }

    /// Adds what `node` means to `clauses`; unions inside a union are flattened. `forbidden`: it stands somewhere
    /// below a `NOT`.
    fn node(&self, node: &Node, occur: Occur, forbidden: bool, clauses: &mut Clauses) -> Result<()> {
        let only_should =
            |children: &[(Occur, Node)]| children.iter().all(|(occur, _)| *occur == Occur::Should);
        let forbidden = forbidden || occur == Occur::MustNot;
        match node {
            Node::Leaf(leaf) if occur == Occur::Should => self.leaf(leaf, forbidden, clauses),
            Node::Group(children) if occur == Occur::Should && only_should(children) => {
                children.iter().try_for_each(|(occur, child)| self.node(child, *occur, forbidden, clauses))
            }
            Node::Leaf(leaf) => {
                let mut inner = Vec::new();
                self.leaf(leaf, forbidden, &mut inner)?;
                clauses.push((occur, boolean(inner)));
                Ok(())
            }
            Node::Group(children) => {
                let mut inner = Vec::new();
                for (occur, child) in children {
                    self.node(child, *occur, forbidden, &mut inner)?;
                }
                if inner.iter().all(|(occur, _)| *occur == Occur::MustNot) {
                    // Only forbidden words: everything else matches and scores nothing.
                    inner.push((Occur::Must, Box::new(ConstScoreQuery::new(Box::new(AllQuery), 0.0))));
                }
                clauses.push((occur, boolean(inner)));
                Ok(())
            }
        }
    }

    /// Adds one `Should` clause a field.
    fn leaf(&self, leaf: &Leaf, forbidden: bool, clauses: &mut Clauses) -> Result<()> {
        for (at, field) in self.config.fields.iter().enumerate() {
            if !leaf.scope.contains(at) {
                continue;
            }
            let query = self.matcher(&leaf.matcher, Field::from_field_id(at as u32))?;
            let phrase = matches!(leaf.matcher, Matcher::Phrase { .. });
            let query = if forbidden && phrase { Box::new(PlainSeek(query)) } else { query };
            let weight = field.weight * leaf.boost;
            let query = if weight == 1.0 { query } else { Box::new(BoostQuery::new(query, weight)) };
            clauses.push((Occur::Should, query));
        }
        Ok(())
    }

    fn matcher(&self, matcher: &Matcher, field: Field) -> Result<Box<dyn Query>> {
        let term = |text: &str| Term::from_field_text(field, text);
        match matcher {
            Matcher::Term(text) => Ok(Box::new(TermQuery::new(term(text), IndexRecordOption::WithFreqs))),
            Matcher::Phrase { tokens, slop, prefix } => {
                let terms = tokens.iter().map(|(position, text)| (*position, term(text))).collect();
                if *prefix {
                    let mut query = PhrasePrefixQuery::new_with_offset(terms);
                    query.set_max_expansions(MAX_PHRASE_ENDINGS);
                    Ok(Box::new(query))
                } else {
                    Ok(Box::new(PhraseQuery::new_with_offset_and_slop(terms, *slop)))
                }
            }
            Matcher::Prefix { prefix, also } => {
                self.as_one_term(Box::new(PrefixQuery { field, prefix: prefix.clone(), also: also.clone() }))
            }
            Matcher::Fuzzy { term: text, distance } => {
                self.as_one_term(Box::new(FuzzyTermQuery::new(term(text), *distance, true)))
            }
        }
    }

    /// Runs `query` now and gives every document it matches the score of one term.
    fn as_one_term(&self, query: Box<dyn Query>) -> Result<Box<dyn Query>> {
        if !self.scoring {
            return Ok(query);
        }
        let weight = query.weight(EnableScoring::disabled_from_searcher(self.searcher)).map_err(engine)?;
        let mut found = HashMap::new();
        let mut matches = 0_u64;
        let mut docs = 0_u64;
        for reader in self.searcher.segment_readers() {
            let mut set = BitSet::with_max_value(reader.max_doc());
            weight
                .for_each_no_score(reader, &mut |ords| {
                    for ord in ords {
                        set.insert(*ord);
                    }
                })
                .map_err(engine)?;
            matches += set.len() as u64;
            docs += u64::from(reader.max_doc());
            found.insert(reader.segment_id(), set);
        }
        let idf = (1.0 + (docs.saturating_sub(matches) as Score + 0.5) / (matches as Score + 0.5)).ln();
        Ok(Box::new(ConstScoreQuery::new(Box::new(FoundQuery(Arc::new(found))), idf)))
    }
}

fn boolean(mut clauses: Clauses) -> Box<dyn Query> {
    if let [(Occur::Should | Occur::Must, _)] = clauses.as_slice()
        && let Some((_, only)) = clauses.pop()
    {
        return only;
    }
    if clauses.is_empty() { Box::new(EmptyQuery) } else { Box::new(BooleanQuery::new(clauses)) }
}
