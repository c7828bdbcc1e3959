//! What restricts the rows of a search: texts that must match, filters, keys, a distance.

use super::access::Access;
use super::key::Key;
use super::search::Search;
use crate::error::{Error, Result};
use crate::query::{Filter, TextLeg};
use crate::text::TextOptions;
use rusqlite::{Connection, Params};

impl<'c, D: Access> Search<'c, D> {
    /// Only rows that match a text, which does not change how they are ranked; useful beside
    /// [`nearest`](Self::nearest). Several texts must all match. Without any leg, rows are ranked by it.
    ///
    /// ```
    /// # use nearlite::{Database, Metric, Schema};
    /// # let notes = Database::in_memory()?.collection("notes").create(
    /// #     Schema::new().integer_key("id").full_text("body").vector("x", 1, Metric::L2))?;
    /// # for (id, body) in [(1, "whales and ships"), (2, "ships at sea"), (3, "deserts")] {
    /// #     notes.insert(&serde_json::json!({"id": id, "body": body, "x": [id]}))?;
    /// # }
    /// let hits = notes.search().nearest("x", [9.0]).matching("ships").run()?;
    /// assert_eq!(hits.keys(), [2, 1]);                             // by distance alone
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    pub fn matching(mut self, query: impl Into<String>) -> Self {
        self.must_match.push(TextLeg { query: query.into(), options: TextOptions::new(), field: None });
        self
    }

    /// How the words of all texts of the search are meant, in place of what the table says: whether a row needs all of them, how
    /// many typing errors they may have, and more; see [`TextOptions`].
    pub fn text_options(mut self, options: TextOptions) -> Self {
        self.texts = options;
        self
    }

    /// Only rows that pass `filter`. Several filters must all hold.
    ///
    /// ```
    /// # use nearlite::{Database, Metric, Schema, col};
    /// # let points = Database::in_memory()?.collection("points").create(
    /// #     Schema::new().integer_key("id").vector("x", 1, Metric::L2))?;
    /// # points.insert(&(1..=50).map(|i| serde_json::json!({"id": i, "x": [i]})).collect::<Vec<_>>())?;
    /// let late = col("id").ge(30).and(!col("id").is_in([31, 32]));
    /// assert_eq!(points.search().nearest("x", [0.0]).filter(late).limit(3).run()?.keys(), [30, 33, 34]);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = Some(match self.filter.take() {
            Some(old) => old.and(filter),
            None => filter,
        });
        self
    }

    /// Only rows for which an SQL expression over the columns is true, whatever it is: `"price < ?"`, a subquery, a
    /// function. SQLite evaluates it, row by row where it has no index; [`filter`](Self::filter) is faster where it
    /// can say the same.
    ///
    /// ```
    /// # use nearlite::{Database, Metric, Schema};
    /// # let points = Database::in_memory()?.collection("points").create(
    /// #     Schema::new().integer_key("id").vector("x", 1, Metric::L2))?;
    /// # points.insert(&(1..=50).map(|i| serde_json::json!({"id": i, "x": [i]})).collect::<Vec<_>>())?;
    /// let hits = points.search().nearest("x", [0.0]).filter_sql("id % 5 = ?", [4]).limit(3).run()?;
    /// assert_eq!(hits.keys(), [4, 9, 14]);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    pub fn filter_sql(mut self, expression: impl Into<String>, params: impl Params + Send + 'c) -> Self {
        let run = move |conn: &Connection, sql: &str| -> Result<Vec<i64>> {
            let mut statement = conn.prepare(sql)?;
            let ids = statement.query_map(params, |row| row.get(0))?;
            Ok(ids.collect::<rusqlite::Result<_>>()?)
        };
        self.sql.push((expression.into(), Box::new(run)));
        self
    }

    /// Only the rows with these keys: text keys, or rowids where the collection has no text key.
    ///
    /// ```
    /// # use nearlite::{Database, Metric, Schema};
    /// # let points = Database::in_memory()?.collection("points").create(
    /// #     Schema::new().integer_key("id").vector("x", 1, Metric::L2))?;
    /// # points.insert(&(1..=50).map(|i| serde_json::json!({"id": i, "x": [i]})).collect::<Vec<_>>())?;
    /// let chosen = [7, 40, 99];                                    // there is no 99
    /// assert_eq!(points.search().nearest("x", [50.0]).ids(chosen).run()?.keys(), [40, 7]);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    pub fn ids(self, keys: impl IntoIterator<Item = impl Into<Key>>) -> Self {
        let (mut texts, mut rowids) = (Vec::new(), Vec::new());
        for key in keys {
            match key.into() {
                Key::Text(text) => texts.push(text),
                Key::Rowid(rowid) => rowids.push(rowid),
            }
        }
        let filter = match (texts.is_empty(), rowids.is_empty()) {
            (true, _) => Filter::rowids(rowids),
            (false, true) => Filter::keys(texts),
            (false, false) => Filter::keys(texts).or(Filter::rowids(rowids)),
        };
        self.filter(filter)
    }

    /// Only rows at this distance or nearer to the vector of [`nearest`](Self::nearest), which it needs; of several, to
    /// one of them.
    pub fn within(mut self, distance: f32) -> Self {
        if distance.is_nan() {
            let table = self.collection.name();
            self.wrong(Error::Value(format!("{table}: within takes a number, got NaN")));
        }
        self.within = Some(distance);
        self
    }
}
