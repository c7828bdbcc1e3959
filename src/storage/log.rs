//! `t_delta`: the append-only log of what changed since the last seal.
//!
//! A cached replay of the log is valid up to the entry it ended at as long as that entry still carries the same
//! random stamp: sequence numbers come back after a rollback, stamps do not.

use super::Storage;
use super::run::{Run, run};
use crate::error::{Error, Result};
use crate::{memory, random};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, params};

/// What one log entry says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogOp {
    /// The row is (again) in the delta, with the content it has in `t_rows` and `t_vectors`.
    Add,
    /// The row left the delta.
    Remove,
    /// `ord` of the segment with number `segment` is dead.
    Kill {
        /// Number of the segment (`t_segments.seq`).
        segment: i64,
        /// Row of the segment.
        ord: u32,
    },
    /// Only the metadata of the row has changed: `t_rows` has what it is now.
    Revise {
        /// Number of the segment that the row lives in, and its ord there; `None` for a row of the log.
        sealed: Option<(i64, u32)>,
    },
}

/// One entry of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogEntry {
    /// What happened.
    pub op: LogOp,
    /// To which row.
    pub rowid: i64,
    /// Where the log stands after it.
    pub position: LogPosition,
}

/// The last entry of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogPosition {
    /// Sequence number, 0 before the first entry.
    pub seq: i64,
    /// Random stamp of that entry.
    pub stamp: i64,
}

impl Storage {
    /// Whether the user interrupted the statement that runs. A statement inside of it says so, in every version of
    /// SQLite: it does not take its first step.
    pub fn interrupted(&self, conn: &Connection) -> bool {
        let asked = conn.prepare_cached("SELECT 1").and_then(|mut one| one.query_row([], |_| Ok(())));
        let code = asked.err().and_then(|error| error.sqlite_error_code());
        code == Some(rusqlite::ErrorCode::OperationInterrupted)
    }

    /// Where the log ends in the current snapshot.
    pub fn log_end(&self, conn: &Connection) -> Result<LogPosition> {
        Ok(conn
            .prepare_cached(&self.sql.log_last)?
            .query_row([], |row| Ok(LogPosition { seq: row.get(0)?, stamp: row.get(1)? }))
            .optional()
            .map_err(|error| self.log_error(error))?
            .unwrap_or_default())
    }

    /// Whether the log still has `position` as one of its entries.
    pub fn log_has(&self, conn: &Connection, position: LogPosition) -> Result<bool> {
        if position.seq == 0 {
            return Ok(true);
        }
        let stamp: Option<i64> = conn
            .prepare_cached(&self.sql.log_at)?
            .query_row([position.seq], |row| row.get(0))
            .optional()
            .map_err(|error| self.log_error(error))?;
        Ok(stamp == Some(position.stamp))
    }

    /// All entries after sequence number `seq`.
    pub fn log_since(&self, conn: &Connection, seq: i64) -> Result<Vec<LogEntry>> {
        let mut statement = conn.prepare_cached(&self.sql.log_since)?;
        let mut rows = statement.query([seq])?;
        let mut entries = Vec::new();
        while let Some(row) = rows.next()? {
            let number = |at| row.get::<_, i64>(at).map_err(|error| self.log_error(error));
            let sealed = || -> Result<(i64, u32)> {
                let ord = u32::try_from(number(4)?).map_err(|_| {
                    crate::error::Error::corrupt(format!("{}_delta", self.table), "ord out of range")
                })?;
                Ok((number(3)?, ord))
            };
            let op = match number(1)? {
                1 => LogOp::Add,
                2 => LogOp::Remove,
                3 => sealed().map(|(segment, ord)| LogOp::Kill { segment, ord })?,
                4 if row.get_ref(3)? == ValueRef::Null => LogOp::Revise { sealed: None },
                4 => LogOp::Revise { sealed: Some(sealed()?) },
                other => {
                    let what = format!("unknown operation {other}");
                    return Err(crate::error::Error::corrupt(format!("{}_delta", self.table), what));
                }
            };
            let position = LogPosition { seq: number(0)?, stamp: number(5)? };
            memory::grow(&mut entries, 1)?;
            entries.push(LogEntry { op, rowid: number(2)?, position });
        }
        Ok(entries)
    }

    fn log_error(&self, error: rusqlite::Error) -> crate::error::Error {
        crate::error::Error::reading(error, || format!("{}_delta", self.table))
    }

    /// Appends one entry, which ends the log now. A revision needs the current format ([`upgrade_format`](Self::upgrade_format)).
    pub fn log_append(&self, conn: &Connection, op: LogOp, rowid: i64) -> Result<LogEntry> {
        let mut statement = conn.prepare_cached(&self.sql.log_append)?;
        let stamp = i64::from_le_bytes(random::bytes());
        let none = None::<i64>;
        match op {
            LogOp::Add => statement.run(params![1, rowid, none, none, stamp])?,
            LogOp::Remove => statement.run(params![2, rowid, none, none, stamp])?,
            LogOp::Kill { segment, ord } => statement.run(params![3, rowid, segment, ord, stamp])?,
            LogOp::Revise { sealed } => {
                let (segment, ord) = sealed.unzip();
                statement.run(params![4, rowid, segment, ord, stamp])?;
            }
        };
        Ok(LogEntry { op, rowid, position: LogPosition { seq: conn.last_insert_rowid(), stamp } })
    }

    /// The error of a log that names a row that no segment has.
    pub fn names_no_row(&self) -> Error {
        Error::corrupt(format!("{}_delta", self.table), "a log entry names a row of no segment")
    }

    /// Takes the last entry back.
    pub fn log_remove(&self, conn: &Connection, seq: i64) -> Result<()> {
        run(conn, &format!("DELETE FROM {} WHERE seq = ?1", self.name("delta")), [seq])?;
        Ok(())
    }

    /// Empties the log; the caller renews the nonce.
    pub fn log_clear(&self, conn: &Connection) -> Result<()> {
        run(conn, &format!("DELETE FROM {}", self.name("delta")), [])?;
        Ok(())
    }
}
