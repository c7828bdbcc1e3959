//! Running a `Search`: validation, then `run`, `explain`, `search_many` or `iter`.

use super::access::{Access, Held};
use super::atomic::reading;
use super::catalog::explain_missing;
use super::collection::Collection;
use super::database::Database;
use super::feed::Feed;
use super::hits::{Explain, ExplainedHit, Hit, Hits, unknown_text};
use super::prepared::Prepared;
use super::read_row::{Columns, unknown_column};
use super::search::Search;
use super::statement::{error_of, target};
use crate::error::{Error, Result};
use crate::query::{Filter, Grouping, Leg, LegQuery, Request, TextLeg, VectorLeg};
use crate::schema::VectorSpec;
use crate::text::TextOptions;
use crate::value::Op;
use rusqlite::Connection;

impl<'c, D: Access> Search<'c, D> {
    /// Runs the search.
    ///
    /// ```
    /// # use nearlite::{Database, Metric, Schema};
    /// # let notes = Database::in_memory()?.collection("notes").create(
    /// #     Schema::new().integer_key("id").full_text("body").vector("x", 1, Metric::L2))?;
    /// # for (id, body) in [(1, "whales and ships"), (2, "ships at sea"), (3, "deserts")] {
    /// #     notes.insert(&serde_json::json!({"id": id, "body": body, "x": [id]}))?;
    /// # }
    /// for hit in &notes.search().nearest("x", [2.0]).text("ships").run()? {
    ///     println!("{} {:.3} {:?}", hit.key(), hit.score, hit.distance);
    /// }
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Unknown`] for a column that is not there, [`Error::Dimension`] or [`Error::NotFinite`] for the query
    /// vector, [`Error::Value`] for a filter that does not fit, [`Error::QueryText`] for the text.
    pub fn run(self) -> Result<Hits> {
        let collection = self.collection;
        collection
            .with(|conn| reading(conn, || Ok(self.prepare(conn)?.run(&collection.inner, conn, None)?.0)))
    }

    /// Runs the search and tells why: the plan, and what each leg gave to each hit.
    ///
    /// ```
    /// # use nearlite::{Database, Metric, Schema};
    /// # let notes = Database::in_memory()?.collection("notes").create(
    /// #     Schema::new().integer_key("id").full_text("body").vector("x", 1, Metric::L2))?;
    /// # for (id, body) in [(1, "whales and ships"), (2, "ships at sea"), (3, "deserts")] {
    /// #     notes.insert(&serde_json::json!({"id": id, "body": body, "x": [id]}))?;
    /// # }
    /// let why = notes.search().nearest("x", [3.0]).text("whales").explain()?;
    /// println!("{why}");                                           // the plan, then a line for each hit
    /// let best = &why.hits[0];
    /// assert_eq!(best.hit.key(), 1);
    /// assert_eq!(best.vector.as_ref().unwrap().rank, Some(3));
    /// assert_eq!(best.text.as_ref().unwrap().rank, Some(1));
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`run`](Self::run).
    pub fn explain(self) -> Result<Explain> {
        let collection = self.collection;
        collection.with(|conn| {
            reading(conn, || {
                let (prepared, mut found) = (self.prepare(conn)?, Vec::new());
                let (hits, plan) = prepared.run(&collection.inner, conn, Some(&mut found))?;
                let explained = |(hit, found)| ExplainedHit::new(hit, found, &prepared.request);
                Ok(Explain { plan, hits: hits.into_iter().zip(&found).map(explained).collect() })
            })
        })
    }

    /// Runs the search for each of many query vectors, on all cores where the collection is on a [`Database`] file. With
    /// [`filter_sql`](Self::filter_sql) or [`like`](Self::like) it runs them one after the other: what these read of the rows is
    /// true of one state of the file.
    ///
    /// The vectors are for the column of [`nearest`](Self::nearest), whose own vector is not used, or for the first
    /// vector column. Answers in the order of the queries.
    ///
    /// ```
    /// # use nearlite::{Database, Metric, Schema};
    /// # let points = Database::in_memory()?.collection("points").create(
    /// #     Schema::new().integer_key("id").vector("xy", 2, Metric::L2))?;
    /// # points.insert(&[serde_json::json!({"id": 1, "xy": [0.0, 0.0]}), serde_json::json!({"id": 2, "xy": [9.0, 9.0]})])?;
    /// let answers = points.search().limit(1).search_many(&[[1.0, 0.0], [8.0, 9.0]])?;
    /// assert_eq!(answers[0][0].rowid, 1);
    /// assert_eq!(answers[1][0].rowid, 2);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`run`](Self::run); the first one stops the rest. One about a query says which, counted from 0.
    pub fn search_many<Q: AsRef<[f32]> + Sync>(mut self, queries: &[Q]) -> Result<Vec<Hits>> {
        let collection = self.collection;
        let schema = &collection.inner.schema;
        let column = match self.nearest.pop() {
            Some(_) if !self.nearest.is_empty() => return Err(one_nearest(collection.name(), "search_many")),
            Some((name, _)) => name,
            None => match schema.vectors().next() {
                Some((at, _)) => schema.columns[at].name.clone(),
                None => return Err(Error::Unknown(format!("{} has no vector column", collection.name()))),
            },
        };
        let legs: Vec<VectorLeg> = queries
            .iter()
            .enumerate()
            .map(|(at, query)| {
                vector_leg(collection, &column, query.as_ref()).map_err(|error| of_query(error, at))
            })
            .collect::<Result<_>>()?;
        // Everything else is checked even where there are no queries, so a stand-in is prepared.
        let nth = collection.vector_column(&column)?;
        let dim = schema.vectors().nth(nth).map_or(0, |(_, spec)| spec.dim);
        self.nearest = vec![(column, vec![0.0; dim])];
        let inner = &*collection.inner;
        let answer = |prepared: &Prepared, conn: &Connection, at: usize| {
            let mut prepared = prepared.clone();
            if let (Some(first), Some(leg)) = (prepared.request.legs.first_mut(), legs.get(at)) {
                *first = leg.clone().into();
            }
            Ok(prepared.run(inner, conn, None)?.0)
        };
        if !self.sql.is_empty() || !self.like.is_empty() {
            return collection.with(|conn| {
                reading(conn, || {
                    let prepared = self.prepare(conn)?;
                    (0..legs.len()).map(|at| answer(&prepared, conn, at)).collect()
                })
            });
        }
        let prepared = collection.with(|conn| reading(conn, || self.prepare(conn)))?;
        let work = |conn: &Connection, at: usize| {
            reading(conn, || answer(&prepared, conn, at)).map_err(|error| explain_missing(conn, inner, error))
        };
        collection.access.spread(legs.len(), &work)
    }

    /// Rows one by one, best first, for as long as you take them: the limit only sizes the first batch. Every row
    /// that qualifies comes exactly once. On a [`Database`] file the iterator holds one snapshot, so writes that
    /// happen meanwhile do not disturb it; drop it when you are done, or the log of the file cannot be shortened. It has a
    /// connection of the pool to itself: with as many iterators as the pool has connections, every other call waits 20
    /// milliseconds before it opens one more.
    ///
    /// ```
    /// # use nearlite::{Database, Metric, Schema};
    /// # let points = Database::in_memory()?.collection("points").create(
    /// #     Schema::new().integer_key("id").vector("x", 1, Metric::L2))?;
    /// # points.insert(&(1..=50).map(|i| serde_json::json!({"id": i, "x": [i]})).collect::<Vec<_>>())?;
    /// let mut odd = Vec::new();
    /// for hit in points.search().nearest("x", [0.0]).iter()? {
    ///     let hit = hit?;
    ///     if hit.rowid % 2 == 1 { odd.push(hit.rowid); }
    ///     if odd.len() == 3 { break; }
    /// }
    /// assert_eq!(odd, [1, 3, 5]);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`run`](Self::run).
    pub fn iter(self) -> Result<Iter<'c, D>> {
        let collection = self.collection;
        let held = collection.access.hold()?;
        let feed = held.with(|conn| {
            let begun = conn.is_autocommit();
            if begun {
                conn.execute_batch("BEGIN")?;
            }
            let started = self.prepare(conn).and_then(|prepared| {
                let mut feed = prepared.start(&collection.inner, conn, false)?;
                for _ in 0..prepared.offset {
                    feed.next(collection.inner.on(conn))?;
                }
                Ok(feed)
            });
            let started = started.map_err(|error| explain_missing(conn, &collection.inner, error));
            if begun && (started.is_err() || !held.keeps_snapshot()) {
                conn.execute_batch("COMMIT")?;
            }
            started
        })?;
        Ok(Iter { collection, held, feed, done: false })
    }

    /// Checks everything and evaluates the SQL filters.
    fn prepare(self, conn: &Connection) -> Result<Prepared> {
        let collection = self.collection;
        let (table, schema) = (collection.name(), &collection.inner.schema);
        if let Some(mistake) = self.mistake {
            return Err(mistake);
        }
        let (alike, others) = self.like_legs(conn)?;
        let compared = !self.like.is_empty();
        let mut filter = self.filter;
        if let Some(others) = others {
            filter = Some(match filter {
                Some(filter) => filter.and(others),
                None => others,
            });
        }
        for (expression, run) in self.sql {
            let sql = format!("SELECT rowid FROM {} WHERE ({expression}\n)", target(&collection.inner));
            let ids = Filter::rowids(run(conn, &sql).map_err(|error| match error {
                Error::Sqlite(error) => error_of(error),
                other => other,
            })?);
            filter = Some(match filter {
                Some(filter) => filter.and(ids),
                None => ids,
            });
        }
        if let Some(filter) = &filter {
            filter.check(table, schema)?;
        }
        let legs = self.nearest.iter().map(|(column, query)| vector_leg(collection, column, query));
        let mut legs: Vec<Leg> = legs.map(|leg| leg.map(Leg::from)).collect::<Result<_>>()?;
        legs.extend(alike);
        let vectors = legs.iter().any(|leg| matches!(leg.query, LegQuery::Vector(_)));
        let mut must_match = self.must_match;
        for leg in &mut must_match {
            leg.options = self.texts.clone();
        }
        let options = self.syntax.map_or_else(TextOptions::new, TextOptions::from).over(&self.texts);
        let text = match self.text {
            None if legs.is_empty() && !must_match.is_empty() => Some(must_match.remove(0)),
            None => None,
            Some((None, query)) => Some(TextLeg { query, options, field: None }),
            Some((Some(column), query)) => {
                match schema.find(&column).and_then(|(at, _)| schema.full_text_nth(at)) {
                    Some(field) => Some(TextLeg { query, options, field: Some(field) }),
                    None => return Err(unknown_text(table, schema, &column)),
                }
            }
        };
        if !vectors && !compared && self.within.is_some() {
            return Err(Error::Value(format!(
                "{table}: within is a distance to a query vector: it needs nearest"
            )));
        }
        let group = match self.group {
            None => None,
            Some((name, rows)) => match schema.find(&name) {
                Some((column, _)) => Some(Grouping { column, rows }),
                None => return Err(unknown_column(table, schema, &name)),
            },
        };
        legs.extend(text.map(Leg::from));
        if compared && (legs.is_empty() || !vectors && self.within.is_some()) {
            // The row has nothing to be compared by.
            filter = Some(Filter::rowids([]));
        }
        let mmr = self.rerank.map(|mmr| mmr.lambda);
        if mmr.is_some() && !vectors && !compared {
            return Err(Error::Value(format!("{table}: rerank by MMR needs nearest")));
        }
        let request = Request {
            legs,
            must_match: must_match.into_iter().map(Into::into).collect(),
            filter,
            within: self.within.map(|distance| (Op::Le, f64::from(distance))).into_iter().collect(),
            within_first: false,
            group,
            mmr,
            hint: Some(self.limit.saturating_add(self.offset)),
            page: Some(self.limit),
            ef: self.ef,
            exact: self.exact,
            plan: self.plan,
            hybrid: self.hybrid,
            ..Request::default()
        };
        let columns = Columns::new(table, schema, self.columns.as_deref())?;
        if !self.order.is_empty() && (!request.legs.is_empty() || compared) {
            return Err(Error::Value(format!(
                "{table}: order_by is for a search without a leg; nearest, text and like rank rows"
            )));
        }
        Ok(Prepared { request, limit: self.limit, offset: self.offset, columns, order: self.order })
    }
}

fn one_nearest(table: &str, method: &str) -> Error {
    Error::Value(format!("{table}: {method} takes one nearest"))
}

/// The error of one query of many.
fn of_query(mut error: Error, at: usize) -> Error {
    if let Error::Dimension { column, .. } | Error::NotFinite { column, .. } = &mut error {
        column.push_str(&format!(" (query {at})"));
    }
    error
}

fn vector_leg<D: Access>(collection: &Collection<D>, column: &str, query: &[f32]) -> Result<VectorLeg> {
    let nth = collection.vector_column(column)?;
    let schema = &collection.inner.schema;
    let Some((at, VectorSpec { dim, .. })) = schema.vectors().nth(nth) else {
        return Err(unknown_column(collection.name(), schema, column));
    };
    let place = || format!("{}.{}", collection.name(), schema.columns[at].name);
    if query.len() != *dim {
        return Err(Error::dimension(place(), *dim, query.len(), schema.model.as_deref()));
    }
    Error::check_finite(query, place)?;
    Ok(VectorLeg { column: nth, query: query.to_vec() })
}

/// Rows of a search one by one; made by [`Search::iter`].
pub struct Iter<'c, D: Access = Database> {
    collection: &'c Collection<D>,
    held: D::Held<'c>,
    feed: Feed,
    done: bool,
}

impl<D: Access> Iterator for Iter<'_, D> {
    type Item = Result<Hit>;

    fn next(&mut self) -> Option<Result<Hit>> {
        if self.done {
            return None;
        }
        let Self { collection, held, feed, .. } = self;
        let inner = &collection.inner;
        let next = held.with(|conn| {
            let mut next = || {
                if !held.keeps_snapshot() {
                    inner.check(conn)?;
                }
                loop {
                    let Some(found) = feed.next(inner.on(conn))? else { return Ok(None) };
                    if let Some(hit) = feed.hit(inner.on(conn), &found)? {
                        return Ok(Some(hit));
                    }
                }
            };
            next().map_err(|error| explain_missing(conn, inner, error))
        });
        self.done = !matches!(next, Ok(Some(_)));
        next.transpose()
    }
}
