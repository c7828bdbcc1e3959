//! Writing rows that were checked: conflicts, then `t_rows`, the vectors and the log.
//!
//! All writes of a row are made together or not at all; how, is the caller's matter ([`Journal`]).

use super::connected::Connected;
use super::open_collection::OpenCollection;
use super::places::Place;
use crate::error::{Error, Result};
use crate::schema::{ColumnKind, ColumnType};
use crate::storage::LogOp;
use crate::value::Value;
use rusqlite::Connection;

/// A row that fits the schema.
pub struct Row {
    /// Values of `t_rows`, in order.
    pub values: Vec<Value>,
    /// Stored bytes of each vector column; none where an update leaves them as they are.
    pub vectors: Vec<Option<Vec<u8>>>,
}

/// What an update changes, beside values that no index holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changed {
    /// Metadata columns.
    pub metadata: bool,
    /// FULLTEXT columns.
    pub texts: bool,
    /// VECTOR columns.
    pub vectors: bool,
}

impl Changed {
    /// Notes that the value of a column is another one.
    pub fn note(&mut self, kind: &ColumnKind) {
        match kind {
            ColumnKind::Metadata(_) => self.metadata = true,
            ColumnKind::FullText { .. } => self.texts = true,
            ColumnKind::Vector(_) => self.vectors = true,
            ColumnKind::Key(_) | ColumnKind::Unindexed => {}
        }
    }
}

/// How several writes become one.
pub trait Journal {
    /// Runs `work`; if it fails, nothing of what it wrote is left.
    fn atomically<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T>;

    /// Undoes by hand what was written before `error`, outside of [`Self::atomically`].
    fn take_back(&self, error: &Error, undo: impl FnOnce() -> Result<()>);

    /// A row was written; called where its failure takes the row back.
    fn wrote(&self) -> Result<()>;
}

/// Writes rows of a collection on a connection.
pub struct Writer<'a, J> {
    /// The collection.
    pub collection: &'a OpenCollection,
    /// The connection, inside a write transaction.
    pub conn: &'a Connection,
    /// Makes the writes of a row one.
    pub journal: &'a J,
}

impl<J: Journal> Writer<'_, J> {
    fn on(&self) -> Connected<'_> {
        self.collection.on(self.conn)
    }

    /// Inserts a row and returns its rowid. `replace`: rows that are in its way are removed.
    ///
    /// # Errors
    /// [`Error::Constraint`] that names a row in its way.
    pub fn insert(&self, rowid: Option<i64>, row: &Row, replace: bool) -> Result<i64> {
        let clashes = self.clashes(rowid, &row.values, None, replace)?;
        match clashes.as_slice() {
            [] => return self.insert_new(rowid, row),
            // It keeps its rowid.
            [old] if rowid.is_none_or(|rowid| rowid == *old) => return self.replace(*old, row),
            _ => {}
        }
        self.journal.atomically(|| {
            self.remove(&clashes)?;
            self.insert_new(rowid, row)
        })
    }

    /// Inserts a row that is in nobody's way. What fails is taken back here: a journal of each row would make a load a
    /// quarter slower.
    fn insert_new(&self, rowid: Option<i64>, row: &Row) -> Result<i64> {
        let Connected { storage, conn, .. } = self.on();
        let rowid = storage.insert_row(conn, rowid, &row.values)?;
        let mut logged = None;
        let mut index = || {
            self.put_new_vectors(rowid, &row.vectors)?;
            logged = Some(storage.log_append(conn, LogOp::Add, rowid)?.position.seq);
            self.journal.wrote()
        };
        if let Err(error) = index() {
            self.journal.take_back(&error, || {
                storage.delete_row(conn, rowid)?;
                logged.map_or(Ok(()), |seq| storage.log_remove(conn, seq))
            });
            return Err(error);
        }
        Ok(rowid)
    }

    /// Deletes a row; nothing happens when it is not there.
    pub fn delete(&self, rowid: i64) -> Result<()> {
        self.journal.atomically(|| {
            self.remove(&[rowid])?;
            self.journal.wrote()
        })
    }

    /// Writes a row in place of another one with its rowid; what they have in common is left as it is.
    fn replace(&self, rowid: i64, row: &Row) -> Result<i64> {
        let Connected { storage, conn, schema } = self.on();
        let Some(before) = storage.row(conn, rowid)? else { return self.insert_new(Some(rowid), row) };
        let mut changed = Changed::default();
        let (mut values, mut vectors) = (before.values.iter().zip(&row.values), 0);
        for (at, column) in schema.columns.iter().enumerate() {
            if schema.is_stored(at) && values.next().is_some_and(|(old, new)| old != new) {
                changed.note(&column.kind);
            }
            vectors += usize::from(schema.vector_nth(at).is_some());
        }
        changed.vectors = vectors > 0 && storage.vectors(conn, rowid)? != row.vectors;
        self.update(rowid, rowid, row, changed, true)?;
        Ok(rowid)
    }

    /// Changes the row `old`, which gets the rowid `new`.
    ///
    /// # Errors
    /// As [`Self::insert`].
    pub fn update(&self, old: i64, new: i64, row: &Row, changed: Changed, replace: bool) -> Result<()> {
        let Connected { storage, conn, .. } = self.on();
        let clashes = self.clashes(Some(new), &row.values, Some(old), replace)?;
        let again = changed.texts || changed.vectors;
        if new == old && !again && clashes.is_empty() {
            if changed.metadata {
                return self.revise(old, row);
            }
            // One statement, which SQLite itself does as a whole or not at all.
            return storage.update_row(conn, old, &row.values);
        }
        self.journal.atomically(|| {
            self.remove(&clashes)?;
            if new != old {
                let kept = if changed.vectors { None } else { Some(storage.vectors(conn, old)?) };
                self.remove(&[old])?;
                storage.insert_row(conn, Some(new), &row.values)?;
                self.put_vectors(new, kept.as_ref().unwrap_or(&row.vectors))?;
                self.collection.log(conn, LogOp::Add, new)?;
            } else if again {
                self.unindex(old)?;
                storage.update_row(conn, old, &row.values)?;
                if changed.vectors {
                    self.put_vectors(old, &row.vectors)?;
                }
                self.collection.log(conn, LogOp::Add, old)?;
            } else {
                if changed.metadata {
                    self.log_revision(old)?;
                }
                storage.update_row(conn, old, &row.values)?;
            }
            self.journal.wrote()
        })
    }

    /// Changes the metadata of a row, and nothing else of it that is indexed. What fails is taken back here, as an insert.
    fn revise(&self, rowid: i64, row: &Row) -> Result<()> {
        let Connected { storage, conn, .. } = self.on();
        // What this sets off would otherwise find the entry without the change.
        self.journal.wrote()?;
        let logged = self.log_revision(rowid)?;
        storage.update_row(conn, rowid, &row.values).inspect_err(|error| {
            self.journal.take_back(error, || logged.map_or(Ok(()), |seq| storage.log_remove(conn, seq)));
        })
    }

    /// Notes that the metadata of a row changes; the number of the entry.
    fn log_revision(&self, rowid: i64) -> Result<Option<i64>> {
        let (place, revised) = self.collection.place(self.conn, rowid)?;
        let sealed = match place {
            Some(Place::Segment { segment, ord }) => Some((segment, ord)),
            Some(Place::Log) => None,
            None => return Ok(None),
        };
        if !revised {
            self.collection.storage.upgrade_format(self.conn)?;
        }
        Ok(Some(self.collection.log(self.conn, LogOp::Revise { sealed }, rowid)?.position.seq))
    }

    fn remove(&self, rowids: &[i64]) -> Result<()> {
        for rowid in rowids {
            self.unindex(*rowid)?;
            self.collection.storage.delete_row(self.conn, *rowid)?;
        }
        Ok(())
    }

    /// Takes a row out of the index: out of the delta, or dead in its segment.
    fn unindex(&self, rowid: i64) -> Result<()> {
        let op = match self.collection.place(self.conn, rowid)?.0 {
            Some(Place::Log) => LogOp::Remove,
            Some(Place::Segment { segment, ord }) => LogOp::Kill { segment, ord },
            None => return Ok(()),
        };
        self.collection.log(self.conn, op, rowid).map(drop)
    }

    fn put_vectors(&self, rowid: i64, vectors: &[Option<Vec<u8>>]) -> Result<()> {
        self.collection.storage.put_vectors(self.conn, rowid, &slices(vectors))
    }

    /// Stores the vectors of a new row. A slot of a tile may lie in two pieces.
    fn put_new_vectors(&self, rowid: i64, vectors: &[Option<Vec<u8>>]) -> Result<()> {
        let Connected { storage, conn, .. } = self.on();
        if vectors.is_empty() {
            return Ok(());
        }
        if storage.is_tiled(conn, rowid)? {
            return self.journal.atomically(|| self.put_vectors(rowid, vectors));
        }
        storage.put_single(conn, rowid, &slices(vectors))
    }

    /// The rows other than `own` that a row would collide with, which `replace` removes.
    fn clashes(
        &self,
        rowid: Option<i64>,
        values: &[Value],
        own: Option<i64>,
        replace: bool,
    ) -> Result<Vec<i64>> {
        let Connected { storage, conn, schema } = self.on();
        let key = schema.key_column();
        let mut clashes = Vec::new();
        let clash = |column: &str, value: String| {
            Error::Constraint(format!(
                "UNIQUE constraint failed: {}.{column}: {value} exists already",
                storage.table
            ))
        };
        if let Some(rowid) = rowid
            && Some(rowid) != own
            && storage.row_exists(conn, rowid)?
        {
            let name = match key {
                Some((at, ColumnType::Integer)) => schema.columns[at].name.as_str(),
                _ => "rowid",
            };
            if !replace {
                return Err(clash(name, rowid.to_string()));
            }
            clashes.push(rowid);
        }
        if let Some((at, ColumnType::Text)) = key
            && let Some(key) = schema.stored(at).and_then(|position| values.get(position))
            && let Some(found) = storage.rowid_of_key(conn, key)?
            && Some(found) != own
        {
            if !replace {
                let name = schema.columns[at].name.as_str();
                return Err(clash(name, format!("'{}'", key.as_text().unwrap_or(""))));
            }
            clashes.push(found);
            clashes.dedup();
        }
        Ok(clashes)
    }
}

fn slices(vectors: &[Option<Vec<u8>>]) -> Vec<Option<&[u8]>> {
    vectors.iter().map(Option::as_deref).collect()
}
