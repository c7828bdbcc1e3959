//! The values of columns: rows in their order, and how many rows have each.

use super::access::Access;
use super::collection::Collection;
use super::search::Search;
use crate::error::Result;
use crate::query::{self, Facet, Filter, OrderBy};
use crate::value::Value;
use std::cmp::Reverse;

impl<D: Access> Search<'_, D> {
    /// The rows of a search without a leg by the value of a column, the smallest first, instead of by rowid: a TEXT, INTEGER,
    /// REAL or BOOLEAN column, the key, or `rowid`. NULL comes first, texts in the order of their bytes, and rows with equal
    /// values by rowid. Called again, it orders those that are equal so far.
    ///
    /// ```
    /// # use nearlite::{Database, Schema, col};
    /// # use serde_json::json;
    /// # let notes = Database::in_memory()?.collection("notes").create(
    /// #     Schema::new().key("id").text("lang").integer("year"))?;
    /// notes.insert(&[
    ///     json!({"id": "a", "lang": "en", "year": 2021}),
    ///     json!({"id": "b", "lang": "de", "year": 2024}),
    ///     json!({"id": "c", "lang": "de", "year": 2019}),
    /// ])?;
    /// assert_eq!(notes.search().order_by_desc("year").limit(2).run()?.keys(), ["b", "a"]);
    /// assert_eq!(notes.search().order_by("lang").order_by("year").run()?.keys(), ["c", "b", "a"]);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// When it is run: [`Error::Value`](crate::Error::Value) beside `nearest`, `text` or another leg, which put rows in the
    /// order of their ranks, and for a column that has no order; [`Error::Unknown`](crate::Error::Unknown) for one that is
    /// not there.
    pub fn order_by(self, column: impl Into<String>) -> Self {
        self.ordered(column.into(), false)
    }

    /// [`order_by`](Self::order_by), the largest value first and NULL last.
    pub fn order_by_desc(self, column: impl Into<String>) -> Self {
        self.ordered(column.into(), true)
    }

    fn ordered(mut self, column: String, descending: bool) -> Self {
        self.order.push(OrderBy { column, descending });
        self
    }
}

impl<D: Access> Collection<D> {
    /// How many of the rows that pass a filter have each value of a TEXT, INTEGER, REAL or BOOLEAN column: the most frequent
    /// value first, equally frequent ones ascending. Rows without a value are counted under NULL. No row is read.
    ///
    /// ```
    /// # use nearlite::{Database, Filter, Schema, Value, col};
    /// # use serde_json::json;
    /// # let notes = Database::in_memory()?.collection("notes").create(
    /// #     Schema::new().key("id").text("lang").integer("year"))?;
    /// notes.insert(&[
    ///     json!({"id": "a", "lang": "en", "year": 2021}),
    ///     json!({"id": "b", "lang": "de", "year": 2024}),
    ///     json!({"id": "c", "lang": "de", "year": 2019}),
    /// ])?;
    /// let by_language = notes.facets("lang", Filter::All)?;
    /// assert_eq!((by_language[0].value.as_text(), by_language[0].rows), (Some("de"), 2));
    /// assert_eq!(notes.facets("lang", col("year").ge(2020))?.len(), 2);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Unknown`](crate::Error::Unknown) for a column that is not there,
    /// [`Error::Value`](crate::Error::Value) for one of another kind or a filter that does not fit.
    pub fn facets(&self, column: &str, filter: Filter) -> Result<Vec<Facet>> {
        filter.check(self.name(), &self.inner.schema)?;
        let mut facets = self.read_snapshot(|snapshot| query::facets(snapshot, Some(&filter), column))?;
        // Stable: equally frequent values stay in order.
        facets.sort_by_key(|facet| Reverse(facet.rows));
        Ok(facets)
    }

    /// The different values of a TEXT, INTEGER, REAL or BOOLEAN column, ascending; NULL, the smallest, where a row has none.
    ///
    /// ```
    /// # use nearlite::{Database, Schema, Value};
    /// # use serde_json::json;
    /// # let notes = Database::in_memory()?.collection("notes").create(Schema::new().key("id").integer("year"))?;
    /// notes.insert(&[json!({"id": "a", "year": 2021}), json!({"id": "b", "year": 2019}), json!({"id": "c", "year": 2021})])?;
    /// assert_eq!(notes.distinct("year")?, [Value::Integer(2019), Value::Integer(2021)]);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`facets`](Self::facets).
    pub fn distinct(&self, column: &str) -> Result<Vec<Value>> {
        let facets = self.read_snapshot(|snapshot| query::facets(snapshot, None, column))?;
        Ok(facets.into_iter().map(|facet| facet.value).collect())
    }
}
