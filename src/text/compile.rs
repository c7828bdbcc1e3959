//! From the tree of words to a tantivy query over all fields.
//!
//! A word is looked for in every field of its scope and the fields' scores, times their weights, add up. Plain words
//! joined by OR end up in one flat union of terms: the only shape for which tantivy skips blocks that cannot reach the
//! top k (block-max WAND).
//! Prefixes and fuzzy words stand for many terms; every document that has any of them scores as for one term that
//! occurs once in a document of average length: `idf(documents that match)`. (tantivy's own constant 1 would drown them.)

use super::exact::{Exact, Shared};
use super::queries::{FoundQuery, PlainSeek, PrefixQuery};
use super::query_text::{Leaf, Matcher, Node};
use super::{TextConfig, engine};
use crate::error::Result;
use std::collections::HashMap;
use std::sync::Arc;
use tantivy::query::{
    AllQuery, BooleanQuery, BoostQuery, ConstScoreQuery, EmptyQuery, EnableScoring, FuzzyTermQuery, Occur,
    PhrasePrefixQuery, PhraseQuery, Query, TermQuery, Weight,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{BitSet, Score, Searcher, Term};

/// A phrase that ends in a prefix tries this many continuations, in alphabetical order.
const MAX_PHRASE_ENDINGS: u32 = 1024;

pub(super) struct Compiler<'a> {
    pub config: &'a TextConfig,
    pub searcher: &'a Searcher,
    /// Whether scores matter, and the statistics for them.
    pub mode: EnableScoring<'a>,
}

/// A query in two forms that share their scorers' weights.
pub(super) struct Compiled {
    /// Finds candidates fast.
    pub weight: Box<dyn Weight>,
    /// Scores them.
    pub exact: Exact,
}

type Clauses = Vec<(Occur, Box<dyn Query>)>;

impl Compiler<'_> {
    pub(super) fn compile(&self, root: &Node) -> Result<Compiled> {
        let mut clauses = Vec::new();
        let exact = self.node(root, Occur::Should, false, &mut clauses)?;
        let weight = boolean(clauses).weight(self.mode).map_err(engine)?;
        Ok(Compiled { weight, exact })
    }

    /// Adds what `node` means to `clauses`; unions inside a union are flattened. `forbidden`: it stands somewhere
    /// below a `NOT`.
    fn node(&self, node: &Node, occur: Occur, forbidden: bool, clauses: &mut Clauses) -> Result<Exact> {
        let forbidden = forbidden || occur == Occur::MustNot;
        let mut inner = Vec::new();
        let (exact, flat) = match node {
            Node::Leaf(leaf) => (self.leaf(leaf, forbidden, &mut inner)?, true),
            Node::Group(children) => {
                let exact = children
                    .iter()
                    .map(|(occur, child)| Ok((*occur, self.node(child, *occur, forbidden, &mut inner)?)))
                    .collect::<Result<_>>()?;
                if children.iter().all(|(occur, _)| *occur == Occur::MustNot) {
                    // Only forbidden words: everything else matches and scores nothing.
                    inner.push((Occur::Must, Box::new(ConstScoreQuery::new(Box::new(AllQuery), 0.0))));
                }
                (Exact::Group(exact), children.iter().all(|(occur, _)| *occur == Occur::Should))
            }
        };
        if flat && occur == Occur::Should {
            clauses.append(&mut inner);
        } else {
            clauses.push((occur, boolean(inner)));
        }
        Ok(exact)
    }

    /// Adds one `Should` clause a field.
    fn leaf(&self, leaf: &Leaf, forbidden: bool, clauses: &mut Clauses) -> Result<Exact> {
        let mut weights = Vec::new();
        for (at, field) in self.config.fields.iter().enumerate() {
            if !leaf.scope.contains(at) {
                continue;
            }
            let query = self.matcher(&leaf.matcher, Field::from_field_id(at as u32))?;
            let boost = field.weight * leaf.boost;
            let query = if boost == 1.0 { query } else { Box::new(BoostQuery::new(query, boost)) };
            let weight: Arc<dyn Weight> = Arc::from(query.weight(self.mode).map_err(engine)?);
            weights.push(Arc::clone(&weight));
            let phrase = matches!(leaf.matcher, Matcher::Phrase { .. });
            let query = Shared(weight);
            let query: Box<dyn Query> =
                if forbidden && phrase { Box::new(PlainSeek(Box::new(query))) } else { Box::new(query) };
            clauses.push((Occur::Should, query));
        }
        Ok(Exact::Leaf(weights))
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
        if !self.mode.is_scoring_enabled() {
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
