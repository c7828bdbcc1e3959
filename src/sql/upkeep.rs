//! What a table and its connection know of its maintenance.

use super::background::Presence;
use super::module::Host;
use crate::collection::Connected;
use crate::collection::maintenance::{self, Memo, Place, Site, Stay};
use crate::error::{Error, Result};
use crate::schema::Schema;
use crate::storage::Token;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

/// Memory that a seal in the middle of a transaction may take for vectors and values: so much is written, then it is due.
/// Where it cannot be done, it is tried again after as many more.
const SEAL_BYTES: usize = 3 << 30;
const SEAL_ROWS: std::ops::RangeInclusive<usize> = 1 << 16..=1 << 20;

/// Seals that are left out after one that was refused the tables of the index: each would read the log.
const LEFT_OUT: usize = 16;

/// What a table and its connection know of its maintenance.
pub struct Upkeep {
    pub(super) memo: RefCell<Memo>,
    /// Log entries of this transaction.
    pub(super) entries: Cell<usize>,
    /// The log is sealed in the middle of a transaction at this many of them.
    pub(super) seal_at: Cell<usize>,
    pub(super) seal_every: usize,
    pub(super) presence: Presence,
    /// The tables of the index could not be made; the number of seals that are left out before it is tried again.
    refused: Cell<Option<usize>>,
    stay: Rc<Stay>,
}

/// The files of a connection, by the names of their schemas.
#[derive(Default)]
struct ConnectionPlaces(RefCell<HashMap<String, Rc<Stay>>>);

impl ConnectionPlaces {
    fn of(&self, host: &Host) -> Rc<Stay> {
        let place = place(host, host.schema());
        let mut stays = self.0.borrow_mut();
        match stays.get(host.schema()) {
            Some(stay) if *stay.place() == place => Rc::clone(stay),
            _ => {
                let stay = Rc::new(Stay::at(place));
                stays.insert(host.schema().to_owned(), Rc::clone(&stay));
                stay
            }
        }
    }
}

/// The place of the tables in a schema of a host's connection.
fn place(host: &Host, schema: &str) -> Place {
    let file = host.file(schema);
    // Nobody else sees a database without a file.
    Place(if file.is_empty() { host.private_name(schema) } else { file })
}

/// Why the last maintenance of a table gave up, if it did.
pub fn trouble(host: &Host, schema: &str, table: &str) -> Option<String> {
    maintenance::trouble(&place(host, schema), table)
}

impl Upkeep {
    /// For a table that `host` sees.
    pub fn new(host: &Host, schema: &Schema) -> Self {
        let stay = host.shared::<ConnectionPlaces>().of(host);
        let row: usize = 1024 + schema.vectors().map(|(_, spec)| spec.dim * 4).sum::<usize>();
        let seal_every = (SEAL_BYTES / row).clamp(*SEAL_ROWS.start(), *SEAL_ROWS.end());
        let memo = RefCell::new(Memo::new(stay.place().clone()));
        let presence = Presence::new(host, stay.place());
        Self {
            memo,
            entries: Cell::new(0),
            seal_at: Cell::new(seal_every),
            seal_every,
            presence,
            refused: Cell::new(None),
            stay,
        }
    }

    /// Counts a log entry. True: the log is to be sealed now.
    pub fn wrote(&self) -> bool {
        self.entries.set(self.entries.get() + 1);
        self.entries.get() >= self.seal_at.get()
    }

    /// The tables of the index cannot be made now; it is tried again later.
    pub fn refused(&self, table: &str, error: &Error) {
        self.refused.set(Some(LEFT_OUT));
        if let Ok(mut memo) = self.memo.try_borrow_mut() {
            memo.failed(table, error);
        }
    }

    /// They could be made.
    pub fn accepted(&self, table: &str) {
        if self.is_refused() {
            self.commanded(table);
        }
    }

    /// The log was sealed on demand, so whatever kept a commit from it does not any more.
    pub fn commanded(&self, table: &str) {
        self.refused.set(None);
        maintenance::set_trouble(self.stay.place(), table, None);
    }

    /// Whether they could not be made when it was tried last.
    pub fn is_refused(&self) -> bool {
        self.refused.get().is_some()
    }

    /// Whether a seal is left out for that.
    pub fn leaves_out(&self) -> bool {
        let left = self.refused.get().unwrap_or(0);
        if left > 0 {
            self.refused.set(Some(left - 1));
        }
        left > 0
    }

    /// After a commit.
    pub fn committed(&self, table: &str) {
        if let Ok(mut memo) = self.memo.try_borrow_mut() {
            memo.committed(table);
        }
        self.presence.committed(table);
    }

    /// After a rollback of the whole transaction.
    pub fn rolled_back(&self) {
        self.entries.set(0);
        self.seal_at.set(self.seal_every);
        self.reverted();
    }

    /// Whether this process is at work on something for its table.
    pub fn has_jobs(&self, site: &Site<'_>) -> Result<bool> {
        maintenance::has_jobs(site, self.stay.place())
    }

    /// A command has built everything again and left these claims: what was begun before is not gone on with.
    pub fn rebuilt(&self, table: &str, claims: &[Token]) {
        maintenance::forget_ended(self.stay.place(), table, claims);
    }

    /// Its table is being renamed.
    pub fn renamed(&self, on: Connected<'_>, new: &str) {
        maintenance::rename_jobs(on, self.stay.place(), new);
    }

    /// Its table is being dropped: nobody goes on with what was begun for it.
    pub fn dropped(&self, on: Connected<'_>) {
        self.reverted();
        maintenance::forget_jobs(on, self.stay.place());
    }

    /// After a rollback, to a savepoint too.
    pub fn reverted(&self) {
        if let Ok(mut memo) = self.memo.try_borrow_mut() {
            memo.reverted();
        }
    }
}
