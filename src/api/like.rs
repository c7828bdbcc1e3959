//! More like this: rows that are compared with a stored one.

use super::access::Access;
use super::key::Key;
use super::search::Search;
use crate::error::{Error, Result};
use crate::query::{Filter, Leg, Like};
use rusqlite::Connection;

impl<D: Access> Search<'_, D> {
    /// Rows that are like the one with this key, itself left out: by its vector, or, where the collection has no vector
    /// column, by its words. It is one leg beside those of [`nearest`](Self::nearest) and [`text`](Self::text).
    ///
    /// A key that is not there is an error when the search is run. A row without a vector, or without a word that another row
    /// has, is like no other.
    ///
    /// ```
    /// # use nearlite::{Database, Like, Metric, Schema};
    /// # let notes = Database::in_memory()?.collection("notes").create(
    /// #     Schema::new().key("id").full_text("body").vector("x", 1, Metric::L2))?;
    /// # for (id, body, x) in [("a", "whales and ships", 1), ("b", "ships at sea", 9), ("c", "deserts", 2)] {
    /// #     notes.insert(&serde_json::json!({"id": id, "body": body, "x": [x]}))?;
    /// # }
    /// assert_eq!(notes.search().like("a").run()?.keys(), ["c", "b"]);                  // by distance
    /// assert_eq!(notes.search().like_by("a", Like::text()).run()?.keys(), ["b"]);      // by the word "ships"
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    pub fn like(self, key: impl Into<Key>) -> Self {
        self.like_by(key, Like::default())
    }

    /// [`like`](Self::like), saying by what rows are compared. Called again, it adds the legs of another row.
    pub fn like_by(mut self, key: impl Into<Key>, like: Like) -> Self {
        self.like.push((key.into(), like));
        self
    }

    /// The legs of the rows that others are compared with, and their rowids, which are left out.
    pub(super) fn like_legs(&self, conn: &Connection) -> Result<(Vec<Leg>, Option<Filter>)> {
        let (mut legs, mut rowids) = (Vec::new(), Vec::new());
        if self.like.is_empty() {
            return Ok((legs, None));
        }
        let collection = self.collection;
        let pinned = collection.inner.pin(conn)?;
        for (key, like) in &self.like {
            let key = collection.check_key(key.clone())?;
            let (Some(rowid), true) = (collection.rowid_of(conn, &key)?, collection.has(conn, &key)?) else {
                let name = collection.name();
                return Err(Error::Unknown(format!("{name} has no row {key} to compare others with")));
            };
            legs.extend(like.legs(pinned.snapshot(collection.inner.on(conn)), rowid, None)?);
            rowids.push(rowid);
        }
        Ok((legs, Some(Filter::rowids(rowids).not())))
    }
}
