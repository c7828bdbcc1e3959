//! A job as whoever asked for it sees it, while any connection goes on with it.

use super::job::Job;
use super::registry::{self, Place};
use crate::error::Result;
use crate::storage::{Storage, Token};
use parking_lot::Mutex;
use rusqlite::Connection;
use std::sync::Arc;
use std::time::Duration;

/// A job that was begun.
pub struct Watch {
    token: Token,
    place: Place,
    job: Arc<Mutex<Job>>,
}

impl Watch {
    /// Of a job at `place`.
    pub(super) fn new(token: Token, place: &Place, job: &Arc<Mutex<Job>>) -> Self {
        Self { token, place: place.clone(), job: Arc::clone(job) }
    }

    /// How much of its longest work is done, and of how much.
    pub fn progress(&self) -> (usize, usize) {
        self.job.lock().progress()
    }

    /// Whether its segment has taken its place, in a transaction that was committed.
    pub fn is_done(&self) -> bool {
        self.job.lock().is_done()
    }

    /// Waits for its builder, but no longer than this. False: it has none at work.
    pub fn wait(&self, patience: Duration) -> bool {
        let job = self.job.lock();
        let builds = job.is_building();
        job.wait(patience);
        builds
    }

    /// The next slice gives it up.
    pub fn cancel(&self) {
        self.job.lock().cancel();
    }

    /// Whether nothing of it is left to do, what it replaced included, or nobody goes on with it.
    ///
    /// # Errors
    /// Those of reading the claims.
    pub fn is_over(&self, storage: &Storage, conn: &Connection) -> Result<bool> {
        let claim = storage.claims(conn)?.into_iter().find(|claim| claim.token == self.token);
        let Some(claim) = claim else { return Ok(true) };
        Ok(!claim.is_trash() && registry::find(&self.token, &self.place).is_none() && !self.is_done())
    }
}
