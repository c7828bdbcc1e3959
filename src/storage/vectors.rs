//! The vectors of rows: singly in `t_vectors`, or in a slot of a tile (`tiles`).
//!
//! Invariant: what both a tile and `t_vectors` have of a row is equal. A write to a tile removes the single form, so it
//! does not matter which of the two a reader finds first.

use super::Storage;
use super::packing::{Found, TileReader};
use crate::error::{Error, Result};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection};

/// Stored bytes of a row's vector columns, in order.
pub type VectorBytes = Vec<Option<Vec<u8>>>;

impl Storage {
    /// Writes the vectors of a row.
    pub fn put_vectors(&self, conn: &Connection, rowid: i64, vectors: &[Option<&[u8]>]) -> Result<()> {
        if vectors.is_empty() || self.put_in_tile(conn, rowid, vectors)? {
            return Ok(());
        }
        self.put_single(conn, rowid, vectors)
    }

    /// Writes the vectors of a row to `t_vectors`.
    pub(super) fn put_single(&self, conn: &Connection, rowid: i64, vectors: &[Option<&[u8]>]) -> Result<()> {
        struct Bytes<'a>(Option<&'a [u8]>);
        impl rusqlite::ToSql for Bytes<'_> {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(ToSqlOutput::Borrowed(self.0.map_or(ValueRef::Null, ValueRef::Blob)))
            }
        }
        let mut statement = conn.prepare_cached(&self.sql.vectors_put)?;
        statement.raw_bind_parameter(1, rowid)?;
        for (at, vector) in vectors.iter().enumerate() {
            statement.raw_bind_parameter(at + 2, Bytes(*vector))?;
        }
        statement.raw_execute()?;
        Ok(())
    }

    /// Removes the vectors of a row that `t_rows` does not have any more.
    pub(super) fn delete_vectors(&self, conn: &Connection, rowid: i64) -> Result<()> {
        if self.sql.vector_of.is_empty() {
            return Ok(());
        }
        conn.prepare_cached(&self.sql.vectors_delete)?.execute([rowid])?;
        self.delete_in_tile(conn, rowid)
    }

    /// All vectors of a row; all `None` when the row is missing.
    pub fn vectors(&self, conn: &Connection, rowid: i64) -> Result<VectorBytes> {
        let width = self.sql.vector_of.len();
        if width == 0 {
            return Ok(Vec::new());
        }
        let mut statement = conn.prepare_cached(&self.sql.vectors_of)?;
        let mut rows = statement.query([rowid])?;
        if let Some(row) = rows.next()? {
            return (0..width).map(|at| Ok(blob(row.get_ref(at + 1)?).map(<[u8]>::to_vec))).collect();
        }
        let Some(mut tiles) = TileReader::new(self, conn) else { return Ok(vec![None; width]) };
        (0..width)
            .map(|at| match tiles.read(rowid, at)? {
                Found::Vector(bytes) => Ok(Some(bytes.to_vec())),
                Found::Nothing => Ok(None),
                Found::NoTile => tiles.check_missing(rowid).map(|()| None),
            })
            .collect()
    }

    /// Hands the stored bytes of one vector of each row in `rowids` to `each`, in that order; `None` where the row
    /// or the vector is missing.
    pub fn for_each_vector(
        &self,
        conn: &Connection,
        column: usize,
        rowids: impl IntoIterator<Item = i64>,
        mut each: impl FnMut(Option<&[u8]>) -> Result<()>,
    ) -> Result<()> {
        let sql =
            self.sql.vector_of.get(column).ok_or_else(|| Error::Unknown("no such vector column".into()))?;
        let mut singles = conn.prepare_cached(sql)?;
        let Some(mut tiles) = TileReader::new(self, conn) else {
            for rowid in rowids {
                if !single(&mut singles, rowid, &mut each)? {
                    each(None)?;
                }
            }
            return Ok(());
        };
        // Most tables have nearly all rows in tiles, or none: a row is looked for where the one before it was.
        let mut tiled = true;
        for rowid in rowids {
            if !tiled && single(&mut singles, rowid, &mut each)? {
                continue;
            }
            match tiles.read(rowid, column)? {
                Found::Vector(bytes) => {
                    each(Some(bytes))?;
                    tiled = true;
                }
                Found::Nothing => {
                    each(None)?;
                    tiled = true;
                }
                Found::NoTile => {
                    if !tiled || !single(&mut singles, rowid, &mut each)? {
                        tiles.check_missing(rowid)?;
                        each(None)?;
                    }
                    tiled = false;
                }
            }
        }
        Ok(())
    }
}

/// Hands over a vector from `t_vectors`; answers whether the row is there.
fn single(
    statement: &mut CachedStatement<'_>,
    rowid: i64,
    each: &mut impl FnMut(Option<&[u8]>) -> Result<()>,
) -> Result<bool> {
    let mut rows = statement.query([rowid])?;
    let Some(row) = rows.next()? else { return Ok(false) };
    each(blob(row.get_ref(0)?))?;
    Ok(true)
}

pub(super) fn blob(value: ValueRef<'_>) -> Option<&[u8]> {
    if let ValueRef::Blob(bytes) = value { Some(bytes) } else { None }
}
