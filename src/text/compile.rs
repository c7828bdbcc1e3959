//! From the tree of words to a tantivy query over all fields.
//!
//! A word is looked for in every field of its scope and the fields' scores, times their weights, add up. Plain words
//! joined by OR end up in one flat union of terms: the only shape for which tantivy skips blocks that cannot reach the
//! top k (block-max WAND).
//! Prefixes and fuzzy words stand for many terms; every document that has any of them scores as for one term that
//! occurs once in a document of average length: `idf(documents that match)`. (tantivy's own constant 1 would drown them.)

use super::query_text::{Leaf, Matcher, Node};
use super::{TextConfig, engine};
use crate::error::Result;
use std::collections::HashMap;
use std::sync::Arc;
use tantivy::index::SegmentId;
use tantivy::query::{
    AllQuery, BitSetDocSet, BooleanQuery, BoostQuery, ConstScoreQuery, ConstScorer, EmptyQuery,
    EnableScoring, Explanation, FuzzyTermQuery, Occur, PhrasePrefixQuery, PhraseQuery, Query, Scorer,
    TermQuery, Weight,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{BitSet, DocId, DocSet, Score, Searcher, SegmentReader, TantivyError, Term};

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

/// A query whose scorers seek in the plain way.
///
/// tantivy's exclusion probes its scorers with `seek_danger` at documents they have already passed; its phrase scorer
/// asserts (in debug builds) that nobody does. The default `seek_danger` has no such condition.
#[derive(Debug)]
struct PlainSeek(Box<dyn Query>);

impl Clone for PlainSeek {
    fn clone(&self) -> Self {
        Self(self.0.box_clone())
    }
}

impl Query for PlainSeek {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(PlainSeekWeight(self.0.weight(scoring)?)))
    }
}

struct PlainSeekWeight(Box<dyn Weight>);

impl Weight for PlainSeekWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        Ok(Box::new(PlainSeekScorer(self.0.scorer(reader, boost)?)))
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        self.0.explain(reader, doc)
    }
}

struct PlainSeekScorer(Box<dyn Scorer>);

impl DocSet for PlainSeekScorer {
    fn advance(&mut self) -> DocId {
        self.0.advance()
    }

    fn seek(&mut self, target: DocId) -> DocId {
        self.0.seek(target)
    }

    fn doc(&self) -> DocId {
        self.0.doc()
    }

    fn size_hint(&self) -> u32 {
        self.0.size_hint()
    }
}

impl Scorer for PlainSeekScorer {
    fn score(&mut self) -> Score {
        self.0.score()
    }
}

/// Documents that are known already, segment by segment.
#[derive(Clone)]
struct FoundQuery(Arc<HashMap<SegmentId, BitSet>>);

impl std::fmt::Debug for FoundQuery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FoundQuery({} segments)", self.0.len())
    }
}

impl Query for FoundQuery {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }
}

impl Weight for FoundQuery {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let set = self.0.get(&reader.segment_id()).cloned();
        let set = set.unwrap_or_else(|| BitSet::with_max_value(reader.max_doc()));
        Ok(Box::new(ConstScorer::new(BitSetDocSet::from(set), boost)))
    }

    fn explain(&self, _: &SegmentReader, _: DocId) -> tantivy::Result<Explanation> {
        Err(TantivyError::InvalidArgument("prefixes and fuzzy words are not explained".into()))
    }
}

/// Documents with a term that begins with `prefix`, or with the term `also`.
#[derive(Debug, Clone)]
struct PrefixQuery {
    field: Field,
    prefix: String,
    also: Option<String>,
}

impl Query for PrefixQuery {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(PrefixWeight(self.clone())))
    }
}

struct PrefixWeight(PrefixQuery);

impl Weight for PrefixWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let PrefixQuery { field, prefix, also } = &self.0;
        let index = reader.inverted_index(*field)?;
        let mut infos = Vec::new();
        if let Some(also) = also {
            infos.extend(index.terms().get(also)?);
        }
        let mut range = index.terms().range().ge(prefix);
        let mut end = prefix.clone().into_bytes();
        // UTF-8 never holds the byte 255, so the next string is one step up in the last byte.
        if let Some(last) = end.last_mut() {
            *last += 1;
            range = range.lt(&end);
        }
        let mut terms = range.into_stream()?;
        let mut docs = BitSet::with_max_value(reader.max_doc());
        loop {
            let info = match infos.pop() {
                Some(info) => info,
                None if terms.advance() => terms.value().clone(),
                None => break,
            };
            let mut postings = index.read_block_postings_from_terminfo(&info, IndexRecordOption::Basic)?;
            while !postings.docs().is_empty() {
                for doc in postings.docs() {
                    docs.insert(*doc);
                }
                postings.advance();
            }
        }
        Ok(Box::new(ConstScorer::new(BitSetDocSet::from(docs), boost)))
    }

    fn explain(&self, _: &SegmentReader, _: DocId) -> tantivy::Result<Explanation> {
        Err(TantivyError::InvalidArgument("prefixes are not explained".into()))
    }
}
