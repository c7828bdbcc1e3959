//! Runs one job for each element of a slice on a few threads. The result of an element may depend on the element only,
//! so the number of threads never shows.

use crate::crew::Crew;
use crate::memory;
use parking_lot::Mutex;
use std::thread::Builder;

/// Calls `job(worker, index, element)` for each element, `chunk` elements at a time, one thread a worker. Where this thread leads a crew,
/// the threads become more and fewer with it, from one chunk to the next.
pub(super) fn each<W: Send, T: Send>(
    workers: &mut [W],
    items: &mut [T],
    chunk: usize,
    job: impl Fn(&mut W, usize, &mut T) + Sync,
) {
    let [first, others @ ..] = workers else { return };
    if others.is_empty() || items.len() <= chunk {
        items.iter_mut().enumerate().for_each(|(at, item)| job(first, at, item));
        return;
    }
    let queue = Mutex::new(items.chunks_mut(chunk).enumerate());
    // False: nothing is left to do.
    let do_some = |worker: &mut W| {
        let Some((index, items)) = queue.lock().next() else { return false };
        items.iter_mut().enumerate().for_each(|(at, item)| job(worker, index * chunk + at, item));
        true
    };
    let (all, crew) = (others.len(), Crew::led());
    let allowed = || crew.as_ref().map_or(all, |crew| all.min(crew.size().saturating_sub(1)));
    // Workers without a thread.
    let idle: Mutex<Vec<&mut W>> = Mutex::new(others.iter_mut().collect());
    let wake = || {
        let mut idle = idle.lock();
        let more = all - idle.len() < allowed() && memory::threads(1) > 0;
        if more { idle.pop() } else { None }
    };
    std::thread::scope(|scope| {
        loop {
            while let Some(worker) = wake() {
                let work = || {
                    let worker = worker;
                    while do_some(&mut *worker) {
                        let mut idle = idle.lock();
                        if all - idle.len() > allowed() {
                            return idle.push(worker);
                        }
                    }
                };
                // Where the system has no more threads, fewer do the work.
                if Builder::new().spawn_scoped(scope, work).is_err() {
                    break;
                }
            }
            if !do_some(first) {
                break;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    /// What the job of the test has seen.
    #[derive(Default)]
    struct Seen<G> {
        /// While others have joined the crew.
        joined: Option<G>,
        /// Threads beside the one that leads, and items that they did after the others had left.
        others: HashSet<thread::ThreadId>,
        late: usize,
        /// Items before the others joined that were not done by the leader.
        early: usize,
    }

    #[test]
    fn threads_come_and_go_with_the_crew() {
        const WORKERS: usize = 3;
        const JOIN_AT: usize = 100;
        let crew = Arc::new(Crew::new(1));
        let leads = crew.lead();
        let leader = thread::current().id();
        let seen = Mutex::new(Seen { joined: None, others: HashSet::new(), late: 0, early: 0 });
        let mut items = vec![0_usize; 8_000];
        each(&mut [(); WORKERS], &mut items, 2, |(), index, item| {
            *item = index + 1;
            let here = thread::current().id();
            let mut seen = seen.lock();
            let (is_other, all_came) = (here != leader, seen.others.len() == WORKERS - 1);
            match index {
                0..JOIN_AT => seen.early += usize::from(is_other),
                JOIN_AT => seen.joined = Some(crew.join(WORKERS - 1)),
                _ if all_came => seen.late += usize::from(is_other),
                _ => {
                    if is_other {
                        seen.others.insert(here);
                    }
                    if seen.others.len() == WORKERS - 1 {
                        seen.joined = None;
                    }
                    drop(seen);
                    thread::sleep(Duration::from_millis(1));
                }
            }
        });
        drop(leads);
        assert!(items.iter().enumerate().all(|(at, item)| *item == at + 1));
        let seen = seen.into_inner();
        assert_eq!((seen.others.len(), seen.early), (WORKERS - 1, 0));
        // Each of the others may have been in the middle of a chunk, or about to begin one.
        assert!(seen.late <= (WORKERS - 1) * 3, "{}", seen.late);
    }
}
