//! The builder of a search: what ranks, and how many rows. What restricts the rows is in `restrict`, running it in `answer`.

use super::access::Access;
use super::collection::Collection;
use super::database::Database;
use super::key::Key;
use crate::error::{Error, Result};
use crate::limits::MAX_K;
use crate::query::fusion::{Fusion, HybridOptions};
use crate::query::planner::PartPlan;
use crate::query::{Filter, Like, OrderBy, TextLeg};
use crate::text::{Syntax, TextOptions};
use rusqlite::Connection;

/// Rows a search returns when no limit is given.
pub(super) const LIMIT: usize = 10;

/// Re-ranks by maximal marginal relevance: rows that are relevant and unlike each other (Carbonell & Goldstein 1998).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mmr {
    pub(super) lambda: f32,
}

impl Mmr {
    /// `lambda` 1 is pure relevance, 0 pure diversity; 0.5 to 0.8 is usual. The search refuses any other number.
    pub fn lambda(lambda: f32) -> Self {
        Self { lambda }
    }
}

pub(super) type RunSql<'c> = Box<dyn FnOnce(&Connection, &str) -> Result<Vec<i64>> + Send + 'c>;

/// A search being put together; see [`Collection::search`].
///
/// With [`nearest`](Self::nearest) it ranks by distance, with [`text`](Self::text) by BM25, with both by their fused
/// score. With neither it gives the rows that pass the filter, in rowid order.
///
/// ```
/// use nearlite::{Database, Fusion, Metric, Schema, col};
/// use serde_json::json;
///
/// let notes = Database::in_memory()?.collection("notes").create(
///     Schema::new().key("id").full_text("body").text("lang").integer("year").vector("embedding", 2, Metric::Cosine),
/// )?;
/// notes.insert(&[
///     json!({"id": "a", "body": "sqlite keeps rows", "lang": "en", "year": 2021, "embedding": [1.0, 0.0]}),
///     json!({"id": "b", "body": "sqlite vector search", "lang": "en", "year": 2024, "embedding": [0.8, 0.6]}),
///     json!({"id": "c", "body": "Suche nach Vektoren", "lang": "de", "year": 2024, "embedding": [0.0, 1.0]}),
/// ])?;
///
/// let near = notes.search().nearest("embedding", [0.0, 1.0]).filter(col("lang").eq("en")).run()?;
/// assert_eq!(near[0].key(), "b");
/// assert!((near[0].distance.unwrap() - 0.4).abs() < 1e-6);
///
/// let words = notes.search().text("vector").run()?;
/// assert_eq!(words[0].snippet("body", "[", "]", 8)?.unwrap(), "sqlite [vector] search");
///
/// let both = notes.search().nearest("embedding", [1.0, 0.0]).text("vector").fuse(Fusion::rrf()).run()?;
/// assert_eq!(both[0].key(), "b");                              // first by text, second by distance
/// assert_eq!((both[0].vector_rank, both[0].text_rank), (Some(2), Some(1)));
///
/// let recent = notes.search().filter_sql("year > ? AND lang LIKE 'd%'", [2000]).run()?;
/// assert_eq!(recent[0].key(), "c");
/// # Ok::<(), nearlite::Error>(())
/// ```
#[must_use = "a search does nothing until it is run"]
pub struct Search<'c, D: Access = Database> {
    pub(super) collection: &'c Collection<D>,
    /// Vector columns with their queries.
    pub(super) nearest: Vec<(String, Vec<f32>)>,
    pub(super) text: Option<(Option<String>, String)>,
    /// Rows that others are compared with.
    pub(super) like: Vec<(Key, Like)>,
    /// The order of rows that nothing ranks.
    pub(super) order: Vec<OrderBy>,
    pub(super) must_match: Vec<TextLeg>,
    /// How `text` is read, where it was said.
    pub(super) syntax: Option<Syntax>,
    /// How all texts are meant.
    pub(super) texts: TextOptions,
    pub(super) filter: Option<Filter>,
    pub(super) limit: usize,
    pub(super) offset: usize,
    pub(super) within: Option<f32>,
    pub(super) ef: Option<usize>,
    pub(super) exact: bool,
    pub(super) plan: Option<PartPlan>,
    pub(super) hybrid: HybridOptions,
    pub(super) rerank: Option<Mmr>,
    pub(super) group: Option<(String, usize)>,
    pub(super) columns: Option<Vec<String>>,
    /// First mistake of the builder, reported when it is run.
    pub(super) mistake: Option<Error>,
    pub(super) sql: Vec<(String, RunSql<'c>)>,
}

impl<'c, D: Access> Search<'c, D> {
    pub(super) fn new(collection: &'c Collection<D>) -> Self {
        Self {
            syntax: None,
            texts: TextOptions::new(),
            collection,
            nearest: Vec::new(),
            text: None,
            like: Vec::new(),
            order: Vec::new(),
            must_match: Vec::new(),
            filter: None,
            limit: LIMIT,
            offset: 0,
            within: None,
            ef: None,
            exact: false,
            plan: None,
            hybrid: HybridOptions::default(),
            rerank: None,
            group: None,
            columns: None,
            mistake: None,
            sql: Vec::new(),
        }
    }

    pub(super) fn wrong(&mut self, error: Error) {
        self.mistake.get_or_insert(error);
    }

    /// Rows near `query`, which has the dimension of the vector column. Called again, for another vector or another
    /// column, it adds a leg: all legs are fused as [`fuse`](Self::fuse) says, and a hit's distance is that to the first
    /// of these vectors.
    ///
    /// ```
    /// # use nearlite::{Database, Metric, Schema};
    /// # let points = Database::in_memory()?.collection("points").create(
    /// #     Schema::new().integer_key("id").vector("x", 1, Metric::L2))?;
    /// # points.insert(&(1..=50).map(|i| serde_json::json!({"id": i, "x": [i]})).collect::<Vec<_>>())?;
    /// let hits = points.search().nearest("x", [10.25]).limit(2).run()?;
    /// assert_eq!(hits.keys(), [10, 11]);
    /// assert_eq!(hits[0].distance, Some(0.25));
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    pub fn nearest(mut self, column: impl Into<String>, query: impl AsRef<[f32]>) -> Self {
        self.nearest.push((column.into(), query.as_ref().to_vec()));
        self
    }

    /// Rows that match a text, in any FULLTEXT column: words, `AND OR NOT`, `"a phrase"~2`, `prefix*`, `column:word`.
    /// Beside [`nearest`](Self::nearest) it makes the search a hybrid one.
    ///
    /// ```
    /// # use nearlite::{Database, Metric, Schema};
    /// # let notes = Database::in_memory()?.collection("notes").create(
    /// #     Schema::new().integer_key("id").full_text("body").vector("x", 1, Metric::L2))?;
    /// # for (id, body) in [(1, "whales and ships"), (2, "ships at sea"), (3, "deserts")] {
    /// #     notes.insert(&serde_json::json!({"id": id, "body": body, "x": [id]}))?;
    /// # }
    /// assert_eq!(notes.search().text("ships NOT whales").run()?.keys(), [2]);
    /// assert_eq!(notes.search().text("\"at sea\" OR desert*").run()?.len(), 2);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    pub fn text(mut self, query: impl Into<String>) -> Self {
        if self.text.is_some() {
            self.wrong(Error::Value(format!(
                "{}: a search has one text; join them by AND or OR",
                self.collection.name()
            )));
        }
        self.text = Some((None, query.into()));
        self
    }

    /// Like [`text`](Self::text), for a text that a person or a model wrote: no character is an operator.
    ///
    /// ```
    /// # use nearlite::{Database, Metric, Schema};
    /// # let notes = Database::in_memory()?.collection("notes").create(
    /// #     Schema::new().integer_key("id").full_text("body"))?;
    /// # notes.insert(&serde_json::json!({"id": 1, "body": "git push --force overwrites"}))?;
    /// assert_eq!(notes.search().text("git push --force").run()?.len(), 0);   // "force" is forbidden
    /// assert_eq!(notes.search().words("git push --force").run()?.keys(), [1]);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    pub fn words(mut self, text: impl Into<String>) -> Self {
        self = self.text(text);
        self.syntax = Some(Syntax::Words);
        self
    }

    /// Like [`text`](Self::text), in one FULLTEXT column.
    ///
    /// ```
    /// # use nearlite::{Database, Metric, Schema};
    /// # let notes = Database::in_memory()?.collection("notes").create(
    /// #     Schema::new().integer_key("id").full_text("body").vector("x", 1, Metric::L2))?;
    /// # for (id, body) in [(1, "whales and ships"), (2, "ships at sea"), (3, "deserts")] {
    /// #     notes.insert(&serde_json::json!({"id": id, "body": body, "x": [id]}))?;
    /// # }
    /// assert_eq!(notes.search().text_in("body", "deserts").run()?.keys(), [3]);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    pub fn text_in(mut self, column: impl Into<String>, query: impl Into<String>) -> Self {
        self = self.text(query);
        if let Some((field, _)) = &mut self.text {
            *field = Some(column.into());
        }
        self
    }

    /// Rows returned at most; 10 when not given.
    ///
    /// ```
    /// # use nearlite::{Database, Metric, Schema};
    /// # let points = Database::in_memory()?.collection("points").create(
    /// #     Schema::new().integer_key("id").vector("x", 1, Metric::L2))?;
    /// # points.insert(&(1..=50).map(|i| serde_json::json!({"id": i, "x": [i]})).collect::<Vec<_>>())?;
    /// assert_eq!(points.search().nearest("x", [0.0]).limit(3).run()?.keys(), [1, 2, 3]);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    pub fn limit(mut self, rows: usize) -> Self {
        self.limit = rows.min(MAX_K);
        self
    }

    /// Rows to leave out at the start.
    ///
    /// ```
    /// # use nearlite::{Database, Metric, Schema};
    /// # let points = Database::in_memory()?.collection("points").create(
    /// #     Schema::new().integer_key("id").vector("x", 1, Metric::L2))?;
    /// # points.insert(&(1..=50).map(|i| serde_json::json!({"id": i, "x": [i]})).collect::<Vec<_>>())?;
    /// let third_page = points.search().nearest("x", [0.0]).limit(3).offset(6).run()?;
    /// assert_eq!(third_page.keys(), [7, 8, 9]);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    pub fn offset(mut self, rows: usize) -> Self {
        self.offset = rows.min(MAX_K);
        self
    }

    /// Breadth of the graph walk: larger finds more of the true nearest rows and takes longer.
    ///
    /// ```
    /// # use nearlite::{Database, Metric, Schema};
    /// # let points = Database::in_memory()?.collection("points").create(
    /// #     Schema::new().integer_key("id").vector("x", 1, Metric::L2))?;
    /// # points.insert(&(1..=50).map(|i| serde_json::json!({"id": i, "x": [i]})).collect::<Vec<_>>())?;
    /// let hits = points.search().nearest("x", [10.2]).ef_search(400).limit(1).run()?;
    /// assert_eq!(hits[0].key(), 10);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    pub fn ef_search(mut self, breadth: usize) -> Self {
        self.ef = Some(breadth.clamp(1, MAX_K));
        self
    }

    /// Compares with every qualifying row instead of walking the graph.
    ///
    /// ```
    /// # use nearlite::{Database, Metric, Schema};
    /// # let points = Database::in_memory()?.collection("points").create(
    /// #     Schema::new().integer_key("id").vector("x", 1, Metric::L2))?;
    /// # points.insert(&(1..=50).map(|i| serde_json::json!({"id": i, "x": [i]})).collect::<Vec<_>>())?;
    /// // What the usual search is measured by.
    /// let search = || points.search().nearest("x", [10.2]).limit(5);
    /// assert_eq!(search().run()?.keys(), search().exact(true).run()?.keys());
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    pub fn exact(mut self, exact: bool) -> Self {
        self.exact = exact;
        self
    }

    /// Searches every segment by this plan, whatever it costs: for measurements.
    #[doc(hidden)]
    pub fn plan(mut self, plan: PartPlan) -> Self {
        self.plan = Some(plan);
        self
    }

    /// How several legs become one order; [`Fusion::default`] when not given.
    ///
    /// ```
    /// # use nearlite::{Database, Fusion, Metric, Schema};
    /// # let notes = Database::in_memory()?.collection("notes").create(
    /// #     Schema::new().integer_key("id").full_text("body").vector("x", 1, Metric::L2))?;
    /// # for (id, body) in [(1, "whales and ships"), (2, "ships at sea"), (3, "deserts")] {
    /// #     notes.insert(&serde_json::json!({"id": id, "body": body, "x": [id]}))?;
    /// # }
    /// let both = || notes.search().nearest("x", [3.0]).text("whales");
    /// assert_eq!(both().fuse(Fusion::rrf()).run()?[0].key(), 1);            // first by text, third by distance
    /// assert_eq!(both().fuse(Fusion::convex(0.9)).run()?[0].key(), 3);      // nine parts distance, one part text
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    pub fn fuse(mut self, fusion: Fusion) -> Self {
        if let Err(error) = fusion.check() {
            self.wrong(error);
        }
        self.hybrid.fusion = fusion;
        self
    }

    /// Rows each leg of a hybrid search contributes, 1 to 10,000; 100 when not given, or the limit if that is more.
    pub fn depth(mut self, rows: usize) -> Self {
        self.hybrid.depth = Some(rows.clamp(1, 10_000));
        self
    }

    /// Picks rows that are unlike each other among four times as many candidates, by the vectors of
    /// [`nearest`](Self::nearest), which it needs.
    ///
    /// ```
    /// # use nearlite::{Database, Metric, Mmr, Schema};
    /// # use serde_json::json;
    /// # let books = Database::in_memory()?.collection("books").create(
    /// #     Schema::new().key("id").vector("topic", 2, Metric::Cosine))?;
    /// books.insert(&[
    ///     json!({"id": "ships", "topic": [1.0, 0.0]}),
    ///     json!({"id": "more ships", "topic": [1.0, 0.05]}),
    ///     json!({"id": "deserts", "topic": [0.0, 1.0]}),
    /// ])?;
    /// let near = || books.search().nearest("topic", [1.0, 0.5]).limit(2);
    /// assert_eq!(near().run()?.keys(), ["more ships", "ships"]);
    /// assert_eq!(near().rerank(Mmr::lambda(0.5)).run()?.keys(), ["more ships", "deserts"]);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    pub fn rerank(mut self, mmr: Mmr) -> Self {
        if !(0.0..=1.0).contains(&mmr.lambda) {
            let (table, lambda) = (self.collection.name(), mmr.lambda);
            self.wrong(Error::Value(format!("{table}: the lambda of Mmr must be 0 to 1, got {lambda}")));
        }
        self.rerank = Some(mmr);
        self
    }

    /// At most `rows` rows for each value of a column: the best documents where a row is a chunk of one.
    ///
    /// ```
    /// # use nearlite::{Database, Metric, Schema};
    /// # use serde_json::json;
    /// # let chunks = Database::in_memory()?.collection("chunks").create(
    /// #     Schema::new().text("document").vector("x", 1, Metric::L2))?;
    /// chunks.insert(&[
    ///     json!({"document": "a", "x": [1]}),
    ///     json!({"document": "a", "x": [2]}),
    ///     json!({"document": "b", "x": [3]}),
    /// ])?;
    /// let documents = chunks.search().nearest("x", [0.0]).group_by("document", 1).limit(2).run()?;
    /// assert_eq!(documents.keys(), [1, 3]);                        // the best chunk of each
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    pub fn group_by(mut self, column: impl Into<String>, rows: usize) -> Self {
        if rows == 0 {
            let table = self.collection.name();
            self.wrong(Error::Value(format!("{table}: group_by takes 1 row or more of each group, got 0")));
        }
        self.group = Some((column.into(), rows));
        self
    }

    /// Reads only these columns of the rows found; all of them when not given. Leaving out long vectors saves time.
    ///
    /// ```
    /// # use nearlite::{Database, Metric, Schema};
    /// # let notes = Database::in_memory()?.collection("notes").create(
    /// #     Schema::new().integer_key("id").full_text("body").vector("x", 1, Metric::L2))?;
    /// # for (id, body) in [(1, "whales and ships"), (2, "ships at sea"), (3, "deserts")] {
    /// #     notes.insert(&serde_json::json!({"id": id, "body": body, "x": [id]}))?;
    /// # }
    /// let hits = notes.search().text("deserts").columns(["body"]).run()?;
    /// assert_eq!(hits[0].row::<serde_json::Value>()?, serde_json::json!({"body": "deserts"}));
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    pub fn columns<C: Into<String>>(mut self, names: impl IntoIterator<Item = C>) -> Self {
        self.columns = Some(names.into_iter().map(Into::into).collect());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Database, Hits, Iter};

    fn is_send<T: Send>() {}

    #[test]
    fn searches_of_a_database_can_move_to_another_thread() {
        is_send::<Search<'static, Database>>();
        is_send::<Iter<'static, Database>>();
        is_send::<Hits>();
    }
}
