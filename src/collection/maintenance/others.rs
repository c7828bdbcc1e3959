//! Claims of other processes, which are watched for signs of life.

use crate::storage::{Claim, Token};
use std::collections::HashMap;

/// Looks at a claim of another process, without seeing it go on, after which it is taken for dead.
const LOOKS: u32 = 256;

/// What a look counts for where somebody asked for maintenance.
const HURRIED_LOOKS: u32 = 3;

/// The stamps of these claims, and how often each was seen.
#[derive(Default)]
pub struct Others(HashMap<Token, (u64, u32)>);

impl Others {
    /// Counts a look at a claim; whether its process is taken for dead.
    pub fn is_dead(&mut self, claim: &Claim) -> bool {
        let (stamp, looks) = self.0.entry(claim.token).or_insert((claim.stamp, 0));
        if *stamp != claim.stamp {
            (*stamp, *looks) = (claim.stamp, 0);
        }
        *looks += 1;
        *looks >= LOOKS
    }

    /// Counts the last look at each for more.
    pub fn hurry(&mut self) {
        self.0.values_mut().for_each(|(_, looks)| *looks += HURRIED_LOOKS);
    }
}
