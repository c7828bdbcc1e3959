//! What a search returns.

use super::key::Key;
use super::read_row::{self, Cell, Columns};
use crate::error::Result;
use crate::query::fusion::LegScore;
use crate::query::{self, LegQuery, Request};
use crate::schema::{ColumnType, Schema};
use crate::text::{self, TextConfig, TextQuery};
use crate::value::Value;
use crate::vector::metric::narrow;
use serde::de::DeserializeOwned;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use std::ops::Deref;
use std::sync::Arc;

/// One row that was found, with its columns as they were in the search's snapshot.
#[derive(Clone)]
pub struct Hit {
    /// Identity of the row in SQLite.
    pub rowid: i64,
    /// Larger is better: the fused score of a hybrid search, the BM25 score of a text search, the negated distance of
    /// a nearest search; 0 for a search without either.
    pub score: f32,
    /// Exact distance to the query vector, the first one of several, where the row has a vector. Smaller is nearer.
    pub distance: Option<f32>,
    /// BM25 score, where the row matches the text.
    pub bm25: Option<f32>,
    /// Rank in the vector leg of a hybrid search, from 1; of several, the best one.
    pub vector_rank: Option<u32>,
    /// Rank in the text leg of a hybrid search, from 1.
    pub text_rank: Option<u32>,
    key: Key,
    cells: Vec<Cell>,
    /// Texts of the FULLTEXT columns, for snippets; empty for a search without text.
    texts: Vec<Option<String>>,
    context: Arc<HitContext>,
}

/// What the hits of one search have in common.
pub(super) struct HitContext {
    pub columns: Arc<Columns>,
    pub schema: Schema,
    pub text: Option<Arc<TextQuery>>,
    pub table: String,
}

impl Hit {
    pub(super) fn new(
        found: &query::Hit,
        cells: Vec<Cell>,
        mut values: Vec<Value>,
        context: &Arc<HitContext>,
    ) -> Self {
        let schema = &context.schema;
        let stored: Vec<_> = schema.stored_positions().collect();
        let mut take = |at: usize| {
            stored[at]
                .and_then(|position| values.get_mut(position))
                .map(|value| std::mem::replace(value, Value::Null))
        };
        let key = match schema.key_column() {
            Some((at, ColumnType::Text)) => match take(at) {
                Some(Value::Text(text)) => Key::Text(text),
                _ => Key::Rowid(found.rowid),
            },
            _ => Key::Rowid(found.rowid),
        };
        let texts = match &context.text {
            Some(_) => schema
                .full_texts()
                .map(|(at, _)| if let Some(Value::Text(text)) = take(at) { Some(text) } else { None })
                .collect(),
            None => Vec::new(),
        };
        Self {
            rowid: found.rowid,
            score: narrow(found.relevance()),
            distance: found.distance.map(narrow),
            bm25: found.bm25,
            vector_rank: found.vector_rank,
            text_rank: found.text_rank,
            key,
            cells,
            texts,
            context: Arc::clone(context),
        }
    }

    /// The text key, or the rowid where the collection has none. Prints as either.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The row as a type of yours, whose fields are columns.
    ///
    /// # Errors
    /// [`Error::Serde`](crate::Error::Serde) naming the column that does not fit.
    pub fn row<T: DeserializeOwned>(&self) -> Result<T> {
        read_row::row(&self.context.columns, self.rowid, &self.cells)
    }

    /// The passage of a FULLTEXT column that matches best, its matching words in `before` and `after`; the start of
    /// the text where nothing matches. `None` for a search without text, or a row without one in this column.
    ///
    /// ```
    /// # use nearlite::{Database, Metric, Schema};
    /// # let notes = Database::in_memory()?.collection("notes").create(
    /// #     Schema::new().integer_key("id").full_text("body").vector("x", 1, Metric::L2))?;
    /// # for (id, body) in [(1, "whales and ships"), (2, "ships at sea"), (3, "deserts")] {
    /// #     notes.insert(&serde_json::json!({"id": id, "body": body, "x": [id]}))?;
    /// # }
    /// let hits = notes.search().text("sea").run()?;
    /// assert_eq!(hits[0].snippet("body", "<b>", "</b>", 10)?.unwrap(), "ships at <b>sea</b>");
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Unknown`](crate::Error::Unknown) when it is no FULLTEXT column.
    pub fn snippet(&self, column: &str, before: &str, after: &str, words: usize) -> Result<Option<String>> {
        let schema = &self.context.schema;
        let at = schema.find(column).map(|(at, _)| at);
        let Some(field) = schema.full_texts().position(|(full_text, _)| Some(full_text) == at) else {
            return Err(unknown_text(&self.context.table, schema, column));
        };
        let (Some(query), Some(Some(_))) = (&self.context.text, self.texts.get(field)) else {
            return Ok(None);
        };
        let config = TextConfig::of(schema);
        Ok(Some(text::snippet(&config, query, field, &self.texts, before, after, "…", words.clamp(1, 1_000))))
    }
}

/// No such FULLTEXT column.
pub(super) fn unknown_text(table: &str, schema: &Schema, column: &str) -> crate::error::Error {
    let known: Vec<_> = schema.full_texts().map(|(at, _)| schema.columns[at].name.as_str()).collect();
    let known = if known.is_empty() { "there is none".to_owned() } else { known.join(", ") };
    crate::error::Error::Unknown(format!(
        "{table} has no FULLTEXT column {column}; FULLTEXT columns: {known}"
    ))
}

impl std::fmt::Debug for Hit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hit")
            .field("key", &self.key)
            .field("score", &self.score)
            .field("distance", &self.distance)
            .field("bm25", &self.bm25)
            .finish_non_exhaustive()
    }
}

/// Serializes as an object: `key`, `rowid`, `score`, the other numbers where the search has them, and `row`, the columns that
/// were read.
impl Serialize for Hit {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let row = self.row::<serde_json::Value>().map_err(serde::ser::Error::custom)?;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("key", &self.key)?;
        map.serialize_entry("rowid", &self.rowid)?;
        map.serialize_entry("score", &self.score)?;
        for (name, number) in [("distance", self.distance), ("bm25", self.bm25)] {
            if let Some(number) = number {
                map.serialize_entry(name, &number)?;
            }
        }
        for (name, rank) in [("vector_rank", self.vector_rank), ("text_rank", self.text_rank)] {
            if let Some(rank) = rank {
                map.serialize_entry(name, &rank)?;
            }
        }
        map.serialize_entry("row", &row)?;
        map.end()
    }
}

/// The hits of a search, best first; a slice of [`Hit`]s.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(transparent)]
pub struct Hits {
    pub(super) hits: Vec<Hit>,
}

impl Hits {
    /// The rows as a type of yours, best first.
    ///
    /// ```
    /// # use nearlite::{Database, Metric, Schema};
    /// # let notes = Database::in_memory()?.collection("notes").create(
    /// #     Schema::new().integer_key("id").full_text("body").vector("x", 1, Metric::L2))?;
    /// # for (id, body) in [(1, "whales and ships"), (2, "ships at sea"), (3, "deserts")] {
    /// #     notes.insert(&serde_json::json!({"id": id, "body": body, "x": [id]}))?;
    /// # }
    /// #[derive(serde::Deserialize)]
    /// struct Note { id: i64, body: String }
    ///
    /// let found: Vec<Note> = notes.search().nearest("x", [2.1]).limit(1).run()?.rows()?;
    /// assert_eq!((found[0].id, found[0].body.as_str()), (2, "ships at sea"));
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Serde`](crate::Error::Serde) naming the column that does not fit.
    pub fn rows<T: DeserializeOwned>(&self) -> Result<Vec<T>> {
        self.hits.iter().map(Hit::row).collect()
    }

    /// The keys, best first.
    pub fn keys(&self) -> Vec<Key> {
        self.hits.iter().map(|hit| hit.key.clone()).collect()
    }

    /// The hits themselves.
    pub fn into_vec(self) -> Vec<Hit> {
        self.hits
    }
}

impl Deref for Hits {
    type Target = [Hit];
    fn deref(&self) -> &[Hit] {
        &self.hits
    }
}

impl<'a> IntoIterator for &'a Hits {
    type Item = &'a Hit;
    type IntoIter = std::slice::Iter<'a, Hit>;
    fn into_iter(self) -> Self::IntoIter {
        self.hits.iter()
    }
}

impl IntoIterator for Hits {
    type Item = Hit;
    type IntoIter = std::vec::IntoIter<Hit>;
    fn into_iter(self) -> Self::IntoIter {
        self.hits.into_iter()
    }
}

/// A search with its reasons: the plan, and what each leg gave to each hit.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Explain {
    /// Plan, cardinalities, counters and times, as the SQL column `explain` shows them.
    pub plan: serde_json::Value,
    /// The hits, best first.
    pub hits: Vec<ExplainedHit>,
}

/// A hit with what the legs of a hybrid search gave to its score.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ExplainedHit {
    /// The hit.
    pub hit: Hit,
    /// Rank, raw distance, weight and contribution of the vector leg; of several, the best rank and its distance, and what
    /// all of them contributed.
    pub vector: Option<LegScore>,
    /// Rank, raw BM25, weight and contribution of the text leg.
    pub text: Option<LegScore>,
}

impl ExplainedHit {
    pub(super) fn new(hit: Hit, found: &query::Hit, request: &Request) -> Self {
        let Some(legs) = &found.legs else {
            let only = only_leg(found);
            let (vector, text) = if found.distance.is_some() { (only, None) } else { (None, only) };
            return Self { hit, vector, text };
        };
        let of_kind = |text: bool| {
            let of_kind = legs.iter().zip(&request.legs);
            let scores = of_kind.filter(|(_, leg)| matches!(leg.query, LegQuery::Text(_)) == text);
            scores.filter_map(|(score, _)| *score).reduce(joined)
        };
        Self { hit, vector: of_kind(false), text: of_kind(true) }
    }
}

/// What the only leg gave to a row: all of its score.
fn only_leg(found: &query::Hit) -> Option<LegScore> {
    let exact = found.distance.or(found.bm25.map(f64::from))?;
    let raw = narrow(exact);
    let score = narrow(found.relevance());
    let rank = Some(found.position);
    Some(LegScore { rank, raw, normalized: score, weight: 1.0, contribution: score, filled: false, exact })
}

/// Two legs of a kind as one.
fn joined(a: LegScore, b: LegScore) -> LegScore {
    let rank = |score: &LegScore| score.rank.unwrap_or(u32::MAX);
    let better = if rank(&b) < rank(&a) { b } else { a };
    LegScore {
        normalized: a.normalized + b.normalized,
        contribution: a.contribution + b.contribution,
        ..better
    }
}

impl std::fmt::Display for Explain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{:#}", self.plan)?;
        for (at, explained) in self.hits.iter().enumerate() {
            let hit = &explained.hit;
            write!(f, "{:>3}. {} score {:.4}", at + 1, hit.key, hit.score)?;
            for (name, leg) in [("vector", &explained.vector), ("text", &explained.text)] {
                if let Some(leg) = leg {
                    match leg.rank {
                        Some(rank) => write!(f, "; {name}: rank {rank}, raw {:.4}", leg.raw)?,
                        None => write!(f, "; {name}: not returned, raw {:.4}", leg.raw)?,
                    }
                    write!(f, ", weight {}, adds {:.4}", leg.weight, leg.contribution)?;
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
