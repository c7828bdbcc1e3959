//! When the engine keeps a table in order: at commits, in the middle of large transactions, and when it is told to.

use super::module::{Host, code_of};
use super::table::Shared;
use crate::collection::maintenance::policy::Zeal;
use crate::collection::maintenance::{Done, Due, Memo, Place, Site, Stay};
use crate::collection::{self};
use crate::error::{Error, Result};
use crate::schema::Schema;
use crate::storage::{Settings, Storage};
use rusqlite::{TransactionState, ffi};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Memory that a seal in the middle of a transaction may take for vectors and values: so much is written, then it is due.
/// Where it cannot be done, it is tried again after as many more.
const SEAL_BYTES: usize = 3 << 30;
const SEAL_ROWS: std::ops::RangeInclusive<usize> = 1 << 16..=1 << 20;

/// What a table and its connection know of its maintenance.
pub struct Upkeep {
    memo: RefCell<Memo>,
    /// Log entries of this transaction.
    entries: Cell<usize>,
    /// At so many of them the log is sealed in the middle of it.
    seal_at: Cell<usize>,
    seal_every: usize,
    _stay: Rc<Stay>,
}

/// The place of the tables that a host sees.
pub fn place(host: &Host) -> Place {
    let file = host.file();
    // Nobody else sees a database without a file.
    Place(if file.is_empty() { host.private_name() } else { file })
}

thread_local! {
    /// How the last slice ended that a command of this thread did.
    static LAST: Cell<Option<Done>> = const { Cell::new(None) };
}

/// How the last `maintain` of this thread ended.
pub fn last() -> Option<Done> {
    LAST.take()
}

impl Upkeep {
    /// For a table at `stay`.
    pub fn new(stay: Rc<Stay>, schema: &Schema) -> Self {
        let row: usize = 1024 + schema.vectors().map(|(_, spec)| spec.dim * 4).sum::<usize>();
        let seal_every = (SEAL_BYTES / row).clamp(*SEAL_ROWS.start(), *SEAL_ROWS.end());
        let memo = RefCell::new(Memo::new(stay.place().clone()));
        Self { memo, entries: Cell::new(0), seal_at: Cell::new(seal_every), seal_every, _stay: stay }
    }

    /// Counts a log entry. True: the log is to be sealed now.
    pub fn wrote(&self) -> bool {
        self.entries.set(self.entries.get() + 1);
        self.entries.get() >= self.seal_at.get()
    }

    /// After a commit.
    pub fn committed(&self, table: &str) {
        if let Ok(mut memo) = self.memo.try_borrow_mut() {
            memo.committed(table);
        }
    }

    /// After a rollback, to a savepoint too.
    pub fn reverted(&self) {
        if let Ok(mut memo) = self.memo.try_borrow_mut() {
            memo.reverted();
        }
    }
}

impl Shared {
    /// Seals the log in the middle of a transaction, whose memory it bounds.
    pub(super) fn seal_amid(&self, settings: &Settings) -> Result<()> {
        let upkeep = &self.upkeep;
        self.seal_all(&self.storage, &self.schema, settings, upkeep.entries.get())?;
        upkeep.seal_at.set(upkeep.entries.get() + upkeep.seal_every);
        Ok(())
    }

    /// Does what is due before a commit.
    pub(super) fn tidy(&self, storage: &Storage, schema: &Schema, settings: &Settings) -> Result<()> {
        let upkeep = &self.upkeep;
        let entries = upkeep.entries.replace(0);
        upkeep.seal_at.set(upkeep.seal_every);
        let site = Site { storage, conn: self.host.connection(), schema, settings };
        let Ok(mut memo) = upkeep.memo.try_borrow_mut() else { return Err(Error::recursive()) };
        let due = memo.due(&site, entries)?;
        drop(memo);
        match due {
            Due::Nothing => Ok(()),
            Due::Seal => {
                self.host.keeping_last_insert_rowid(|| self.seal_all(storage, schema, settings, entries))
            }
            Due::Slices(slices) => self.host.keeping_last_insert_rowid(|| self.maintain(&site, slices)),
        }
    }

    /// Seals the log, then merges what costs no more than the transaction. What the connection's limits or another
    /// connection's locks do not allow now is left for later, since the rows are stored and found without it.
    fn seal_all(
        &self,
        storage: &Storage,
        schema: &Schema,
        settings: &Settings,
        entries: usize,
    ) -> Result<()> {
        let conn = self.host.connection();
        let mut go_on = |_, _| !self.host.interrupted();
        let sealed = self.atomically(|| collection::seal(storage, conn, schema, &mut go_on));
        if postponed(sealed)?.is_none() {
            return Ok(());
        }
        let merged =
            self.atomically(|| collection::automerge(storage, conn, schema, settings, entries, &mut go_on));
        postponed(merged)?;
        let site = Site { storage, conn, schema, settings };
        let slices = self.upkeep.memo.try_borrow_mut().map_or(0, |memo| memo.slices_for(&site, entries));
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
        if let Ok(mut memo) = self.upkeep.memo.try_borrow_mut() {
            memo.failed(&site.storage.table, &error);
        }
        let state = site.conn.transaction_state(Some(site.storage.database.as_str()));
        if matches!(state, Ok(TransactionState::Write)) { Ok(()) } else { Err(error) }
    }

    /// The command `maintain`: slices until `budget` is over, or one slice inside an open transaction.
    pub(super) fn maintain_for(&self, settings: &Settings, budget: Option<Duration>) -> Result<()> {
        let site =
            Site { storage: &self.storage, conn: self.host.connection(), schema: &self.schema, settings };
        let alone = site.conn.is_autocommit();
        let began = Instant::now();
        let left = || budget.map_or(Duration::MAX, |budget| budget.saturating_sub(began.elapsed()));
        loop {
            let outcome = self.atomically(|| match self.upkeep.memo.try_borrow_mut() {
                Ok(mut memo) => memo.slice(&site, Zeal::Thorough),
                Err(_) => Err(Error::recursive()),
            });
            let done = match outcome {
                Ok(done) => done,
                Err(error) => {
                    LAST.set(Some(Done::Nothing));
                    return self.gave_up(&site, error);
                }
            };
            LAST.set(Some(done));
            if !alone || budget == Some(Duration::ZERO) {
                return Ok(());
            }
            let Ok(mut memo) = self.upkeep.memo.try_borrow_mut() else { return Err(Error::recursive()) };
            // This statement has written nothing but its own slices.
            memo.committed(&self.storage.table);
            if done == Done::Waits {
                memo.lose_patience();
                memo.wait(&site, left().min(Duration::from_millis(50)))?;
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
