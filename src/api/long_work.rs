//! `optimize` and `rebuild`, which let other writers in while they work.
//!
//! They are jobs as those that keep a table in order are (`collection::maintenance`), and take a turn among the writers for each
//! slice. What others write meanwhile is in the log afterwards, and in no way of the result. Where nobody could be let in
//! (inside a transaction, in memory), where there is little to do, and where others keep taking the ground away, it is done
//! as a whole, as the SQL commands do it.

use super::access::Access;
use super::collection::Collection;
use super::statement::{change, command_sql, error_of};
use crate::collection;
use crate::collection::maintenance::{self, Done, Task, Watch};
use crate::collection::permits::Bound;
use crate::error::{Error, Result};
use rusqlite::config::DbConfig;
use std::time::Duration;

/// Fewer rows are done as a whole, in less than half a second.
const LITTLE: usize = 2_048;

/// How often it is tried in slices: `merge` of another connection, or a setting, ends what was begun.
const TRIES: usize = 3;

/// Between two looks at a builder.
const NAP: Duration = Duration::from_millis(2);

/// How long it waits for a builder, which has all threads meanwhile, before it looks at the progress.
const PATIENCE: Duration = Duration::from_millis(20);

/// Work that may take minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Long {
    Optimize,
    Rebuild,
}

/// Is shown (done, total); false stops the work.
type Progress<'a> = &'a mut dyn FnMut(usize, usize) -> bool;

impl<D: Access> Collection<D> {
    pub(super) fn long(&self, work: Long, progress: Progress<'_>) -> Result<()> {
        if self.access.lets_others_in() {
            for _ in 0..TRIES {
                match self.in_slices(work, progress) {
                    Ok(Some(true)) => return Ok(()),
                    Ok(Some(false)) => {}
                    // What is damaged is met again below; a rebuild heals it.
                    Ok(None) | Err(Error::Corrupt { .. }) => break,
                    Err(error) => return Err(error),
                }
            }
        }
        self.as_a_whole(work, progress)
    }

    /// Whether it came to its end; `None` where it is better done as a whole.
    fn in_slices(&self, work: Long, progress: Progress<'_>) -> Result<Option<bool>> {
        if self.read(|conn| self.inner.storage.row_count(conn))? < LITTLE {
            return Ok(None);
        }
        let tasks: &[Task] = match work {
            Long::Optimize => &[Task::Seal, Task::Whole],
            Long::Rebuild => &[Task::Rebuild],
        };
        for task in tasks {
            let Some(watch) = self.begin(*task, progress)? else { continue };
            if !self.finish(&watch, progress)? {
                return Ok(Some(false));
            }
        }
        Ok(Some(true))
    }

    /// Begins a job, after those that are in its way; `None` when there is nothing to do.
    fn begin(&self, task: Task, progress: Progress<'_>) -> Result<Option<Watch>> {
        loop {
            let (done, begun) = self.slice(task, &mut |_| {
                Ok(if progress(0, 1) { maintenance::begun() } else { return Err(Error::Interrupted) })
            })?;
            match done {
                _ if begun.is_some() => return Ok(begun),
                Done::Nothing => return Ok(None),
                Done::Worked => {}
                Done::Waits => std::thread::sleep(NAP),
                Done::Failed => return maintenance::last_failure().map_or(Ok(None), Err),
            }
        }
    }

    /// Goes on with a job to its end, what it replaced removed. False: it was for nothing.
    fn finish(&self, watch: &Watch, progress: Progress<'_>) -> Result<bool> {
        let mut goes_on = true;
        loop {
            let (done, over) = self.slice(Task::Finish, &mut |conn| {
                let (done, total) = watch.progress();
                if goes_on && !progress(done, total) {
                    goes_on = false;
                    watch.cancel();
                }
                watch.is_over(&self.inner.storage, conn)
            })?;
            if over {
                return if goes_on || watch.is_done() {
                    Ok(watch.is_done())
                } else {
                    Err(Error::Interrupted)
                };
            }
            if done != Done::Worked && !watch.wait(PATIENCE) {
                std::thread::sleep(NAP);
            }
        }
    }

    /// Does one slice, then looks, both in one turn.
    fn slice<T>(
        &self,
        task: Task,
        look: &mut dyn FnMut(&rusqlite::Connection) -> Result<T>,
    ) -> Result<(Done, T)> {
        let sql = command_sql(&self.inner);
        self.write(|conn| {
            let mut statement = conn.prepare_cached(&sql).map_err(error_of)?;
            change(conn, statement.query(("maintain", task.rank())).map_err(error_of)?)?;
            Ok((maintenance::last(), look(conn)?))
        })
    }

    /// In one transaction.
    fn as_a_whole(&self, work: Long, progress: Progress<'_>) -> Result<()> {
        let done = self.write_damaged(|conn| {
            if conn.db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE)? {
                // Only the table itself may write there, and it cannot report.
                return Ok(false);
            }
            let settings = match work {
                Long::Rebuild => self.inner.settings_of_damaged(conn)?,
                Long::Optimize => self.inner.settings(conn)?,
            };
            let on = self.inner.on(conn);
            let _bound = Bound::of(settings.threads);
            match work {
                Long::Rebuild => collection::rebuild(on, progress)?,
                Long::Optimize => collection::optimize(on, &settings, progress)?,
            }
            Ok(true)
        })?;
        let command = match work {
            Long::Optimize => "optimize",
            Long::Rebuild => "rebuild",
        };
        if done { Ok(()) } else { self.command(command) }
    }
}
