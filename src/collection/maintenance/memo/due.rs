//! What the commit of a transaction has to do.

use super::super::policy;
use super::super::{Due, Site};
use super::{CROWDED, Memo};
use crate::error::Result;
use crate::storage::Maintenance;

/// A log that is to be sealed at so few entries is sealed by the commit: that takes milliseconds.
const SMALL_LOG: usize = 256;

/// How many times `delta_rows` the log may grow to before a commit seals by itself.
const FULL: usize = 16;

impl Memo {
    /// Entries of the log.
    pub(super) fn log_length(&mut self, site: &Site<'_>) -> Result<usize> {
        let end = site.storage.log_end(site.conn)?.seq;
        if end == 0 {
            return Ok(0);
        }
        let nonce = site.storage.nonce(site.conn)?;
        let begin = match self.begin {
            Some((of, begin)) if of == nonce && begin <= end => begin,
            _ => site.storage.log_begin(site.conn)?,
        };
        self.begin = Some((nonce, begin));
        Ok(usize::try_from(end - begin + 1).unwrap_or(0))
    }

    /// What the commit of a transaction that wrote `entries` log entries has to do.
    ///
    /// # Errors
    /// Those of reading the log.
    pub fn due(&mut self, site: &Site<'_>, entries: usize) -> Result<Due> {
        let mode = self.mode(site);
        if mode == Maintenance::Manual {
            return Ok(Due::Nothing);
        }
        let (length, bound) = (self.log_length(site)?, site.settings.delta_rows);
        let rests = self.rest > 0;
        self.rest = self.rest.saturating_sub(1);
        if length >= bound && (bound <= SMALL_LOG || entries >= bound || length >= bound.saturating_mul(FULL))
        {
            return Ok(Due::Seal);
        }
        if rests {
            return Ok(Due::Nothing);
        }
        self.pending += entries;
        if self.pending < self.pace.entries(length >= bound.saturating_mul(2)) {
            return Ok(Due::Nothing);
        }
        self.pending = 0;
        if length < bound.saturating_mul(CROWDED) && self.leaves_to_thread(site)? {
            return Ok(Due::Nothing);
        }
        Ok(Due::Slices(self.pace.slices(entries)))
    }

    /// The slices that a commit of `entries` log entries does beside a seal.
    ///
    /// # Errors
    /// Those of reading the segments.
    pub fn slices_for(&self, site: &Site<'_>, entries: usize) -> Result<usize> {
        let others =
            self.mode(site) == Maintenance::Manual || self.rest > 0 || self.leaves_to_thread(site)?;
        Ok(if others { 0 } else { self.pace.slices(entries) })
    }

    /// Whether merges are left to the thread of `maintenance` = `background`. A process that writes without a pause keeps it from
    /// writing, so commits do them as well where segments are too many.
    fn leaves_to_thread(&self, site: &Site<'_>) -> Result<bool> {
        if self.mode(site) != Maintenance::Background {
            return Ok(false);
        }
        let segments = site.storage.segment_count(site.conn)?;
        Ok(policy::excess(segments, site.settings.automerge) == 0)
    }
}
