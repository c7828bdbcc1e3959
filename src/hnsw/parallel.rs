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
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread::{self, ThreadId};

    #[test]
    fn threads_come_and_go_with_the_crew() {
        const WORKERS: usize = 3;
        let crew = Arc::new(Crew::new(1));
        let leads = crew.lead();
        let leader = thread::current().id();
        let joined = Mutex::new(None);
        let seen: Mutex<Vec<(usize, ThreadId)>> = Mutex::default();
        let together = AtomicUsize::new(0);
        let mut items = vec![0_usize; 400];
        each(&mut [0_usize; WORKERS], &mut items, 2, |done, index, item| {
            (*done, *item) = (*done + 1, index + 1);
            let here = thread::current().id();
            match index {
                100 => *joined.lock() = Some(crew.join(WORKERS - 1)),
                // Every worker gets here once all have a thread.
                101..200 if here == leader => {
                    while together.load(Ordering::Relaxed) < WORKERS - 1 && index > 102 {
                        thread::yield_now();
                    }
                }
                101..200 if *done == 1 => drop(together.fetch_add(1, Ordering::Relaxed)),
                200 => drop(joined.lock().take()),
                _ => {}
            }
            seen.lock().push((index, here));
        });
        drop(leads);
        assert!(items.iter().enumerate().all(|(at, item)| *item == at + 1));
        let seen = seen.into_inner();
        assert!(seen.iter().take_while(|(index, _)| *index < 100).all(|(_, thread)| *thread == leader));
        assert_eq!(together.into_inner(), WORKERS - 1);
        // Each of the others may have begun two chunks when the crew became smaller.
        let late = seen.iter().filter(|(index, thread)| *index > 200 && *thread != leader).count();
        assert!(late <= (WORKERS - 1) * 2 * 2, "{late}");
    }
}
