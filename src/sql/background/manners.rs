//! What the connection of a background thread has in common with that of the user.

use super::super::module::Host;
use crate::error::Result;
use crate::schema::quoted;
use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension};
use std::sync::Arc;

/// How durable its commits are, whether it checkpoints (0 where the application does so itself), and how far the file may
/// grow.
const MANNERS: [&str; 5] =
    ["synchronous", "wal_autocheckpoint", "max_page_count", "journal_size_limit", "secure_delete"];

#[derive(Default, Clone, PartialEq)]
pub struct Manners(Vec<(&'static str, i64)>);

impl Manners {
    /// Those of the user's connection.
    pub fn of(host: &Host) -> Self {
        let schema = quoted(host.schema());
        let read = |name: &'static str| {
            let sql = format!("PRAGMA {schema}.{name}");
            Some((name, host.connection().query_row(&sql, [], |row| row.get(0)).ok()?))
        };
        Self(MANNERS.into_iter().filter_map(read).collect())
    }
}

/// The manners that a connection is to have, and those that it has.
pub struct Adopted {
    wanted: Arc<Mutex<Manners>>,
    known: Option<Manners>,
}

impl Adopted {
    /// Of a new connection.
    pub fn none(wanted: &Arc<Mutex<Manners>>) -> Self {
        Self { wanted: Arc::clone(wanted), known: None }
    }

    /// The connection is closed.
    pub fn forget(&mut self) {
        self.known = None;
    }

    /// Sees to it that `conn` has what is wanted by now. After an error, such as that of a file which others have at this
    /// moment, the next call begins again.
    pub fn keep_up(&mut self, conn: &Connection) -> Result<()> {
        let wanted = self.wanted.lock().clone();
        if self.known.as_ref() != Some(&wanted) {
            for (name, value) in &wanted.0 {
                // Some answer with a row, some do not.
                conn.query_row(&format!("PRAGMA main.{name} = {value}"), [], |_| Ok(())).optional()?;
            }
            self.known = Some(wanted);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_adopted_is_adopted_later() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept.db");
        let (other, conn) = (Connection::open(&path).unwrap(), Connection::open(&path).unwrap());
        other.execute_batch("CREATE TABLE x(y)").unwrap();
        let wanted = Manners(vec![("synchronous", 3), ("secure_delete", 1)]);
        let mut adopted = Adopted::none(&Arc::new(Mutex::new(wanted)));
        conn.execute_batch("PRAGMA busy_timeout = 0").unwrap();
        other.execute_batch("BEGIN EXCLUSIVE").unwrap();
        assert!(adopted.keep_up(&conn).is_err());
        other.execute_batch("COMMIT").unwrap();
        adopted.keep_up(&conn).unwrap();
        let has =
            |name: &str| conn.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!((has("synchronous"), has("secure_delete")), (3, 1));
    }
}
