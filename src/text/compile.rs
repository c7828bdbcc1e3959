//! From the tree of words to scorers over all fields.
//!
//! A word is looked for in every field of its scope and the fields' scores, times their weights, add up. Plain words
//! joined by OR end up in one flat union of terms: the only shape for which tantivy skips blocks that cannot reach the
//! top k (block-max WAND).
//! Prefixes and fuzzy words stand for many terms and score as one word that has their occurrences: by the number of
//! documents that have any of them. Their documents are found ahead of the search, as are those of phrases that end in a
//! prefix (see `finder`) and of loose ones (see `loose`).
//! A query of many words or phrases, or one that asks for some of its words, is heavy: nothing of it goes to tantivy's boolean queries (see `windows`).

use super::exact::{Exact, Place, Shared};
use super::finder::{Finder, Job, Outcome};
use super::found::{FoundWeight, weight_of};
use super::interrupt::Interrupt;
use super::listed::Listed;
use super::occurrences::is_pair;
use super::opened::Readers;
use super::queries::PlainSeek;
use super::query_text::{Leaf, Matcher, Node, Scope, limit};
use super::statistics::Statistics;
use super::{TextConfig, engine};
use crate::error::Result;
use std::collections::HashMap;
use std::sync::Arc;
use tantivy::query::{
    AllQuery, BooleanQuery, BoostQuery, ConstScoreQuery, EmptyQuery, EnableScoring, Occur, PhraseQuery,
    Query, TermQuery, Weight,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{Score, Term};

/// From here on a query is heavy: words times columns, places in its tree, phrases times columns, words of a phrase.
const MANY_WORDS: usize = 64;
const MANY_PLACES: usize = 256;
const MANY_PHRASES: usize = 8;
const LONG_PHRASE: usize = 8;

/// Boosts times column weights end here.
const LARGEST: Score = 1e30;

/// Documents with words of loose phrases (three words and more, with ~) that a query may have: the first number, and for each
/// document of the index the second. Only a heavy query can have as many.
const LOOSE_WORK: (u64, u64) = (1 << 22, 128);

pub(super) struct Compiler<'a> {
    pub config: &'a TextConfig,
    /// Weights of columns in place of the declared ones.
    pub column_weights: &'a [(usize, f32)],
    pub readers: &'a Readers,
    /// What scores need; `None` where they do not matter.
    pub statistics: Option<Statistics<'a>>,
    pub interrupt: &'a Interrupt<'a>,
}

/// A query in two forms that share their scorers' weights.
pub(super) struct Compiled {
    /// Finds candidates fast; a heavy query has none.
    pub weight: Option<Box<dyn Weight>>,
    /// Scores them.
    pub exact: Exact,
    /// Columns whose plain words tantivy may skip blocks of, with the average length that scores are by.
    pub averages: Vec<(Field, Score)>,
    pub warnings: Vec<String>,
}

type Clauses = Vec<(Occur, Box<dyn Query>)>;

/// The different words of a query.
#[derive(Default)]
struct Vocabulary<'a> {
    numbers: HashMap<(&'a Scope, &'a Matcher, u32), usize>,
    leaves: Vec<&'a Leaf>,
}

impl<'a> Vocabulary<'a> {
    /// The tree with words by number. In a heavy query the same word has one number whatever it counts.
    fn place(&mut self, node: &'a Node, heavy: bool) -> Place {
        match node {
            Node::Leaf(leaf) => {
                let (key, boost) =
                    if heavy { (0, f64::from(leaf.boost)) } else { (leaf.boost.to_bits(), 1.0) };
                let next = self.leaves.len();
                let number = *self.numbers.entry((&leaf.scope, &leaf.matcher, key)).or_insert(next);
                if number == next {
                    self.leaves.push(leaf);
                }
                Place::Word(number, boost)
            }
            Node::Group(children) => Place::Group(
                children.iter().map(|(occur, child)| (*occur, self.place(child, heavy))).collect(),
            ),
            Node::AtLeast(minimum, children) => Place::AtLeast(
                minimum.of(children.len()),
                children.iter().map(|child| self.place(child, heavy)).collect(),
            ),
        }
    }
}

impl<'a> Compiler<'a> {
    pub(super) fn compile(&self, root: &Node) -> Result<Compiled> {
        let heavy = self.is_heavy(root);
        let mut words = Vocabulary::default();
        let place = words.place(root, heavy);
        let mut warnings = Vec::new();
        let weights = self.weights(&words.leaves, heavy, &mut warnings)?;
        let weight = if heavy {
            None
        } else {
            let mut clauses = Vec::new();
            let phrases: Vec<bool> =
                words.leaves.iter().map(|leaf| matches!(leaf.matcher, Matcher::Phrase { .. })).collect();
            add(&place, Occur::Should, false, &weights, &phrases, &mut clauses);
            Some(boolean(clauses).weight(self.mode()).map_err(engine)?)
        };
        let averages = if heavy { Vec::new() } else { self.averages(&words.leaves)? };
        Ok(Compiled { weight, exact: Exact { words: weights, root: place }, averages, warnings })
    }

    fn averages(&self, leaves: &[&Leaf]) -> Result<Vec<(Field, Score)>> {
        let Some(statistics) = &self.statistics else { return Ok(Vec::new()) };
        let plain = |leaf: &&&Leaf| matches!(leaf.matcher, Matcher::Term(_));
        let mut scopes: Vec<Scope> = leaves.iter().filter(plain).map(|leaf| leaf.scope).collect();
        scopes.dedup();
        let searched = |at: &usize| scopes.iter().any(|scope| self.config.holds(*scope, *at));
        (0..self.config.fields.len())
            .filter(searched)
            .map(|at| {
                let field = Field::from_field_id(at as u32);
                Ok((field, statistics.average(field).map_err(engine)?))
            })
            .collect()
    }

    fn mode(&self) -> EnableScoring<'_> {
        match &self.statistics {
            Some(statistics) => {
                EnableScoring::enabled_from_statistics_provider(statistics, &self.readers.blank)
            }
            None => EnableScoring::disabled_from_searcher(&self.readers.blank),
        }
    }

    fn is_heavy(&self, root: &Node) -> bool {
        #[derive(Default)]
        struct Sizes {
            words: usize,
            places: usize,
            phrases: usize,
            longest: usize,
            some: bool,
        }
        fn measure(node: &Node, columns: &dyn Fn(Scope) -> usize, sizes: &mut Sizes) {
            sizes.places += 1;
            match node {
                Node::Leaf(leaf) => {
                    sizes.words += columns(leaf.scope);
                    if let Matcher::Phrase { tokens, .. } = &leaf.matcher {
                        sizes.phrases += columns(leaf.scope);
                        sizes.longest = sizes.longest.max(tokens.len());
                    }
                }
                Node::Group(children) => {
                    children.iter().for_each(|(_, child)| measure(child, columns, sizes))
                }
                Node::AtLeast(..) => sizes.some = true,
            }
        }
        let mut sizes = Sizes::default();
        let columns = |scope: Scope| match scope {
            Scope::Alike(_) => self.config.within(scope).count(),
            _ => self.config.fields.len(),
        };
        measure(root, &columns, &mut sizes);
        sizes.some
            || sizes.words > MANY_WORDS
            || sizes.places > MANY_PLACES
            || sizes.phrases > MANY_PHRASES
            || sizes.longest > LONG_PHRASE
    }

    /// The weights of each word, one a column.
    fn weights(
        &self,
        leaves: &[&Leaf],
        heavy: bool,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<Vec<Arc<dyn Weight>>>> {
        let fields = |leaf: &Leaf| self.config.within(leaf.scope);
        let mut jobs = Vec::new();
        let mut loose = 0;
        for leaf in leaves {
            let ahead = is_found_ahead(&leaf.matcher, heavy);
            for at in fields(leaf) {
                let field = Field::from_field_id(at as u32);
                if ahead {
                    jobs.push(Job { field, matcher: &leaf.matcher });
                }
                if let Matcher::Phrase { tokens, slop: 1.., .. } = &leaf.matcher
                    && tokens.len() > 2
                {
                    for (_, token) in tokens {
                        let term = Term::from_field_text(field, token);
                        loose += self.readers.doc_freq(&term).map_err(engine)?;
                    }
                }
            }
        }
        let most = LOOSE_WORK.0 + LOOSE_WORK.1 * self.readers.num_docs();
        if loose > most {
            let what = "sum of the rows that hold the words of phrases with ~ (of three words and more)";
            return Err(limit(what, loose as usize, most as usize));
        }
        let finder =
            Finder { readers: self.readers, scoring: self.statistics.is_some(), interrupt: self.interrupt };
        let (outcomes, unranked) = finder.find(&jobs)?;
        if unranked {
            warnings.push("prefixes and phrases find too many rows: some restrict and do not rank".into());
        }
        let mut outcomes = outcomes.into_iter();
        let mut weights = Vec::with_capacity(leaves.len());
        for leaf in leaves {
            self.interrupt.after(20)?;
            let ahead = is_found_ahead(&leaf.matcher, heavy);
            let found: Vec<Outcome> =
                if ahead { outcomes.by_ref().take(fields(leaf).count()).collect() } else { Vec::new() };
            // As for words: as rare as in the column where it is most common.
            let holders = found.iter().map(|outcome| outcome.holders).max().unwrap_or(0);
            let mut found = found.into_iter();
            let mut of = Vec::new();
            for at in fields(leaf) {
                let field = Field::from_field_id(at as u32);
                let boost = self.weight_of(at) * if heavy { 1.0 } else { leaf.boost };
                let boost = boost.clamp(1.0 / LARGEST, LARGEST);
                of.push(match found.next() {
                    Some(outcome) => self.found(&leaf.matcher, field, outcome, holders, boost)?,
                    None => {
                        let query = plain(&leaf.matcher, field);
                        let query =
                            if boost == 1.0 { query } else { Box::new(BoostQuery::new(query, boost)) };
                        let weight = weight_of(query.as_ref(), self.mode())?;
                        match &leaf.matcher {
                            Matcher::Term(text) => {
                                self.with_lists(weight, Term::from_field_text(field, text), boost)?
                            }
                            _ => weight,
                        }
                    }
                });
            }
            weights.push(of);
        }
        Ok(weights)
    }

    fn weight_of(&self, field: usize) -> f32 {
        let own = self.column_weights.iter().find(|(of, _)| *of == field);
        own.map_or(self.config.fields[field].weight, |(_, weight)| *weight)
    }

    /// The weight of a word that indexes without a dictionary have as lists.
    fn with_lists(&self, dictionary: Arc<dyn Weight>, term: Term, boost: Score) -> Result<Arc<dyn Weight>> {
        let segments = self.readers.listed(&term);
        if segments.is_empty() {
            return Ok(dictionary);
        }
        let weight = match &self.statistics {
            Some(of) => Some(of.weight(term.field(), std::slice::from_ref(&term), None)?.boost_by(boost)),
            None => None,
        };
        let lists = FoundWeight { field: term.field(), segments: Arc::new(segments), weight };
        Ok(Arc::new(Listed { dictionary, lists }))
    }

    /// The weight of what was found ahead.
    fn found(
        &self,
        matcher: &Matcher,
        field: Field,
        outcome: Outcome,
        holders: u64,
        boost: Score,
    ) -> Result<Arc<dyn Weight>> {
        let weight = match &self.statistics {
            None => None,
            Some(statistics) => {
                let (fixed, open): (&[(usize, String)], bool) = match matcher {
                    Matcher::Phrase { tokens, prefix, .. } => {
                        (&tokens[..tokens.len() - usize::from(*prefix)], *prefix)
                    }
                    _ => (&[], true),
                };
                let terms: Vec<Term> =
                    fixed.iter().map(|(_, token)| Term::from_field_text(field, token)).collect();
                Some(statistics.weight(field, &terms, open.then_some(holders))?.boost_by(boost))
            }
        };
        Ok(Arc::new(FoundWeight { field, segments: Arc::new(outcome.segments), weight }))
    }
}

/// Whether the documents of a word are found before the search begins.
fn is_found_ahead(matcher: &Matcher, heavy: bool) -> bool {
    match matcher {
        Matcher::Term(_) => false,
        Matcher::Prefix { .. } | Matcher::Fuzzy { .. } => true,
        Matcher::Phrase { tokens, slop, prefix, .. } => heavy || *prefix || *slop > 0 && !is_pair(tokens),
    }
}

fn plain(matcher: &Matcher, field: Field) -> Box<dyn Query> {
    let term = |text: &str| Term::from_field_text(field, text);
    match matcher {
        Matcher::Term(text) => Box::new(TermQuery::new(term(text), IndexRecordOption::WithFreqs)),
        Matcher::Phrase { tokens, slop, .. } => {
            let terms = tokens.iter().map(|(position, text)| (*position, term(text))).collect();
            Box::new(PhraseQuery::new_with_offset_and_slop(terms, *slop))
        }
        Matcher::Prefix { .. } | Matcher::Fuzzy { .. } => Box::new(EmptyQuery),
    }
}

/// Adds what `place` means to `clauses`; unions inside a union are flattened. `forbidden`: it stands somewhere below a
/// `NOT`.
fn add(
    place: &Place,
    occur: Occur,
    forbidden: bool,
    weights: &[Vec<Arc<dyn Weight>>],
    phrases: &[bool],
    clauses: &mut Clauses,
) {
    let forbidden = forbidden || occur == Occur::MustNot;
    let mut inner: Clauses = Vec::new();
    let flat = match place {
        Place::Word(word, _) => {
            for weight in &weights[*word] {
                let query = Box::new(Shared(Arc::clone(weight)));
                let query: Box<dyn Query> =
                    if forbidden && phrases[*word] { Box::new(PlainSeek(query)) } else { query };
                inner.push((Occur::Should, query));
            }
            true
        }
        Place::Group(children) => {
            for (occur, child) in children {
                add(child, *occur, forbidden, weights, phrases, &mut inner);
            }
            if children.iter().all(|(occur, _)| *occur == Occur::MustNot) {
                // Only forbidden words: everything else matches and scores nothing.
                inner.push((Occur::Must, Box::new(ConstScoreQuery::new(Box::new(AllQuery), 0.0))));
            }
            children.iter().all(|(occur, _)| *occur == Occur::Should)
        }
        // Only heavy queries have one, and of those nothing comes here.
        Place::AtLeast(..) => false,
    };
    if flat && occur == Occur::Should {
        clauses.append(&mut inner);
    } else {
        clauses.push((occur, boolean(inner)));
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
