//! `t_rows`: the user's values, with `t_vectors` and `t_tiles` the source of truth for everything else.

use super::Storage;
use super::run::Run;
use crate::error::{Error, Result};
use crate::memory;
use crate::value::Value;
use rusqlite::{Connection, OptionalExtension, params_from_iter};

/// Non-vector columns of a row in the schema's order (an INTEGER key has none: it is the rowid).
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The row's identity.
    pub rowid: i64,
    /// Its values.
    pub values: Vec<Value>,
}

impl Storage {
    /// The values of a row.
    pub fn row(&self, conn: &Connection, rowid: i64) -> Result<Option<Row>> {
        let mut statement = conn.prepare_cached(&self.sql.row_values)?;
        let width = statement.column_count();
        let row = statement.query_row([rowid], |row| read_row(row, width, &self.sql.row_reals)).optional();
        row.map_err(|error| self.row_error(error))
    }

    /// Those of the rows `rowids` that exist, in that order. Neighbours are read together.
    pub fn rows(&self, conn: &Connection, rowids: &[i64]) -> Result<Vec<Row>> {
        let mut rows = Vec::with_capacity(rowids.len());
        for run in rowids.chunk_by(|one, next| one.checked_add(1) == Some(*next)) {
            match run {
                [first, .., last] => {
                    rows.extend(self.rows_between(conn, (*first, *last), false, run.len())?)
                }
                _ => run.iter().try_for_each(|rowid| self.row(conn, *rowid).map(|row| rows.extend(row)))?,
            }
        }
        Ok(rows)
    }

    /// The metadata values of a row, in the order of the schema's metadata columns.
    pub fn metadata(&self, conn: &Connection, rowid: i64) -> Result<Option<Vec<Value>>> {
        let mut statement = conn.prepare_cached(&self.sql.row_metadata)?;
        let width = statement.column_count();
        let row =
            statement.query_row([rowid], |row| read_row(row, width, &self.sql.metadata_reals)).optional();
        Ok(row.map_err(|error| self.row_error(error))?.map(|row| row.values))
    }

    /// Whether a row exists.
    pub fn row_exists(&self, conn: &Connection, rowid: i64) -> Result<bool> {
        Ok(conn.prepare_cached(&self.sql.row_exists)?.exists([rowid])?)
    }

    /// Up to `limit` rows with rowids in `low..=high`, ascending or descending.
    pub fn rows_between(
        &self,
        conn: &Connection,
        (low, high): (i64, i64),
        descending: bool,
        limit: usize,
    ) -> Result<Vec<Row>> {
        let listed = self.sql.row_values.trim_end_matches(" WHERE rowid = ?1");
        let order = if descending { "DESC" } else { "ASC" };
        let sql = format!("{listed} WHERE rowid BETWEEN ?1 AND ?2 ORDER BY rowid {order} LIMIT ?3");
        let mut statement = conn.prepare_cached(&sql)?;
        let width = statement.column_count();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows =
            statement.query_map([low, high, limit], |row| read_row(row, width, &self.sql.row_reals))?;
        rows.collect::<rusqlite::Result<_>>().map_err(|error| self.row_error(error))
    }

    /// All rowids, ascending.
    pub fn all_rowids(&self, conn: &Connection) -> Result<Vec<i64>> {
        let mut statement =
            conn.prepare(&format!("SELECT rowid FROM {} ORDER BY rowid", self.name("rows")))?;
        let mut rows = statement.query([])?;
        let mut ids = Vec::new();
        while let Some(row) = rows.next()? {
            memory::grow(&mut ids, 1)?;
            ids.push(row.get(0).map_err(|error| self.row_error(error))?);
        }
        Ok(ids)
    }

    /// Up to `limit` rowids greater than `after`, or the first ones, ascending.
    pub fn rowids_after(&self, conn: &Connection, after: Option<i64>, limit: usize) -> Result<Vec<i64>> {
        let low = if after.is_some() { "WHERE rowid > ?1" } else { "WHERE ?1 IS NULL" };
        let sql = format!("SELECT rowid FROM {} {low} ORDER BY rowid LIMIT ?2", self.name("rows"));
        let mut statement = conn.prepare_cached(&sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map((after, limit), |row| row.get(0))?;
        rows.collect::<rusqlite::Result<_>>().map_err(|error| self.row_error(error))
    }

    fn row_error(&self, error: rusqlite::Error) -> Error {
        Error::reading(error, || format!("{}_rows", self.table))
    }

    /// Number of rows.
    pub fn row_count(&self, conn: &Connection) -> Result<usize> {
        let sql = format!("SELECT count(*) FROM {}", self.name("rows"));
        let count: i64 = conn.prepare_cached(&sql)?.query_row([], |row| row.get(0))?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    /// Rowid of the row with this key.
    pub fn rowid_of_key(&self, conn: &Connection, key: &Value) -> Result<Option<i64>> {
        let mut statement = conn.prepare_cached(&self.sql.key_rowid)?;
        let rowid = statement.query_row([key], |row| row.get(0)).optional();
        rowid.map_err(|error| self.row_error(error))
    }

    /// Rowids of the rows whose text key `test` accepts, asked of each from `first` on in the order of their bytes, up to
    /// the first for which it gives `None`.
    pub fn rowids_of_keys_from(
        &self,
        conn: &Connection,
        first: &str,
        test: &dyn Fn(&str) -> Option<bool>,
    ) -> Result<Vec<i64>> {
        let mut statement = conn.prepare_cached(&self.sql.keys_from)?;
        // In another encoding SQLite's order is another one, too.
        let mut rows = statement.query([if self.utf8 { first } else { "" }])?;
        let (mut ids, mut unordered) = (Vec::new(), Vec::new());
        while let Some(row) = rows.next()? {
            let rowid = row.get(1).map_err(|error| self.row_error(error))?;
            let key = Value::from(row.get_ref(0)?);
            let key = key.as_text().unwrap_or_default();
            match test(key) {
                Some(true) if self.utf8 => {
                    memory::grow(&mut ids, 1)?;
                    ids.push(rowid);
                }
                Some(true) if key >= first => {
                    memory::grow(&mut unordered, 1)?;
                    unordered.push((key.to_owned(), rowid));
                }
                None if self.utf8 => break,
                _ => {}
            }
        }
        unordered.sort_unstable();
        ids.extend(unordered.into_iter().map(|(_, rowid)| rowid));
        Ok(ids)
    }

    /// Writes a new row; `None` lets SQLite choose the rowid, which is returned.
    pub fn insert_row(&self, conn: &Connection, rowid: Option<i64>, values: &[Value]) -> Result<i64> {
        let mut statement = conn.prepare_cached(&self.sql.row_insert)?;
        let id = rowid.map_or(Value::Null, Value::Integer);
        statement.run(params_from_iter(std::iter::once(&id).chain(values)))?;
        Ok(rowid.unwrap_or_else(|| conn.last_insert_rowid()))
    }

    /// Replaces the values of an existing row.
    pub fn update_row(&self, conn: &Connection, rowid: i64, values: &[Value]) -> Result<()> {
        let id = Value::Integer(rowid);
        conn.prepare_cached(&self.sql.row_update)?
            .run(params_from_iter(std::iter::once(&id).chain(values)))?;
        Ok(())
    }

    /// Removes a row with its vectors.
    pub fn delete_row(&self, conn: &Connection, rowid: i64) -> Result<()> {
        conn.prepare_cached(&self.sql.row_delete)?.run([rowid])?;
        self.delete_vectors(conn, rowid)
    }
}

/// A row of `width` columns, the rowid first. SQLite before 3.41 reads a DEFAULT like 5.0 of a column without a type as an
/// INTEGER, so the values at `reals` may be INTEGERs in the rows that were there before the column was.
fn read_row(row: &rusqlite::Row<'_>, width: usize, reals: &[usize]) -> rusqlite::Result<Row> {
    let mut values: Vec<Value> =
        (1..width).map(|at| Ok(Value::from(row.get_ref(at)?))).collect::<rusqlite::Result<_>>()?;
    for at in reals {
        if let Some(value) = values.get_mut(*at)
            && let Value::Integer(whole) = *value
        {
            *value = Value::Real(whole as f64);
        }
    }
    Ok(Row { rowid: row.get(0)?, values })
}
