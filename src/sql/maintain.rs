//! When the engine keeps a table in order: at commits, in the middle of large transactions, and on demand.

use super::module::code_of;
use super::table_state::TableState;
use crate::collection::maintenance::{self, Done, Due, Site, Task, is_passing};
use crate::collection::permits::Bound;
use crate::collection::{self, Connected, Journal};
use crate::error::{Error, Result};
use crate::storage::{Maintenance, Settings};
use rusqlite::{TransactionState, ffi};
use std::time::{Duration, Instant};

impl TableState {
    /// Seals the log in the middle of a transaction, whose memory it bounds.
    pub(super) fn seal_amid(&self, settings: &Settings) -> Result<()> {
        let upkeep = &self.upkeep;
        upkeep.seal_at.set(upkeep.entries.get() + upkeep.seal_every);
        self.seal_all(self.on(), settings, upkeep.entries.get())
    }

    /// Does what is due before a commit.
    pub(super) fn tidy(&self, on: Connected<'_>, settings: &Settings) -> Result<()> {
        let upkeep = &self.upkeep;
        let entries = upkeep.entries.replace(0);
        upkeep.seal_at.set(upkeep.seal_every);
        let site = Site { on, settings };
        let _bound = Bound::of(settings.threads);
        let alone = settings.maintenance() == Maintenance::Background
            && upkeep.presence.asks(&self.host, &on.storage.table);
        let Ok(mut memo) = upkeep.memo.try_borrow_mut() else { return Err(Error::recursive()) };
        memo.set_alone(alone);
        let due = memo.due(&site, entries)?;
        drop(memo);
        match due {
            Due::Nothing => Ok(()),
            // The log says what changed beside it. Whoever builds may have died: a slice looks after that.
            Due::Seal if maintenance::is_rebuilt(&site)? => {
                let looks = alone || settings.maintenance() != Maintenance::Background;
                self.host.keeping_last_insert_rowid(|| self.maintain(&site, usize::from(looks)))
            }
            Due::Seal => self.host.keeping_last_insert_rowid(|| self.seal_all(on, settings, entries)),
            Due::Slices(slices) => self.host.keeping_last_insert_rowid(|| self.maintain(&site, slices)),
        }
    }

    /// Seals the log, then merges what costs no more than the transaction. What the connection's limits or another
    /// connection's locks do not allow now is left for later, since the rows are stored and found without it; so is a merge that
    /// fails, for example because an older segment is damaged.
    fn seal_all(&self, on: Connected<'_>, settings: &Settings, entries: usize) -> Result<()> {
        if self.upkeep.leaves_out() {
            return Ok(());
        }
        let site = Site { on, settings };
        let mut go_on = |_, _| !self.host.interrupted();
        let passes = settings.automerge > 0 && settings.maintenance() != Maintenance::Manual;
        let sealed = self.atomically(|| collection::seal(on, passes, &mut go_on));
        let Some(sealed) = self.unless_refused(on.storage, sealed).transpose() else { return Ok(()) };
        if postponed(sealed)?.is_none() {
            return Ok(());
        }
        self.upkeep.accepted(&on.storage.table);
        let merged = self.atomically(|| collection::automerge(&site, entries, &mut go_on));
        match postponed(merged) {
            Err(error) if !is_passing(&error) => return self.gave_up(&site, error),
            other => drop(other?),
        }
        let slices =
            self.upkeep.memo.try_borrow_mut().map_or(Ok(0), |memo| memo.slices_for(&site, entries))?;
        if slices > 0 { self.maintain(&site, slices) } else { Ok(()) }
    }

    /// Does slices of maintenance. Its failures are nobody's but its own, unless SQLite took back the transaction for them.
    fn maintain(&self, site: &Site<'_>, slices: usize) -> Result<()> {
        let outcome = self.atomically(|| match self.upkeep.memo.try_borrow_mut() {
            Ok(mut memo) => memo.work(site, slices),
            Err(_) => Err(Error::recursive()),
        });
        match outcome {
            Ok(_) => Ok(()),
            Err(error) => self.gave_up(site, error),
        }
    }

    fn gave_up(&self, site: &Site<'_>, error: Error) -> Result<()> {
        let state = site.conn.transaction_state(Some(site.storage.database.as_str()));
        let writes = matches!(state, Ok(TransactionState::Write));
        if !writes && matches!(code_of(&error) & 0xff, ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED) {
            // It has not begun: somebody else writes.
            return Err(error);
        }
        if let Ok(mut memo) = self.upkeep.memo.try_borrow_mut() {
            memo.failed(&site.storage.table, &error);
        }
        if !writes {
            return Err(error);
        }
        maintenance::set_failure(error);
        Ok(())
    }

    /// The command `maintain`: slices until `budget` is over, or one slice inside an open transaction.
    pub(super) fn maintain_for(
        &self,
        settings: &Settings,
        task: Task,
        budget: Option<Duration>,
    ) -> Result<()> {
        let site = Site { on: self.on(), settings };
        // Whether this statement has written nothing but its own slices.
        let alone = site.conn.is_autocommit() && self.upkeep.entries.get() == 0;
        let began = Instant::now();
        let left = || budget.map_or(Duration::MAX, |budget| budget.saturating_sub(began.elapsed()));
        loop {
            let outcome = self.atomically(|| match self.upkeep.memo.try_borrow_mut() {
                Ok(mut memo) => memo.slice(&site, task),
                Err(_) => Err(Error::recursive()),
            });
            let done = match outcome {
                Ok(done) => done,
                Err(error) => {
                    return self.gave_up(&site, error);
                }
            };
            if done == Done::Waits
                && let Ok(mut memo) = self.upkeep.memo.try_borrow_mut()
            {
                memo.hurry();
            }
            if !alone || budget == Some(Duration::ZERO) {
                return Ok(());
            }
            let Ok(mut memo) = self.upkeep.memo.try_borrow_mut() else { return Err(Error::recursive()) };
            memo.committed(self.table());
            if done == Done::Waits && !memo.wait_for_builder(&site, left().min(Duration::from_millis(50)))? {
                if !self.upkeep.has_jobs(&site)? {
                    // Another process can neither go on nor show that it lives while this statement holds the lock.
                    return Ok(());
                }
                std::thread::sleep(left().min(Duration::from_millis(5)));
            }
            if done == Done::Nothing || left().is_zero() {
                return Ok(());
            }
            if self.host.interrupted() {
                return Err(Error::Interrupted);
            }
        }
    }
}

/// What work that can wait has given; `None` if it has to wait.
fn postponed<T>(outcome: Result<T>) -> Result<Option<T>> {
    match outcome {
        Ok(done) => Ok(Some(done)),
        Err(error) if matches!(code_of(&error) & 0xff, ffi::SQLITE_TOOBIG | ffi::SQLITE_LOCKED) => Ok(None),
        Err(error) => Err(error),
    }
}
