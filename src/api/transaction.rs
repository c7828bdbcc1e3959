//! Work of the user's on a connection of the pool: as one transaction, or as he likes.

use super::atomic::writing;
use super::collection::Collection;
use super::database::Database;
use super::loan::{self, Loan};
use super::queue::Use;
use crate::error::{Error, Result};
use rusqlite::Connection;
use std::ops::Deref;

/// An open transaction of a [`Database`], see [`Database::transaction`]. It is a [`Connection`] too, for SQL of your
/// own and for [`Collection::on`].
pub struct Transaction<'c> {
    conn: &'c Connection,
    loan: &'c Loan,
}

impl std::fmt::Debug for Transaction<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Transaction").field(self.conn).finish()
    }
}

impl<'c> Transaction<'c> {
    /// The collection called `name`, in this transaction: what it writes is part of it, and searches see it.
    ///
    /// ```
    /// # use nearlite::{Database, Schema};
    /// # let db = Database::in_memory()?;
    /// # db.collection("notes").create(Schema::new().key("id").full_text("body"))?;
    /// db.transaction(|tx| {
    ///     let notes = tx.collection("notes")?;
    ///     notes.insert(&serde_json::json!({"id": "a", "body": "not yet committed"}))?;
    ///     assert_eq!(notes.search().text("committed").run()?.keys(), ["a"]);
    ///     Ok(())
    /// })?;
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Unknown`] naming the collections there are.
    pub fn collection(&self, name: &str) -> Result<Collection<&'c Connection>> {
        Collection::on(self.conn, name)
    }
}

impl Deref for Transaction<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.loan.touch();
        self.conn
    }
}

impl Database {
    /// Runs `work` as one transaction over collections and tables of your own: committed when it returns `Ok`, rolled
    /// back when it returns an error or panics.
    ///
    /// It begins with the write lock (`BEGIN IMMEDIATE`), in its turn among the writers of this `Database`: what it
    /// reads stays true until it commits, so a value that was read can be changed and written without losing a race.
    /// Others can read meanwhile, and see what was there before. Keep it short: other writers wait for it, up to the
    /// [busy timeout](crate::OpenOptions::busy_timeout).
    ///
    /// When `work` has used the transaction as a [`Connection`], that is closed afterwards, as by
    /// [`with_connection`](Self::with_connection): a transaction over collections alone is the fastest.
    ///
    /// ```
    /// use nearlite::{Database, Schema};
    /// use serde_json::json;
    ///
    /// let db = Database::in_memory()?;
    /// let notes = db.collection("notes").create(Schema::new().key("id").full_text("body"))?;
    /// let tags = db.collection("tags").create(Schema::new().key("tag").integer("uses"))?;
    /// db.with_connection(|conn| Ok(conn.execute_batch("CREATE TABLE authors(name TEXT)")?))?;
    /// tags.insert(&json!({"tag": "history", "uses": 1}))?;
    ///
    /// let uses = db.transaction(|tx| {
    ///     tx.execute("INSERT INTO authors VALUES('Ada')", [])?;
    ///     tx.collection("notes")?.insert(&json!({"id": "n1", "body": "on the analytical engine"}))?;
    ///     let tags = tx.collection("tags")?;
    ///     let row: serde_json::Value = tags.get_one("history")?.unwrap_or_default();
    ///     let uses = row["uses"].as_i64().unwrap_or(0) + 1;
    ///     tags.update("history", &json!({"uses": uses}))?;
    ///     Ok(uses)
    /// })?;
    /// assert_eq!((uses, notes.len()?), (2, 1));
    ///
    /// let failed = db.transaction(|tx| {
    ///     tx.execute("DELETE FROM authors", [])?;
    ///     tx.collection("notes")?.insert(&json!({"id": "n1"}))                     // this key exists
    /// });
    /// assert!(failed.is_err());
    /// let authors: i64 = db.with_connection(|conn| Ok(conn.query_row("SELECT count(*) FROM authors", [], |r| r.get(0))?))?;
    /// assert_eq!(authors, 1);                                                      // nothing of it happened
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of `work`; [`Error::Value`] from a thread that is writing to this database already, in a transaction or a
    /// call that has not ended; [`Error::Sqlite`] when the database stays locked or the commit fails.
    pub fn transaction<T>(&self, work: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let pool = self.pool();
        let turn = loan::turn(pool, Use::Closure)?;
        self.writes();
        let loan = Loan::new(pool)?;
        let conn = loan.get()?;
        let done = writing(conn, || {
            let done = work(&Transaction { conn, loan: &loan })?;
            if conn.is_autocommit() {
                let sentence = "the transaction was ended before its closure returned, by SQL of its own or by an error \
                                that SQLite rolls back after: leave COMMIT and ROLLBACK to Database::transaction";
                return Err(Error::Value(sentence.into()));
            }
            Ok(done)
        });
        // The next writer need not wait until the connection is closed.
        drop(turn);
        done
    }

    /// Runs `work` with a connection of its own to the database, on which nearlite is registered: for tables of your own,
    /// `VACUUM`, backups, reading on one snapshot. For writing use [`transaction`](Self::transaction), which takes its
    /// turn among the other writers; what writes here waits for them as another process does.
    ///
    /// Rusqlite's `unchecked_transaction` begins `IMMEDIATE` here, so it takes the write lock at once. With a plain `BEGIN`
    /// a transaction that reads before it writes fails with "database is locked" when another one wrote in between.
    ///
    /// The connection is as it was opened, and closed afterwards: a transaction left open is rolled back, and pragmas,
    /// attached databases, temporary tables and functions end with it. That takes some tenths of a millisecond, more
    /// with many collections. What every connection should have belongs in
    /// [`OpenOptions::on_connect`](crate::OpenOptions::on_connect). A database in memory has one connection: there
    /// pragmas, attached databases and temporary tables are put back to what they were, but functions stay.
    ///
    /// ```
    /// # use nearlite::{Collection, Database, Schema};
    /// # let db = Database::in_memory()?;
    /// # db.collection("notes").create(Schema::new().key("id").full_text("body"))?
    /// #     .insert(&serde_json::json!({"id": "n1", "body": "on the analytical engine"}))?;
    /// let longest = db.with_connection(|conn| {
    ///     conn.execute_batch("CREATE TABLE IF NOT EXISTS authors(name TEXT, note TEXT)")?;
    ///     Ok(conn.query_row("SELECT max(length(body)) FROM notes", [], |row| row.get::<_, i64>(0))?)
    /// })?;
    /// assert_eq!(longest, 24);
    /// # Ok::<(), nearlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of `work`, and [`Error::Sqlite`] when no connection can be opened. A write through the pool, by a
    /// [`Collection`] of this database or [`transaction`](Self::transaction), while `work` has a transaction open that
    /// writes, is [`Error::Value`]: it would wait for itself.
    pub fn with_connection<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let loan = Loan::new(self.pool())?;
        loan.touch();
        work(loan.get()?)
    }
}
