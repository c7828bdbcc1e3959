//! Memory that a [`Database`] gives back on demand.

use super::access::Access;
use super::database::Database;
use crate::error::Result;

impl Database {
    /// Gives back what the process keeps in memory of the collections in the file; searches load it again. Returns the bytes.
    ///
    /// ```
    /// # use nearlite::{Database, Metric, Schema};
    /// # let db = Database::in_memory()?;
    /// # let points = db.collection("points").create(Schema::new().integer_key("id").vector("x", 1, Metric::L2))?;
    /// # points.insert(&(1..=50).map(|i| serde_json::json!({"id": i, "x": [i]})).collect::<Vec<_>>())?;
    /// points.optimize()?;
    /// assert_eq!(points.search().nearest("x", [7.2]).limit(1).run()?[0].key(), 7);
    /// assert!(db.release()? > 0);
    /// assert_eq!(db.release()?, 0);
    /// assert_eq!(points.search().nearest("x", [7.2]).limit(1).run()?[0].key(), 7);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Sqlite`](crate::Error::Sqlite) when the file cannot be read.
    pub fn release(&self) -> Result<usize> {
        let bytes: i64 =
            self.with(|conn| Ok(conn.query_row("SELECT nearlite_release('main')", [], |row| row.get(0))?))?;
        Ok(usize::try_from(bytes).unwrap_or(0))
    }
}
