//! `nearlite_maintain(table, budget)`: slices, each in a transaction of its own, until nothing is left or the milliseconds
//! are over; one slice inside an open transaction, or within a statement that writes.
//!
//! Other connections may keep the file to themselves meanwhile. Their lock is waited for within the budget, or without one
//! for as long as any statement of the connection would; then what is left stays for the next call, and the report says why.

use super::columns::command_sql;
use super::info;
use super::module::{Args, code_of};
use crate::collection::maintenance::{self, Done};
use crate::error::{Error, Result};
use crate::value::Value;
use rusqlite::{Connection, TransactionState, ffi};
use std::time::{Duration, Instant};

/// Between two attempts.
const NAP: Duration = Duration::from_millis(2);

const LOCKED: &str = "another connection has the file (SQLITE_BUSY)";
const OLD_SNAPSHOT: &str = "a statement of this connection still reads what the file was before others wrote to it \
     (SQLITE_BUSY_SNAPSHOT); it has to end first";

/// The patience of a call.
struct Waiting<'c> {
    conn: &'c Connection,
    began: Instant,
    budget: Option<Duration>,
    /// Of the connection.
    busy_timeout: Duration,
    /// Whether the connection waits for less meanwhile.
    shortened: bool,
}

impl<'c> Waiting<'c> {
    fn new(conn: &'c Connection, budget: Option<Duration>) -> Result<Self> {
        // 0 as well where the application has a handler of its own, which stays as it is.
        let milliseconds: i64 = conn.query_row("PRAGMA busy_timeout", [], |row| row.get(0))?;
        let busy_timeout = Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0));
        let shortened = budget.is_some_and(|budget| budget < busy_timeout);
        let waiting = Self { conn, began: Instant::now(), budget, busy_timeout, shortened };
        if let (true, Some(budget)) = (shortened, budget) {
            waiting.set_timeout(budget)?;
        }
        Ok(waiting)
    }

    /// Not by rusqlite's call, which needs SQLite 3.44.
    fn set_timeout(&self, timeout: Duration) -> Result<()> {
        let sql = format!("PRAGMA busy_timeout = {}", timeout.as_millis());
        Ok(self.conn.query_row(&sql, [], |_| Ok(()))?)
    }

    fn is_over(&self) -> bool {
        self.budget.is_some_and(|budget| self.began.elapsed() >= budget)
    }

    /// The outcome of `attempt`, tried until the lock of somebody else is gone, or why it could not be done.
    fn outcome<T>(
        &self,
        mut attempt: impl FnMut() -> Result<T>,
    ) -> Result<std::result::Result<T, &'static str>> {
        let began = Instant::now();
        loop {
            let error = match attempt() {
                Err(error) if matches!(code_of(&error) & 0xff, ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED) => {
                    error
                }
                other => return other.map(Ok),
            };
            if code_of(&error) == ffi::SQLITE_BUSY_SNAPSHOT {
                return Ok(Err(OLD_SNAPSHOT));
            }
            if self.is_over() || self.budget.is_none() && began.elapsed() >= self.busy_timeout {
                return Ok(Err(LOCKED));
            }
            self.nap()?;
        }
    }

    fn nap(&self) -> Result<()> {
        // A statement of its own meets the interruption of the one that runs.
        match self.conn.query_row("SELECT 1", [], |_| Ok(())) {
            Ok(()) => {
                std::thread::sleep(NAP);
                Ok(())
            }
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted) => {
                Err(Error::Interrupted)
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.shortened {
            let _ = self.set_timeout(self.busy_timeout);
        }
    }
}

/// What was done, as JSON.
pub fn maintain(conn: &Connection, args: &Args<'_>) -> Result<String> {
    let name = Value::from(args.value(0));
    let Some(name) = name.as_text() else {
        return Err(Error::Value("nearlite_maintain takes the name of a table and milliseconds".into()));
    };
    let budget = match (args.len() > 1).then(|| Value::from(args.value(1))) {
        None | Some(Value::Null) => None,
        Some(Value::Integer(budget)) => Some(Duration::from_millis(u64::try_from(budget).unwrap_or(0))),
        Some(_) => {
            return Err(Error::Value("nearlite_maintain: the budget is a number of milliseconds".into()));
        }
    };
    // A statement that writes, and calls this, ends no transaction before it ends itself.
    let writes = conn.transaction_state(None::<&str>)? == TransactionState::Write;
    let alone = conn.is_autocommit() && !writes;
    let waiting = Waiting::new(conn, budget)?;
    let mut report = Report::default();
    let collection = match waiting.outcome(|| info::open(conn, name))? {
        Ok(collection) => collection,
        Err(why) => {
            report.stopped = Some(why.into());
            return Ok(report.json());
        }
    };
    let sql = command_sql(&collection);
    loop {
        let done = waiting.outcome(|| {
            let mut statement = conn.prepare_cached(&sql)?;
            let mut rows = statement.query(("maintain", 0))?;
            while rows.next()?.is_some() {}
            drop(rows);
            Ok(maintenance::last())
        })?;
        match done {
            Ok(Done::Nothing) => report.finished = true,
            Ok(Done::Worked) => report.slices += 1,
            Ok(Done::Waits) if alone && !waiting.is_over() => waiting.nap()?,
            Ok(Done::Waits) => {}
            Ok(Done::Failed) => report.stopped = maintenance::last_failure().map(|error| error.to_string()),
            Err(why) => report.stopped = Some(why.into()),
        }
        if !alone || !matches!(done, Ok(Done::Worked | Done::Waits)) || waiting.is_over() {
            break;
        }
    }
    report.segments = waiting.outcome(|| collection.storage.segments(conn))?.ok().map(|all| all.len());
    Ok(report.json())
}

/// What was done.
#[derive(Default)]
struct Report {
    slices: usize,
    /// `None` where they could not be read.
    segments: Option<usize>,
    finished: bool,
    /// Why it ended before its time.
    stopped: Option<String>,
}

impl Report {
    fn json(&self) -> String {
        let segments = self.segments.map_or("null".into(), |count| count.to_string());
        let stopped = self
            .stopped
            .as_ref()
            .map(|why| format!(",\"stopped\":{}", serde_json::Value::from(why.as_str())));
        format!(
            "{{\"slices\":{},\"segments\":{segments},\"finished\":{}{}}}",
            self.slices,
            self.finished,
            stopped.unwrap_or_default()
        )
    }
}
