//! What a collection weighs, how good its searches are, and what keeps it in order.

use super::access::Access;
use super::collection::Collection;
use super::long_work::Long;
use super::statement::{change, command_sql, error_of};
use crate::collection;
use crate::collection::maintenance::{self, Done};
use crate::error::{Error, Result};
use crate::query;
use crate::schema::quoted;
use crate::value::Value;
use std::time::{Duration, Instant};

/// What a collection holds and weighs.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Info {
    /// Rows.
    pub rows: usize,
    /// Sealed segments.
    pub segments: usize,
    /// Rows that are in no segment yet and are searched exactly in memory.
    pub delta_rows: usize,
    /// Deleted rows that still take room in a segment.
    pub dead_rows: usize,
    /// Bytes of the index in the file: columns, text, vector codes and graphs; rows and full vectors not counted.
    pub index_bytes: u64,
    /// What [`maintain`](Collection::maintain) would turn into free pages: the share of dead rows in the index, and parts of it
    /// that were replaced.
    pub dead_bytes: u64,
    /// Free pages of the file, which `VACUUM` or, in a file with `auto_vacuum = INCREMENTAL`, `PRAGMA incremental_vacuum` gives
    /// back.
    pub free_bytes: u64,
}

impl<D: Access> Collection<D> {
    /// What the collection holds and weighs.
    ///
    /// ```
    /// # use nearlite::{Database, Metric, Schema};
    /// # let points = Database::in_memory()?.collection("points").create(
    /// #     Schema::new().integer_key("id").vector("x", 1, Metric::L2))?;
    /// # points.insert(&(1..=50).map(|i| serde_json::json!({"id": i, "x": [i]})).collect::<Vec<_>>())?;
    /// let info = points.info()?;
    /// assert_eq!((info.rows, info.segments, info.delta_rows), (50, 0, 50));          // all searched in memory
    /// points.optimize()?;
    /// points.delete([1, 2])?;
    /// let info = points.info()?;
    /// assert_eq!((info.rows, info.segments, info.dead_rows), (48, 1, 2));
    /// assert!(info.index_bytes > 0);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Corrupt`] when the index cannot be read.
    pub fn info(&self) -> Result<Info> {
        self.read_snapshot(|snapshot| {
            let view = snapshot.view;
            let space = collection::Space::of(snapshot.on, view)?;
            let records = view.segments.iter().map(|part| &part.segment.record);
            Ok(Info {
                rows: view.live(),
                segments: view.segments.len(),
                delta_rows: view.delta.live(),
                dead_rows: view.segments.iter().map(|part| part.segment.rows() - part.live()).sum(),
                index_bytes: records.flat_map(|record| &record.directory).map(|payload| payload.bytes).sum(),
                dead_bytes: space.dead,
                free_bytes: space.free,
            })
        })
    }

    /// Merges everything into one segment without dead rows: the fastest state to search. In a file other writers get their
    /// turns while it works, every few milliseconds; what they write is in the log afterwards.
    ///
    /// ```
    /// # use nearlite::{Database, Metric, Schema};
    /// # let points = Database::in_memory()?.collection("points").create(
    /// #     Schema::new().integer_key("id").vector("x", 1, Metric::L2))?;
    /// # points.insert(&(1..=50).map(|i| serde_json::json!({"id": i, "x": [i]})).collect::<Vec<_>>())?;
    /// points.optimize()?;
    /// assert_eq!(points.info()?.segments, 1);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Sqlite`] when the file cannot be written.
    pub fn optimize(&self) -> Result<()> {
        self.long(Long::Optimize, &mut |_, _| true)
    }

    /// Seals the log and merges segments as far as it makes searches faster, a slice of some milliseconds at a time, with
    /// other writers let in between. Returns whether it came to the end within `budget`; without one it does.
    ///
    /// ```
    /// # use nearlite::{Database, Metric, Schema};
    /// # use std::time::Duration;
    /// # let points = Database::in_memory()?.collection("points").create(
    /// #     Schema::new().integer_key("id").vector("x", 1, Metric::L2))?;
    /// # points.insert(&(1..=50).map(|i| serde_json::json!({"id": i, "x": [i]})).collect::<Vec<_>>())?;
    /// if !points.maintain(Some(Duration::from_millis(100)))? {
    ///     points.maintain(None)?;                                            // at night
    /// }
    /// assert_eq!(points.info()?.segments, 1);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Sqlite`] when the file cannot be written.
    pub fn maintain(&self, budget: Option<Duration>) -> Result<bool> {
        let sql = command_sql(&self.inner);
        let began = Instant::now();
        loop {
            let done = self.write(|conn| {
                let mut statement = conn.prepare_cached(&sql).map_err(error_of)?;
                change(conn, statement.query(("maintain", 0)).map_err(error_of)?)?;
                Ok(maintenance::last())
            })?;
            match done {
                Done::Nothing => return Ok(true),
                Done::Failed => return maintenance::last_failure().map_or(Ok(false), Err),
                Done::Worked | Done::Waits => {}
            }
            if budget.is_some_and(|budget| began.elapsed() >= budget) {
                return Ok(false);
            }
            if done == Done::Waits {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }

    /// [`optimize`](Self::optimize) that reports `(done, total)` while it works, several times over for several
    /// columns; answering `false` stops it, and nothing has changed.
    ///
    /// ```
    /// # use nearlite::{Database, Error, Metric, Schema};
    /// # let points = Database::in_memory()?.collection("points").create(
    /// #     Schema::new().integer_key("id").vector("x", 1, Metric::L2))?;
    /// # points.insert(&(1..=50).map(|i| serde_json::json!({"id": i, "x": [i]})).collect::<Vec<_>>())?;
    /// points.optimize_with(|done, total| {
    ///     eprint!("\r{done} of {total}");
    ///     true
    /// })?;
    /// # points.verify()?;
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Interrupted`] when it was stopped, and those of [`optimize`](Self::optimize).
    pub fn optimize_with(&self, mut progress: impl FnMut(usize, usize) -> bool) -> Result<()> {
        self.long(Long::Optimize, &mut progress)
    }

    /// [`rebuild`](Self::rebuild) that reports like [`optimize_with`](Self::optimize_with).
    ///
    /// ```
    /// # use nearlite::{Database, Metric, Schema};
    /// # let points = Database::in_memory()?.collection("points").create(
    /// #     Schema::new().integer_key("id").vector("x", 1, Metric::L2))?;
    /// # points.insert(&(1..=50).map(|i| serde_json::json!({"id": i, "x": [i]})).collect::<Vec<_>>())?;
    /// let mut reports = 0;
    /// points.rebuild_with(|_done, _total| {
    ///     reports += 1;
    ///     true
    /// })?;
    /// assert!(reports > 0);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Interrupted`] when it was stopped, and those of [`rebuild`](Self::rebuild).
    pub fn rebuild_with(&self, mut progress: impl FnMut(usize, usize) -> bool) -> Result<()> {
        self.long(Long::Rebuild, &mut progress)
    }

    /// Builds the index again from the stored rows and vectors; repairs a damaged one. Others write meanwhile as they do
    /// beside [`optimize`](Self::optimize).
    ///
    /// ```
    /// # use nearlite::{Database, Metric, Schema};
    /// # let points = Database::in_memory()?.collection("points").create(
    /// #     Schema::new().integer_key("id").vector("x", 1, Metric::L2))?;
    /// # points.insert(&(1..=50).map(|i| serde_json::json!({"id": i, "x": [i]})).collect::<Vec<_>>())?;
    /// points.rebuild()?;
    /// points.verify()?;
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Sqlite`] when the file cannot be written.
    pub fn rebuild(&self) -> Result<()> {
        self.long(Long::Rebuild, &mut |_, _| true)
    }

    /// Writes rows that are only in the log into a segment.
    ///
    /// ```
    /// # use nearlite::{Database, Metric, Schema};
    /// # let points = Database::in_memory()?.collection("points").create(
    /// #     Schema::new().integer_key("id").vector("x", 1, Metric::L2))?;
    /// # points.insert(&(1..=50).map(|i| serde_json::json!({"id": i, "x": [i]})).collect::<Vec<_>>())?;
    /// points.flush()?;
    /// assert_eq!(points.info()?.delta_rows, 0);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Sqlite`] when the file cannot be written.
    pub fn flush(&self) -> Result<()> {
        self.command("flush")
    }

    /// Stores a setting: `ef_search`, `automerge`, `delta_rows`, `cache_mb`, `maintenance` (`"auto"`, `"commit"`, `"manual"`, `"background"`),
    /// `threads`, `resident_vectors`, or how text queries are meant: `operator`, `minimum_match`, `prefix_last`, `fuzzy`, `stop_words`,
    /// `syntax`, as in SQL. With
    /// `resident_vectors` 1 searches keep the stored vectors in memory, as far as `cache_mb` allows.
    ///
    /// ```
    /// # use nearlite::{Database, Metric, Schema};
    /// # let points = Database::in_memory()?.collection("points").create(
    /// #     Schema::new().integer_key("id").vector("x", 1, Metric::L2))?;
    /// # points.insert(&(1..=50).map(|i| serde_json::json!({"id": i, "x": [i]})).collect::<Vec<_>>())?;
    /// points.set("ef_search", 200)?;                                         // searches look further, and take longer
    /// let error = points.set("ef_search", -1).unwrap_err();
    /// assert_eq!(error.to_string(), "points: ef_search must be 0 to 100000, got -1");
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Unknown`] listing the settings, [`Error::Value`] giving the range.
    pub fn set(&self, setting: &str, value: impl Into<Value>) -> Result<()> {
        let (sql, value) = (command_sql(&self.inner), value.into());
        self.write_damaged(|conn| {
            let mut statement = conn.prepare(&sql).map_err(error_of)?;
            change(conn, statement.query((setting, value)).map_err(error_of)?)?;
            Ok(())
        })
    }

    /// The value of a setting, see [`set`](Self::set). An option of texts that nothing was said of is NULL.
    ///
    /// ```
    /// # use nearlite::{Database, Schema, Value};
    /// # let notes = Database::in_memory()?.collection("notes").create(Schema::new().key("id").full_text("body"))?;
    /// assert_eq!(notes.setting("automerge")?, Value::Integer(3));            // the default
    /// notes.set("automerge", 4)?;
    /// assert_eq!(notes.setting("automerge")?, Value::Integer(4));
    /// assert_eq!(notes.setting("maintenance")?, Value::from("auto"));
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Unknown`] listing the settings.
    pub fn setting(&self, setting: &str) -> Result<Value> {
        let settings = self.read(|conn| self.inner.settings(conn))?;
        let value = settings.value(&self.inner.schema, setting);
        value.ok_or_else(|| self.inner.storage.unknown_setting(setting))
    }

    pub(super) fn command(&self, command: &str) -> Result<()> {
        let sql = format!("INSERT INTO {}({}) VALUES(?1)", self.target(), quoted(self.name()));
        self.write_damaged(|conn| {
            let mut statement = conn.prepare(&sql).map_err(error_of)?;
            change(conn, statement.query([command]).map_err(error_of)?)?;
            Ok(())
        })
    }

    /// Checks the whole index against the rows it was made from.
    ///
    /// ```
    /// # use nearlite::{Database, Metric, Schema};
    /// # let points = Database::in_memory()?.collection("points").create(
    /// #     Schema::new().integer_key("id").vector("x", 1, Metric::L2))?;
    /// # points.insert(&(1..=50).map(|i| serde_json::json!({"id": i, "x": [i]})).collect::<Vec<_>>())?;
    /// points.optimize()?;
    /// points.verify()?;                                                      // Ok: nothing is wrong
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Corrupt`] naming every defect; [`rebuild`](Self::rebuild) repairs them.
    pub fn verify(&self) -> Result<()> {
        self.read(|conn| {
            let settings = self.inner.settings(conn)?;
            let defects = collection::verify(self.inner.on(conn), &settings)?;
            if defects.is_empty() { Ok(()) } else { Err(Error::corrupt(self.name(), defects.join("; "))) }
        })
    }

    /// Recall@k of default searches on the first vector column, measured on your own data: `sample` stored vectors as
    /// queries, the usual search against the exact one. 1 when no row has a vector: nothing was missed.
    ///
    /// ```
    /// # use nearlite::{Database, Metric, Schema};
    /// # let points = Database::in_memory()?.collection("points").create(
    /// #     Schema::new().integer_key("id").vector("x", 1, Metric::L2))?;
    /// # points.insert(&(1..=50).map(|i| serde_json::json!({"id": i, "x": [i]})).collect::<Vec<_>>())?;
    /// assert_eq!(points.recall(20, 10)?, 1.0);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Unknown`] when there is no vector column, [`Error::Value`] for a sample or a k of 0.
    pub fn recall(&self, sample: usize, k: usize) -> Result<f64> {
        let schema = &self.inner.schema;
        match schema.vectors().next() {
            Some((at, _)) => self.recall_of(&schema.columns[at].name, sample, k),
            None => Err(Error::Unknown(format!("{} has no vector column", self.name()))),
        }
    }

    /// [`recall`](Self::recall) of the vector column `column`.
    ///
    /// # Errors
    /// Those of [`recall`](Self::recall).
    pub fn recall_of(&self, column: &str, sample: usize, k: usize) -> Result<f64> {
        let column = self.vector_column(column)?;
        let recall =
            self.read(|conn| query::recall(self.inner.on(conn), &self.inner.pin(conn)?, column, sample, k))?;
        Ok(recall.unwrap_or(1.0))
    }
}
