//! From a plan and its argument values to a search request.

use super::filter_terms::{column_name, filter_of, is_text, list_filter};
use super::functions::{
    Carried, HybridQuery, JSON_MATCHES, LegOptions, LegValue, LikeValue, ROW_MATCHES, TextValue, filter_text,
};
use super::leg_values::{grouping, like_legs, near_leg, text_leg, vector_column, vector_leg};
use super::module::Args;
use super::plan::{QueryPlan, Term};
use super::search_options::SearchOptions;
use super::table_state::TableState;
use crate::error::{Error, Result};
use crate::query::fusion::{self, HybridOptions};
use crate::query::{Filter, Leg, LegQuery, Like, Request, Required, VectorLeg};
use crate::value::{Op, Value};
use rusqlite::types::ValueRef;

/// What the query asked for, kept for functions of the result row.
#[derive(Default)]
pub struct Asked {
    /// FULLTEXT column the text was restricted to.
    pub field: Option<usize>,
    /// The hybrid query.
    pub hybrid: Option<HybridQuery>,
    /// The row that others are compared with.
    pub like: Option<LikeValue>,
    /// Columns that have one value in every row found, because the search looks at such rows only.
    pub fixed: Vec<(usize, Value)>,
}

/// Builds the request; `None` when a NULL says that nothing can match.
pub fn build(
    shared: &TableState,
    plan: &QueryPlan,
    args: &Args<'_>,
    options: &mut SearchOptions,
) -> Result<Option<(Request, Asked)>> {
    let mut builder = RequestBuilder::new(shared);
    for (position, term) in plan.terms.iter().enumerate() {
        if !builder.add(*term, args, position, options)? {
            return Ok(None);
        }
    }
    builder.finish()
}

/// A request as far as the terms of the plan have been read.
struct RequestBuilder<'a> {
    shared: &'a TableState,
    request: Request,
    filters: Vec<Filter>,
    /// The vector of MATCH.
    vector: Option<VectorLeg>,
    /// The texts of MATCH, as legs.
    texts: Vec<Leg>,
    /// The legs of a hybrid query.
    legs: Vec<Leg>,
    hybrid: Option<HybridQuery>,
    like: Option<LikeValue>,
    limit: Option<usize>,
    offset: usize,
    bounds: Vec<(Term, f64)>,
    fixed: Vec<(usize, Value)>,
}

impl<'a> RequestBuilder<'a> {
    fn new(shared: &'a TableState) -> Self {
        Self {
            shared,
            request: Request::default(),
            filters: Vec::new(),
            vector: None,
            texts: Vec::new(),
            legs: Vec::new(),
            hybrid: None,
            like: None,
            limit: None,
            offset: 0,
            bounds: Vec::new(),
            fixed: Vec::new(),
        }
    }

    /// Adds the term whose value is at `position`. False: nothing can match.
    fn add(
        &mut self,
        term: Term,
        args: &Args<'_>,
        position: usize,
        options: &mut SearchOptions,
    ) -> Result<bool> {
        let value = args.value(position);
        match term {
            Term::Vector(at) => return self.add_vector(at, args, position),
            Term::Text(column) => return self.add_text(column, args, position),
            Term::Distance(_) | Term::Score(_) | Term::Bm25(_) | Term::Rank(_) => match value {
                // A bound that no float is becomes the nearest one, and includes it; SQLite checks the term again.
                ValueRef::Integer(bound) if bound as f64 as i128 != i128::from(bound) => {
                    self.bounds.push((term.or_equal(), bound as f64));
                }
                ValueRef::Integer(bound) => self.bounds.push((term, bound as f64)),
                ValueRef::Real(bound) => self.bounds.push((term, bound)),
                ValueRef::Null => return Ok(false),
                // Left to SQLite, which checks the term itself.
                _ => {}
            },
            Term::K | Term::Ef | Term::Exact => {
                return self.add_option(term, options.read(self.shared, term, &Value::from(value))?);
            }
            Term::Limit => self.limit = count(value),
            Term::Offset => self.offset = count(value).unwrap_or(0),
            Term::Json(at) => {
                let column = column_name(self.shared, at);
                let place = format!("{}.{column}: {JSON_MATCHES}", self.shared.table());
                let Some(filter) = filter_text(&place, value)? else { return Ok(false) };
                self.filters.push(Filter::Json { column, filter: filter.to_owned() });
            }
            Term::Row => {
                let place = format!("{}: {ROW_MATCHES}", self.shared.table());
                let Some(filter) = filter_text(&place, value)? else { return Ok(false) };
                self.filters.push(Filter::Row { filter: filter.to_owned() });
            }
            Term::In(_) | Term::RowidIn | Term::KeyIn => {
                self.filters.extend(list_filter(self.shared, term, args.in_values(position)?));
            }
            _ => {
                let value = Value::from(value);
                if let (Term::Compare(at, Op::Eq), Value::Text(_)) = (term, &value)
                    && is_text(self.shared, at)
                {
                    self.fixed.push((at, value.clone()));
                }
                self.filters.extend(filter_of(self.shared, term, value));
            }
        }
        Ok(true)
    }

    fn add_vector(&mut self, at: usize, args: &Args<'_>, position: usize) -> Result<bool> {
        let table = self.shared.table();
        match Carried::of(args, position)? {
            Some(Carried::Like(value)) => {
                let like = value.like.in_vector(table, &column_name(self.shared, at))?;
                for leg in self.like_legs(value, &like, None)? {
                    if let LegQuery::Vector(leg) = leg.query {
                        self.set_vector(leg)?;
                        return Ok(true);
                    }
                }
                return Ok(false);
            }
            Some(Carried::Hybrid(_) | Carried::Near(_)) => {
                return Err(Error::Value(format!("{table}: write {table} MATCH hybrid_query(...)")));
            }
            Some(Carried::Text(_)) => {
                let column = column_name(self.shared, at);
                return Err(Error::Value(format!(
                    "{table}.{column}: a text query is for {table} or a FULLTEXT column"
                )));
            }
            None => {}
        }
        let leg = vector_leg(self.shared, at, args.value(position), args.subtype(position))?;
        let Some(leg) = leg else { return Ok(false) };
        self.set_vector(leg)?;
        Ok(true)
    }

    fn add_text(&mut self, column: Option<usize>, args: &Args<'_>, position: usize) -> Result<bool> {
        let table = self.shared.table();
        let carried = match Carried::of(args, position)? {
            Some(Carried::Hybrid(asked)) => {
                if self.hybrid.is_some() || self.like.is_some() {
                    return Err(Error::Value(format!(
                        "{table}: a search takes one hybrid_query; like_row(...) can be a leg of it"
                    )));
                }
                self.add_hybrid(asked)?;
                return Ok(true);
            }
            Some(Carried::Like(value)) => return self.add_like(column, value),
            carried => carried,
        };
        let value = match (carried, Value::from(args.value(position))) {
            (Some(Carried::Text(value)), _) => value,
            (None, Value::Text(text)) => TextValue { text, options: LegOptions::default() },
            (None, Value::Null) => return Ok(false),
            (Some(_), _) => {
                return Err(Error::QueryText(format!(
                    "{table}: write {table} MATCH hybrid_query(near(...))"
                )));
            }
            (None, other) => {
                let kind = other.type_name();
                return Err(Error::QueryText(format!("{table}: a text query is TEXT, got {kind}")));
            }
        };
        let field = column.and_then(|at| self.shared.collection.schema.full_text_nth(at));
        self.texts.push(text_leg(self.shared, value, field)?);
        Ok(true)
    }

    /// `docs MATCH like_row(...)`, and the same of a FULLTEXT column.
    fn add_like(&mut self, column: Option<usize>, value: LikeValue) -> Result<bool> {
        let table = self.shared.table();
        let Some(at) = column else {
            if self.hybrid.is_some() {
                return Err(Error::Value(format!(
                    "{table}: like_row(...) beside a hybrid_query is a leg of it: hybrid_query(..., like_row(...))"
                )));
            }
            let like = value.like.clone();
            let legs = self.like_legs(value, &like, None)?;
            let found = !legs.is_empty();
            self.legs.extend(legs);
            return Ok(found);
        };
        let like = value.like.in_text(table, &column_name(self.shared, at))?;
        let legs = self.like_legs(value, &like, None)?;
        let texts = legs.into_iter().filter(|leg| matches!(leg.query, LegQuery::Text(_)));
        let before = self.texts.len();
        self.texts.extend(texts);
        Ok(self.texts.len() > before)
    }

    /// The legs of a row that others are compared with, which is left out of the answer. `column` is the VECTOR column where
    /// none is named.
    fn like_legs(&mut self, value: LikeValue, like: &Like, column: Option<usize>) -> Result<Vec<Leg>> {
        let (rowid, legs) = like_legs(self.shared, &value, like, column)?;
        if !legs.is_empty() {
            self.filters.push(Filter::rowids([rowid]).not());
        }
        self.like = Some(value);
        Ok(legs)
    }

    fn add_option(&mut self, term: Term, number: Option<usize>) -> Result<bool> {
        match (term, number) {
            (Term::K, None) => return Ok(false),
            (_, None) => {}
            (Term::K, Some(most)) => {
                self.request.limit = Some(self.request.limit.map_or(most, |old| old.min(most)));
            }
            (Term::Ef, breadth) => self.request.ef = breadth,
            (_, Some(exact)) => self.request.exact = exact == 1,
        }
        Ok(true)
    }

    fn set_vector(&mut self, leg: VectorLeg) -> Result<()> {
        if self.vector.is_some() {
            let table = self.shared.table();
            return Err(Error::Value(format!(
                "{table}: a search takes one vector MATCH; to combine several write hybrid_query(near('a', :a), near('b', :b))"
            )));
        }
        self.vector = Some(leg);
        Ok(())
    }

    fn add_hybrid(&mut self, asked: HybridQuery) -> Result<()> {
        let options: HybridOptions = match &asked.options {
            Some(json) => fusion::parse_options(json)?,
            None => HybridOptions::default(),
        };
        let column = vector_column(self.shared, options.column.as_deref());
        for leg in &asked.legs {
            let leg = match leg {
                LegValue::Near(near) => near_leg(self.shared, near, &column)?,
                LegValue::Text(value) => {
                    let mut value = value.clone();
                    value.options.text = value.options.text.over(&options.text);
                    Some(text_leg(self.shared, value, None)?)
                }
                LegValue::Like(value) => {
                    let like = value.like.clone();
                    let legs = self.like_legs(value.clone(), &like, column.as_ref().ok().copied())?;
                    self.legs.extend(legs);
                    None
                }
            };
            self.legs.extend(leg);
        }
        if options.column.is_some() {
            column?;
        }
        self.request.group = grouping(self.shared, &options)?;
        self.request.mmr = options.mmr;
        self.request.ef = self.request.ef.or(options.ef_search);
        self.request.hybrid = options;
        self.hybrid = Some(asked);
        Ok(())
    }

    fn finish(mut self) -> Result<Option<(Request, Asked)>> {
        self.request.hint = self.limit.map(|limit| limit.saturating_add(self.offset));
        self.request.page = self.limit;
        self.request.filter = match self.filters.len() {
            0 => None,
            1 => self.filters.pop(),
            _ => Some(Filter::And(std::mem::take(&mut self.filters))),
        };
        self.add_legs()?;
        if self.request.legs.is_empty() || !self.add_bounds() {
            return Ok(None);
        }
        let field = self.request.texts().next().and_then(|leg| leg.field);
        Ok(Some((self.request, Asked { field, hybrid: self.hybrid, like: self.like, fixed: self.fixed })))
    }

    /// The legs of a hybrid query rank, with a vector beside it; texts beside it must match. Without one the vector and the
    /// first text rank, and more texts must match. A text beside a vector MATCH must match, too.
    fn add_legs(&mut self) -> Result<()> {
        let Self { request, texts, vector, legs, .. } = self;
        let (vector, mut texts, legs) = (vector.take(), std::mem::take(texts), std::mem::take(legs));
        if vector.is_some() && legs.iter().any(|leg| matches!(leg.query, LegQuery::Vector(_))) {
            let table = self.shared.table();
            return Err(Error::Value(format!(
                "{table}: a hybrid_query with a vector takes no vector MATCH beside it; add near('column', vector) to its legs"
            )));
        }
        let ranked = !legs.is_empty() || vector.is_some() && self.hybrid.is_some();
        let both = vector.is_some();
        request.legs.extend(vector.map(Leg::from));
        request.legs.extend(legs);
        if !ranked && !texts.is_empty() {
            let first = texts.remove(0);
            if both {
                request.must_match.extend(Required::of(&first));
            }
            request.legs.push(first);
        }
        request.must_match.extend(texts.iter().filter_map(Required::of));
        Ok(())
    }

    /// Bounds end a search, or narrow it by distance; SQLite checks them again. Of another column than the one that ranks
    /// they are left to it. `false`: nothing is within them, since the column is NULL in every row.
    fn add_bounds(&mut self) -> bool {
        let request = &mut self.request;
        let text = request.texts().next().is_some();
        let several = request.legs.len() > 1;
        if let [Leg { bound: Some(bound), .. }] = *request.legs {
            let term = if text { Term::Bm25(Op::Ge) } else { Term::Distance(Op::Le) };
            self.bounds.push((term, bound));
        }
        for &(term, bound) in &self.bounds {
            match term {
                Term::Distance(op) => {
                    request.within.push((op, bound));
                    request.within_first = true;
                }
                // It counts the picks.
                Term::Rank(_) if request.mmr.is_some() => {}
                Term::Rank(op) if !text && !several => request.within.push((op, bound)),
                Term::Rank(op) => request.until.push((op, bound)),
                Term::Score(_) if !several => return false,
                Term::Bm25(_) if !text => return false,
                Term::Score(op) => request.until.push((op.turned(), -bound)),
                Term::Bm25(op) if !several => request.until.push((op.turned(), -bound)),
                _ => {}
            }
        }
        request.until.retain(|(op, _)| matches!(op, Op::Lt | Op::Le));
        true
    }
}

/// A LIMIT or OFFSET as a hint; negative means none.
fn count(value: ValueRef<'_>) -> Option<usize> {
    if let ValueRef::Integer(count) = value { usize::try_from(count).ok() } else { None }
}
