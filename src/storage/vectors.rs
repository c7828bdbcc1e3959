//! The vectors of rows: singly in `t_vectors`, or in a slot of a tile (`tiles`).
//!
//! Invariant: what both a tile and `t_vectors` have of a row is equal. A write to a tile removes the single form, so it
//! does not matter which of the two a reader finds first.

use super::packing::{Found, TileReader};
use super::run::Run;
use super::stored::blob;
use super::{Storage, decode_vector, encode_vector};
use crate::error::{Error, Result};
use rusqlite::Connection;
use rusqlite::types::{ToSqlOutput, ValueRef};

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
    pub fn put_single(&self, conn: &Connection, rowid: i64, vectors: &[Option<&[u8]>]) -> Result<()> {
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
        statement.run_bound()?;
        Ok(())
    }

    /// Removes the vectors of a row that `t_rows` does not have any more.
    pub(super) fn delete_vectors(&self, conn: &Connection, rowid: i64) -> Result<()> {
        if self.sql.vector_of.is_empty() {
            return Ok(());
        }
        conn.prepare_cached(&self.sql.vectors_delete)?.run([rowid])?;
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
        let Some(mut tiles) = TileReader::new(self, conn)? else { return Ok(vec![None; width]) };
        let read = |(at, spec)| match tiles.read(rowid, at)? {
            Found::Vector(vector) => Ok(Some(encode_vector(spec, vector))),
            Found::Nothing => Ok(None),
            Found::NoTile => tiles.check_missing(rowid).map(|()| None),
        };
        self.specs.iter().enumerate().map(read).collect()
    }

    /// Hands one vector of each row in `rowids` to `each`, in that order; `None` where the row or the vector is missing.
    ///
    /// # Errors
    /// [`Error::Corrupt`] names a row whose stored vector is damaged.
    pub fn for_each_vector(
        &self,
        conn: &Connection,
        column: usize,
        rowids: impl IntoIterator<Item = i64>,
        mut each: impl FnMut(Option<&[f32]>) -> Result<()>,
    ) -> Result<()> {
        let (Some(sql), Some(spec)) = (self.sql.vector_of.get(column), self.specs.get(column)) else {
            return Err(Error::Unknown("no such vector column".into()));
        };
        let mut statement = conn.prepare_cached(sql)?;
        let mut scratch = vec![0.0; spec.dim];
        let mut single = |rowid: i64, each: &mut dyn FnMut(Option<&[f32]>) -> Result<()>| -> Result<bool> {
            let mut rows = statement.query([rowid])?;
            let Some(row) = rows.next()? else { return Ok(false) };
            let Some(bytes) = blob(row.get_ref(0)?) else { return each(None).map(|()| true) };
            decode_vector(spec, bytes, &mut scratch, format_args!("{} row {rowid}", self.table))?;
            each(Some(&scratch)).map(|()| true)
        };
        let mut tiles = TileReader::new(self, conn)?;
        // Most tables have nearly all rows in tiles, or none: a row is looked for where the one before it was.
        let mut tiled = tiles.is_some();
        for rowid in rowids {
            if !tiled && single(rowid, &mut each)? {
                continue;
            }
            match tiles.as_mut().map_or(Ok(Found::NoTile), |tiles| tiles.read(rowid, column))? {
                Found::Vector(vector) => {
                    tiled = true;
                    each(Some(vector))?;
                }
                Found::Nothing => {
                    tiled = true;
                    each(None)?;
                }
                Found::NoTile => {
                    if !tiled || !single(rowid, &mut each)? {
                        tiles.as_ref().map_or(Ok(()), |tiles| tiles.check_missing(rowid))?;
                        each(None)?;
                    }
                    tiled = false;
                }
            }
        }
        Ok(())
    }
}
