//! Claims of other processes, and which of them nobody goes on with.

use crate::storage::{Claim, Token};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Looks at a claim, without seeing it go on, after which its process is taken for dead.
const LOOKS: u32 = 256;

/// Beside threads that build so much time has to pass as well: a process that writes without a pause looks more often than
/// another one builds.
const STALE: Duration = Duration::from_secs(2);

/// What a look counts for beside itself where somebody asked for maintenance.
const HURRIED_LOOKS: u32 = 3;

struct Seen {
    stamp: u64,
    looks: u32,
    since: Instant,
}

impl Seen {
    fn now(stamp: u64) -> Self {
        Self { stamp, looks: 0, since: Instant::now() }
    }
}

/// What was seen of the claims of others.
#[derive(Default)]
pub struct Others(HashMap<Token, Seen>);

impl Others {
    /// Looks at a claim once more. `timed`: whether time counts as well.
    pub fn is_dead(&mut self, claim: &Claim, timed: bool) -> bool {
        let seen = self.0.entry(claim.token).or_insert_with(|| Seen::now(claim.stamp));
        if seen.stamp != claim.stamp {
            *seen = Seen::now(claim.stamp);
        }
        seen.looks = seen.looks.saturating_add(1);
        seen.looks >= LOOKS && (!timed || seen.since.elapsed() >= STALE)
    }

    /// Forgets all claims but these.
    pub fn keep(&mut self, claims: &[Token]) {
        self.0.retain(|token, _| claims.contains(token));
    }

    /// Counts the last looks for more, since nothing but these claims is waited for.
    pub fn hurry(&mut self) {
        self.0.values_mut().for_each(|seen| seen.looks = seen.looks.saturating_add(HURRIED_LOOKS));
    }
}
